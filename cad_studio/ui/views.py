"""Records as the plain values the viewers show; pure functions."""

from typing import Any

from cad_studio.core.records import Dataset, FeatureSet, Job, Mining
from cad_studio.services.operations import KINDS
from cad_studio.ui.job_forms import in_fields
from cad_studio.views.pairs import MiningView
from cad_studio.views.studio import DatasetEntryView, JobView


def dataset_entry(data: Dataset, n_changes: int) -> DatasetEntryView:
    """A dataset as one line of the picker; `n_changes` sets were changed since its version."""
    return {
        "name": data.name,
        "kind": data.kind,
        "n": data.n_samples,
        "k": data.n_classes,
        "version": data.version.hash,
        "version_number": data.version.number,
        "changes": n_changes,
    }


def _result(job: Job) -> dict[str, Any] | None:
    seen = KINDS[job.kind].window_sees if job.kind in KINDS else None
    if job.result is None:
        return None
    found = {name: value for name, value in job.result.items() if seen is None or name in seen}
    if job.kind == "import" and "understood" in found:
        found["understood"] = [in_fields(line) for line in found["understood"]]
    return found


def job_entry(job: Job) -> JobView:
    """A job as the window follows it."""
    is_import = job.kind == "import"  # whose words are about the command line's options
    return {
        "id": job.id,
        "kind": job.kind,
        "title": job.title,
        "status": job.status,
        "fraction": round(job.fraction, 4),
        "message": job.message,
        "error": in_fields(job.error) if is_import and job.error else job.error,
        "position": job.position,
        "attempts": job.attempts,
        "result": _result(job),
        "dataset": job.arguments.get("name"),
        "run": job.arguments.get("run"),
        "features": job.arguments.get("features"),
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


def mining_entry(
    mining: Mining, feature_set: FeatureSet, current_version: str, numbers: dict[str, int]
) -> MiningView:
    """A search for pairs as one line of its picker; `numbers` are those of versions by hash."""
    return {
        "id": mining.id,
        "features": feature_set.spec,
        "features_description": feature_set.description,
        "feature_set": feature_set.id,
        "threshold": mining.threshold,
        "quantile": mining.settings.get("quantile"),
        "split": mining.settings.get("split"),
        "labels": mining.label_source,
        "n_pairs": mining.n_pairs,
        "stale": mining.version_hash != current_version,
        "version_number": numbers.get(mining.version_hash),
        "created_at": mining.created_at,
    }
