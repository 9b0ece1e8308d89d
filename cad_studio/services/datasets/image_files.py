"""The images of an import on their way to disk: decoded once, checked, hashed, written."""

import hashlib
import io
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cad_studio.core.dataset import Problem, SourceDataset
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.progress import Progress
from cad_studio.core.understanding import Understanding
from cad_studio.datasets.decoding import UNUSABLE, Picture, decode_picture, measure
from cad_studio.datasets.deep_pixels import ValueRange, ValueScale
from cad_studio.store.blobs import Blobs, BlobWriter

SMALL_PX = 64
"""Images of one shape with no side above this are stored decoded, in one array."""

_REPORT_EVERY = 4  # a large photograph takes a quarter of a second to decode


class _NotSmallError(Exception):
    """The images do not share one small shape after all."""


class _NoScaleError(Exception):
    """There are pixels of more than 8 bits, so the range of all values must be known first."""


class ImageFiles:
    """Scratch files with the images of a source; used as a context manager.

    On entering, every image is read and decoded once. Images that share one small shape are
    written as pixels; otherwise the files are written as they came (bare arrays as PNG). Where some
    have more than 8 bits, all are looked at once before, and those are written as PNG of 8 bits.

    Attributes:
        problems: The images that could not be read or decoded.
        hashes: Per sample a hash of the pixels, None where unreadable; None without images.
    """

    def __init__(
        self,
        blobs: Blobs,
        source: SourceDataset,
        progress: Progress,
        bit_depth: int | None = None,
    ) -> None:
        """Prepare to read the images of `source` into scratch files of `blobs`.

        Args:
            blobs: Where the scratch files are made.
            source: What a reader found.
            progress: Told how far the reading is.
            bit_depth: Bits that pixels of more than 8 bits use, or None to find out.
        """
        self._blobs = blobs
        self._bit_depth = bit_depth
        self._scale: ValueScale | None = None
        self._range = ValueRange()
        self._source = source
        self._progress = progress
        self._stack = ExitStack()
        self._reset()

    def _reset(self) -> None:
        self.problems: list[Problem] = []
        self.hashes: list[str | None] | None = None
        self._shape: tuple[int, int, int] | None = None
        self._lengths: list[int] = []
        self._seen = _Seen()

    def __enter__(self) -> Self:
        """Read all images."""
        if self._source.images is None:
            return self
        small = True
        with self._stack as stack:
            while True:
                try:
                    self._write(small)
                    break
                except _NotSmallError:
                    small = False
                except _NoScaleError:
                    self._measure()
                stack.close()
                self._reset()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop the scratch files; what was kept has its lasting name already."""
        self._stack.__exit__(kind, error, trace)

    def keep(self, rows: NDArray[np.int64]) -> tuple[dict[str, str], tuple[int, int, int] | None]:
        """Give the images of some rows their lasting names.

        Args:
            rows: Ascending, int64 (M,); all rows but the bad ones.

        Returns:
            Blob names by role, and the shape (H, W, channels) that all share, or None.
        """
        if self._source.images is None:
            return {}, None
        lengths = np.array(self._lengths, np.int64)
        if len(rows) < len(lengths):
            self._rewrite(rows, lengths)
            lengths = lengths[rows]
        if self._shape is not None:
            return {"pixels": self._blobs.keep(self._writer, "u8")}, self._shape
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return {
            "encoded": self._blobs.keep(self._writer, "bin"),
            "offsets": self._blobs.save_array(offsets),
        }, None

    def tell(self, understanding: Understanding) -> None:
        """Say which formats the images had, what was done to them, and what is not kept."""
        self._seen.tell(understanding)
        if self._scale is not None:
            for words in self._range.words(self._scale):
                option = "--bit-depth" if "bits" in words else ""
                understanding.take("value scale", words, option)

    def _measure(self) -> None:
        """Look at the values of all images with more than 8 bits, to put them on one scale."""
        images = self._source.images
        assert images is not None
        for row in range(len(images)):
            if row % _REPORT_EVERY == 0:
                self._progress.report(0.0, f"Measuring values: image {row:,} of {len(images):,}")
            with suppress(DatasetFormatError, OSError):  # told when it is read
                data = images.read(row)
                if isinstance(data, bytes):
                    measure(data, self._source.ids[row], self._range)
        self._scale = self._range.scale(self._bit_depth)

    def _write(self, small: bool) -> None:
        images = self._source.images
        assert images is not None
        self._writer: BlobWriter = self._stack.enter_context(self._blobs.writing())
        self.hashes = []
        known_bad = {p.row for p in self._source.problems if p.kind == "unreadable-image"}
        n_images = len(images)
        for row in range(n_images):
            if row % _REPORT_EVERY == 0:
                self._progress.report(
                    0.95 * row / n_images, f"Reading images: {row:,} of {n_images:,}"
                )
            pixels, data = (None, b"") if row in known_bad else self._read(row)
            self.hashes.append(None if pixels is None else _pixel_hash(pixels))
            if small:
                data = b"" if pixels is None else self._small(pixels)
            elif pixels is not None and not data:
                data = as_png(pixels)
            self._writer.write(data)
            self._lengths.append(len(data))

    def _read(self, row: int) -> tuple[NDArray[np.uint8] | None, bytes]:
        """Pixels, and the file they came in when they came in one."""
        assert self._source.images is not None
        try:
            data = self._source.images.read(row)
            if not isinstance(data, bytes):
                return data, b""
            picture = decode_picture(data, self._source.ids[row], self._scale)
            if picture.pixels is None:
                raise _NoScaleError
            self._seen.add(picture, self._source.ids[row])
            return picture.pixels, b"" if picture.is_scaled else data
        except (DatasetFormatError, OSError) as error:
            text = str(error) if isinstance(error, DatasetFormatError) else _os_words(error)
            self.problems.append(Problem("unreadable-image", row, text))
            return None, b""

    def _small(self, pixels: NDArray[np.uint8]) -> bytes:
        shape = (*pixels.shape, 1) if pixels.ndim == 2 else pixels.shape
        if self._shape is None:
            if max(shape[:2]) > SMALL_PX:
                raise _NotSmallError
            self._shape = (shape[0], shape[1], shape[2])
        if shape != self._shape:
            if shape[:2] != self._shape[:2] or self._shape[2] == 1:
                raise _NotSmallError
            pixels = np.repeat(pixels.reshape(*shape[:2], 1), 3, axis=2)
        return pixels.tobytes()

    def _rewrite(self, rows: NDArray[np.int64], lengths: NDArray[np.int64]) -> None:
        """Copy the kept images into a scratch file of their own."""
        self._writer.flush()
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        smaller = self._stack.enter_context(self._blobs.writing())
        with self._writer.scratch.open("rb") as old:
            for row in rows:
                old.seek(offsets[row])
                smaller.write(old.read(lengths[row]))
        self._writer = smaller


@dataclass
class _Seen:
    """What the images of an import were, in counts and first names."""

    formats: Counter[str] = field(default_factory=Counter)
    profiles: Counter[str] = field(default_factory=Counter)
    n_turned: int = 0
    unusable: list[str] = field(default_factory=list)
    several: list[str] = field(default_factory=list)

    def add(self, picture: Picture, name: str) -> None:
        self.formats[picture.format] += 1
        self.n_turned += picture.is_turned
        if picture.n_frames > 1:
            self.several.append(name)
        if picture.profile == UNUSABLE:
            self.unusable.append(name)
        elif picture.profile:
            self.profiles[picture.profile] += 1

    def tell(self, understanding: Understanding) -> None:
        if self.formats:
            understanding.take("image formats", _counted(self.formats))
        if self.n_turned:
            understanding.take("orientation", f"{self.n_turned:,} images turned upright by EXIF")
        if self.profiles:
            words = f"{_counted(self.profiles)} converted to sRGB"
            understanding.take("colour profiles", words)
        understanding.leave_out("colour profiles that cannot be used", self.unusable)
        understanding.leave_out(
            "further frames or pages of images; the first is taken", self.several
        )


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in counter.most_common(12))


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels as a PNG file, without loss."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=3)
    return out.getvalue()


def _pixel_hash(pixels: NDArray[np.uint8]) -> str:
    digest = hashlib.blake2b(str(pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels))
    return digest.hexdigest()


def _os_words(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}."
