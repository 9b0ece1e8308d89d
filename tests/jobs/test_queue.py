"""The queue: one job at a time, oldest first, and every way a job can end."""

import os
import subprocess
import sys
import threading

import pytest

from cad_studio.core.errors import JobCancelled, RecordNotFoundError, SettingError
from cad_studio.jobs.handle import JobHandle
from cad_studio.jobs.queue import INTERRUPTED, MAX_QUEUED, JobQueue, is_alive
from cad_studio.store.projects import Project

GONE = {"pid": 2**22 + 1, "pid_started": "1"}


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path)
    yield project
    project.close()


@pytest.fixture
def started():
    """One entry for each worker that was started."""
    return []


@pytest.fixture
def queue(project, started):
    return JobQueue(project.jobs, lambda: started.append(1))


def submit(queue, title="t"):
    return queue.submit("import", title, {"name": "ü"})


def test_a_new_job_waits_and_a_worker_is_started(queue, project, started):
    job = submit(queue, "Import ü")
    assert started == [1]
    assert project.jobs.get(job.id) == job
    assert (job.status, job.fraction, job.title) == ("queued", 0.0, "Import ü")
    assert job.arguments == {"name": "ü"}
    assert job.pid is None


def test_jobs_are_claimed_one_at_a_time_oldest_first(queue):
    first, second = submit(queue), submit(queue)
    claimed = queue.claim()
    assert (claimed.id, claimed.status, claimed.pid) == (first.id, "running", os.getpid())
    assert is_alive(claimed)
    assert queue.claim() is None
    queue.finish(first.id, {"n": 3})
    assert queue.claim().id == second.id


def test_of_many_that_claim_at_once_one_wins(queue, project):
    job = submit(queue)
    submit(queue)
    barrier = threading.Barrier(8)
    won = []

    def claim():
        own = JobQueue(Project(project.folder).jobs, lambda: None)
        barrier.wait()
        won.append(own.claim())

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.id for each in won if each is not None] == [job.id]


def test_a_job_ends_once(queue, project):
    job = submit(queue)
    queue.claim()
    queue.finish(job.id, {"n": 3})
    queue.fail(job.id, "too late")
    queue.cancelled(job.id)
    found = project.jobs.get(job.id)
    assert (found.status, found.result, found.error) == ("done", {"n": 3}, None)
    assert (found.fraction, found.finished_at is None) == (1.0, False)


def test_a_job_that_has_not_started_cannot_finish(queue, project):
    job = submit(queue)
    queue.finish(job.id, {})
    assert project.jobs.get(job.id).status == "queued"


def test_a_waiting_job_is_cancelled_at_once_and_never_claimed(queue, project):
    job = submit(queue)
    queue.request_cancel(job.id)
    assert project.jobs.get(job.id).status == "cancelled"
    assert queue.claim() is None


def test_a_running_job_learns_of_its_cancellation_at_the_next_report(queue, project):
    job = submit(queue)
    queue.claim()
    seconds = iter([0.0, 0.0, 9.0, 9.0])
    handle = JobHandle(queue, job.id, clock=lambda: next(seconds))
    handle.report(0.25, "Reading")
    found = project.jobs.get(job.id)
    assert (found.fraction, found.message) == (0.25, "Reading")
    queue.request_cancel(job.id)
    assert project.jobs.get(job.id).message == "Stopping"
    with pytest.raises(JobCancelled):
        handle.report(0.5, "Reading")
    queue.cancelled(job.id)
    assert project.jobs.get(job.id).status == "cancelled"


def test_reports_in_quick_succession_are_noted_once_and_held_to_their_range(queue, project):
    job = submit(queue)
    queue.claim()
    seconds = iter([0.0, 0.0, 0.1, 5.0, 5.0])
    handle = JobHandle(queue, job.id, clock=lambda: next(seconds))
    handle.report(-1.0, "first")
    handle.report(0.5, "too soon")
    assert project.jobs.get(job.id).message == "first"
    assert project.jobs.get(job.id).fraction == 0.0
    handle.report(7.0, "last")
    assert (project.jobs.get(job.id).message, project.jobs.get(job.id).fraction) == ("last", 1.0)


def test_a_second_cancel_ends_the_process_group_and_wakes_the_next(queue, project, started):
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    worker = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, start_new_session=True
    )
    job, _waiting = submit(queue), submit(queue)
    queue.claim()
    began = _ticks(worker.pid)
    project.jobs.change(job.id, ("running",), pid=worker.pid, pid_started=began)
    queue.request_cancel(job.id)
    assert worker.poll() is None
    n_started = len(started)
    queue.request_cancel(job.id)
    assert worker.wait(10) == -9
    assert project.jobs.get(job.id).status == "cancelled"
    assert len(started) == n_started + 1


@pytest.mark.parametrize("pid_started", ["1", None])
def test_a_process_that_only_took_over_the_number_is_left_alone(queue, project, pid_started):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        job = submit(queue)
        queue.claim()
        project.jobs.change(job.id, ("running",), pid=other.pid, pid_started=pid_started)
        assert not is_alive(project.jobs.get(job.id))
        project.jobs.change(job.id, ("running",), cancel_requested=True)
        queue.request_cancel(job.id)
        assert other.poll() is None
        other.communicate(b"\n", timeout=10)
        assert other.returncode == 0


def test_a_job_whose_process_is_gone_fails_in_words_and_the_next_is_started(
    queue, project, started
):
    """Jobs behind a killed worker waited until something else was submitted."""
    job, waiting = submit(queue), submit(queue)
    queue.claim()
    project.jobs.change(job.id, ("running",), **GONE)
    n_started = len(started)
    queue.recover()
    found = project.jobs.get(job.id)
    assert (found.status, found.error) == ("failed", INTERRUPTED)
    assert INTERRUPTED.startswith("Interrupted: ")
    assert len(started) == n_started + 1
    queue.recover()
    assert len(started) == n_started + 1
    assert queue.claim().id == waiting.id


def test_a_claim_is_not_stopped_by_a_job_whose_process_is_gone(queue, project):
    job, waiting = submit(queue), submit(queue)
    queue.claim()
    project.jobs.change(job.id, ("running",), **GONE)
    assert queue.claim().id == waiting.id


def test_more_jobs_than_the_queue_holds_are_refused(queue, project):
    jobs = [submit(queue) for _ in range(MAX_QUEUED)]
    with pytest.raises(SettingError, match=r"20 jobs are waiting already\. Cancel one"):
        submit(queue)
    assert len(project.jobs.of_status("queued")) == MAX_QUEUED
    queue.request_cancel(jobs[0].id)
    assert submit(queue).status == "queued"


def test_an_unknown_job_is_refused_in_words(queue):
    with pytest.raises(RecordNotFoundError, match="Job 7 is not in this project"):
        queue.request_cancel(7)


def _ticks(pid):
    from cad_studio.jobs.queue import _started

    return _started(pid)
