"""Settings as a form shows them."""

from typing import Any

from typing_extensions import TypedDict


class SettingView(TypedDict):
    """A field of a settings dataclass.

    Attributes:
        label: What it is called in words.
        type: `int`, `float`, `bool`, `str` or `choice`.
        optional: Whether None is a value.
        required: Whether it must be given.
        choices: The values of a `choice`.
        suggestions: Values to choose from, beside which others may be typed.
        advanced: What few will ever touch.
    """

    name: str
    label: str
    type: str
    optional: bool
    default: Any
    required: bool
    help: str
    minimum: float | None
    maximum: float | None
    choices: list[Any] | None
    suggestions: list[str] | None
    advanced: bool


class FormView(TypedDict):
    """A form that starts a job.

    Attributes:
        fields: In order.
    """

    fields: list[SettingView]
