"""How often someone may try a password: freely at first, then with waits that grow."""

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from cachetools import LRUCache

from cad_studio.core.errors import NotAllowedError

FREE_TRIES = {"name": 5, "address": 20}
"""Tries before the first wait. Many people may share an address."""
MOST_SECONDS = {"name": 60.0, "address": 300.0}
"""The longest wait. It is short for a name, which someone else may be trying."""
_FORGET_SECONDS = 3600.0
_MOST_KEPT = 10_000
_PREFIX_V6 = 64  # what one subscriber has


class TooManyTriesError(NotAllowedError):
    """A password may be tried again only after a while.

    Attributes:
        seconds: How long that is, rounded up.
    """

    def __init__(self, seconds: float) -> None:
        """Say how long."""
        self.seconds = max(1, -int(-seconds // 1))
        super().__init__(
            f"Too many wrong passwords for this name or from this address. Wait {self.seconds} s, "
            "then try again."
        )


@dataclass
class _Tries:
    count: int = 0
    last: float = 0.0


class LoginLimit:
    """Counts tries per name and per address. Names that exist and others are treated alike.

    A try counts as wrong until it is found right, so that many at once are no way around. From an
    address that has logged in under a name before, tries of others under that name do not count.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the time from `clock`, in seconds."""
        self._clock = clock
        self._tries: LRUCache[tuple[str, str], _Tries] = LRUCache(_MOST_KEPT)
        self._known: LRUCache[tuple[str, str], None] = LRUCache(_MOST_KEPT)
        self._lock = Lock()

    def begin(self, name: str, address: str) -> None:
        """Count a try before the password is looked at.

        Raises:
            TooManyTriesError: It comes too early; it is not counted.
        """
        with self._lock:
            now, keys = self._clock(), self._keys(name, address)
            left = max(self._left(key, now) for key in keys)
            if left > 0:
                raise TooManyTriesError(left)
            for key in keys:
                tries = self._tries.setdefault(key, _Tries())
                tries.count, tries.last = tries.count + 1, now

    def failed(self, name: str, address: str) -> None:
        """Let the wait after a try begin now that its password is known to be wrong."""
        with self._lock:
            for key in self._keys(name, address):
                if key in self._tries:
                    self._tries[key].last = self._clock()

    def succeeded(self, name: str, address: str) -> None:
        """Forget the tries of someone whose password was right."""
        with self._lock:
            for key in self._keys(name, address):
                self._tries.pop(key, None)
            self._known[name, _network(address)] = None

    def _keys(self, name: str, address: str) -> list[tuple[str, str]]:
        network = _network(address)
        if (name, network) in self._known:
            return [("address", network)]
        return [("address", network), ("name", name)]

    def _left(self, key: tuple[str, str], now: float) -> float:
        tries = self._tries.get(key)
        if tries is None or now - tries.last > _FORGET_SECONDS:
            self._tries.pop(key, None)
            return 0.0
        beyond = tries.count - FREE_TRIES[key[0]]
        if beyond < 0:
            return 0.0
        return tries.last + min(2.0 ** min(beyond + 1, 30), MOST_SECONDS[key[0]]) - now


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, _PREFIX_V6), strict=False))
