"""What cannot be answered is answered in words, and nobody is served by mistake."""

from urllib.parse import quote

import httpx
import pytest

from cad_studio.ui.addresses import PREFIX, STATIC_FOLDER, static_version
from cad_studio.ui.app import build_window, launch
from cad_studio.ui.routes import build_api
from tests.ui.small_project import SHAPES, VECTORS

S = f"/datasets/{quote(SHAPES)}"
A = f"/annotate/{quote(SHAPES)}"
HUGE = "9" * 30

REFUSED = [
    ("/jobs/7", 404, "Job 7 is not in this project."),
    (f"/jobs/{HUGE}", 400, "job is '999999999999999999999999999999'; expected a whole number."),
    ("/jobs/" + "9" * 5000, 400, "expected a whole number."),
    ("/jobs/7/file", 404, "Job 7 is not in this project."),
    (f"/jobs/{HUGE}/file", 400, "expected a whole number."),
    ("/datasets/nope", 404, "There is no dataset 'nope' in this project."),
    ("/datasets/shape%201", 404, "Closest: 'shapes 1'."),
    (f"{S}/rows?holds=dgo", 400, "'dgo' is not a class of shapes 1. Closest: 'dog'."),
    (f"{S}/rows?split=val", 400, "'val' is not a split of shapes 1. Allowed: test, train."),
    (f"{A}/trial?order=random", 400, "Answers are stored here. Open a queue"),
    (f"{A}/trial/worth?answers=1", 400, "answers is '1'; expected the form 12:3,40:1+2."),
    ("/standing/nope", 404, "There is no dataset 'nope' in this project."),
    (f"{S}/rows?since=7", 404, "shapes 1 has no version 7; its versions are 1 to 1."),
    (f"{S}/rows?since=x", 400, "since is 'x'; expected a whole number."),
    (f"{S}/rows?words=red", 400, "features of an image-text model such as CLIP, and shapes 1 has"),
    (f"{S}/rows?like=../../x", 400, "'../../x' names no picture that was searched by."),
    (f"{S}/rows?like={'0' * 16}", 400, "Search by a picture needs features of a network"),
    (f"{S}/rows?words=a&like={'0' * 16}", 400, "by words or by a picture, not by both."),
    (f"{S}/rows?words={'a' * 300}", 400, "words has more than 200 characters."),
    (f"{S}/rows?words=a&nearest=x", 400, "nearest is 'x'; expected a whole number."),
    (f"{S}/rows?words=a&nearest=0", 400, "nearest is 0; the least is 1."),
    (f"{S}/search?words=a&by=hf:/etc", 400, "Extract them: python -m cad_studio extract shapes 1"),
    (f"{S}/search/rows", 400, "Say what to search for: words, or a picture."),
    (f"{S}/search/picture/{'0' * 16}", 404, "not kept any more. Drop it again."),
    (f"{S}/search/picture/x", 400, "'x' names no picture"),
    (f"{S}/zero-shot/40", 404, "shapes 1 has no row 40"),
    (f"{S}/zero-shot/0", 400, "features of an image-text model such as CLIP"),
    (f"{S}/rows?size=two", 400, "size is 'two'; expected a whole number."),
    (f"{S}/rows?offset={HUGE}", 400, "expected a whole number."),
    (f"{S}/rows?limit=1e3", 400, "limit is '1e3'; expected a whole number."),
    (f"{S}/instance/40", 404, "shapes 1 has no row 40; its rows are 0 to 39."),
    (f"{S}/instance/-1", 404, "shapes 1 has no row -1; its rows are 0 to 39."),
    (f"{S}/instance/x", 400, "row is 'x'; expected a whole number."),
    (f"{S}/neighbours/0", 400, "The request lacks 'features'."),
    (f"{S}/neighbours/0?features={HUGE}", 400, "expected a whole number."),
    (f"{S}/neighbours/0?features=77", 404, "77"),
    (f"{S}/minings/77", 404, "77"),
    (f"{S}/minings/{HUGE}", 400, "expected a whole number."),
    (f"{S}/minings/3", 404, "Mining 3 belongs to another dataset than shapes 1."),
    (f"{S}/minings/1?threshold=nan", 400, "threshold is 'nan'; expected a number."),
    (f"{S}/minings/1?threshold=inf", 400, "threshold is 'inf'; expected a number."),
    (f"{S}/minings/1?threshold=1e400", 400, "threshold is '1e400'; expected a number."),
    (f"{S}/minings/1?class=cat", 400, "A pair has two classes; 1 are given."),
    (f"{S}/minings/1/pairs?class=cat&class=cta", 400, "'cta' is not a class of shapes 1. Closest"),
    (f"{S}/minings/1/pairs?limit=0", 400, "A page has 1 to 500 pairs from position 0 on."),
    (f"{S}/minings/1/pairs?limit=0&around=1-2", 400, "A page has 1 to 500 pairs"),
    (f"{S}/minings/1/pairs?offset=-1", 400, "A page has 1 to 500 pairs"),
    (f"{S}/minings/1/pairs?around=abc", 400, "around is 'abc'; expected two rows, e.g. 3-14."),
    (f"{S}/minings/1/pairs.csv?class=cat&class=x", 400, "'x' is not a class of shapes 1."),
    (f"{S}/minings/1/pair/1-1", 404, "Row 1 is given twice; a pair has two samples."),
    (f"{S}/minings/1/pair/1-999999", 404, "shapes 1 has no row 999999"),
    (f"{S}/minings/1/pair/a-b", 400, "i is 'a'; expected a whole number."),
    (f"{S}/minings/1/agreement/3", 404, "Mining 3 belongs to another dataset than shapes 1."),
    ("/sprite/now/shapes%201.png", 400, "rows is ''; expected whole numbers"),
    ("/sprite/now/shapes%201.png?rows=1,,2", 400, "rows is '1,,2'; expected whole numbers"),
    ("/sprite/now/shapes%201.png?rows=0,40", 404, "shapes 1 has no row 40"),
    ("/sprite/now/shapes%201.png?rows=" + "1," * 500 + "1", 400, "1 to 500 thumbnails, not 501."),
    ("/image/now/shapes%201/40", 404, "shapes 1 has no row 40"),
    ("/training/offers", 404, "There is no dataset '' in this project."),
    ("/training/offers?dataset=nope", 404, "There is no dataset 'nope' in this project."),
    ("/training/runs/7", 404, "Run 7 is not in this project."),
    (f"/training/runs/{HUGE}", 400, "run is '999999999999999999999999999999'; expected a whole"),
    ("/training/runs/7/model", 404, "Run 7 is not in this project."),
    ("/training/runs/7/usage", 404, "Run 7 is not in this project."),
    ("/training/follow?runs=a:1", 400, "runs is 'a:1'; expected at most 64 parts such as 3:41"),
    ("/training/follow?log=7", 400, "log is '7'; expected a job and a byte, such as 3:0."),
    ("/training/follow?log=1:0,2:0", 400, "log is '1:0,2:0'; expected a job and a byte"),
    ("/training/follow?log=7:0", 404, "Job 7 is not in this project."),
    ("/augment/nope/offers", 404, "There is no dataset 'nope' in this project."),
    (f"/augment/sets/{HUGE}/gallery", 400, "expected a whole number."),
    ("/augment/editors/7/samples/-1.png", 400, "epoch is -1; the first is 0."),
    ("/diagnosis/of/nope", 404, "There is no dataset 'nope' in this project."),
    (f"/diagnosis/map/{quote(VECTORS)}?features=pixels", 404, "were not extracted yet."),
    ("/diagnosis/map/nope", 404, "There is no dataset 'nope' in this project."),
    *(
        (f"/diagnosis/{HUGE}/{part}", 400, "expected a whole number.")
        for part in ("overview", "classes", "entanglement", "columns", "suspects", "instance/0")
    ),
    ("/diagnosis/7/overview", 404, "Run 7 is not in this project."),
    ("/diagnosis/7/reliability?class=x", 400, "whole number"),
    ("/diagnosis/7/tiles?rows=a", 400, "rows is 'a'; expected whole numbers"),
    ("/diagnosis/compare", 400, "runs is ''; expected whole numbers"),
    ("/static/now/routes.py", 404, "No such file."),
    ("/static/now/%00.js", 404, "No such file."),
]


@pytest.mark.parametrize(("path", "status", "words"), REFUSED)
def test_what_cannot_be_answered_is_said_in_words(client, path, status, words):
    """Numbers no database holds, infinite thresholds and empty pages used to end in a 500."""
    answer = client.get(path)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_scripts_outside_the_folder_of_scripts_are_not_served(client):
    for path in ("..%2Froutes.py", "..%2F..%2F..%2Fassets%2Ftheme.css", "%2Fetc%2Fhosts"):
        assert client.get(f"/static/{static_version()}/{path}").status_code == 404


ANSWERED = [
    "/alive",
    *(f"/forms/{form}" for form in ("import", "synthesize", "export", "mine")),
    "/state",
    f"/standing/{quote(SHAPES)}",
    S,
    f"{S}/co-occurrence",
    f"{S}/set-model",
    f"{S}/rows",
    f"{S}/search",
    f"{S}/instance/0",
    f"{S}/neighbours/0?features=1",
    f"{S}/minings",
    f"{S}/minings/1",
    f"{S}/minings/1/pairs",
    f"{S}/minings/1/pairs.csv",
    f"{S}/minings/1/pair/0-1",
    f"{S}/minings/1/agreement/2",
    f"/training/offers?dataset={quote(SHAPES)}",
    "/training/runs",
    "/training/follow?runs=1:-1",
    f"/augment/{quote(SHAPES)}/offers",
    f"/augment/{quote(SHAPES)}/prompts",
    f"/diagnosis/of/{quote(SHAPES)}",
    f"/diagnosis/map/{quote(SHAPES)}",
    f"/diagnosis/map/{quote(SHAPES)}/points",
    A,
    f"{A}/card?rows=0,1",
    f"{A}/suggestions/0",
    f"{A}/live",
    f"{A}/history",
    f"{A}/history.jsonl",
    f"{A}/history/0",
    f"{A}/agreement",
    f"{A}/selections",
    "/sprite/old/shapes%201.png?rows=0,1",
    "/image/old/shapes%201/0",
    "/static/old/dom.js",
]


@pytest.mark.parametrize("path", ANSWERED)
def test_what_may_change_is_never_kept_by_a_browser(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_addresses_with_the_current_version_are_kept_for_ever(client, services):
    version = services.datasets.get(SHAPES).version.hash
    of_vectors = services.datasets.get(VECTORS).version.hash
    for path in (
        f"/sprite/{version}/shapes%201.png?rows=0,1",
        f"/image/{version}/shapes%201/0",
        f"/image/{of_vectors}/{VECTORS}/0",
        *(f"/static/{static_version()}/{file.name}" for file in STATIC_FOLDER.glob("*.[jc]s*")),
    ):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


OF_WHAT_IS_NOT_HERE = (
    "/jobs/7",
    "/jobs/7/file",
    "/training/runs/7",
    "/training/runs/7/model",
    "/training/runs/7/usage",
    "/diagnosis/compare?runs=7,8",
    "/augment/sets/7/gallery",
    "/augment/sets/7/0123/sprite.png?edits=1",
    "/augment/editors/7/samples/0.png",
    f"/augment/{quote(SHAPES)}/look?rows=0&run=7",
    *(
        f"/diagnosis/7/{part}"
        for part in (
            "overview",
            "classes",
            "entanglement",
            "reliability?class=0",
            "rows?what=confusion&a=0&b=0",
            "tiles?rows=0",
            "colours",
            "columns",
            "field?name=x",
            "fields",
            "slices?name=x",
            "suspects",
            "instance/0",
            "pair/0-1",
            "apart",
        )
    ),
    f"{S}/search/rows?words=red",
    f"{S}/search/picture/0123456789abcdef",
    f"{S}/zero-shot/0",
    f"{A}/queues/7/items/0",
    f"{A}/trial?order=random",
    f"{A}/trial/worth?order=random&answers=0:1",
)
"""Routes of things that the small project does not hold; trials are for read-only studios."""


def test_every_route_is_tried_here(services):
    tried = [path.partition("?")[0] for path in ANSWERED + list(OF_WHAT_IS_NOT_HERE)]
    for route in build_api(services).routes:
        if route.path in {"/docs", "/openapi.json"}:  # of the studio, not of a project
            continue
        assert any(route.path_regex.fullmatch(each) for each in tried), route.path


@pytest.fixture(scope="module")
def guarded(services):
    """The whole window, served behind a login."""
    window = build_window(services)
    launch(window, services, auth=("ada", "entangled"), prevent_thread_lock=True, quiet=True)
    with httpx.Client(base_url=window.local_url.rstrip("/"), trust_env=False) as asking:
        yield asking
    window.close()


def test_nothing_is_shown_before_the_login(guarded):
    for path in (*ANSWERED, *OF_WHAT_IS_NOT_HERE, "/docs", "/openapi.json", "/nowhere"):
        answer = guarded.get(PREFIX + path)
        assert (answer.status_code, answer.json()) == (401, {"error": "Log in first."})
        assert answer.headers["cache-control"] == "no-store"


def test_a_made_up_token_is_no_login(guarded):
    """The cookie had another name than the studio reads, so that the test could not fail."""
    guarded.post("/login", data={"username": "ada", "password": "entangled"}).raise_for_status()
    names = list(guarded.cookies)
    guarded.cookies.clear()
    assert any(name.startswith("access-token-") for name in names)
    made_up = "; ".join(f"{name}=x" for name in names)
    answer = guarded.get(PREFIX + "/state", headers={"Cookie": made_up})
    assert answer.status_code == 401


def test_after_the_login_the_routes_answer(guarded):
    guarded.post("/login", data={"username": "ada", "password": "entangled"}).raise_for_status()
    answer = guarded.get(PREFIX + "/state")
    guarded.cookies.clear()
    assert [data["name"] for data in answer.json()["datasets"]] == [SHAPES, VECTORS]
