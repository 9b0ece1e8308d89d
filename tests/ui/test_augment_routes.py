"""What the Augmentations page reads, and what is refused."""

import pytest

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.edits.augmentation import AugmentRequest
from cad_studio.services.edits.models import EditModelRequest
from cad_studio.services.training.training import TrainingRequest
from cad_studio.ui.tabs.augment import _actions as augment_actions
from tests.services.edited import QUICK_EDITOR, with_editor
from tests.ui.small_project import CLASSES, SHAPES, VECTORS


@pytest.fixture(scope="module")
def ready(services):
    """An editor, a run that judges, and all edits of the shapes."""
    model = services.edit_models.create(EditModelRequest(SHAPES, config=QUICK_EDITOR))
    services.edit_models.train(model.id, Silent())
    loop = {"epochs": 1, "batch_size": 8, "threads": 1, "device": "cpu"}
    run = services.training.create(TrainingRequest(SHAPES, "proden", config=loop))
    services.training.train(run.id, Silent())
    request = AugmentRequest(SHAPES, budget={"budget": "all"}, run=run.id)
    return services.augmentation.make(request, Silent())


def test_offers_name_editors_judges_sets_and_what_is_missing(client, ready):
    found = client.get(f"/augment/{SHAPES}/offers").json()
    assert found["class_names"] == CLASSES
    assert found["epsilon"] == 0.5
    assert [editor["name"] for editor in found["editors"]] == ["in-domain", "instruct-pix2pix"]
    assert found["sets"][0]["n"] == ready["made"]
    assert ready["judge"] in [judge["id"] for judge in found["judges"]]
    assert client.get(f"/augment/{VECTORS}/offers").json()["has_images"] is False


def test_a_sample_and_a_pair_are_looked_at(client, ready):
    run = ready["judge"]
    found = client.get(f"/augment/{SHAPES}/look", params={"rows": "3", "run": run}).json()
    (sample,) = found["samples"]
    assert set(sample["views"]) == {"cam", "in-domain"}
    assert sample["source"].startswith("data:image/png;base64,")
    pair = client.get(f"/augment/{SHAPES}/look", params={"rows": "3,4", "run": run}).json()
    assert len(pair["samples"]) == 2
    assert pair["pair"]["before"] >= 0
    maps = client.get(f"/augment/{SHAPES}/look", params={"rows": "3", "edits": 0, "run": run})
    assert set(maps.json()["samples"][0]["views"]) == {"cam"}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"rows": ""}, "expected whole numbers"),
        ({"rows": "1,2,3"}, "One sample or two"),
        ({"rows": "4000"}, "has no row 4000"),
        ({"rows": "3", "epsilon": "2"}, "epsilon is 2.0; the most is 1.0"),
        ({"rows": "3", "epsilon": "nan"}, "expected a number"),
        ({"rows": "3", "cam": "xyz"}, "cam is 'xyz'"),
        ({"rows": "1,2", "guides": "3"}, "1 guides are given for 2 samples"),
        ({"rows": "3", "guides": "99"}, "Class 99 is no candidate of row 3"),
        ({"rows": "3", "run": "999"}, "Run 999 is not in this project"),
    ],
)
def test_what_cannot_be_looked_at_is_told(client, ready, query, words):
    answer = client.get(f"/augment/{SHAPES}/look", params=query)
    assert answer.status_code in {400, 404}
    assert words in answer.json()["error"]


def test_settings_of_the_editor_out_of_range_leave_its_row_empty_and_say_so(client, ready):
    found = client.get(f"/augment/{SHAPES}/look", params={"rows": "3", "strength": "7"}).json()
    assert "strength is 7.0" in found["missing"]["in-domain"]


def test_the_gallery_is_read_in_pages_with_its_thumbnails(client, ready):
    path = f"/augment/sets/{ready['set']}/gallery"
    found = client.get(path, params={"run": ready["judge"], "limit": 5}).json()
    assert (len(found["edits"]), found["total"]) == (5, ready["made"])
    assert found["summary"]["n_judged"] == ready["made"]
    sheet = client.get(found["sprite"]["url"].removeprefix("/gradio_api/cad"))
    assert (sheet.status_code, sheet.headers["content-type"]) == (200, "image/png")
    assert "immutable" in sheet.headers["cache-control"]
    assert client.get(path, params={"order": "best", "classes": "0-1"}).status_code == 200
    assert client.get(path, params={"order": "x"}).status_code == 400
    assert client.get(path, params={"classes": "0-99"}).status_code == 400
    assert client.get("/augment/sets/999/gallery").status_code == 404
    bad = client.get(f"/augment/sets/{ready['set']}/0/sprite.png", params={"edits": "99999"})
    assert bad.status_code == 404


def test_a_browser_keeps_no_sheet_under_the_address_of_another(client, ready, services, tmp_path):
    """Sets and edits are numbered anew in every project, and a sheet was kept for a year."""
    path = f"/augment/sets/{ready['set']}"
    found = client.get(f"{path}/gallery", params={"limit": 2}).json()
    numbers = [edit["id"] for edit in found["edits"]]
    content = services.edit_sets.sheet_hash(ready["set"], numbers)
    assert f"{path}/{content}/sprite.png" in found["sprite"]["url"]
    query = {"edits": ",".join(map(str, numbers))}
    other = client.get(f"{path}/0123456789abcdef/sprite.png", params=query)
    assert (other.status_code, other.headers["cache-control"]) == (200, "no-store")
    elsewhere = Services(AppConfig(tmp_path / "project"))
    with_editor(elsewhere, tmp_path, SHAPES)
    made = elsewhere.augmentation.make(AugmentRequest(SHAPES, budget={"budget": "all"}), Silent())
    assert made["set"] == ready["set"]
    assert elsewhere.edit_sets.sheet_hash(ready["set"], numbers) != content
    elsewhere.close()


def test_sample_grids_and_prompts_are_read(client, ready, services):
    (model,) = services.edit_models.all(SHAPES)
    grid = client.get(f"/augment/editors/{model['id']}/samples/0.png")
    assert grid.headers["content-type"] == "image/png"
    assert client.get(f"/augment/editors/{model['id']}/samples/7.png").status_code == 404
    table = client.get(f"/augment/{SHAPES}/prompts").json()
    assert [row["prompt"] for row in table["rows"]] == CLASSES


@pytest.mark.parametrize(
    ("action", "wanted"),
    [
        ("judge", {"run": 1}),
        ("judge", {"set": [1], "run": 1}),
        ("resume", {"job": None}),
        ("drop", {"editor": "x"}),
        ("remove", {"set": True}),
        ("save", {"dataset": SHAPES, "template": "{class}"}),
        ("save", {"dataset": SHAPES, "template": "{class}", "descriptions": ["x"]}),
        ("restore", {"dataset": SHAPES}),
    ],
)
def test_actions_without_their_parts_are_refused_in_words(services, action, wanted):
    """They were unexpected errors."""
    asked = {each.__name__: each for each in augment_actions(services)}
    told = asked[action](wanted)["error"]
    assert any(part in told for part in ("lacks", "expected")), told


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"dataset": SHAPES, "editor": 3},
        {"dataset": SHAPES, "run": True},
        {"dataset": SHAPES, "rows": ["a"]},
        {"dataset": SHAPES, "settings": {"model": "/etc/passwd"}},
        {"dataset": SHAPES, "shell": "rm"},
    ],
)
def test_requests_of_another_kind_are_refused(services, wanted):
    asked = {each.__name__: each for each in augment_actions(services)}
    told = asked["make"](wanted)["error"]
    assert any(part in told for part in ("lacks", "expected", "no part", "newest one")), told
