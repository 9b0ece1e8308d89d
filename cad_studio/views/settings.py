"""Settings as a form shows them."""

from typing import Any

from typing_extensions import TypedDict


class SettingView(TypedDict):
    """A field of a settings dataclass.

    Attributes:
        type: `int`, `float`, `bool`, `str` or `choice`.
        optional: Whether None is a value.
        required: Whether it must be given.
        choices: The values of a `choice`.
        advanced: What few will ever touch.
    """

    name: str
    type: str
    optional: bool
    default: Any
    required: bool
    help: str
    minimum: float | None
    maximum: float | None
    choices: list[Any] | None
    advanced: bool
