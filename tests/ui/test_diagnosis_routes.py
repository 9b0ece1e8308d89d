"""What the Diagnose page reads: the figures of the services, and words for bad requests."""

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cad_studio.core.progress import Silent
from cad_studio.services.diagnosis.suspects import LEAST_QUALITY
from cad_studio.ui.addresses import PREFIX
from cad_studio.ui.routes import build_routes
from cad_studio.ui.tabs._base import TABS
from tests.runs_to_diagnose import project_with_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    services, *runs = project_with_runs(tmp_path_factory.mktemp("routes"))
    yield services, *runs
    services.close()


@pytest.fixture(scope="module")
def client(runs):
    app = Starlette(routes=build_routes(runs[0]))
    with TestClient(app, f"http://testserver{PREFIX}") as asking:
        yield asking


def read(client, path, **query):
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_runs_and_an_overview_against_another(runs, client):
    services, first, second = runs
    found = read(client, "/diagnosis/of/shades")
    assert [run["id"] for run in found["runs"]] == [second, first]
    assert all(run["is_ready"] for run in found["runs"])
    assert f"run:{first}" in found["maps"]
    told = read(client, f"/diagnosis/{second}/overview", against=first, order="own")
    compared = services.diagnosis.comparison.compare([first, second])
    assert told["changes"] == compared["changes"]
    accuracy = next(each for each in compared["figures"] if each["key"] == "accuracy")
    assert told["differences"]["accuracy"] == accuracy["differences"][1]
    assert told["matrices"]["classes"] == [0, 1, 2, 3]


def test_a_cell_comes_with_its_first_tiles(runs, client):
    services, first, _ = runs
    counts = services.diagnosis.confusion.confusion_matrix(first, None)
    a, b = np.unravel_index(counts.argmax(), counts.shape)
    found = read(client, f"/diagnosis/{first}/rows", what="confusion", a=a, b=b, limit=3)
    assert found["total"] == counts[a, b] == len(found["rows"])
    assert found["tiles"]["rows"] == found["rows"][:3]
    assert set(found["tiles"]["predicted"]) == {b}
    assert found["tiles"]["right"] == [bool(a == b)] * len(found["tiles"]["rows"])
    assert client.get(found["tiles"]["sprite"]["url"].removeprefix(PREFIX)).status_code == 200


def test_the_map_and_its_columns_are_as_long_as_the_data(runs, client):
    _, first, second = runs
    state = read(client, "/diagnosis/map/shades", features=f"run:{first}")
    assert state["stages"] == ["pca"]
    body = client.get("/diagnosis/map/shades/points", params={"features": f"run:{first}"})
    assert len(body.content) == 4 * 128
    modes = read(client, f"/diagnosis/{second}/colours", against=first)["modes"]
    assert {"best", "truth", "right", "change"} <= {mode["key"] for mode in modes}
    assert len(client.get(f"/diagnosis/{second}/columns").content) == 14 * 128


def test_suspects_are_told_only_where_their_judge_is_good_enough(runs, client, monkeypatch):
    """156 of 300 pictures were called wrong by a judge that knew nothing."""
    services, first, _ = runs
    assert read(client, f"/diagnosis/{first}/suspects") == {"known": False}
    found = services.diagnosis.suspects.find("shades", first, "", 0, Silent())
    kind = next(kind for kind, n in found["counts"].items() if n)
    weak = read(client, f"/diagnosis/{first}/suspects", kind=kind)
    assert (weak["is_weak"], weak["listed"], weak["counts"][kind]) == (True, 0, 0)
    assert weak["judge"]["quality"] < LEAST_QUALITY
    monkeypatch.setattr("cad_studio.services.diagnosis.suspects.LEAST_QUALITY", 0.0)
    told = read(client, f"/diagnosis/{first}/suspects", kind=kind)
    assert (told["is_weak"], told["listed"]) == (False, found["counts"][kind])
    row = told["suspects"][0]["row"]
    assert told["suspects"][0]["candidates"] == services.datasets.load("shades").candidates.of(row)
    bad = client.get(f"/diagnosis/{first}/suspects", params={"kind": "odd"})
    assert bad.status_code == 400
    assert "'odd' is no kind of suspect" in bad.json()["error"]
    assert told["suspects"][0]["reason"] == found["suspects"][0]["reason"]


def test_single_samples_pairs_tables_and_comparisons(runs, client):
    _, first, second = runs
    assert read(client, f"/diagnosis/{first}/instance/3")["runs"][0]["neighbours"]["sprite"]
    assert len(read(client, f"/diagnosis/{first}/pair/3-5")["runs"]) == 2
    classes = read(client, f"/diagnosis/{first}/classes")["classes"]
    assert len(classes) == 4
    for at in range(4):
        told = read(client, f"/diagnosis/{first}/reliability", **{"class": at})
        assert told["name"] == str(at)
        if classes[at]["n_predicted"]:
            assert sum(told["reliability"]["counts"]) == classes[at]["n_predicted"]
            assert told["reliability"]["ece"] == pytest.approx(classes[at]["ece"])
        else:
            assert told["reliability"] is None
    assert read(client, f"/diagnosis/{first}/entanglement")["curve"]["n"]
    assert read(client, "/diagnosis/compare", runs=f"{first},{second}")["runs"][1]["run"] == second


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("/diagnosis/99/overview", {}, 404, "Run 99 is not in this project"),
        ("/diagnosis/x/overview", {}, 400, "whole number"),
        ("/diagnosis/{run}/overview", {"split": "nowhere"}, 400, "'nowhere' is not a split"),
        ("/diagnosis/{run}/overview", {"order": "up"}, 400, "is not an order"),
        (
            "/diagnosis/{run}/rows",
            {"what": "secrets", "a": 0, "b": 0},
            400,
            "is not a valid matrix",
        ),
        ("/diagnosis/{run}/rows", {"what": "confusion", "a": 0, "b": 4}, 400, "0 to 3"),
        ("/diagnosis/{run}/tiles", {"rows": "1,999"}, 404, "has no row 999"),
        ("/diagnosis/{run}/tiles", {"rows": ",".join("1" * 201)}, 400, "At most 200 tiles"),
        ("/diagnosis/{run}/reliability", {"class": 4}, 400, "0 to 3"),
        ("/diagnosis/{run}/rows", {"what": "fixed"}, 400, "lacks 'against'"),
        ("/diagnosis/map/shades", {"features": "run:x"}, 400, "by its number"),
        ("/diagnosis/map/shades/points", {"stage": "../x"}, 400, "is not a stage"),
        ("/diagnosis/compare", {"runs": "1"}, 400, "2 to 20"),
        ("/diagnosis/of/nothing", {}, 404, "no dataset"),
    ],
)
def test_a_bad_request_is_answered_in_words(runs, client, path, query, status, words):
    answer = client.get(path.format(run=runs[1]), params=query)
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_the_page_stands_after_training():
    assert "diagnose" in TABS.names()
    assert TABS.get("diagnose").order > TABS.get("train").order
