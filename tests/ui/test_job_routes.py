import csv
import io
import threading
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cad_studio.core.errors import JobCancelled
from cad_studio.jobs.handle import JobHandle
from cad_studio.jobs.queue import JobQueue
from cad_studio.services.operations import run_operation
from cad_studio.ui.addresses import PREFIX
from cad_studio.ui.routes import build_routes
from tests.jobs.null_runner import NoWorkers
from tests.ui.small_project import N_SHAPES, SHAPES, build_services


@pytest.fixture
def services(tmp_path):
    built = build_services(tmp_path)
    yield built
    built.close()


@pytest.fixture
def client(services):
    app = Starlette(routes=build_routes(services))
    with TestClient(app, f"http://testserver{PREFIX}") as asking:
        yield asking


@pytest.fixture
def queue(services):
    """The queue of the project; jobs wait until a test runs them."""
    return JobQueue(services.project.jobs, NoWorkers(services.project))


def test_a_job_can_be_followed_to_its_result_and_its_file(client, services, queue):
    job = queue.submit("export", "Export shapes 1", {"name": SHAPES, "format": "csv"})
    waiting = client.get(f"/jobs/{job.id}").json()
    assert (waiting["status"], waiting["dataset"], waiting["result"]) == ("queued", SHAPES, None)
    assert client.get(f"/jobs/{job.id}/file").status_code == 404

    claimed = queue.claim()
    progress = JobHandle(queue, claimed)
    progress.report(0.25, "Half of a half")
    running = client.get("/state").json()["jobs"][0]
    assert (running["status"], running["fraction"]) == ("running", 0.25)
    assert running["message"] == "Half of a half"

    queue.finish(claimed, run_operation(services, "export", claimed.arguments, progress))
    done = client.get(f"/jobs/{job.id}").json()
    assert (done["status"], done["result"]["rows"]) == ("done", N_SHAPES)
    answer = client.get(f"/jobs/{job.id}/file")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert quote("shapes 1-v1.csv") in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in rows] == services.datasets.load(SHAPES).ids


def test_a_file_is_only_handed_out_from_the_folder_of_exports(client, queue, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("not for visitors")
    job = queue.submit("export", "Export", {"name": SHAPES, "format": "csv"})
    queue.finish(queue.claim(), {"out": str(secret)})
    answer = client.get(f"/jobs/{job.id}/file")
    assert answer.status_code == 404
    assert answer.json()["error"] == "This file is not there any more. Export again."


def test_a_job_whose_process_is_gone_reads_as_interrupted(client, queue, services):
    job = queue.submit("export", "Export", {"name": SHAPES, "format": "csv"})
    queue.claim()
    services.project.jobs.change(job.id, ("running",), place={"pid": 2**22 + 1, "started": "1"})
    found = client.get(f"/jobs/{job.id}").json()
    assert found["status"] == "interrupted"
    assert found["error"].startswith("Its process was killed or crashed. Resume it")


def test_a_stop_is_seen_by_the_job_and_then_by_the_page(client, queue, services):
    queue.submit("export", "Export", {"name": SHAPES, "format": "csv"})
    job = queue.claim()
    services.jobs.stop(job.id)
    assert client.get(f"/jobs/{job.id}").json()["status"] == "stopping"
    with pytest.raises(JobCancelled):
        JobHandle(queue, job).report(0.5, "Writing")
    queue.cancelled(job)
    assert client.get(f"/jobs/{job.id}").json()["status"] == "cancelled"


def test_many_visitors_at_once_get_the_same_answers(client):
    paths = [
        f"/datasets/{quote(SHAPES)}/minings/1/pairs?limit=20",
        f"/datasets/{quote(SHAPES)}/minings/1",
        f"/datasets/{quote(SHAPES)}/rows",
        f"/sprite/x/{quote(SHAPES)}.png?rows=1,2,3",
    ]
    answers: dict[str, set[bytes]] = {path: set() for path in paths}

    def ask(path: str) -> None:
        answer = client.get(path)
        answers[path].add(b"%d " % answer.status_code + answer.content)

    threads = [threading.Thread(target=ask, args=(path,)) for path in paths * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for path in paths:
        (answer,) = answers[path]
        assert answer.startswith(b"200 ")
