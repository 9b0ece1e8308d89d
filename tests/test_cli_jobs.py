"""The `jobs` commands over real rows and processes."""

import json
import os
import signal
import subprocess
import sys

import pytest

from cad_studio import cli
from cad_studio.config import AppConfig
from cad_studio.jobs import processes
from cad_studio.services.container import Services
from cad_studio.store.projects import Project
from tests.jobs.null_runner import NoWorkers


@pytest.fixture
def run(project, monkeypatch, capsys):
    """Run a command as its entry point does; exit status, standard output and error."""

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["cad", "--project", str(project), *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return (ended.value.code, *capsys.readouterr())

    return command


@pytest.fixture
def run_json(run):
    """What a command prints with --json, and nothing else."""

    def command(*arguments):
        code, out, err = run(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    return command


@pytest.fixture
def project(tmp_path):
    return tmp_path / "project"


@pytest.fixture
def services(project):
    """Services whose workers never come, so that jobs wait."""
    own = Project(project)
    services = Services(AppConfig(project), NoWorkers(own))
    yield services
    services.close()
    own.close()


def submit(services, title):
    return services.queue.submit("import", title, {"name": "ü"})


def test_jobs_are_listed_moved_stopped_and_shown_in_their_order(run, run_json, services):
    first, second, third = (submit(services, title) for title in ("Eins", "Zwei", "Drei"))
    services.queue.claim()
    moved = run_json("jobs", "move", third.id, "--up")
    assert (moved["id"], moved["status"]) == (third.id, "queued")
    stopped = run_json("jobs", "stop", first.id)
    assert stopped["status"] == "stopping"
    assert run_json("jobs", "stop", second.id)["status"] == "cancelled"
    listed = run_json("jobs", "list")["jobs"]
    assert [job["id"] for job in listed] == [first.id, third.id, second.id]
    code, out, _err = run("jobs", "list")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [
        [str(first.id), "stopping"], [str(third.id), "queued"], [str(second.id), "cancelled"]
    ]  # fmt: skip
    shown = run_json("jobs", "show", first.id)
    assert shown["place"]["pid"] == os.getpid()
    assert "Eins" in run("jobs", "show", first.id)[1]


def test_what_cannot_be_done_is_said_in_words_and_ends_with_2(run, services):
    job = submit(services, "Eins")
    claimed = services.queue.claim()
    for arguments, words in (
        (("show", 77), "Job 77 is not in this project. List the jobs with: python -m cad_studio"),
        (("move", job.id, "--up"), f"Job {job.id} is running; only waiting jobs have an order."),
        (("move", job.id), "Say where to: one of --up, --down and --first."),
        (("resume", job.id), f"Job {job.id} is running; only a job that was interrupted"),
    ):
        code, out, err = run("jobs", *arguments)
        assert (code, out) == (2, "")
        assert words in err
    services.queue.finish(claimed, {})
    assert f"Job {job.id} is done already." in run("jobs", "stop", job.id)[2]


def test_a_job_is_killed_resumed_and_its_log_followed(run, run_json, services):
    job = submit(services, "Eins")
    claimed = services.queue.claim()
    services.project.jobs.change(job.id, ("running",), place={"pid": 2**22 + 1, "started": "1"})
    (listed,) = run_json("jobs", "list")["jobs"]
    assert listed["status"] == "interrupted"
    assert listed["error"].startswith("Its process was killed or crashed.")
    log_file = services.project.log_file(claimed.id)
    log_file.write_text("from before ü\n", encoding="utf-8")
    # the arguments of this import are incomplete, so that the worker meets a bug at once
    assert run_json("jobs", "resume", job.id)["attempts"] == 2
    code, out, _err = run("jobs", "log", job.id, "--follow")
    assert code == 0
    assert out.startswith("from before ü\n")
    assert "attempt 2" in out
    assert "met a bug" in out
    assert run_json("jobs", "log", job.id)["log"] == log_file.read_text(encoding="utf-8")
    assert run_json("jobs", "show", job.id)["status"] == "failed"


def test_stop_now_ends_the_process_at_once(run_json, services):
    submit(services, "Eins")
    claimed = services.queue.claim()
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    place = processes.place_of(sleeper.pid)
    services.project.jobs.change(claimed.id, ("running",), place=place)
    assert run_json("jobs", "stop", claimed.id, "--now")["status"] == "cancelled"
    assert sleeper.wait(10) == -signal.SIGKILL
