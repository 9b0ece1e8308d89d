"""What a feature extractor promises, and how one is named."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import PixelSource
from cad_studio.core.errors import DatasetFormatError, SettingError
from cad_studio.core.progress import Progress
from cad_studio.core.registry import Registry
from cad_studio.core.workers import ALONE, Workers

if TYPE_CHECKING:
    from cad_studio.extractors._words import Words


def best_device() -> str:
    """Name of the fastest device of this machine that networks can compute on."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


class Extractor(Protocol):
    """Maps each sample of a dataset to one vector of unit length.

    A member is a class that is built from the argument of its spec, the text after the colon.
    Building it is cheap and loads nothing.

    Attributes:
        argument_hint: What stands after the colon, e.g. `FILE`; empty when nothing may.
    """

    argument_hint: str

    def __init__(self, argument: str) -> None:
        """Take the argument; empty when the spec has none."""

    def describe(self) -> str:
        """For the user, as the end of a sentence: what is computed and how many numbers."""

    def key(self) -> str:
        """What identifies the numbers: equal keys on equal data give equal features.

        The last digits may differ with the processor and with how many images fit its memory.
        """

    def extract(
        self,
        pixels: PixelSource | None,
        raw: NDArray[np.float32] | None,
        progress: Progress,
        partial: Path,
        workers: Workers = ALONE,
    ) -> NDArray[np.float32]:
        """Features of all samples.

        Args:
            pixels: N images, or None for a dataset of vectors.
            raw: float32 (N, D). The dataset's own vectors, or None.
            progress: Told how far it is; may raise `JobCancelled`.
            partial: Folder for finished parts of a slow extraction. Called again with the same
                folder and key it goes on where it stopped. The caller removes it at the end.
            workers: Who computes; those without a network compute in this process.

        Returns:
            float32 (N, D'). Rows of unit length.

        Raises:
            DatasetFormatError: The data do not suit, or a vector is zero or not finite.
            ResourceError: Weights cannot be had here.
            MissingPackageError: An optional package is not installed.
        """


@runtime_checkable
class LooksAtPictures(Protocol):
    """An extractor whose features of a picture rest on the picture alone."""

    def offline(self) -> Self:
        """The same, of files that are on this machine: nothing is fetched."""

    def look(self) -> Callable[[PixelSource], NDArray[np.float32]]:
        """Get ready; gives what maps pictures to float32 (N, D), rows of unit length.

        Raises:
            ResourceError: Weights cannot be had here.
            MissingPackageError: An optional package is not installed.
        """


@runtime_checkable
class ReadsWords(Protocol):
    """An extractor that may have a text side, whose vectors images are compared with."""

    def reads_words(self) -> bool:
        """Whether it has one; quick, and False where that cannot be told here."""

    def words(self) -> "Words":
        """The text side.

        Raises:
            ResourceError: It cannot be had here, or there is none.
            MissingPackageError: An optional package is not installed.
        """


EXTRACTORS: Registry[type[Extractor]] = Registry("cad_studio.extractors", "feature extractor")


def parse(spec: str) -> tuple[type[Extractor], str]:
    """Split `name` or `name:argument`.

    Returns:
        The member and the argument, empty when there is none.

    Raises:
        SettingError: No such extractor, an argument where none is taken, or none where one is.
    """
    name, _, argument = spec.partition(":")
    member = EXTRACTORS.get(name)
    if argument and not member.argument_hint:
        raise SettingError(f"{spec!r}: {name} takes no argument. Write {name}.")
    if member.argument_hint and not argument:
        raise SettingError(
            f"{spec!r}: {name} needs an argument. Write {name}:{member.argument_hint}."
        )
    return member, argument


def make_extractor(spec: str) -> Extractor:
    """The extractor of a spec such as `pixels` or `torchvision:resnet18`.

    Raises:
        SettingError: As `parse`.
    """
    member, argument = parse(spec)
    return member(argument)


def to_unit_length(features: NDArray[np.float32], what: str) -> NDArray[np.float32]:
    """Divide rows by their length, in place where the array allows.

    Args:
        features: float32 (N, D).
        what: Whose vectors these are, to begin a message with.

    Returns:
        float32 (N, D).

    Raises:
        DatasetFormatError: A row is zero, or has NaN or infinity; with count and first row.
    """
    finite = np.isfinite(features).all(axis=1)
    _refuse(~finite, f"{what} with NaN or infinity")
    features = np.require(features, np.float32, ["C", "W"])
    # Scaled by the largest entry first, so that squares neither overflow nor vanish.
    largest = np.abs(features).max(axis=1, initial=0.0, keepdims=True)
    _refuse(largest[:, 0] == 0, f"{what} that are zero and so have no direction")
    features /= largest
    features /= np.sqrt(np.vecdot(features, features))[:, None]
    return features


def need_pixels(pixels: PixelSource | None, spec: str) -> PixelSource:
    """The images, or an error that names what to use without them.

    Raises:
        DatasetFormatError: The dataset has no images.
    """
    if pixels is None:
        raise DatasetFormatError(
            f"{spec} needs images, and this dataset has feature vectors only. Use raw."
        )
    return pixels


def _refuse(bad: NDArray[np.bool_], what: str) -> None:
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise DatasetFormatError(
            f"{int(bad.sum())} of {len(bad)} {what} (first: row {first}). "
            "Correct them or choose another feature extractor."
        )
