"""Settings dataclasses as form fields, and back; the buttons that send a form."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import gradio as gr

from cad_studio.core.records import Job
from cad_studio.core.settings import describe_settings, settings_from_json
from cad_studio.ui.errors import shows_errors
from cad_studio.views.settings import SettingView

Settings = TypeVar("Settings")

# Gradio's own words for a studio that is away are not ours, so a form waits until there is one. The
# selected dataset is known to the page alone, so that two windows do not share it.
_AS_IT_IS = "async (...values) => { await window.cadStudio.answering(); return values; }"
_WITH_DATASET = (
    "async (name, ...rest) => { await window.cadStudio.answering();"
    " return [window.cadStudio.dataset(), ...rest]; }"
)


class SettingsForm:
    """The fields of a settings dataclass as components, in the order of its fields.

    What a field is comes from `describe_settings`, as for the forms that scripts build
    (`components/form.js`).
    """

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
        known = {each["name"]: each for each in describe_settings(kind)}
        self._shown: list[SettingView] = [known[name] for name in only or known]
        start = first or {}
        self.components = [
            _component(each, prefix, start.get(each["name"], each["default"]))
            for each in self._shown
        ]

    def to_json(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """What the components hold as plain values, checked against the settings.

        Raises:
            SettingError: A value is out of range.
        """
        plain = {
            each["name"]: _clean(value, each["type"])
            for each, value in zip(self._shown, values, strict=True)
        }
        settings_from_json(self._kind, plain)
        return plain


def start_button(
    text: str,
    prefix: str,
    handler: Callable[..., Job],
    inputs: Sequence[gr.components.Component],
    about_dataset: bool = True,
    cleared: Sequence[gr.components.Component] = (),
    worded: Callable[[str], str] = str,
) -> None:
    """The buttons at the end of a form: one that starts its job, one that closes it.

    Args:
        text: What the first says.
        prefix: Start of their `elem_id`.
        handler: Submits the job and returns it; an error it raises is shown and the form stays
            open.
        inputs: What the handler is given.
        about_dataset: Whether it is given the name of the selected dataset first.
        cleared: Fields to empty once the job has started.
        worded: Makes the words of the form of those of an error.
    """
    start = gr.Button(text, variant="primary", elem_id=f"{prefix}-start")
    close = gr.Button("Close", elem_id=f"{prefix}-close")
    close.click(None, js="() => window.cadStudio.close()", api_visibility="private")
    dataset = [gr.Textbox(visible=False)] if about_dataset else []
    started = gr.Textbox(visible="hidden", elem_id=f"{prefix}-started")

    @wraps(handler)
    def submitted(*values: Any) -> Any:
        job = str(handler(*values).id)
        return [job, *([None] * len(cleared))] if cleared else job

    start.click(
        shows_errors(submitted, worded),
        [*dataset, *inputs],
        [started, *cleared],
        js=_WITH_DATASET if about_dataset else _AS_IT_IS,
        api_visibility="private",
        concurrency_id="jobs",
        concurrency_limit=1,
        show_progress="hidden",  # a field that is an output would be covered by a failure
    ).success(
        None, started, js="job => window.cadStudio.started(job)", api_visibility="private"
    )  # the window that asked knows its job


def _component(about: SettingView, prefix: str, start: Any) -> gr.components.Component:
    name = about["name"]
    common = {
        "label": name.replace("_", " ").capitalize(),
        "info": about["help"] or None,
        "elem_id": f"{prefix}-{name.replace('_', '-')}",
        "interactive": True,
    }
    if about["choices"] is not None:
        return gr.Dropdown(about["choices"], value=start, **common)
    if about["type"] == "bool":
        return gr.Checkbox(value=start, **common)
    if about["type"] == "str":
        return gr.Textbox(value=start, **common)
    # a text field keeps 0.00001 as it was typed, and empty means "not given"
    value = "" if start is None else f"{start:g}"
    return gr.Textbox(value=value, max_lines=1, **common)


def _clean(value: Any, kind: str) -> Any:
    if not isinstance(value, str) or kind in {"str", "choice"}:
        return value
    if not value.strip():
        return None
    try:
        number = float(value)
    except ValueError:
        return value
    return int(number) if number.is_integer() and kind == "int" else number
