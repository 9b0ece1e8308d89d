"""The queue: one job at a time, in order, and every way a job can end."""

import os
import subprocess
import sys
import threading
import time

import pytest

from cad_studio.core.errors import JobCancelled, RecordNotFoundError, SettingError
from cad_studio.jobs import processes
from cad_studio.jobs.handle import JobHandle
from cad_studio.jobs.queue import MAX_QUEUED, MAX_VAIN_STARTS, JobQueue
from cad_studio.store.projects import Project
from tests.jobs.following import move_away, queued, status
from tests.jobs.null_runner import NoneComes, NoWorkers


def test_a_new_job_waits_and_a_worker_is_started(queue, project, runner):
    job = queued(queue, "Import ü")
    assert runner.n_started == 1
    assert project.jobs.get(job.id) == job
    assert (job.status, job.fraction, job.title, job.attempts) == ("queued", 0.0, "Import ü", 1)
    assert job.arguments == {"name": "ü"}
    assert job.place is None


def test_no_worker_is_started_while_one_is_at_work_since_it_starts_the_next(queue, runner):
    queued(queue)
    running = queue.claim()
    queued(queue)
    assert runner.n_started == 1
    queue.finish(running, {})
    queue.wake()
    assert runner.n_started == 2


def test_jobs_are_claimed_one_at_a_time_oldest_first(queue):
    first, second = queued(queue), queued(queue)
    claimed = queue.claim()
    assert (claimed.id, claimed.status, claimed.place["pid"]) == (first.id, "running", os.getpid())
    assert queue.claim() is None
    queue.finish(claimed, {"n": 3})
    assert queue.claim().id == second.id


def test_a_job_that_is_stopping_still_keeps_the_next_one_waiting(queue):
    job, _next = queued(queue), queued(queue)
    queue.claim()
    queue.stop(job.id)
    assert queue.claim() is None


def test_of_many_apps_that_claim_at_once_one_wins(queue, project):
    job = queued(queue)
    queued(queue)
    barrier = threading.Barrier(8)
    won = []

    def claim():
        other = Project(project.folder)
        own = JobQueue(other.jobs, NoWorkers(other))
        barrier.wait()
        won.append(own.claim())

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.id for each in won if each is not None] == [job.id]


def test_a_job_ends_once(queue, project):
    queued(queue)
    job = queue.claim()
    queue.finish(job, {"n": 3})
    queue.fail(job, "too late")
    queue.cancelled(job)
    found = project.jobs.get(job.id)
    assert (found.status, found.result, found.error) == ("done", {"n": 3}, None)
    assert (found.fraction, found.finished_at is None) == (1.0, False)


def test_a_job_that_has_not_started_cannot_finish(queue, project):
    job = queued(queue)
    queue.finish(job, {})
    assert status(project, job) == "queued"


def test_a_waiting_job_is_cancelled_at_once_and_never_claimed(queue, project):
    job = queued(queue)
    queue.stop(job.id)
    assert status(project, job) == "cancelled"
    assert queue.claim() is None


def test_a_running_job_learns_that_it_should_stop_at_the_next_report(queue, project):
    queued(queue)
    job = queue.claim()
    seconds = iter([0.0, 9.0])
    handle = JobHandle(queue, job, clock=lambda: next(seconds))
    handle.report(0.25, "Reading")
    found = project.jobs.get(job.id)
    assert (found.fraction, found.message) == (0.25, "Reading")
    queue.stop(job.id)
    found = project.jobs.get(job.id)
    assert (found.status, found.message, found.finished_at) == ("stopping", "Stopping", None)
    with pytest.raises(JobCancelled):
        handle.report(0.5, "Reading")
    queue.cancelled(job)
    assert status(project, job) == "cancelled"


def test_reports_in_quick_succession_are_noted_once_and_held_to_their_range(queue, project):
    queued(queue)
    job = queue.claim()
    seconds = iter([0.0, 0.1, 5.0])
    handle = JobHandle(queue, job, clock=lambda: next(seconds))
    handle.report(-1.0, "first")
    handle.report(0.5, "too soon")
    assert project.jobs.get(job.id).message == "first"
    assert project.jobs.get(job.id).fraction == 0.0
    handle.report(7.0, "last")
    assert (project.jobs.get(job.id).message, project.jobs.get(job.id).fraction) == ("last", 1.0)


def test_a_second_stop_ends_the_process_group_and_wakes_the_next(queue, project, runner):
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    worker = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, start_new_session=True
    )
    job, _waiting = queued(queue), queued(queue)
    queue.claim()
    move_away(project, job, processes.place_of(worker.pid))
    queue.stop(job.id)
    assert worker.poll() is None
    n_started = runner.n_started
    queue.stop(job.id)
    assert worker.wait(10) == -9
    assert status(project, job) == "cancelled"
    assert runner.n_started == n_started + 1


@pytest.mark.parametrize("change", [{"started": "1"}, {"started": None}, {"boot": "another boot"}])
def test_a_process_that_only_took_over_the_number_is_left_alone(queue, project, change):
    """Across a restart, number and ticks since boot may both be the same by chance."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        job = queued(queue)
        queue.claim()
        place = processes.place_of(other.pid)
        assert processes.is_alive(place)
        move_away(project, job, place | change)
        assert not processes.is_alive(place | change)
        queue.stop(job.id)
        queue.stop(job.id)
        assert other.poll() is None
        other.communicate(b"\n", timeout=10)
        assert other.returncode == 0


def test_a_job_whose_process_is_gone_is_interrupted_and_the_next_is_started(queue, project, runner):
    """Jobs behind a killed worker waited until something else was submitted."""
    job, waiting = queued(queue), queued(queue)
    queue.claim()
    move_away(project, job)
    runner.n_started = 0
    queue.recover()
    found = project.jobs.get(job.id)
    assert (found.status, found.message, found.result) == ("interrupted", "Interrupted", None)
    assert found.error == "Its process was killed or crashed. Resume it to start it again."
    assert queue.claim().id == waiting.id


def test_an_interrupted_training_is_told_to_go_on_from_its_checkpoint(queue, project):
    job = queued(queue, kind="train")
    queue.claim()
    move_away(project, job)
    queue.recover()
    assert project.jobs.get(job.id).error.endswith(
        "Resume it to go on from where it was last saved."
    )


def test_a_job_killed_while_it_was_stopping_is_cancelled_as_asked(queue, project):
    job = queued(queue)
    queue.claim()
    queue.stop(job.id)
    move_away(project, job)
    queue.recover()
    assert status(project, job) == "cancelled"


def test_a_claim_is_not_stopped_by_a_job_whose_process_is_gone(queue, project):
    job, waiting = queued(queue), queued(queue)
    queue.claim()
    move_away(project, job)
    assert queue.claim().id == waiting.id


def test_a_resumed_job_is_the_same_row_one_attempt_on(queue, project, runner):
    queued(queue, kind="train")
    job = queue.claim()
    queue.progress(job, 0.5, "Epoch 5 of 10")
    move_away(project, job)
    queue.recover()
    n_started = runner.n_started
    again = queue.resume(job.id)
    assert (again.id, again.status, again.attempts, again.fraction) == (job.id, "queued", 2, 0.5)
    assert (again.error, again.finished_at, again.place) == (None, None, None)
    assert runner.n_started == n_started + 1
    assert queue.claim().id == job.id


def test_a_resumed_job_that_starts_again_starts_at_nothing(queue):
    queued(queue)
    job = queue.claim()
    queue.progress(job, 0.5, "Reading")
    queue.fail(job, "too bad")
    assert queue.resume(job.id).fraction == 0.0


@pytest.mark.parametrize("end", ["fail", "cancelled"])
def test_failed_and_cancelled_jobs_wait_again_behind_the_others(queue, project, end):
    queued(queue)
    job = queue.claim()
    other = queued(queue)
    getattr(queue, end)(*((job, "too bad") if end == "fail" else (job,)))
    queue.resume(job.id)
    assert [each.id for each in project.jobs.active()] == [other.id, job.id]


def test_what_runs_waits_or_is_done_is_not_resumed(queue):
    job = queued(queue)
    with pytest.raises(SettingError, match=f"Job {job.id} is queued; only a job that was"):
        queue.resume(job.id)
    claimed = queue.claim()
    with pytest.raises(SettingError, match="is running"):
        queue.resume(job.id)
    queue.finish(claimed, {})
    with pytest.raises(SettingError, match="is done"):
        queue.resume(job.id)


def test_a_worker_that_lost_its_job_to_another_attempt_stops_and_is_not_heard(queue, project):
    """As when a machine slept so long that its job was taken for dead."""
    queued(queue)
    old = queue.claim()
    move_away(project, old)
    queue.recover()
    queue.resume(old.id)
    queue.claim()
    with pytest.raises(JobCancelled):
        JobHandle(queue, old).report(0.9, "from the dead")
    queue.finish(old, {"n": 1})
    queue.fail(old, "from the dead")
    found = project.jobs.get(old.id)
    assert (found.status, found.message, found.error) == ("running", "Starting", None)


def test_waiting_jobs_change_places(queue, project):
    ids = [queued(queue, str(number)).id for number in range(4)]
    one, two, three, four = ids

    def order():
        return [job.id for job in project.jobs.active()]

    queue.move(three, "up")
    assert order() == [one, three, two, four]
    queue.move(four, "first")
    assert order() == [four, one, three, two]
    queue.move(one, "down")
    assert order() == [four, three, one, two]
    queue.move(four, "up")
    queue.move(two, "down")
    assert order() == [four, three, one, two]
    assert queue.claim().id == four
    assert order()[0] == four
    queued(queue)
    assert order()[:4] == [four, three, one, two]


def test_only_waiting_jobs_are_moved(queue):
    job = queued(queue)
    queue.claim()
    with pytest.raises(SettingError, match=f"Job {job.id} is running; only waiting jobs have an"):
        queue.move(job.id, "up")
    with pytest.raises(SettingError, match=r"'last' is no move\. Allowed: up, down, first"):
        queue.move(job.id, "last")


def test_more_jobs_than_the_queue_holds_are_refused(queue, project):
    jobs = [queued(queue) for _ in range(MAX_QUEUED)]
    with pytest.raises(SettingError, match=r"20 jobs are waiting already\. Cancel one"):
        queued(queue)
    assert len(project.jobs.of_status("queued")) == MAX_QUEUED
    queue.stop(jobs[0].id)
    assert queued(queue).status == "queued"
    with pytest.raises(SettingError, match="20 jobs are waiting already"):
        queue.resume(jobs[0].id)


@pytest.mark.parametrize(
    "ask",
    [
        lambda queue: queue.stop(7),
        lambda queue: queue.resume(7),
        lambda queue: queue.move(7, "up"),
        lambda queue: queue.log(7),
    ],
)
def test_an_unknown_job_is_refused_in_words(queue, ask):
    with pytest.raises(RecordNotFoundError, match="Job 7 is not in this project"):
        ask(queue)


def test_a_job_whose_workers_never_reach_it_fails_in_words(project):
    """It waited for ever, and nobody was told."""
    runner, seconds = NoneComes(project), [0.0]
    queue = JobQueue(project.jobs, runner, clock=lambda: seconds[0])
    job = queued(queue)
    for _ in range(MAX_VAIN_STARTS):
        for _ in range(10):  # as many pages may ask as like
            queue.recover()
        assert status(project, job) == "queued"
        seconds[0] += 6
        queue.recover()
    assert runner.n_started == MAX_VAIN_STARTS
    assert project.jobs.get(job.id).error.startswith("3 workers ended before they took this job")
    assert queue.resume(job.id).status == "queued"


def test_an_app_starts_what_waits_too_long_for_a_worker_that_another_app_started(project, runner):
    JobQueue(project.jobs, NoneComes(project)).submit("import", "t", {})
    seconds = [0.0]
    queue = JobQueue(project.jobs, runner, clock=lambda: seconds[0])
    queue.recover()
    assert runner.n_started == 0
    seconds[0] = 6.0
    for _ in range(10):
        queue.recover()
        seconds[0] += 6.0  # this worker is slow, but on its way
    assert runner.n_started == 1


def test_nothing_hangs_on_the_clock_of_the_wall(queue, project, monkeypatch):
    """The clock jumps back by a century while a job runs, and another one is submitted."""
    queued(queue)
    job = queue.claim()
    monkeypatch.setattr("cad_studio.jobs.queue.now", lambda: "1926-01-01T00:00:00.000000+00:00")
    monkeypatch.setattr(time, "time", lambda: -1e9)
    later = queued(queue)
    handle = JobHandle(queue, job)
    handle.report(0.5, "Reading")
    queue.recover()
    assert project.jobs.get(job.id).status == "running"
    queue.finish(job, {})
    assert queue.claim().id == later.id
    assert [each.id for each in project.jobs.recent()] == [later.id, job.id]


def test_the_latest_jobs_are_those_queued_last_and_all_that_are_active(queue, project):
    first = queued(queue)
    queue.stop(first.id)
    others = [queued(queue) for _ in range(3)]
    for other in others:
        queue.stop(other.id)
    assert [job.id for job in project.jobs.recent(2)] == [others[2].id, others[1].id]
    queue.resume(first.id)
    assert [job.id for job in project.jobs.recent(1)] == [first.id]
