"""Search by words and pictures, and what words suggest, with tiny models of the real classes."""

import csv
import io
import json
import threading
import time

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cad_studio import Studio
from cad_studio.cli import app
from cad_studio.config import AppConfig
from cad_studio.core.errors import (
    DatasetFormatError,
    NotAllowedError,
    RecordNotFoundError,
    ResourceError,
    SettingError,
)
from cad_studio.core.optional import require
from cad_studio.core.progress import Silent
from cad_studio.extractors._base import make_extractor
from cad_studio.extractors._words import Words
from cad_studio.services.access import Login, User, acting_as
from cad_studio.services.annotation.action_requests import ActionRequest
from cad_studio.services.container import Services
from cad_studio.services.datasets.search import SearchQuery
from cad_studio.services.datasets.zero_shot import likeliest
from tests.extractors.tiny_words import save_tiny_clip, save_tiny_siglip
from tests.services.small import noise, save, sets, store

N, CLASSES = 12, ["red", "green", "blue"]
IMAGES = noise(N, 8, 8, 3, seed=5)
TRUTH = np.arange(N) % 3
USERS = {name: User(name, role) for name, role in
         (("olga", "owner"), ("ann", "annotator"), ("vic", "viewer"))}  # fmt: skip


def png_of(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {"clip": save_tiny_clip(folder / "clip"), "siglip": save_tiny_siglip(folder / "siglip")}


@pytest.fixture(scope="module")
def project(models, tmp_path_factory):
    """A project of twelve images, with the features of both models."""
    folder = tmp_path_factory.mktemp("searched")
    services = Services(AppConfig(folder / "project"))
    source = save(folder / "pets.npz", images=IMAGES, candidates=sets(N, 3, TRUTH, 1),
                  labels=TRUTH, class_names=np.array(CLASSES))  # fmt: skip
    store(services, source)
    for model in models.values():
        services.mining.extract("pets", f"hf:{model}", Silent())
    services.mining.extract("pets", "hog", Silent())
    services.close()
    return folder / "project"


@pytest.fixture
def searched(project):
    services = Services(AppConfig(project), login=Login(USERS))
    with acting_as("olga"):
        yield services
    services.close()


def waited(ask):
    """An answer that is ready; the model is opened beside."""
    deadline = time.monotonic() + 60
    while not (found := ask())["is_ready"]:
        assert found["says"].startswith("Opening the model of hf:")
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("model", ["clip", "siglip"])
def test_words_order_samples_by_the_cosine_of_both_sides_of_the_model(model, searched, models):
    transformers = require("transformers", "transformers", "The test")

    spec, words = f"hf:{models[model]}", "a photo of red"
    found = searched.search.search("pets", SearchQuery(words, features=spec))
    whole = transformers.AutoModel.from_pretrained(models[model]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(models[model])
    full = {"padding": "max_length", "max_length": 24} if model == "siglip" else {}
    text = whole.get_text_features(tokenizer([words], return_tensors="pt", **full)["input_ids"])
    text = text.pooler_output[0].detach().numpy()
    images = searched.mining.load_features(searched.mining.stored("pets", spec))
    cosine = images @ (text / np.linalg.norm(text))
    assert found["rows"] == np.argsort(-cosine, kind="stable").tolist()
    np.testing.assert_allclose(found["similarity"], sorted(cosine, reverse=True), atol=1e-4)
    rows, some = searched.search.ordered(
        "pets", np.array([1, 4, 7]), SearchQuery(words, features=spec, nearest=2)
    )
    assert rows.tolist() == [row for row in found["rows"] if row in (1, 4, 7)][:2]
    assert len(some) == 2


def test_a_picture_finds_its_own_sample_first_and_is_found_again_by_its_link(searched, project):
    picture = searched.search.keep_picture("pets", png_of(IMAGES[7]), "seven.png")
    found = searched.search.search("pets", SearchQuery(picture=picture, nearest=3))
    assert found["rows"][0] == 7
    assert found["similarity"][0] == pytest.approx(1, abs=1e-4)
    again = Services(AppConfig(project))  # after a restart, by the link alone
    assert again.search.search("pets", SearchQuery(picture=picture))["rows"][0] == 7
    np.testing.assert_array_equal(again.search.picture("pets", picture), IMAGES[7])
    again.close()


def test_the_first_search_opens_its_model_beside_and_the_next_one_answers_at_once(searched):
    query = SearchQuery("green")
    assert not searched.search.state("pets", query)["is_ready"]
    found = waited(lambda: searched.search.state("pets", query))
    assert found["says"] == ""
    # class texts are read by the model that is open now
    said = waited(lambda: searched.zero_shot.of_row("pets", 0))
    assert len(said["classes"]) == 3
    assert sum(each["share"] for each in said["classes"]) == pytest.approx(1, abs=1e-3)
    assert {each["prompt"] for each in said["classes"]} == {f"a photo of a {c}" for c in CLASSES}


def test_who_is_no_owner_searches_in_what_is_there_and_names_nothing(searched, models, tmp_path):
    picture = searched.search.keep_picture("pets", png_of(IMAGES[2]), "two.png")
    for who in ("ann", "vic", None):
        with acting_as(who):
            assert searched.search.search("pets", SearchQuery("red"))["rows"]
            assert searched.search.search("pets", SearchQuery(picture=picture))["rows"][0] == 2
            with pytest.raises(NotAllowedError):
                searched.search.keep_picture("pets", png_of(IMAGES[3]), "three.png")
            with pytest.raises(NotAllowedError):
                searched.hub_models.offers()
            with pytest.raises(NotAllowedError):
                searched.zero_shot.suggest("pets", tmp_path / "x.csv", Silent())
    # a model that is on the disk, but of which there are no features, is nobody's to name here
    with pytest.raises(SettingError, match="extract pets --features hf:"):
        searched.search.search("pets", SearchQuery("red", features=f"hf:{models['clip']},mirror"))


def test_what_is_missing_says_what_to_do(services, searched, tmp_path):
    source = save(tmp_path / "plain.npz", images=IMAGES, candidates=sets(N, 3, TRUTH, 1))
    store(services, source, name="plain")
    services.mining.extract("plain", "hog", Silent())
    offers = services.search.offers("plain")
    assert (offers["words"], offers["pictures"]) == ([], [])
    assert "needs features of an image-text model such as CLIP" in offers["how"]
    assert "extract plain --features hf:openai/clip-vit-base-patch32" in offers["how"]
    with pytest.raises(SettingError, match="image-text model"):
        services.search.search("plain", SearchQuery("red"))
    with pytest.raises(SettingError, match="Search by a picture needs features of a network"):
        services.search.keep_picture("plain", png_of(IMAGES[0]), "x.png")
    with pytest.raises(SettingError, match="words, or a picture"):
        searched.search.search("pets", SearchQuery("  "))
    with pytest.raises(SettingError, match="not by both"):
        SearchQuery("red", "0" * 16)
    with pytest.raises(SettingError, match="names no picture"):
        SearchQuery(picture="../../etc/passwd")
    with pytest.raises(RecordNotFoundError, match="not kept any more"):
        searched.search.search("pets", SearchQuery(picture="0" * 16))
    with pytest.raises(DatasetFormatError, match=r"x\.png: no image"):
        searched.search.keep_picture("pets", b"no image", "x.png")


def test_a_model_that_was_changed_or_removed_is_told(services, tmp_path):
    model = save_tiny_clip(tmp_path / "clip")
    store(services, save(tmp_path / "p.npz", images=IMAGES, candidates=sets(N, 3, TRUTH, 1)))
    services.mining.extract("pets", f"hf:{model}", Silent())
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[:-1] + b"\x01")
    with pytest.raises(SettingError, match=r"has changed since.*Extract them again"):
        services.search.search("pets", SearchQuery("red"))
    # an error beside is told by the next look, once
    query = SearchQuery("blue")
    with pytest.raises(SettingError, match="has changed since"):
        waited(lambda: services.search.state("pets", query))
    (model / "tokenizer.json").unlink()
    (model / "model.safetensors").write_bytes(weights)
    (model / "vocab.json").unlink()
    with pytest.raises((SettingError, ResourceError), match=r"changed since|cannot be loaded here"):
        services.search.search("pets", SearchQuery("red"))


def test_what_goes_wrong_beside_is_told_once_and_tried_again(searched, monkeypatch):
    """Whatever it is: a page that waits must not wait for ever."""
    query = SearchQuery("never asked before")
    with monkeypatch.context() as patch:
        patch.setattr(Words, "vectors", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            waited(lambda: searched.search.state("pets", query))
    assert waited(lambda: searched.search.state("pets", query))["is_ready"]


def test_layers_joined_are_no_longer_what_words_are_compared_with(models):
    assert make_extractor(f"hf:{models['clip']},mirror").reads_words()
    assert not make_extractor(f"hf:{models['clip']},layers=2").reads_words()
    assert not make_extractor("hf:nobody/nothing").reads_words()


def test_descriptions_are_prompts_and_suggestions_change_no_set(searched, tmp_path, models):
    before = searched.datasets.get("pets").version.hash
    searched.prompts.save("pets", "{class}, {description}", {"red": "like a rose " * 9})
    assert searched.zero_shot.prompts("pets")[0].startswith("red, like a rose like")
    assert searched.zero_shot.prompts("pets")[1] == "a photo of a green"
    out = tmp_path / "suggested.csv"
    found = searched.zero_shot.suggest("pets", out, Silent(), f"hf:{models['clip']}", mass=0.6)
    assert found["cut"] == ["red"]  # the tiny model reads 24 letters
    rows = list(csv.DictReader(out.open()))
    assert len(rows) == found["rows"] == N
    assert searched.datasets.get("pets").version.hash == before
    with pytest.raises(SettingError, match="mass is 0"):
        searched.zero_shot.suggest("pets", out, Silent(), mass=0)
    # the table is read by an import
    source = save(
        tmp_path / "plain.npz", images=IMAGES, labels=TRUTH, class_names=np.array(CLASSES),
        ids=np.array([row["id"] for row in rows]),
    )  # fmt: skip
    store(searched, source, name=f"again {time.monotonic_ns()}", candidates=str(out))


def test_the_fewest_classes_reach_the_mass():
    shares = np.array([[0.5, 0.3, 0.2], [0.05, 0.9, 0.05], [1 / 3, 1 / 3, 1 / 3]])
    # .5 + .3 = .8; .9 alone is enough; a third each: two make .667, three 1.
    assert likeliest(shares, 0.8, 3) == [[0, 1], [1], [0, 1, 2]]
    assert likeliest(shares, 1.0, 2) == [[0, 1], [1, 0], [0, 1]]


def test_the_command_line_and_python_find_the_same(project, tmp_path):
    def run(*arguments):
        found = CliRunner().invoke(app, ["--project", str(project), *arguments, "--json"])
        if found.exception is not None:
            raise found.exception
        return json.loads(found.stdout)

    (tmp_path / "four.png").write_bytes(png_of(IMAGES[4]))
    said = run("search", "pets", "--words", "red", "--limit", "3")
    assert len(said["rows"]) == 3
    by_picture = run("search", "pets", "--picture", str(tmp_path / "four.png"), "--limit", "1")
    assert by_picture["rows"] == [4]
    with pytest.raises(ResourceError, match=r"gone\.png cannot be read"):
        run("search", "pets", "--picture", str(tmp_path / "gone.png"))
    table = run("zero-shot", "pets", "--out", str(tmp_path / "out.csv"), "--most", "1")
    assert table["mean_size"] == 1
    with Studio(project) as studio:
        data = studio.dataset("pets")
        assert data.search(words="red", count=3).row.tolist() == said["rows"]
        assert data.search(picture=IMAGES[4], count=1).row.tolist() == [4]
        assert data.zero_shot(tmp_path / "again.csv", most=1)["agree"] == table["agree"]


def test_classes_that_were_merged_away_are_not_suggested(searched, tmp_path, models):
    """They were, and took their share from those that are left."""
    spec = f"hf:{models['clip']}"
    name = f"merged {time.monotonic_ns()}"
    source = save(tmp_path / "pets.npz", images=IMAGES, candidates=sets(N, 3, TRUTH, 1),
                  labels=TRUTH, class_names=np.array(CLASSES))  # fmt: skip
    store(searched, source, name=name)
    merge = ActionRequest(
        kind="merge-class", who="olga", window="w", key="k", arguments={"class": 1, "into": 2}
    )
    searched.annotation.act(name, merge)
    found = waited(lambda: searched.zero_shot.of_row(name, 0, spec))
    assert {each["class"] for each in found["classes"]} == {0, 2}
    assert sum(each["share"] for each in found["classes"]) == pytest.approx(1, abs=1e-3)
    searched.zero_shot.suggest(name, tmp_path / "out.csv", Silent(), spec, mass=1.0)
    assert "green" not in (tmp_path / "out.csv").read_text()


def test_pictures_that_were_searched_by_do_not_pile_up(searched, project, monkeypatch):
    monkeypatch.setattr("cad_studio.services.datasets.search._MOST_PICTURES", 3)
    kept = [
        searched.search.keep_picture("pets", png_of(noise(1, 8, 8, 3, seed=each)[0]), "a.png")
        for each in range(6)
    ]
    assert len(list((project / "derived").glob("*-picture-*.npy"))) == 3
    assert searched.search.picture("pets", kept[-1]).shape == (8, 8, 3)


def test_searches_that_nobody_waits_for_are_let_go_and_there_are_not_many(searched, monkeypatch):
    monkeypatch.setattr("cad_studio.services.datasets.search._MOST_WAITING", 2)
    gate = threading.Event()
    work = searched.search._vector
    monkeypatch.setattr(searched.search, "_vector", lambda *given: (gate.wait(30), work(*given))[1])
    for words in ("one", "two"):
        searched.search.state("pets", SearchQuery(words=words))
    with pytest.raises(SettingError, match="Search again in a moment"):
        searched.search.state("pets", SearchQuery(words="three"))
    gate.set()
    waited(lambda: searched.search.state("pets", SearchQuery(words="two")))
    waited(lambda: searched.search.state("pets", SearchQuery(words="three")))
    assert len(searched.search._at_work) <= 1


def test_a_picture_of_other_values_is_refused_in_python(project):
    """Floats from 0 to 1 were taken for a black picture."""
    with Studio(project) as studio, pytest.raises(SettingError, match="float64; give uint8"):
        studio.dataset("pets").search(picture=IMAGES[4] / 255.0)
