"""Files and folders that an export writes: all or nothing, a folder as a zip where one is named."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cad_studio.core.errors import SettingError, StorageError, is_disk_full
from cad_studio.core.replacing import replacing

_PACKED = {".json", ".jsonl", ".csv", ".md", ".txt"}
"""Endings that are compressed in a zip; images and Parquet are so already, and are then mapped."""


@contextmanager
def replacing_file(out: Path) -> Iterator[Path]:
    """A scratch file beside `out` that takes its place when the block ends well."""
    if not out.parent.is_dir():
        raise SettingError(f"The folder {out.parent} does not exist. Make it or choose another.")
    if out.is_dir():
        raise SettingError(f"{out} is a folder. Give the name of a file with --out.")
    with replacing(out, "Free some and export again.") as scratch:
        try:
            scratch.touch()
        except OSError as error:
            if is_disk_full(error):
                raise
            raise SettingError(f"{out.parent} cannot be written: {error.strerror}.") from error
        yield scratch


@contextmanager
def replacing_folder(out: Path) -> Iterator[Path]:
    """A scratch folder that becomes `out` when the block ends well, or the zip that it names.

    Raises:
        SettingError: The place cannot be written, or holds something already.
        StorageError: The disk is full.
    """
    if out.suffix.lower() == ".zip":
        with replacing_file(out) as file, tempfile.TemporaryDirectory(dir=out.parent) as name:
            yield Path(name)
            _zip(Path(name), file)
        return
    if not out.parent.is_dir():
        raise SettingError(f"The folder {out.parent} does not exist. Make it or choose another.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingError(
            f"{out} is there already and not empty. Name a new folder with --out, or a .zip file."
        )
    try:
        scratch = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
        scratch.chmod(0o755)  # as any folder that is made, not the user's alone
    except OSError as error:
        raise SettingError(f"{out.parent} cannot be written: {error.strerror}.") from error
    try:
        yield scratch
        if out.is_dir():
            out.rmdir()
        os.replace(scratch, out)
    except OSError as error:
        if is_disk_full(error):
            raise StorageError(
                f"No space is left for {out}. Free some and export again."
            ) from error
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def size_bytes(out: Path) -> int:
    """Size of a file, or of all files in a folder."""
    if out.is_file():
        return out.stat().st_size
    return sum(file.stat().st_size for file in out.rglob("*") if file.is_file())


def _zip(folder: Path, file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for each in sorted(folder.rglob("*")):
            if each.is_file():
                packed = each.suffix in _PACKED
                kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
                archive.write(each, each.relative_to(folder).as_posix(), kind)
