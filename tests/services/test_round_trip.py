"""Every export that holds the samples is imported as it is, and gives the same version."""

import csv
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from PIL import Image

from cad_studio.config import AppConfig
from cad_studio.core.errors import SettingError
from cad_studio.datasets._base import recognise
from cad_studio.services.container import Services
from cad_studio.services.datasets.export_formats import FORMATS
from tests.services.small import NASTY, save, store
from tests.services.test_exporting import assert_same, nasty_source, sources

PLACES = {
    "parquet": ("o.parquet", "huggingface"),
    "npz": ("o.npz", "npz"),
    "huggingface": ("hub", "huggingface"),
    "huggingface zip": ("hub.zip", "huggingface"),
    "fiftyone": ("one", "fiftyone"),
    "fiftyone zip": ("one.zip", "fiftyone"),
    "label-studio": ("tasks.json", "label-studio"),
}
"""Where an export goes, and the format an import finds it to be."""


def test_all_formats_are_walked():
    walked = {name.partition(" ")[0] for name in PLACES}
    # what the others hold is laid over the images again: by --candidates, and by corrections
    assert walked == {name for name, each in FORMATS.items() if each.holds_samples}


def come_back(services, folder, skipped=()):
    """The dataset `first`, and what becomes of it by way of each export."""
    first = services.datasets.load("first")
    for name, (place, format_name) in PLACES.items():
        if name in skipped:
            continue
        out, export = folder / place, name.partition(" ")[0]
        services.exporting.export("first", export, out)
        assert recognise(str(out)) == format_name, name
        store(services, out, name)
        yield name, first, services.datasets.load(name)


@settings(deadline=None, max_examples=1, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(arrays=sources())
@example(arrays=nasty_source(images=np.arange(len(NASTY) * 4, dtype=np.uint8).reshape(-1, 2, 2)))
def test_a_dataset_comes_back_by_every_export_as_the_same_version(arrays):
    """A zip of the Hub's folder held 0 images, and tasks of Label Studio were no known format."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        services = Services(AppConfig(folder / "project"))
        store(services, save(folder / "a.npz", **arrays), name="first")
        only_images = [] if "images" in arrays else ["fiftyone", "fiftyone zip", "label-studio"]
        for way, first, second in come_back(services, folder, only_images):
            if way == "label-studio" and first.truth is not None:
                assert second.truth is None, way  # annotators see all that is in a task
                assert second.candidates == first.candidates
                assert second.ids == first.ids
                assert second.record.class_names == first.record.class_names
            else:
                assert_same(first, second)
                assert second.record.version.hash == first.record.version.hash, way
        services.close()


def test_votes_and_files_of_several_sizes_come_back_too(tmp_path):
    """Votes were in no export but their own, so that the version was another."""
    chance = np.random.default_rng(1)
    rows: list[list[str]] = []
    for row in range(4):
        side = 70 + row
        pixels = chance.integers(0, 255, (side, side, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{row}.jpg")
        rows += [[f"{row}.jpg", who, f"c{chance.integers(3)}", f"lens {row % 2}"] for who in "ab"]
    with (tmp_path / "votes.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["image", "annotator", "label", "camera"], *rows[::2], *rows[1::2]]
        )
    services = Services(AppConfig(tmp_path / "project"))
    store(services, tmp_path / "votes.csv", "first")
    for way, first, second in come_back(services, tmp_path, ["npz"]):
        if way == "label-studio":
            assert second.candidates == first.candidates
            continue
        assert second.record.version.hash == first.record.version.hash, way
        assert second.votes.annotators == first.votes.annotators
        np.testing.assert_array_equal(second.votes.label, first.votes.label)
        columns = [services.datasets.fields.columns(each) for each in (first, second)]
        assert columns[0] == columns[1] == {"camera": ["lens 0", "lens 1"] * 2}
    services.close()


def test_a_folder_takes_no_others_place_and_has_the_documents_of_fiftyone(tmp_path):
    services = Services(AppConfig(tmp_path / "project"))
    arrays = {"images": np.zeros((2, 3, 3), np.uint8), "labels": np.array([0, -1]),
              "candidates": np.array([[1, 1], [0, 1]], bool)}  # fmt: skip
    store(services, save(tmp_path / "a.npz", **arrays), name="first")
    out = tmp_path / "one"
    told = services.exporting.export("first", "fiftyone", out)
    assert told["bytes"] == sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    about = json.loads((out / "metadata.json").read_text())
    samples = json.loads((out / "samples.json").read_text())["samples"]
    declared = {field["db_field"] for field in about["sample_fields"]}
    for sample in samples:
        assert set(sample) - {"_media_type", "_rand"} <= declared
        assert (out / sample["filepath"]).is_file()
        assert len(sample["_id"]["$oid"]) == 24
    assert samples[0]["ground_truth"]["label"] == "0"
    assert samples[1]["ground_truth"] is None
    assert [each["label"] for each in samples[0]["candidates"]["classifications"]] == ["0", "1"]
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SettingError, match=r"is there already and not empty\. Name a new folder"):
        services.exporting.export("first", "fiftyone", out)
    assert sorted(tmp_path.rglob("*")) == before
    services.close()
