"""What the Train page reads and asks for."""

import json

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cad_studio.config import AppConfig
from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.container import Services
from cad_studio.services.training.training import TrainingRequest
from cad_studio.ui.addresses import PREFIX
from cad_studio.ui.requests import read_request
from cad_studio.ui.routes import build_routes
from cad_studio.ui.training_routes import followed, report_columns
from tests.ui.small_project import HOSTILE, SHAPES, shapes


def report(epoch, **more):
    return {
        "epoch": epoch,
        "learning_rate": 0.01,
        "losses": {"loss": 1.23456789},
        "approximated_accuracy": 0.5,
        "oracle": {"test_accuracy": 0.25, "entangled/0.1/swap_rate": 0.125},
        "samples_per_second": 9.0,
        "seconds": 2.0 * (epoch + 1),
        **more,
    }


def test_reports_become_columns_of_short_numbers():
    columns = report_columns([report(3), report(4)])
    assert columns["epoch"] == [3, 4]
    assert columns["values"]["losses/loss"] == [1.2346, 1.2346]
    assert columns["values"]["oracle/entangled/0.1/swap_rate"] == [0.125, 0.125]
    assert columns["values"]["seconds"] == [8.0, 10.0]


def test_figures_that_come_later_or_are_no_numbers_leave_holes():
    """A loss that was no number made the answer no JSON."""
    columns = report_columns(
        [
            report(0, approximated_accuracy=None),
            report(1, losses={"loss": float("nan"), "contrast": float("inf")}),
            report(2, losses={"loss": 0.5, "contrast": 2.0}),
        ]
    )
    assert columns["values"]["approximated_accuracy"] == [None, 0.5, 0.5]
    assert columns["values"]["losses/loss"] == [1.2346, None, 0.5]
    assert columns["values"]["losses/contrast"] == [None, None, 2.0]
    json.dumps(columns, allow_nan=False)


def test_columns_of_nothing_are_empty():
    assert report_columns([]) == {"epoch": [], "values": {}}


def test_columns_are_several_times_smaller_than_reports():
    reports = [report(epoch) for epoch in range(500)]
    assert len(json.dumps(reports)) > 3 * len(json.dumps(report_columns(reports)))


def test_runs_are_followed_from_the_epoch_that_is_known():
    assert followed("3:41,5:-1") == {3: 41, 5: -1}
    assert followed("") == {}


@pytest.mark.parametrize(
    "text", ["3", "3:", "a:1", "3:1;4:2", "3:1.5", ",".join(["1:1"] * 65), "9" * 16 + ":1"]
)
def test_what_cannot_be_followed_is_named(text):
    with pytest.raises(SettingError, match="expected at most 64 parts such as 3:41"):
        followed(text)


@pytest.fixture
def services(tmp_path):
    built = Services(AppConfig(tmp_path / "project"))
    built.importing.import_source(str(shapes(tmp_path)), SHAPES, ReadOptions(), False, Silent())
    yield built
    built.close()


@pytest.fixture
def client(services):
    with TestClient(Starlette(routes=build_routes(services)), f"http://testserver{PREFIX}") as ask:
        yield ask


def make_run(services, name="a run", n_epochs=4, method="proden"):
    """A run as the service writes it down, with the figures of some epochs; nothing is trained."""
    wanted = {"dataset": SHAPES, "method": method, "name": name, "config": {"epochs": 10}}
    run = services.training.create(read_request(TrainingRequest, wanted))
    for epoch in range(n_epochs):
        services.project.runs.save_report(run.id, report(epoch), True)
    return run.id


def test_the_form_is_told_what_can_be_trained_and_why_not(client):
    found = client.get("/training/offers", params={"dataset": SHAPES}).json()
    assert found["dataset"]["n_train"] + found["dataset"]["n_test"] == 40
    described = {each["name"]: each for each in found["config"]}
    assert described["epochs"]["type"] == "int"
    assert described["epochs"]["minimum"] == 1
    for method in found["methods"]:
        assert method["available"] or method["why_not"]
        for setting in method["settings"]:
            assert setting["help"], (method["name"], setting["name"])
    assert client.get("/training/offers", params={"dataset": "nope"}).status_code == 404


def test_runs_are_listed_and_those_in_the_trash_apart(client, services):
    kept, gone = make_run(services, "kept"), make_run(services, "gone")
    services.runs.remove(gone)
    found = client.get("/training/runs").json()
    assert [run["id"] for run in found["runs"]] == [kept]
    assert found["trash"]["n"] == 1
    removed = client.get("/training/runs", params={"removed": 1}).json()
    assert [run["name"] for run in removed["runs"]] == ["gone"]


def test_following_gives_only_what_is_new(client, services):
    run = make_run(services)
    first = client.get("/training/follow", params={"runs": f"{run}:-1"}).json()
    assert first["reports"][str(run)]["epoch"] == [0, 1, 2, 3]
    assert first["runs"][str(run)]["epochs_done"] == 4
    assert (first["log"], first["queue"]) == (None, [])
    assert client.get("/training/follow", params={"runs": f"{run}:3"}).json()["reports"][
        str(run)
    ] == {"epoch": [], "values": {}}
    services.project.runs.save_report(run, report(4), True)
    later = client.get("/training/follow", params={"runs": f"{run}:3"}).json()
    assert later["reports"][str(run)]["epoch"] == [4]


def test_a_run_deleted_for_good_does_not_stop_the_others(client, services):
    kept, gone = make_run(services), make_run(services)
    services.runs.remove(gone)
    services.runs.purge()
    found = client.get("/training/follow", params={"runs": f"{gone}:3,{kept}:2"}).json()
    assert found["runs"][str(gone)] is None
    assert found["reports"][str(kept)]["epoch"] == [3]


def test_a_model_that_is_not_there_yet_is_said_so(client, services):
    run = make_run(services)
    answer = client.get(f"/training/runs/{run}/model")
    assert answer.status_code == 404
    assert "no model yet" in answer.json()["error"]
    assert client.get("/training/runs/99/model").status_code == 404


def test_a_model_is_handed_out_under_a_harmless_name(client, services):
    run = make_run(services, HOSTILE + "/../x")
    file = services.project.run_folder(run) / "model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    answer = client.get(f"/training/runs/{run}/model")
    assert answer.content == b"weights"
    name = answer.headers["content-disposition"]
    assert ".safetensors" in name
    assert not set("<>/$") & set(name.partition("filename")[2])


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"dataset": SHAPES, "colour": "red"}, "The request has no part 'colour'"),
        ({"dataset": SHAPES, "config": "epochs"}, "config is 'epochs'; expected named values"),
        ({"dataset": [SHAPES]}, "dataset is .'shapes 1'.; expected text"),
        ({"method": "proden"}, "The request lacks 'dataset'"),
    ],
)
def test_a_request_of_the_wrong_shape_is_refused_in_words(wanted, words):
    with pytest.raises(SettingError, match=words):
        read_request(TrainingRequest, wanted)


def test_a_request_of_the_right_shape_is_kept(services):
    wanted = {"dataset": SHAPES, "method": "proden", "config": {"epochs": 3}, "settings": {}}
    asked = read_request(TrainingRequest, wanted)
    assert (asked.dataset, asked.method, asked.config) == (SHAPES, "proden", {"epochs": 3})
