"""CVAT exports "CVAT for images": an `annotations.xml` with the tags of each image.

Tags name the classes of an image. Where a project has no tags at all, the labels of the boxes and
other shapes of an image do.
"""

import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cad_studio.core.dataset import SourceDataset
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.progress import Progress
from cad_studio.core.understanding import Understanding
from cad_studio.datasets._answers import ITEM_BYTES, Item, as_labels, build_answered, image_tree
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._markers import marker_files
from cad_studio.datasets._memory import require_memory
from cad_studio.datasets._trees import open_tree, read_table, without_top

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_NAME = "annotations.xml"
_SHAPES = {"box", "polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton"}
_LOOKED_AT_BYTES = 4096


@READERS.register("cvat")
class Cvat(DatasetReader):
    """Tags of images annotated in CVAT."""

    name = "cvat"
    wants = "the annotations.xml of a CVAT export (CVAT for images), or the folder or zip with it"

    def recognises(self, source: str) -> bool:
        """The XML file, or a folder or zip with one."""
        path = Path(source).expanduser()
        if path.is_file() and path.suffix.lower() == ".xml":
            with path.open("rb") as file:
                return b"<annotations" in file.read(_LOOKED_AT_BYTES)
        return bool(_marked(path))

    def is_sure(self, source: str) -> bool:
        """No other format has such a file."""
        return True

    def is_fragile(self, source: str) -> bool:
        """The parser of XML is native code."""
        return self.recognises(source)

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """Read the tags of all images."""
        path = source_path(source)
        progress.report(0.0, f"Reading {path.name}")
        folder, name = (path.parent, path.name) if path.suffix.lower() == ".xml" else (path, "")
        tree = open_tree(folder, options.follow_links)
        tree = tree if name else without_top(tree)
        found = [name] if name else _marked(path)
        if not found:
            raise DatasetFormatError(f"{path.name} holds no {_NAME}.")
        told = Understanding(layout="a CVAT export, one record for each image")
        told.leave_out("further annotation files", found[1:], "Import them one by one.")
        read = _Read(found[0])
        read.gather(read_table(tree, found[0]), told)
        as_labels(read.items, told)
        tree = image_tree(folder, options) if options.images_dir else tree
        is_whole = not name and not options.images_dir
        return build_answered(
            path.name, read.items, tree, read.class_names or None, options, told, is_whole=is_whole
        )


def _marked(path: Path) -> list[str]:
    return marker_files(path, lambda name: PurePosixPath(name).name == _NAME)


class _Read:
    """The images of one file and its class names, gathered while it is parsed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.items: list[Item] = []
        self.class_names: list[str] = []
        self._tags: list[list[str]] = []
        self._shapes: list[list[str]] = []

    def gather(self, data: bytes, told: Understanding) -> None:
        """Parse all of it.

        Raises:
            DatasetFormatError: It is not XML, with the line.
        """
        n_images = data.count(b"<image")
        cost = 2 * len(data) + 300 * data.count(b"<") + ITEM_BYTES * n_images
        require_memory(cost, self._name)
        for image in self._images(data):
            where = f"{self._name}, image {image.get('id', len(self.items))}"
            self.items.append(
                Item(image.get("name", ""), where, split=image.get("subset", "").strip())
            )
            self._tags.append(
                [tag.get("label", "") for tag in image if tag.tag == "tag" and tag.get("label")]
            )
            self._shapes.append(
                [each.get("label", "") for each in image
                 if each.tag in _SHAPES and each.get("label")]
            )  # fmt: skip
        if any(self._tags):
            told.take("classes", "tags of an image")
            drawn = [i.where for i, shapes in zip(self.items, self._shapes, strict=True) if shapes]
            told.leave_out("images with boxes or other shapes, whose labels do not count", drawn)
            chosen = self._tags
        else:
            told.take("classes", "labels of the boxes and other shapes, as there are no tags")
            chosen = self._shapes
        for item, labels in zip(self.items, chosen, strict=True):
            item.proposed = tuple(dict.fromkeys(labels))
        written = {label for item in self.items for label in item.proposed}
        # a project may have labels for shapes that are no classes of images
        if not written <= set(self.class_names):
            self.class_names = []

    def _images(self, data: bytes) -> Iterator["Element"]:
        from xml.etree import ElementTree

        try:
            for _, element in ElementTree.iterparse(io.BytesIO(data), ("end",)):
                if element.tag == "label" and element.findtext("name"):
                    self.class_names.append(element.findtext("name", "").strip())
                elif element.tag == "image":
                    yield element
                    element.clear()
        except ElementTree.ParseError as error:
            raise DatasetFormatError(f"{self._name} is damaged or not XML ({error}).") from error
