"""Projects, and imports that are quick or never end."""

import os

import numpy as np
import pytest
from PIL import Image

from cad_studio.config import AppConfig
from cad_studio.jobs.queue import JobQueue
from cad_studio.services.container import Services
from cad_studio.store.projects import Project
from tests.jobs.following import end_all
from tests.jobs.null_runner import NoWorkers


@pytest.fixture
def services(tmp_path):
    services = Services(AppConfig(tmp_path / "project ü"))
    yield services
    end_all(services)
    services.close()


@pytest.fixture
def small(tmp_path):
    """A file that is imported in no time."""
    file = tmp_path / "small.npz"
    images = np.arange(4 * 9, dtype=np.uint8).reshape(4, 3, 3)
    np.savez(file, images=images, labels=np.array([0, 1, 0, 1]))
    return file


@pytest.fixture
def endless(tmp_path):
    """A folder whose import takes far longer than a test."""
    folder = tmp_path / "endless"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)).save(
        folder / "0.png", compress_level=1
    )
    lines = ["file_name,label"]
    for row in range(3000):
        if row:
            os.link(folder / "0.png", folder / f"{row}.png")
        lines.append(f"{row}.png,{'ab'[row % 2]}")
    (folder / "metadata.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path)
    yield project
    project.close()


@pytest.fixture
def runner(project):
    return NoWorkers(project)


@pytest.fixture
def queue(project, runner):
    """A queue whose jobs wait until a test claims them."""
    return JobQueue(project.jobs, runner, {"train"})
