"""IDX files, the format of MNIST and Fashion-MNIST, gzipped or not.

A folder with `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`; `t10k-` is the test split.
"""

import gzip
import hashlib
import math
import re
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import SourceDataset
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.partial_labels import MAX_CLASSES
from cad_studio.core.progress import Progress
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._classes import ClassTable
from cad_studio.datasets._images import ArrayImages, JoinedImages
from cad_studio.datasets._memory import require_rows
from cad_studio.datasets._unpacking import unpacked

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""The ten classes, as the README of zalandoresearch/fashion-mnist names them."""

# SHA-256 of the label files as published, unpacked: what tells Fashion-MNIST from MNIST for sure.
_FASHION_LABELS = {
    "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
}
_IMAGES = re.compile(r"^(?P<part>.*?)[-_.]?images[-.]idx3-ubyte(\.gz)?$")


@READERS.register("idx")
class IdxFolder(DatasetReader):
    """Images and labels in IDX files."""

    name = "idx"
    wants = "a folder with train-images-idx3-ubyte and train-labels-idx1-ubyte, also .gz"

    def recognises(self, source: str) -> bool:
        """A folder with an IDX file of images."""
        path = Path(source).expanduser()
        return path.is_dir() and any(_IMAGES.match(entry.name) for entry in path.iterdir())

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """Read each part's images and labels."""
        folder = source_path(source)
        parts = [] if folder.is_file() else _parts(folder)
        if not parts:
            raise DatasetFormatError(f"{folder.name} is no folder with IDX files of images.")
        images, labels, splits, ids = [], [], [], []
        for number, (split, image_file, label_file) in enumerate(parts):
            progress.report(number / len(parts), f"Reading {image_file.name}")
            images.append(read_idx(image_file, dimensions=3))
            labels.append(read_idx(label_file, dimensions=1))
            if len(images[-1]) != len(labels[-1]):
                raise DatasetFormatError(
                    f"{image_file.name} holds {len(images[-1])} images, {label_file.name} "
                    f"{len(labels[-1])} labels. They must belong together."
                )
            splits += [split] * len(labels[-1])
            ids += [f"{split}/{row:05d}" for row in range(len(labels[-1]))]
        truth = np.concatenate(labels).astype(np.int32)
        names = list(options.class_names or _class_names(folder, labels, truth))
        ClassTable(names, folder.name)
        if len(truth) and truth.max() >= len(names):
            raise DatasetFormatError(
                f"{folder.name}: the label {truth.max()} occurs, but there are {len(names)} class "
                "names."
            )
        stores = JoinedImages([ArrayImages(array) for array in images])
        dataset = SourceDataset(names, ids, splits, truth=truth, images=stores)
        _tell(dataset, folder, parts, options)
        return dataset


def _tell(
    dataset: SourceDataset,
    folder: Path,
    parts: list[tuple[str, Path, Path]],
    options: ReadOptions,
) -> None:
    """Say what was read of the folder, and what was not."""
    told = dataset.understanding
    told.layout = "IDX files of images and labels, a pair for each split"
    used = {path.name for _, *pair in parts for path in pair}
    told.take("files", ", ".join(sorted(used)))
    if not options.class_names:
        known = tuple(dataset.class_names) == FASHION_CLASSES
        words = "those of Fashion-MNIST" if known else "the numbers in the labels"
        told.take("class names", words, "--class-names")
    packed = {f"{name}.gz" for name in used}
    others = sorted(entry.name for entry in folder.iterdir() if entry.name not in used)
    told.leave_out("packed copies of files that are read", [n for n in others if n in packed])
    told.leave_out("files that are not read", [name for name in others if name not in packed])


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The bytes of an IDX file, uint8 with 1 to 3 dimensions; a large one is mapped.

    Raises:
        DatasetFormatError: No IDX file of bytes, cut short, or longer than its header says.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            header = file.read(4 + 4 * dimensions)
            if len(header) < 4 + 4 * dimensions:
                raise DatasetFormatError(f"{path.name} is cut short within its header.")
            magic, *shape = struct.unpack(f">{1 + dimensions}I", header)
            if magic != 0x0800 + dimensions:  # type 8 (bytes), then the number of dimensions
                raise DatasetFormatError(
                    f"{path.name} is no IDX file of bytes with {dimensions} dimensions: it starts "
                    f"with {magic:#010x}, not {0x0800 + dimensions:#010x}."
                )
            if 0 in shape[1:]:
                raise DatasetFormatError(f"{path.name} holds images without pixels: {shape}.")
            require_rows(shape[0], path.name)
            return unpacked(file, math.prod(shape), path.name).reshape(shape)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetFormatError(
            f"{path.name} is cut short or no gzip file ({error}). Fetch it again."
        ) from error
    except OSError as error:
        raise DatasetFormatError(f"{path.name} cannot be read: {error}.") from error


def _parts(folder: Path) -> list[tuple[str, Path, Path]]:
    """Split, image file and label file of each part; an unpacked file goes before its .gz."""
    found: dict[str, tuple[str, Path, Path]] = {}
    for path in sorted(folder.iterdir()):
        match = _IMAGES.match(path.name)
        if match is None or match["part"] in found:
            continue
        stem = path.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
        for name in (stem, f"{stem}.gz"):
            if (folder / name).is_file():
                part = match["part"]
                found[part] = (_split(part), path, folder / name)
                break
        else:
            raise DatasetFormatError(f"{path.name} has no labels beside it: {stem} is missing.")
    return sorted(found.values(), key=lambda part: (part[0] != "train", part[0]))


def _split(part: str) -> str:
    last = re.split(r"[-_.]", part)[-1]
    return {"t10k": "test", "": "train"}.get(last, last)


def _class_names(
    folder: Path, labels: list[NDArray[np.uint8]], truth: NDArray[np.int32]
) -> tuple[str, ...]:
    near = folder.resolve().parts[-2:]
    fashion = any("fashion" in part.lower() for part in near) or any(
        hashlib.sha256(part.tobytes()).hexdigest() in _FASHION_LABELS for part in labels
    )
    largest = int(truth.max()) if len(truth) else 0
    if fashion and largest < len(FASHION_CLASSES):
        return FASHION_CLASSES
    return tuple(str(index) for index in range(min(max(largest + 1, 10), MAX_CLASSES)))
