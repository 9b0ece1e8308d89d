"""The result of a packed run: one file with its figures, beliefs, checkpoints and model."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from cad_studio import __version__
from cad_studio.core.archive import Archive, writing_archive
from cad_studio.core.errors import DatasetFormatError, SettingError
from cad_studio.core.replacing import RESUME, replacing
from cad_studio.core.settings import settings_from_json
from cad_studio.training.environment import describe_environment, engine_digest
from cad_studio.training.pack import RESULT_KIND, check_kind
from cad_studio.training.plan import MAY_CHANGE
from cad_studio.training.report import EpochReport
from cad_studio.training.settings import TrainConfig
from cad_studio.training.trainer import MODEL_FILE, FitResult

REPORTS_FILE = "reports.json"
_TAKEN = re.compile(
    r"model\.safetensors"
    r"|beliefs/belief-[0-9]{6,9}\.npy"
    r"|checkpoints/checkpoint-[0-9]{8,12}/(?:tensors\.safetensors|state\.json)"
    r"|tensorboard/[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}"
)
"""Files of a run that travel; nothing else is ever written into a project."""


@dataclass(frozen=True)
class TrainedRun:
    """What a result file tells.

    Attributes:
        archive: The file.
        pack: Id of the packed run it was trained from.
        environment: Where it was trained, as `describe_environment`, and `processes`.
        changes: Fields of the loop that the other machine decided.
        reports: One per epoch, in order.
        best_epoch: Epoch the model was taken from.
        damaged: Checkpoints that were passed over.
        words: What should be known of how it went, sentences.
        files: Names of the run's files.
    """

    archive: Archive
    pack: str
    environment: dict[str, Any]
    changes: dict[str, Any]
    reports: list[dict[str, Any]]
    best_epoch: int
    damaged: list[str]
    words: list[str]
    files: list[str]


ENVIRONMENT = (
    "cad_studio", "python", "torch", "system", "device", "cpu_cores", "threads", "processes",
)  # fmt: skip
"""What a result tells of the machine it was trained on."""


class Reports:
    """The figures of a run's epochs, in its folder."""

    def __init__(self, folder: Path, pack: str) -> None:
        """Keep them for the packed run of an id.

        Raises:
            SettingError: The folder is another run's.
        """
        self._file, self._pack = folder / REPORTS_FILE, pack
        self.all: dict[int, dict[str, Any]] = {}
        self.is_new = not self._file.exists()
        if self.is_new:
            return
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            theirs, reports = found["pack"], found["reports"]
            self.all = {int(report["epoch"]): report for report in reports}
        except (OSError, ValueError, KeyError, TypeError):
            theirs = None
        if theirs != pack:
            raise SettingError(
                f"{folder} holds another run, or the same one packed at another time. "
                "Choose another folder with --out."
            )

    def add(self, report: EpochReport) -> None:
        """Keep the figures of an epoch; the same epoch again replaces them."""
        self.all[report.epoch] = report.plain()
        self.save()

    def save(self) -> None:
        """Write them, at once or not at all."""
        whole = {"pack": self._pack, "reports": [self.all[epoch] for epoch in sorted(self.all)]}
        with replacing(self._file, RESUME) as unfinished:
            unfinished.write_text(json.dumps(whole), encoding="utf-8")


def write_result(
    path: Path,
    folder: Path,
    pack: Archive,
    reports: Reports,
    fitted: FitResult,
    changes: Mapping[str, Any],
    processes: int,
) -> None:
    """Put what a run left in its folder into one file.

    Args:
        path: The file.
        folder: Of the run.
        pack: What it was trained from.
        reports: Its figures.
        fitted: How it ended.
        changes: Fields of the loop that this machine decided.
        processes: How many trained it.

    Raises:
        StorageError: The disk is full.
    """
    epochs = range(fitted.last.epoch + 1)
    with writing_archive(path) as file:
        for each in sorted(folder.rglob("*")):
            name = each.relative_to(folder).as_posix()
            if each.is_file() and _TAKEN.fullmatch(name):
                file.add_file(name, each)
        file.finish(
            RESULT_KIND,
            {
                "studio": __version__,
                "engine": engine_digest(),
                "pack": pack.id,
                "dataset": pack.about.get("dataset"),
                "environment": {**describe_environment(), "processes": processes},
                "changes": dict(changes),
                "best_epoch": fitted.best.epoch,
                "damaged": fitted.damaged,
                "words": fitted.words,
                "reports": [reports.all[epoch] for epoch in epochs if epoch in reports.all],
            },
        )


def open_result(archive: Archive) -> TrainedRun:
    """What a result file tells.

    Raises:
        DatasetFormatError: It is something else, or something is missing.
    """
    check_kind(archive, RESULT_KIND)
    about, names = archive.about, archive.names()
    try:
        found = TrainedRun(
            archive,
            str(about["pack"]),
            {name: _plain(about["environment"][name]) for name in ENVIRONMENT},
            _changes(about["changes"]),
            [_report(report) for report in about["reports"]],
            int(about["best_epoch"]),
            [str(name) for name in about["damaged"]],
            [str(sentence) for sentence in about["words"]],
            names,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        found = None
    strange = [name for name in names if not _TAKEN.fullmatch(name)]
    epochs = [] if found is None else [report["epoch"] for report in found.reports]
    if (
        found is None
        or strange
        or MODEL_FILE not in names
        or epochs != list(range(len(epochs)))
        or found.best_epoch not in epochs
    ):
        raise DatasetFormatError(
            f"{archive.path.name} does not hold the result of a run. Train the packed run again: "
            "python -m cad_studio run train FILE."
        )
    return found


def _plain(value: Any) -> Any:
    """A text or a number, or TypeError."""
    if not isinstance(value, str | int | float):
        raise TypeError("neither text nor number")
    return value


def _figure(value: Any) -> float:
    """A finite number, or TypeError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise TypeError("not a finite number")
    return value


def _report(values: dict[str, Any]) -> dict[str, Any]:
    """The report of an epoch, of which nothing but figures gets into a project.

    Raises:
        TypeError, KeyError: It is something else.
    """
    report = EpochReport.from_plain(values)
    for value in asdict(report).values():
        for each in value.values() if isinstance(value, dict) else [value]:
            if each is not None:
                _figure(each)
    if not isinstance(report.epoch, int):
        raise TypeError("an epoch is a whole number")
    return report.plain()


def _changes(values: dict[str, Any]) -> dict[str, Any]:
    """Fields of the loop that another machine may decide.

    Raises:
        ValueError: There is another one, or a value is out of range.
    """
    if not set(values) <= MAY_CHANGE:
        raise ValueError("a field that was not to be changed")
    try:
        settings_from_json(TrainConfig, values)
    except SettingError as error:
        raise ValueError("a value is out of range") from error
    return dict(values)
