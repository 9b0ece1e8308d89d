"""Names to the members of one room, found on first use."""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from threading import RLock
from typing import Generic, TypeVar

from cad_studio.core.errors import SettingError, closest

Member = TypeVar("Member")


class Registry(Generic[Member]):
    """Members of one package, each registered by a decorator in its own file.

    The package's modules are imported on the first look-up, not before, so importing a room
    stays cheap. Many threads may ask at once: the first loads, the others wait for it.
    """

    def __init__(self, package: str, noun: str) -> None:
        """Make an empty registry.

        Args:
            package: Dotted name of the package whose modules hold the members.
            noun: What a member is called in messages, e.g. `reader`.
        """
        self._package = package
        self._noun = noun
        self._members: dict[str, Member] = {}
        self._loaded = False
        self._loading = False
        self._lock = RLock()

    def register(self, name: str) -> Callable[[Member], Member]:
        """Decorator that adds a member under a name that must be free."""

        def add(member: Member) -> Member:
            if name in self._members:
                raise ValueError(f"{self._noun} {name!r} is registered twice")
            self._members[name] = member
            return member

        return add

    def names(self) -> list[str]:
        """All names, sorted."""
        self._load()
        return sorted(self._members)

    def get(self, name: str) -> Member:
        """The member of this name.

        Raises:
            SettingError: There is none; the message suggests the closest.
        """
        self._load()
        if name not in self._members:
            hint = closest(name, self.names())
            raise SettingError(f"{name!r} is not a known {self._noun}. {hint}".rstrip())
        return self._members[name]

    def _load(self) -> None:
        if self._loaded:
            return
        with self._lock:
            # A member that asks while it is imported (the lock lets its thread in) gets what is
            # there so far.
            if self._loaded or self._loading:
                return
            self._loading = True
            try:
                package = import_module(self._package)
                for module in iter_modules(package.__path__):
                    if not module.name.startswith("_"):
                        import_module(f"{self._package}.{module.name}")
                self._loaded = True  # only now: another thread looks at this without the lock
            finally:
                self._loading = False
