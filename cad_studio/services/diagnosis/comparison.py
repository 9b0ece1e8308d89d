"""Runs beside each other: what was set differently, and what that changed."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import RecordNotFoundError, SettingError, closest
from cad_studio.core.figures import FIGURES
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.records import Run
from cad_studio.diagnosis.comparison import Change, changed_answers, different_settings, spread
from cad_studio.services.diagnosis.answers import Predictions
from cad_studio.services.diagnosis.confusion import ConfusionService, shown_difference
from cad_studio.services.diagnosis.predictions import PredictionService
from cad_studio.services.training.inputs import split_rows
from cad_studio.services.training.run_figures import entangled_of, figures_of, part_of
from cad_studio.services.training.runs import RunService, name_of
from cad_studio.store.projects import Project
from cad_studio.views.comparison import ComparisonView

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

    def compare(self, run_ids: list[int], split: str | None = None) -> ComparisonView:
        """Compare runs; the first is the one the others are held against.

        What can be compared is; the rest is said in `notes`, and has no difference.

        Args:
            run_ids: Two or more runs whose models were asked.
            split: Where they are judged; None for the split each is judged by.

        Returns:
            `runs` (who they are), `notes`, `settings` (those that differ, a value per run),
            `figures` (of each `key`, `title`, `oracle`, `better`, `unit`, `values` per run,
            `comparable` with the first, `differences` from it (None where they are not
            comparable), `spread` over the seeds of equal runs), `entangled`
            (share to figures per run), and, held against the first, for the second run:
            `changes` (counts; `fixed` and `broken` None where no true label is known),
            `confusion_change` (`classes`, `counts`); None where their samples are not the same.

        Raises:
            SettingError: Fewer than two runs, too many, or one named twice.
        """
        if not 2 <= len(run_ids) <= MOST_RUNS or len(set(run_ids)) != len(run_ids):
            raise SettingError(
                f"A comparison takes 2 to {MOST_RUNS} different runs; given: "
                f"{', '.join(map(str, run_ids)) or 'none'}."
            )
        found = [self._predictions.load(run_id) for run_id in run_ids]
        notes = self._notes(found)
        values = [self._figures(each, split, notes) for each in found]
        groups = [self._seeds(each.run, split) for each in found]
        same = found[0].run.dataset_id == found[1].run.dataset_id
        common = [_common(found[0], each, split) for each in found]
        entangled = [
            entangled_of(each, part_of(each, split)) if values[at] else {}
            for at, each in enumerate(found)
        ]
        return {
            "runs": [self._who(each) for each in found],
            "split": split or "the split each is judged by",
            "notes": notes,
            "settings": different_settings([self._shown_settings(each) for each in found]),
            "figures": [
                {
                    **asdict(figure),
                    "values": [each.get(figure.key) for each in values],
                    "comparable": [can[figure.rests_on] for can in common],
                    "differences": [
                        _minus(each.get(figure.key), values[0].get(figure.key))
                        if can[figure.rests_on]
                        else None
                        for each, can in zip(values, common, strict=True)
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

    def _counts(
        self, before: Predictions, after: Predictions, split: str | None
    ) -> dict[str, int | None]:
        change = self._change(before, after, split)
        counts: dict[str, int | None] = {kind: len(getattr(change, kind)) for kind in CHANGES}
        if after.truth is None:  # who is right is not known, which is not that nobody is
            counts |= {"fixed": None, "broken": None}
        return {**counts, "n": len(after.rows(split))}

    def _number(self, found: Predictions) -> int | None:
        """The number of the version a run learned from; None of one that is gone."""
        versions = self._project.datasets.versions(found.data.record.name)
        return next((v.number for v in versions if v.hash == found.run.version_hash), None)

    def _shown_settings(self, found: Predictions) -> dict[str, Any]:
        """The settings of a run, its data by name and version number."""
        number = self._number(found)
        told = f"{found.data.record.name} v{'?' if number is None else number}"
        return {**settings_of(found.run), "data version": told}

    def _who(self, found: Predictions) -> dict[str, Any]:
        return {
            "run": found.run.id,
            "name": name_of(found.run),
            "method": found.run.method,
            "dataset": found.data.record.name,
            "data_version": found.run.version_hash,
            "version_number": self._number(found),
            "seed": found.run.config["seed"],
        }

    def _notes(self, found: list[Predictions]) -> list[str]:
        if len({each.run.dataset_id for each in found}) > 1:
            return [
                "The runs are on different datasets: figures stand side by side, but samples fixed "
                "or broken, and differences, are told only between runs on one dataset."
            ]
        notes, first = [], found[0]
        for each in found[1:]:
            if each.run.version_hash == first.run.version_hash:
                continue
            what = sets_changed(first.candidates, each.candidates)
            notes.append(
                f"{name_of(each.run)} learned from v{self._number(each)}, {name_of(first.run)} "
                f"from v{self._number(first)}: {what}. Figures that rest on the sets are not held "
                "against each other; those that use true labels are."
            )
        return notes

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


def fixed_and_broken(changes: dict[str, Any]) -> str:
    """The two counts in words; without true labels they are not known."""
    if changes["fixed"] is None:
        return "how many were fixed or broken is not known (no true labels)"
    return f"{changes['fixed']:,} fixed, {changes['broken']:,} broken"


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


def sets_changed(before: PartialLabels, after: PartialLabels) -> str:
    """What became of candidate sets, in words: "15 sets narrowed, 2 widened"."""
    if before.packed.shape != after.packed.shape:
        return "their sets are over other samples or classes"
    lost = (before.packed & ~after.packed).any(axis=1)
    won = (after.packed & ~before.packed).any(axis=1)
    told = [
        f"{int(rows.sum()):,} {word}"
        for rows, word in (
            (lost & ~won, "narrowed"), (won & ~lost, "widened"), (lost & won, "replaced")
        )
        if rows.any()
    ]  # fmt: skip
    if not told:
        return "no set changed"
    one = (lost | won).sum() == 1
    return f"{'1 set changed' if one else 'sets changed'}: {', '.join(told)}"


def _common(first: Predictions, other: Predictions, split: str | None) -> dict[str, bool]:
    """By what a figure rests on, whether those of two runs can be compared."""
    if first.run.dataset_id != other.run.dataset_id or first.data.classes != other.data.classes:
        return dict.fromkeys(("truth", "sets", "pairs"), False)
    try:
        rows = other.rows(split)
    except SettingError:  # no such split; then there is no figure either
        rows = np.zeros(0, np.int64)
    mine, theirs = first.candidates.take(rows), other.candidates.take(rows)
    train, _ = split_rows(first.data)
    learned = first.candidates.take(train), other.candidates.take(train)
    same_sets = all(np.array_equal(a.packed, b.packed) for a, b in ((mine, theirs), learned))
    return {
        "truth": True,
        "sets": same_sets,
        "pairs": first.run.features == other.run.features,
    }


def _minus(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other
