"""Make edits in batches: whatever comes out black, broken or too large is dealt with here."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cad_studio.core.dataset import PixelSource
from cad_studio.core.errors import ResourceError
from cad_studio.store.pixels import EncodedPixels

if TYPE_CHECKING:
    from cad_studio.augment._base import Editor

LARGEST_PX = 512
"""Larger images are edited, and their edits kept, at this longer side."""

_FLAT = 4
"""An edit whose brightest and darkest value are closer is blank."""


def source_image(pixels: PixelSource, row: int) -> NDArray[np.uint8]:
    """An image as it is edited, uint8 (H, W, 1 or 3), the longer side at most `LARGEST_PX`."""
    shape = pixels.native_shape
    if shape is not None and max(shape[:2]) <= LARGEST_PX:
        return pixels.batch(np.array([row]), *shape)[0]
    image = pixels.image(row)
    if max(image.shape[:2]) <= LARGEST_PX:
        return image
    picture = Image.fromarray(image)
    picture.thumbnail((LARGEST_PX, LARGEST_PX), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(picture)


def kept_shape(pixels: PixelSource) -> tuple[int, int, int] | None:
    """(H, W, channels) of every edit of small images of one shape; None for all others."""
    shape = pixels.native_shape
    return shape if shape is not None and max(shape[:2]) <= LARGEST_PX else None


def bonds(
    pixels: PixelSource, rows: NDArray[np.int64], labels: NDArray[np.int64], texts: Sequence[str]
) -> NDArray[np.int64]:
    """What binds edits to what they were made from: a hash of image and class text, int64 (M,).

    Args:
        pixels: The images.
        rows: int64 (M,).
        labels: int64 (M,).
        texts: C of them: prompt or name of each class.
    """
    known: dict[int, bytes] = {}
    for row in np.unique(rows).tolist():
        if isinstance(pixels, EncodedPixels):
            content = pixels.file(row)
        else:
            content = source_image(pixels, row).tobytes()
        known[row] = hashlib.blake2b(content, digest_size=16).digest()
    words = [text.encode("utf-8", "surrogatepass") for text in texts]
    return np.array(
        [
            # 63 bits: what a database holds as a whole number.
            int.from_bytes(hashlib.blake2b(known[row] + words[label], digest_size=8).digest()) >> 1
            for row, label in zip(rows.tolist(), labels.tolist(), strict=True)
        ],
        np.int64,
    )


def similarity(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Correlation of the pixels of two images of one shape, -1 to 1.

    1 for equal images; 0 where one is of a single colour and the other is not.
    """
    a, b = (image.astype(np.float64).ravel() for image in (first, second))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    if size == 0.0:
        return 1.0 if np.array_equal(first, second) else 0.0
    return float(a @ b / size)


def is_blank(edited: NDArray[np.uint8] | None, source: NDArray[np.uint8]) -> bool:
    """Whether an edit is broken, or of one colour, such as black, although its source is not."""
    return edited is None or int(np.ptp(edited)) < _FLAT <= int(np.ptp(source))


class Batcher:
    """Edits images with one editor, in batches that fit the memory.

    Attributes:
        size: Edits at once; halved whenever the memory does not hold so many.
        notes: What the user should know.
    """

    def __init__(self, editor: "Editor") -> None:
        """Begin with the editor's own size."""
        self._editor = editor
        self.size = editor.batch_size
        self.notes: list[str] = []

    def edit(
        self, images: list[NDArray[np.uint8]], guide: NDArray[np.int64], seeds: NDArray[np.int64]
    ) -> list[NDArray[np.uint8] | None]:
        """Edit images; one that comes out broken or blank is tried once more with another seed.

        Args:
            images: M of uint8 (H, W, 1 or 3).
            guide: int64 (M,).
            seeds: int64 (M,).

        Returns:
            M edits of the same shapes; None where both tries failed.

        Raises:
            ResourceError: The memory does not hold a single edit.
        """
        made = self._in_parts(images, guide, seeds)
        again = [at for at, one in enumerate(made) if is_blank(one, images[at])]
        if again:
            retried = self._in_parts([images[at] for at in again], guide[again], seeds[again] + 1)
            for at, one in zip(again, retried, strict=True):
                made[at] = None if is_blank(one, images[at]) else one
        return made

    def _in_parts(
        self, images: list[NDArray[np.uint8]], guide: NDArray[np.int64], seeds: NDArray[np.int64]
    ) -> list[NDArray[np.uint8] | None]:
        made: list[NDArray[np.uint8] | None] = []
        while len(made) < len(images):
            part = slice(len(made), len(made) + self.size)
            try:
                made += self._editor.edit(images[part], guide[part], seeds[part])
            except MemoryError as error:
                if self.size == 1:
                    raise ResourceError(
                        "The memory of the device does not hold a single edit. Choose a smaller "
                        "size_px, memory=offload, or device=cpu; the edits made so far are kept."
                    ) from error
                self.size = self.size // 2
                self.notes.append(f"Memory ran short; {self.size} edits at once from then on.")
        return made
