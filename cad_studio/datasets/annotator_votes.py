"""Annotators' votes: a long table with one row for each vote.

Columns `image`, `annotator`, `label`, in CSV or Parquet; optionally `truth` and `split`. The
candidate set of an image is the union of its votes, and the votes are kept. Images are looked for
beside the table, or in a folder or zip that is given.
"""

from pathlib import Path

import numpy as np

from cad_studio.core.dataset import UNKNOWN, Problem, SourceDataset, Votes
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.progress import Progress
from cad_studio.datasets._arrow import ParquetPart, column
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._cells import plain_label
from cad_studio.datasets._classes import ClassTable, Label
from cad_studio.datasets._samples import Samples, build_dataset
from cad_studio.datasets._tables import Table, read_table_file, read_text_table
from cad_studio.datasets._trees import Tree, TreeImages, is_inside, open_tree, without_top
from cad_studio.datasets.decoding import MAX_FILE_BYTES
from cad_studio.datasets.image_folder import class_list

COLUMNS = ("image", "annotator", "label")


@READERS.register("annotator-votes")
class AnnotatorVotes(DatasetReader):
    """One row for each vote of an annotator."""

    name = "annotator-votes"
    wants = "a .csv or .parquet table with the columns image, annotator and label, one row a vote"

    def recognises(self, source: str) -> bool:
        """A table whose header has the three columns."""
        path = Path(source).expanduser()
        return path.is_file() and set(COLUMNS) <= set(_header(path))

    def is_fragile(self, source: str) -> bool:
        """A Parquet file."""
        return Path(source).suffix.lower() == ".parquet"

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """Read the votes and gather them by image."""
        path = source_path(source)
        progress.report(0.0, f"Reading {path.name}")
        table = _read(path)
        table.require(*COLUMNS)
        folder = Path(options.images_dir).expanduser() if options.images_dir else path.parent
        tree = open_tree(folder, options.follow_links)
        tree = tree if folder.is_dir() else without_top(tree)
        names, descriptions = class_list(open_tree(path.parent), options.class_names)
        progress.report(0.5, "Gathering the votes by image")
        gathered = _Gathered(table, options.only_split())
        gathered.look_for_images(tree)
        samples = gathered.samples
        dataset = build_dataset(
            samples, names, descriptions, TreeImages(tree, gathered.images, MAX_FILE_BYTES)
        )
        dataset.votes = gathered.votes(ClassTable(dataset.class_names, path.name))
        return dataset


def _header(path: Path) -> list[str]:
    if path.suffix.lower() == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.read_schema(path).names
        except (OSError, ValueError, pa.ArrowException):
            return []
    if path.suffix.lower() != ".csv":
        return []
    try:
        with path.open("rb") as file:
            start = file.read(65536).split(b"\n")[0] + b"\n"
        return list(read_text_table(start, path.name).columns)
    except (OSError, DatasetFormatError):
        return []


def _read(path: Path) -> Table:
    if path.suffix.lower() != ".parquet":
        return read_table_file(path)
    part = ParquetPart(path, None)
    wanted = [name for name in (*COLUMNS, "truth", "split") if name in part.schema.names]
    columns = {name: column(part, name) for name in wanted}
    return Table(path.name, columns, list(range(1, part.n_rows + 1)), unit="row")


class _Gathered:
    """The votes of a table, by image in the order of first appearance."""

    def __init__(self, table: Table, split: str) -> None:
        self._table = table
        self.images: list[str] = []
        self._first: list[int] = []
        self._annotators: dict[str, int] = {}
        self._votes: list[tuple[int, int, Label]] = []
        self.samples = Samples(
            source=table.name,
            ids=self.images,
            splits=[],
            sets=[],
            labels=[] if "truth" in table.columns else None,
            where=lambda row: table.where(self._first[row]),
        )
        self._gather(split)

    def _gather(self, split: str) -> None:
        table, samples = self._table, self.samples
        positions: dict[str, int] = {}
        splits = table.texts("split") if "split" in table.columns else [""] * len(table)
        truth = table.columns.get("truth")
        sets: list[dict[Label, None]] = []
        voters = table.texts("annotator")
        labels = table.columns["label"]
        for line, image in enumerate(table.texts("image")):
            row = positions.setdefault(image, len(positions))
            if row == len(sets):
                self.images.append(image)
                self._first.append(line)
                sets.append({})
                samples.splits.append(splits[line] or split)
                if truth is not None and samples.labels is not None:
                    known = truth[line] is not None and truth[line] != ""
                    where = table.where(line)
                    samples.labels.append(plain_label(truth[line], where) if known else None)
            if labels[line] is None or labels[line] == "":
                message = f"{table.where(line)}: the vote has no label."
                samples.problems.append(Problem("unknown-class", row, message))
                continue
            label = plain_label(labels[line], table.where(line))
            sets[row][label] = None
            voter = self._annotators.setdefault(voters[line], len(self._annotators))
            self._votes.append((row, voter, label))
        samples.sets = [list(members) for members in sets]

    def look_for_images(self, tree: Tree) -> None:
        for row, image in enumerate(self.images):
            if not tree.exists(image):
                reason = "does not exist" if is_inside(image) else "lies outside the folder"
                message = f"{self.samples.where(row)}: {image!r} {reason} ({tree.label})."
                self.samples.problems.append(Problem("unreadable-image", row, message))

    def votes(self, table: ClassTable) -> Votes:
        known = {label: table.find(label) for _, _, label in self._votes}
        kept = [
            (row, voter, known[label])
            for row, voter, label in self._votes
            if known[label] != UNKNOWN
        ]
        columns = np.asarray(kept, np.int32).reshape(-1, 3).T
        return Votes(
            sample=columns[0].copy(),
            annotator=columns[1].copy(),
            label=columns[2].copy(),
            annotators=list(self._annotators),
        )
