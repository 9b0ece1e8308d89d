"""Whether edits help: what a run sees in them, before and after, alone and in pairs."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.progress import Part, Progress
from cad_studio.core.records import EditSet
from cad_studio.core.replacing import replacing
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.edits.editing import source_image
from cad_studio.services.edits.plan import Entanglement
from cad_studio.store.edits import EditIndex, Edits, Evidence

if TYPE_CHECKING:
    from cad_studio.training.judging import Judge

_AT_ONCE = 512
_MOST_PAIRS = 20_000


def judge_edits(
    edits: Edits,
    edit_set: EditSet,
    index: EditIndex,
    data: LoadedDataset,
    judge: "Judge",
    progress: Progress,
) -> None:
    """Ask a model about the edits it has not seen yet, and keep what it says.

    Args:
        edits: The store.
        edit_set: The set they belong to.
        index: The edits in question.
        data: The dataset.
        judge: The model.
        progress: Told how far it is.
    """
    seen = edits.evidence(edit_set.id, judge.key).edit
    new = index.take(~np.isin(index.id, seen))
    pixels = edits.pixels(edit_set)
    assert data.pixels is not None
    for start in range(0, len(new), _AT_ONCE):
        part = new.take(np.arange(start, min(start + _AT_ONCE, len(new))))
        progress.report(start / len(new), f"Judging edits, {start:,} of {len(new):,}")
        rows, which = np.unique(part.row, return_inverse=True)
        sources = judge.look([source_image(data.pixels, row) for row in rows.tolist()]).probability
        after = judge.look(
            [pixels.one(*each) for each in zip(part.place, part.length, strict=True)]
        ).probability
        before, own = sources[which], np.arange(len(part))
        edits.add_evidence(
            judge.key,
            Evidence(
                edit=part.id,
                before=before[own, part.label].astype(np.float64),
                after=after[own, part.label].astype(np.float64),
                top_before=before.argmax(axis=1),
                top_after=after.argmax(axis=1),
            ),
        )


def judge_pairs(
    edits: Edits,
    edit_set: EditSet,
    index: EditIndex,
    data: LoadedDataset,
    entanglement: Entanglement,
    judge: "Judge",
    progress: Progress,
) -> None:
    """Measure how far apart pairs are before and after, and keep that by class pair.

    Of each pair A is edited towards its best current label and B towards its own; pairs without
    both edits, or with one that the model has not judged, are left out. At most the 20,000 most
    similar ones are looked at.
    """
    evidence = edits.evidence(edit_set.id, judge.key)
    index = index.take(aligned(index, evidence) >= 0)
    reached_all = evidence.top_after[aligned(index, evidence)] == index.label
    found = pairs_with_edits(index, entanglement)
    source, pixels = data.pixels, edits.pixels(edit_set)
    assert source is not None
    rows, which = np.unique(entanglement.pairs[found.pair].ravel(), return_inverse=True)
    used, at = np.unique(found.edits.ravel(), return_inverse=True)

    def edit(place: int) -> NDArray[np.uint8]:
        return pixels.one(int(index.place[place]), int(index.length[place]))

    before = _features(judge, lambda row: source_image(source, row), rows, Part(progress, 0.0, 0.5))
    edited = _features(judge, edit, used, Part(progress, 0.5, 1.0))
    apart = np.stack([_distances(before[which]), _distances(edited[at])], axis=1)
    reached = reached_all[found.edits]
    labels = np.sort(entanglement.labels[found.pair], axis=1)
    cells = []
    for classes in np.unique(labels, axis=0):
        own = (labels == classes).all(axis=1)
        cells.append(
            {
                "classes": classes.tolist(),
                "n_pairs": int(own.sum()),
                "before": float(apart[own, 0].mean()),
                "after": float(apart[own, 1].mean()),
                "reached": float(reached[own].mean()),
            }
        )
    cells.sort(key=lambda cell: -int(cell["n_pairs"]))
    with replacing(_file(edits, edit_set, judge.key)) as file:
        file.write_text(json.dumps(cells), encoding="utf-8")


@dataclass(frozen=True)
class _Found:
    """P pairs both of whose edits are there.

    Attributes:
        pair: int64 (P,). Position in the list of pairs.
        edits: int64 (P, 2). Positions of the two edits in the index.
    """

    pair: NDArray[np.int64]
    edits: NDArray[np.int64]


def pairs_with_edits(index: EditIndex, entanglement: Entanglement) -> _Found:
    """The most similar pairs of which A is edited towards its class and B towards its own."""
    members = entanglement.pairs[:_MOST_PAIRS]
    labels = entanglement.labels[:_MOST_PAIRS]
    n_classes = int(max(index.label.max(initial=0), labels.max(initial=0))) + 1
    keys = index.row * n_classes + index.label
    order = np.argsort(keys, kind="stable")
    wanted = members * n_classes + labels
    place = np.searchsorted(keys, wanted, sorter=order)
    position = order[np.minimum(place, max(len(keys) - 1, 0))] if len(keys) else wanted * 0
    is_there = keys[position] == wanted if len(keys) else np.zeros(wanted.shape, bool)
    pair = np.flatnonzero(is_there.all(axis=1))
    return _Found(pair, position[pair])


def pair_cells(edits: Edits, edit_set: EditSet, judge_key: str) -> list[dict[str, Any]]:
    """By class pair, most pairs first: `classes`, `n_pairs`, `before`, `after`, `reached`.

    Distances are those of unit-length features, 0 to 2. Empty before the pairs were measured.
    """
    file = _file(edits, edit_set, judge_key)
    try:
        cells: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return cells


def distance(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Of two unit-length features, 0 to 2."""
    return float(np.linalg.norm(first - second))


def aligned(index: EditIndex, evidence: Evidence) -> NDArray[np.int64]:
    """For each edit its position in the evidence, int64 (E,); -1 where it was not judged."""
    if not len(evidence.edit):
        return np.full(len(index), -1, np.int64)
    place = np.minimum(np.searchsorted(evidence.edit, index.id), len(evidence.edit) - 1)
    return np.where(evidence.edit[place] == index.id, place, -1)


def _features(
    judge: "Judge",
    image: Callable[[int], NDArray[np.uint8]],
    numbers: NDArray[np.int64],
    progress: Progress,
) -> NDArray[np.float32]:
    """Features of numbered images, float32 (M, F); only some of them are held at a time."""
    parts = [judge.look([]).features]
    for start in range(0, len(numbers), _AT_ONCE):
        progress.report(start / len(numbers), "Measuring pairs")
        some = numbers[start : start + _AT_ONCE].tolist()
        parts.append(judge.look([image(number) for number in some]).features)
    return np.concatenate(parts)


def _distances(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each two that follow each other, float64 (P,)."""
    pairs = features.reshape(-1, 2, features.shape[1]).astype(np.float64)
    return np.linalg.norm(pairs[:, 0] - pairs[:, 1], axis=1)


def _file(edits: Edits, edit_set: EditSet, judge_key: str) -> Path:
    return edits.folder(edit_set.id) / f"pairs-{judge_key}.json"
