"""What an annotator is: a small network that learns the truth and then doubts it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.registry import Registry
from cad_studio.core.settings import check_settings

if TYPE_CHECKING:
    from torch import nn

InputShape = tuple[int, ...]
"""(D,) for feature vectors, (H, W, channels) for images."""


class Annotator(ABC):
    """A family of networks that fit the inputs of one dataset.

    Attributes:
        takes_features: Whether feature vectors will do; images always will.
    """

    takes_features: ClassVar[bool]

    @abstractmethod
    def image_shape(self, native_shape: tuple[int, int, int] | None) -> tuple[int, int, int]:
        """The (H, W, channels) images are read at.

        Args:
            native_shape: (H, W, channels) shared by all images, or None.
        """

    @abstractmethod
    def build(self, shape: InputShape, n_classes: int) -> "nn.Module":
        """A fresh network, float32 (B, *shape) -> logits float32 (B, C).

        Args:
            shape: (D,), or (H, W, channels) as `image_shape` gave it.
            n_classes: C.
        """


ANNOTATORS: Registry[type[Annotator]] = Registry("cad_studio.annotators", "annotator")

AUTO = "auto"


@dataclass(frozen=True)
class AnnotatorConfig:
    """Settings of the annotator and its training.

    The surer the annotator, the smaller the sets. With the defaults the MLP reaches a train
    accuracy of about .93 on Fashion-MNIST, which gives about 3.5 candidates a sample at rate 1.
    """

    name: str = field(
        default=AUTO,
        metadata={
            "help": "Network; auto takes the MLP for feature vectors and grey images up to 32 px, "
            "the CNN for others.",
            "choices": (AUTO, "cnn", "mlp"),
        },
    )
    epochs: int = field(
        default=5,
        metadata={
            "help": "Passes over the labelled samples. More make it surer and the sets smaller.",
            "minimum": 1,
            "maximum": 1000,
        },
    )
    least_steps: int = field(
        default=200,
        metadata={
            "help": "Optimiser steps taken at least: a small dataset is passed over more often.",
            "minimum": 1,
            "maximum": 100_000,
        },
    )
    batch_size: int = field(
        default=256,
        metadata={"help": "Samples per optimiser step.", "minimum": 2, "maximum": 65536},
    )
    learning_rate: float = field(
        default=0.001,
        metadata={
            "help": "Step size of Adam, the same from first to last.",
            "minimum": 1e-6,
            "maximum": 1.0,
        },
    )
    threads: int = field(
        default=2,
        metadata={
            "help": "CPU threads. The sets are repeatable for the same number only.",
            "minimum": 1,
            "maximum": 256,
        },
    )

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: A field is out of range.
        """
        check_settings(self)


@dataclass(frozen=True)
class AnnotatorResult:
    """What a trained annotator says about N samples.

    Attributes:
        logits: float32 (N, C). All rows, network in evaluation mode.
        train_accuracy: 0 to 1, over the rows it was trained on, in evaluation mode.
        name: Registered name of the network that `auto` stood for.
        epochs: Passes it made over those rows.
        seconds: Wall time of training and evaluation.
    """

    logits: NDArray[np.float32]
    train_accuracy: float
    name: str
    epochs: int
    seconds: float
