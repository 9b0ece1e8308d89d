"""Files that mark a format inside a folder or a zip archive, and the tree around them."""

import os
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path, PurePosixPath

_MOST_ENTRIES = 5000
_DEEPEST = 4


def marker_files(path: Path, is_marker: Callable[[str], bool]) -> list[str]:
    """Names of the files that mark a format, relative to a folder or a zip; sorted.

    A folder is looked at from the top down, some thousand entries and four levels deep, so that
    a large one costs no more than a small one.

    Args:
        path: A folder, a zip, or something else, which has none.
        is_marker: Whether a relative name with forward slashes is of such a file.
    """
    if path.is_dir():
        return sorted(name for name in _names_in(path) if is_marker(name))
    if path.suffix.lower() == ".zip" and path.is_file():
        about = path.stat()
        names = _names_in_zip(str(path), about.st_mtime_ns, about.st_size)
        return sorted(name for name in names if is_marker(name))
    return []


def _names_in(folder: Path) -> list[str]:
    found: list[str] = []
    level, seen = [""], 0
    for _ in range(_DEEPEST):
        below: list[str] = []
        for prefix in level:
            with os.scandir(folder / prefix) as entries:
                for entry in entries:
                    seen += 1
                    if seen > _MOST_ENTRIES:
                        return found
                    if entry.name.startswith("."):
                        continue
                    name = f"{prefix}{entry.name}"
                    if entry.is_dir():
                        below.append(f"{name}/")
                    else:
                        found.append(name)
        level = below
    return found


@lru_cache(maxsize=4)
def _names_in_zip(path: str, _modified: int, _size: int) -> tuple[str, ...]:
    """Names in a zip less a top folder that holds everything; none when it is unreadable."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return ()
    names = [name for name in names if not _is_hidden(name)]
    tops = {name.partition("/")[0] if "/" in name else "" for name in names}
    if len(tops) == 1 and "" not in tops:
        top = tops.pop()
        names = [name[len(top) + 1 :] for name in names]
    return tuple(names)


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or any(part.startswith(".") for part in parts)
