"""Real jobs in real worker processes."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
from PIL import Image

from cad_studio import worker
from cad_studio.config import AppConfig
from cad_studio.core.errors import ReadOnlyError
from cad_studio.jobs.queue import INTERRUPTED
from cad_studio.services.container import Services

SECONDS = 60


@pytest.fixture
def services(tmp_path):
    services = Services(AppConfig(tmp_path / "project ü"))
    yield services
    for job in services.project.jobs.of_status("running"):
        services.queue.request_cancel(job.id)
        services.queue.request_cancel(job.id)
    services.close()


@pytest.fixture
def small(tmp_path):
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


def submit(services, source, name="pets"):
    options = {"format": None, "candidates": None, "candidates_mode": None, "splits": []}
    arguments = {"source": str(source), "name": name, "skip_bad": False, "options": options}
    return services.jobs.submit("import", f"Import {name}", arguments)


def wait(services, job_id, is_reached):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        job = services.jobs.get(job_id)
        if is_reached(job):
            return job
        time.sleep(0.03)
    raise AssertionError(f"still {job.status} after {SECONDS} s: {job.message}; {job.error}")


def ended(job):
    return job.status not in {"queued", "running"}


def reading(job):
    assert not ended(job), job.error
    return job.status == "running" and job.message.startswith("Reading images")


def n_files(services):
    folder = services.project.folder
    return len([path for path in (folder / "blobs").rglob("*") if path.is_file()])


def test_an_import_runs_to_its_end_in_a_process_of_its_own(services, small):
    job = wait(services, submit(services, small).id, ended)
    assert (job.status, job.error, job.message, job.fraction) == ("done", None, "Done", 1.0)
    assert (job.result["n"], job.result["k"], job.result["name"]) == (4, 2, "pets")
    assert job.pid != os.getpid()
    assert services.datasets.describe("pets")["n"] == 4
    assert "is done" in services.project.log_file(job.id).read_text(encoding="utf-8")


def test_what_the_user_can_mend_is_shown_as_it_is_and_the_next_job_runs(services, small, tmp_path):
    broken = submit(services, tmp_path / "nowhere.npz", "first")
    whole = submit(services, small, "second")
    job = wait(services, broken.id, ended)
    assert job.status == "failed"
    assert job.error.startswith(f"{str(tmp_path / 'nowhere.npz')!r} does not exist. Give a file")
    assert wait(services, whole.id, ended).status == "done"
    assert services.datasets.names() == ["second"]


def test_a_killed_worker_leaves_a_failed_job_no_data_and_a_queue_that_goes_on(
    services, endless, small
):
    first, second = submit(services, endless), submit(services, small, "next")
    running = wait(services, first.id, reading)
    os.kill(running.pid, signal.SIGKILL)
    # whoever waits for the second job need not ask about the first
    assert wait(services, second.id, ended).status == "done"
    job = services.jobs.get(first.id)
    assert (job.status, job.error) == ("failed", INTERRUPTED)
    assert services.datasets.names() == ["next"]
    used = services.datasets.get("next")
    assert n_files(services) == len({*used.files.values(), used.version.candidates})


def test_a_running_import_can_be_cancelled_and_leaves_nothing(services, endless):
    """A stop was noticed only after 256 images, however large."""
    job = submit(services, endless)
    wait(services, job.id, reading)
    asked_at = time.monotonic()
    services.jobs.cancel(job.id)
    job = wait(services, job.id, ended)
    assert time.monotonic() - asked_at < 3
    assert (job.status, job.message) == ("cancelled", "Cancelled")
    assert services.datasets.names() == []
    assert n_files(services) == 0
    assert list((services.project.folder / "scratch").iterdir()) == []


def test_a_worker_that_hangs_is_ended_by_a_second_cancel(services, endless):
    job = submit(services, endless)
    running = wait(services, job.id, reading)
    os.kill(running.pid, signal.SIGSTOP)
    services.jobs.cancel(job.id)
    assert services.jobs.get(job.id).status == "running"
    services.jobs.cancel(job.id)
    assert services.jobs.get(job.id).status == "cancelled"
    deadline = time.monotonic() + SECONDS
    while _runs(running.pid) and time.monotonic() < deadline:
        time.sleep(0.03)
    assert not _runs(running.pid)
    assert services.datasets.names() == []


def test_a_bug_is_told_from_an_error_and_its_details_are_in_the_log(services):
    job = services.queue.submit("mine", "Find pairs", {"name": "no features named"})
    job = wait(services, job.id, ended)
    log = services.project.log_file(job.id)
    assert (job.status, job.error) == (
        "failed", f"Unexpected error; the details are in {log}."
    )  # fmt: skip
    assert "KeyError: 'features'" in log.read_text(encoding="utf-8")


def test_memory_that_runs_out_is_told_in_words(services, monkeypatch):
    def greedy(*_):
        raise MemoryError

    monkeypatch.setattr(services.queue, "_start_worker", lambda: None)
    monkeypatch.setattr(worker, "run_operation", greedy)
    job = services.queue.submit("mine", "Find pairs", {})
    worker.run_job(services, services.queue.claim())
    assert services.jobs.get(job.id).error.startswith("The machine has too little memory")


def test_a_kind_of_job_that_does_not_exist_fails_in_words(services, monkeypatch):
    monkeypatch.setattr(services.queue, "_start_worker", lambda: None)
    job = services.queue.submit("dance", "Dance", {})
    worker.run_job(services, services.queue.claim())
    error = services.jobs.get(job.id).error
    assert error.startswith("'dance' is not a kind of job. Kinds: import, synthesize,")


def test_a_worker_without_work_ends_at_once(services):
    run = partial(subprocess.run, cwd=worker.__file__.rpartition("/cad_studio/")[0], timeout=60)
    done = run(
        [sys.executable, "-m", "cad_studio.worker", str(services.project.folder)],
        capture_output=True,
    )
    assert (done.returncode, done.stdout) == (0, b"")


def test_a_read_only_studio_takes_no_jobs_but_those_of_the_house(tmp_path, small):
    services = Services(AppConfig(tmp_path / "project", read_only=True))
    with pytest.raises(ReadOnlyError, match=r"This studio is read-only\. Run your own copy"):
        submit(services, small)
    assert services.jobs.recent() == []
    arguments = {"source": str(small), "name": "n", "skip_bad": False, "options": {}}
    job = services.jobs.submit_for_the_house("import", "Import", arguments)
    with pytest.raises(ReadOnlyError, match="read-only"):
        services.jobs.cancel(job.id)
    assert wait(services, job.id, ended).status == "done"
    assert json.loads(json.dumps(services.jobs.recent()[0].result))["n"] == 4
    services.close()


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
