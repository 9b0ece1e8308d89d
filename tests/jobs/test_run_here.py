"""Jobs that a command runs in its own process."""

import os

import pytest

from cad_studio.core.errors import JobCancelled
from cad_studio.jobs.queue import JobQueue
from tests.jobs.following import queued, status
from tests.jobs.null_runner import GONE, NoneComes


def test_a_command_runs_its_job_before_those_that_wait_and_they_wait_for_it(queue, project):
    waiting = queued(queue)
    seen = []
    job = queue.run_here("train", "Train here", {"run": 1}, on_add=seen.append)
    assert (job.status, job.place["pid"], seen[0].id) == ("running", os.getpid(), job.id)
    assert queue.claim() is None
    queue.finish(job, {})
    assert queue.claim().id == waiting.id


def test_a_command_waits_for_the_job_at_work(queue, project):
    queued(queue)
    running = queue.claim()
    blockers = []

    def end(blocker):
        blockers.append(blocker.id)
        assert project.jobs.active()[1].message == "Waiting in a terminal"
        assert queue.claim() is None  # no worker takes what waits for the terminal
        queue.finish(running, {})

    job = queue.run_here("train", "Train here", {}, on_wait=end)
    assert (job.status, blockers) == ("running", [running.id])


def test_a_command_starts_what_was_moved_before_it_where_nobody_else_does(project):
    """Without a window there was nobody, and the command waited for ever."""
    runner, seconds = NoneComes(project), iter(range(0, 1000, 10))
    queue = JobQueue(project.jobs, runner, clock=lambda: next(seconds))
    queued(queue)
    running = queue.claim()
    other = queued(queue)
    blockers = []

    def go_on(blocker):
        blockers.append(blocker.id)
        if blocker.id == running.id:
            queue.move(other.id, "first")
            queue.finish(running, {})
            runner.n_started = 0  # its worker is gone, and so is whoever would have looked
        elif runner.n_started:
            queue.finish(queue.claim(), {})

    assert queue.run_here("train", "Train here", {}, on_wait=go_on).status == "running"
    assert blockers[:2] == [running.id, other.id]


def test_a_command_that_is_taken_off_the_queue_does_not_start(queue, project):
    queued(queue)
    queue.claim()
    added = []
    with pytest.raises(JobCancelled):
        queue.run_here("train", "t", {}, added.append, lambda _: queue.stop(added[0].id))
    assert status(project, added[0]) == "cancelled"


def test_ctrl_c_takes_a_waiting_command_off_the_queue(queue, project):
    queued(queue)
    queue.claim()
    added = []

    def interrupt(_blocker):
        raise KeyboardInterrupt

    with pytest.raises(JobCancelled):
        queue.run_here("train", "t", {}, added.append, interrupt)
    assert status(project, added[0]) == "cancelled"


def test_a_command_killed_while_it_waited_holds_nobody_up(queue, project):
    job = queued(queue)
    project.jobs.change(job.id, ("queued",), place=GONE)
    other = queued(queue)
    assert queue.claim().id == other.id
    found = project.jobs.get(job.id)
    assert found.status == "interrupted"
    assert found.error.startswith("The terminal it waited in was closed. Resume it")
