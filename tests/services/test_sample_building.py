"""Rebuilding the bundled samples, in small: 10 classes of a few made images."""

import json

import numpy as np
import pytest

from cad_studio.core.errors import DatasetFormatError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.services.datasets import sample_building
from cad_studio.services.datasets.sample import SAMPLE_FILE, SAMPLES
from cad_studio.services.datasets.sample_building import build_sample
from tests.datasets.sources import idx_bytes

N_TRAIN, N_TEST = 80, 40


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("idx")
    generator = np.random.default_rng(0)
    for part, count in (("train", N_TRAIN), ("t10k", N_TEST)):
        truth = np.arange(count) % 10
        images = generator.integers(0, 160, (count, 28, 28)) + truth[:, None, None] * 9
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(truth))
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(sample_building, "_PER_CLASS", {"train": 4, "test": 2})


@pytest.fixture(scope="module")
def built(source, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample_building, "_PER_CLASS", {"train": 4, "test": 2})
        out = tmp_path_factory.mktemp("built") / "sample.npz"
        return out, build_sample(str(source), out, 0, Silent())


def arrays(path):
    with np.load(path) as file:
        return dict(file)


def test_both_sets_are_made_over_the_same_images(built):
    out, told = built
    made = arrays(out)
    assert list(made) == list(arrays(SAMPLE_FILE))
    assert made["images"].shape == (60, 28, 28)
    assert made["split"].tolist() == ["train"] * 40 + ["test"] * 20
    rows = np.arange(60)
    for array in SAMPLES.values():
        assert made[array][rows, made["labels"]].all()
    assert (made["candidates"] != made["candidates_hard"]).any()
    note = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert note["sets"] == told["sets"]
    for name, array in SAMPLES.items():
        assert note["sets"][name]["mean_candidates"] == pytest.approx(
            made[array].sum(axis=1).mean(), abs=1e-4
        )


def test_the_shipped_note_has_what_a_build_writes(built):
    _, told = built
    shipped = json.loads(SAMPLE_FILE.with_suffix(".json").read_text(encoding="utf-8"))
    assert shipped.keys() == told.keys() - {"out", "bytes", "n"}
    fair, hard = (shipped["sets"][name]["synthesis"].keys() for name in SAMPLES)
    # sample-hard was kept from a build that did not yet state the epochs beside the settings
    assert hard <= fair == told["sets"]["sample"]["synthesis"].keys()


def test_sets_of_an_earlier_build_are_kept_bit_for_bit(built, source, tmp_path, monkeypatch):
    """An annotator repeats itself on the same kind of machine only; what is published must stay."""
    out, told = built
    held = arrays(out)
    held["candidates_hard"] = ~held["candidates"] | np.eye(10, dtype=bool)[held["labels"]]
    earlier = tmp_path / "earlier.npz"
    np.savez(earlier, **held)
    earlier.with_suffix(".json").write_text(out.with_suffix(".json").read_text())
    again = tmp_path / "again.npz"
    build_sample(str(source), again, 0, Silent(), keep_hard=earlier)
    for name, values in arrays(again).items():
        np.testing.assert_array_equal(values, held[name])
    note = json.loads(again.with_suffix(".json").read_text())
    assert note["sets"] == told["sets"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda held, note: held.pop("candidates_hard"), "arrays candidates_hard and ids"),
        (lambda held, note: held.update(ids=held["ids"][::-1]), "holds other images .* the seed"),
        (lambda held, note: note.unlink(), "does not say how sample-hard was made"),
        (lambda held, note: note.write_text("{}"), "does not say how sample-hard was made"),
    ],
)
def test_a_file_whose_sets_cannot_be_kept_is_refused(built, source, tmp_path, change, words):
    out, _ = built
    earlier = tmp_path / "earlier.npz"
    held, note = arrays(out), earlier.with_suffix(".json")
    note.write_text(out.with_suffix(".json").read_text())
    change(held, note)
    np.savez(earlier, **held)
    with pytest.raises(DatasetFormatError, match=words):
        build_sample(str(source), tmp_path / "out.npz", 0, Silent(), keep_hard=earlier)
    with pytest.raises(DatasetFormatError, match="does not exist"):
        build_sample(str(source), tmp_path / "out.npz", 0, Silent(), keep_hard=tmp_path / "none")
    assert not (tmp_path / "out.npz").exists()


def test_a_source_with_too_few_images_is_refused(source, tmp_path, monkeypatch):
    monkeypatch.setattr(sample_building, "_PER_CLASS", {"train": 9, "test": 2})
    with pytest.raises(SettingError, match="Class '0' has 8 train images; 9 are needed"):
        build_sample(str(source), tmp_path / "out.npz", 0, Silent())
