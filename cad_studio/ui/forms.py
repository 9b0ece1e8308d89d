"""Settings dataclasses as form fields, and back."""

from dataclasses import Field, fields
from typing import Any, TypeVar, get_type_hints

import gradio as gr

from cad_studio.core.settings import settings_from_json

Settings = TypeVar("Settings")


class SettingsForm:
    """The fields of a settings dataclass as components, in the order of its fields."""

    def __init__(
        self,
        kind: type[Settings],
        prefix: str,
        only: tuple[str, ...] | None = None,
        first: dict[str, Any] | None = None,
    ) -> None:
        """Build the components in the Gradio block that is open.

        Args:
            kind: A frozen dataclass; field metadata may have `help`, `minimum`, `maximum` and
                `choices`.
            prefix: Start of every `elem_id`.
            only: Names of the fields to show, in this order; the others keep their defaults.
            first: What a field shows at first where that is not its default.
        """
        self._kind = kind
        hints = get_type_hints(kind)
        known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
        shown = [known[name] for name in only or known]
        self._names = [field.name for field in shown]
        self._types = [hints[name] for name in self._names]
        start = first or {}
        self.components = [
            _component(field, hints[field.name], prefix, start.get(field.name, field.default))
            for field in shown
        ]

    def to_json(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """What the components hold as plain values, checked against the settings.

        Raises:
            SettingError: A value is out of range.
        """
        plain = {
            name: _clean(value, hint)
            for name, value, hint in zip(self._names, values, self._types, strict=True)
        }
        settings_from_json(self._kind, plain)
        return plain


def _component(field: Field[Any], hint: Any, prefix: str, start: Any) -> gr.components.Component:
    label = field.name.replace("_", " ").capitalize()
    common = {
        "label": label,
        "info": field.metadata.get("help"),
        "elem_id": f"{prefix}-{field.name.replace('_', '-')}",
        "interactive": True,
    }
    if "choices" in field.metadata:
        return gr.Dropdown(list(field.metadata["choices"]), value=start, **common)
    if hint is bool:
        return gr.Checkbox(value=start, **common)
    if hint is str:
        return gr.Textbox(value=start, **common)
    # a text field keeps 0.00001 as it was typed, and empty means "not given"
    value = "" if start is None else f"{start:g}"
    return gr.Textbox(value=value, max_lines=1, **common)


def _clean(value: Any, hint: Any) -> Any:
    if not isinstance(value, str) or hint is str:
        return value
    if not value.strip():
        return None
    try:
        number = float(value)
    except ValueError:
        return value
    return int(number) if number.is_integer() and hint is not float else number
