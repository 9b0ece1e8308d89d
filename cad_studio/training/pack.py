"""A packed run: one file with all that a run learns from, to be trained on any machine.

What is inside and what is not: the sets of the training samples only, since those of others are
never learned from and may give their labels away; true labels only where they were asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio import __version__
from cad_studio.algorithms._base import ALGORITHMS
from cad_studio.core.archive import FORMAT, Archive, ArchiveWriter, writing_archive
from cad_studio.core.dataset import PixelSource, chunks
from cad_studio.core.errors import DatasetFormatError, SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Progress
from cad_studio.core.settings import settings_from_json
from cad_studio.training.data import TrainingData
from cad_studio.training.environment import engine_digest
from cad_studio.training.hold_out import split_hold_out
from cad_studio.training.opening import Outside
from cad_studio.training.plan import Plan
from cad_studio.training.settings import TrainConfig

KIND = "packed run"
RESULT_KIND = "trained run"
_PAIRS = "pairs/"
_EDITS_AT_ONCE = 1024

Graphed = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Rows int64 (M,) to features of the neighbour graph, float32 (M, D)."""


@dataclass(frozen=True)
class PackedEdits:
    """Stored edits by row and class, as `Outside.edits`.

    Attributes:
        place: int32 (N_all, C). Position among the images, -1 for none.
        images: uint8 (E, H, W, 1 or 3).
    """

    place: NDArray[np.int32]
    images: NDArray[np.uint8]

    def __call__(
        self, rows: NDArray[np.int64], labels: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Images of some rows and classes, and where there is one."""
        place = self.place[rows, labels]
        found = place >= 0
        out = np.zeros((len(rows), *self.images.shape[1:]), np.uint8)
        out[found] = self.images[place[found]]
        return out, found


@dataclass(frozen=True)
class PackedRun:
    """What a packed run holds.

    Attributes:
        data: What is learned from.
        plan: What is trained and how.
        outside: The start and the edits; no refreshing, see `graph`.
        graph: What a refresh needs of the neighbour graph; None where there is none.
    """

    data: TrainingData
    plan: Plan
    outside: Outside
    graph: Graphed | None


def write_pack(
    path: Path,
    data: TrainingData,
    plan: Plan,
    outside: Outside,
    graph: NDArray[np.float32],
    images: Mapping[str, NDArray[Any]],
    about: Mapping[str, Any],
    with_truth: bool,
    progress: Progress,
) -> str:
    """Write a packed run, all or nothing.

    Args:
        path: The file.
        data: What is learned from.
        plan: What is trained and how.
        outside: What comes from other rooms; its start is computed here.
        graph: float32 (N_all, D). Features of the neighbour graph, for refreshing.
        images: The images as they are stored, by name; nothing for vectors.
        about: What else the file is to say.
        with_truth: Whether true labels travel.
        progress: Told how far it is.

    Returns:
        The id of the file.

    Raises:
        SettingError: The method needs true labels and they are not to travel.
        StorageError: The disk is full.
    """
    check_truth(plan.method, with_truth)
    fit_rows, _ = split_hold_out(data.train_rows, plan.config.hold_out, plan.config.seed)
    refreshes = outside.refresh is not None and bool(plan.config.refreshes())
    with writing_archive(path) as file:
        progress.report(0.0, "Packing the candidate sets")
        file.add_array("candidates.npy", _only(data.candidates, data.train_rows))
        file.add_array("train_rows.npy", data.train_rows)
        file.add_array("test_rows.npy", data.test_rows)
        if data.pixels is None and data.features is not None:
            file.add_array("features.npy", data.features)
        if outside.start is not None:
            progress.report(0.1, "Spreading the first confidence among neighbours")
            belief = np.asarray(outside.start(fit_rows), np.float32)
            file.add_array("start.npy", belief[data.candidates.dense(fit_rows)])
        if refreshes:
            file.add_array("graph.npy", np.asarray(graph[data.train_rows], np.float32))
        if with_truth and data.truth is not None:
            file.add_array("truth.npy", np.asarray(data.truth))
            for name, pairs in data.pairs.items():
                file.add_array(f"{_PAIRS}{name}.npy", pairs)
        if outside.edits is not None:
            progress.report(0.3, "Packing the edits")
            _add_edits(file, data, outside)
        progress.report(0.5, "Packing the images")
        for name, array in images.items():
            file.add_array(f"{name}.npy", array)
        progress.report(0.95, "Packing")
        file.finish(
            KIND,
            {
                "studio": __version__,
                "engine": engine_digest(),
                "plan": {
                    "method": plan.method,
                    "backbone": plan.backbone,
                    "projection_width": plan.projection_width,
                    "config": asdict(plan.config),
                    "settings": asdict(plan.settings),
                },
                "n_samples": len(data.candidates),
                "n_classes": data.n_classes,
                "class_names": list(data.class_names),
                "image_px": data.image_px,
                "edits_cover_all": outside.edits_cover_all,
                "with_truth": with_truth,
                **about,
            },
        )
    return file.id


def check_truth(method: str, with_truth: bool) -> None:
    """See that a method gets what it learns from.

    Raises:
        SettingError: It needs true labels and they are not to travel.
    """
    if ALGORITHMS.get(method).uses_truth and not with_truth:
        raise SettingError(
            f"{method} learns from true labels, and they travel only if you ask for it. "
            "Pack with true labels, or choose another method."
        )


def check_pack(archive: Archive) -> None:
    """See that a file is a packed run which this version of the studio can train.

    Raises:
        DatasetFormatError: It is something else.
        SettingError: Another version packed it; the result would not be the same.
    """
    check_kind(archive, KIND)
    theirs, ours = (
        (archive.about["studio"], archive.about["engine"]),
        (__version__, engine_digest()),
    )
    if theirs != ours:
        raise SettingError(
            f"{archive.path.name} was packed by CAD Studio {theirs[0]} with the training code "
            f"{theirs[1]}; here it is {ours[0]} with {ours[1]}, and the result could differ. "
            "Use the same version on both machines, then pack again."
        )


def check_kind(archive: Archive, kind: str) -> None:
    """See that a file is what a command takes.

    Raises:
        DatasetFormatError: It is not, with what to do instead.
    """
    name = archive.path.name
    if archive.kind != kind:
        other = {
            KIND: f"is a packed run. Train it first: python -m cad_studio run train {name}.",
            RESULT_KIND: "is a run that was trained already. Bring it back: "
            f"python -m cad_studio run take {name}.",
        }
        raise DatasetFormatError(
            f"{name} {other.get(archive.kind, f'holds something else than a {kind}.')}"
        )
    if archive.format != FORMAT:
        raise DatasetFormatError(
            f"{name} has format {archive.format}; this version of CAD Studio reads {FORMAT}. "
            "Use the same version on both machines."
        )


def open_pack(
    archive: Archive, pixels: PixelSource | None, changes: Mapping[str, Any]
) -> PackedRun:
    """What a packed run holds.

    Args:
        archive: The file, checked.
        pixels: Its images.
        changes: Fields of the loop that this machine decides.

    Raises:
        DatasetFormatError: Something is missing or does not fit.
        SettingError: A setting is out of range.
    """
    about, names = archive.about, archive.names()
    try:
        told = about["plan"]
        member = ALGORITHMS.get(told["method"])
        plan = Plan(
            told["method"],
            told["backbone"],
            settings_from_json(TrainConfig, {**told["config"], **changes}),
            settings_from_json(member.config_type, told["settings"]),
            told["projection_width"],
        )
        candidates = PartialLabels(archive.array("candidates.npy"), about["n_classes"])
        data = TrainingData(
            candidates=candidates,
            train_rows=np.array(archive.array("train_rows.npy")),
            test_rows=np.array(archive.array("test_rows.npy")),
            pixels=pixels,
            features=archive.array("features.npy") if "features.npy" in names else None,
            truth=archive.array("truth.npy") if "truth.npy" in names else None,
            pairs={
                name.removeprefix(_PAIRS).removesuffix(".npy"): np.array(archive.array(name))
                for name in names
                if name.startswith(_PAIRS)
            },
            image_px=about["image_px"],
            class_names=about["class_names"],
        )
        outside = Outside(edits_cover_all=about["edits_cover_all"])
        if "start.npy" in names:
            outside = replace(
                outside, start=partial(_start, archive.array("start.npy"), candidates)
            )
        if "edits/rows.npy" in names:
            outside = replace(outside, edits=_edits(archive, data))
        graph = None
        if "graph.npy" in names:
            graph = partial(_graphed, archive.array("graph.npy"), data.train_rows)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DatasetFormatError(
            f"{archive.path.name} does not hold what a run needs ({error}). Pack it again."
        ) from error
    return PackedRun(data, plan, outside, graph)


def _only(candidates: PartialLabels, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The packed sets of some rows, those of all others empty."""
    packed = np.zeros_like(candidates.packed)
    packed[rows] = candidates.packed[rows]
    return packed


def _start(
    entries: NDArray[np.float32], candidates: PartialLabels, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The first belief, float32 (N, C), from its entries inside the sets."""
    dense = candidates.dense(rows)
    if int(dense.sum()) != len(entries):
        raise SettingError("The packed start is of other samples. Pack the run again.")
    belief = np.zeros(dense.shape, np.float32)
    belief[dense] = entries
    return belief


def _graphed(
    graph: NDArray[np.float32], train_rows: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    return np.asarray(graph[np.searchsorted(train_rows, rows)])


def _add_edits(file: ArchiveWriter, data: TrainingData, outside: Outside) -> None:
    """The stored edits of training samples, as the run would be given them."""
    stored = outside.edits
    assert stored is not None
    position, labels = np.nonzero(data.candidates.dense(data.train_rows))
    rows, parts = data.train_rows[position], list(chunks(len(position), _EDITS_AT_ONCE))
    is_there = np.concatenate([stored(rows[part], labels[part])[1] for part in parts])
    shape = stored(rows[:0], labels[:0])[0].shape[1:]
    file.add_array("edits/rows.npy", rows[is_there])
    file.add_array("edits/labels.npy", labels[is_there])
    # Read again rather than held: edits of photographs may be larger than the memory.
    images = (stored(rows[part], labels[part])[0][is_there[part]] for part in parts)
    file.add_parts("edits/images.npy", np.dtype(np.uint8), (int(is_there.sum()), *shape), images)


def _edits(archive: Archive, data: TrainingData) -> PackedEdits:
    rows, labels = archive.array("edits/rows.npy"), archive.array("edits/labels.npy")
    place = np.full((len(data.candidates), data.n_classes), -1, np.int32)
    place[rows, labels] = np.arange(len(rows), dtype=np.int32)
    return PackedEdits(place, archive.array("edits/images.npy"))
