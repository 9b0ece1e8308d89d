"""Annotations for other tools: log, votes, parts of the sets, Label Studio, folders."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.annotation import ClassMap
from cad_studio.core.errors import SettingError, closest
from cad_studio.core.progress import Part, Progress, Silent
from cad_studio.services.access import Access
from cad_studio.services.annotated_sets import AnnotatedSets
from cad_studio.services.annotation_history import AnnotationHistory
from cad_studio.services.annotators import AnnotatorService
from cad_studio.services.datasets import DatasetService
from cad_studio.services.export_folders import replacing_folder, size_bytes
from cad_studio.services.exporting import csv_lines, replacing, write_parquet
from cad_studio.services.fiftyone_folder import write_fiftyone
from cad_studio.services.label_studio_tasks import label_config, write_tasks
from cad_studio.services.loaded import LoadedDataset
from cad_studio.store.projects import Project

FORMATS = {
    "sets": ("csv", "Candidate sets as CSV, which an import and a re-import take"),
    "history": ("jsonl", "The whole log, one action a line"),
    "votes": ("csv", "Who said what, one vote a line, as an import of votes takes it"),
    "label-studio": ("json", "Tasks of Label Studio: images, and the sets as predictions"),
    "huggingface": ("zip", "A dataset folder with a card, for the Hugging Face Hub"),
    "fiftyone": ("zip", "A FiftyOne dataset folder with sets, labels and votes as its fields"),
}
"""Name to the ending of its file and what it is."""

_FOLDERS = {"huggingface", "fiftyone"}
"""Formats that are a folder; their file is a zip of it."""


class AnnotationFiles:
    """Exports of what was annotated in one project."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        sets: AnnotatedSets,
        history: AnnotationHistory,
        annotators: AnnotatorService,
        access: Access,
    ) -> None:
        """Read through the other services of the same project.

        `access` rules on who may name a file to write.
        """
        self._access = access
        self._folder = project.folder / "exports"
        self._datasets = datasets
        self._sets = sets
        self._history = history
        self._annotators = annotators

    def export(
        self,
        name: str,
        format_name: str,
        out: Path | None = None,
        rows: list[int] | None = None,
        only_changed: bool = False,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Write a file, all or nothing, of the sets as they are now.

        Args:
            name: The dataset.
            format_name: A key of `FORMATS`.
            out: The file to write; its folder must exist. None makes one in the project. A format
                that is a folder is written as one, unless the name ends in `.zip`.
            rows: Only these samples, e.g. of a filter; None for all. The log is always whole.
            only_changed: Only samples whose set annotators have changed.
            progress: Told how far it is.

        Returns:
            `name`, `format`, `out`, `rows` (written), `bytes`, `version`.

        Raises:
            SettingError: No such format or folder.
            DamageError: A file of the dataset is missing, or not what was written.
            NotAllowedError, ReadOnlyError: The one who acts may not choose the file.
        """
        if out is not None:
            self._access.require_to_reach(str(out))
        if format_name not in FORMATS:
            hint = closest(format_name, FORMATS)
            raise SettingError(f"{format_name!r} is not an export of annotations. {hint}".rstrip())
        self._sets.settle(name)
        data = self._datasets.load(name)
        data.require_whole()
        chosen = np.arange(len(data)) if rows is None else np.array(sorted(set(rows)), np.int64)
        if only_changed:
            chosen = np.intersect1d(chosen, self._sets.changed_rows(name))
        if out is None:
            self._folder.mkdir(exist_ok=True)
            part = "-changed" if only_changed else "" if rows is None else "-part"
            ending = FORMATS[format_name][0]
            number = data.record.version.number
            out = self._folder / f"{name}-v{number}-{format_name}{part}.{ending}"
        writers: dict[str, Callable[..., int]] = {
            "sets": self._write_sets, "history": self._write_history, "votes": self._write_votes,
            "label-studio": self._write_label_studio, "huggingface": self._write_hub_folder,
            "fiftyone": self._write_fiftyone,
        }  # fmt: skip
        with (replacing_folder if format_name in _FOLDERS else replacing)(out) as scratch:
            n_written = writers[format_name](data, chosen, scratch, progress or Silent())
        return {
            "name": name, "format": format_name, "out": str(out), "rows": n_written,
            "bytes": size_bytes(out), "version": data.record.version.hash,
        }  # fmt: skip

    def _write_sets(
        self, data: LoadedDataset, rows: NDArray[np.int64], path: Path, _progress: Progress
    ) -> int:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(csv_lines(data, rows, self._datasets.fields.columns(data)))
        return len(rows)

    def _write_history(
        self, data: LoadedDataset, _rows: NDArray[np.int64], path: Path, _progress: Progress
    ) -> int:
        n_written = 0
        with path.open("w", encoding="utf-8") as file:
            for action in self._history.everything(data.record.name):
                file.write(json.dumps(action, ensure_ascii=False) + "\n")
                n_written += 1
        return n_written

    def _write_votes(
        self, data: LoadedDataset, rows: NDArray[np.int64], path: Path, _progress: Progress
    ) -> int:
        kept, names = set(rows.tolist()), data.record.class_names
        votes = [vote for vote in self._annotators.votes(data.record.name) if vote[0] in kept]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "annotator", "label"])
            writer.writerows([data.ids[row], who, names[label]] for row, who, label in votes)
        return len(votes)

    def _write_label_studio(
        self, data: LoadedDataset, rows: NDArray[np.int64], path: Path, progress: Progress
    ) -> int:
        return write_tasks(data, rows, self._live_names(data.record.name), path, progress)

    def label_config_of(self, name: str) -> str:
        """The labelling interface for a dataset, without classes that were merged or removed."""
        return label_config(self._live_names(name))

    def _live_names(self, name: str) -> list[str]:
        record, book = self._datasets.get(name), self._sets.book(name)
        classes = ClassMap.from_json(None if book is None else book.classes)
        return [record.class_names[index] for index in classes.live(record.n_classes)]

    def _write_hub_folder(
        self, data: LoadedDataset, rows: NDArray[np.int64], folder: Path, progress: Progress
    ) -> int:
        (folder / "data").mkdir()
        fields = self._datasets.fields.columns(data)
        parquet = folder / "data" / "train.parquet"
        write_parquet(data, parquet, Part(progress, 0.0, 0.8), rows, fields)
        (folder / "README.md").write_text(self._card(data, rows), encoding="utf-8")
        said = folder / "annotation"
        said.mkdir()
        self._write_history(data, rows, said / "history.jsonl", progress)
        self._write_votes(data, rows, said / "votes.csv", progress)
        progress.report(1.0, f"{data.record.name} written")
        return len(rows)

    def _write_fiftyone(
        self, data: LoadedDataset, rows: NDArray[np.int64], folder: Path, progress: Progress
    ) -> int:
        return write_fiftyone(data, rows, folder, progress, self._datasets.fields.columns(data))

    def _card(self, data: LoadedDataset, rows: NDArray[np.int64]) -> str:
        """A dataset card, with what the Hub needs to read the folder."""
        record, found = data.record, self._annotators.agreement(data.record.name)
        sizes = data.candidates.take(rows).sizes()
        size = next(
            words
            for most, words in (
                (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"),
                (1_000_000, "100K<n<1M"), (float("inf"), "n>1M"),
            )
            if len(rows) < most
        )  # fmt: skip
        alpha = "not known" if found["alpha"] is None else f"{found['alpha']:.3f}"
        described = "\n".join(
            f"- `{name}`{': ' + text if (text := record.class_descriptions.get(name)) else ''}"
            for name in record.class_names
        )
        mean = f"{sizes.mean():.2f}" if len(sizes) else "no"
        return f"""---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train.parquet
task_categories:
- image-classification
tags:
- partial-label-learning
size_categories:
- {size}
---

# {record.name}

{len(rows):,} samples with candidate sets over {record.n_classes} classes, {mean} candidates on
average; the true class of a sample is taken to be in its set. The column `split` says which part
a sample belongs to, `candidates` holds class names, `label` a true label where one is known.

- Version {record.version.number}, content `{record.version.hash}`, made by {record.version.reason}
- {found["votes"]:,} votes of {len(found["people"])} annotators, Krippendorff's alpha {alpha}
- `annotation/history.jsonl` is the whole log, `annotation/votes.csv` has one vote a line
- Source: {record.source}. Add the licence of the images before you publish.

## Classes

{described}

Written by CAD Studio.
"""
