"""Edits are made once, only what changed is made again, and what fails is told."""

import os
import shutil
import time

import numpy as np
import pytest

from cad_studio.augment._base import EDITORS
from cad_studio.augment.in_domain import InDomainEditor
from cad_studio.core.errors import JobCancelled, ResourceError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.models.denoiser import DenoiserCard, make_denoiser
from cad_studio.services.annotation.annotation import ActionRequest
from cad_studio.services.edits.augmentation import AugmentRequest
from cad_studio.services.edits.editing import Batcher, similarity
from cad_studio.services.edits.models import EditModelRequest
from cad_studio.services.operations import run_operation
from cad_studio.training.denoiser_settings import EDITOR_FILE
from cad_studio.training.judging import Judge
from tests.augment.tiny_pipeline import save_tiny_pipeline
from tests.services.edited import (
    N_CLASSES,
    N_TRAIN,
    QUICK_EDITOR,
    brightness,
    with_run,
)
from tests.services.small import noise, picture_folder, save, sets, store
from tests.training.runs import StopsAfter

ALL = {"budget": "all"}


def make(services, name="b", progress=None, **changes):
    request = AugmentRequest(name, **{"budget": ALL, **changes})
    return services.augmentation.make(request, progress or Silent())


@pytest.fixture
def ready(edited):
    return edited


def n_wanted(services, name="b"):
    sizes = services.datasets.load(name).candidates.sizes()[:N_TRAIN]
    return int(sizes[sizes > 1].sum())


def test_all_candidates_of_the_training_samples_are_made_once(ready):
    first, again = make(ready), make(ready)
    assert (first["made"], first["reused"], first["failed"]) == (n_wanted(ready), 0, 0)
    assert (again["made"], again["reused"]) == (0, n_wanted(ready))
    assert again["set"] == first["set"]
    assert first["bytes"] == n_wanted(ready) * 144
    assert 0 < first["similarity_to_source"] <= 1
    index = ready.project.edits.index(first["set"])
    assert index.row.max() < N_TRAIN


def test_the_keys_of_a_result_and_no_judge_is_told_what_to_do(ready):
    found = make(ready)
    wanted = {"made", "reused", "failed", "seconds", "bytes", "reached_class"}
    assert wanted | {"similarity_to_source"} <= set(found)
    assert found["reached_class"] is None
    assert "python -m cad_studio train b" in found["notes"][0]


def test_budgets_take_fewer(ready):
    top = make(ready, budget={"budget": "all", "top": 1})
    assert top["wanted"] == len(np.unique(ready.project.edits.index(top["set"]).row))
    assert make(ready, budget={"budget": "all", "limit": 7})["wanted"] == 7
    entangled = make(ready, budget={"budget": "entangled"})
    found = ready.augmentation.entanglement("b")
    rows = np.unique(found.pairs)
    sizes = ready.datasets.load("b").candidates.sizes()[rows]
    assert entangled["wanted"] == sizes[sizes > 1].sum()
    stopped = make(ready, budget={"budget": "all", "max_seconds": 1e-6})
    assert "The time was up" in stopped["notes"][0]


def test_the_most_entangled_come_first(ready):
    found = ready.augmentation.entanglement("b")
    result = make(ready, budget={"budget": "all", "limit": 2})
    first = ready.project.edits.index(result["set"]).row
    assert set(first) <= set(found.pairs[:2].ravel())


def test_true_labels_decide_nothing(services, tmp_path):
    """The same images and candidates with other true labels: the same edits."""
    made = []
    for name, turn in (("b", 0), ("c", 1)):
        with np.load(brightness(tmp_path)) as arrays:
            kept = dict(arrays)
        kept["labels"] = (kept["labels"] + turn) % N_CLASSES
        store(services, save(tmp_path / f"{name}.npz", **kept), name)
        model = services.edit_models.create(EditModelRequest(name, config=QUICK_EDITOR))
        services.edit_models.train(model.id, Silent())
        result = make(services, name, budget={"budget": "entangled"})
        index = services.project.edits.index(result["set"])
        edit_set = services.project.edits.get(result["set"])
        made.append(
            (index.row, index.label, services.project.edits.pixels(edit_set).gather(index.place))
        )
    for first, second in zip(*made, strict=True):
        assert np.array_equal(first, second)


class StopsAfterBatches:
    """Asks to stop at the second batch."""

    def __init__(self):
        self.seen = 0

    def report(self, fraction, message):
        self.seen += " edits" in message
        if self.seen == 2:
            raise JobCancelled


def test_stopped_work_goes_on_where_it_was(ready, monkeypatch):
    monkeypatch.setattr(InDomainEditor, "batch_size", 10)
    with pytest.raises(JobCancelled):
        make(ready, progress=StopsAfterBatches())
    found = make(ready)
    assert found["reused"] == 10
    assert found["made"] == n_wanted(ready) - 10
    index = ready.project.edits.index(found["set"])
    assert len(set(zip(index.row, index.label, strict=True))) == len(index) == n_wanted(ready)


def test_an_edit_made_in_other_company_is_the_same(ready):
    row = int(np.flatnonzero(ready.datasets.load("b").candidates.sizes()[:N_TRAIN] > 1)[3])
    one = make(ready, rows=[row], settings={"steps": 4})
    edit_set = ready.project.edits.get(one["set"])
    index = ready.project.edits.index(one["set"])
    alone = ready.project.edits.pixels(edit_set).gather(index.place)
    ready.edit_sets.remove(one["set"])
    many = make(ready, settings={"steps": 4})
    edit_set = ready.project.edits.get(many["set"])
    index = ready.project.edits.index(many["set"])
    own = index.take(index.row == row)
    order = np.argsort(own.label)
    together = ready.project.edits.pixels(edit_set).gather(own.place[order])
    assert np.abs(alone.astype(int) - together).max() <= 1


def test_other_settings_are_another_set_and_a_bad_one_is_refused(ready):
    first, second = make(ready), make(ready, settings={"strength": 0.3})
    assert first["set"] != second["set"]
    assert second["similarity_to_source"] > first["similarity_to_source"]
    with pytest.raises(SettingError, match=r"strength is 1\.5"):
        make(ready, settings={"strength": 1.5})
    with pytest.raises(SettingError, match="is not a known editor"):
        make(ready, editor="photoshop")


def test_an_estimate_counts_and_keeps_nothing(ready):
    found = ready.augmentation.estimate(AugmentRequest("b", budget=ALL), Silent())
    assert (found["to_make"], found["reused"]) == (n_wanted(ready), 0)
    assert found["bytes"] == 144 * n_wanted(ready)
    assert found["seconds"] > 0
    assert ready.project.edits.counts() == {}


def test_an_estimate_leaves_no_set_behind_and_nor_does_work_that_made_nothing(ready):
    ready.augmentation.estimate(AugmentRequest("b", budget=ALL), Silent())
    found = make(ready, budget={"budget": "all", "max_seconds": 1e-6})
    assert (found["set"], found["made"], found["bytes"]) == (None, 0, 0)
    assert ready.edit_sets.all("b") == []


def slowly(monkeypatch, kind, name, seconds):
    """Let each image take so long."""
    fast = getattr(kind, name)

    def slow(self, images, *rest):
        time.sleep(seconds * len(images))
        return fast(self, images, *rest)

    monkeypatch.setattr(kind, name, slow)


def test_a_time_budget_holds_for_all_figures_of_an_estimate(ready, monkeypatch):
    """Its seconds were cut off, its edits and bytes were not."""
    slowly(monkeypatch, InDomainEditor, "edit", 0.01)
    budget = {"budget": "all", "max_seconds": 0.5}
    found = ready.augmentation.estimate(AugmentRequest("b", budget=budget), Silent())
    assert 0 < found["to_make"] <= 50
    assert found["bytes"] == 144 * found["to_make"]
    assert found["to_make"] + found["left"] == n_wanted(ready)
    assert found["seconds"] <= 0.5


def test_judging_counts_in_the_estimate_and_in_the_time(ready, monkeypatch):
    with_run(ready)
    slowly(monkeypatch, Judge, "look", 0.005)
    monkeypatch.setattr(InDomainEditor, "batch_size", 2)
    found = ready.augmentation.estimate(AugmentRequest("b", budget=ALL), Silent())
    # each edit and its source are looked at twice: alone, and in pairs
    assert found["seconds"] >= 4 * 0.005 * n_wanted(ready)
    ready.augmentation.entanglement("b")
    made = make(ready, budget={"budget": "all", "max_seconds": 1.0})
    assert 0 < made["made"] <= 1.0 / (4 * 0.005) + 2


def test_an_estimate_takes_what_was_annotated_until_then(ready):
    arguments = {"dataset": "b", "budget": ALL}
    before = run_operation(ready, "estimate-edits", arguments, Silent())
    sizes = ready.datasets.load("b").candidates.sizes()[:N_TRAIN]
    row = int(np.flatnonzero(sizes > 1)[0])
    given = {"class": int(ready.datasets.load("b").candidates.of(row)[0])}
    ready.annotation.act("b", ActionRequest("label", [row], given, "anna", key="k", window="w"))
    after = run_operation(ready, "estimate-edits", arguments, Silent())
    assert after["wanted"] == before["wanted"] - sizes[row]


def test_deleted_edits_are_gone_and_their_space_is_free(ready):
    made = make(ready)
    freed = ready.edit_sets.remove(made["set"])
    assert freed == {"removed": made["made"], "freed_bytes": made["bytes"]}
    assert make(ready)["made"] == made["made"]


class Blank:
    """An editor that fails: always for class 0, at the first try for class 1."""

    batch_size = 4

    def __init__(self, gives):
        self.tries = []
        self.gives = gives

    def edit(self, images, guide, seeds):
        self.tries += seeds.tolist()
        dark = [label == 0 or (label == 1 and seed % 2 == 0)
                for label, seed in zip(guide, seeds, strict=True)]  # fmt: skip
        return [
            self.gives if is_dark else image for image, is_dark in zip(images, dark, strict=True)
        ]


@pytest.mark.parametrize(
    "gives", [np.zeros((6, 6, 1), np.uint8), None], ids=["black", "broken numbers"]
)
def test_black_and_broken_output_is_tried_once_more_and_then_left_out(gives):
    images = [noise(6, 6, 1, seed=at) for at in range(3)]
    editor = Blank(gives)
    made = Batcher(editor).edit(images, np.array([0, 1, 2]), np.array([10, 20, 30]))
    assert made[0] is None
    assert np.array_equal(made[1], images[1])
    assert sorted(editor.tries) == [10, 11, 20, 21, 30]


def test_a_black_source_may_stay_black():
    flat = np.zeros((6, 6, 1), np.uint8)
    made = Batcher(Blank(flat)).edit([flat], np.array([0]), np.array([1]))
    assert np.array_equal(made[0], flat)


def test_failed_edits_are_counted_and_not_kept(ready, monkeypatch):
    def nothing(self, images, guide, seeds):
        return [
            image * 0 if label == 0 else image for image, label in zip(images, guide, strict=True)
        ]

    monkeypatch.setattr(InDomainEditor, "edit", nothing)
    found = make(ready)
    assert found["failed"] > 0
    assert found["made"] + found["failed"] == found["wanted"]
    assert "came out blank" in found["notes"][0]
    assert 0 not in ready.project.edits.index(found["set"]).label


class Hungry:
    """An editor whose memory holds two images."""

    batch_size = 8
    holds = 2

    def edit(self, images, guide, seeds):
        if len(images) > self.holds:
            raise MemoryError
        return images


def test_a_batch_too_large_is_halved_until_it_fits():
    images = [noise(5, 5, 3, seed=at) for at in range(9)]
    batcher = Batcher(Hungry())
    made = batcher.edit(images, np.zeros(9, int), np.arange(9))
    assert all(np.array_equal(*each) for each in zip(made, images, strict=True))
    assert batcher.size == 2
    assert "2 edits at once" in batcher.notes[-1]
    starved = Hungry()
    starved.holds = 0
    with pytest.raises(ResourceError, match="does not hold a single edit"):
        Batcher(starved).edit(images, np.zeros(9, int), np.arange(9))


def test_only_what_a_changed_prompt_touches_is_made_again(services, tmp_path):
    store(services, brightness(tmp_path), "b")
    folder = save_tiny_pipeline(tmp_path)
    settings = {"model": str(folder), "steps": 2, "size_px": 16, "device": "cpu"}
    call = {
        "editor": "instruct-pix2pix",
        "settings": settings,
        "budget": {"budget": "all", "limit": 12},
    }
    first = make(services, **call)
    assert first["made"] == 12
    services.prompts.save("b", "{class}, {description}", {"bright": "a bright thing"})
    labels = services.project.edits.index(first["set"]).label
    again = make(services, **call)
    assert again["made"] == (labels == 2).sum() > 0
    assert again["reused"] == 12 - again["made"]
    (listed,) = services.edit_sets.all("b")
    assert (listed["n"], listed["n_stale"]) == (12, again["made"])
    assert services.edit_sets.remove(first["set"], stale_only=True)["removed"] == again["made"]
    (listed,) = services.edit_sets.all("b")
    assert (listed["n"], listed["n_stale"]) == (12, 0)
    services.prompts.restore("b", 1)
    assert make(services, **call)["made"] == 0


def test_edits_of_a_renamed_class_are_stale(ready, tmp_path, monkeypatch):
    made = make(ready)
    record = ready.datasets.get("b")
    names = [*record.class_names[:2], "white"]
    monkeypatch.setattr(type(ready.editors), "text_of_class", lambda *_: names)
    (listed,) = ready.edit_sets.all("b")
    labels = ready.project.edits.index(made["set"]).label
    assert listed["n_stale"] == (labels == 2).sum()
    monkeypatch.setattr(type(ready.editors), "text_of_class", lambda *_: names[:2])
    (listed,) = ready.edit_sets.all("b")
    assert listed["n_stale"] == (labels == 2).sum()


def test_images_of_all_kinds_and_sizes_are_edited_and_read_back(services, tmp_path):
    """Grey, RGBA, palette and 16-bit files, of 1 px and of thousands."""
    from PIL import Image

    folder = picture_folder(
        tmp_path / "pictures", [noise(30, 40, seed=0), noise(1, 1, 3), noise(20, 8000, 3)]
    )
    Image.fromarray(noise(24, 24, 4), "RGBA").save(folder / "3.png")
    Image.fromarray(noise(24, 24, 3)).convert("P").save(folder / "4.png")
    Image.fromarray(noise(24, 24).astype(np.uint16) * 257).save(folder / "5.png")
    lines = ["file_name,candidates", *(f"{row}.png,a|b" for row in range(6))]
    (folder / "metadata.csv").write_text("\n".join(lines))
    store(services, folder, "mixed")
    config = {**QUICK_EDITOR, "image_px": 16, "batch_size": 2}
    model = services.edit_models.create(EditModelRequest("mixed", config=config))
    services.edit_models.train(model.id, Silent())
    found = make(services, "mixed")
    assert found["made"] + found["failed"] == 12
    assert found["made"] >= 10
    edit_set = services.project.edits.get(found["set"])
    index = services.project.edits.index(found["set"])
    pixels = services.project.edits.pixels(edit_set)
    sizes = {
        row: pixels.one(place, length).shape
        for row, place, length in zip(index.row.tolist(), index.place, index.length, strict=True)
    }
    assert sizes[2][1] == 512
    assert sizes[0][:2] == (30, 40)


def test_vectors_and_a_dataset_without_an_editor_are_refused_with_the_way_out(services, tmp_path):
    store(services, brightness(tmp_path), "b")
    with pytest.raises(ResourceError, match="edit-model b"):
        make(services)
    vectors = save(
        tmp_path / "v.npz", features=np.eye(6), candidates=sets(6, 2, np.zeros(6, int), 0)
    )
    store(services, vectors, "v")
    with pytest.raises(SettingError, match="Editors need images"):
        make(services, "v")
    with pytest.raises(SettingError, match="learns from images"):
        services.edit_models.create(EditModelRequest("v"))


def test_a_run_that_saw_true_labels_neither_judges_nor_teaches(ready):
    oracle = with_run(ready, method="supervised")
    with pytest.raises(SettingError, match="trained on true labels"):
        make(ready, run=oracle)
    with pytest.raises(SettingError, match="trained on true labels"):
        ready.edit_models.create(EditModelRequest("b", run=oracle, config=QUICK_EDITOR))
    assert ready.judges.offered("b") == []


def test_an_editor_learns_from_the_belief_of_a_run(ready):
    run = with_run(ready)
    model = ready.edit_models.create(EditModelRequest("b", run=run, config=QUICK_EDITOR))
    assert ready.edit_models.train(model.id, Silent())["belief"] == f"run:{run}"
    (newest, _) = ready.edit_models.all("b")
    assert (newest["id"], newest["status"], newest["epochs_done"]) == (model.id, "done", 1)
    assert ready.edit_models.samples(model.id, 0).is_file()
    assert ready.edit_models.remove(model.id)["freed_bytes"] > 0


def test_an_editor_that_was_stopped_goes_on_with_its_belief_whatever_its_run_learns(ready):
    """Its belief was told anew by the model the run had by then."""
    run = with_run(ready)
    config = {**QUICK_EDITOR, "epochs": 2}
    whole, parts = (
        ready.edit_models.create(EditModelRequest("b", run=run, config=config)) for _ in range(2)
    )
    ready.edit_models.train(whole.id, Silent())
    with pytest.raises(JobCancelled):
        ready.edit_models.train(parts.id, StopsAfter(1, lambda message: "Epoch 2" in message))
    other = with_run(ready, seed=1)
    shutil.copy(ready.runs.model_path(other), ready.runs.model_path(run))
    ready.edit_models.train(parts.id, Silent())
    files = [ready.project.editor_folder(model.id) / EDITOR_FILE for model in (whole, parts)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_an_editor_that_was_not_finished_takes_the_place_of_none(ready):
    """The newest file was everyone's, half trained or not."""
    model = ready.edit_models.create(EditModelRequest("b", config={**QUICK_EDITOR, "epochs": 3}))
    with pytest.raises(JobCancelled):
        ready.edit_models.train(model.id, StopsAfter(1, lambda message: "Epoch 2" in message))
    assert (ready.project.editor_folder(model.id) / EDITOR_FILE).is_file()
    offers = {offer["name"]: offer for offer in ready.editors.offers("b")}
    assert "editor 1, 1 epoch" in offers["in-domain"]["model"]
    assert ready.editors.settings("b", "in-domain", {})["model"].endswith(f"1/{EDITOR_FILE}")
    ready.edit_models.remove(1)
    offers = {offer["name"]: offer for offer in ready.editors.offers("b")}
    assert "editor 2, 1 epoch (not finished)" in offers["in-domain"]["model"]


def test_an_editor_of_other_classes_is_passed_over(ready):
    ready.edit_models.train(
        ready.edit_models.create(EditModelRequest("b", config=QUICK_EDITOR)).id, Silent()
    )
    other = make_denoiser(DenoiserCard(["x", "y"], 12, 1, [16, 2, 8], network="components"))
    other.save(ready.project.editor_folder(2) / EDITOR_FILE)
    assert ready.editors.settings("b", "in-domain", {})["model"].endswith(f"1/{EDITOR_FILE}")


def test_a_folder_whose_weights_were_replaced_is_loaded_anew(services, tmp_path):
    store(services, brightness(tmp_path), "b")
    folder = save_tiny_pipeline(tmp_path)
    settings = {"model": str(folder), "steps": 2, "size_px": 16, "device": "cpu"}
    full = services.editors.settings("b", "instruct-pix2pix", settings)
    first = services.editors.open("b", "instruct-pix2pix", full)
    assert services.editors.open("b", "instruct-pix2pix", full) is first
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    os.utime(file, (1, 1))
    assert services.editors.open("b", "instruct-pix2pix", full) is not first


def test_similarity_knows_a_copy_from_noise():
    image = noise(9, 9, 1)
    assert similarity(image, image) == pytest.approx(1.0)
    assert abs(similarity(image, noise(9, 9, 1, seed=5))) < 0.4
    assert similarity(image, np.zeros_like(image)) == 0.0


def test_every_editor_tells_its_settings_and_what_is_missing(ready):
    offers = {offer["name"]: offer for offer in ready.editors.offers("b")}
    assert sorted(offers) == EDITORS.names()
    assert offers["in-domain"]["missing"] == ""
    assert "editor 1, 1 epoch" in offers["in-domain"]["model"]
    assert "hf download timbrooks/instruct-pix2pix" in offers["instruct-pix2pix"]["missing"]
