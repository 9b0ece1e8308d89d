"""The runs that come with the sample, as a new project has them."""

import json
import shutil

import numpy as np
import pytest

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.datasets.sample import HARD_NAME
from cad_studio.services.edits.augmentation import AugmentRequest
from cad_studio.services.edits.sets import GalleryFilter
from cad_studio.services.training.sample_runs import EDITS_FILE, FOLDER

MOST_BYTES = 6_000_000
NAMES = ["PRODEN", "CAD-CAM"]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    services = Services(AppConfig(tmp_path_factory.mktemp("sample-runs")))
    assert services.sample.open(Silent())["notes"] == []
    yield services
    services.close()


def test_they_are_small_enough_for_a_repository():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= MOST_BYTES


def test_a_new_project_has_them_finished_diagnosed_laid_out_and_searched(opened):
    assert not opened.sample.is_wanted()
    rows = opened.runs.all(HARD_NAME)[::-1]
    assert [(row["name"], row["status"], row["is_bundled"]) for row in rows] == [
        (name, "done", True) for name in NAMES
    ]
    for row in rows:
        assert row["data_number"] == 1
        assert len(opened.runs.reports(row["id"])) == row["epochs_done"] == 10
        found = opened.diagnosis.predictions.load(row["id"])
        # the very figures of its training, from answers of half precision
        figures = opened.diagnosis.confusion.overview(row["id"])["figures"]
        assert figures["accuracy"] == pytest.approx(row["test_accuracy"], abs=1e-3)
        assert np.linalg.norm(found.features, axis=1) == pytest.approx(1, abs=1e-5)
        history, learned = opened.diagnosis.predictions.history(found)
        assert (len(history), len(learned)) == (10, 9500)
        state = opened.diagnosis.maps.state(HARD_NAME, f"run:{row['id']}")
        assert state["stage"] == "umap"
        assert opened.diagnosis.suspects.known(HARD_NAME, row["id"])["run"] == row["id"]
    standing = opened.loop.standing(HARD_NAME)
    assert standing["next"] == "fix"
    assert standing["answers"]["suspects"] > 100


def test_the_edits_of_the_most_entangled_are_stored_and_judged(opened):
    (stored,) = opened.edit_sets.all(HARD_NAME)
    assert (stored["editor"], stored["n"], stored["n_stale"]) == ("in-domain", 800, 0)
    judge = opened.judges.open(opened.runs.all(HARD_NAME)[0]["id"]).key
    page = opened.edit_sets.gallery(stored["id"], judge, GalleryFilter(), 0, 20)
    assert page["total"] == page["summary"]["n_judged"] == 800
    edited = opened.edit_sets.image(stored["id"], page["edits"][0]["id"])
    assert edited.shape == (28, 28, 1)
    # the very edits that the studio makes, so that more of them go on with these
    request = AugmentRequest(HARD_NAME, budget={"limit": 800})
    assert opened.augmentation.make(request, Silent())["reused"] == 800


def test_what_was_found_is_known_by_how_features_are_made_not_by_their_last_bits(opened):
    """Other machines and other numbers of threads round them otherwise."""
    (pixels,) = opened.mining.feature_sets(HARD_NAME)
    rounded = np.nextafter(opened.mining.load_features(pixels), np.float32(np.inf))
    with opened.project.saving():
        opened.project.features.renew(pixels.id, opened.project.blobs.save_array(rounded), 1.0)
    (again,) = opened.mining.feature_sets(HARD_NAME)
    assert again.file != pixels.file
    newest = opened.runs.all(HARD_NAME)[0]["id"]
    assert opened.diagnosis.suspects.known(HARD_NAME, newest)["run"] == newest


def test_a_run_that_its_owner_deleted_does_not_come_back(opened):
    first = opened.runs.all(HARD_NAME)[-1]["id"]
    opened.runs.remove(first)
    opened.runs.purge()
    assert not opened.sample.is_wanted()
    opened.sample.open(Silent())
    assert [row["name"] for row in opened.runs.all(HARD_NAME)] == NAMES[1:]


@pytest.mark.parametrize("ending", ["result.zip.xz", "npz"])
def test_files_that_are_damaged_leave_a_run_out_and_say_so(opened, tmp_path, monkeypatch, ending):
    shutil.copytree(FOLDER, tmp_path / "runs")
    (tmp_path / "runs" / f"1-proden.{ending}").write_bytes(b"cut short")
    bundled = opened.sample._runs
    monkeypatch.setattr(bundled, "_folder", tmp_path / "runs")
    before = {row["id"] for row in opened.runs.all()}
    bundled.announce(HARD_NAME)
    assert opened.sample.is_wanted()  # a start that is cut off here goes on
    (note,) = bundled.bring(Silent())
    assert note.startswith("The run PRODEN that comes with the sample is left out: ")
    assert not opened.sample.is_wanted()
    [again] = [row for row in opened.runs.all() if row["id"] not in before]
    assert (again["name"], again["status"]) == ("CAD-CAM", "done")


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "told", "left"),
    [(EDITS_FILE, "The edits that come", 2), ("2-cad-cam.npz", "The run CAD-CAM that comes", 1)],
)
def test_edits_are_there_whole_and_judged_or_not_at_all(tmp_path, name, told, left):
    shutil.copytree(FOLDER, tmp_path / "runs")
    (tmp_path / "runs" / name).write_bytes(b"cut short")
    services = Services(AppConfig(tmp_path / "project"))
    services.sample._runs._folder = tmp_path / "runs"
    (note,) = services.sample.open(Silent())["notes"]
    assert note.startswith(told)
    assert [row["status"] for row in services.runs.all(HARD_NAME)] == left * ["done"]
    assert services.edit_sets.all(HARD_NAME) == []
    services.close()


def test_what_comes_with_the_sample_names_no_place_where_it_was_made():
    with np.load(FOLDER / EDITS_FILE) as kept:
        about = kept["about"].tobytes().decode()
    texts = [about, *(file.read_text() for file in FOLDER.glob("*.json"))]
    assert not any('"/' in text for text in texts)


def test_answers_of_another_model_are_not_taken_for_this_one_s(opened):
    run = opened.runs.all(HARD_NAME)[0]["id"]
    folder = opened.project.run_folder(run) / "diagnosis"
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    predictions = opened.diagnosis.predictions
    assert not predictions.adopt(run, {}, {**card, "key": "another"}, 1)
    assert not predictions.is_ready(run)  # its model was written at another time


def test_sets_of_another_sample_get_none(opened):
    """A project whose sets are others is left alone: the runs learned from these very sets."""
    before = len(opened.runs.all())
    opened.sample._runs.announce("sample")
    assert len(opened.runs.all()) == before
