"""Which column of a Parquet or Arrow file is what: image, label, candidates, vectors, and the rest.

A column is taken as the user says, else by its name, else by what it holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cad_studio.datasets._arrow import Part, column
from cad_studio.datasets._written_images import plain_path
from cad_studio.datasets.picture_formats import is_picture_name

IMAGE_COLUMNS = ("image", "img", "picture")
PATH_COLUMNS = (*IMAGE_COLUMNS, "file_name", "filename", "image_path", "path", "filepath", "file")
LABEL_COLUMNS = ("label", "labels", "fine_label", "target", "class")
VECTOR_COLUMNS = ("features", "embedding", "embeddings")
CANDIDATES, VOTES, ID, SPLIT = "candidates", "votes", "id", "split"
_FIRST_CELLS = 8


@dataclass(frozen=True)
class PartColumns:
    """The columns of one part by role; None where there is none.

    Attributes:
        image: Encoded images.
        path: Names of image files, where there are no images themselves.
        label: True labels.
        candidates: Lists of labels.
        vectors: Lists of numbers, all of one length.
        votes: What annotators said, as CAD Studio writes it.
        id: Ids.
        split: Splits.
        fields: Further columns of single values.
        others: Further columns of something else, which are not kept.
    """

    image: str | None
    path: str | None
    label: str | None
    candidates: str | None
    vectors: str | None
    votes: str | None
    id: str | None
    split: str | None
    fields: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def by_role(self) -> dict[str, str]:
        """Names by the role that a user would give them."""
        roles = {
            "image": self.image or self.path, "label": self.label, "candidates": self.candidates,
            "features": self.vectors, "votes": self.votes, "id": self.id, "split": self.split,
        }  # fmt: skip
        return {role: name for role, name in roles.items() if name is not None}


def find_columns(part: Part, given: Mapping[str, Sequence[str]]) -> PartColumns:
    """The role of each column of a part.

    Args:
        part: One file or split.
        given: Column names by role, as the user says; those of other parts are passed over.
    """
    there: list[str] = part.schema.names
    said = {role: name for role, names in given.items() for name in names[:1] if name in there}
    images = [name for name in there if _is_image(part, name)]
    image = said.get("image") if said.get("image") in images else None
    if "image" not in said:
        image = next((name for name in IMAGE_COLUMNS if name in images), None)
        image = image or (images[0] if images else None)
    path = None if image else said.get("image") or _path_column(part)
    label = said.get("label") or next((name for name in LABEL_COLUMNS if name in there), None)
    if label is None:
        labels = (name for name in there if is_class_label(part.features.get(name)))
        label = next(labels, None)
    chosen = {
        "candidates": said.get("candidates") or (CANDIDATES if CANDIDATES in there else None),
        "vectors": said.get("features")
        or next((n for n in VECTOR_COLUMNS if n in there and _is_list(part, n)), None),
        "votes": VOTES if VOTES in there and _is_list(part, VOTES) else None,
        "id": said.get("id") or (ID if ID in there else None),
        "split": said.get("split") or (SPLIT if SPLIT in there else None),
    }
    used = {image, path, label, *chosen.values()}
    left = [name for name in there if name not in used]
    fields = tuple(name for name in left if _is_plain(part, name))
    others = tuple(name for name in left if name not in fields)
    return PartColumns(image, path, label, **chosen, fields=fields, others=others)


def names_in(description: Any) -> list[str] | None:
    """The names of a ClassLabel, also of one inside a list."""
    if isinstance(description, list) and description:
        return names_in(description[0])
    if isinstance(description, dict):
        if isinstance(description.get("names"), list):
            return description["names"]
        return names_in(description.get("feature"))
    return None


def is_class_label(description: Any) -> bool:
    """Whether a Hugging Face feature is a ClassLabel."""
    return isinstance(description, dict) and isinstance(description.get("names"), list)


def field_values(part: Part, name: str) -> list[Any]:
    """A further column as single values; numbers of a ClassLabel as its names."""
    values = column(part, name)
    description = part.features.get(name)
    if not is_class_label(description):
        return values
    names = description["names"]
    return [
        names[value] if isinstance(value, int) and 0 <= value < len(names) else None
        for value in values
    ]


def _is_image(part: Part, name: str) -> bool:
    import pyarrow as pa

    kind = part.schema.field(name).type
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _path_column(part: Part) -> str | None:
    """A column of texts that name pictures: by its name, else the only one there is."""
    texts = [name for name in part.schema.names if _is_text(part, name)]
    named = [name for name in texts if _names_pictures(part, name)]
    usual = next((name for name in PATH_COLUMNS if name in named), None)
    return usual or (named[0] if len(named) == 1 else None)


def _names_pictures(part: Part, name: str) -> bool:
    for array in part.batches(name):
        first = [value for value in array[:_FIRST_CELLS].to_pylist() if value]
        if first:
            return all(is_picture_name(plain_path(value)) for value in first)
    return False


def _is_text(part: Part, name: str) -> bool:
    import pyarrow as pa

    kind = part.schema.field(name).type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_list(part: Part, name: str) -> bool:
    import pyarrow as pa

    kind = part.schema.field(name).type
    if isinstance(kind, pa.ExtensionType):
        kind = kind.storage_type
    kinds = pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list
    return any(is_kind(kind) for is_kind in kinds)


def _is_plain(part: Part, name: str) -> bool:
    """Whether a column has one text, number, truth value or time in each cell."""
    import pyarrow as pa

    kind = part.schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    kinds = (
        pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_floating,
        pa.types.is_boolean, pa.types.is_date, pa.types.is_timestamp, pa.types.is_decimal,
    )  # fmt: skip
    return any(is_kind(kind) for is_kind in kinds)
