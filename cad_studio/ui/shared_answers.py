"""Answers that are equal for everybody who asks at about the same time: computed once."""

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

KEPT_SECONDS = 0.5
"""How old an answer may be: what another process writes (a training) shows so much later."""

_MOST_HELD = 256


@dataclass(frozen=True)
class _Answer:
    """An answer, or the promise of one."""

    stamp: Hashable
    begun: float
    made: "Future[Any]"


class SharedAnswers:
    """The answers of the last moments, each made by the first who asks and handed to the rest."""

    def __init__(
        self,
        stamp: Callable[[], Hashable],
        seconds: float = KEPT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep answers while `stamp` gives the same, at most `seconds`.

        Args:
            stamp: Something else after every change made by this process, so that whoever changed
                something sees it at once.
            seconds: How long an answer holds for what other processes change.
            clock: Seconds, rising.
        """
        self._stamp = stamp
        self._seconds = seconds
        self._clock = clock
        self._held: LRUCache[Hashable, _Answer] = LRUCache(_MOST_HELD)
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` gives, called by one of all who ask for the same at the same time.

        An error it raises is raised for each of them, and not kept.
        """
        stamp, now = self._stamp(), self._clock()
        with self._lock:
            found = self._held.get(key)
            is_own = found is None or found.stamp != stamp or self._is_old(found, now)
            if is_own:
                found = self._held[key] = _Answer(stamp, now, Future())
        assert found is not None
        if is_own:
            self._make(key, found, make)
        return found.made.result()

    def _is_old(self, answer: _Answer, now: float) -> bool:
        return answer.made.done() and now - answer.begun >= self._seconds

    def _make(self, key: Hashable, answer: _Answer, make: Callable[[], Any]) -> None:
        try:
            answer.made.set_result(make())
        except BaseException as error:
            with self._lock:
                if self._held.get(key) is answer:
                    del self._held[key]
            answer.made.set_exception(error)
