"""What a page asks for, as it came: parts that are missing or of another kind are told in words."""

from typing import Any, TypeVar

from cad_studio.core.errors import SettingError

Part = TypeVar("Part")


class Parts(dict[str, Any]):
    """A request whose parts are read by name."""

    def __missing__(self, name: str) -> Any:
        """Refuse.

        Raises:
            SettingError: Always.
        """
        raise SettingError(f"The request lacks {name!r}.")

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number of the request.

        Raises:
            SettingError: It is missing or something else.
        """
        value = self[name] if default is None else self.get(name, default)
        if isinstance(value, str) and value.isdecimal():  # as a list in a page holds it
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise SettingError(f"{name} is {value!r:.40}; expected a whole number.")
        return value

    def part(self, name: str, kind: type[Part]) -> Part:
        """A part of one kind.

        Raises:
            SettingError: It is missing, or of another kind.
        """
        value = self[name]
        if not isinstance(value, kind):
            raise SettingError(f"{name} is {value!r:.80}; the request cannot be read without it.")
        return value


def parts_of(asked: object) -> Parts:
    """A request as a page sends it.

    Raises:
        SettingError: It is none at all.
    """
    if not isinstance(asked, dict):
        raise SettingError("This is no request that a page makes: it has no named parts.")
    return Parts(asked)
