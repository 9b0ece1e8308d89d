"""Real processes that are killed: the worker, the app, both, or one of two apps."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

from cad_studio import worker
from cad_studio.config import AppConfig
from cad_studio.jobs import processes
from cad_studio.services.container import Services
from tests.jobs.following import ended, reading, shorten, submit, wait, wait_for

ROOT = worker.__file__.rpartition("/cad_studio/")[0]
APP = """
import sys, time
from pathlib import Path
from cad_studio.config import AppConfig
from cad_studio.services.container import Services
from tests.jobs.following import submit

services = Services(AppConfig(Path(sys.argv[1])))
for source in sys.argv[2:]:
    submit(services, source, Path(source).stem)
print("ready", flush=True)
while True:
    services.jobs.recent()
    time.sleep(0.1)
"""


@contextmanager
def app(services, *sources):
    """A process that submits imports and then asks for the jobs again and again, as a page does."""
    command = [sys.executable, "-c", APP, str(services.project.folder), *map(str, sources)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def test_a_killed_worker_leaves_an_interrupted_job_no_data_and_a_queue_that_goes_on(
    services, endless, small
):
    first, second = submit(services, endless), submit(services, small, "next")
    running = wait(services, first.id, reading)
    os.kill(running.place["pid"], signal.SIGKILL)
    # whoever waits for the second job need not ask about the first
    assert wait(services, second.id, ended).status == "done"
    job = services.jobs.get(first.id)
    assert (job.status, job.error) == (
        "interrupted", "Its process was killed (SIGKILL). Resume it to start it again."
    )  # fmt: skip
    assert services.datasets.names() == ["next"]
    used = services.datasets.get("next")
    blobs = [path for path in (services.project.folder / "blobs").rglob("*") if path.is_file()]
    assert len(blobs) == len({*used.files.values(), used.version.candidates})


def test_an_interrupted_job_is_resumed_in_its_own_row_to_its_end(services, endless):
    job = submit(services, endless)
    os.kill(wait(services, job.id, reading).place["pid"], signal.SIGKILL)
    assert wait(services, job.id, ended).status == "interrupted"
    shorten(endless)
    services.jobs.resume(job.id)
    done = wait(services, job.id, ended)
    assert (done.status, done.error, done.attempts) == ("done", None, 2)
    assert done.result["n"] == 2
    text, _end = services.jobs.log(job.id, 0)
    assert text.index("attempt 1") < text.index("attempt 2")
    assert [each.id for each in services.jobs.recent()] == [job.id]


def test_a_job_outlives_a_killed_app_and_the_next_app_finds_it(services, endless):
    with app(services, endless) as process:
        wait_for(lambda: any(map(reading, services.project.jobs.recent())))
        process.kill()
        process.wait(10)
    again = Services(AppConfig(services.project.folder))
    (job,) = again.jobs.active()
    assert job.status == "running"
    assert processes.is_alive(job.place)
    again.jobs.stop(job.id)
    assert wait(again, job.id, ended).status == "cancelled"
    again.close()


def test_app_and_worker_killed_together_leave_a_job_the_next_app_calls_interrupted(
    services, endless, small
):
    with app(services, endless, small) as process:
        wait_for(
            lambda: any(job.message.startswith("Read") for job in services.project.jobs.recent())
        )
        process.kill()
        process.wait(10)
    waiting, running = services.project.jobs.recent()
    os.kill(running.place["pid"], signal.SIGKILL)
    again = Services(AppConfig(services.project.folder))
    assert wait(again, running.id, ended).status == "interrupted"
    # nobody saw the signal this time
    assert again.jobs.get(running.id).error.startswith("Its process was killed or crashed. Resume")
    assert wait(again, waiting.id, ended).status == "done"
    again.close()


def test_two_apps_on_one_project_run_each_job_once(services, small, tmp_path):
    with app(services, small):
        jobs = [submit(services, small, f"pets {number}") for number in range(2)]
        for job in jobs:
            assert wait(services, job.id, ended).status == "done"
    for job in services.project.jobs.recent():
        assert services.jobs.log(job.id, 0)[0].count("starts, attempt") == 1


def test_a_worker_that_hangs_is_ended_by_a_second_stop(services, endless):
    job = submit(services, endless)
    running = wait(services, job.id, reading)
    os.kill(running.place["pid"], signal.SIGSTOP)
    services.jobs.stop(job.id)
    assert services.jobs.get(job.id).status == "stopping"
    services.jobs.stop(job.id)
    assert services.jobs.get(job.id).status == "cancelled"
    wait_for(lambda: not processes.is_alive(running.place))
    assert services.datasets.names() == []


def test_a_process_ended_for_want_of_memory_says_so(services, endless, tmp_path):
    """The counter is a file of the test's; everything else is as on a machine that ran full."""
    job = submit(services, endless)
    running = wait(services, job.id, reading)
    counter = tmp_path / "memory.events"
    counter.write_text("oom_kill 1\n")
    place = {**running.place, "oom_kills": {str(counter): 0}}
    services.project.jobs.change(job.id, ("running",), place=place)
    os.kill(running.place["pid"], signal.SIGKILL)
    job = wait(services, job.id, ended)
    assert job.error == (
        "The machine ran out of memory, and the system ended the process of this job. "
        "Resume it to start it again."
    )
