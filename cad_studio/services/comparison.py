"""Runs beside each other: what was set differently, and what that changed."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import RecordNotFoundError, SettingError, closest
from cad_studio.core.records import Run
from cad_studio.diagnosis.comparison import Change, changed_answers, different_settings, spread
from cad_studio.services.answers import Predictions
from cad_studio.services.confusion import ConfusionService, shown_difference
from cad_studio.services.predictions import PredictionService
from cad_studio.services.run_figures import FIGURES, entangled_of, figures_of, part_of
from cad_studio.services.runs import RunService, name_of
from cad_studio.store.projects import Project

MOST_RUNS = 20
CHANGES = ("fixed", "broken", "moved")
_MOST_CLASSES = 24
_MOST_LISTED = 20
_OWN = {"seed"}


class ComparisonService:
    """Comparisons of the runs of one project."""

    def __init__(
        self,
        project: Project,
        runs: RunService,
        predictions: PredictionService,
        confusion: ConfusionService,
    ) -> None:
        """Read through the other services of the same project."""
        self._project = project
        self._runs = runs
        self._predictions = predictions
        self._confusion = confusion

    def compare(self, run_ids: list[int], split: str | None = None) -> dict[str, Any]:
        """Compare runs; the first is the one the others are held against.

        What can be compared is; the rest is said in `notes`.

        Args:
            run_ids: Two or more runs whose models were asked.
            split: Where they are judged; None for the split each is judged by.

        Returns:
            `runs` (who they are), `notes`, `settings` (those that differ, a value per run),
            `figures` (of each `key`, `title`, `oracle`, `better`, `unit`, `values` per run,
            `differences` from the first, `spread` over the seeds of equal runs), `entangled`
            (share to figures per run), and, held against the first, for the second run:
            `changes` (counts), `confusion_change` (`classes`, `counts`); None where their
            samples are not the same.

        Raises:
            SettingError: Fewer than two runs, too many, or one named twice.
        """
        if not 2 <= len(run_ids) <= MOST_RUNS or len(set(run_ids)) != len(run_ids):
            raise SettingError(
                f"A comparison takes 2 to {MOST_RUNS} different runs; given: "
                f"{', '.join(map(str, run_ids)) or 'none'}."
            )
        found = [self._predictions.load(run_id) for run_id in run_ids]
        notes = _notes(found)
        values = [self._figures(each, split, notes) for each in found]
        groups = [self._seeds(each.run, split) for each in found]
        same = found[0].run.dataset_id == found[1].run.dataset_id
        entangled = [
            entangled_of(each, part_of(each, split)) if values[at] else {}
            for at, each in enumerate(found)
        ]
        return {
            "runs": [_who(each) for each in found],
            "split": split or "the split each is judged by",
            "notes": notes,
            "settings": different_settings([settings_of(each.run) for each in found]),
            "figures": [
                {
                    **asdict(figure),
                    "values": [each.get(figure.key) for each in values],
                    "differences": [
                        _minus(each.get(figure.key), values[0].get(figure.key)) for each in values
                    ],
                    "spread": [spread([one.get(figure.key) for one in group]) for group in groups],
                }
                for figure in FIGURES
            ],
            "entangled": {
                share: [each.get(share) for each in entangled] for share in ("0.1", "0.01", "0.001")
            },
            "changes": self._counts(found[0], found[1], split) if same else None,
            "confusion_change": self._difference(found[0], found[1], split) if same else None,
        }

    def change(self, before: int, after: int, split: str | None = None) -> Change:
        """Samples that the second run answers otherwise than the first.

        Raises:
            SettingError: They are on different datasets.
        """
        return self._change(self._predictions.load(before), self._predictions.load(after), split)

    def rows(
        self, before: int, after: int, kind: str, split: str | None = None
    ) -> NDArray[np.int64]:
        """The samples `fixed`, `broken` or `moved`, the surest answer of the second run first."""
        if kind not in CHANGES:
            raise SettingError(f"{kind!r} is no change. {closest(kind, CHANGES)}".rstrip())
        rows: NDArray[np.int64] = getattr(self.change(before, after, split), kind)
        sure = self._predictions.load(after).beliefs.confidence
        return rows[np.argsort(-sure[rows], kind="stable")]

    def listed(self, before: int, after: int, split: str | None = None) -> dict[str, Any]:
        """Ids of the first samples of each kind of change, for the command line."""
        ids = self._predictions.load(after).data.ids
        return {
            kind: [ids[row] for row in self.rows(before, after, kind, split)[:_MOST_LISTED]]
            for kind in CHANGES
        }

    def _change(self, before: Predictions, after: Predictions, split: str | None) -> Change:
        if before.run.dataset_id != after.run.dataset_id:
            raise SettingError(
                f"{name_of(before.run)} and {name_of(after.run)} are on different datasets; their "
                "samples are not the same. Choose two runs on one dataset."
            )
        key = f"change {before.run.id} {before.card['key']} {after.key_of(split)}"
        return after.once(
            key,
            lambda: changed_answers(
                before.beliefs.predicted, after.beliefs.predicted, after.truth, after.rows(split)
            ),
        )

    def _counts(self, before: Predictions, after: Predictions, split: str | None) -> dict[str, int]:
        change = self._change(before, after, split)
        counts = {kind: len(getattr(change, kind)) for kind in CHANGES}
        return {**counts, "n": len(after.rows(split))}

    def _difference(
        self, before: Predictions, after: Predictions, split: str | None
    ) -> dict[str, Any] | None:
        old = self._confusion.confusion_matrix(before.run.id, split)
        new = self._confusion.confusion_matrix(after.run.id, split)
        if old is None or new is None:
            return None
        shown, change = shown_difference(new, old, _MOST_CLASSES)
        return {
            "classes": shown.tolist(),
            "class_names": after.data.record.class_names,
            "counts": change.tolist(),
        }

    def _figures(
        self, found: Predictions, split: str | None, notes: list[str]
    ) -> dict[str, float | None]:
        try:
            return figures_of(found, split)
        except SettingError as error:  # this run's dataset has no such split
            notes.append(f"{name_of(found.run)}: {error}")
            return {}

    def _seeds(self, run: Run, split: str | None) -> list[dict[str, float | None]]:
        """Figures of the runs that differ from this one in nothing but the seed, itself too."""
        own = _identity(run)
        found = []
        for other in self._project.runs.all():
            if other.removed_at is not None or _identity(other) != own:
                continue
            # one that was stopped early is another thing than a seed
            if other.id != run.id and not (run.finished_at and other.finished_at):
                continue
            try:
                found.append(figures_of(self._predictions.load(other.id), split))
            except (RecordNotFoundError, SettingError):  # not asked yet: it does not count
                continue
        return found


def _identity(run: Run) -> dict[str, Any]:
    settings = {name: value for name, value in settings_of(run).items() if name not in _OWN}
    return {"dataset": run.dataset_id, "version": run.version_hash, **settings}


def settings_of(run: Run) -> dict[str, Any]:
    """Everything a run was made with, by name."""
    return {
        "method": run.method,
        "backbone": run.backbone,
        "features": run.features,
        "data version": run.version_hash,
        **run.config,
        # The loop and a method may have settings of one name, such as momentum.
        **{f"{run.method}: {name}": value for name, value in run.settings.items()},
    }


def _who(found: Predictions) -> dict[str, Any]:
    return {
        "run": found.run.id,
        "name": name_of(found.run),
        "method": found.run.method,
        "dataset": found.data.record.name,
        "data_version": found.run.version_hash,
        "seed": found.run.config["seed"],
    }


def _notes(found: list[Predictions]) -> list[str]:
    notes = []
    if len({each.run.dataset_id for each in found}) > 1:
        notes.append(
            "The runs are on different datasets: figures stand side by side, but samples fixed "
            "or broken are compared only between runs on one dataset."
        )
    elif len({each.run.version_hash for each in found}) > 1:
        versions = ", ".join(f"{name_of(each.run)}: {each.run.version_hash}" for each in found)
        notes.append(
            f"The runs learned from different candidate sets ({versions}). Oracle figures can be "
            "compared; figures from candidates are each by the sets of its own run."
        )
    return notes


def _minus(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other
