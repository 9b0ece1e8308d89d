"""Jobs on two nodes of a Ray: edits, logs, what is kept from workers, and what is refused."""

import itertools
import os
import socket
import threading
import time

import psutil
import pytest

from cad_studio.cluster import joining
from cad_studio.cluster.ray_workers import RayWorkers
from cad_studio.config import AppConfig
from cad_studio.core.errors import JobCancelled, ResourceError
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.edits import making as edit_making
from cad_studio.services.edits.augmentation import AugmentRequest
from cad_studio.services.training.training import TrainingRequest
from tests.cluster.test_ray import Killer, Slow
from tests.commands import here, json_here
from tests.services.edited import with_editor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edited")
    found = Services(AppConfig(folder / "project"))
    with_editor(found, folder)
    yield found
    found.close()


class StopAt:
    """Asks to stop when some of the work is done."""

    def __init__(self, at):
        self.at = at

    def report(self, fraction, message):
        if fraction >= self.at and " edits" in message:
            raise JobCancelled


def edits(services, set_id):
    index = services.project.edits.index(set_id)
    pixels = services.project.edits.pixels(services.project.edits.get(set_id))
    named = zip(index.row.tolist(), index.label.tolist(), index.bond.tolist(), strict=True)
    found = dict(zip(named, map(bytes, pixels.gather(index.place)), strict=True))
    assert len(found) == len(index)
    return found


def test_no_edit_is_lost_or_doubled_when_the_job_is_stopped_and_a_node_is_killed(
    services, two_nodes, workers, monkeypatch
):
    monkeypatch.setattr(edit_making, "_SAVED_AT_ONCE", 4)
    request = AugmentRequest("b", budget={"budget": "all"}, settings={"steps": 2})
    with monkeypatch.context() as patch:
        patch.setattr(services.augmentation, "_workers", workers)
        with pytest.raises(JobCancelled):
            services.augmentation.make(request, StopAt(0.3))
        killer = Killer(two_nodes, 0.5)
        done = services.augmentation.make(request, killer)
    assert killer.is_done
    assert done["reused"] > 0
    assert done["made"] + done["reused"] == done["wanted"]
    there = edits(services, done["set"])
    services.edit_sets.remove(done["set"], False)
    assert edits(services, services.augmentation.make(request, Silent())["set"]) == there


def test_runs_of_a_group_are_trained_side_by_side_and_come_back(services, workers, monkeypatch):
    loop = {"epochs": 1, "batch_size": 16, "threads": 1, "device": "cpu"}
    found = []
    for chosen in (services.workers, workers):
        monkeypatch.setattr(services.groups, "_workers", chosen)
        _, runs = services.groups.create(TrainingRequest("b", "proden", config=loop), ["seed=0,1"])
        services.groups.train(runs, lambda run, part: None, Silent())
        rows = [services.runs.get(run) for run in runs]
        assert [row["status"] for row in rows] == ["done", "done"]
        found.append([row["test_accuracy"] for row in rows])
    assert found[1] == pytest.approx(found[0], abs=1e-6)


def test_a_command_works_on_the_cluster_and_its_log_says_so(services, two_nodes):
    pytest.importorskip("ray").shutdown()
    project, address = services.project.folder, two_nodes.address
    found = json_here(project, "mine", "b", "--features", "pixels", "--cluster", address)
    plain = json_here(project, "mine", "b", "--features", "pixels")
    for key in ("n_pairs", "threshold", "pairs_per_class_pair", "top"):
        assert found[key] == plain[key]
    jobs = json_here(project, "jobs", "list")["jobs"]
    job = next(each for each in jobs if each["result"]["mining"] == found["mining"])
    log = json_here(project, "jobs", "log", job["id"])["log"]
    assert f"joined the cluster {address}" in log
    assert "worker on 127.0.0.1" in log


def test_a_studio_that_may_not_be_changed_starts_no_cluster(services):
    code, _, told = here(
        services.project.folder, "extract", "b", "--cluster", "local", CAD_READONLY="1"
    )
    assert code == 2
    assert "read-only" in told


def test_a_ray_of_this_machine_knows_no_secrets_and_is_gone_afterwards(monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("CAD_USERS", "secret")
    ray.shutdown()
    workers, found = RayWorkers("local"), {}
    workers.run(Slow(0), range(3), found.__setitem__)
    assert [each[1:] for each in found.values()] == [(None, None)] * 3
    assert os.environ["HF_TOKEN"] == "secret"
    workers.close()
    assert not ray.is_initialized()


def test_a_stop_while_a_ray_starts_leaves_nothing_behind():
    ray = pytest.importorskip("ray")
    ray.shutdown()
    asked = itertools.count()

    def tick():
        if next(asked) == 3:
            raise JobCancelled

    began = time.monotonic()
    with pytest.raises(JobCancelled):
        RayWorkers("local").run(Slow(0), range(3), lambda item, result: None, tick)
    assert time.monotonic() - began < 5
    for thread in threading.enumerate():
        if thread.name == "ray-connection":
            thread.join(60)
    assert not ray.is_initialized()


def test_a_node_with_another_version_is_refused(two_nodes, tmp_path):
    """It finds another torch before ours."""
    about = tmp_path / "torch-1.0.dist-info" / "METADATA"
    about.parent.mkdir()
    about.write_text("Metadata-Version: 2.1\nName: torch\nVersion: 1.0\n")
    ray = pytest.importorskip("ray")
    ray.shutdown()
    workers = RayWorkers(two_nodes.address)
    with two_nodes.another(PYTHONPATH=str(tmp_path)):
        with pytest.raises(ResourceError, match=r"Node 127\.0\.0\.1 .* torch is 1\.0, here 2"):
            workers.run(Slow(0), range(3), lambda item, result: None)
        workers.close()


def test_an_address_of_something_else_is_refused(monkeypatch):
    """The last one here: Ray goes on asking for some minutes, though nobody waits for it."""
    monkeypatch.setattr(joining, "_SECONDS_TO_JOIN", 3.0)
    ray = pytest.importorskip("ray")
    ray.shutdown()
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=_answer, args=(other,), daemon=True).start()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ResourceError, match=f"The cluster at {address} cannot be joined"):
            RayWorkers(address).run(Slow(0), range(3), lambda item, result: None)


def _answer(server):
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


LOOP = {"epochs": 6, "batch_size": 12, "threads": 1, "start": "uniform", "seed": 3}


class KillerOfAWorker:
    """Progress that ends a worker as a crash does, when half of the work is done."""

    is_done = False

    def report(self, fraction, message):
        if fraction >= 0.5 and not self.is_done:
            self.is_done = True
            family = psutil.Process().children(recursive=True)
            next(each for each in family if "ray::Worker.work" in each.cmdline()[:1]).kill()


def trained_together(services, progress):
    run = services.training.create(TrainingRequest("b", "proden", config=LOOP)).id
    return services.together.train(run, progress), services.runs.get(run)


def test_one_run_is_trained_on_all_nodes_and_goes_on_when_one_is_lost(
    services, two_nodes, workers, monkeypatch
):
    monkeypatch.setattr(services.together, "_workers", workers)
    whole, run = trained_together(services, Silent())
    assert (whole["notes"], whole["epochs"]) == ([], LOOP["epochs"])
    n_processes = run["environment"]["processes"]  # this one, and each node but its own
    assert n_processes >= 2
    assert len(services.runs.reports(run["id"])) == LOOP["epochs"]
    lost, run = trained_together(services, KillerOfAWorker())
    (note,) = lost["notes"]
    assert note == "A worker was lost once; the run went on from its last checkpoint."
    assert run["environment"]["processes"] == n_processes  # its node is still there
    assert lost["epochs"] == len(services.runs.reports(run["id"])) == LOOP["epochs"]
    alone = services.training.create(TrainingRequest("b", "proden", config=LOOP)).id
    wanted = services.training.train(alone, Silent())
    for found in (whole, lost):
        assert found["approximated_accuracy"] == pytest.approx(
            wanted["approximated_accuracy"], abs=0.1
        )
