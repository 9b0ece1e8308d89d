"""Hugging Face datasets: Parquet, Arrow, `save_to_disk` folders and hub ids.

Columns: `image`, a struct of bytes and path (or bytes), or texts that name image files; or
`features`, a list of numbers; `candidates`, a list of class indices or names; `label`; optionally
`id` and `split`. Further columns of single values are kept. ClassLabel names are honoured; a label
of -1 or null is not known. Local files are read where they lie; only hub datasets go into a cache.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN, Images, Problem, SourceDataset, Votes
from cad_studio.core.errors import DatasetFormatError, ResourceError
from cad_studio.core.optional import require
from cad_studio.core.progress import Progress
from cad_studio.core.understanding import Understanding
from cad_studio.datasets._arrow import HubPart, Part, column, matrix
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._cells import candidate_cell, label_column
from cad_studio.datasets._classes import ClassTable, Label
from cad_studio.datasets._hub_columns import PartColumns, field_values, find_columns, names_in
from cad_studio.datasets._hub_layout import DATA, holds_data, is_saved, local_parts
from cad_studio.datasets._images import JoinedImages
from cad_studio.datasets._samples import Samples, build_dataset
from cad_studio.datasets._trees import FolderTree, Tree, open_tree
from cad_studio.datasets._written_images import WrittenImages, WrittenNames, plain_path
from cad_studio.datasets.image_folder import class_list
from cad_studio.datasets.npz import to_features

PREFIX = "hf:"
_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_VOTES = {"image", "annotator", "label"}


@READERS.register("huggingface")
class HuggingFace(DatasetReader):
    """Datasets in the layouts of the Hugging Face `datasets` library."""

    name = "huggingface"
    wants = (
        "a .parquet or .arrow file, a folder or zip of them, a save_to_disk folder, or "
        "hf:owner/name"
    )

    def recognises(self, source: str) -> bool:
        """A hub id, a Parquet or Arrow file (not of votes), or a folder or zip that holds some."""
        if source.startswith(PREFIX):
            return True
        path = Path(source).expanduser()
        if path.is_file():
            if path.suffix.lower() == ".parquet":
                return not _is_votes(path)
            return path.suffix.lower() == ".arrow" or holds_data(path)
        return path.is_dir() and (is_saved(path) or holds_data(path))

    def is_sure(self, source: str) -> bool:
        """A zip with Parquet files and no pictures is no image folder."""
        return source.lower().endswith(".zip")

    def is_fragile(self, source: str) -> bool:
        """A local Parquet or Arrow file, or a folder or zip of them."""
        if source.startswith(PREFIX):
            return False
        path = Path(source).expanduser()
        if path.is_dir() or path.suffix.lower() == ".zip":
            return is_saved(path) or holds_data(path)
        return path.suffix.lower() in DATA

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """Read all columns but the images."""
        progress.report(0.0, f"Opening {source}")
        told = Understanding()
        descriptions: dict[str, str] = {}
        names = list(options.class_names) if options.class_names else None
        folder: Path | None = None
        if source.startswith(PREFIX):
            told.layout = "a dataset of the Hugging Face Hub"
            parts = _from_hub(source.removeprefix(PREFIX), options)
        else:
            path = source_path(source)
            folder = path if path.is_dir() else path.parent
            if path.is_dir():
                names, descriptions = class_list(FolderTree(folder), options.class_names, told)
            parts = local_parts(path, options, told)
        columns = [find_columns(part, options.columns) for part in parts]
        names = names or _class_names(parts, columns, told)
        for part in parts:
            descriptions = {**_texts(part.notes.get("class_descriptions")), **descriptions}
        read = _Read(Path(source).name or source, parts, columns, told)
        read.gather(names, options, progress)
        images = read.images(folder, options)
        dataset = build_dataset(read.samples, names, descriptions, images)
        dataset.features = read.vectors(needed=images is None)
        dataset.votes = read.votes(ClassTable(dataset.class_names, read.samples.source))
        return dataset


def _is_votes(path: Path) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (OSError, ValueError, pa.ArrowException):
        return False
    if not set(schema.names) >= _VOTES or schema.names.count("image") > 1:
        return False
    return pa.types.is_string(schema.field("image").type)


def _from_hub(identifier: str, options: ReadOptions) -> list[Part]:
    name, _, config = identifier.partition("#")
    if not _HUB_NAME.fullmatch(name):  # the library would take other texts for local paths
        raise DatasetFormatError(f"{PREFIX}{name} is no hub dataset; expected {PREFIX}owner/name.")
    datasets = require("datasets", install="datasets", purpose=f"Reading {PREFIX}{name}")
    cache = Path(options.cache_dir).expanduser() / "huggingface" if options.cache_dir else None
    try:
        loaded = datasets.load_dataset(
            name, config or None, cache_dir=str(cache) if cache else None
        )
    except (OSError, RuntimeError) as error:  # DatasetNotFoundError and all of the network
        raise ResourceError(
            f"{name!r} cannot be had from the Hugging Face hub ({_short(error)}). Check the name "
            "and the network, or download its Parquet files and import the folder."
        ) from error
    except (ValueError, TypeError, LookupError) as error:
        raise DatasetFormatError(
            f"{name!r} on the Hugging Face hub is not read as it is ({_short(error)}). "
            "A configuration is chosen with hf:owner/name#configuration."
        ) from error
    root = cache or Path(datasets.config.HF_CACHE_HOME)
    wanted = options.splits or tuple(loaded)
    return [HubPart(loaded[split], split, root) for split in loaded if split in wanted] or [
        HubPart(loaded[split], split, root) for split in loaded
    ]


def _short(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300].rstrip(".")


def _class_names(
    parts: list[Part], columns: list[PartColumns], told: Understanding
) -> list[str] | None:
    """Class names from the metadata, the same in all parts that have some."""
    found: tuple[str, list[str]] | None = None
    for part, named in zip(parts, columns, strict=True):
        names = part.notes.get("class_names")
        for role in (named.candidates, named.label):
            names = names or names_in(part.features.get(role or ""))
        if not isinstance(names, list) or not names:
            continue
        names = [str(name) for name in names]
        if found is not None and found[1] != names:
            raise DatasetFormatError(
                f"{part.label} has other class names than {found[0]}. Give the class names "
                "yourself, or import the files one by one."
            )
        found = (part.label, names)
    if found is None:
        return None
    told.take("class names", f"{len(found[1])} from the metadata", "--class-names")
    return found[1]


def _texts(value: Any) -> dict[str, str]:
    items = value.items() if isinstance(value, dict) else ()
    return {str(key): text for key, text in items if isinstance(text, str)}


class _Read:
    """The rows of all parts, gathered column by column."""

    def __init__(
        self, source: str, parts: list[Part], columns: list[PartColumns], told: Understanding
    ) -> None:
        self._parts = parts
        self._columns = columns
        self._starts = np.cumsum([0, *(part.n_rows for part in parts)])
        self._taken: dict[str, int] = {}
        self._paths: list[str] = []
        for named in columns:
            for role, name in named.by_role().items():
                told.use_column(role, name)
            told.leave_out("columns that are not single values", named.others)
        self._fields = list(dict.fromkeys(name for named in columns for name in named.fields))
        told.use_column("field", *self._fields) if self._fields else None
        self.samples = Samples(
            source=source,
            ids=[],
            splits=[],
            sets=[] if any(named.candidates for named in columns) else None,
            labels=[] if any(named.label for named in columns) else None,
            where=self._where,
            understanding=told,
            fields={name: [] for name in self._fields},
        )

    def _where(self, row: int) -> str:
        part = int(np.searchsorted(self._starts, row, side="right")) - 1
        return f"{self._parts[part].label}, row {row - self._starts[part]}"

    def gather(
        self, class_names: list[str] | None, options: ReadOptions, progress: Progress
    ) -> None:
        """Read every column but images, vectors and votes.

        Raises:
            DatasetFormatError: Some parts have images and others have none, or one is damaged.
        """
        pictured = [named.image or named.path for named in self._columns]
        if len({name is None for name in pictured}) > 1:
            bare = self._parts[pictured.index(None)].label
            raise DatasetFormatError(f"{bare} has no image column, while other files have one.")
        for number, (part, named) in enumerate(zip(self._parts, self._columns, strict=True)):
            progress.report(number / len(self._parts), f"Reading {part.label}")
            paths = [str(value or "") for value in column(part, named.path)] if named.path else []
            self._paths += paths
            split = part.split or options.only_split()
            splits = [split] * part.n_rows
            if named.split:
                splits = [str(value) if value else split for value in column(part, named.split)]
            self.samples.splits += splits
            self.samples.ids += self._ids(part, named, splits, paths)
            start = int(self._starts[number])
            self._add_labels(part, named, start, class_names)
            for name in self._fields:
                there = name in named.fields
                values = field_values(part, name) if there else [None] * part.n_rows
                self.samples.fields[name] = [*self.samples.fields[name], *values]

    def _add_labels(
        self, part: Part, named: PartColumns, start: int, class_names: list[str] | None
    ) -> None:
        samples = self.samples
        if samples.sets is not None:
            cells = column(part, named.candidates) if named.candidates else [None] * part.n_rows
            samples.sets += [
                None if cell is None else candidate_cell(cell, self._where(start + row))
                for row, cell in enumerate(cells)
            ]
        if samples.labels is not None:
            cells = column(part, named.label) if named.label else [None] * part.n_rows
            samples.labels += _labels(
                cells, lambda row: self._where(start + row), class_names, samples.understanding
            )

    def _ids(
        self, part: Part, named: PartColumns, splits: Sequence[str], paths: Sequence[str]
    ) -> list[str]:
        if named.id:
            return [str(value) for value in column(part, named.id)]
        if paths:
            return [
                plain_path(path) or self._next_id(split)
                for path, split in zip(paths, splits, strict=True)
            ]
        return [self._next_id(split) for split in splits]

    def _next_id(self, split: str) -> str:
        row = self._taken.get(split, 0)
        self._taken[split] = row + 1
        return f"{split}/{row:05d}"

    def images(self, folder: Path | None, options: ReadOptions) -> Images | None:
        """The images: stored in the parts, or files that they name."""
        first = self._columns[0]
        if first.image is None and first.path is None:
            return None
        if first.path is not None or any(named.path for named in self._columns):
            return self._files(folder, options)
        stores = [
            part.images(named.image)
            for part, named in zip(self._parts, self._columns, strict=True)
            if named.image
        ]
        return stores[0] if len(stores) == 1 else JoinedImages(stores)

    def _files(self, folder: Path | None, options: ReadOptions) -> Images:
        place = Path(options.images_dir).expanduser() if options.images_dir else folder
        if place is None or len(self._paths) != len(self.samples.ids):
            raise DatasetFormatError(
                f"{self.samples.source} names image files and does not hold them. Give their "
                "folder with --images."
            )
        tree: Tree = open_tree(place, options.follow_links)
        names, files = WrittenNames(tree), []
        for row, written in enumerate(self._paths):
            found = names.find(written)
            if found is None:
                message = f"{self._where(row)}: {written[:80]!r} {names.trouble(written)}."
                self.samples.problems.append(Problem("unreadable-image", row, message))
            files.append(found or written)
        if names.shortened:
            words = f"found by file name, as for {names.shortened[0][:80]!r}"
            self.samples.understanding.take("images", words, "--images")
        return WrittenImages(tree, files)

    def vectors(self, needed: bool) -> NDArray[np.float32] | None:
        """The vectors of all parts, float32 (N, D); None where images stand for themselves.

        Raises:
            DatasetFormatError: They are needed and not there, or of several lengths.
        """
        for part, named in zip(self._parts, self._columns, strict=True):
            if named.vectors is None and needed:
                raise DatasetFormatError(
                    f"{part.label} has neither a column of images nor a column 'features'. "
                    f"It has: {', '.join(part.schema.names[:12])}."
                )
        if any(named.vectors is None for named in self._columns):
            return None
        found = [
            matrix(part, named.vectors or "")
            for part, named in zip(self._parts, self._columns, strict=True)
        ]
        label = self._parts[0].label
        if len({values.shape[1] for values in found}) > 1:
            raise DatasetFormatError(
                f"{label}: the features are not lists of numbers of one length in all files."
            )
        return to_features(
            found[0] if len(found) == 1 else np.concatenate(found), f"{label}, features"
        )

    def votes(self, classes: ClassTable) -> Votes | None:
        """What annotators said, as an export of CAD Studio writes it.

        Raises:
            DatasetFormatError: The column holds something else.
        """
        found: list[tuple[int, int, int, float]] = []
        names: dict[str, int] = {}
        for number, (part, named) in enumerate(zip(self._parts, self._columns, strict=True)):
            for name in part.notes.get("annotators") or ():
                names.setdefault(str(name), len(names))
            start = int(self._starts[number])
            for row, cell in enumerate(column(part, named.votes) if named.votes else (), start):
                for vote in cell or ():
                    found.append(_vote(vote, row, names, classes, self._where))
        if not names and not found:
            return None
        return Votes.of_rows(found, list(names))


def _vote(
    vote: Any, row: int, names: dict[str, int], classes: ClassTable, where: Callable[[int], str]
) -> tuple[int, int, int, float]:
    index = classes.find(vote.get("label")) if isinstance(vote, dict) else UNKNOWN
    if index == UNKNOWN:
        raise DatasetFormatError(
            f"{where(row)}: votes must be objects with a 'label' that is a class, and an "
            "'annotator'."
        )
    who = vote.get("annotator")
    voter = UNKNOWN if who is None else names.setdefault(str(who), len(names))
    weight = vote.get("weight")
    return row, voter, index, 1.0 if weight is None else float(weight)


def _labels(
    cells: list[Any],
    where: Callable[[int], str],
    class_names: list[str] | None,
    told: Understanding,
) -> list[Label | None]:
    """Labels as written; None where one is not known."""
    if all(cell is None or type(cell) is int for cell in cells):
        return [None if cell == UNKNOWN else cell for cell in cells]
    return label_column(cells, where, class_names or (), told)
