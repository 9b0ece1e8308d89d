"""No space left, made real by a limit on the size of files in a process of its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cad_studio.config import AppConfig
from cad_studio.services.container import Services
from tests.services.small import blobs_in, save, store

PROGRAM = """
import resource, signal, sys
from pathlib import Path
from cad_studio.config import AppConfig
from cad_studio.core.errors import StorageError
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.container import Services
from cad_studio.services.pairs.mining import MiningRequest
from cad_studio.mining.settings import MiningConfig

folder, limit, action = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
services = Services(AppConfig(folder))
services.datasets.all()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    if action == "import":
        services.importing.import_source(sys.argv[4], "new", ReadOptions(), False, Silent())
    elif action == "export":
        services.exporting.export("old", "npz", Path(sys.argv[4]), Silent())
    elif action == "extract":
        services.mining.extract("old", "pixels", Silent())
    else:
        services.project.jobs.add({
            "kind": "k", "title": "t", "arguments": {"x": "x" * 500000}, "status": "queued",
            "fraction": 0.0, "message": "", "created_at": "now",
        })
except StorageError as error:
    print(error)
"""
SMALL, LARGE = (200, 8, 8), (2000, 28, 28)  # 12.8 kB and 1.6 MB


def noise(file, shape):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, shape, np.uint8)
    return save(file, images=images, labels=np.arange(len(images)) % 3)


@pytest.fixture
def folder(tmp_path):
    services = Services(AppConfig(tmp_path / "project"))
    store(services, noise(tmp_path / "old.npz", SMALL), name="old")
    services.close()
    return tmp_path / "project"


def run_limited(folder, limit, action, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), str(limit), action, *map(str, arguments)],
        capture_output=True, text=True, timeout=60, cwd=Path(__file__).parent.parent.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_an_import_that_fills_the_disk_is_told_and_leaves_the_project_as_it_was(folder, tmp_path):
    """The words were missing, as an error on the way in skips the way out."""
    new = noise(tmp_path / "new.npz", LARGE)
    before = blobs_in(folder)
    said = run_limited(folder, 500_000, "import", new)
    assert said == (
        f"No space is left for {folder / 'blobs'}. Free some and start again; "
        "what was saved before is intact.\n"
    )
    assert blobs_in(folder) == before
    services = Services(AppConfig(folder))
    assert services.datasets.names() == ["old"]
    assert services.datasets.describe("old")["n"] == 200
    assert store(services, new, name="new")["n"] == 2000
    services.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_an_export_that_fills_the_disk_leaves_the_older_file(folder, tmp_path):
    out = tmp_path / "out.npz"
    out.write_bytes(b"older")
    said = run_limited(folder, 5_000, "export", out)
    assert said == f"No space is left for {out}. Free some and export again.\n"
    assert out.read_bytes() == b"older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.npz", "out.npz", "project"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_features_that_fill_the_disk_are_not_kept_by_halves(folder):
    before = blobs_in(folder)
    assert "No space is left for" in run_limited(folder, 5_000, "extract")
    assert blobs_in(folder) == before
    services = Services(AppConfig(folder))
    assert services.mining.feature_sets("old") == []
    services.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_a_database_that_cannot_grow_is_told_and_stays_readable(folder):
    said = run_limited(folder, 200_000, "record")
    assert said.startswith(f"The disk that holds {folder / 'project.db'} is full or failing. Free")
    services = Services(AppConfig(folder))
    assert services.jobs.recent() == []
    assert services.datasets.names() == ["old"]
    services.close()
