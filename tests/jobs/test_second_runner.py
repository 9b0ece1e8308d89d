"""The queue over a batch system: it needs nothing of a runner but what `Runner` promises."""

import pytest

from cad_studio.config import AppConfig
from cad_studio.services.container import Services
from tests.jobs.batch_system import BatchRunner, Scheduler
from tests.jobs.following import end_all, ended, reading, shorten, submit, wait, wait_for


@pytest.fixture
def tickets(tmp_path):
    folder = tmp_path / "tickets"
    folder.mkdir()
    return folder


@pytest.fixture
def scheduler(tmp_path, tickets):
    scheduler = Scheduler(tmp_path / "project", tickets)
    scheduler.start()
    yield scheduler
    scheduler.close()


@pytest.fixture
def runner(tmp_path, tickets, scheduler):
    return BatchRunner(tmp_path / "project", tickets)


@pytest.fixture
def services(tmp_path, runner):
    services = Services(AppConfig(tmp_path / "project"), runner)
    yield services
    end_all(services)
    services.close()


def test_jobs_run_one_after_the_other_and_their_logs_are_read(services, small):
    first, second = submit(services, small, "first"), submit(services, small, "second")
    assert wait(services, second.id, ended).status == "done"
    done = services.jobs.get(first.id)
    assert done.status == "done"
    assert set(done.place) == {"ticket"}
    assert "is done" in services.jobs.log(second.id, 0)[0]


def test_a_lost_node_interrupts_its_job_in_the_words_of_the_runner_and_it_is_resumed(
    services, scheduler, endless
):
    job = submit(services, endless)
    scheduler.lose(wait(services, job.id, reading).place["ticket"])
    lost = wait(services, job.id, ended)
    assert (lost.status, lost.error) == (
        "interrupted", "The node it ran on was lost. Resume it to start it again."
    )  # fmt: skip
    shorten(endless)
    services.jobs.resume(job.id)
    assert wait(services, job.id, ended).status == "done"


def test_a_second_stop_reaches_the_worker_through_the_runner(services, runner, endless):
    job = submit(services, endless)
    ticket = wait(services, job.id, reading).place["ticket"]
    services.jobs.stop(job.id)
    services.jobs.stop(job.id)
    assert services.jobs.get(job.id).status == "cancelled"
    wait_for(lambda: not runner.status({"ticket": ticket}).is_alive)
