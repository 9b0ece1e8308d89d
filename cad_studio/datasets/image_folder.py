"""Image folders, and zip archives of them.

Either a table `metadata.csv` or `metadata.jsonl` names the images (`file_name`) and their
`candidates`, `label`, `split` and `id`, or each class has a folder of images. Both may lie one
level down, in a folder for each split. `classes.txt` or `classes.json` gives the class names.
"""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from cad_studio.core.dataset import Problem, SourceDataset
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.progress import Progress
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._classes import Label, read_class_list, shown
from cad_studio.datasets._samples import Samples, build_dataset
from cad_studio.datasets._tables import Table, candidate_cell, plain_label, read_text_table
from cad_studio.datasets._trees import (
    SPLIT_WORDS,
    FolderTree,
    Tree,
    TreeImages,
    is_inside,
    open_tree,
    read_table,
)
from cad_studio.datasets.decoding import MAX_FILE_BYTES, SUFFIXES

TABLES = ("metadata.csv", "metadata.jsonl")
CLASS_LISTS = ("classes.json", "classes.txt")
_LOOKED_AT = 2000


@READERS.register("image-folder")
class ImageFolder(DatasetReader):
    """Images in a folder or zip, with a table or with a folder for each class."""

    name = "image-folder"
    wants = (
        "a folder or .zip with metadata.csv or metadata.jsonl (column file_name) and the images, "
        "or with one folder of images for each class"
    )

    def recognises(self, source: str) -> bool:
        """A zip, a table with a column `file_name`, or a folder with an image in it."""
        path = Path(source).expanduser()
        if path.is_file():
            return path.suffix.lower() == ".zip" or _names_files(path)
        return path.is_dir() and (
            any((path / table).is_file() for table in TABLES) or _holds_an_image(path)
        )

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """List the images and read the tables."""
        path = source_path(source)
        table_name = ""
        if path.is_file() and path.suffix.lower() in (".csv", ".jsonl"):
            path, table_name = path.parent, path.name
        tree = open_tree(path)
        progress.report(0.0, f"Listing {tree.label}")
        if table_name:
            files, tables = [], [table_name]
        else:
            files = tree.names()
            tables = _tables_among(files)
        names, descriptions = class_list(tree, options.class_names)
        progress.report(0.5, "Reading labels")
        if tables:
            samples, images = _from_tables(tree, tables, options)
        else:
            samples, images = _from_folders(tree, files, options)
        return build_dataset(samples, names, descriptions, TreeImages(tree, images, MAX_FILE_BYTES))


def class_list(tree: Tree, given: Sequence[str] | None) -> tuple[list[str] | None, dict[str, str]]:
    """Class names and descriptions: the given names, else those of a class list in the tree."""
    for name in CLASS_LISTS:
        if tree.exists(name):
            names, descriptions = read_class_list(read_table(tree, name), name)
            return list(given or names), descriptions
    return (list(given) if given else None), {}


def _names_files(path: Path) -> bool:
    if path.suffix.lower() not in (".csv", ".jsonl"):
        return False
    try:
        with path.open("rb") as file:
            start = file.read(65536).split(b"\n")[0]
    except OSError:
        return False
    return b"file_name" in start and b"annotator" not in start


def _holds_an_image(path: Path) -> bool:
    looked_at = 0
    for _folder, folders, files in os.walk(path):
        folders.sort()
        for name in files:
            looked_at += 1
            if os.path.splitext(name)[1].lower() in SUFFIXES:
                return True
            if looked_at > _LOOKED_AT:
                return False
    return False


def _tables_among(files: list[str]) -> list[str]:
    tables = [name for name in files if PurePosixPath(name).name in TABLES]
    top = [name for name in tables if "/" not in name]
    found = top or [name for name in tables if name.count("/") == 1]
    folders = [str(PurePosixPath(name).parent) for name in found]
    if len(set(folders)) < len(folders):
        raise DatasetFormatError(
            f"There are two tables in one place: {', '.join(found)}. Keep one of them."
        )
    return found


def _from_tables(tree: Tree, names: list[str], options: ReadOptions) -> tuple[Samples, list[str]]:
    tables = [read_text_table(read_table(tree, name), name) for name in names]
    origin = [(table, row) for table in tables for row in range(len(table))]
    samples = Samples(
        source=names[0] if len(names) == 1 else tree.label,
        ids=[],
        splits=[],
        sets=[] if any("candidates" in table.columns for table in tables) else None,
        labels=[] if any("label" in table.columns for table in tables) else None,
        where=lambda row: origin[row][0].where(origin[row][1]),
    )
    images: list[str] = []
    spelling = _Spelling(tree)
    for table in tables:
        _add_table(table, samples, images, spelling, options)
    return samples, images


def _add_table(
    table: Table, samples: Samples, images: list[str], spelling: "_Spelling", options: ReadOptions
) -> None:
    table.require("file_name")
    folder = str(PurePosixPath(table.name).parent)
    prefix = "" if folder == "." else f"{folder}/"
    files = table.texts("file_name")
    ids = table.texts("id") if "id" in table.columns else [""] * len(table)
    split = folder if prefix else options.only_split()
    splits = table.texts("split") if "split" in table.columns else [split] * len(table)
    for row, file in enumerate(files):
        image = spelling.find(prefix + file)
        if not file or image is None:
            reason = "no file name is given" if not file else f"{shown(file)} {_trouble(file)}"
            message = f"{table.where(row)}: {reason}."
            samples.problems.append(Problem("unreadable-image", len(images), message))
        images.append(image or prefix + file)
        samples.ids.append(ids[row] or prefix + file)
        samples.splits.append(splits[row] or split)
    if samples.sets is not None:
        cells = table.columns.get("candidates")
        samples.sets += (
            [None] * len(table)
            if cells is None
            else [candidate_cell(cell, table.where(row)) for row, cell in enumerate(cells)]
        )
    if samples.labels is not None:
        for row, label in enumerate(table.columns.get("label", [None] * len(table))):
            known = label is not None and label != ""
            samples.labels.append(plain_label(label, table.where(row)) if known else None)


def _trouble(file: str) -> str:
    return "does not exist" if is_inside(file) else "lies outside the folder"


class _Spelling:
    """Finds files whose accented letters are composed differently on disk than in a table."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._composed: dict[str, str] | None = None

    def find(self, name: str) -> str | None:
        """The name as the tree spells it, or None."""
        name = name.removeprefix("./")
        if self._tree.exists(name):
            return name
        if name.isascii():
            return None
        if self._composed is None:
            self._composed = {unicodedata.normalize("NFC", n): n for n in self._tree.names()}
        return self._composed.get(unicodedata.normalize("NFC", name))


def _from_folders(tree: Tree, files: list[str], options: ReadOptions) -> tuple[Samples, list[str]]:
    images = [name for name in files if os.path.splitext(name)[1].lower() in SUFFIXES]
    parts = [name.split("/") for name in images]
    by_split = bool(parts) and all(
        len(part) > 2 and part[0].lower() in SPLIT_WORDS for part in parts
    )
    depth = 1 if by_split else 0
    if not any(len(part) > depth + 1 for part in parts):
        kind = tree.label if isinstance(tree, FolderTree) else f"{tree.label} (zip)"
        raise DatasetFormatError(
            f"{kind} holds {len(images):,} images but neither metadata.csv nor metadata.jsonl nor "
            "a folder for each class."
        )
    classes: list[Label | None] = [part[depth] if len(part) > depth + 1 else None for part in parts]
    problems = [
        Problem("unknown-class", row, f"{images[row]}: the image lies in no class folder.")
        for row, label in enumerate(classes)
        if label is None
    ]
    samples = Samples(
        source=tree.label,
        ids=list(images),
        splits=[part[0] if by_split else options.only_split() for part in parts],
        sets=None,
        labels=classes,
        where=lambda row: images[row],
        problems=problems,
    )
    return samples, images
