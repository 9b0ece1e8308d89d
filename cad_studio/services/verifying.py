"""Whether everything a project holds is whole: database, blobs, logs, runs, editors and edits."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cad_studio.annotation.replay import replay
from cad_studio.core.annotation import Book
from cad_studio.core.errors import ProjectError
from cad_studio.core.progress import Part, Progress
from cad_studio.services.annotation.history import AnnotationHistory
from cad_studio.services.jobs import JobService
from cad_studio.services.training.runs import MODEL_FILE, name_of
from cad_studio.store.array_files import BrokenFile, check_safetensors
from cad_studio.store.identity import numbered_folders
from cad_studio.store.projects import Project, folder_size
from cad_studio.store.references import Reference
from cad_studio.store.sqlite_files import damage_of, unreadable_value
from cad_studio.training.denoiser_settings import EDITOR_FILE


@dataclass(frozen=True)
class Problem:
    """Something that is not whole.

    Attributes:
        file: Where it lies.
        problem: What is wrong with it, the rest of a sentence.
        affects: What it is part of, by name.
        advice: What to do, in sentences.
    """

    file: str
    problem: str
    affects: list[str]
    advice: str


class VerifyService:
    """The check of one project."""

    def __init__(self, project: Project, history: AnnotationHistory, jobs: JobService) -> None:
        """Read through `project` and `history`; `jobs` does it in the background."""
        self._project = project
        self._history = history
        self._jobs = jobs

    def submit(self) -> dict[str, int]:
        """Check in the background; returns `job`, its number, whose result is that of `verify`."""
        return {"job": self._jobs.submit("verify", {}).id}

    def verify(self, progress: Progress) -> dict[str, Any]:
        """Check everything; nothing is changed.

        The database against itself, every blob against its name, every record against its blobs and
        folders, and every log of annotations against its digests and the state beside it.

        Returns:
            `is_whole`, `problems` (of `Problem`), `n_blobs`, `bytes`, `n_records` (that name
            blobs), `n_actions` (of all logs), `orphans` and `orphan_bytes` (blobs and folders no
            record names; no damage), `seconds`.
        """
        started = time.monotonic()
        progress.report(0.0, "Checking the database")
        problems = list(self._of_database())
        found: dict[str, Any] = {
            "n_blobs": 0, "bytes": 0, "n_records": 0, "n_actions": 0,
            "orphans": 0, "orphan_bytes": 0,
        }  # fmt: skip
        if not problems:
            there = self._project.blobs.names()
            references = self._project.references()
            problems += self._of_blobs(references, there, Part(progress, 0.1, 0.8))
            problems += self._of_folders()
            progress.report(0.8, "Replaying the logs")
            problems += self._of_logs()
            found |= {
                "n_blobs": len(there), "bytes": sum(there.values()), "n_records": len(references),
                "n_actions": sum(book.head for book in self._project.annotations.books()),
                **self._orphans(references, there),
            }  # fmt: skip
        return {
            "is_whole": not problems,
            "problems": [asdict(each) for each in problems],
            **found,
            "seconds": round(time.monotonic() - started, 2),
        }

    def _of_database(self) -> Iterator[Problem]:
        file = self._project.database.file
        damage = damage_of(file, thorough=True) or unreadable_value(file)
        if damage is not None:
            advice = (
                "Go back to a copy: python -m cad_studio restore. Without one, save what can be "
                "read: python -m cad_studio repair."
            )
            yield Problem(
                str(file), f"is damaged ({damage})", ["the database of the project"], advice
            )

    def _of_blobs(
        self, references: list[Reference], there: dict[str, int], progress: Progress
    ) -> Iterator[Problem]:
        owners: dict[str, list[Reference]] = {}
        for each in references:
            owners.setdefault(each.blob, []).append(each)
        total, done = max(sum(there.values()), 1), 0
        for name, own in owners.items():
            progress.report(done / total, "Checking the files")
            done += there.get(name, 0)
            problem = self._project.blobs.problem(name)
            if problem is None:
                continue
            left = {each.blob for each in self._project.references()}
            if name not in left:  # removed while this looked
                continue
            yield Problem(
                str(self._project.blobs.path(name)),
                problem,
                list(dict.fromkeys(each.words for each in own)),
                " ".join(dict.fromkeys(each.advice for each in own)),
            )

    def _of_folders(self) -> Iterator[Problem]:
        """Models, editors and edits: that they are there, as long as they say they are."""
        copy = "Put the file back from a copy of the project folder, or"
        for run in self._project.runs.all():
            if run.finished_at is not None:
                file = self._project.run_folder(run.id) / MODEL_FILE
                words = f"the model of run {run.id} ({name_of(run)})"
                yield from _of_model(file, words, f"{copy} train a new run.")
        for model in self._project.edit_models.all():
            if model.finished_at is not None:
                file = self._project.editor_folder(model.id) / EDITOR_FILE
                yield from _of_model(file, f"editor {model.id}", f"{copy} train a new editor.")
        ends = self._project.edits.ends()
        for edit_set in self._project.edits.sets():
            file = self._project.edits.folder(edit_set.id) / edit_set.file
            size, wanted = file.stat().st_size if file.is_file() else 0, ends.get(edit_set.id, 0)
            if size < wanted:
                problem = f"has {size:,} bytes instead of {wanted:,}" if size else "is missing"
                advice = (
                    f"{copy} delete the set (python -m cad_studio edits remove {edit_set.id}) and "
                    "make the edits again."
                )
                yield Problem(str(file), problem, [f"the images of edit set {edit_set.id}"], advice)

    def _of_logs(self) -> Iterator[Problem]:
        names = {record.id: record.name for record in self._project.datasets.all()}
        for book in self._project.annotations.books():
            name = names.get(book.dataset_id or 0)
            try:
                self._check_log(book, name)
            except ProjectError as error:
                words = f"the annotation log of dataset {name or book.dataset_name!r}"
                yield Problem(
                    str(self._project.database.file),
                    f"holds a log that does not follow from itself: {str(error).rstrip('.')}",
                    [words],
                    "Or go back to a copy of the database: python -m cad_studio restore.",
                )

    def _check_log(self, book: Book, name: str | None) -> None:
        if name is None:
            replay(self._project.annotations.all_actions(book.id))
            return
        try:
            self._history.verify(name)
        except ProjectError:
            now = self._project.annotations.find(book.dataset_id or 0)
            if now is None or now.head == book.head:
                raise
            self._history.verify(name)  # somebody annotated while this looked

    def _orphans(self, references: list[Reference], there: dict[str, int]) -> dict[str, int]:
        unnamed = set(there) - {each.blob for each in references}
        n_bytes = sum(there[name] for name in unnamed)
        project, n_folders = self._project, 0
        known = {
            "runs": {run.id for run in project.runs.all()},
            "editors": {model.id for model in project.edit_models.all()},
            "edits": {edit_set.id for edit_set in project.edits.sets()},
        }
        for room, numbers in numbered_folders(project.folder).items():
            for number in numbers - known[room]:
                n_folders += 1
                n_bytes += folder_size(project.folder / room / str(number))
        return {"orphans": len(unnamed) + n_folders, "orphan_bytes": n_bytes}


def _of_model(file: Path, words: str, advice: str) -> Iterator[Problem]:
    try:
        check_safetensors(file)
    except BrokenFile as error:
        yield Problem(str(file), str(error), [words], advice)


def unopened(folder: Path, error: ProjectError) -> dict[str, Any]:
    """The result of `VerifyService.verify` for a project that cannot be opened."""
    problem = Problem(str(folder), "cannot be opened", ["the project"], str(error))
    return {
        "is_whole": False, "problems": [asdict(problem)], "n_blobs": 0, "bytes": 0, "n_records": 0,
        "n_actions": 0, "orphans": 0, "orphan_bytes": 0, "seconds": 0.0,
    }  # fmt: skip


def summary(result: dict[str, Any]) -> str:
    """What `VerifyService.verify` found, for a reader."""
    lines = [
        f"{each['file']} {each['problem']}. It is {' and '.join(each['affects'])}. {each['advice']}"
        for each in result["problems"]
    ]
    if result["is_whole"]:
        lines.append(
            f"Whole: the database, {result['n_blobs']:,} files ({result['bytes'] / 1e6:.1f} MB) "
            f"named by {result['n_records']:,} records, and {result['n_actions']:,} actions of "
            "annotators."
        )
    else:
        lines.append(f"Not whole: {len(result['problems']):,} problems. Nothing was changed.")
    if result["orphans"]:
        lines.append(
            f"{result['orphans']:,} files or folders ({result['orphan_bytes'] / 1e6:.1f} MB) are "
            "named by no record; python -m cad_studio repair sets them aside."
        )
    return "\n".join(lines)
