"""COCO annotation files, used for classification: the categories of an image are its classes.

One file, or a folder of them with the images: `annotations/instances_train2017.json` beside
`train2017/`, or `train/_annotations.coco.json` in a folder for each split.
"""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from cad_studio.core.dataset import SourceDataset
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.progress import Progress
from cad_studio.core.understanding import Understanding
from cad_studio.datasets._answers import ITEM_BYTES, Item, as_labels, build_answered, image_tree
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._classes import shown
from cad_studio.datasets._json_files import Json, parse_json, starts_of
from cad_studio.datasets._markers import marker_files
from cad_studio.datasets._memory import require_memory
from cad_studio.datasets._trees import SPLIT_WORDS, open_tree, read_table, without_top

_PARTS = (b'"categories"', b'"images"', b'"annotations"', b'"image_id"', b'"category_id"')
_PLACE = re.compile(r"(annotations/[^/]+\.json|([^/]+/)?_annotations\.coco\.json)")
_OF_IMAGE = frozenset(
    {"id", "file_name", "width", "height", "license", "flickr_url", "coco_url", "date_captured"}
)


@READERS.register("coco")
class Coco(DatasetReader):
    """Categories of images in COCO files."""

    name = "coco"
    wants = "a COCO .json file with images, annotations and categories, or a folder of them"

    def recognises(self, source: str) -> bool:
        """Such a file, or a folder or zip in which one lies where COCO has it."""
        path = Path(source).expanduser()
        if path.is_file() and path.suffix.lower() == ".json":
            return _looks_like_coco(path)
        places = marker_files(path, lambda name: bool(_PLACE.fullmatch(name)))
        if not path.is_dir():
            return any(name.endswith(".coco.json") or "instances" in name for name in places)
        return any(_looks_like_coco(path / name) for name in places)

    def is_sure(self, source: str) -> bool:
        """No other format has such a file."""
        return True

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """Read all images and the categories of their annotations."""
        path = source_path(source)
        progress.report(0.0, f"Reading {path.name}")
        is_file = path.is_file() and path.suffix.lower() != ".zip"
        folder = path.parent if is_file else path
        tree = open_tree(folder, options.follow_links)
        tree = tree if is_file else without_top(tree)
        found = (
            [path.name] if is_file
            else marker_files(path, lambda name: bool(_PLACE.fullmatch(name)))
        )  # fmt: skip
        told = Understanding(layout="COCO files, the categories of an image taken for its classes")
        items: list[Item] = []
        names: list[str] | None = None
        others: list[str] = []
        for name in found:
            value = parse_json(read_table(tree, name), name)
            if not isinstance(value, dict) or not isinstance(value.get("images"), list):
                others.append(name)
                continue
            table = _categories(value, name)
            if names is not None and names != list(table.values()):
                raise DatasetFormatError(
                    f"{name} has other categories than {found[0]}. Import the files one by one."
                )
            names = list(table.values())
            items += _images(value, table, name, "" if is_file else _split_of(name), told)
        told.leave_out("JSON files without images", others)
        as_labels(items, told)
        tree = image_tree(folder, options) if options.images_dir else tree
        is_whole = not is_file and not options.images_dir
        return build_answered(path.name, items, tree, names, options, told, is_whole=is_whole)


def _looks_like_coco(path: Path) -> bool:
    head, tail = starts_of(path)
    is_object = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    return is_object and sum(part in head or part in tail for part in _PARTS) >= 3


def _categories(value: Json, name: str) -> dict[Any, str]:
    """Names of the categories by id, in the order of the ids."""
    found = {}
    for category in _records(value.get("categories"), "categories", name):
        if not isinstance(category.get("name"), str) or not _is_id(category.get("id")):
            raise DatasetFormatError(f"{name}: a category has no name or no id.")
        found[category["id"]] = category["name"]
    return dict(sorted(found.items(), key=lambda each: (isinstance(each[0], str), each[0])))


def _images(
    value: Json, names: dict[Any, str], name: str, split: str, told: Understanding
) -> list[Item]:
    chosen: dict[Any, dict[str, None]] = {}
    astray: list[str] = []
    for at, annotation in enumerate(_records(value.get("annotations"), "annotations", name)):
        image, category = annotation.get("image_id"), annotation.get("category_id")
        if not _is_id(image) or not _is_id(category) or category not in names:
            astray.append(f"{name}, annotation {annotation.get('id', at)}")
            continue
        chosen.setdefault(image, {})[names[category]] = None
    items = []
    require_memory(ITEM_BYTES * len(value["images"]), f"{name}, images,")
    for at, image in enumerate(_records(value["images"], "images", name)):
        key = image.get("id") if _is_id(image.get("id")) else None
        where = f"{name}, image {shown(image.get('id', at))}"
        folder = str(PurePosixPath(name).parent)
        written = str(image.get("file_name") or "")
        # Roboflow names files beside its annotation file, COCO those of a folder of images
        beside = folder not in (".", "annotations")
        items.append(
            Item(
                f"{folder}/{written}" if beside and written else written, where, split=split,
                proposed=tuple(chosen.pop(key, {})),
                fields={k: v for k, v in image.items() if k not in _OF_IMAGE},
            )
        )  # fmt: skip
    astray += [f"{name}, image_id {shown(key)}" for key in chosen]
    told.leave_out("annotations of images or categories that are not listed", astray)
    return items


def _split_of(name: str) -> str:
    """The split that the place or name of a file tells, e.g. `instances_val2017.json`."""
    for part in (*reversed(PurePosixPath(name).parent.parts), *_words(PurePosixPath(name).stem)):
        if part.lower() in SPLIT_WORDS:
            return part
    return ""


def _words(stem: str) -> Sequence[str]:
    return re.findall(r"[A-Za-z]+", stem)


def _records(value: Any, what: str, name: str) -> list[Json]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise DatasetFormatError(f"{name}: {what} must be a list of objects.")
    return value


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str)
