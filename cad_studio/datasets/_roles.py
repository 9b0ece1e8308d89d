"""Which column of a table is what: as the user says, else by its name, else by what it holds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cad_studio.core.errors import DatasetFormatError, SettingError
from cad_studio.core.understanding import Understanding
from cad_studio.datasets._tables import Table, TextForm

OPTION = "--columns"
NAMES = {
    "image": (
        "file_name", "filename", "image", "image_path", "file", "filepath", "file_path", "path",
        "img", "image_id", "image_name",
    ),
    "id": ("id",),
    "candidates": ("candidates", "candidate_labels", "partial_labels"),
    "label": ("label", "class", "target", "category", "class_name", "label_name"),
    "split": ("split", "subset"),
}  # fmt: skip
"""Names a column of each role may have, in lower case; the first that is there counts."""

ROLES = (*NAMES, "class")
"""What a user may name columns for; `class` stands for one 0/1 column a class."""

_BITS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


@dataclass(frozen=True)
class TableChoices:
    """What a user may say about tables.

    Attributes:
        form: How they are written.
        columns: Column names by role.
        list_separator: What separates candidates in a cell.
    """

    form: TextForm = field(default_factory=TextForm)
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    list_separator: str | None = None


@dataclass(frozen=True)
class Roles:
    """The columns of one table by role.

    Attributes:
        column: Name of the column of each role that has one; without `class`.
        classes: Names of the 0/1 columns, one a class, in the order of the table.
        rest: Columns without a role.
    """

    column: dict[str, str]
    classes: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)

    def tell(self, understanding: Understanding) -> None:
        """Say which columns have which role."""
        for role, name in self.column.items():
            understanding.use_column(role, name)
        if self.classes:
            understanding.use_column("class", *self.classes)
        if self.rest:
            understanding.use_column("field", *self.rest)


def find_roles(
    table: Table,
    given: Mapping[str, Sequence[str]],
    class_names: Sequence[str] | None = None,
    roles: Sequence[str] = ROLES,
) -> Roles:
    """The role of each column.

    Columns of 0 and 1 are classes where no column holds labels or candidates and there are two or
    more, or where they are called like the classes.

    Args:
        table: Any table.
        given: Column names by role, as the user says; those of other tables are passed over.
        class_names: Names of the classes where they are known.
        roles: What is looked for.

    Raises:
        SettingError: Several columns are given where one can be.
    """
    there = {
        role: [name for name in names if name in table.columns] for role, names in given.items()
    }
    given = {role: names for role, names in there.items() if names and role in roles}
    column: dict[str, str] = {}
    lower = {name.lower(): name for name in reversed(table.columns)}
    taken = {name for names in given.values() for name in names}
    for role in roles:
        if role == "class":
            continue
        if role in given:
            if len(given[role]) != 1:
                raise SettingError(f"{OPTION}: one column is the {role}, not {len(given[role])}.")
            column[role] = given[role][0]
        else:
            names = (lower.get(name) for name in NAMES.get(role, ()))
            found = next((name for name in names if name and name not in taken), None)
            if found is not None:
                column[role] = found
                taken.add(found)
    classes = list(given.get("class", ()))
    left = [name for name in table.columns if name not in {*column.values(), *classes}]
    if not classes and "class" in roles:
        classes = _class_columns(table, left, column, class_names)
        left = [name for name in left if name not in classes]
    return Roles(column, classes, left)


def sets_of_columns(
    table: Table, names: Sequence[str], where: Callable[[int], str]
) -> list[list[str] | None]:
    """The candidates that 0/1 columns mark, by row; None where all cells of a row are blank.

    Raises:
        DatasetFormatError: A cell is neither 0 nor 1.
    """
    found: list[list[str] | None] = []
    cells = [table.columns[name] for name in names]
    for row, values in enumerate(zip(*cells, strict=True)):
        texts = ["" if value is None else str(value).strip().lower() for value in values]
        if not any(texts):
            found.append(None)
            continue
        for name, text in zip(names, texts, strict=True):
            if text not in _BITS:
                raise DatasetFormatError(
                    f"{where(row)}, column {name!r}: expected 0 or 1, found {text!r}. If the "
                    "columns say how many votes each class got, name the classes and give the "
                    "table as the candidate file."
                )
        found.append([name for name, text in zip(names, texts, strict=True) if _BITS[text]])
    return found


def is_bits(values: Sequence[object]) -> bool:
    """Whether the values of a column are 0 and 1 throughout, and not all blank."""
    distinct = {"" if value is None else str(value).strip().lower() for value in values} - {""}
    return bool(distinct) and distinct <= _BITS.keys()


def _class_columns(
    table: Table, left: list[str], column: dict[str, str], class_names: Sequence[str] | None
) -> list[str]:
    if column.keys() & {"candidates", "label"}:
        return []
    if class_names and len(set(class_names) & set(left)) > 1:
        return [name for name in left if name in class_names]
    bits = [name for name in left if is_bits(table.columns[name])]
    return bits if len(bits) > 1 else []
