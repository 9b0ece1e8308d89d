"""Where the Parquet and Arrow files of a dataset lie, and which split each belongs to.

Known are single files, folders and zips of shards (`data/train-00000-of-00002.parquet`), the Hub's
own conversion (`default/train/0000.parquet`, a split that was cut as `default/partial-train`), the
cache of the `datasets` library, and `save_to_disk` folders.
"""

import json
import lzma
import mmap
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from cad_studio.core.errors import DatasetFormatError, DoubtfulSourceError
from cad_studio.core.understanding import Understanding
from cad_studio.datasets._arrow import ArrowPart, ParquetPart, Part
from cad_studio.datasets._base import ReadOptions
from cad_studio.datasets._markers import marker_files
from cad_studio.datasets._trees import SPLIT_WORDS, ZipTree
from cad_studio.datasets.picture_formats import is_picture_name

DATA = (".parquet", ".arrow")
_SHARD = re.compile(r"-\d{5}-of-\d{5}(-[0-9a-f]+)?$")
_CONVERTED = re.compile(r"\d{4,}")  # how the Hub's conversion names the shards of a split
_PARTIAL = "partial-"
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError,
    RuntimeError,  # an encrypted entry
    NotImplementedError,  # an unknown compression
)  # fmt: skip
_LOCAL_HEADER = struct.Struct("<26xHH")  # lengths of the name and of the extra field behind it


def is_saved(folder: Path) -> bool:
    """Whether a folder was written by `save_to_disk`."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def holds_data(path: Path) -> bool:
    """Whether Parquet or Arrow files lie in a folder or, without pictures, in a zip."""
    if path.suffix.lower() == ".zip" and path.is_file():
        names = marker_files(path, lambda name: True)
        pictures = any(is_picture_name(name) for name in names)
        return not pictures and any(name.endswith(".parquet") for name in names)
    return bool(marker_files(path, lambda name: name.endswith(DATA)))


def local_parts(path: Path, options: ReadOptions, told: Understanding) -> list[Part]:
    """The parts of a file, a folder or a zip, in the order of their names.

    Raises:
        DatasetFormatError: There are none, or one cannot be read.
        DoubtfulSourceError: A folder holds several configurations with the same splits.
    """
    if path.is_file() and path.suffix.lower() == ".zip":
        told.layout = "a zip of Parquet files"
        return _zipped(path, told)
    if path.is_file():
        named = options.only_split() if len(options.splits) == 1 else None
        told.layout = f"one {path.suffix.lower()[1:].capitalize()} file"
        place = split_of(PurePosixPath(path.parent.name, path.name), told, is_below=False)
        return [_open(path, named or place)]
    if (path / "dataset_dict.json").is_file():
        told.layout = "a save_to_disk folder of several splits"
        splits = _load_json(path / "dataset_dict.json").get("splits", [])
        return [part for split in splits for part in _saved(_below(path, str(split)), str(split))]
    if (path / "state.json").is_file():
        told.layout = "a save_to_disk folder"
        return _saved(path, None)
    files = sorted(file for file in path.glob("**/*") if file.suffix in DATA and file.is_file())
    if not files:
        raise DatasetFormatError(f"{path.name} holds no Parquet or Arrow file.")
    told.layout = "a folder of Parquet or Arrow files"
    names = [PurePosixPath(file.relative_to(path)) for file in files]
    splits = _splits(names, path.name, told)
    _tell_others(path, names, told)
    return [_open(file, split) for file, split in zip(files, splits, strict=True)]


def split_of(name: PurePosixPath, told: Understanding, is_below: bool = True) -> str | None:
    """The split that the name of a file, or one of the folders it lies in, tells.

    Args:
        name: The file with its folders.
        told: Takes down that a split was cut.
        is_below: Whether the folders lie below the one that is imported, so that one with the
            shards of the Hub's conversion is a split whatever it is called.
    """
    stem = _SHARD.sub("", name.stem)
    words = re.split(r"[-_.]", stem)
    folders = [part for part in reversed(name.parent.parts) if part]
    is_converted = is_below and bool(_CONVERTED.fullmatch(stem))
    if is_converted and folders and folders[0] != "data" and not _is_split(folders[0]):
        return folders[0].removeprefix(_PARTIAL)
    for word in (stem, words[0], words[-1], *folders):
        if _is_split(word):
            split = word.removeprefix(_PARTIAL)
            if split != word:
                told.take("partial splits", f"the Hub's conversion holds only a part of {split}")
            return split
    return None


def _is_split(word: str) -> bool:
    return word.removeprefix(_PARTIAL).lower() in SPLIT_WORDS


def _splits(names: Iterable[PurePosixPath], label: str, told: Understanding) -> list[str | None]:
    """The split of each file.

    Raises:
        DoubtfulSourceError: Files of one split lie in folders that are no splits: configurations,
            which often hold the same samples in several ways.
    """
    splits = []
    places: dict[str, set[str]] = {}
    for name in names:
        split = split_of(name, told)
        splits.append(split)
        if split is not None:
            known = {split, _PARTIAL + split, "data"}
            place = "/".join(part for part in name.parent.parts if part not in known)
            places.setdefault(split, set()).add(place)
    for split, found in places.items():
        if len(found) > 1:
            first, second, *_ = sorted(found)
            raise DoubtfulSourceError(
                f"{label} holds {split} several times, in {first or 'itself'} and in {second}. "
                "These may be the same samples in several configurations. Import one of the "
                "folders."
            )
    return splits


def _tell_others(folder: Path, names: Iterable[PurePosixPath], told: Understanding) -> None:
    """Say which files beside the data are not read; pictures may belong to it."""
    used = {str(name) for name in names}
    others = marker_files(
        folder,
        lambda name: (
            name not in used
            and not is_picture_name(name)
            and PurePosixPath(name).name not in ("classes.txt", "classes.json")
        ),
    )
    told.leave_out("files that are not Parquet or Arrow", others)


def _open(path: Path, split: str | None) -> Part:
    return ArrowPart(path, split, {}) if path.suffix == ".arrow" else ParquetPart(path, split)


def _zipped(path: Path, told: Understanding) -> list[Part]:
    """The Parquet files of a zip. One that is stored as it is, is mapped, not unpacked."""
    import pyarrow as pa

    tree = ZipTree(path)  # holds the archive to the limits of all archives
    names = [name for name in tree.names() if name.endswith(".parquet")]
    splits = _splits([PurePosixPath(name) for name in names], path.name, told)
    told.leave_out("files that are not Parquet", [n for n in tree.names() if n not in names])
    parts: list[Part] = []
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        for name, split in zip(names, splits, strict=True):
            entry = archive.getinfo(name)
            if entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & 1:
                content = _stored(mapped, entry, path.name)
            else:
                content = _unpacked(archive, entry, path.name)
            parts.append(ParquetPart(path.parent / name, split, pa.py_buffer(content)))
    return parts


def _stored(mapped: memoryview, entry: zipfile.ZipInfo, label: str) -> memoryview:
    start = entry.header_offset + 30
    if start <= len(mapped):
        start += sum(_LOCAL_HEADER.unpack_from(mapped, entry.header_offset))
    if start + entry.file_size > len(mapped):
        raise DatasetFormatError(f"{entry.filename!r} in {label} is cut short.")
    return mapped[start : start + entry.file_size]


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, label: str) -> memoryview:
    """The content of a compressed entry, in an unnamed file that is mapped."""
    if not entry.file_size:
        raise DatasetFormatError(f"{entry.filename!r} in {label} is empty.")
    try:
        with tempfile.TemporaryFile() as unpacked:
            with archive.open(entry) as packed:
                shutil.copyfileobj(packed, unpacked)
            unpacked.flush()
            return memoryview(mmap.mmap(unpacked.fileno(), 0, access=mmap.ACCESS_READ))
    except _DAMAGE as error:
        raise DatasetFormatError(
            f"{entry.filename!r} in {label} is damaged or encrypted ({error})."
        ) from error


def _saved(folder: Path, split: str | None) -> list[Part]:
    """The Arrow files of a `save_to_disk` folder, in the order its `state.json` lists them."""
    state = _load_json(folder / "state.json")
    info = folder / "dataset_info.json"
    features = _load_json(info).get("features") or {} if info.is_file() else {}
    split = split or state.get("_split") or None
    try:
        files = [_below(folder, str(file["filename"])) for file in state["_data_files"]]
    except (KeyError, TypeError) as error:
        raise DatasetFormatError(
            f"{folder.name}/state.json lists no data files; it is not from save_to_disk."
        ) from error
    return [ArrowPart(file, split, features) for file in files]


def _below(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise DatasetFormatError(f"{folder.name} names the file {name!r}, which lies outside it.")
    if not path.exists():
        raise DatasetFormatError(f"{folder.name} lacks {name!r}, which it lists.")
    return path


def _load_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetFormatError(f"{path.name} is no readable JSON ({error}).") from error
    if not isinstance(value, dict):
        raise DatasetFormatError(f"{path.name} must hold an object.")
    return value
