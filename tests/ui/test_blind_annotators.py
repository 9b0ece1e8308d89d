"""Two annotators of one item: what one can reach is the same whatever the other said."""

import json
import re
import shutil

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cad_studio.command_line import Line, run_as_job
from cad_studio.config import AppConfig
from cad_studio.core.errors import CadStudioError
from cad_studio.core.settings import settings_to_json
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.access import Login, acting_as, read_users, user_line
from cad_studio.services.container import Services
from cad_studio.ui import errors
from cad_studio.ui.addresses import PREFIX
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.routes import build_api, build_routes
from cad_studio.ui.tabs import annotate
from tests.services import annotating
from tests.services.annotating import NAME

WORDS = {"anna": "annotator", "bob": "annotator", "vera": "viewer", "olga": "owner"}
ROWS = [0, 1, 2, 3]
VARIANTS = ("cat", "dog")
COOKIE = "test"
HEX = re.compile(r"\b[0-9a-f]{12,64}\b")
SPENT = re.compile(r'"(ms|seconds)":[0-9.]+')
COUNT = re.compile(r'"(n_pairs|threshold)":[0-9.]+')  # of a whole search, listed by name
TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.+]+")


@pytest.fixture(scope="module")
def users():
    return read_users("\n".join(user_line(n, r, "a long word") for n, r in WORDS.items()), "users")


def world(folder, users, said):
    """A project in which Bob said one thing or the other about the items he shares with Anna."""
    services = Services(AppConfig(folder / said), login=Login(users))
    with acting_as("olga"):
        annotating.make(services, folder)
        chosen = services.queues.store_selection(NAME, ROWS, "shared").id
        queue = services.queues.open(NAME, "selection", settings={"selection": chosen}, overlap=2)
    index = VARIANTS.index(said)
    with acting_as("bob"):
        assert len(services.queues.take(NAME, queue.id, "bob", 4)) == 4
        common = {"who": "bob", "queue": queue.id, "seconds": 1.0, "window": "w"}
        for row in (0, 2, 3):
            annotating.label(services, row, index, position=row, key=f"label {row}", **common)
        annotating.act(services, "none", [1], given={"classes": [2 + index]}, position=1,
                       key="none 1", **common)  # fmt: skip
        annotating.act(services, "comment", [0], "bob", given={"text": f"surely {said}"},
                       key="comment 0", window="w")  # fmt: skip
    with acting_as("olga"):  # the owner searches what was said, and has looked at all of it before
        features = {"name": NAME, "features": "pixels"}
        config = settings_to_json(MiningConfig(quantile=0.5))
        run_as_job(services, "mine", {**features, "config": config}, Line())
        suspects = {**features, "run": None, "seed": 0, "limit": 100}
        run_as_job(services, "suspects", suspects, Line())
    reached(services, queue.id, "olga")
    return services, queue.id


@pytest.fixture(scope="module")
def worlds(tmp_path_factory, users):
    """Both; what is done in one is done in the other."""
    folder = tmp_path_factory.mktemp("worlds")
    built = [world(folder, users, said) for said in VARIANTS]
    shutil.copytree(folder / VARIANTS[0], folder / "as it was")
    yield built
    for services, _ in built:
        services.close()


@pytest.fixture
def first(worlds, users, tmp_path):
    """The first as it was, for one test."""
    services, queue = worlds[0]
    folder = services.project.folder.parent / "as it was"
    copied = Services(AppConfig(shutil.copytree(folder, tmp_path / "first")), login=Login(users))
    yield copied, queue
    copied.close()


def plain(text):
    """An answer without what differs in every project: hashes, times and durations."""
    return COUNT.sub("N", SPENT.sub("MS", TIME.sub("TIME", HEX.sub("HASH", text))))


def filled(path, parts):
    """A route's path with a value for each of its parts; 1 where there is none."""
    return re.sub(r"\{(\w+)\}", lambda match: str(parts.get(match[1], 1)), path)


def reached(services, queue, who):
    """What every route answers one person about samples of the queue."""
    app = Starlette(routes=build_routes(services))
    app.auth, app.cookie_id, app.tokens = True, COOKIE, {"token": who}
    asking = TestClient(app, cookies={f"access-token-{COOKIE}": "token"})
    version = services.datasets.get(NAME).version.hash
    found = {}
    for route in build_api(services).routes:
        if any(part in route.path for part in ("/static/", "/image/", "/sprite/")):
            continue
        is_of_row = "{row}" in route.path or "{position}" in route.path
        for row in ROWS[:2] if is_of_row else ROWS[:1]:
            parts = {"name": NAME, "row": row, "queue": queue, "position": row, "version": version}
            path = PREFIX + filled(route.path, parts)
            # a name in the query is not a name that was checked
            other = {"who": "bob", "rows": f"{row},{row + 1}", "holds": "cat", "limit": 50}
            for given in ({"who": who, "rows": row}, other):
                answer = asking.get(path, params=given, follow_redirects=False)
                headers = {k: v for k, v in answer.headers.items() if k != "content-length"}
                told = f"{answer.status_code} {answer.text} {headers}"
                found[f"{path} {given}"] = plain(told)
    return found


def asked(services, queue, who, monkeypatch):
    """What the functions of the Annotate page answer before an own answer is given."""
    monkeypatch.setattr(errors, "visitor_of_event", lambda: who)
    made = map(answers_errors, annotate._actions(services))
    functions = {action.__name__: action for action in made}
    action = {"who": who, "window": "a"}
    selection = services.queues.selections(NAME)[-1].id
    given = {"class": 3}
    many = {**action, "kind": "set", "key": "p", "arguments": {"class": 0}}
    actions = [
        {**action, "kind": "toggle", "rows": [0], "arguments": given, "key": "t0"},
        {**action, "kind": "flag", "rows": [1], "key": "f1"},
        {**action, "kind": "comment", "rows": [2], "arguments": {"text": "hm"}, "key": "c2"},
        {**action, "kind": "skip", "rows": [3], "queue": queue, "position": 3, "key": "s3"},
    ]
    wanted = {
        "take": {"queue": queue, "count": 4},
        "open_queue": {"order": "selection", "settings": {"selection": selection}},
        "preview": {"selection": selection, "action": many},
        "act": {"actions": actions},
    }
    answers = {}
    with acting_as(who):
        for name, parts in wanted.items():
            answer = functions[name]({"dataset": NAME, "who": who, **parts})
            answers[name] = plain(json.dumps(answer))
        try:
            annotating.act(services, "swap", [0, 1], who, key="swap")
        except CadStudioError as error:
            answers["swap"] = str(error)
    return answers


@pytest.mark.parametrize("who", ["anna", "vera"])
def test_no_route_tells_what_another_annotator_said(worlds, who):
    """The second annotator read the first one's answer from the card, and agreed with it."""
    (one, queue), (other, _) = worlds
    first, second = reached(one, queue, who), reached(other, queue, who)
    assert len(first) > 100
    assert sum(text.startswith("200") for text in first.values()) > 25
    assert [path for path in first if first[path] != second[path]] == []


def test_owners_see_everything_on_their_pages(worlds):
    (one, queue), (other, _) = worlds
    first, second = reached(one, queue, "olga"), reached(other, queue, "olga")
    differing = {
        path.split(" ")[0].removeprefix(PREFIX) for path in first if first[path] != second[path]
    }
    assert {f"/annotate/{NAME}/history", f"/annotate/{NAME}/history.jsonl",
            f"/datasets/{NAME}/instance/0"} <= differing  # fmt: skip


def test_no_function_of_the_page_tells_it_before_the_own_answer(worlds, monkeypatch):
    (one, queue), (other, _) = worlds
    first = asked(one, queue, "anna", monkeypatch)
    second = asked(other, queue, "anna", monkeypatch)
    assert '"candidates": [0, 1' in first["take"]
    assert "bob" not in first["take"]
    assert first == second
    assert reached(one, queue, "anna") == reached(other, queue, "anna")


def test_an_own_answer_opens_the_sample_and_its_disagreement(first):
    services, queue = first
    with acting_as("anna"):
        [item, *_] = services.queues.take(NAME, queue, "anna", 4)
        before = services.cards.of_item(NAME, item, "anna")["sides"][0]
        assert (before["candidates"], before["said"], before["comments"]) == ([0, 1], {}, [])
        answer = annotating.label(services, 0, 1, "anna", queue=queue, position=0)
        told = answer["rows"]["0"]
        assert told["contradicts"]
        assert told["said"] == {"anna": [1], "bob": [0]}
        after = services.cards.of_item(NAME, item, "anna")["sides"][0]
        assert after["comments"][0]["text"] == "surely cat"
        assert services.cards.card(NAME, [2], "anna")["sides"][0]["said"] == {}


def test_a_toggle_is_no_answer_yet(first):
    services, queue = first
    with acting_as("anna"):
        services.queues.take(NAME, queue, "anna", 4)
        answer = annotating.act(services, "toggle", [0], "anna", given={"class": 3}, queue=queue,
                                position=0)  # fmt: skip
        assert answer["rows"]["0"]["candidates"] == [0, 1, 3]
        assert answer["rows"]["0"]["said"] == {"anna": [0, 1, 3]}
