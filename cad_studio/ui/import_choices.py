"""The fields of the import form that say how a source is read, where it does not tell."""

import re
from functools import cache
from typing import Any

import gradio as gr

from cad_studio.core.errors import SettingError
from cad_studio.services.datasets.import_texts import columns_in, names_in
from cad_studio.services.datasets.importing import formats, resolved_source

AUTO = "found out"
"""What a choice says where the source shall tell."""
_OPTION = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)")
CANDIDATES = "Candidate sets (optional)"
SKIP_BAD = "Import the rest when some samples are bad, and list what was left out"
_SEPARATORS = ("comma", "semicolon", "tab", "bar")
_LISTS = ("bar", "semicolon", "comma", "slash", "space", "none")
_VOTES = ("counts", "shares", "annotators")


class ImportChoices:
    """The components, in the Gradio block that is open."""

    def __init__(self) -> None:
        """Build them; each has the `elem_id` `import-` and the name of its option."""
        self._fields: dict[str, gr.components.Component] = {
            "format": _pick("format", "Format", formats()),
            "splits": _text("splits", "Splits", "Separated by commas; empty takes all."),
            "split_from": _pick("split-from", "Top folders are splits", ("folders", "none")),
            "class_names": _text(
                "classes", "Class names",
                'In order, commas between; double quotes around a name with a comma: "beech, red".',
            ),
            "columns": _text(
                "columns", "Columns", "By role: image=file,candidates=labels,split=set."
            ),
            "separator": _pick("separator", "Between columns", _SEPARATORS),
            "list_separator": _pick("list-separator", "Between candidates in a cell", _LISTS),
            "encoding": _text("encoding", "Encoding of tables", "Such as cp1252 or gb18030."),
            "unlabelled": _pick(
                "unlabelled", "Samples without label", ("leave-out", "keep"),
            ),
            "bit_depth": _text(
                "bit-depth", "Bits in use", "Of images with more than 8 bits, such as 12."
            ),
            "images_dir": _text("images", "Image folder of a table", None),
            "votes_as": _pick("votes-as", "A matrix of votes holds", _VOTES),
            "threshold": gr.Number(
                value=0, minimum=0, maximum=1, step=0.05, label="Share of votes",
                info="That makes a class a candidate; 0: any vote.", elem_id="import-threshold",
            ),
            "follow_links": gr.Checkbox(
                label="Follow links that lead out of the source", elem_id="import-follow-links"
            ),
        }  # fmt: skip

    @property
    def components(self) -> list[gr.components.Component]:
        """All of them, in order."""
        return list(self._fields.values())

    @property
    def labels(self) -> dict[str, str]:
        """What each is called in the window, by its option of the command line."""
        return {name.replace("_", "-"): str(field.label) for name, field in self._fields.items()}

    def to_json(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """What they hold, as the options of an import; a field never shown holds None.

        Raises:
            SettingError: A text is not what its field asks for.
        """
        found: dict[str, Any] = {}
        for name, value in zip(self._fields, values, strict=True):
            if isinstance(value, str):
                value = value.strip()
            found[name] = None if value in ("", AUTO) else value
        found["splits"] = names_in(found["splits"] or "")
        found["class_names"] = names_in(found["class_names"] or "") or None
        found["columns"] = columns_in(found["columns"] or "")
        found["images_dir"] = found["images_dir"] and resolved_source(found["images_dir"])
        found["threshold"] = float(found["threshold"] or 0)
        found["follow_links"] = bool(found["follow_links"])
        bits = found["bit_depth"]
        if bits is not None and not bits.isdecimal():
            raise SettingError(f"Bits in use is {bits!r}; expected a whole number such as 12.")
        found["bit_depth"] = None if bits is None else int(bits)
        return found


def in_fields(words: str) -> str:
    """Words about options of the command line as words about the fields of the form."""
    return _OPTION.sub(lambda match: _labels().get(match[1], match[0]), words)


@cache
def _labels() -> dict[str, str]:
    with gr.Blocks(analytics_enabled=False):
        fields = ImportChoices().labels
    fields |= {"candidates": CANDIDATES.partition(" (")[0], "skip-bad": SKIP_BAD}
    return {name: f'"{label}"' for name, label in fields.items()}


def _text(name: str, label: str, info: str | None) -> gr.Textbox:
    return gr.Textbox(label=label, info=info, max_lines=1, elem_id=f"import-{name}")


def _pick(name: str, label: str, choices: Any) -> gr.Dropdown:
    return gr.Dropdown([AUTO, *choices], value=AUTO, label=label, elem_id=f"import-{name}")
