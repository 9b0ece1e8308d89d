"""Annotators' votes in a table: a row for each vote, or a column for each annotator.

A long table has the columns `image`, `annotator`, `label`; a wide one has `image` and a column for
each annotator. CSV, TSV or Parquet; optionally `truth` and `split`; further columns become fields
of the image. Blank votes are dropped, the image stays. The candidate set of an image is what passes
a share of its votes (by default every class with a vote), and the votes are kept. Images are looked
for beside the table, or in a folder or zip that is given.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from cad_studio.core.dataset import UNKNOWN, Problem, SourceDataset, Votes
from cad_studio.core.errors import DatasetFormatError, DoubtfulSourceError
from cad_studio.core.progress import Progress
from cad_studio.core.understanding import Understanding
from cad_studio.core.vote_sets import check_threshold, sets_of_votes
from cad_studio.datasets._arrow import ParquetPart, column
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._cells import plain_label
from cad_studio.datasets._classes import ClassTable, Label
from cad_studio.datasets._samples import Samples, build_dataset
from cad_studio.datasets._tables import Table, beginning_of, read_table_file
from cad_studio.datasets._trees import Tree, TreeImages, is_inside, open_tree, without_top
from cad_studio.datasets._vote_columns import VoteColumns, choose_columns, is_blank
from cad_studio.datasets._vote_matrix import tell_threshold
from cad_studio.datasets.decoding import MAX_FILE_BYTES
from cad_studio.datasets.image_folder import class_list


@READERS.register("annotator-votes")
class AnnotatorVotes(DatasetReader):
    """One row for each vote of an annotator, or one column for each annotator."""

    name = "annotator-votes"
    wants = (
        "a table (.csv, .tsv, .xlsx, .parquet) with the columns image, annotator and label, one "
        "row a vote; or image and a column for each annotator"
    )

    def recognises(self, source: str) -> bool:
        """A table whose header has the three columns, or whose first rows look like votes."""
        path = Path(source).expanduser()
        if not path.is_file():
            return False
        table = _beginning(path)
        if table is None:
            return False
        try:
            return choose_columns(table, {}) is not None
        except DoubtfulSourceError:
            return False

    def is_fragile(self, source: str) -> bool:
        """A Parquet file."""
        return Path(source).suffix.lower() == ".parquet"

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """Read the votes and gather them by image."""
        path = source_path(source)
        check_threshold(options.threshold)
        progress.report(0.0, f"Reading {path.name}")
        told = Understanding()
        table = _read(path, options, told)
        folder = Path(options.images_dir).expanduser() if options.images_dir else path.parent
        tree = open_tree(folder, options.follow_links)
        tree = tree if folder.is_dir() else without_top(tree)
        names, descriptions = class_list(open_tree(path.parent), options.class_names)
        columns = choose_columns(table, options.columns, names)
        if columns is None:
            table.require("image", "annotator", "label")
            raise DatasetFormatError(
                f"{table.name}: no column holds votes. Name the columns of the annotators: "
                "--columns annotator=NAME,annotator=NAME."
            )
        progress.report(0.5, "Gathering the votes by image")
        gathered = _Gathered(table, columns, options.only_split(), told)
        gathered.look_for_images(tree)
        samples = gathered.samples
        samples.fields = gathered.fields()
        dataset = build_dataset(
            samples, names, descriptions, TreeImages(tree, gathered.images, MAX_FILE_BYTES)
        )
        votes = gathered.votes(ClassTable(dataset.class_names, path.name))
        dataset.votes = replace(votes, threshold=options.threshold)
        _apply_threshold(dataset, options.threshold)
        return dataset


def _apply_threshold(dataset: SourceDataset, threshold: float) -> None:
    """The sets that follow from the votes; samples without votes keep what they have."""
    assert dataset.votes is not None
    assert dataset.candidates is not None
    sets, thin = sets_of_votes(dataset.votes, len(dataset.ids), len(dataset.class_names), threshold)
    has_votes = sets.sizes() > 0
    dataset.candidates.packed[has_votes] = sets.packed[has_votes]
    tell_threshold(dataset, threshold, len(thin))


def _beginning(path: Path) -> Table | None:
    """The first rows of a table; None where it is none."""
    return _parquet_names(path) if path.suffix.lower() == ".parquet" else beginning_of(path)


def _parquet_names(path: Path) -> Table | None:
    """The columns of a Parquet file, those of texts and numbers with their first values."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            plain = [
                each.name
                for each in file.schema_arrow
                if pa.types.is_string(each.type)
                or pa.types.is_large_string(each.type)
                or pa.types.is_integer(each.type)
                or pa.types.is_floating(each.type)
            ]
            batch = next(file.iter_batches(200, columns=plain), None)
            columns = dict.fromkeys(file.schema_arrow.names, ())
            columns |= {} if batch is None else batch.to_pydict()
    except (OSError, ValueError, pa.ArrowException):
        return None
    n_rows = 0 if batch is None else batch.num_rows
    full = {name: list(values) or [None] * n_rows for name, values in columns.items()}
    return Table(path.name, full, list(range(1, n_rows + 1)), unit="row")


def _read(path: Path, options: ReadOptions, told: Understanding) -> Table:
    if path.suffix.lower() != ".parquet":
        return read_table_file(path, options.tables().form, told)
    part = ParquetPart(path, None)
    columns = {name: column(part, name) for name in part.schema.names}
    return Table(path.name, columns, list(range(1, part.n_rows + 1)), unit="row")


class _Gathered:
    """The votes of a table, by image in the order of first appearance."""

    def __init__(self, table: Table, columns: VoteColumns, split: str, told: Understanding) -> None:
        self._table, self._columns = table, columns
        self.images: list[str] = []
        self._first: list[int] = []
        self._annotators: dict[str, int] = {}
        self._votes: list[tuple[int, int, Label]] = []
        self._lines: list[int] = []
        self.samples = Samples(
            source=table.name,
            ids=self.images,
            splits=[],
            sets=[],
            labels=None if columns.truth is None else [],
            where=lambda row: table.where(self._first[row]),
            understanding=told,
        )
        self._gather(split)

    def _gather(self, split: str) -> None:
        table, samples, columns = self._table, self.samples, self._columns
        positions: dict[str, int] = {}
        no_split = [""] * len(table)
        splits = no_split if columns.split is None else table.texts(columns.split)
        truth = None if columns.truth is None else table.columns[columns.truth]
        sets: list[dict[Label, None]] = []
        for line, image in enumerate(table.texts(columns.image)):
            row = positions.setdefault(image, len(positions))
            self._lines.append(row)
            if row == len(sets):
                self.images.append(image)
                self._first.append(line)
                sets.append({})
                samples.splits.append(splits[line] or split)
                if truth is not None and samples.labels is not None:
                    known = not is_blank(truth[line])
                    where = table.where(line)
                    samples.labels.append(plain_label(truth[line], where) if known else None)
        blank: list[str] = []
        as_label = _plain if _are_floats(columns.votes(table)) else plain_label
        for line, who, given in columns.votes(table):
            where = table.where(line)
            if is_blank(given):
                blank.append(where if columns.is_long else f"{where}, {who}")
                continue
            row = self._lines[line]
            label = as_label(given, where)
            sets[row][label] = None
            voter = self._annotators.setdefault(who, len(self._annotators))
            self._votes.append((row, voter, label))
        # None, not an empty list: an image that nobody voted on has no candidates of its own.
        samples.sets = [list(members) or None for members in sets]
        self._tell(blank)

    def _tell(self, blank: list[str]) -> None:
        told, columns = self.samples.understanding, self._columns
        told.layout = (
            "a table of votes, one row for each vote"
            if columns.is_long
            else "a table of votes, one column for each annotator"
        )
        for role, names in columns.roles():
            told.use_column(role, *names)
        told.take(
            "votes",
            f"{len(self._votes):,} of {len(self._annotators):,} annotators on "
            f"{len(self.images):,} images",
        )
        told.leave_out("blank votes; their images stay", blank)

    def fields(self) -> dict[str, list[object]]:
        """Further columns by image: the value of its first row that has one."""
        found: dict[str, list[object]] = {}
        mixed: dict[str, list[str]] = {}
        for name in self._columns.fields:
            values: list[object] = [None] * len(self.images)
            for line, value in enumerate(self._table.columns[name]):
                row = self._lines[line]
                if is_blank(value):
                    continue
                if values[row] is None:
                    values[row] = value
                elif values[row] != value:
                    mixed.setdefault(name, []).append(self._table.where(line))
            found[name] = values
        for name, lines in mixed.items():
            if len(lines) > _MOST_MIXED * len(self._table):
                # it says something of the vote rather than of the image
                del found[name]
                self.samples.understanding.leave_out(
                    f"values of the column {name!r}, which differ between the votes of an image",
                    lines,
                )
            else:
                self.samples.understanding.leave_out(
                    f"values of the column {name!r} that differ from the image's first", lines
                )
        return found

    def look_for_images(self, tree: Tree) -> None:
        for row, image in enumerate(self.images):
            if not tree.exists(image):
                reason = "does not exist" if is_inside(image) else "lies outside the folder"
                message = f"{self.samples.where(row)}: {image!r} {reason} ({tree.label})."
                self.samples.problems.append(Problem("unreadable-image", row, message))

    def votes(self, table: ClassTable) -> Votes:
        known = {label: table.find(label) for label in _distinct(self._votes)}
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


_MOST_MIXED = 0.1
"""Share of a column's rows that may differ from the image's first for it to be of the image."""


def _are_floats(votes: Iterable[tuple[int, str, object]]) -> bool:
    """Whether all votes are whole numbers, some written `2.0`, as pandas does beside blanks."""
    given = {str(value).strip() for _, _, value in votes if not is_blank(value)}
    return all(map(_WHOLE.fullmatch, given)) and any("." in text for text in given)


def _plain(value: object, _where: str) -> Label:
    return int(float(str(value)))


_WHOLE = re.compile(r"\d{1,9}(\.0+)?")


def _distinct(votes: Iterable[tuple[int, int, Label]]) -> set[Label]:
    return {label for _, _, label in votes}
