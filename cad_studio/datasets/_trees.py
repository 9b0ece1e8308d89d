"""Files below one root, be it a folder or a zip archive read in place.

No name leads out of the root: absolute names, `..` and links that point elsewhere are refused,
unless the user asks for such links to be followed. A zip is held to limits against archives that
unpack to far more than they weigh.
"""

import lzma
import os
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Protocol

from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.understanding import Understanding

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

    def tell(self, understanding: Understanding) -> None:
        """Say what `names` leaves out, once it was asked."""

    def exists(self, name: str) -> bool:
        """Whether there is such a file inside the root."""

    def read(self, name: str, limit_bytes: int) -> bytes:
        """A file's content, at most one byte more than the limit.

        Raises:
            OSError: It is not there, lies outside the root, or cannot be read.
        """


def open_tree(path: Path, follow_links: bool = False) -> Tree:
    """The files of a folder or a zip archive.

    Args:
        path: The folder or archive.
        follow_links: Whether links that lead out of a folder are followed.

    Raises:
        DatasetFormatError: Neither, or an archive that breaks a limit.
    """
    if path.is_dir():
        return FolderTree(path, follow_links)
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


def hub_snapshot(path: Path) -> Path:
    """The folder of a dataset's files where `path` is its folder in the cache of the hub.

    The cache keeps each file in `blobs` and each revision as a folder of links in `snapshots`.

    Raises:
        DatasetFormatError: It holds several revisions, and does not say which is the main one.
    """
    revisions = path / "snapshots"
    if not ((path / "blobs").is_dir() and revisions.is_dir()):
        return path
    main = path / "refs" / "main"
    if main.is_file() and (revisions / main.read_text(encoding="utf-8").strip()).is_dir():
        return revisions / main.read_text(encoding="utf-8").strip()
    found = sorted(entry for entry in revisions.iterdir() if entry.is_dir())
    if len(found) != 1:
        raise DatasetFormatError(
            f"{path.name} holds {len(found)} revisions. Import one of the folders in "
            f"{str(revisions)!r}."
        )
    return found[0]


class FolderTree:
    """The files below a folder."""

    def __init__(self, root: Path, follow_links: bool = False) -> None:
        """Look into `root`; links that stay inside it are followed, others only on demand."""
        self.label = root.name
        self._root = os.path.realpath(root)
        self._inside = None if follow_links else _reachable(self._root)
        self._names: list[str] | None = None
        self._left_out: dict[str, list[str]] = {}

    def names(self) -> list[str]:
        """All files, sorted; hidden ones and hidden folders left out.

        Raises:
            DatasetFormatError: There are more than are read.
        """
        if self._names is None:
            self._left_out = {}
            self._names = self._listed()
        return list(self._names)

    def _listed(self) -> list[str]:
        found: list[str] = []
        # Each folder with the real places of those it lies in, itself included, to notice loops.
        pending = [("", (self._root,))]
        while pending:
            prefix, above = pending.pop()
            with os.scandir(os.path.join(self._root, prefix)) as entries:
                for entry in entries:
                    name = prefix + entry.name
                    if entry.name.startswith("."):
                        self._leave_out(_HIDDEN, name)
                    elif entry.is_symlink():
                        self._follow(name, above, found, pending)
                    elif entry.is_dir():
                        pending.append((f"{name}/", (*above, os.path.join(above[-1], entry.name))))
                    elif entry.is_file():
                        found.append(name)
                    else:
                        self._leave_out(_SPECIAL, name)
            if len(found) + len(pending) > MAX_ENTRIES:
                raise DatasetFormatError(
                    f"{self.label} holds more than {MAX_ENTRIES:,} files, the most that are read. "
                    "Import a part of it."
                )
        return sorted(found)

    def _follow(
        self,
        name: str,
        above: tuple[str, ...],
        found: list[str],
        pending: list[tuple[str, tuple[str, ...]]],
    ) -> None:
        """Take in what a link leads to, or note why not."""
        target = os.path.realpath(os.path.join(self._root, name))
        if not self._is_allowed(target):
            self._leave_out(_OUTSIDE, name)
        elif os.path.isdir(target):
            if any(place == target or place.startswith(f"{target}{os.sep}") for place in above):
                self._leave_out(_LOOP, name)
            else:
                pending.append((f"{name}/", (*above, target)))
        elif os.path.isfile(target):
            found.append(name)
        else:
            self._leave_out(_SPECIAL if os.path.exists(target) else _DEAD, name)

    def tell(self, understanding: Understanding) -> None:
        """Say which hidden files, links and devices are not read."""
        for kind, names in self._left_out.items():
            how = HOW_TO_FOLLOW if kind == _OUTSIDE else ""
            understanding.leave_out(kind, sorted(names), how)

    def exists(self, name: str) -> bool:
        """Whether there is such a file inside the root."""
        return is_inside(name) and os.path.isfile(os.path.join(self._root, name))

    def read(self, name: str, limit_bytes: int) -> bytes:
        """A file's content, at most one byte more than the limit."""
        path = os.path.realpath(os.path.join(self._root, name))
        if not is_inside(name):
            raise OSError(f"{name!r} lies outside the folder {self.label!r}")
        if not self._is_allowed(path):
            raise OSError(
                f"{name!r} is a link that leads outside the folder {self.label!r}; {HOW_TO_FOLLOW}"
            )
        if os.path.exists(path) and not os.path.isfile(path):
            raise OSError(f"{name!r} is no ordinary file")  # a pipe would never end
        with open(path, "rb") as file:
            return file.read(limit_bytes + 1)

    def _is_allowed(self, path: str) -> bool:
        return self._inside is None or os.path.join(path, "").startswith(self._inside)

    def _leave_out(self, kind: str, name: str) -> None:
        self._left_out.setdefault(kind, []).append(name)


HOW_TO_FOLLOW = "Give --follow-links to follow links that lead out of the folder."
_HIDDEN = "hidden files and folders"
_SPECIAL = "entries that are not ordinary files"
_OUTSIDE = "links that lead out of the folder"
_LOOP = "links to a folder they lie in"
_DEAD = "links that lead nowhere"


def _reachable(root: str) -> tuple[str, ...]:
    """Starts of the real paths that may be read: the folder, and the blobs of a hub snapshot."""
    places = [os.path.join(root, "")]
    for folder in (Path(root), *Path(root).parents):
        cached = folder.parent.parent
        if folder.parent.name == "snapshots" and (cached / "blobs").is_dir():
            places.append(os.path.join(cached, "blobs", ""))
    return tuple(places)


class SubTree:
    """The files of a tree below one of its folders."""

    def __init__(self, tree: Tree, prefix: str) -> None:
        """Look into `prefix`, which ends with a slash."""
        self.label = tree.label
        self._tree = tree
        self._prefix = prefix

    def names(self) -> list[str]:
        """The files below the folder, by their names from there on."""
        start = len(self._prefix)
        return [name[start:] for name in self._tree.names() if name.startswith(self._prefix)]

    def tell(self, understanding: Understanding) -> None:
        """Say what the tree leaves out, and that all lies in one folder."""
        understanding.take("wrapping folder", f"everything lies in {self._prefix}")
        self._tree.tell(understanding)
        outside = [name for name in self._tree.names() if not name.startswith(self._prefix)]
        understanding.leave_out(f"files outside {self._prefix}", outside)

    def exists(self, name: str) -> bool:
        """Whether there is such a file below the folder."""
        return is_inside(name) and self._tree.exists(self._prefix + name)

    def read(self, name: str, limit_bytes: int) -> bytes:
        """A file's content, at most one byte more than the limit."""
        if not is_inside(name):
            raise OSError(f"{name!r} lies outside the folder {self._prefix!r}")
        return self._tree.read(self._prefix + name, limit_bytes)


class ZipTree:
    """The files in a zip archive; nothing is unpacked to disk."""

    def __init__(self, path: Path) -> None:
        """Read the table of contents.

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
        shown = [entry for entry in entries if _is_shown(entry.filename)]
        self._hidden = [entry.filename for entry in entries if not _is_shown(entry.filename)]
        self._links = [entry.filename for entry in shown if _is_link(entry)]
        self._entries = {entry.filename: entry for entry in shown if not _is_link(entry)}

    def names(self) -> list[str]:
        """All files, sorted; hidden ones and hidden folders left out."""
        return sorted(self._entries)

    def tell(self, understanding: Understanding) -> None:
        """Say which hidden files and links are not read."""
        understanding.leave_out(_HIDDEN, self._hidden)
        understanding.leave_out(
            "links in a zip archive", self._links, "Unpack it and import the folder."
        )

    def exists(self, name: str) -> bool:
        """Whether there is such a file in the archive."""
        return name in self._entries

    def read(self, name: str, limit_bytes: int) -> bytes:
        """A file's content, at most one byte more than the limit."""
        entry = self._entries.get(name)
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


def without_top(tree: Tree) -> Tree:
    """The tree, from its only top folder on where everything lies in one."""
    tops = {name.partition("/")[0] if "/" in name else "" for name in tree.names()}
    top = tops.pop() if len(tops) == 1 else ""
    return SubTree(tree, f"{top}/") if top and top.lower() not in SPLIT_WORDS else tree


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


def _is_link(entry: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(entry.external_attr >> 16)
