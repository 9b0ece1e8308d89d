"""What simulated annotation is worth to a network: short training on a copy of the project."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Progress
from cad_studio.services.training.training import TrainingRequest
from cad_studio.store.copies import copy_project

if TYPE_CHECKING:
    from cad_studio.services.container import Services

METHOD = "proden"


def train_on(
    project: Path,
    open_copy: "Callable[[Path], Services]",
    name: str,
    sets: PartialLabels,
    epochs: int,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Train a small network on other candidate sets of a dataset; the project stays as it is.

    Args:
        project: Folder of the project.
        open_copy: The services over a project folder.
        name: The dataset.
        sets: The sets to train on.
        epochs: Passes over the training samples.
        seed: Random seed.
        progress: Told how far it is.

    Returns:
        `accuracy` and `entangled_accuracy` on the test split, and `disambiguation` of the training
        samples; all of them oracle figures, None where not known.
    """
    with tempfile.TemporaryDirectory(dir=project / "scratch", prefix="simulation-") as folder:
        copy_project(project, Path(folder) / "copy")
        services = open_copy(Path(folder) / "copy")
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
