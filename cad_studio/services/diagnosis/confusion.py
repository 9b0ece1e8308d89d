"""Which classes a run confuses, and on which samples: matrices, classes, entanglement."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import SettingError, closest
from cad_studio.core.figures import FIGURES
from cad_studio.diagnosis.beliefs import ambiguity, probabilities
from cad_studio.diagnosis.calibration import Reliability
from cad_studio.diagnosis.classes import class_table
from cad_studio.diagnosis.confusion import (
    busiest,
    confused_pairs,
    confusion,
    row_shares,
    similarity_order,
)
from cad_studio.diagnosis.set_model import set_model
from cad_studio.mining.pairs import label_sharing
from cad_studio.services.diagnosis.answers import Predictions
from cad_studio.services.diagnosis.predictions import PredictionService
from cad_studio.services.training.run_figures import (
    distances_of,
    entangled_of,
    figures_of,
    reliability_of,
    resolved_of,
    similarity_curve,
)
from cad_studio.services.training.runs import name_of
from cad_studio.views.diagnosis import ClassesView, EntanglementView, OverviewView, ReliabilityView

MATRICES = ("confusion", "ambiguity", "co-occurrence", "set-model")
ORDERS = ("similar", "own")
MOST_CLASSES = 60
_MOST_PAIRS = 40


class ConfusionService:
    """The matrices and tables of the runs of one project."""

    def __init__(self, predictions: PredictionService) -> None:
        """Read answers through `predictions`."""
        self._predictions = predictions

    def overview(
        self,
        run_id: int,
        split: str | None = None,
        most: int = 24,
        order: str = "similar",
        find: str = "",
    ) -> OverviewView:
        """A run at a glance.

        Args:
            run_id: A run whose model was asked.
            split: Where it is judged; None for the split runs are judged by, `all` for all.
            most: Classes shown in the matrices, the most confused ones.
            order: `similar` puts confused classes together, `own` keeps their order.
            find: Part of a class name: classes that have it, and those they are confused with.

        Returns:
            `run`, `name`, `answers` (changes when the model was asked anew), `split`, `n`,
            `n_known` (samples with a true label), `splits`,
            `class_names`, `figures` (values by key), `about` (what they are), `matrices`
            (`classes` in order, and `confusion`, `ambiguity`, `co-occurrence`, `set-model` over
            them; `confusion` None without truth), `pairs` (most confused first), `notes`.
        """  # fmt: skip
        if order not in ORDERS:
            raise SettingError(f"{order!r} is not an order. {closest(order, ORDERS)}".rstrip())
        found = self._predictions.load(run_id)
        rows = found.rows(split)
        names = found.data.record.class_names
        whole = self._matrices(found, split)
        basis = whole["confusion"]
        if basis is None:
            basis = whole["ambiguity"] * whole["weight"][:, None]
        shown = _shown_classes(basis, names, min(max(2, most), MOST_CLASSES), find)
        if order == "similar":
            shown = shown[similarity_order(basis[np.ix_(shown, shown)])]
        cells = np.ix_(shown, shown)
        known = 0 if found.truth is None else int((found.truth[rows] != UNKNOWN).sum())
        return {
            "run": run_id,
            "name": name_of(found.run),
            "answers": found.card["key"],
            "split": found.split_name(split),
            "n": len(rows),
            "n_known": known,
            "splits": [*found.data.record.split_names, "all"],
            "class_names": names,
            "figures": figures_of(found, split),
            "about": [asdict(figure) for figure in FIGURES],
            "matrices": {
                "classes": shown.tolist(),
                "confusion": None if whole["confusion"] is None
                else whole["confusion"][cells].tolist(),
                "ambiguity": np.round(whole["ambiguity"][cells], 4).tolist(),
                "co-occurrence": whole["co-occurrence"][cells].tolist(),
                "set-model": np.round(whole["set-model"][cells], 4).tolist(),
                "row_totals": basis.sum(axis=1)[shown].round(1).tolist(),
            },
            "pairs": self._pairs(found, split, whole),
            "notes": [*found.notes, *_notes(found, rows, whole)],
        }  # fmt: skip

    def classes(self, run_id: int, split: str | None = None) -> ClassesView:
        """Every class in numbers, and the reliability diagram.

        Returns:
            `classes`: of each `name` and the columns of `class_table`; `reliability` (bins, None
            without truth); `by_truth`, whether samples are counted by true label.
        """
        found = self._predictions.load(run_id)
        rows = found.rows(split)
        beliefs = found.beliefs
        table = class_table(
            None if found.truth is None else found.truth[rows],
            beliefs.predicted[rows],
            beliefs.confidence[rows],
            beliefs.best[rows],
            found.sizes[rows],
            found.data.record.n_classes,
        )
        names = found.data.record.class_names
        return {
            "split": found.split_name(split),
            "by_truth": found.truth is not None,
            "classes": [{"class": at, "name": names[at], **row} for at, row in enumerate(table)],
            "reliability": _bins(reliability_of(found, rows)),
        }

    def reliability(self, run_id: int, label: int, split: str | None = None) -> ReliabilityView:
        """The reliability diagram of the samples predicted as a class (oracle).

        Returns:
            `class`, `name` and `reliability`: `counts`, `confidence` and `accuracy` of each bin,
            and `ece`; None where no such sample has a known truth.
        """
        found = self._predictions.load(run_id)
        names = found.data.record.class_names
        if not 0 <= label < len(names):
            raise SettingError(f"Classes are 0 to {len(names) - 1}; asked for is {label}.")
        bins = _bins(reliability_of(found, found.rows(split), label))
        return {"class": label, "name": names[label], "reliability": bins}

    def entanglement(self, run_id: int, split: str | None = None) -> EntanglementView:
        """What training made of the entangled pairs, in train and test.

        Returns:
            `features` they were found in; `parts`: of `train` and `test` the figures on the
            closest pairs (oracle) and what came `apart`; `distances` of the class centres;
            `curve`: accuracy by similarity (oracle), None without truth.
        """
        found = self._predictions.load(run_id)
        parts = {
            part: {"closest": entangled_of(found, part), "apart": resolved_of(found, part)}
            for part in ("test", "train")
        }
        return {
            "split": found.split_name(split),
            "features": found.run.features,
            "by_truth": found.truth is not None,
            "parts": parts,
            "distances": distances_of(found, split),
            "curve": similarity_curve(found, split),
        }

    def cell(
        self, run_id: int, matrix: str, a: int, b: int, split: str | None = None
    ) -> NDArray[np.int64]:
        """The samples behind a cell, int64 (M,).

        Of confused ones the surest first, of ambiguous ones the least sure.

        Args:
            run_id: The run.
            matrix: `confusion`: of true class a predicted as b; `ambiguity` and `set-model`:
                whose best candidate is a and whose set holds b; `co-occurrence`: whose set holds
                both.
            a: Class of the row.
            b: Class of the column.
            split: As in `overview`.
        """
        if matrix not in MATRICES:
            raise SettingError(
                f"{matrix!r} is not a valid matrix. {closest(matrix, MATRICES)}".rstrip()
            )
        found = self._predictions.load(run_id)
        n_classes = found.data.record.n_classes
        if not (0 <= a < n_classes and 0 <= b < n_classes):
            raise SettingError(f"Classes are 0 to {n_classes - 1}; the cell is {a}, {b}.")
        rows, beliefs = found.rows(split), found.beliefs
        if matrix == "confusion":
            if found.truth is None:
                raise SettingError(f"{found.data.record.name} has no true labels.")
            keep = (found.truth[rows] == a) & (beliefs.predicted[rows] == b)
            strength = beliefs.confidence
        elif matrix in {"ambiguity", "set-model"}:
            keep = (beliefs.best[rows] == a) & found.candidates.has(b)[rows]
            strength = -beliefs.believed
        else:
            keep = found.candidates.has(a)[rows] & found.candidates.has(b)[rows]
            strength = -beliefs.believed
        rows = rows[keep]
        return rows[np.argsort(-strength[rows], kind="stable")]

    def confusion_matrix(self, run_id: int, split: str | None) -> NDArray[np.int64] | None:
        """Counts over all classes (oracle), int64 (C, C); None without truth."""
        return self._matrices(self._predictions.load(run_id), split)["confusion"]

    def _matrices(self, found: Predictions, split: str | None) -> dict[str, Any]:
        key = found.key_of(split)

        def arrays() -> dict[str, Any]:
            told = found.kept(f"matrices {key}", lambda: _plain(_made(found, split)))
            return {
                name: None if value is None else np.array(value) for name, value in told.items()
            }

        return found.once(f"arrays {key}", arrays)

    def _pairs(
        self, found: Predictions, split: str | None, whole: dict[str, Any]
    ) -> list[dict[str, Any]]:
        names = found.data.record.class_names
        if whole["confusion"] is not None:
            pairs = confused_pairs(whole["confusion"], whole["sharing"], _MOST_PAIRS)
        else:
            mass = whole["ambiguity"] * whole["weight"][:, None]
            pairs = confused_pairs(mass, whole["sharing"], _MOST_PAIRS, whole["ambiguity"])
        return [
            {
                **asdict(pair),
                "weight": round(pair.weight, 2),
                "names": [names[pair.a], names[pair.b]],
            }
            for pair in pairs
        ]


def _made(found: Predictions, split: str | None) -> dict[str, Any]:
    """All matrices over all classes, and label sharing."""
    rows = found.rows(split)
    counts = None
    if found.truth is not None:
        n_classes = found.data.record.n_classes
        counts = confusion(found.truth[rows], found.beliefs.predicted[rows], n_classes)
    shares, weight = ambiguity(found.logits, found.candidates, rows)
    sets = found.candidates.take(rows)
    return {
        "confusion": counts,
        "ambiguity": shares,
        "weight": weight,
        "co-occurrence": sets.co_occurrence(),
        "set-model": set_model(sets, lambda part: probabilities(found.logits[rows[part]])).table,
        "sharing": label_sharing(sets, found.labels[rows]),
    }


def _plain(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value is None else value.tolist() for name, value in arrays.items()}


def _bins(told: Reliability) -> dict[str, Any] | None:
    if told.ece is None:
        return None
    return {
        "counts": told.counts.tolist(),
        "confidence": np.round(told.confidence, 5).tolist(),
        "accuracy": np.round(told.accuracy, 5).tolist(),
        "ece": told.ece,
    }


def shown_difference(
    after: NDArray[np.int64], before: NDArray[np.int64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Classes whose confusion changed most, ascending, and the change over them."""
    change = after - before
    shown = busiest(np.abs(change), most)
    return shown, change[np.ix_(shown, shown)]


def _shown_classes(
    basis: NDArray[np.floating | np.integer], names: list[str], most: int, find: str
) -> NDArray[np.int64]:
    text = find.strip().casefold()
    if not text:
        return busiest(basis, most)
    hits = np.array([at for at, name in enumerate(names) if text in name.casefold()], np.int64)
    if not len(hits):
        raise SettingError(f"No class has {find.strip()[:60]!r} in its name. Try a shorter part.")
    off = np.array(row_shares(basis))
    np.fill_diagonal(off, 0.0)
    near = np.argsort(-(off[hits].max(axis=0) + off[:, hits].max(axis=1)), kind="stable")
    others = [at for at in near if at not in set(hits.tolist())]
    return np.sort(np.array([*hits[:most], *others][:most], np.int64))


def _notes(found: Predictions, rows: NDArray[np.int64], whole: dict[str, Any]) -> list[str]:
    names, notes = found.data.record.class_names, []
    given = np.unique(found.beliefs.predicted[rows])
    if len(rows) > 1 and len(given) == 1 and given[0] >= 0 and len(names) > 1:
        notes.append(
            f"All {len(rows):,} samples are predicted as {names[given[0]]}: the network has "
            "collapsed. Look at its curves on the Train page."
        )
    broken = int((found.beliefs.predicted[rows] == UNKNOWN).sum())
    if broken:
        notes.append(f"The network gives no finite answer for {broken:,} of {len(rows):,} samples.")
    if whole["confusion"] is not None:
        empty = np.flatnonzero(whole["confusion"].sum(axis=1) == 0)
        if len(empty):
            listed = ", ".join(names[at] for at in empty[:3]) + (" ..." if len(empty) > 3 else "")
            one = len(empty) == 1
            notes.append(
                f"{len(empty)} {'class has' if one else 'classes have'} no sample of known truth "
                f"here ({listed}); recall is not defined for {'it' if one else 'them'}."
            )
    return notes
