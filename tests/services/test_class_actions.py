"""After a merge or a removal, sets, true labels, votes and exports are in the classes left."""

import csv
import json

import numpy as np
import pytest

from cad_studio.config import AppConfig
from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.training.training import TrainingRequest
from tests.services.annotating import CLASSES, N_SAMPLES, NAME, act, label, make, now, request
from tests.services.small import noise, save, store

TRUTH = np.arange(N_SAMPLES) % 4


@pytest.fixture
def services(tmp_path):
    services = Services(AppConfig(tmp_path / "project"))
    make(services, tmp_path)
    yield services
    services.close()


def merge(services, one=1, into=0, **more):
    return act(services, "merge-class", given={"class": one, "into": into}, **more)


def holding(services, index):
    return int(services.sets.effective(NAME).has(index).sum())


def test_true_labels_follow_a_merge_and_its_undo(services):
    """They kept the old class, so that every one of its samples counted as wrong."""
    services.datasets.load(NAME)
    merge(services)
    data = services.datasets.load(NAME)
    assert np.array_equal(data.truth, np.where(TRUTH == 1, 0, TRUTH))
    assert services.datasets.describe(NAME)["truth_in_candidates"] == N_SAMPLES
    assert services.datasets.instance(NAME, 1, reveal=True)["truth"] == 0
    act(services, "undo")
    assert np.array_equal(services.datasets.load(NAME).truth, TRUTH)
    act(services, "redo")
    assert services.datasets.load(NAME).truth[1] == 0


def test_true_labels_of_a_removed_class_are_not_known(services):
    for row in range(N_SAMPLES):
        if now(services, row) == [3]:
            act(services, "none", [row], given={"classes": [0]})
    act(services, "remove-class", given={"class": 3})
    truth = services.datasets.load(NAME).truth
    assert np.array_equal(truth, np.where(TRUTH == 3, UNKNOWN, TRUTH))
    assert services.datasets.describe(NAME)["truth_known"] == 45


def test_a_merge_that_touches_no_set_changes_true_labels_all_the_same(services, tmp_path):
    """The version was taken for the one before, as its sets are the same."""
    file = save(
        tmp_path / "plain.npz", images=noise(6, 4, 4, seed=0),
        candidates=np.eye(4, dtype=bool)[[0, 0, 0, 2, 2, 2]], labels=np.array([0, 1, 0, 2, 2, 3]),
        class_names=np.array(CLASSES),
    )  # fmt: skip
    store(services, file, "plain")
    first = services.datasets.get("plain").version
    given = {"class": 1, "into": 0}
    services.annotation.act("plain", request("merge-class", given=given))
    assert services.datasets.load("plain").truth.tolist() == [0, 0, 0, 2, 2, 3]
    assert services.datasets.get("plain").version.hash != first.hash
    services.annotation.act("plain", request("undo"))
    assert services.datasets.load("plain").truth.tolist() == [0, 1, 0, 2, 2, 3]
    assert services.datasets.get("plain").version.hash == first.hash


def test_a_new_name_is_everywhere_at_once_and_takes_its_description_along(services):
    """Datasets in memory went on with the old name until the studio was started again."""
    services.project.datasets.describe_classes(NAME, {"dog": "barks", "cat": "meows"})
    services.datasets.load(NAME)
    act(services, "rename-class", given={"class": 1, "name": "hound"})
    record = services.datasets.load(NAME).record
    assert record.class_names == ["cat", "hound", "fox", "owl"]
    assert record.class_descriptions == {"hound": "barks", "cat": "meows"}
    act(services, "undo")
    assert services.datasets.load(NAME).record.class_descriptions["dog"] == "barks"


def test_imported_votes_follow_in_agreement_cards_and_export(tmp_path):
    services = Services(AppConfig(tmp_path / "voted"))
    truth = np.arange(8) % 4
    lines = [("a", truth), ("b", np.where(truth == 1, 0, truth)), ("c", truth)]
    with (tmp_path / "votes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "annotator", "label"])
        for who, labels in lines:
            writer.writerows([f"{row}.png", who, CLASSES[c]] for row, c in enumerate(labels))
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 255, (8, 6, 6), np.uint8)
    for row in range(8):
        Image.fromarray(noise[row]).save(tmp_path / f"{row}.png")
    store(services, tmp_path / "votes.csv", NAME)
    names = services.datasets.get(NAME).class_names
    dog, cat = names.index("dog"), names.index("cat")
    assert services.annotators.agreement(NAME)["raw"] < 1
    merge(services, dog, cat)
    found = services.annotators.agreement(NAME)
    assert (found["raw"], found["disputed"], found["votes"]) == (1.0, 0, 24)
    labels = {vote["label"] for vote in services.cards.card(NAME, [1], "anna")["sides"][0]["votes"]}
    assert labels == {cat}
    services.exporting.export(NAME, "votes", tmp_path / "out.csv")
    assert "dog" not in (tmp_path / "out.csv").read_text()
    act(services, "undo")
    assert services.annotators.agreement(NAME)["raw"] < 1
    services.close()


def test_an_export_after_a_merge_comes_back_with_truth_in_every_set(services, tmp_path):
    merge(services)
    services.exporting.export(NAME, "npz", tmp_path / "out.npz", Silent())
    store(services, tmp_path / "out.npz", "again")
    found = services.datasets.describe("again")
    assert (found["truth_known"], found["truth_in_candidates"]) == (N_SAMPLES, N_SAMPLES)
    services.exporting.export(NAME, "label-studio", tmp_path / "out.json")
    assert "dog" not in json.loads((tmp_path / "out.json").read_text())[0]["meta"]["label_config"]


def test_sets_made_anew_after_a_merge_keep_the_classes(services):
    merge(services)
    blob = services.project.blobs.save_array(services.sets.base(NAME).packed[::-1].copy())
    services.project.datasets.add_version(NAME, blob, "synthesis", {})
    assert services.datasets.load(NAME).truth[1] == 0
    assert not services.sets.settle(NAME).version.details["classes"]["removed"]
    assert not services.datasets.load(NAME).candidates.has(1).any()


def test_a_run_is_measured_in_the_classes_it_learned(services):
    """An older run was held against true labels of classes it never saw as one."""
    config = {"epochs": 1, "seed": 0, "refresh_epochs": ""}
    run = services.training.create(TrainingRequest(NAME, "proden", config=config))
    services.training.train(run.id, Silent())
    before = services.training.evaluate(run.id, None, Silent())["accuracy"]
    merge(services)
    assert services.training.evaluate(run.id, None, Silent())["accuracy"] == before


def test_the_count_is_told_first_and_nothing_is_changed(services):
    n_dogs, n_both = holding(services, 1), holding(services, 0)
    asked = request("merge-class", given={"class": 1, "into": 0})
    found = services.annotation.preview(NAME, asked)
    assert found["changed"] == n_dogs
    assert found["says"].startswith(f"{n_dogs} samples hold 'dog' and get 'cat'")
    assert (holding(services, 1), holding(services, 0)) == (n_dogs, n_both)
    assert services.history.newest(NAME)["head"] == 0
    services.annotation.act(NAME, asked)
    assert services.history.newest(NAME)["actions"][0]["n_rows"] == n_dogs
    label(services, 0, 3)
    for kind, given, words in (
        ("remove-class", {"class": 3}, "no candidate but 'owl'"),
        ("rename-class", {"class": 0, "name": "owl"}, "There is a class 'owl' already"),
        ("merge-class", {"class": 1, "into": 2}, "was merged or removed already"),
        ("merge-class", {"class": 2, "into": 2}, "into itself"),
    ):
        with pytest.raises(SettingError, match=words):
            services.annotation.preview(NAME, request(kind, given=given))


def test_a_file_from_before_a_merge_is_read_in_the_classes_of_now(services, tmp_path):
    """The preview offered a change that taking over then refused."""
    merge(services)
    label(services, 1, 2)
    file = tmp_path / "old.csv"
    file.write_text("id,candidates\nimg 1,dog\nimg 2,dog|fox\n")
    found = services.corrections.preview(NAME, file)
    assert {"id": "img 1", "before": ["fox"], "after": ["cat"]} in found["changes"]
    services.corrections.apply(NAME, file, request("correct"))
    assert (now(services, 1), now(services, 2)) == ([0], [0, 2])


def test_an_older_window_learns_that_its_class_is_gone(services):
    merge(services)
    with pytest.raises(SettingError, match="was merged into 'cat'"):
        label(services, 0, 1)
