"""Images as annotation tools write them: upload addresses, cloud addresses, paths, data URIs.

The tool has moved or renamed the files, so the folder beside its export is searched for them.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from cad_studio.datasets._classes import shown
from cad_studio.datasets._trees import Tree, is_inside
from cad_studio.datasets.decoding import MAX_FILE_BYTES

_DATA = "data:"
_UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of an upload


class WrittenNames:
    """Finds the files of a tree by what an annotation tool calls them.

    Attributes:
        shortened: Names that were found by a part of what is written.
    """

    def __init__(self, tree: Tree) -> None:
        """Look in `tree`; its files are listed when a name is not simply there."""
        self._tree = tree
        self._by_name: dict[str, list[str]] | None = None
        self.shortened: list[str] = []

    def find(self, written: str) -> str | None:
        """The file's name in the tree, or None where there is none, or not exactly one.

        The longest end of the written path that is a file counts first, then the bare file name
        where only one file in the tree has it, with and without what an upload put before it.
        """
        path = plain_path(written)
        if not path:
            return None
        parts = path.split("/")
        for start in range(len(parts)):
            name = "/".join(parts[start:])
            if is_inside(name) and self._tree.exists(name):
                if start:
                    self.shortened.append(written)
                return name
        found = self._called(parts[-1])
        if len(found) != 1:
            return None
        self.shortened.append(written)
        return found[0]

    def trouble(self, written: str) -> str:
        """Why `find` found nothing, to follow a subject."""
        path = plain_path(written)
        if not path:
            return "is no file name"
        found = self._called(path.rpartition("/")[2])
        if len(found) > 1:
            return f"could be {' or '.join(map(shown, found[:2]))} in {self._tree.label}"
        return f"is not in {self._tree.label}. Give the folder of the images with --images"

    def _called(self, name: str) -> list[str]:
        if self._by_name is None:
            self._by_name = {}
            for each in self._tree.names():
                self._by_name.setdefault(PurePosixPath(each).name, []).append(each)
        return self._by_name.get(name) or self._by_name.get(_UPLOAD.sub("", name, count=1), [])


class WrittenImages:
    """Images of a tree, or inside the addresses themselves."""

    def __init__(self, tree: Tree, names: Sequence[str]) -> None:
        """Take files of `tree` and data URIs, in this order."""
        self._tree = tree
        self._names = names

    def __len__(self) -> int:
        """N."""
        return len(self._names)

    def read(self, row: int) -> bytes:
        """One encoded image."""
        name = self._names[row]
        return embedded(name) if is_embedded(name) else self._tree.read(name, MAX_FILE_BYTES)


def is_embedded(written: str) -> bool:
    """Whether an address holds the image itself."""
    return written.startswith(_DATA)


def embedded(written: str) -> bytes:
    """The file in a data URI.

    Raises:
        OSError: It is not in base64, or damaged.
    """
    head, _, data = written.partition(",")
    if not head.endswith(";base64"):
        raise OSError("the image is written into the file, but not in base64")
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise OSError(f"the image written into the file is damaged ({error})") from error


def plain_path(written: str) -> str:
    """The path in an address, with forward slashes and without what leads to it."""
    text = written.strip().replace("\\", "/")
    try:
        parts = urlsplit(text) if "://" in text or "?" in text else None
    except ValueError:  # brackets that hold no address
        parts = None
    if parts is not None:
        local = parse_qs(parts.query).get("d")  # Label Studio's address of a file of its machine
        text = local[0] if local else unquote(parts.path)
    elif text.startswith("/data/"):
        text = unquote(text)
    return re.sub(r"^[A-Za-z]:", "", text).strip("/").removeprefix("./")
