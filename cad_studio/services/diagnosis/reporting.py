"""A run as one HTML file that opens anywhere, offline, with the numbers the window shows."""

import base64
from pathlib import Path
from typing import Any

import numpy as np

from cad_studio import __version__
from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Progress
from cad_studio.core.replacing import replacing
from cad_studio.diagnosis.suspects import KINDS
from cad_studio.services.access import Access
from cad_studio.services.datasets.pictures import SPRITE_COLUMNS, PictureService
from cad_studio.services.diagnosis.answers import Predictions
from cad_studio.services.diagnosis.comparison import ComparisonService
from cad_studio.services.diagnosis.confusion import ConfusionService
from cad_studio.services.diagnosis.predictions import PredictionService
from cad_studio.services.diagnosis.report_page import write_page
from cad_studio.services.diagnosis.suspects import SuspectService, told
from cad_studio.services.jobs import JobService
from cad_studio.services.training.run_figures import part_of
from cad_studio.services.training.runs import name_of
from cad_studio.store.database import now
from cad_studio.store.projects import Project

_N_PAIRS = 20


class ReportService:
    """Reports on the runs of one project."""

    def __init__(
        self,
        project: Project,
        predictions: PredictionService,
        confusion: ConfusionService,
        comparison: ComparisonService,
        pictures: PictureService,
        suspects: SuspectService,
        jobs: JobService,
        access: Access,
    ) -> None:
        """Read through the other services; reports for the window go to the folder `exports`.

        `jobs` writes them in the background; `access` rules on who may name another file.
        """
        self._access = access
        self._jobs = jobs
        self._project = project
        self._predictions = predictions
        self._confusion = confusion
        self._comparison = comparison
        self._pictures = pictures
        self._suspects = suspects

    def submit(self, run_id: int, against: int | None) -> dict[str, int]:
        """Write a report in the background; the job's result names the file.

        Returns:
            `job`, its number.
        """
        name = name_of(self._project.runs.get(run_id))
        arguments = {"run": run_id, "against": against}
        return {"job": self._jobs.submit("report", arguments, run=name).id}

    def write(
        self, run_id: int, against: int | None, out: Path | None, progress: Progress
    ) -> dict[str, Any]:
        """Write a report, all or nothing.

        Args:
            run_id: The run.
            against: A run to hold it against, or None.
            out: File to write; None makes one in the project.
            progress: Told how far it is.

        Returns:
            `run`, `against`, `out`, `bytes`.

        Raises:
            SettingError: The folder of `out` is missing, or both runs are the same.
            StorageError: The disk is full.
            NotAllowedError, ReadOnlyError: The one who acts may not choose the file.
        """
        if out is not None:
            self._access.require_to_reach(str(out))
        if against == run_id:
            raise SettingError(f"Run {run_id} is held against itself. Name another with --against.")
        if out is None:
            folder = self._project.folder / "exports"
            folder.mkdir(exist_ok=True)
            out = folder / f"report-run-{run_id}{f'-against-{against}' if against else ''}.html"
        elif not out.parent.is_dir():
            raise SettingError(f"There is no folder {out.parent}. Make it, or choose another.")
        facts = self.facts(run_id, against, progress)
        progress.report(0.9, "Writing the report")
        with replacing(out) as unfinished:
            write_page(unfinished, facts)
        return {"run": run_id, "against": against, "out": str(out), "bytes": out.stat().st_size}

    def facts(self, run_id: int, against: int | None, progress: Progress) -> dict[str, Any]:
        """Everything a report says, as plain values."""
        for place, each in enumerate([run_id] if against is None else [run_id, against]):
            progress.report(0.4 * place, "Asking the network")
            self._predictions.prepare(each, progress)
        found = self._predictions.load(run_id)
        comparison = None
        if against is not None:
            comparison = self._comparison.compare([against, run_id])
        progress.report(0.8, "Collecting the figures")
        return {
            "title": name_of(found.run),
            "version": __version__,
            "made_at": now(),
            "dataset": {
                "name": found.data.record.name,
                "n": len(found.data),
                "classes": found.data.record.n_classes,
                "version": found.run.version_hash,
                "current_version": found.data.record.version.hash,
            },
            "run": {
                "number": run_id,
                "method": found.run.method,
                "backbone": found.run.backbone,
                "features": found.run.features,
                "config": found.run.config,
                "settings": found.run.settings,
                "environment": found.run.environment,
            },
            "overview": self._confusion.overview(run_id, order="similar"),
            "classes": self._confusion.classes(run_id),
            "entanglement": self._confusion.entanglement(run_id),
            "comparison": comparison,
            "curves": {
                name_of(each.run): self._project.runs.reports(each.run.id)
                for each in [found, *([self._predictions.load(against)] if against else [])]
            },
            "suspects": self._known_suspects(found),
            "pairs": self._closest_pairs(found),
        }

    def _known_suspects(self, found: Predictions) -> dict[str, Any] | None:
        """How many suspects there are of each kind, with the first one; None before a search."""
        known = self._suspects.known(found.data.record.name, found.run.id)
        if known is None or known["run"] != found.run.id:
            return None
        known = told(known)
        first = {each["kind"]: each for each in reversed(known["suspects"])}
        return {
            "n": known["n"],
            "features": known["features"],
            "is_weak": known["is_weak"],
            "kinds": [
                [title, known["counts"][kind],
                 [[first[kind]["id"], first[kind]["reason"]]] if kind in first else []]
                for kind, title in KINDS.items()
            ],
        }  # fmt: skip

    def _closest_pairs(self, found: Predictions) -> dict[str, Any]:
        """The closest pairs the run answers wrongly, or else the closest, with their images."""
        pairs = np.asarray(found.pairs(part_of(found, None)))[:200_000]
        beliefs, names = found.beliefs, found.data.record.class_names
        chosen = pairs[:_N_PAIRS]
        if found.truth is not None and len(pairs):
            wrong = (beliefs.predicted[pairs] != found.truth[pairs]).any(axis=1)
            if wrong.any():
                chosen = pairs[wrong][:_N_PAIRS]
        rows = [int(row) for pair in chosen for row in pair]
        sheet = None
        if rows:
            png = self._pictures.sprite(found.data.record.name, rows)
            sheet = "data:image/png;base64," + base64.b64encode(png).decode()
        return {
            "sheet": sheet,
            "columns": SPRITE_COLUMNS,
            "lines": -(-len(rows) // SPRITE_COLUMNS),
            "pairs": [
                [
                    {
                        "id": found.data.ids[row],
                        "predicted": _word(beliefs.predicted[row], names),
                        "truth": None if found.truth is None else _word(found.truth[row], names),
                        "candidates": [names[c] for c in found.candidates.of(int(row))],
                    }
                    for row in pair
                ]
                for pair in chosen
            ],
        }


def _word(label: int, names: list[str]) -> str:
    return names[label] if label >= 0 else "not known"
