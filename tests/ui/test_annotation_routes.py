"""What the Annotate page reads, and where its links lead."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cad_studio.services.annotation.action_requests import ActionRequest
from cad_studio.ui.addresses import PREFIX
from cad_studio.ui.routes import build_routes
from tests.ui.small_project import CLASSES, SHAPES, build_services

AT = f"{PREFIX}/annotate/{SHAPES}"


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    built = build_services(tmp_path_factory.mktemp("annotate"))
    for who, index in (("anna", 0), ("bo", 1)):
        wanted = ActionRequest("label", [3], {"class": index}, who, key=who, window=who)
        built.annotation.act(SHAPES, wanted)
    yield built
    built.close()


@pytest.fixture(scope="module")
def client(services):
    with TestClient(Starlette(routes=build_routes(services)), "http://testserver") as asking:
        yield asking


def test_the_overview_says_who_did_how_much_and_what_comes_next(client):
    found = client.get(AT, params={"who": "anna"}).json()
    assert (found["head"], found["changed"], found["contradict"]) == (2, 1, 1)
    assert found["undo"]["number"] == 1
    assert [each["who"] for each in found["people"]] == ["anna", "bo"]
    assert {order["name"] for order in found["orders"]} >= {"entangled", "expected-gain"}
    assert found["class_names"] == CLASSES


def test_a_card_has_everything_around_it(client):
    found = client.get(f"{AT}/card", params={"rows": "3,4", "who": "anna"}).json()
    first, second = found["sides"]
    assert first["said"] == {"anna": [0], "bo": [1]}
    assert first["mine"] == [0]
    assert first["contradicts"]
    assert len(second["neighbours"]["rows"]) == 10
    assert client.get(second["neighbours"]["sprite"]["url"]).headers["content-type"] == "image/png"
    assert found["shared"] == sorted(set(first["candidates"]) & set(second["candidates"]))
    assert -1 <= found["similarity"] <= 1


def test_suggestions_spread_over_the_candidates_and_know_no_truth(client, services):
    found = client.get(f"{AT}/suggestions/7").json()["belief"]
    assert [int(index) for index in found] == services.sets.effective(SHAPES).of(7)
    assert sum(found.values()) == pytest.approx(1, abs=1e-3)


def test_history_log_and_agreement(client):
    assert [each["who"] for each in client.get(f"{AT}/history").json()["actions"]] == ["bo", "anna"]
    assert len(client.get(f"{AT}/history/3").json()["actions"]) == 2
    assert len(client.get(f"{AT}/history.jsonl").text.splitlines()) == 2
    assert client.get(f"{AT}/agreement").json()["raw"] == 0


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/card?rows=1,x", 400), ("/card?rows=1,2,3", 400), ("/card?rows=999", 404),
        ("/history?before=x", 400), ("/history/999", 404), ("/suggestions/999", 404),
        ("/queues/9/items/0", 404), ("?who=%00", 400),
    ],
)  # fmt: skip
def test_wrong_addresses_are_told(client, path, status):
    answer = client.get(AT + path)
    assert answer.status_code == status
    assert answer.json()["error"].endswith(".")


def test_the_short_address_leads_to_the_page_with_its_query(client):
    asked = "/annotate?dataset=shapes&rows=1,2&page=x"
    answer = client.get(asked, follow_redirects=False)
    assert answer.status_code == 307
    assert answer.headers["location"] == "./?open=annotate&dataset=shapes&rows=1%2C2"
