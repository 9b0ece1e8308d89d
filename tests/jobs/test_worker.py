"""Real jobs in real worker processes, and how each way to end is told."""

import logging
import os
import signal
import subprocess
import sys
import time

import pytest

from cad_studio import worker
from cad_studio.config import AppConfig
from cad_studio.core.errors import JobCancelled, ReadOnlyError, ResourceError, SettingError
from cad_studio.services.container import Services
from cad_studio.store.projects import Project
from tests.jobs.following import ended, reading, submit, wait
from tests.jobs.null_runner import NoWorkers

ROOT = worker.__file__.rpartition("/cad_studio/")[0]


@pytest.fixture
def still(tmp_path):
    """Services whose jobs wait until a test runs them in its own process."""
    project = Project(tmp_path / "still")
    services = Services(AppConfig(project.folder), NoWorkers(project))
    yield services
    services.close()
    project.close()


def claimed(services, kind="mine"):
    services.queue.submit(kind, "Find pairs", {})
    return services.queue.claim()


def operation(monkeypatch, work):
    """Have jobs do `work`, given their progress."""
    monkeypatch.setattr(worker, "run_operation", lambda _s, _kind, _arguments, handle: work(handle))


def raising(error):
    def work(_handle):
        raise error

    return work


def n_files(services):
    folder = services.project.folder
    return len([path for path in (folder / "blobs").rglob("*") if path.is_file()])


def test_an_import_runs_to_its_end_in_a_process_of_its_own(services, small):
    job = wait(services, submit(services, small).id, ended)
    assert (job.status, job.error, job.message, job.fraction) == ("done", None, "Done", 1.0)
    assert (job.result["n"], job.result["k"], job.result["name"]) == (4, 2, "pets")
    assert job.place["pid"] != os.getpid()
    assert services.datasets.describe("pets")["n"] == 4
    text, end = services.jobs.log(job.id, 0)
    assert f"job {job.id} starts, attempt 1: Import pets" in text
    assert "is done" in text
    assert services.jobs.log(job.id, end) == ("", end)


def test_what_the_user_can_mend_is_shown_as_it_is_and_the_next_job_runs(services, small, tmp_path):
    broken = submit(services, tmp_path / "nowhere.npz", "first")
    whole = submit(services, small, "second")
    job = wait(services, broken.id, ended)
    assert job.status == "failed"
    assert job.error.startswith(f"{str(tmp_path / 'nowhere.npz')!r} does not exist. Give a file")
    assert wait(services, whole.id, ended).status == "done"
    assert services.datasets.names() == ["second"]


def test_a_running_import_can_be_stopped_and_leaves_nothing(services, endless):
    """A stop was noticed only after 256 images, however large."""
    job = submit(services, endless)
    wait(services, job.id, reading)
    services.jobs.stop(job.id)
    job = wait(services, job.id, ended)
    assert (job.status, job.message) == ("cancelled", "Cancelled")
    assert services.datasets.names() == []
    assert n_files(services) == 0
    assert list((services.project.folder / "scratch").iterdir()) == []


def test_a_bug_is_told_from_an_error_and_its_details_are_in_the_log(services):
    job = services.queue.submit("mine", "Find pairs", {"name": "no features named"})
    job = wait(services, job.id, ended)
    log = services.project.log_file(job.id)
    assert (job.status, job.error) == (
        "failed", f"Unexpected error; the details are in {log}."
    )  # fmt: skip
    assert "KeyError: 'features'" in log.read_text(encoding="utf-8")


def test_the_last_words_of_a_crash_are_in_the_log_of_its_job(services, endless):
    """They were in one file for all workers, which no page shows."""
    job = submit(services, endless)
    running = wait(services, job.id, reading)
    os.kill(running.place["pid"], signal.SIGSEGV)
    job = wait(services, job.id, ended)
    assert job.status == "interrupted"
    assert job.error.startswith("Its process crashed (SIGSEGV); its log may say where. Resume it")
    assert "Fatal Python error: Segmentation fault" in services.jobs.log(job.id, 0)[0]


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (MemoryError(), "machine"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."), "graphics device"),
    ],
)
def test_memory_that_runs_out_is_told_in_words_to_the_job_and_to_who_ran_it(
    still, monkeypatch, error, where
):
    operation(monkeypatch, raising(error))
    job = claimed(still)
    with pytest.raises(ResourceError, match=f"The {where} has too little free memory"):
        worker.run_job(still, job)
    found = still.jobs.get(job.id)
    assert found.status == "failed"
    assert "start again with a smaller batch" in found.error
    assert still.jobs.resume(job.id).status == "queued"


def test_who_runs_a_job_in_a_terminal_gets_its_result_and_sees_its_progress(still, monkeypatch):
    shown = []

    class Shown:
        def report(self, fraction, message):
            shown.append((fraction, message))

    def work(handle):
        handle.report(0.5, "Half")
        return {"n": 3}

    operation(monkeypatch, work)
    job = still.jobs.run_here("mine", {"name": "x"})
    assert worker.run_job(still, job, Shown()) == {"n": 3}
    assert shown == [(0.5, "Half")]
    assert still.jobs.get(job.id).result == {"n": 3}


def test_errors_and_bugs_are_noted_and_reach_who_ran_the_job(still, monkeypatch):
    for error, status in ((SettingError("No."), "failed"), (KeyError("x"), "failed")):
        operation(monkeypatch, raising(error))
        job = claimed(still)
        with pytest.raises(type(error)):
            worker.run_job(still, job)
        assert still.jobs.get(job.id).status == status


def test_a_first_ctrl_c_stops_at_the_next_report_and_a_second_at_once(still, monkeypatch):
    steps = []

    def work(handle):
        steps.append("asked")
        os.kill(os.getpid(), signal.SIGINT)
        steps.append("saved")  # work that must not be torn apart
        handle.report(0.5, "Half")

    operation(monkeypatch, work)
    job = claimed(still)
    with pytest.raises(JobCancelled):
        worker.run_job(still, job)
    assert steps == ["asked", "saved"]
    assert still.jobs.get(job.id).status == "cancelled"

    def stubborn(_handle):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)

    operation(monkeypatch, stubborn)
    job = claimed(still)
    with pytest.raises(JobCancelled):
        worker.run_job(still, job)
    assert still.jobs.get(job.id).status == "cancelled"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_job_stopped_from_the_window_ends_the_command_too(still, monkeypatch):
    def work(handle):
        still.jobs.stop(job.id)
        handle.report(0.5, "Half")

    operation(monkeypatch, work)
    job = claimed(still)
    with pytest.raises(JobCancelled):
        worker.run_job(still, job)
    assert still.jobs.get(job.id).status == "cancelled"


def test_a_terminal_sees_no_more_of_the_log_than_before(still, monkeypatch, caplog):
    def work(handle):
        handle.report(0.5, "Half")
        logging.getLogger("other").warning("careful")
        return {}

    operation(monkeypatch, work)
    job = claimed(still)
    level = logging.getLogger().level
    worker.run_job(still, job)
    text = still.jobs.log(job.id, 0)[0]
    assert "50 %  Half" in text
    assert "WARNING careful" in text
    assert [record.message for record in caplog.records] == ["careful"]
    assert logging.getLogger().level == level


def test_a_kind_of_job_that_does_not_exist_fails_in_words(still):
    job = claimed(still, "dance")
    with pytest.raises(SettingError):
        worker.run_job(still, job)
    error = still.jobs.get(job.id).error
    assert error.startswith("'dance' is not a kind of job. Kinds: import, synthesize,")


def test_a_worker_without_work_ends_at_once(services):
    command = [sys.executable, "-m", "cad_studio.worker", str(services.project.folder)]
    done = subprocess.run(command, cwd=ROOT, timeout=60, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")


def test_a_read_only_studio_takes_no_jobs_but_those_of_the_house(tmp_path, small):
    services = Services(AppConfig(tmp_path / "project", read_only=True))
    with pytest.raises(ReadOnlyError, match=r"This studio is read-only\. Run your own copy"):
        submit(services, small)
    with pytest.raises(ReadOnlyError, match="read-only"):
        services.jobs.run_here("import", {})
    assert services.jobs.recent() == []
    arguments = {"source": str(small), "name": "n", "skip_bad": False, "options": {}}
    with pytest.raises(ReadOnlyError, match="read-only"):
        services.jobs.submit_for_the_house("import", arguments)
    job = services.jobs.submit_for_the_house("open-sample", {})
    for change in (
        lambda: services.jobs.stop(job.id),
        lambda: services.jobs.resume(job.id),
        lambda: services.jobs.move(job.id, "up"),
    ):
        with pytest.raises(ReadOnlyError, match="read-only"):
            change()
    assert wait(services, job.id, ended).status == "done"
    made = services.jobs.recent()[0].result
    assert made == {"name": "sample", "names": ["sample", "sample-hard"], "notes": []}
    services.close()
