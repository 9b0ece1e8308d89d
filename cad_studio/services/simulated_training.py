"""What simulated annotation is worth to a network: short training on a copy of the project."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from cad_studio.config import AppConfig
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Progress
from cad_studio.services.training import TrainingRequest

METHOD = "proden"


def train_on(
    project: Path, name: str, sets: PartialLabels, epochs: int, seed: int, progress: Progress
) -> dict[str, Any]:
    """Train a small network on other candidate sets of a dataset; the project stays as it is.

    Args:
        project: Folder of the project.
        name: The dataset.
        sets: The sets to train on.
        epochs: Passes over the training samples.
        seed: Where chance comes from.
        progress: Told how far it is.

    Returns:
        `accuracy` and `entangled_accuracy` on the test split, and `disambiguation` of the training
        samples; all of them oracle figures, None where not known.
    """
    from cad_studio.services.container import Services

    with tempfile.TemporaryDirectory(dir=project / "scratch", prefix="simulation-") as folder:
        copy_project(project, Path(folder) / "copy")
        services = Services(AppConfig(Path(folder) / "copy"))
        try:
            blob = services.project.blobs.save_array(sets.packed)
            services.project.datasets.add_version(name, blob, "simulation", {})
            request = TrainingRequest(
                dataset=name, method=METHOD, config={"epochs": epochs, "seed": seed}
            )
            run = services.training.create(request)
            result = services.training.train(run.id, progress)
        finally:
            services.close()
    return {
        "accuracy": result["test_accuracy"],
        "entangled_accuracy": result["entangled_accuracy"],
        "disambiguation": result["disambiguation"],
    }


def copy_project(source: Path, target: Path) -> None:
    """A copy of a project's database, and its files by second names for the same bytes."""
    (target / "blobs").mkdir(parents=True)
    with (
        closing(sqlite3.connect(source / "project.db")) as old,
        closing(sqlite3.connect(target / "project.db")) as new,
    ):
        old.backup(new)
    for file in (source / "blobs").rglob("*"):
        if file.is_file():
            name = target / file.relative_to(source)
            name.parent.mkdir(exist_ok=True)
            name.hardlink_to(file)
