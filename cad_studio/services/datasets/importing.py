"""Bring a dataset into the project: read, check, store, all or nothing."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import Problem, SourceDataset
from cad_studio.core.errors import DatasetFormatError, SettingError
from cad_studio.core.partial_labels import MAX_CLASSES, PartialLabels
from cad_studio.core.progress import Part, Progress
from cad_studio.core.records import Dataset
from cad_studio.datasets._addresses import check_address, is_address
from cad_studio.datasets._base import READERS, ReadOptions, read_source
from cad_studio.datasets.checks import Report, check, without
from cad_studio.services.access import Access
from cad_studio.services.datasets.fields import save_fields
from cad_studio.services.datasets.image_files import ImageFiles
from cad_studio.services.datasets.import_preview import preview
from cad_studio.store.datasets import name_taken
from cad_studio.store.projects import Project

_NAME = re.compile(r"[\w][\w .+-]{0,79}")


class ImportService:
    """Imports of one project."""

    def __init__(self, project: Project, access: Access) -> None:
        """Store into `project`; `access` rules on who may name a source."""
        self._project = project
        self._access = access

    def import_source(
        self,
        source: str,
        name: str,
        options: ReadOptions,
        skip_bad: bool,
        progress: Progress,
    ) -> dict[str, Any]:
        """Read a source and add it to the project under a new name.

        Args:
            source: Path, `hf:owner/name` or `torchvision:NAME`.
            name: Letters, digits, spaces and `. + - _`, at most 80, first a letter or digit.
            options: What to read and how.
            skip_bad: Leave out the samples that cannot be imported, and say which.
            progress: Told how far it is.

        Returns:
            `name`, `n`, `k`, `version`, `report`, `left_out` (one sentence per sample left out) and
            `understood` (how the source was read, in sentences).

        Raises:
            SettingError: The name is taken or not usable.
            DatasetFormatError: The source is not what its format asks for, or some of its samples
                cannot be imported and `skip_bad` is False.
            NotAllowedError, ReadOnlyError: The one who acts may not choose what is read.
        """
        self._require_to_reach(source, options)
        check_name(name)
        if name in self._project.datasets.names():
            raise name_taken(name)
        found = read_source(source, options, Part(progress, 0.0, 0.3))
        if not found.ids:
            raise DatasetFormatError(f"{source} holds no samples.")
        rest = Part(progress, 0.3, 1.0)
        return self.store(found, name, source, skip_bad, rest, options.bit_depth)

    def preview(
        self,
        source: str,
        options: ReadOptions,
        progress: Progress,
        with_pictures: bool = False,
    ) -> dict[str, Any]:
        """What an import would understand and bring, without doing it.

        Args:
            source: As for `import_source`.
            options: What to read and how.
            progress: Told how far it is.
            with_pictures: Whether the first rows come with their pictures.

        Returns:
            `source`, and what `import_preview.preview` gives.

        Raises:
            DatasetFormatError: The source is not what its format asks for.
            NotAllowedError, ReadOnlyError: The one who acts may not choose what is read.
        """
        self._require_to_reach(source, options)
        found = _with_candidates(read_source(source, options, progress))
        return {"source": source, **preview(found, options.bit_depth, with_pictures)}

    def _require_to_reach(self, source: str, options: ReadOptions) -> None:
        for place in (source, options.candidates, options.images_dir):
            if place is not None:
                self._access.require_to_reach(place)
                check_address(place)

    def store(
        self,
        found: SourceDataset,
        name: str,
        origin: str,
        skip_bad: bool,
        progress: Progress,
        bit_depth: int | None = None,
    ) -> dict[str, Any]:
        """Check what a reader found and add it to the project under a new name."""
        found = _with_ordered_votes(_with_candidates(found))
        blobs = self._project.blobs
        with ImageFiles(blobs, found, progress, bit_depth) as images:
            images.tell(found.understanding)
            problems = _once(found.problems + images.problems)
            report = check(replace(found, problems=problems), images.hashes)
            bad = report.bad_rows()
            if len(bad) and not skip_bad:
                raise DatasetFormatError(refusal(report, len(found.ids)))
            if len(bad) == len(found.ids):
                raise DatasetFormatError(
                    f"Every one of the {len(bad)} samples is bad. " + refusal(report, len(bad))
                )
            kept = np.setdiff1d(np.arange(len(found.ids)), bad)
            if len(bad):
                found = without(replace(found, problems=[]), bad)
            progress.report(0.97, "Saving")
            assert found.candidates is not None
            with self._project.saving():
                files, shape = images.keep(kept)
                columns = self._columns(found, name, origin, report, files, shape)
                candidates = blobs.save_array(found.candidates.packed)
                details: dict[str, Any] = {"source": origin}
                if found.votes is not None:
                    details["threshold"] = found.votes.threshold
                dataset = self._project.datasets.add(columns, candidates, details)
        return _result(dataset, report, bad) | {"understood": found.understanding.lines()}

    def _columns(
        self,
        found: SourceDataset,
        name: str,
        origin: str,
        report: Report,
        files: dict[str, str],
        shape: tuple[int, int, int] | None,
    ) -> dict[str, Any]:
        blobs = self._project.blobs
        split_names = list(dict.fromkeys(found.splits))
        code = {split: index for index, split in enumerate(split_names)}
        files["ids"] = blobs.save_json(found.ids)
        files["splits"] = blobs.save_array(np.array([code[s] for s in found.splits], np.int16))
        if found.truth is not None and (found.truth >= 0).any():
            files["truth"] = blobs.save_array(found.truth.astype(np.int32, copy=False))
        if found.features is not None:
            files["features"] = blobs.save_array(found.features.astype(np.float32, copy=False))
        if found.votes is not None:
            votes = found.votes
            table = np.stack([votes.sample, votes.annotator, votes.label]).astype(np.int32)
            files["votes"] = blobs.save_array(table)
            if votes.weight is not None:
                files["vote_weights"] = blobs.save_array(votes.weight.astype(np.float32))
        height, width, channels = shape or (None, None, None)
        return {
            "name": name,
            "kind": "features" if found.images is None else "images",
            "n_samples": len(found.ids),
            "class_names": found.class_names,
            "class_descriptions": found.class_descriptions,
            "height": height,
            "width": width,
            "channels": channels,
            "split_names": split_names,
            "annotators": [] if found.votes is None else found.votes.annotators,
            "files": files,
            "source": origin,
            "report": report.to_json() | {"understanding": found.understanding.to_json()},
            "fields": save_fields(blobs, found.fields),
        }


def check_name(name: str) -> None:
    """Hold a dataset name against what a name may be.

    Raises:
        SettingError: It is something else.
    """
    if not _NAME.fullmatch(name):
        raise SettingError(
            f"{name[:80]!r} cannot be a dataset name. Use letters, digits, spaces and . + - _, "
            "at most 80, the first a letter or digit."
        )


def refusal(report: Report, n_samples: int) -> str:
    """Why an import did not happen: each kind of trouble, counted, with its first case."""
    lines = [
        f"{finding.count:,} of {n_samples:,} samples: {finding.title} (first: "
        f"{finding.message.rstrip('.')})"
        for finding in report.findings
        if finding.blocking
    ]
    return (
        "Nothing was imported. "
        + "; ".join(lines)
        + ". Correct them, or import the rest with --skip-bad."
    )


def _with_candidates(found: SourceDataset) -> SourceDataset:
    """Give a labelled source singleton sets; hold the classes against the limits."""
    n_classes = len(found.class_names)
    if not 2 <= n_classes <= MAX_CLASSES:
        raise DatasetFormatError(
            f"The source has {n_classes} class{'es' * (n_classes != 1)}; 2 to {MAX_CLASSES} are "
            "needed. With fewer nothing is ambiguous; with more, group the classes first."
        )
    if found.candidates is not None:
        return found
    if found.truth is None:
        raise DatasetFormatError(
            "The source has neither candidate sets nor labels. "
            "Give the sets with --candidates FILE."
        )
    labels = found.truth.astype(np.int64)
    return replace(found, candidates=PartialLabels.from_labels(labels, n_classes))


def _with_ordered_votes(found: SourceDataset) -> SourceDataset:
    """Votes by sample, so that what an export groups by sample comes back as the same version."""
    votes = found.votes
    if votes is None:
        return found
    order = np.argsort(votes.sample, kind="stable")
    return replace(found, votes=votes.take(order))


def _once(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


def _result(dataset: Dataset, report: Report, bad: NDArray[np.int64]) -> dict[str, Any]:
    first: dict[int, str] = {}
    for problem in report.problems:
        first.setdefault(problem.row, problem.message)
    return {
        "name": dataset.name,
        "n": dataset.n_samples,
        "k": dataset.n_classes,
        "version": dataset.version.hash,
        "left_out_count": len(bad),
        "left_out": [first[row] for row in bad[:1000].tolist()],
        "report": dataset.report,
    }


def formats() -> list[str]:
    """Names of the formats an import can read."""
    return READERS.names()


def resolved_source(source: str) -> str:
    """A path made absolute, so that it means the same in another process.

    Raises:
        SettingError: It is an address that holds a credential, which would be stored.
    """
    check_address(source)
    if re.match(r"(hf|torchvision):", source) or is_address(source):
        return source
    return str(Path(source).expanduser().absolute())
