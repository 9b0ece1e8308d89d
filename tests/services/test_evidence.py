"""The measures tell a real edit from noise and from an unchanged copy, on the sample itself."""

import numpy as np
import pytest

from cad_studio.config import AppConfig
from cad_studio.core.errors import ResourceError
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.edits.augmentation import AugmentRequest
from cad_studio.services.edits.editing import bonds, similarity
from cad_studio.services.edits.previews import PreviewRequest
from cad_studio.services.edits.sets import GalleryFilter
from cad_studio.services.training.training import TrainingRequest
from cad_studio.store.edit_files import encode


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The bundled sample with one short run on it, its bundled editor, and 200 edits."""
    services = Services(AppConfig(tmp_path_factory.mktemp("sample") / "project"))
    services.sample.open(Silent())
    loop = {"epochs": 2, "threads": 1, "device": "cpu", "start": "propagation", "hold_out": 0.2}
    run = services.training.create(TrainingRequest("sample", "proden", config=loop))
    services.training.train(run.id, Silent())
    services.judge_run = run.id
    yield services
    services.close()


@pytest.fixture(scope="module")
def made(sample):
    request = AugmentRequest("sample", budget={"budget": "entangled", "limit": 200})
    return sample.augmentation.make(request, Silent())


def stored(services, key, change):
    """A set of the same edits, each changed; judged."""
    (edit_set,) = services.project.edits.sets(services.datasets.get("sample").id)[-1:]
    data = services.datasets.load("sample")
    index = services.project.edits.index(edit_set.id)
    renewed = services.project.edits.open(data.record.id, "in-domain", key, {}, edit_set.shape)
    sources = [data.pixels.batch(np.array([row]), 28, 28, 1)[0] for row in index.row.tolist()]
    images = [change(source, at) for at, source in enumerate(sources)]
    texts = services.editors.text_of_class("sample", "in-domain")
    services.project.edits.add(
        renewed,
        {
            "row": index.row.tolist(),
            "label": index.label.tolist(),
            "bond": bonds(data.pixels, index.row, index.label, texts).tolist(),
            "similarity": [similarity(*each) for each in zip(sources, images, strict=True)],
        },
        [encode(image, edit_set.shape) for image in images],
    )
    services.augmentation.judge(renewed.id, services.judge_run, Silent())
    return renewed.id


def summary(services, set_id, **changes):
    key = services.judges.open(services.judge_run).key
    return services.edit_sets.gallery(set_id, key, GalleryFilter(**changes), 0, 200)


@pytest.mark.long
def test_real_edits_copies_and_noise_are_told_apart(sample, made):
    chance = np.random.default_rng(0)
    real = summary(sample, made["set"])["summary"]
    copy = summary(sample, stored(sample, "copy", lambda image, _: image))["summary"]
    noise = summary(
        sample,
        stored(sample, "noise", lambda image, _: chance.integers(0, 256, image.shape, np.uint8)),
    )["summary"]
    # A copy is its source, so no edit towards another class arrives there.
    assert copy["similarity"] == pytest.approx(1.0)
    assert copy["changed"] == 0.0
    # Noise is unlike its source, and arrives nowhere but by chance.
    assert abs(noise["similarity"]) < 0.1
    # A real edit arrives much more often than either, and keeps its source.
    assert real["changed"] > 0.3
    assert real["changed"] > noise["changed"] + 0.15
    assert 0.4 < real["similarity"] < 0.99


def test_the_pairs_of_real_edits_move_apart_and_copies_do_not(sample, made):
    cells = summary(sample, made["set"])["summary"]["pairs"]
    assert cells
    n_pairs = sum(cell["n_pairs"] for cell in cells)
    gained = sum(cell["n_pairs"] * (cell["after"] - cell["before"]) for cell in cells) / n_pairs
    assert gained > 0.1
    assert all(0 <= cell["reached"] <= 1 for cell in cells)
    same = summary(sample, stored(sample, "copied", lambda image, _: image))["summary"]["pairs"]
    for cell in same:
        assert cell["after"] == pytest.approx(cell["before"], abs=1e-5)


def test_the_worst_come_first_and_failing_ones_can_be_had_alone(sample, made):
    found = summary(sample, made["set"])
    after = [edit["after"] for edit in found["edits"]]
    assert after == sorted(after)
    assert found["total"] == 200
    failing = summary(sample, made["set"], least=0.5, failing=True)
    assert failing["total"] == failing["summary"]["n_failing"] == sum(p < 0.5 for p in after)
    best = summary(sample, made["set"], order="best")["edits"]
    assert best[0]["after"] == max(after)
    pair = tuple(found["summary"]["pairs"][0]["classes"])
    chosen = summary(sample, made["set"], classes=pair)["edits"]
    assert chosen
    assert {edit["label"] for edit in chosen} <= set(pair)


def test_the_result_of_making_says_what_the_judge_saw(sample, made):
    seen = summary(sample, made["set"])["summary"]
    assert made["reached_class"] == seen["reached"]
    assert made["changed_class"] == seen["changed"]
    assert made["judge"] == sample.judge_run


def test_a_sample_is_seen_with_every_candidate_map_and_edit(sample, made):
    row = int(sample.project.edits.index(made["set"]).row[0])
    found = sample.previews.look("sample", PreviewRequest((row,)))
    (shown,) = found["samples"]
    assert shown["labels"] == sample.datasets.load("sample").candidates.of(row)
    for way in ("cam", "in-domain"):
        assert sorted(shown["views"][way]) == shown["labels"]
        assert all(0 <= view["after"] <= 1 for view in shown["views"][way].values())
    assert sorted(shown["heat"]) == shown["labels"]
    assert "hf download" in found["missing"]["instruct-pix2pix"]


def test_maps_follow_their_settings(sample, made):
    row = int(sample.project.edits.index(made["set"]).row[0])

    def like(**changes):
        request = PreviewRequest((row,), with_edits=False, cam="plain", **changes)
        (shown,) = sample.previews.look("sample", request)["samples"]
        return [view["similarity"] for view in shown["views"]["cam"].values()]

    assert all(value == pytest.approx(1.0) for value in like(epsilon=1.0))
    assert min(like(epsilon=0.1)) < min(like(epsilon=0.8)) < 1


def test_a_pair_says_how_far_apart_it_is_before_and_after(sample, made):
    found = sample.augmentation.entanglement("sample")
    a, b = found.pairs[0].tolist()
    labels = tuple(found.labels[0].tolist())
    pair = sample.previews.look("sample", PreviewRequest((a, b), guides=labels))["pair"]
    assert pair["guides"] == list(labels)
    assert 0 <= pair["before"] <= 2
    assert set(pair["after"]) == {"cam", "in-domain"}
    chosen = sample.previews.look("sample", PreviewRequest((a, b)))["pair"]["guides"]
    assert chosen[0] != chosen[1]


def test_without_a_run_the_preview_still_shows_edits_and_says_what_to_do(tmp_path):
    services = Services(AppConfig(tmp_path / "project"))
    services.sample.open(Silent())
    found = services.previews.look("sample", PreviewRequest((3,)))
    assert found["run"] is None
    assert "python -m cad_studio train sample" in found["judge"]
    (shown,) = found["samples"]
    assert list(shown["views"]) == ["in-domain"]
    with pytest.raises(ResourceError, match="No run on sample"):
        services.judges.choose("sample", None)
    services.close()
