"""Fields and tags of samples: what there is, and which samples have a value."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import SettingError, closest
from cad_studio.core.fields import TAG, Field, field_names, is_plain, make_field
from cad_studio.services.annotation.blindness import Blindness
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.store.blobs import Blobs
from cad_studio.store.projects import Project
from cad_studio.views.datasets import FieldsView

MOST_VALUES = 200
"""Values of a field that are listed, those of most samples; all can be asked for."""

_MOST_COLOURS = 120
_N_BINS = 7
_NONE = "none"


class FieldService:
    """The fields of the datasets of one project, and the tags that annotators gave."""

    def __init__(self, project: Project, blindness: Blindness) -> None:
        """Read tags from `project`; `blindness` says whose are hidden from the one who asks."""
        self._project = project
        self._blindness = blindness

    def describe(self, data: LoadedDataset) -> FieldsView:
        """The fields and tags of a dataset.

        Returns:
            `fields`: of each `name`, `kind`, `known` (samples with a value), `n_values`, and
            `values` (value and number of samples, the most frequent first, or none for numbers and
            dates, which have `low` and `high`); `tags`: of each `name` and `n`.
        """
        return {
            "fields": [_described(field) for field in data.fields.values()],
            "tags": [{"name": tag, "n": len(rows)} for tag, rows in self.tags(data).items()],
        }

    def tags(self, data: LoadedDataset) -> dict[str, NDArray[np.int64]]:
        """Rows of each tag, ascending; by name. Those hidden from the one who asks are left out."""
        book = self._project.annotations.find(data.record.id)
        if book is None:
            return {}
        hidden = self._blindness.rows_for_reader(data.record)
        found: dict[str, list[int]] = {}
        for row, tags in self._project.annotations.tagged(book.id):
            for tag in tags if row not in hidden else ():
                found.setdefault(tag, []).append(row)
        return {tag: np.array(found[tag], np.int64) for tag in sorted(found)}

    def of_row(self, data: LoadedDataset, row: int) -> dict[str, Any]:
        """What one sample has.

        Returns:
            `fields` (value by name, those without one left out) and `tags`.
        """
        shown = {name: field.shown(row) for name, field in data.fields.items()}
        return {
            "fields": {name: value for name, value in shown.items() if value is not None},
            "tags": self._tags_of(data, row),
        }

    def mask(self, data: LoadedDataset, wanted: Sequence[str]) -> NDArray[np.bool_]:
        """Which samples answer all of some conditions, bool (N,).

        Args:
            data: The dataset.
            wanted: Conditions such as `camera=north`, `age=30..50`, `camera=` (no value) or
                `tag=blurred`.

        Raises:
            SettingError: No such field, tag or value.
        """
        keep = np.ones(len(data), bool)
        for condition in wanted:
            name, value = self._parsed(data, condition)
            if name == TAG:
                keep &= self._tagged(data, value)
            else:
                keep &= data.fields[name].holds(value)
        return keep

    def field(self, data: LoadedDataset, name: str) -> Field:
        """A field.

        Raises:
            SettingError: There is none of this name.
        """
        if name not in data.fields:
            known = ", ".join(list(data.fields)[:12])
            raise SettingError(
                f"{data.record.name} has no field {name[:80]!r}. "
                + (f"Its fields: {known}." if known else "Its source had no further columns.")
            )
        return data.fields[name]

    def coded(self, data: LoadedDataset, name: str) -> tuple[NDArray[np.uint8], list[str]]:
        """A field, or the tags, as colours: a code for each sample and what each code means.

        Numbers and dates are put into bins of about as many samples each; of very many values
        the most frequent are told apart.

        Returns:
            uint8 (N,) and the words for each code; the last is for samples without a value.
        """
        if name == TAG:
            return self._coded_tags(data)
        field = self.field(data, name)
        if field.is_measured:
            return _binned(field)
        counts = np.bincount(field.values[field.known()], minlength=len(field.names))
        shown = np.sort(np.argsort(-counts, kind="stable")[:_MOST_COLOURS])
        words = [field.names[at] for at in shown]
        place = np.full(len(field.names) + 1, len(words))
        place[shown] = np.arange(len(shown))
        if len(shown) < len(field.names):
            words.append("another value")
        place[-1] = len(words)
        return place[field.values].astype(np.uint8), [*words, _NONE]

    def columns(self, data: LoadedDataset) -> dict[str, list[str | float | int | None]]:
        """N values by name, as exports write them; `tags` with a bar between, where there are any.

        Fields are called as they are, but never like a column that exports have themselves.
        """
        found: dict[str, list[str | float | int | None]] = {}
        for name, field in data.fields.items():
            found[name] = [field.shown(row) for row in range(len(data))]
        tags = self.tags(data)
        if tags:
            joined: list[list[str]] = [[] for _ in range(len(data))]
            for tag, rows in tags.items():
                for row in rows.tolist():
                    joined[row].append(tag)
            found["tags"] = ["|".join(each) or None for each in joined]
        return found

    def _tags_of(self, data: LoadedDataset, row: int) -> list[str]:
        book = self._project.annotations.find(data.record.id)
        if book is None or self._blindness.rows_for_reader(data.record, [row]):
            return []
        state = self._project.annotations.states(book.id, [row]).get(row)
        return [] if state is None else sorted(state.tags)

    def _parsed(self, data: LoadedDataset, condition: str) -> tuple[str, str]:
        names = sorted((TAG, *data.fields), key=len, reverse=True)
        name = next((each for each in names if condition.startswith(f"{each}=")), None)
        if name is None:
            asked = condition.partition("=")[0]
            hint = closest(asked, names) or f"Its fields: {', '.join(data.fields) or 'none'}."
            raise SettingError(
                f"{condition[:80]!r} is no condition on a field of {data.record.name}; expected "
                f"FIELD=VALUE, FIELD=LOW..HIGH or tag=NAME. {hint}"
            )
        return name, condition[len(name) + 1 :]

    def _tagged(self, data: LoadedDataset, tag: str) -> NDArray[np.bool_]:
        tags, keep = self.tags(data), np.zeros(len(data), bool)
        if not tag:
            for rows in tags.values():
                keep[rows] = True
            return ~keep
        if tag not in tags:
            hint = closest(tag, tags)
            raise SettingError(f"No sample has the tag {tag[:80]!r}. {hint}".rstrip())
        keep[tags[tag]] = True
        return keep

    def _coded_tags(self, data: LoadedDataset) -> tuple[NDArray[np.uint8], list[str]]:
        tags = dict(list(self.tags(data).items())[:_MOST_COLOURS])
        codes = np.full(len(data), len(tags) + 1, np.uint8)
        n_tags = np.zeros(len(data), int)
        for at, rows in enumerate(tags.values()):
            codes[rows] = at
            n_tags[rows] += 1
        codes[n_tags > 1] = len(tags)
        return codes, [*tags, "several tags", "no tag"]


def save_fields(blobs: Blobs, fields: Mapping[str, Sequence[object]]) -> list[dict[str, Any]]:
    """Store fields as they were read; what their record has of each."""
    found = []
    for name, values in zip(field_names(fields), fields.values(), strict=True):
        field = make_field(name, [value if is_plain(value) else str(value) for value in values])
        if not field.known().any():
            continue
        stored = {"name": name, "kind": field.kind, "values": blobs.save_array(field.values)}
        if not field.is_measured:
            stored["names"] = blobs.save_json(field.names)
        found.append(stored)
    return found


def _described(field: Field) -> dict[str, Any]:
    known = field.known()
    out: dict[str, Any] = {"name": field.name, "kind": field.kind, "known": int(known.sum())}
    if field.is_measured:
        values = field.values[known].astype(np.float64)
        ends = [field.written(float(end)) for end in (values.min(), values.max())]
        return {**out, "n_values": len(np.unique(values)), "values": [],
                "low": ends[0], "high": ends[1]}  # fmt: skip
    counts = np.bincount(field.values[known], minlength=len(field.names))
    first = np.argsort(-counts, kind="stable")[:MOST_VALUES]
    values = [[field.names[at], int(counts[at])] for at in first.tolist()]
    return {**out, "n_values": len(field.names), "values": values}


def _binned(field: Field) -> tuple[NDArray[np.uint8], list[str]]:
    values, known = field.values.astype(np.float64), field.known()
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, _N_BINS + 1)))
    place = np.searchsorted(edges[1:-1], np.where(known, values, 0.0), side="right")
    words = []
    for at in range(max(len(edges) - 1, 1)):
        inside = values[known & (place == at)]
        if not len(inside):
            words.append("")
            continue
        low, high = (str(field.written(float(end))) for end in (inside.min(), inside.max()))
        words.append(low if low == high else f"{low} to {high}")
    place[~known] = len(words)
    return place.astype(np.uint8), [*words, _NONE]
