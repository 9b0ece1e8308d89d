"""Reading in a process of its own: what comes back, and every way it can end."""

import gc
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from cad_studio.core.errors import JobCancelled, ReaderEndedError
from cad_studio.core.progress import Silent
from cad_studio.datasets import _memory, _reader_process
from cad_studio.datasets._base import READERS, ReadOptions, is_fragile, read_here, read_source
from tests.datasets.hostile import BASES
from tests.datasets.sources import MAKERS


def child_processes() -> list[psutil.Process]:
    gc.collect()
    # what other tests of this process started stays with multiprocessing's own
    return [
        child
        for child in psutil.Process().children()
        if not any("multiprocessing" in part for part in child.cmdline())
    ]


def test_every_reader_of_native_code_is_kept_apart(tmp_path):
    """The libraries that were seen to crash are loaded in no process that reads for the studio."""
    program = (
        "import sys, json\n"
        "from cad_studio.core.progress import Silent\n"
        "from cad_studio.datasets._base import ReadOptions, read_source\n"
        "for source, options in json.loads(sys.argv[1]):\n"
        "    found = read_source(source, ReadOptions(**options), Silent())\n"
        "    for row in range(len(found.images or ())): found.images.read(row)\n"
        "print({'scipy', 'pyarrow', 'torch', 'h5py'} & set(sys.modules))\n"
    )
    sources = []
    one_of_each = {f"reader {name}" for name in READERS.names() if name != "torchvision"}
    for place, name in enumerate(sorted(one_of_each | {"parquet votes", "candidates sets.pt"})):
        folder = tmp_path / str(place)
        folder.mkdir()
        made = BASES[name](folder)
        options = {"candidates": made.options.candidates, "images_dir": made.options.images_dir,
                   "class_names": made.options.class_names}  # fmt: skip
        sources.append((made.source, options))
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(sources)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "set()"), done.stderr


@pytest.mark.parametrize("name", [name for name in READERS.names() if name != "torchvision"])
def test_what_comes_back_is_what_was_read(name, tmp_path):
    made = MAKERS[name](tmp_path, False)
    here = read_here(made.source, made.options, Silent())
    there = _reader_process.read_in_process(made.source, made.options, Silent())
    for field in ("class_names", "ids", "splits", "candidates", "class_descriptions", "problems"):
        assert getattr(here, field) == getattr(there, field)
    for field in ("truth", "features"):
        assert np.array_equal(getattr(here, field), getattr(there, field))
    if here.images is None:
        assert there.images is None
        assert not child_processes()
        return
    assert len(here.images) == len(there.images)
    for row in (0, 1, 2, 3, 2, 0, 3):
        assert np.array_equal(here.images.read(row), there.images.read(row))
    if there.truth is not None:
        there.truth += 1  # its arrays may be written to
    del there
    assert not child_processes()


ENDS = {
    "segv": r"segv\.mat: the file is damaged so badly that its reader crashed \(SIGSEGV\)",
    "abort": r"crashed \(SIGABRT\)",
    "kill": "the system ended the reader",
    "exit": "exit status 3",
    "hang": "longer than 1 seconds and was given up",
    "flood": "crashed .* or it needs more than the 0 MiB of memory that may be used",
}


@pytest.fixture
def dying(monkeypatch):
    monkeypatch.setattr(_reader_process, "_CHILD", "tests.datasets.dying_child")
    monkeypatch.setattr(_memory, "_granted", 2**16)
    monkeypatch.setattr(_reader_process, "_BATCH_SECONDS", 1)
    monkeypatch.setattr(_reader_process, "_START_SECONDS", 60)


@pytest.mark.parametrize("how", ENDS)
def test_every_end_of_a_reader_is_a_message(how, dying, tmp_path, monkeypatch):
    if how == "hang":
        monkeypatch.setattr(_reader_process, "_START_SECONDS", 1)
    (tmp_path / f"{how}.mat").write_bytes(b"")
    with pytest.raises(ReaderEndedError, match=ENDS[how]):
        read_source(str(tmp_path / f"{how}.mat"), ReadOptions(), Silent())
    assert not child_processes()


@pytest.mark.parametrize("how", ["segv", "kill", "hang"])
def test_a_reader_that_ends_between_two_images_ends_the_import(how, dying, tmp_path):
    """Were it a problem of one image, `--skip-bad` would import the rest as if it were whole."""
    (tmp_path / f"images-{how}.mat").write_bytes(b"")
    found = read_source(str(tmp_path / f"images-{how}.mat"), ReadOptions(), Silent())
    assert found.images.read(0).shape == (2, 2)
    for _ in range(2):
        with pytest.raises(ReaderEndedError):
            found.images.read(1)
    assert not child_processes()


class Stopped:
    """Progress of a job that is asked to stop."""

    def report(self, fraction: float, message: str) -> None:
        raise JobCancelled


def test_a_stop_ends_the_reader_at_once(dying, tmp_path):
    (tmp_path / "hang.mat").write_bytes(b"")
    with pytest.raises(JobCancelled):
        read_source(str(tmp_path / "hang.mat"), ReadOptions(), Stopped())
    assert not child_processes()


def test_images_may_be_asked_for_by_many_threads(tmp_path):
    found = read_source(BASES["arrow stream"](tmp_path).source, ReadOptions(), Silent())
    expected = [found.images.read(row) for row in range(4)]
    wrong = []

    def ask(seed: int) -> None:
        for row in np.random.default_rng(seed).integers(0, 4, 50):
            if found.images.read(int(row)) != expected[row]:
                wrong.append(row)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_sources_that_only_python_reads_start_no_process(tmp_path):
    for name in ("idx", "image-folder", "npz"):
        (tmp_path / name).mkdir()
        made = MAKERS[name](tmp_path / name, False)
        assert not is_fragile(made.source, made.options)
