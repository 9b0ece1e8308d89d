"""Look at datasets: what they hold, and which of their samples answer a filter."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.annotation import ClassMap
from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import RecordNotFoundError, SettingError, closest
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.records import AT_WORK, Dataset
from cad_studio.core.settings import check_settings
from cad_studio.diagnosis.confusion import busiest
from cad_studio.services.access import Access
from cad_studio.services.annotation.blindness import Blindness
from cad_studio.services.datasets import set_figures
from cad_studio.services.datasets.fields import FieldService
from cad_studio.services.datasets.loaded import ANNOTATION, COUNTED_ANEW, Cache, LoadedDataset
from cad_studio.store.projects import Project
from cad_studio.views.datasets import CoOccurrenceView, DatasetView, InstanceView, SetModelView

_MOST_COUNTED = 2000  # classes; a matrix of so many takes 32 MB
MAX_MATRIX_CLASSES = 60
"""Classes shown in a K x K matrix; of more, those with the largest off-diagonal cells."""


@dataclass(frozen=True)
class RowFilter:
    """Which samples to list.

    Attributes:
        holds: Class names that must all be among the candidates.
        size: Number of candidates, or None for any.
        split: Name of a split, or None for all.
        text: Part of the id, upper or lower case; empty for all.
        where: Conditions on fields and tags, such as `camera=north`, that must all hold.
    """

    holds: tuple[str, ...] = ()
    size: int | None = None
    split: str | None = None
    text: str = ""
    where: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_settings(self)


class DatasetService:
    """The datasets of a project, to be looked at."""

    def __init__(self, project: Project, access: Access) -> None:
        """Read from `project`; `access` says who may remove something."""
        self._project = project
        self._access = access
        self._blindness = Blindness(project, access)
        self._cache = Cache()
        self.fields = FieldService(project, self._blindness)

    def all(self) -> list[Dataset]:
        """All datasets, in order of import."""
        return self._project.datasets.all()

    def names(self) -> list[str]:
        """Their names."""
        return self._project.datasets.names()

    def get(self, name: str) -> Dataset:
        """The record of a dataset.

        Raises:
            RecordNotFoundError: There is none of this name.
        """
        return self._project.datasets.get(name)

    def load(self, name: str) -> LoadedDataset:
        """A dataset with its arrays at hand.

        Its sets are those of the current version, but for samples whose answers by others are
        hidden from the one who asks: of these, those of the version before anybody annotated.
        """
        record = self.get(name)
        data = self._cache.get(self._project, record)
        if record.version.reason != ANNOTATION:
            return data
        blind = self._blindness.rows_for_reader(record)
        return data.without(blind) if blind else data

    def require_nothing_hidden(self, name: str, what: str) -> None:
        """Refuse what rests on answers of annotators that are hidden from the one who asks.

        Raises:
            NotAllowedError: Some are; `what` begins the sentence.
        """
        self._blindness.require_nothing_hidden(self.get(name), what)

    def annotated_versions(self, name: str) -> frozenset[str]:
        """Hashes of the versions that hold what annotators said."""
        versions = self._project.datasets.versions(name)
        return frozenset(version.hash for version in versions if version.reason == ANNOTATION)

    def first_sets(self, name: str) -> PartialLabels:
        """The candidate sets a dataset was imported with."""
        first = self._project.datasets.versions(name)[0]
        packed = self._project.blobs.load_array(first.candidates)
        return PartialLabels(packed, self.get(name).n_classes)

    def load_for_run(self, name: str, version_hash: str) -> LoadedDataset:
        """As `load`, but true labels and splits are those of the version a run learned from."""
        data = self.load(name)
        if data.record.version.hash == version_hash:
            return data
        for version in self._project.datasets.versions(name):
            if version.hash == version_hash:
                classes = ClassMap.from_json(version.details.get("classes"))
                then = self._project.datasets.at(name, version)
                if classes != data.classes or then.files != data.record.files:
                    record = replace(data.record, files=then.files, split_names=then.split_names)
                    return LoadedDataset(self._project, record, classes).without(data.blind)
        return data

    def remove(self, name: str) -> dict[str, Any]:
        """Take a dataset out of the project and free its space.

        Raises:
            SettingError: A job is running, which may be using it.
        """
        self._access.require("owner")
        self.get(name)
        if self._project.jobs.of_status(*AT_WORK):
            raise SettingError(
                "A job is running. Wait for it or cancel it, then remove the dataset."
            )
        with self._project.removing() as removal:
            self._project.datasets.remove(name)
        return {"removed": name, "freed_bytes": removal.freed_bytes}

    def describe(self, name: str) -> DatasetView:
        """What a dataset holds, in numbers.

        Returns:
            `n`, `k`, `mean_candidates`, counts of `empty`, `singletons` and `full` sets,
            `truth_known` and `truth_in_candidates` (counts of samples; the latter None without
            truth), `splits`, `size_histogram` (samples by number of candidates), `class_names`,
            `fields` and `tags` as `FieldService.describe`, `version` and how it came about,
            `worst_distractor` (uses true labels; None where none is known) and `held_together` (by
            the sets alone, where none is known, else None).
        """
        data = self.load(name)
        record = data.record
        sizes = data.candidates.sizes()
        known = 0 if data.truth is None else int((data.truth != UNKNOWN).sum())
        inside = None
        if data.truth is not None:
            inside = int(data.candidates.contains(data.truth).sum())
        counts = np.bincount(sizes, minlength=record.n_classes + 1)
        return {
            "name": name,
            "kind": record.kind,
            "n": record.n_samples,
            "k": record.n_classes,
            "mean_candidates": round(float(sizes.mean()), 4),
            "empty": int(counts[0]),
            "singletons": int(counts[1]),
            "full": int(counts[record.n_classes]),
            "truth_known": known,
            "truth_in_candidates": inside,
            "votes": 0 if data.votes is None else len(data.votes.label),
            "image_size": [record.height, record.width, record.channels] if record.height else None,
            "n_dims": None if data.features is None else int(data.features.shape[1]),
            "splits": {
                split: int((data.splits == index).sum())
                for index, split in enumerate(record.split_names)
            },
            "size_histogram": counts.tolist(),
            "class_names": record.class_names,
            "class_descriptions": record.class_descriptions,
            "version": record.version.hash,
            "version_number": record.version.number,
            "made_by": record.version.reason,
            "made_with": record.version.details,
            **self.fields.describe(data),
            "source": record.source,
            "created_at": record.created_at,
            "report": record.report,
            "worst_distractor": set_figures.worst_distractor(data),
            "held_together": None if known else set_figures.held_together(data),
        }

    def count(self, name: str) -> None:
        """Count now what pages ask first, where it takes a while and is kept: of many samples."""
        data = self.load(name)
        if len(data) >= COUNTED_ANEW and data.record.n_classes <= _MOST_COUNTED:
            _ = data.together, data.set_model

    def co_occurrence(self, name: str) -> CoOccurrenceView:
        """How many samples hold both of two classes.

        Returns:
            `classes`: indices of the rows, at most `MAX_MATRIX_CLASSES`; `counts`: the matrix, the
            diagonal counting the samples that hold the class; `n_classes`.
        """
        counts = self.load(name).together
        shown = busiest(counts, MAX_MATRIX_CLASSES)
        return {
            "classes": shown.tolist(),
            "counts": counts[np.ix_(shown, shown)].tolist(),
            "n_classes": len(counts),
        }

    def set_model(self, name: str) -> SetModelView:
        """Which class is mistaken for which, by the sets alone: `set_figures.set_model`.

        Of more than `MAX_MATRIX_CLASSES` classes, those with the largest cells of the
        co-occurrence, as there.
        """
        data = self.load(name)
        return set_figures.set_model(data, busiest(data.together, MAX_MATRIX_CLASSES))

    def mistaken_for(self, name: str) -> dict[str, Any]:
        """The class that each class is most often mistaken for: `set_figures.mistaken_for`."""
        return set_figures.mistaken_for(self.load(name))

    def rows(self, name: str, wanted: RowFilter) -> NDArray[np.int64]:
        """The rows that answer a filter, ascending, int64 (M,).

        Raises:
            SettingError: A class or split that the dataset does not have.
        """
        data = self.load(name)
        keep = np.ones(len(data), bool)
        for class_name in wanted.holds:
            keep &= data.candidates.has(class_index(data.record, class_name))
        if wanted.size is not None:
            keep &= data.candidates.sizes() == wanted.size
        if wanted.split:
            if wanted.split not in data.record.split_names:
                hint = closest(wanted.split, data.record.split_names)
                raise SettingError(f"{wanted.split!r} is not a split of {name}. {hint}".rstrip())
            keep &= data.splits == data.record.split_names.index(wanted.split)
        if wanted.where:
            keep &= self.fields.mask(data, wanted.where)
        rows = np.flatnonzero(keep)
        if wanted.text:
            text = wanted.text.casefold()
            rows = np.array([row for row in rows if text in data.ids[row].casefold()], np.int64)
        return rows

    def instance(self, name: str, row: int, reveal: bool = False) -> InstanceView:
        """One sample: id, split, candidates, votes, fields, tags; the true label when revealed.

        Raises:
            RecordNotFoundError: No such row.
        """
        data = self.load(name)
        check_row(data, row)
        record = data.record
        out: dict[str, Any] = {
            "row": row,
            "id": data.ids[row],
            "split": record.split_names[data.splits[row]],
            "candidates": data.candidates.of(row),
            "votes": _votes_of(data, row),
            **self.fields.of_row(data, row),
            "truth_known": data.truth is not None and bool(data.truth[row] != UNKNOWN),
        }
        if reveal and out["truth_known"]:
            assert data.truth is not None
            out["truth"] = int(data.truth[row])
        return out


def class_index(record: Dataset, class_name: str) -> int:
    """Index of a class.

    Raises:
        SettingError: The dataset has no class of this name; the message suggests the closest.
    """
    try:
        return record.class_names.index(class_name)
    except ValueError:
        hint = closest(class_name, record.class_names)
        message = f"{class_name!r} is not a class of {record.name}. {hint}".rstrip()
        raise SettingError(message) from None


def check_row(data: LoadedDataset, row: int) -> None:
    """Hold a row against the size of the dataset.

    Raises:
        RecordNotFoundError: It is outside.
    """
    if not 0 <= row < len(data):
        raise RecordNotFoundError(
            f"{data.record.name} has no row {row}; its rows are 0 to {len(data) - 1}."
        )


def _votes_of(data: LoadedDataset, row: int) -> list[dict[str, Any]]:
    if data.votes is None:
        return []
    own = np.flatnonzero(data.votes.sample == row)
    return [
        {
            "annotator": (
                ""
                if data.votes.annotator[vote] == UNKNOWN
                else data.votes.annotators[data.votes.annotator[vote]]
            ),
            "label": int(data.votes.label[vote]),
            "weight": 1.0 if data.votes.weight is None else float(data.votes.weight[vote]),
        }
        for vote in own
    ]
