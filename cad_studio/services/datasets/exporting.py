"""Write a dataset's current sets, or what was annotated, as a file of any format."""

from pathlib import Path
from typing import Any

import numpy as np

from cad_studio.core.annotation import ClassMap
from cad_studio.core.errors import RecordNotFoundError, SettingError, closest
from cad_studio.core.progress import Progress, Silent
from cad_studio.services.access import Access
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.annotation.annotators import AnnotatorService
from cad_studio.services.annotation.history import AnnotationHistory
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.export_folders import replacing_file, replacing_folder, size_bytes
from cad_studio.services.datasets.export_formats import FORMATS, Contents
from cad_studio.store.projects import Project


class ExportService:
    """Exports of one project."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        sets: AnnotatedSets,
        history: AnnotationHistory,
        annotators: AnnotatorService,
        access: Access,
    ) -> None:
        """Read through the other services; files for the window go to the folder `exports`.

        `access` rules on who may name another file.
        """
        self._folder = project.folder / "exports"
        self._datasets = datasets
        self._sets = sets
        self._history = history
        self._annotators = annotators
        self._access = access

    def export(
        self,
        name: str,
        format_name: str,
        out: Path | None = None,
        progress: Progress | None = None,
        rows: list[int] | None = None,
        only_changed: bool = False,
    ) -> dict[str, Any]:
        """Write a file, all or nothing, of the sets as they are now.

        Args:
            name: Name of the dataset.
            format_name: A key of `FORMATS`.
            out: The file to write; its folder must exist. None makes one in the project. A format
                that is a folder is written as one, unless the name ends in `.zip`.
            progress: Told how far it is.
            rows: Only these samples, e.g. of a filter; None for all. The log is always whole.
            only_changed: Only samples whose set annotators have changed.

        Returns:
            `name`, `format`, `out`, `rows` (written), `bytes`, `version`.

        Raises:
            SettingError: The format is not known, the folder is missing, or the format cannot
                hold the images.
            DamageError: A file of the dataset is missing, or not what was written.
            StorageError: The disk is full.
            NotAllowedError, ReadOnlyError: The one who acts may not choose the file.
        """
        if out is not None:
            self._access.require_to_reach(str(out))
        if format_name not in FORMATS:
            hint = closest(format_name, FORMATS)
            raise SettingError(f"{format_name!r} is not an export format. {hint}".rstrip())
        form = FORMATS[format_name]
        self._sets.settle(name)
        told = self._contents(name, rows, only_changed)
        version = told.data.record.version
        if out is None:
            self._folder.mkdir(exist_ok=True)
            part = "-changed" if only_changed else "" if rows is None else "-part"
            kind = f"-{format_name}{part}" if form.of_annotation else part
            out = self._folder / f"{name}-v{version.number}{kind}.{form.ending}"
        with (replacing_folder if form.is_folder else replacing_file)(out) as scratch:
            n_written = form.write(told, scratch, progress or Silent())
        return {
            "name": name, "format": format_name, "out": str(out), "rows": n_written,
            "bytes": size_bytes(out), "version": version.hash,
        }  # fmt: skip

    def finished(self, result: dict[str, Any]) -> Path:
        """The file that an export into the project made.

        Raises:
            RecordNotFoundError: It is not there any more, or the result is of something else.
        """
        out = Path(str(result.get("out", "")))
        if out.parent != self._folder or not out.is_file():
            raise RecordNotFoundError("This file is not there any more. Export again.")
        return out

    def _contents(self, name: str, rows: list[int] | None, only_changed: bool) -> Contents:
        data = self._datasets.load(name)
        data.require_whole()
        chosen = np.arange(len(data)) if rows is None else np.array(sorted(set(rows)), np.int64)
        if only_changed:
            chosen = np.intersect1d(chosen, self._sets.changed_rows(name))

        def live() -> list[str]:
            book = self._sets.book(name)
            classes = ClassMap.from_json(None if book is None else book.classes)
            return [data.record.class_names[index] for index in classes.live(data.record.n_classes)]

        return Contents(
            data, chosen, self._datasets.fields.columns(data),
            history=lambda: self._history.everything(name),
            votes=lambda: self._annotators.votes(name),
            live=live,
            agreement=lambda: self._annotators.agreement(name),
        )  # fmt: skip
