"""Look at runs: their figures, files and names; throw them away and get them back."""

import re
from pathlib import Path
from typing import Any

from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.core.figures import RUN_FIGURES
from cad_studio.core.records import ACTIVE, Dataset, Job, Run
from cad_studio.services.access import Access
from cad_studio.store.database import now
from cad_studio.store.projects import Project, folder_size
from cad_studio.views.training import RunEntryView, RunView, TrashView

MODEL_FILE = "model.safetensors"
PACKED = "packed"
"""Of a run trained on another machine, in its environment and as its status until it is back."""
GROUP = "group"
"""Of a run that was made with others, in its environment: `name` of the group, and `over`, the
settings in which its runs differ."""
BUNDLED = "bundled"
"""Of a run that came with the sample, in its environment."""
_MOST_NAME, _MOST_NOTE = 120, 10_000


class RunService:
    """The runs of one project, to be looked at and kept in order.

    Figures that took true labels (`test_accuracy`, `entangled_accuracy`, `disambiguation`) are
    oracle figures: for the reader's eyes, never for training.
    """

    def __init__(self, project: Project, access: Access) -> None:
        """Read from `project`; `access` says who may change something."""
        self._project = project
        self._access = access

    def all(self, dataset: str | None = None, removed: bool = False) -> list[RunEntryView]:
        """One row per run, newest first.

        Args:
            dataset: Only runs on it.
            removed: The runs in the trash instead of the others.
        """
        datasets = {record.id: record for record in self._project.datasets.all()}
        statuses, overview = self._project.runs.statuses(), self._project.runs.overview()
        rows = []
        for run in self._project.runs.all():
            record = datasets.get(run.dataset_id)
            if record is None or (run.removed_at is not None) != removed:
                continue
            if dataset is None or record.name == dataset:
                known = overview.get(run.id, (0, None, None))
                rows.append(self._row(run, record, statuses.get(run.id), *known))
        return rows

    def get(self, run_id: int) -> RunView:
        """Everything known of a run but its curves.

        Returns:
            The keys of a row of `all`, and `config`, `settings`, `environment`, `features`,
            `last` and `best` (reports of epochs or None), `error`, `message`, `fraction`,
            `seconds_left` (None where not known), `is_removed`.

        Raises:
            RecordNotFoundError: There is none of this id.
        """
        run = self._project.runs.get(run_id)
        record = self.dataset_of(run)
        job = None if run.job_id is None else self._project.jobs.get(run.job_id)
        n_epochs, last, best = self._project.runs.overview(run.id).get(run.id, (0, None, None))
        row = self._row(run, record, None if job is None else job.status, n_epochs, last, best)
        return {
            **row,
            "config": run.config,
            "settings": run.settings,
            "environment": run.environment,
            "features": run.features,
            "last": last,
            "best": best,
            "error": None if job is None else job.error,
            "message": "" if job is None else job.message,
            "fraction": (1.0 if run.finished_at else 0.0) if job is None else job.fraction,
            "seconds_left": _seconds_left(run, job, last),
            "is_removed": run.removed_at is not None,
        }

    def reports(self, run_id: int, after: int = -1) -> list[dict[str, Any]]:
        """Figures of the epochs later than `after`, in order; see `training/report.py`."""
        return self._project.runs.reports(run_id, after)

    def rename(self, run_id: int, name: str) -> None:
        """Give a run a name; an empty one brings its first name back.

        Raises:
            SettingError: The name is too long.
        """
        self._access.require("owner")
        name = " ".join(name.split())
        if len(name) > _MOST_NAME:
            raise SettingError(f"The name has {len(name)} characters; at most {_MOST_NAME} fit.")
        self._project.runs.change(run_id, name=name)

    def set_note(self, run_id: int, text: str) -> None:
        """Write a note beside a run.

        Raises:
            SettingError: The note is too long.
        """
        self._access.require("owner")
        if len(text) > _MOST_NOTE:
            raise SettingError(
                f"The note has {len(text):,} characters; at most {_MOST_NOTE:,} fit."
            )
        self._project.runs.change(run_id, note=text)

    def remove(self, run_id: int) -> None:
        """Put a run into the trash, from where it can be restored.

        Raises:
            SettingError: It is being trained or waits for it.
        """
        self._access.require("owner")
        run = self._project.runs.get(run_id)
        if self._project.runs.statuses().get(run_id) in ACTIVE:
            raise SettingError(f"{name_of(run)} is being trained. Stop it first, then delete it.")
        self._project.runs.change(run_id, removed_at=now())

    def restore(self, run_id: int) -> None:
        """Take a run back out of the trash."""
        self._access.require("owner")
        self._project.runs.change(run_id, removed_at=None)

    def trash(self) -> TrashView:
        """How many runs wait in the trash and what they hold: `n`, `bytes`."""
        removed = [run for run in self._project.runs.all() if run.removed_at is not None]
        return {
            "n": len(removed),
            "bytes": sum(folder_size(self._project.run_folder(run.id)) for run in removed),
        }

    def purge(self) -> int:
        """Delete the runs in the trash for good; returns bytes freed."""
        self._access.require("owner")
        removed = [run.id for run in self._project.runs.all() if run.removed_at is not None]
        with self._project.removing() as removal:
            self._project.runs.delete(removed)
        self._forget_lost_judges()
        return removal.freed_bytes

    def _forget_lost_judges(self) -> None:
        """Delete what models said of edits that no run has any more."""
        told = self._project.edits.judges()
        if not told:
            return
        from cad_studio.training.judging import key_of

        files = (self._project.run_folder(run.id) / MODEL_FILE for run in self._project.runs.all())
        self._project.edits.forget_judges(told - {key_of(file) for file in files if file.is_file()})

    def model_path(self, run_id: int) -> Path:
        """File of a run's model.

        Raises:
            RecordNotFoundError: There is none yet.
        """
        run = self._project.runs.get(run_id)
        file = self._project.run_folder(run_id) / MODEL_FILE
        if not file.is_file():
            raise RecordNotFoundError(
                f"{name_of(run)} has no model yet; there is one after its first epoch."
            )
        return file

    def model_name(self, run_id: int) -> str:
        """What a copy of a run's model is called: its name, where a file may be called so."""
        name = name_of(self._project.runs.get(run_id))
        safe = re.sub(r"[^\w. -]+", "-", name).strip(". -") or f"run-{run_id}"
        return f"{safe}.safetensors"

    def model_usage(self, run_id: int) -> str:
        """How to load a copy of the model in Python."""
        return (
            "from cad_studio.training.model_file import load_model\n"
            f'network, views = load_model("{self.model_name(run_id)}")'
        )

    def dataset_of(self, run: Run) -> Dataset:
        """The dataset a run was trained on.

        Raises:
            RecordNotFoundError: It was removed.
        """
        record = self._project.datasets.by_id(run.dataset_id)
        if record is None:
            raise RecordNotFoundError(
                f"The dataset of run {run.id} is not in this project any more."
            )
        return record

    def _number(self, record: Dataset, version_hash: str) -> int | None:
        """The number of a version of a dataset; None of one that is gone."""
        if record.version.hash == version_hash:
            return record.version.number
        versions = self._project.datasets.versions(record.name)
        return next((each.number for each in versions if each.hash == version_hash), None)

    def _row(
        self,
        run: Run,
        record: Dataset,
        job_status: str | None,
        n_epochs: int,
        last: dict[str, Any] | None,
        best: dict[str, Any] | None,
    ) -> dict[str, Any]:
        judged = best or last
        file = self._project.run_folder(run.id) / MODEL_FILE
        return {
            "id": run.id,
            "name": name_of(run),
            "dataset": record.name,
            "method": run.method,
            "backbone": run.backbone,
            "start": run.config["start"],
            "seed": run.config["seed"],
            "epochs": run.config["epochs"],
            "epochs_done": n_epochs,
            "status": _status(run, job_status),
            "job": run.job_id,
            "created_at": run.created_at,
            "seconds": None if last is None else last["seconds"],
            "samples_per_second": None if last is None else last["samples_per_second"],
            **{each.key: each.of(last if each.of_last else judged) for each in RUN_FIGURES},
            "epochs_in_force": None if last is None else last.get("epochs_in_force"),
            "note": run.note,
            "group": run.environment.get(GROUP),
            "is_bundled": BUNDLED in run.environment,
            "data_version": run.version_hash,
            "data_number": self._number(record, run.version_hash),
            "is_stale": run.version_hash != record.version.hash,
            "model_bytes": file.stat().st_size if file.is_file() else None,
        }


def name_of(run: Run) -> str:
    """What the user called it, or its method and number."""
    return run.name or f"{run.method}-{run.id}"


def _status(run: Run, job_status: str | None) -> str:
    if run.finished_at is not None:
        return "done"
    if PACKED in run.environment and job_status in (None, "done"):
        return PACKED
    return job_status or "interrupted"


def _seconds_left(run: Run, job: Job | None, last: dict[str, Any] | None) -> float | None:
    """By the pace of the epochs that are done; None before the first."""
    if job is None or job.status != "running" or last is None:
        return None
    if run.config["max_seconds"]:
        return max(run.config["max_seconds"] - last["seconds"], 0.0)
    per_epoch = last["seconds"] / (last["epoch"] + 1)
    return per_epoch * run.config["epochs"] * max(1.0 - job.fraction, 0.0)
