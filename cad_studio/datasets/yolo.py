"""YOLO folders: classification with `labels.json`, and detection whose boxes name the classes.

Plain YOLO classification, a folder for each split and in it one for each class, is an image
folder. This reader is for what says more: `labels.json` in the folder of a split (several labels
an image, as CVAT and Datumaro write them), or a `data.yaml` with the names of the classes, beside
`labels/*.txt` or folders of the classes.
"""

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from cad_studio.core.dataset import SourceDataset
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.progress import Progress
from cad_studio.core.understanding import Understanding
from cad_studio.datasets._answers import Item, as_labels, build_answered
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._json_files import parse_json
from cad_studio.datasets._markers import marker_files
from cad_studio.datasets._trees import SPLIT_WORDS, Tree, open_tree, read_table, without_top
from cad_studio.datasets.picture_formats import is_picture_name

_YAMLS = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
_LISTS = "labels.json"
_NO_LABEL = "no_label"
_FOLDERS = frozenset({"images", "labels"})
_LARGEST_YAML_BYTES = 2**20


@READERS.register("yolo")
class Yolo(DatasetReader):
    """Classes of images in YOLO folders."""

    name = "yolo"
    wants = "a YOLO folder or zip with data.yaml, or with labels.json in the folder of a split"

    def recognises(self, source: str) -> bool:
        """A folder or zip with one of the two."""
        return bool(marker_files(Path(source).expanduser(), _is_marker))

    def is_sure(self, source: str) -> bool:
        """An image folder has no such files."""
        return True

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """Find the classes of all images."""
        path = source_path(source)
        tree = without_top(open_tree(path, options.follow_links))
        progress.report(0.0, f"Listing {tree.label}")
        files = tree.names()
        images = [name for name in files if is_picture_name(name)]
        told = Understanding()
        tree.tell(told)
        names = _class_names(tree, files)
        lists = [name for name in files if PurePosixPath(name).name == _LISTS]
        if lists:
            told.layout = "a YOLO classification folder, the labels of each split in labels.json"
            items = _from_lists(tree, lists)
        elif any(name.endswith(".txt") and _of_labels(name) for name in files):
            told.layout = "a YOLO detection folder, the classes of its boxes taken for an image's"
            items = _from_boxes(tree, images, set(files), names or [], told)
        else:
            told.layout = "a YOLO classification folder, one folder for each class"
            items = _from_folders(images)
        used = {item.image for item in items}
        told.leave_out(
            "images that labels.json does not list", [i for i in images if i not in used]
        )
        known = {*lists, *images}
        told.leave_out(
            "files that are no images", [n for n in files if n not in known and not _is_read(n)]
        )
        as_labels(items, told)
        return build_answered(tree.label, items, tree, names, options, told)


def _is_marker(name: str) -> bool:
    return name in _YAMLS or (
        PurePosixPath(name).name == _LISTS
        and name.count("/") == 1
        and name.partition("/")[0].lower() in SPLIT_WORDS
    )


def _is_read(name: str) -> bool:
    return name in _YAMLS or (name.endswith(".txt") and _of_labels(name))


def _class_names(tree: Tree, files: Iterable[str]) -> list[str] | None:
    """The names in `data.yaml`, in the order of the indices, or None without one."""
    name = next((name for name in _YAMLS if name in files), None)
    if name is None:
        return None
    data = tree.read(name, _LARGEST_YAML_BYTES)
    if len(data) > _LARGEST_YAML_BYTES:
        raise DatasetFormatError(f"{name} has more than 1 MiB; it should name the classes.")
    import yaml  # a fifth of a second, which only its files need wait for

    try:
        value = yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        words = str(error).splitlines()[0]
        raise DatasetFormatError(f"{name} is not readable YAML ({words}).") from error
    names = value.get("names") if isinstance(value, dict) else None
    if isinstance(names, dict) and all(isinstance(key, int) for key in names):
        names = [names[key] for key in sorted(names)]
    # Not any value as text: aliases make lists of lists that would be written out for ever.
    if not isinstance(names, list) or not all(isinstance(each, str | int) for each in names):
        raise DatasetFormatError(f"{name} names no classes; expected 'names', a list of texts.")
    return [str(each) for each in names]


def _from_lists(tree: Tree, lists: Iterable[str]) -> list[Item]:
    items = []
    for name in lists:
        split = str(PurePosixPath(name).parent)
        value = parse_json(read_table(tree, name), name)
        if not isinstance(value, dict):
            raise DatasetFormatError(f"{name} must hold an object from image to labels.")
        for key, about in value.items():
            where = f"{name}, {key!r:.80}"
            if not isinstance(about, dict) or not isinstance(about.get("path"), str):
                raise DatasetFormatError(f"{where}: expected a 'path' and 'labels'.")
            labels = about.get("labels")
            if not isinstance(labels, list) or not all(isinstance(each, str) for each in labels):
                raise DatasetFormatError(f"{where}: the labels must be a list of names.")
            chosen = tuple(label for label in labels if label != _NO_LABEL)
            image = f"{split}/{about['path']}"
            items.append(Item(image, where, proposed=chosen, split=split.partition("/")[0]))
    return items


def _from_folders(images: Iterable[str]) -> list[Item]:
    items = []
    for image in images:
        parts = [part for part in image.split("/") if part not in _FOLDERS]
        split = parts[0] if len(parts) > 1 and parts[0].lower() in SPLIT_WORDS else ""
        parts = parts[1:] if split else parts
        label = parts[0] if len(parts) > 1 and parts[0] != _NO_LABEL else None
        items.append(Item(image, image, proposed=() if label is None else (label,), split=split))
    return items


def _from_boxes(
    tree: Tree, images: Iterable[str], files: set[str], names: list[str], told: Understanding
) -> list[Item]:
    items, astray = [], []
    for image in images:
        boxes = _boxes_of(image, files)
        chosen: dict[str, None] = {}
        for line in read_table(tree, boxes).decode("utf-8", "replace").split("\n") if boxes else ():
            word = line.split()[0] if line.split() else ""
            if word.isascii() and word.isdigit() and len(word) < 6 and int(word) < len(names):
                chosen[names[int(word)]] = None
            elif word:
                astray.append(boxes)
        split = next((p for p in image.split("/")[:-1] if p.lower() in SPLIT_WORDS), "")
        items.append(Item(image, image, proposed=tuple(chosen), split=split))
    told.leave_out("lines of label files that name no class", astray)
    return items


def _boxes_of(image: str, files: set[str]) -> str:
    """The file of an image's boxes: `images` is `labels` in its path, and the ending is .txt."""
    parts: list[Any] = os.path.splitext(image)[0].split("/")
    for place in range(len(parts) - 1, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    name = "/".join(parts) + ".txt"
    return name if name in files else ""


def _of_labels(name: str) -> bool:
    return "labels" in name.split("/")[:-1]
