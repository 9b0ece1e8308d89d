"""What a point of the map can be coloured by: one byte column per property."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.fields import TAG
from cad_studio.services.datasets.fields import FieldService
from cad_studio.services.diagnosis.answers import Predictions
from cad_studio.services.diagnosis.comparison import ComparisonService
from cad_studio.services.diagnosis.predictions import PredictionService
from cad_studio.store.projects import Project
from cad_studio.views.diagnosis import ColoursView

NONE = 65535
"""Stands for "not known" in a column of classes."""

FIELD_MODE = "field:"
"""What the key of a mode begins with whose column is asked for by itself."""

_MADE = ("import", "synthesize", "votes")


class MapColours:
    """The properties of the samples of one project under its runs."""

    def __init__(
        self,
        project: Project,
        predictions: PredictionService,
        comparison: ComparisonService,
        fields: FieldService,
    ) -> None:
        """Read through the other services of the same project."""
        self._project = project
        self._predictions = predictions
        self._comparison = comparison
        self._fields = fields

    def describe(self, run_id: int, against: int | None) -> ColoursView:
        """What the columns hold.

        Returns:
            `n`, `class_names`, `split_names`, `modes`: of each `key`, `title`, `oracle` and, for
            those with few values, `values` in words.
        """
        found = self._predictions.load(run_id)
        modes: list[dict[str, Any]] = [
            {"key": "best", "title": "Best label", "oracle": False},
            {"key": "predicted", "title": "Predicted class", "oracle": False},
            {"key": "size", "title": "Candidates in the set", "oracle": False},
            {"key": "believed", "title": "Belief in the best label", "oracle": False},
            {"key": "entangled", "title": "Entangled", "oracle": False,
             "values": ["in no close pair", "in a close pair"]},
            {"key": "annotated", "title": "Annotated", "oracle": False,
             "values": ["set as it came", "set was changed"]},
            {"key": "split", "title": "Split", "oracle": False,
             "values": found.data.record.split_names},
        ]  # fmt: skip
        if found.truth is not None:
            modes[2:2] = [
                {"key": "truth", "title": "True class", "oracle": True},
                {"key": "right", "title": "Right or wrong", "oracle": True,
                 "values": ["truth not known", "wrong", "right"]},
            ]  # fmt: skip
        described = self._fields.describe(found.data)
        named = [each["name"] for each in described["fields"] if each["kind"] != "text"]
        for name in [*named, *([TAG] if described["tags"] else [])]:
            _, values = self._fields.coded(found.data, name)
            title = "Tags" if name == TAG else name
            modes.append(
                {"key": FIELD_MODE + name, "title": title, "oracle": False, "values": values}
            )
        if against is not None:
            modes.append(
                {"key": "change", "title": f"Change since run {against}",
                 "oracle": found.truth is not None,
                 "values": ["same answer", "fixed", "broken", "another class"]}
            )  # fmt: skip
        return {
            "n": len(found.data),
            "class_names": found.data.record.class_names,
            "split_names": found.data.record.split_names,
            "modes": modes,
        }

    def columns(self, run_id: int, against: int | None) -> bytes:
        """All columns one after another, little-endian.

        uint16 (N,) each: `best`, `predicted`, `truth` (classes, 65,535 for none), `size`. uint8
        (N,) each: `right` (0 not known, 1 wrong, 2 right), `believed` (0 to 255 for 0 to 1),
        `entangled`, `annotated`, `split`, `change` (0 same, 1 fixed, 2 broken, 3 another class).
        """
        found = self._predictions.load(run_id)
        beliefs, truth = found.beliefs, found.truth
        label = np.full(len(found.data), UNKNOWN) if truth is None else truth
        right = np.where(label == UNKNOWN, 0, np.where(beliefs.predicted == label, 2, 1))
        entangled = np.zeros(len(found.data), np.uint8)
        for part in ("train", "test"):
            entangled[np.asarray(found.pairs(part)).ravel()] = 1
        wide = [_classes(beliefs.best), _classes(beliefs.predicted), _classes(label), found.sizes]
        narrow = [
            right,
            np.round(beliefs.believed * 255),
            entangled,
            self._annotated(found),
            found.data.splits,
            self._changed(found, against),
        ]
        parts = [np.asarray(each).astype("<u2") for each in wide]
        parts += [np.asarray(each).astype(np.uint8) for each in narrow]
        return b"".join(part.tobytes() for part in parts)

    def field_column(self, run_id: int, name: str) -> bytes:
        """The codes of a field, or of the tags, as `describe` lists their values; uint8 (N,)."""
        found = self._predictions.load(run_id)
        return self._fields.coded(found.data, name)[0].tobytes()

    def _annotated(self, found: Predictions) -> NDArray[np.bool_]:
        """Samples whose set differs from the last one that was imported or synthesised."""
        versions = self._project.datasets.versions(found.data.record.name)
        made = [version for version in versions if version.reason in _MADE]
        now = found.data.candidates.packed
        if not made or not self._project.blobs.has(made[-1].candidates):
            return np.zeros(len(found.data), bool)
        before = self._project.blobs.load_array(made[-1].candidates)
        return (np.asarray(now) != before).any(axis=1)

    def _changed(self, found: Predictions, against: int | None) -> NDArray[np.uint8]:
        out = np.zeros(len(found.data), np.uint8)
        if against is not None:
            change = self._comparison.change(against, found.run.id, "all")
            for value, rows in enumerate((change.fixed, change.broken, change.moved), 1):
                out[rows] = value
        return out


def _classes(labels: NDArray[np.integer]) -> NDArray[np.integer]:
    return np.where(labels < 0, NONE, labels)
