"""What an editor of images towards a class promises."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cad_studio.core.errors import ResourceError, is_out_of_memory
from cad_studio.core.registry import Registry


@dataclass(frozen=True)
class ClassText:
    """What a text-driven editor is told about a class.

    Attributes:
        name: Of the class.
        prompt: The whole instruction.
    """

    name: str
    prompt: str


class Editor(ABC):
    """Makes an image look more like one of its candidate classes.

    A member is built from an instance of its `config_type` and loads nothing before `load`.

    Attributes:
        title: For the user.
        config_type: Frozen settings dataclass.
        uses_text: Whether a class's prompt matters, or only which class it is.
        is_trained_here: Whether its setting `model` is an editor that the studio trains on the
            dataset itself, and finds when none is named.
        batch_size: Edits made at once, to begin with.
    """

    title: str
    config_type: type[Any]  # any frozen settings dataclass
    uses_text: bool = False
    is_trained_here: bool = False
    batch_size: int = 128

    @abstractmethod
    def load(self, texts: list[ClassText]) -> None:
        """Get ready; what is missing is told before any work is done.

        Args:
            texts: C of them, by class.

        Raises:
            ResourceError: Weights, network or memory cannot be had here, and how to get them.
            SettingError: The editor does not know these classes.
        """

    def missing(self) -> str:
        """What is known to be missing here before anything is loaded, in words; or nothing."""
        return ""

    @abstractmethod
    def key(self) -> str:
        """What identifies the edits, texts and images apart: model and settings."""

    @abstractmethod
    def edit(
        self, images: list[NDArray[np.uint8]], guide: NDArray[np.int64], seeds: NDArray[np.int64]
    ) -> list[NDArray[np.uint8] | None]:
        """Edit a batch; the same image, class and seed give the same edit in any batch.

        Args:
            images: M of uint8 (H, W, 1 or 3), each of a size of its own.
            guide: int64 (M,). Class each is edited towards.
            seeds: int64 (M,).

        Returns:
            M of the same shapes; None for one whose numbers broke (NaN or infinite).

        Raises:
            MemoryError: The batch is too large for the device.
        """


@contextmanager
def editing() -> Iterator[None]:
    """Whatever runs out of memory in the block, on a GPU or not, raises `MemoryError`."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if torch.backends.mps.is_available():
            torch.mps.empty_cache()
        raise MemoryError(str(error)) from error


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Likewise `ResourceError`, where there is no smaller batch to try.

    Args:
        what: What is put on the device, and how to need less, as the end of a sentence.
    """
    try:
        with editing():
            yield
    except MemoryError as error:
        raise ResourceError(f"The memory of the device does not hold {what}.") from error


EDITORS: Registry[type[Editor]] = Registry("cad_studio.augment", "editor")
