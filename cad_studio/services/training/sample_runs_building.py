"""Rebuild the runs that come with the bundled sample, by the project's own ways."""

import json
import lzma
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.archive import Archive, writing_archive
from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Part, Progress, Silent
from cad_studio.services.datasets.sample import HARD_NAME
from cad_studio.services.edits.augmentation import AugmentRequest
from cad_studio.services.training.runs import MODEL_FILE, PACKED
from cad_studio.services.training.sample_runs import DERIVED, EDITS_FILE, RESULT_SUFFIX, packed

if TYPE_CHECKING:
    from cad_studio.services.container import Services

NOTE = "Comes with the sample."
_LEFT_BEHIND = ("checkpoints/", "tensorboard/")
_FEATURES = "pixels"
"""What suspects are looked for by: the features every project with the sample has."""
_N_EDITS = 800
_COLUMNS = ("name", "method", "backbone", "features", "config", "settings")


def build_sample_runs(
    services: "Services", results: Sequence[Path], out: Path, progress: Progress
) -> dict[str, Any]:
    """Put trained runs on `sample-hard`, their diagnosis, map, suspects and edits into files.

    Args:
        services: Over the project the runs were packed in.
        results: What `run train` wrote, one file a run, the first to come first.
        out: Folder to write.
        progress: Told how far it is.

    Returns:
        `out`, `bytes`, and `runs`: the figures of each.

    Raises:
        SettingError: A result belongs to no run on `sample-hard` of this project.
        CadStudioError: As `TravelService.take`.
    """
    out.mkdir(parents=True, exist_ok=True)
    figures = []
    for at, result in enumerate(results):
        part = Part(progress, at / len(results), (at + 1) / len(results))
        figures.append(_build(services, at + 1, result, out, part))
    last = services.runs.all(HARD_NAME)[0]
    build_sample_edits(services, f"{len(results)}-{last['method']}", out, Silent())
    return {
        "out": str(out),
        "bytes": sum(file.stat().st_size for file in out.iterdir()),
        "runs": figures,
    }


def build_sample_edits(services: "Services", judge: str, out: Path, progress: Progress) -> None:
    """Put edits of the most entangled samples into a file, as the newest run judges them.

    Args:
        services: Over the project of that run.
        judge: How the files of that run begin.
        out: Folder to write.
        progress: Told how far it is.

    Raises:
        CadStudioError: As `AugmentationService.make`.
    """
    newest = services.runs.all(HARD_NAME)[0]
    request = AugmentRequest(HARD_NAME, budget={"limit": _N_EDITS}, run=newest["id"])
    made = services.augmentation.make(request, progress)
    edits = services.project.edits
    edit_set = edits.get(made["set"])
    index = edits.index(edit_set.id)
    seen = edits.evidence(edit_set.id, services.judges.open(newest["id"]).key)
    about = {
        "dataset": HARD_NAME,
        "judge": judge,
        "command": f"augment {HARD_NAME} --limit {_N_EDITS}",
        # the bundled model, wherever the studio lies
        "settings": {**edit_set.settings, "model": None},
        **{column: getattr(edit_set, column) for column in ("editor", "key", "shape")},
    }
    np.savez_compressed(
        out / EDITS_FILE,
        about=np.frombuffer(json.dumps(about).encode(), np.uint8),
        row=index.row.astype(np.uint16), label=index.label.astype(np.uint8), bond=index.bond,
        similarity=index.similarity.astype(np.float16),
        pixels=edits.pixels(edit_set).gather(index.place),
        before=seen.before.astype(np.float16), after=seen.after.astype(np.float16),
        top_before=seen.top_before.astype(np.uint8), top_after=seen.top_after.astype(np.uint8),
    )  # fmt: skip


def _build(
    services: "Services", place: int, result: Path, out: Path, progress: Progress
) -> dict[str, Any]:
    archive = Archive(result)
    packs = {
        each.environment.get(PACKED, {}).get("id"): each for each in services.project.runs.all()
    }
    run = packs.get(archive.about.get("pack", ""))
    if run is None or services.runs.dataset_of(run).name != HARD_NAME:
        raise SettingError(
            f"{result.name} is not the result of a run on {HARD_NAME} that was packed in this "
            f"project. Pack one: python -m cad_studio run pack {HARD_NAME}."
        )
    if run.finished_at is None:
        services.travel.take(result, Part(progress, 0.0, 0.1))
    services.diagnosis.prepare(run.id, Part(progress, 0.1, 0.3))
    services.diagnosis.maps.make(HARD_NAME, f"run:{run.id}", "umap", 0, Part(progress, 0.3, 0.7))
    found = services.diagnosis.suspects.find(
        HARD_NAME, run.id, _FEATURES, 0, Part(progress, 0.7, 1.0)
    )
    folder = services.project.run_folder(run.id)
    card = json.loads((folder / "diagnosis" / "card.json").read_text(encoding="utf-8"))
    name = f"{place}-{run.method}"
    _slimmed(archive, out / f"{name}{RESULT_SUFFIX}")
    np.savez_compressed(
        out / f"{name}.npz", **packed(folder / "diagnosis"), **_derived(services, run.id, card)
    )
    row = services.runs.get(run.id)
    told = {
        "what": f"A run on {HARD_NAME}, trained, diagnosed, laid out and searched for suspects",
        "commands": [
            f"run pack {HARD_NAME} --method {run.method} --epochs {run.config['epochs']} "
            f"--seed {run.config['seed']} --name {run.name} --truth",
            "run train FILE",
            "run bundle RESULT...",
        ],
        "dataset": HARD_NAME,
        "version": run.version_hash,
        "pack": archive.about["pack"],
        "model_time_ns": (folder / MODEL_FILE).stat().st_mtime_ns,
        "card": card,
        "run": {**{column: getattr(run, column) for column in _COLUMNS}, "note": NOTE},
    }
    (out / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return {
        "name": run.name,
        "test_accuracy": row["test_accuracy"],
        "seconds": row["seconds"],
        "suspects": found["counts"],
        "judge": found["judge"],
    }


def _slimmed(archive: Archive, target: Path) -> None:
    """A result without what only a run that goes on needs, packed."""
    slim = target.with_suffix("")
    told = {
        key: value for key, value in archive.about.items() if key not in ("kind", "format", "files")
    }
    with writing_archive(slim) as file:
        for name in archive.names():
            if not name.startswith(_LEFT_BEHIND):
                file.add_bytes(name, archive.bytes(name))
        file.finish(archive.kind, told)
    with slim.open("rb") as whole, lzma.open(target, "wb", preset=9) as small:
        shutil.copyfileobj(whole, small)
    slim.unlink()


def _derived(services: "Services", run_id: int, card: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """The map of a run and its suspects, as the project keeps them."""
    kept: dict[str, NDArray[Any]] = {}
    folder, mine = services.project.folder / "derived", f"run{run_id}-{card['key']}-umap-"
    for file in sorted(folder.glob(f"{mine}[0-9]*.npy")):
        name = file.name.replace(f"run{run_id}-", "run-", 1)
        kept[f"{DERIVED}{name}"] = np.load(file).astype(np.float32)
    suspects = services.diagnosis.suspects.kept_file(HARD_NAME, run_id, _FEATURES)
    text = (folder / suspects).read_bytes()
    kept[f"{DERIVED}{suspects}"] = np.frombuffer(text, np.uint8)
    return kept
