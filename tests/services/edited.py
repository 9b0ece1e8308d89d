"""A small dataset of images with an in-domain editor, for the tests of edits."""

from pathlib import Path

import numpy as np

from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.edits.models import EditModelRequest
from cad_studio.services.training.training import TrainingRequest
from tests.services.small import save, sets, store

N_TRAIN, N_TEST, N_CLASSES, SIDE_PX = 60, 12, 3, 12
NAMES = ["dark", "grey", "bright"]
QUICK_EDITOR = {"epochs": 1, "width": 16, "components": 8, "threads": 1, "device": "cpu"}


def brightness(folder: Path, seed: int = 0, names: list[str] | None = None) -> Path:
    """Images as bright as their class, with candidates around it."""
    chance = np.random.default_rng(seed)
    n_samples = N_TRAIN + N_TEST
    truth = chance.integers(N_CLASSES, size=n_samples)
    noise = chance.integers(0, 60, (n_samples, SIDE_PX, SIDE_PX))
    return save(
        folder / f"brightness-{seed}.npz",
        images=(70 * truth[:, None, None] + noise).astype(np.uint8),
        candidates=sets(n_samples, N_CLASSES, truth, seed),
        labels=truth,
        split=np.array(["train"] * N_TRAIN + ["test"] * N_TEST),
        class_names=np.array(names or NAMES),
    )


def with_editor(services: Services, folder: Path, name: str = "b", seed: int = 0) -> str:
    """Import the dataset, and train an editor for it; its name."""
    store(services, brightness(folder, seed), name)
    model = services.edit_models.create(EditModelRequest(name, config=QUICK_EDITOR))
    services.edit_models.train(model.id, Silent())
    return name


def with_run(services: Services, name: str = "b", method: str = "proden", **config: object) -> int:
    """Train a short run; its number."""
    loop = {"epochs": 2, "batch_size": 16, "threads": 1, "device": "cpu", **config}
    run = services.training.create(TrainingRequest(name, method, config=loop))
    services.training.train(run.id, Silent())
    return run.id
