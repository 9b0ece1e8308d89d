"""What a worker of a cluster is: a process that prepares for one task and works on its items."""

import contextlib
import io
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from cad_studio.core.workers import InProcess, Item, Result, Task

_FORMAT = "%(levelname)s %(message)s"
_MOST_LINES = 1000


class Worker:
    """Works on batches of items, and hands what is printed and logged meanwhile back with them."""

    def __init__(self) -> None:
        """Know no task yet."""
        self._task: _Prepared[Any, Any] | None = None
        self._said = _Said()

    def arrive(self) -> None:
        """Say, by coming back, that the process runs."""

    def prepare(self, task: Task[Any, Any]) -> list[str]:
        """Get ready for a task; returns what was said meanwhile."""
        with self._said.heard():
            self._task = _Prepared(task)
        return self._said.taken()

    def work(self, items: list[Any]) -> tuple[list[Any], list[str]]:
        """The results of some items in their order, and what was said meanwhile."""
        task = self._task
        assert task is not None
        results: dict[int, Any] = {}

        def take(item: tuple[int, Any], result: Any) -> None:
            results[item[0]] = result

        with self._said.heard():
            InProcess().run(task, enumerate(items), take)
        return [results[place] for place in range(len(items))], self._said.taken()


class _Prepared(Task[tuple[int, Item], Result]):
    """A task that is ready, for items with their place."""

    def __init__(self, task: Task[Item, Result]) -> None:
        self._task = task
        self._work = task.prepare()

    def prepare(self) -> Callable[[tuple[int, Item]], Result]:
        return lambda item: self._work(item[1])

    def n_threads(self) -> int:
        return self._task.n_threads()

    def alone(self) -> AbstractContextManager[object]:
        return self._task.alone()


class _Said(logging.Handler):
    """Lines that were logged or printed; the last ones, where there are very many."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter(_FORMAT))
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """What is said in the block is kept."""
        root, printed = logging.getLogger(), io.StringIO()
        level = root.level
        root.setLevel(min(level, logging.INFO))
        root.addHandler(self)
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                yield
        finally:
            root.removeHandler(self)
            root.setLevel(level)
            self._lines += [line for line in printed.getvalue().splitlines() if line.strip()]

    def taken(self) -> list[str]:
        """The lines, which are forgotten here."""
        lines, self._lines = self._lines, []
        left = len(lines) - _MOST_LINES
        return lines if left <= 0 else [f"({left:,} lines are left out)", *lines[left:]]
