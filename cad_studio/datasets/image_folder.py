"""Image folders, and zip archives of them.

Either a table `metadata.csv` (also `.tsv`, `.jsonl`, `.xlsx`) names the images (`file_name`) and
their `candidates`, `label`, `split` and `id`, or each class has a folder of images. Both may lie
one level down, in a folder for each split, and all of it in folders that only wrap it.
`classes.txt` or `classes.json` gives the class names. A table may also be the source itself.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from cad_studio.core.dataset import SourceDataset
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.progress import Progress
from cad_studio.core.understanding import Understanding
from cad_studio.datasets import _tables
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._classes import read_class_list
from cad_studio.datasets._folder_layout import find_layout, wrapping
from cad_studio.datasets._image_tables import rows_of_tables, tells_images
from cad_studio.datasets._samples import Samples, build_dataset
from cad_studio.datasets._tables import beginning_of
from cad_studio.datasets._text import decoded
from cad_studio.datasets._trees import SubTree, Tree, TreeImages, open_tree, read_table
from cad_studio.datasets.decoding import MAX_FILE_BYTES
from cad_studio.datasets.picture_formats import (
    HEIC,
    HOW_TO_READ_HEIC,
    NOT_PICTURES,
    START_BYTES,
    is_heic_name,
    is_picture_name,
    picture_in,
    suffix_of,
)

TABLES = tuple(f"metadata{suffix}" for suffix in _tables.SUFFIXES)
CLASS_LISTS = ("classes.json", "classes.txt")
_LOOKED_AT = 2000


@READERS.register("image-folder")
class ImageFolder(DatasetReader):
    """Images in a folder or zip, with a table or with a folder for each class."""

    name = "image-folder"
    wants = (
        "a folder or .zip with metadata.csv (also .tsv, .jsonl, .xlsx; column file_name) and the "
        "images, or with one folder of images for each class"
    )

    def recognises(self, source: str) -> bool:
        """A zip, a table that names images, or a folder with an image in it."""
        path = Path(source).expanduser()
        if path.is_file():
            return path.suffix.lower() == ".zip" or tells_images(beginning_of(path))
        return path.is_dir() and (
            any((path / table).is_file() for table in TABLES) or _holds_an_image(path)
        )

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """List the images and read the tables."""
        path = source_path(source)
        table_name = ""
        if path.is_file() and path.suffix.lower() in _tables.SUFFIXES:
            path, table_name = path.parent, path.name
            if options.images_dir:
                return _from_table_alone(path / table_name, options, progress)
        tree = open_tree(path, options.follow_links)
        progress.report(0.0, f"Listing {tree.label}")
        told = Understanding()
        if table_name:
            names, descriptions = class_list(tree, options.class_names)
            return _from_tables(tree, [table_name], None, names, descriptions, options, told)
        own = _own_table(tree)
        pictures = find_pictures(tree, told, own)
        whole, all_pictures = tree, pictures
        tree, pictures = _unwrapped(tree, pictures, options)
        tree.tell(told)
        names, descriptions = class_list(tree, options.class_names, told)
        progress.report(0.5, "Reading labels")
        tables = _tables_among(tree.names())
        if tables:
            return _from_tables(tree, tables, pictures, names, descriptions, options, told)
        if own and len({name.rpartition("/")[0] for name in pictures}) < 2:
            told.take("the table", f"{own}, the only one that names images")
            return _from_tables(whole, [own], all_pictures, names, descriptions, options, told)
        if own:
            told.leave_out("tables beside folders of images, which tell the classes", [own])
        samples = _from_folders(tree, pictures, names, options, told)
        images = TreeImages(tree, pictures, MAX_FILE_BYTES)
        return build_dataset(samples, names, descriptions, images)


def class_list(
    tree: Tree, given: Sequence[str] | None, told: Understanding | None = None
) -> tuple[list[str] | None, dict[str, str]]:
    """Class names and descriptions: the given names, else those of a class list in the tree."""
    for name in CLASS_LISTS:
        if tree.exists(name):
            data = read_table(tree, name)
            names, descriptions = read_class_list(decoded(data, name, told=told), name)
            if told is not None and not given:
                told.take("class names", f"{len(names)} from {name}", "--class-names")
            return list(given or names), descriptions
    return (list(given) if given else None), {}


def find_pictures(tree: Tree, told: Understanding, table: str | None = None) -> list[str]:
    """The pictures of a tree, by ending or, where that tells nothing, by content.

    Other files are counted by ending, but for tables and class lists, which are read, and `table`.
    """
    found: list[str] = []
    others: dict[str, list[str]] = {}
    by_content = 0
    for name in tree.names():
        suffix = suffix_of(name)
        if is_picture_name(name):
            found.append(name)
            continue
        kind = HEIC if is_heic_name(name) else None
        if kind is None and suffix not in NOT_PICTURES:
            kind = _content(tree, name)
        if kind == HEIC:
            others.setdefault(HEIC, []).append(name)
        elif kind is not None:
            by_content += 1
            found.append(name)
        elif name != table and name.rpartition("/")[2] not in (*TABLES, *CLASS_LISTS):
            others.setdefault(suffix, []).append(name)
    if by_content:
        told.take("pictures", f"{by_content:,} recognised by their content, not by their ending")
    for suffix, names in others.items():
        if suffix == HEIC:
            told.leave_out("HEIC pictures", names, HOW_TO_READ_HEIC)
        else:
            ending = f"with the ending {suffix}" if suffix else "without an ending"
            told.leave_out(f"files {ending}, which are no pictures", names)
    return found


def _content(tree: Tree, name: str) -> str | None:
    try:
        return picture_in(tree.read(name, START_BYTES))
    except OSError:
        return None


def _holds_an_image(path: Path) -> bool:
    looked_at = 0
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in files:
            looked_at += 1
            suffix = suffix_of(name)
            if is_picture_name(name) or is_heic_name(name):
                return True
            if suffix not in NOT_PICTURES and _starts_as_picture(os.path.join(folder, name)):
                return True
            if looked_at > _LOOKED_AT:
                return False
        if any(os.path.islink(os.path.join(folder, name)) for name in folders):
            return True  # is told what became of them
    return False


def _starts_as_picture(path: str) -> bool:
    if not os.path.isfile(path):  # a pipe would never answer
        return False
    try:
        with open(path, "rb") as file:
            return picture_in(file.read(START_BYTES)) is not None
    except OSError:
        return False


def _unwrapped(tree: Tree, pictures: list[str], options: ReadOptions) -> tuple[Tree, list[str]]:
    """The tree and its pictures from where the wrapping folders end."""
    top_files = {name for name in tree.names() if "/" not in name}
    if top_files & {*TABLES, *CLASS_LISTS}:
        return tree, pictures
    names = pictures + _tables_among(tree.names(), any_depth=True)
    prefix = wrapping(names, options.class_names or ())
    if not prefix:
        return tree, pictures
    inside = [name[len(prefix) :] for name in pictures if name.startswith(prefix)]
    return SubTree(tree, prefix), inside


def _tables_among(files: list[str], any_depth: bool = False) -> list[str]:
    tables = [name for name in files if name.rpartition("/")[2] in TABLES]
    if any_depth:
        return tables
    top = [name for name in tables if "/" not in name]
    found = top or [name for name in tables if name.count("/") == 1]
    folders = [name.rpartition("/")[0] for name in found]
    if len(set(folders)) < len(folders):
        raise DatasetFormatError(
            f"There are two tables in one place: {', '.join(found)}. Keep one of them."
        )
    return found


def _own_table(tree: Tree) -> str | None:
    """The one table beside the pictures that names images, where it is not called metadata."""
    found = [name for name in _other_tables(tree) if tells_images(_beginning(tree, name))]
    return found[0] if len(found) == 1 else None


def _other_tables(tree: Tree) -> list[str]:
    return [
        name
        for name in tree.names()
        if "/" not in name
        and suffix_of(name) in _tables.SUFFIXES
        and name not in (*CLASS_LISTS, *TABLES)
    ]


def _beginning(tree: Tree, name: str) -> _tables.Table | None:
    return _tables.beginning_of_text(tree.read(name, _tables.START_BYTES), name)


def _from_table_alone(path: Path, options: ReadOptions, progress: Progress) -> SourceDataset:
    """The images of a folder or archive that a table elsewhere names."""
    progress.report(0.0, f"Reading {path.name}")
    told = Understanding()
    assert options.images_dir is not None
    tree = open_tree(Path(options.images_dir).expanduser(), options.follow_links)
    names, descriptions = class_list(open_tree(path.parent), options.class_names, told)
    samples, images = rows_of_tables(
        tree, [(path.name, path.read_bytes())], None, names, options, told
    )
    return build_dataset(samples, names, descriptions, TreeImages(tree, images, MAX_FILE_BYTES))


def _from_tables(
    tree: Tree,
    tables: list[str],
    pictures: list[str] | None,
    names: list[str] | None,
    descriptions: dict[str, str],
    options: ReadOptions,
    told: Understanding,
) -> SourceDataset:
    held = [(name, read_table(tree, name)) for name in tables]
    samples, images = rows_of_tables(tree, held, pictures, names, options, told)
    names = names or (list(told.columns["class"]) if "class" in told.columns else None)
    if pictures is not None:
        told.leave_out(
            "pictures that no table names", sorted(set(pictures) - set(images)),
            "Add rows for them, or leave them.",
        )  # fmt: skip
        other = [name for name in _tables_among(tree.names(), any_depth=True) if name not in tables]
        told.leave_out("tables further down, which are not read", other)
    return build_dataset(samples, names, descriptions, TreeImages(tree, images, MAX_FILE_BYTES))


def _from_folders(
    tree: Tree,
    pictures: list[str],
    names: list[str] | None,
    options: ReadOptions,
    told: Understanding,
) -> Samples:
    if not pictures:
        lines = " ".join(f"Left out: {item.line()}" for item in told.left_out)
        raise DatasetFormatError(f"{tree.label} holds no pictures that are read. {lines}".rstrip())
    has_sets = options.candidates is not None
    layout = find_layout(pictures, options.split_from, names or (), has_sets)
    has_labels = any(label is not None for label in layout.labels)
    if not has_labels and not (names and (has_sets or options.unlabelled == "keep")):
        tables = ", ".join(_other_tables(tree)[:3])
        sets = "" if has_sets else ", and give the sets with --candidates or take all classes with"
        raise DatasetFormatError(
            f"{tree.label} holds {len(pictures):,} images but neither metadata.csv nor "
            "metadata.jsonl nor a folder for each class. Add one; or name the classes with "
            f"--class-names{sets and f'{sets} --unlabelled keep'}."
            + (f" Or give the table beside them ({tables}) as the source." if tables else "")
        )
    told.layout = layout.words
    told.take("splits", _split_words(layout.splits), "--split-from")
    if not names:
        n_classes = len({label for label in layout.labels if label is not None})
        told.take("class names", f"{n_classes} from the names of folders", "--class-names")
    return Samples(
        source=tree.label,
        ids=list(pictures),
        splits=[split or options.only_split() for split in layout.splits],
        sets=None,
        labels=list(layout.labels),
        where=lambda row: pictures[row],
        understanding=told,
    )


def _split_words(splits: Sequence[str | None]) -> str:
    names = sorted({split for split in splits if split is not None})
    return f"{', '.join(names)}, from the names of folders" if names else "none in the source"
