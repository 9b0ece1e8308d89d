"""A dataset to train on that is a tenth of the sample: an epoch takes a moment."""

from pathlib import Path

import numpy as np

from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.container import Services
from cad_studio.services.datasets.sample import SAMPLE_FILE

DATASET = "part"


def import_part(services: Services, folder: Path) -> None:
    """Put it into a project; `folder` takes the file."""
    with np.load(SAMPLE_FILE) as sample:
        part = {
            name: values if name == "class_names" else values[::10]
            for name, values in sample.items()
        }
    np.savez(folder / "part.npz", **part)
    services.importing.import_source(
        str(folder / "part.npz"), DATASET, ReadOptions(), False, Silent()
    )
