"""The formats a dataset, or what was annotated, is written in: the one table of them.

To add one: its writer in a file of its own, and its line here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.progress import Progress
from cad_studio.services.annotation.files import write_history, write_hub_folder, write_votes
from cad_studio.services.annotation.label_studio_tasks import write_tasks
from cad_studio.services.datasets.export_tables import Columns, write_csv, write_npz, write_parquet
from cad_studio.services.datasets.fiftyone_folder import write_fiftyone
from cad_studio.services.datasets.loaded import LoadedDataset


@dataclass(frozen=True)
class Contents:
    """What a writer may take from.

    Attributes:
        data: The dataset.
        rows: Which samples, int64 (M,).
        fields: N further values of all samples by name, as `FieldService.columns`.
        history: Gives every action on the dataset, in order.
        votes: Gives (row, annotator, label) of all votes.
        live: Gives the names of the classes that can be chosen.
        agreement: Gives what `AnnotatorService.agreement` does.
    """

    data: LoadedDataset
    rows: NDArray[np.int64]
    fields: Columns
    history: Callable[[], Iterable[dict[str, Any]]]
    votes: Callable[[], Iterable[tuple[int, str, int]]]
    live: Callable[[], list[str]]
    agreement: Callable[[], dict[str, Any]]


Writer = Callable[[Contents, Path, Progress], int]
"""Writes a file, or into an empty folder; returns how many lines or samples."""


@dataclass(frozen=True)
class ExportFormat:
    """One format.

    Attributes:
        title: What a list calls it.
        says: One sentence on what it holds.
        ending: Of its file.
        write: Its writer.
        of_annotation: Whether it is offered for what was annotated, or for the dataset as it is.
        holds_samples: Whether all of its samples can be imported from it, not only laid over them.
        is_folder: Whether it is a folder; its file is then a zip of it.
    """

    title: str
    says: str
    ending: str
    write: Writer
    of_annotation: bool = True
    holds_samples: bool = True
    is_folder: bool = False


FORMATS = {
    "csv": ExportFormat(
        "CSV", "The sets and known labels", "csv", write_csv,
        of_annotation=False, holds_samples=False,
    ),
    "npz": ExportFormat(
        "npz", "Arrays, with images of one size or vectors", "npz", write_npz, of_annotation=False
    ),
    "parquet": ExportFormat(
        "Parquet", "The Hub's layout, with images or vectors", "parquet", write_parquet,
        of_annotation=False,
    ),
    "sets": ExportFormat(
        "Candidate sets, CSV", "An import and a re-import take it", "csv", write_csv,
        holds_samples=False,
    ),
    "history": ExportFormat(
        "History, JSON lines", "The whole log, one action a line", "jsonl", write_history,
        holds_samples=False,
    ),
    "votes": ExportFormat(
        "Votes, CSV", "Who said what, one vote a line", "csv", write_votes, holds_samples=False
    ),
    "label-studio": ExportFormat(
        "Label Studio, JSON",
        "Open tasks: images, and the sets as predictions; true labels are left out",
        "json", write_tasks,
    ),
    "huggingface": ExportFormat(
        "Hugging Face folder, zip", "Parquet, a dataset card, log and votes",
        "zip", write_hub_folder, is_folder=True,
    ),
    "fiftyone": ExportFormat(
        "FiftyOne folder, zip",
        "Unpack it and load it with fo.Dataset.from_dir(..., "
        "dataset_type=fo.types.FiftyOneDataset)",
        "zip", write_fiftyone, is_folder=True,
    ),
}  # fmt: skip


def formats_of(annotation: bool) -> dict[str, ExportFormat]:
    """Those offered for what was annotated, or for the dataset as it is."""
    return {name: each for name, each in FORMATS.items() if each.of_annotation is annotation}
