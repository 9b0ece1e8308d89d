"""A run's figures for each value of a field: where a camera, a site or a year goes wrong."""

from typing import Any

import numpy as np

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.fields import TAG
from cad_studio.services.datasets.fields import FieldService
from cad_studio.services.diagnosis.answers import Predictions
from cad_studio.services.diagnosis.predictions import PredictionService
from cad_studio.services.diagnosis.suspects import SuspectService
from cad_studio.views.diagnosis import SlicesView

MOST_SLICES = 200


class SliceService:
    """The slices of the runs of one project."""

    def __init__(
        self, predictions: PredictionService, fields: FieldService, suspects: SuspectService
    ) -> None:
        """Read answers through `predictions`, values through `fields`."""
        self._predictions = predictions
        self._fields = fields
        self._suspects = suspects

    def of(self, run_id: int, field: str, split: str | None = None) -> SlicesView:
        """Every value of a field in numbers; of numbers and dates every bin.

        Args:
            run_id: A run whose model was asked.
            field: Name of a field, or `tag`.
            split: As `Predictions.rows`.

        Returns:
            `field`, `split`, `by_truth`, and `slices`, the largest first: of each `value` (words),
            `condition` (for `split`, behind a question mark; None for a bin of several values),
            `n`, `n_known`, `accuracy` (oracle; None without known truth), `covering_rate` (answers
            that are candidates), `confidence` (mean, in the answer), `suspects` (known ones among
            all samples of the value; None where nothing was searched for).

        Raises:
            SettingError: No such field or split.
        """
        found = self._predictions.load(run_id)
        codes, words = self._fields.coded(found.data, field)
        rows = found.rows(split)
        suspected = self._suspected(found, run_id)
        measured = field != TAG and self._fields.field(found.data, field).is_measured
        slices = []
        for code, value in enumerate(words):
            own = rows[codes[rows] == code]
            if len(own):
                condition = _condition(field, value, measured, code == len(words) - 1)
                slices.append(
                    {
                        "value": value,
                        "condition": condition,
                        **_figures(found, own),
                        "suspects": None
                        if suspected is None
                        else int((codes[suspected] == code).sum()),
                    }
                )
        slices.sort(key=lambda each: -each["n"])
        return {
            "field": field,
            "split": found.split_name(split),
            "by_truth": found.truth is not None,
            "slices": slices[:MOST_SLICES],
        }

    def _suspected(self, found: Predictions, run_id: int) -> np.ndarray | None:
        known = self._suspects.known(found.data.record.name, run_id)
        if known is None:
            return None
        return np.unique([each["row"] for each in known["suspects"]]).astype(np.int64)


def _condition(field: str, value: str, measured: bool, is_none: bool) -> str | None:
    if is_none:
        return f"{field}="
    if measured:
        low, has_range, high = value.partition(" to ")
        return f"{field}={low}..{high}" if has_range else f"{field}={low}"
    if value in ("another value", "several tags"):
        return None
    return f"{field}={value}"


def _figures(found: Predictions, rows: np.ndarray) -> dict[str, Any]:
    beliefs = found.beliefs
    predicted = np.asarray(beliefs.predicted)[rows]
    inside = found.candidates.take(rows).contains(predicted)
    out: dict[str, Any] = {
        "n": len(rows),
        "n_known": 0,
        "accuracy": None,
        "covering_rate": round(float(inside.mean()), 5),
        "confidence": round(float(np.asarray(beliefs.confidence)[rows].mean()), 5),
    }
    if found.truth is not None:
        known = found.truth[rows] != UNKNOWN
        out["n_known"] = int(known.sum())
        if known.any():
            right = predicted[known] == found.truth[rows][known]
            out["accuracy"] = round(float(right.mean()), 5)
    return out
