"""Tables that name image files, and what they say of each: sets, label, split, id."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from cad_studio.core.dataset import Problem
from cad_studio.core.errors import SettingError, closest
from cad_studio.core.understanding import Understanding
from cad_studio.datasets._base import ReadOptions
from cad_studio.datasets._cells import Label, candidate_column, is_missing, label_column
from cad_studio.datasets._classes import shown
from cad_studio.datasets._file_names import NameFinder, plain_path
from cad_studio.datasets._roles import NAMES, ROLES, Roles, find_roles, is_bits, sets_of_columns
from cad_studio.datasets._samples import Samples
from cad_studio.datasets._tables import Table, read_text_table
from cad_studio.datasets._trees import Tree, is_inside
from cad_studio.datasets._vote_columns import ANNOTATOR


def tells_images(table: Table | None) -> bool:
    """Whether a table names images and says something of each, by its first rows.

    Not so a table of votes, with a column `annotator` or one column an annotator.
    """
    lower = [name.lower() for name in table.columns] if table is not None else []
    if set(lower) & set(ANNOTATOR):
        return False
    if "file_name" in lower:
        return True
    if not set(lower) & set(NAMES["image"]):
        return False
    if set(lower) & {*NAMES["candidates"], *NAMES["label"]}:
        return True
    assert table is not None
    return sum(is_bits(values) for values in table.columns.values()) > 1


def rows_of_tables(
    tree: Tree,
    tables: Sequence[tuple[str, bytes]],
    pictures: Sequence[str] | None,
    class_names: Sequence[str] | None,
    options: ReadOptions,
    told: Understanding,
) -> tuple[Samples, list[str]]:
    """The samples that tables name, and the image file of each.

    Args:
        tree: Holds the images; names in a table are relative to the folder of the table.
        tables: Name and content of each.
        pictures: Pictures of the tree, where they were listed already.
        class_names: Names of the classes where they are known.
        options: What the user said.
        told: Takes down the layout, the columns, and what is left out.

    Raises:
        DatasetFormatError: A table cannot be read, or has no column of images.
    """
    choices = options.tables()
    read = [read_text_table(data, name, choices.form, told) for name, data in tables]
    if options.candidates is None:  # else they may be columns of that file
        _require_given(read, options)
    # Columns of classes may hold other than sets, where the sets come from a file of their own.
    wanted = [role for role in ROLES if role != "class" or options.candidates is None]
    roles = [find_roles(table, choices.columns, class_names, wanted) for table in read]
    for table, role in zip(read, roles, strict=True):
        if "image" not in role.column:
            table.require("file_name")
        role.tell(told)
    origin = [(table, row) for table in read for row in range(len(table))]
    has_sets = any(role.classes or "candidates" in role.column for role in roles)
    samples = Samples(
        source=tables[0][0] if len(tables) == 1 else tree.label,
        ids=[],
        splits=[],
        sets=[] if has_sets else None,
        labels=[] if any("label" in role.column for role in roles) else None,
        where=lambda row: origin[row][0].where(origin[row][1]),
        understanding=told,
    )
    told.layout = "a table of images" if len(read) == 1 else "a table of images in each folder"
    images: list[str] = []
    finder = _Finder(tree, pictures)
    labels = [
        label_column(_cells(table, role, "label"), table.where, class_names or (), told)
        for table, role in zip(read, roles, strict=True)
    ]
    # A listed class counts; else what stands alone as a label is a class name.
    known = class_names or [label for column in labels for label in column if label is not None]
    if samples.labels is not None:
        samples.labels += [label for column in labels for label in column]
    for table, role in zip(read, roles, strict=True):
        _add_table(table, role, samples, images, finder, options)
        if samples.sets is not None:
            samples.sets += _sets(table, role, {str(name) for name in known}, options, told)
    samples.fields = _fields(read, roles)
    for way, names in finder.used.items():
        told.take("image files", f"{len(names):,} found {way} (first: {names[0]})")
    return samples, images


def _require_given(tables: list[Table], options: ReadOptions) -> None:
    """Make sure that a table has each column that the user names.

    Raises:
        SettingError: None has it.
    """
    there = [name for table in tables for name in table.columns]
    for role, names in options.columns.items():
        odd = next((name for name in names if name not in there), None)
        if odd is not None:
            raise SettingError(
                f"--columns {role}={odd}: {tables[0].name} has no such column. "
                f"{closest(odd, there)}".rstrip()
            )


def _add_table(
    table: Table,
    role: Roles,
    samples: Samples,
    images: list[str],
    finder: "_Finder",
    options: ReadOptions,
) -> None:
    folder = str(PurePosixPath(table.name).parent)
    prefix = "" if folder == "." else f"{folder}/"
    split = folder if prefix else options.only_split()
    ids = _texts(table, role.column.get("id"))
    splits = _texts(table, role.column.get("split"))
    for row, file in enumerate(table.texts(role.column["image"])):
        image = finder.find(prefix, file) if file else None
        if image is None:
            reason = "no file name is given" if not file else f"{shown(file)} {_trouble(file)}"
            message = f"{table.where(row)}: {reason}."
            samples.problems.append(Problem("unreadable-image", len(images), message))
        images.append(image or prefix + file)
        samples.ids.append(ids[row] or plain_path(prefix + file))
        samples.splits.append(splits[row] or split)


def _sets(
    table: Table, role: Roles, known: set[str], options: ReadOptions, told: Understanding
) -> list[list[Label] | None]:
    """The candidates of each row; None for a table that has none, so that labels stand alone."""
    if role.classes:
        marked = sets_of_columns(table, role.classes, table.where)
        return [[] if members is None else [*members] for members in marked]
    if "candidates" not in role.column:
        return [None] * len(table)
    cells = _cells(table, role, "candidates")
    found = candidate_column(cells, table.where, known, options.list_separator, told)
    return [[] if members is None else members for members in found]


def _fields(tables: list[Table], roles: list[Roles]) -> dict[str, Sequence[object]]:
    """The further columns of all tables, None for the rows of a table that lacks one."""
    names = dict.fromkeys(name for role in roles for name in role.rest)
    return {
        name: [
            None if is_missing(value) else value
            for table in tables
            for value in table.columns.get(name, [None] * len(table))
        ]
        for name in names
    }


def _cells(table: Table, role: Roles, name: str) -> list[object]:
    column = role.column.get(name)
    return [None] * len(table) if column is None else table.columns[column]


def _texts(table: Table, column: str | None) -> list[str]:
    """A column as texts, those that stand for nothing empty."""
    if column is None:
        return [""] * len(table)
    return ["" if is_missing(text) else text for text in table.texts(column)]


def _trouble(file: str) -> str:
    return "does not exist" if is_inside(file) else "lies outside the folder"


class _Finder:
    """The file of a tree that a name in a table means."""

    def __init__(self, tree: Tree, pictures: Sequence[str] | None) -> None:
        self._tree = tree
        self._pictures = pictures
        self._listed = frozenset(pictures or ())  # asking the disk takes longer
        self._names: NameFinder | None = None

    @property
    def used(self) -> dict[str, list[str]]:
        """Names that were found in other ways than as they are written."""
        return {} if self._names is None else self._names.used

    def find(self, prefix: str, file: str) -> str | None:
        name = prefix + file.removeprefix("./")
        if name in self._listed or self._tree.exists(name):
            return name
        plain = prefix + plain_path(file)
        if self._tree.exists(plain):
            return plain
        if self._names is None:
            names = self._tree.names() if self._pictures is None else self._pictures
            self._names = NameFinder(names)
        return self._names.find(plain)
