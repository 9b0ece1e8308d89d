"""Files below one root, be it a folder or a zip archive read in place.

No name leads out of the root: absolute names, `..` and links that point elsewhere are refused.
A zip is held to limits against archives that unpack to far more than they weigh.
"""

import lzma
import os
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Protocol

from cad_studio.core.errors import DatasetFormatError

MAX_ENTRIES = 2_000_000
MAX_TOTAL_BYTES = 64 * 2**30
MAX_RATIO = 100
RATIO_FREE_BYTES = 256 * 2**20
"""Below this total a zip may compress as well as it likes."""

MAX_TABLE_BYTES = 2**30

SPLIT_WORDS = frozenset(
    {
        "train",
        "training",
        "test",
        "testing",
        "val",
        "valid",
        "validation",
        "dev",
        "eval",
        "trainval",
        "unlabeled",
    }
)
"""Folder and file names that are taken for a split, in lower case."""


class Tree(Protocol):
    """Files below one root, by relative name with forward slashes."""

    label: str

    def names(self) -> list[str]:
        """All files, sorted; hidden ones left out."""

    def exists(self, name: str) -> bool:
        """Whether there is such a file inside the root."""

    def read(self, name: str, limit_bytes: int) -> bytes:
        """A file's content, at most one byte more than the limit.

        Raises:
            OSError: It is not there, lies outside the root, or cannot be read.
        """


def open_tree(path: Path) -> Tree:
    """The files of a folder or a zip archive.

    Raises:
        DatasetFormatError: Neither, or an archive that breaks a limit.
    """
    if path.is_dir():
        return FolderTree(path)
    if not path.exists():
        raise DatasetFormatError(f"{str(path)!r} does not exist.")
    return ZipTree(path)


def read_table(tree: Tree, name: str) -> bytes:
    """A table or list of a tree, whole.

    Raises:
        DatasetFormatError: It cannot be read, or has more than 1 GiB.
    """
    try:
        data = tree.read(name, MAX_TABLE_BYTES)
    except OSError as error:
        raise DatasetFormatError(f"{name} cannot be read: {error}.") from error
    if len(data) > MAX_TABLE_BYTES:
        raise DatasetFormatError(f"{name} has more than 1 GiB; split it up.")
    return data


def is_inside(name: str) -> bool:
    """Whether a relative name stays below its root, as far as its spelling tells."""
    plain = name.replace("\\", "/")
    drive = len(plain) > 1 and plain[1] == ":"
    return bool(plain) and not plain.startswith("/") and not drive and ".." not in plain.split("/")


class FolderTree:
    """The files below a folder."""

    def __init__(self, root: Path) -> None:
        """Look into `root`."""
        self.label = root.name
        self._root = os.path.realpath(root)

    def names(self) -> list[str]:
        """All files, sorted; hidden ones and hidden folders left out."""
        found: list[str] = []
        pending = [""]
        while pending:
            prefix = pending.pop()
            with os.scandir(os.path.join(self._root, prefix)) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(f"{prefix}{entry.name}/")
                    else:
                        found.append(prefix + entry.name)
        return sorted(found)

    def exists(self, name: str) -> bool:
        """Whether there is such a file inside the root."""
        return is_inside(name) and os.path.isfile(os.path.join(self._root, name))

    def read(self, name: str, limit_bytes: int) -> bytes:
        """A file's content, at most one byte more than the limit."""
        path = os.path.realpath(os.path.join(self._root, name))
        if not is_inside(name) or not path.startswith(os.path.join(self._root, "")):
            raise OSError(f"{name!r} lies outside the folder {self.label!r}")
        if os.path.exists(path) and not os.path.isfile(path):
            raise OSError(f"{name!r} is no ordinary file")  # a pipe would never end
        with open(path, "rb") as file:
            return file.read(limit_bytes + 1)


class ZipTree:
    """The files in a zip archive; nothing is unpacked to disk."""

    def __init__(self, path: Path) -> None:
        """Read the table of contents.

        A single top folder that holds everything is looked through.

        Raises:
            DatasetFormatError: No zip archive, or one that breaks a limit or leaves its root.
        """
        self.label = path.name
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise DatasetFormatError(f"{path.name} is no readable zip archive: {error}.") from error
        entries = [entry for entry in self._archive.infolist() if not entry.is_dir()]
        _check_limits(path, entries)
        self._entries = {entry.filename: entry for entry in entries if _is_shown(entry.filename)}
        self._prefix = _top_folder(self._entries)

    def names(self) -> list[str]:
        """All files, sorted; hidden ones and hidden folders left out."""
        return sorted(name[len(self._prefix) :] for name in self._entries)

    def exists(self, name: str) -> bool:
        """Whether there is such a file in the archive."""
        return self._prefix + name in self._entries

    def read(self, name: str, limit_bytes: int) -> bytes:
        """A file's content, at most one byte more than the limit."""
        entry = self._entries.get(self._prefix + name)
        if entry is None:
            raise OSError(f"{name!r} is not in {self.label}")
        try:
            with self._archive.open(entry) as file:
                return file.read(limit_bytes + 1)
        except (
            zipfile.BadZipFile,
            zlib.error,
            lzma.LZMAError,
            EOFError,
            RuntimeError,  # an encrypted entry
            NotImplementedError,  # an unknown compression
            ValueError,
        ) as error:
            raise OSError(f"{name!r} in {self.label} is damaged or encrypted ({error})") from error


class TreeImages:
    """Images that are files of a tree."""

    def __init__(self, tree: Tree, names: list[str], limit_bytes: int) -> None:
        """Take the files `names` in this order."""
        self._tree = tree
        self._names = names
        self._limit_bytes = limit_bytes

    def __len__(self) -> int:
        """N."""
        return len(self._names)

    def read(self, row: int) -> bytes:
        """One encoded image."""
        return self._tree.read(self._names[row], self._limit_bytes)


def _check_limits(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    total = sum(entry.file_size for entry in entries)
    weight = max(path.stat().st_size, 1)
    way_out = "Unpack it yourself if you trust it and import the folder."
    if len(entries) > MAX_ENTRIES:
        raise DatasetFormatError(
            f"{path.name} holds {len(entries):,} files; at most {MAX_ENTRIES:,} are read. {way_out}"
        )
    if total > MAX_TOTAL_BYTES:
        raise DatasetFormatError(
            f"{path.name} would unpack to {total / 2**30:.1f} GiB; at most "
            f"{MAX_TOTAL_BYTES // 2**30} GiB are read. {way_out}"
        )
    if total > RATIO_FREE_BYTES and total > MAX_RATIO * weight:
        raise DatasetFormatError(
            f"{path.name} would unpack to {total // weight:,} times its size; at most "
            f"{MAX_RATIO} times is read. {way_out}"
        )
    for entry in entries:
        if not is_inside(entry.filename):
            raise DatasetFormatError(
                f"{path.name} holds the entry {entry.filename!r}, which lies outside the archive."
            )


def _is_shown(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" not in parts and not any(part.startswith(".") for part in parts)


def _top_folder(names: dict[str, zipfile.ZipInfo]) -> str:
    tops = {name.partition("/")[0] if "/" in name else "" for name in names}
    top = tops.pop() if len(tops) == 1 else ""
    return f"{top}/" if top and top.lower() not in SPLIT_WORDS else ""
