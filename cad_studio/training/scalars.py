"""Figures of epochs as TensorBoard reads them."""

from pathlib import Path
from types import ModuleType
from typing import Any

from cad_studio.core.errors import StorageError, is_disk_full
from cad_studio.core.optional import require
from cad_studio.training.report import EpochReport


def require_tensorboard() -> ModuleType:
    """Torch's writer of event files.

    Raises:
        MissingPackageError: The package it rests on is not installed.
    """
    purpose = "Writing figures for TensorBoard"
    require("tensorboard", "tensorboard", purpose)
    return require("torch.utils.tensorboard", "tensorboard", purpose)


class Scalars:
    """Writes the figures of a run's epochs; where it is not wanted, does nothing."""

    def __init__(self, folder: Path, is_wanted: bool) -> None:
        """Prepare to write event files into `folder`, which is made when needed.

        Raises:
            MissingPackageError: It is wanted and cannot be done.
        """
        self._folder = folder
        self._make = require_tensorboard().SummaryWriter if is_wanted else None
        self._writer: Any = None  # of a package that may be missing

    def add(self, report: EpochReport) -> None:
        """Write the figures of an epoch; they supersede those of this and later epochs.

        Raises:
            StorageError: The disk is full.
        """
        if self._make is None:
            return
        try:
            if self._writer is None:
                self._writer = self._make(str(self._folder), purge_step=report.epoch)
            for name, value in named_figures(report).items():
                self._writer.add_scalar(name, value, report.epoch)
            self._writer.flush()
        except OSError as error:
            if is_disk_full(error):
                raise StorageError(
                    f"No space is left in {self._folder}. Free some and resume; "
                    "the last checkpoint is intact."
                ) from error
            raise

    def close(self) -> None:
        """Let go of the file."""
        if self._writer is not None:
            self._writer.close()


def named_figures(report: EpochReport) -> dict[str, float]:
    """The figures of an epoch by name: `loss/...`, `held_out/...`, `oracle/...`, `speed/...`."""
    figures = {f"loss/{name}": value for name, value in report.losses.items()}
    figures["learning_rate"] = report.learning_rate
    held_out = report.held_out.items()
    figures.update({f"held_out/{k}": value for k, value in held_out if value is not None})
    figures.update({f"oracle/{name}": value for name, value in report.oracle.items()})
    if report.mean_confidence is not None:
        figures["mean_confidence"] = report.mean_confidence
    figures["speed/samples_per_second"] = report.samples_per_second
    figures["speed/seconds"] = report.seconds
    figures["speed/memory_mb"] = report.memory_mb
    return figures
