"""Datasets that torchvision downloads, by name: `torchvision:CIFAR10`.

Downloads are kept in a cache folder and used from there the next time. File by file, Flowers102
and OxfordIIITPet stay encoded until an image is asked for.
"""

import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import Images, SourceDataset
from cad_studio.core.errors import CadStudioError, DatasetFormatError, ResourceError, closest
from cad_studio.core.optional import require
from cad_studio.core.progress import Progress
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions
from cad_studio.datasets._classes import ClassTable
from cad_studio.datasets._images import ArrayImages, JoinedImages
from cad_studio.datasets.decoding import MAX_FILE_BYTES

PREFIX = "torchvision:"
DEFAULT_CACHE = "~/.cache/cad-studio/torchvision"


@dataclass(frozen=True)
class _Known:
    """How one dataset of torchvision is asked for its splits."""

    splits: dict[str, dict[str, object]]


_TRAIN_TEST: dict[str, dict[str, object]] = {"train": {"train": True}, "test": {"train": False}}
KNOWN = {
    "FashionMNIST": _Known(_TRAIN_TEST),
    "CIFAR10": _Known(_TRAIN_TEST),
    "CIFAR100": _Known(_TRAIN_TEST),
    "Flowers102": _Known({name: {"split": name} for name in ("train", "val", "test")}),
    "OxfordIIITPet": _Known({name: {"split": name} for name in ("trainval", "test")}),
}


@READERS.register("torchvision")
class TorchvisionDataset(DatasetReader):
    """A dataset of torchvision, downloaded when it is not there yet."""

    name = "torchvision"
    wants = f"torchvision:NAME, where NAME is {', '.join(KNOWN)}"

    def recognises(self, source: str) -> bool:
        """A source that starts with `torchvision:`."""
        return source.startswith(PREFIX)

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """Load the splits that are wanted, all by default."""
        name = _known_name(source.removeprefix(PREFIX))
        splits = KNOWN[name].splits
        for split in options.splits:
            if split not in splits:
                hint = closest(split, splits)
                raise DatasetFormatError(f"{name} has no split {split!r}. {hint}".rstrip())
        wanted = [split for split in splits if not options.splits or split in options.splits]
        root = Path(options.cache_dir or DEFAULT_CACHE).expanduser()
        stores: list[Images] = []
        truth: list[NDArray[np.int32]] = []
        names: list[str] = []
        for number, split in enumerate(wanted):
            progress.report(number / len(wanted), f"Getting {name}, {split}")
            dataset = _load(name, split, root)
            stores.append(_images(dataset))
            truth.append(_labels(dataset))
            names = list(getattr(dataset, "classes", None) or names)
        names = list(options.class_names or names)
        ClassTable(names, name)
        labels = np.concatenate(truth)
        if labels.max(initial=0) >= len(names):
            raise DatasetFormatError(
                f"{name} has labels up to {labels.max()}, but {len(names)} class names are given."
            )
        return SourceDataset(
            class_names=names,
            ids=[
                f"{split}/{row:05d}"
                for split, part in zip(wanted, truth, strict=True)
                for row in range(len(part))
            ],
            splits=[split for split, part in zip(wanted, truth, strict=True) for _ in part],
            truth=labels,
            images=JoinedImages(stores),
        )


class _FileImages:
    """Images that are files by path."""

    def __init__(self, paths: list[str]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, row: int) -> bytes:
        with open(self._paths[row], "rb") as file:
            return file.read(MAX_FILE_BYTES + 1)


def _known_name(name: str) -> str:
    for known in KNOWN:
        if known.lower() == name.lower():
            return known
    raise DatasetFormatError(
        f"{name!r} is not a torchvision dataset that is read here. {closest(name, KNOWN)}".rstrip()
    )


def _load(name: str, split: str, root: Path):  # type: ignore[no-untyped-def]
    """The torchvision dataset, from the cache or, when it is not there, from the network."""
    datasets = require(
        "torchvision.datasets", install="torchvision", purpose=f"Reading {PREFIX}{name}"
    )
    arguments = KNOWN[name].splits[split]
    try:
        try:
            return getattr(datasets, name)(str(root), download=False, **arguments)
        except RuntimeError as error:  # torchvision's way to say that it is not there
            if "not found" not in str(error).lower():
                raise
            root.mkdir(parents=True, exist_ok=True)
            return _download(getattr(datasets, name), name, root, arguments)
    except CadStudioError:
        raise
    except (
        RuntimeError,
        ValueError,
        AssertionError,
        OSError,
        EOFError,
        LookupError,
        zlib.error,
        zipfile.BadZipFile,
        tarfile.TarError,
    ) as error:
        raise DatasetFormatError(
            f"The files of {name} in {str(root)!r} are damaged ({error}). Delete them, so that "
            "they are fetched again."
        ) from error


def _download(kind, name: str, root: Path, arguments: dict[str, object]):  # type: ignore[no-untyped-def]
    try:
        return kind(str(root), download=True, **arguments)
    except (OSError, RuntimeError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise ResourceError(
            f"{name} is not in {str(root)!r} and cannot be downloaded ({error}). "
            "Connect to the network, or copy the files there from another machine."
        ) from error


def _images(dataset) -> Images:  # type: ignore[no-untyped-def]
    if hasattr(dataset, "data"):
        return ArrayImages(np.asarray(dataset.data))
    # torchvision has no public name for the list of files.
    paths = getattr(dataset, "_image_files", None) or dataset._images  # noqa: SLF001
    return _FileImages([str(path) for path in paths])


def _labels(dataset) -> NDArray[np.int32]:  # type: ignore[no-untyped-def]
    labels = dataset.targets if hasattr(dataset, "targets") else dataset._labels  # noqa: SLF001
    return np.asarray(labels, np.int32)
