"""What an export writes, an import brings back unchanged."""

import csv
import string
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from cad_studio.config import AppConfig
from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from tests.services.small import NASTY, save, sets, store

TEXT = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1,
            max_size=12).filter(lambda text: text == text.strip() and text),
    st.text(string.digits + "|,;\"'[]\n\r\t", min_size=1, max_size=6).filter(
        lambda text: text == text.strip() and text
    ),
)  # fmt: skip


@st.composite
def sources(draw):
    """Arrays of an `.npz` of images or of vectors, with or without truth."""
    names = draw(st.lists(TEXT, min_size=2, max_size=9, unique=True))
    ids = draw(st.lists(TEXT, min_size=1, max_size=6, unique=True))
    n_samples, n_classes = len(ids), len(names)
    seed = draw(st.integers(0, 999))
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, n_classes, n_samples)
    arrays = {
        "candidates": sets(n_samples, n_classes, truth, seed),
        "ids": np.array(ids),
        "class_names": np.array(names),
        "split": generator.choice(["train", "test", "höld out"], n_samples),
    }
    if draw(st.booleans()):
        arrays["labels"] = np.where(generator.random(n_samples) < 0.8, truth, -1)
    if draw(st.booleans()):
        arrays["class_descriptions"] = np.array(draw(st.lists(
            st.one_of(st.just(""), TEXT), min_size=n_classes, max_size=n_classes)))  # fmt: skip
    kind = draw(st.sampled_from(["grey", "colour", "features"]))
    if kind == "features":
        arrays["features"] = generator.normal(size=(n_samples, 3)).astype(np.float32)
    else:
        shape = (n_samples, 3, 4) if kind == "grey" else (n_samples, 3, 4, 3)
        arrays["images"] = generator.integers(0, 256, shape, np.uint8)
    return arrays


def nasty_source(**extra):
    truth = np.arange(len(NASTY))
    return {
        "candidates": sets(len(NASTY), len(NASTY), truth, 1),
        "ids": np.array(NASTY),
        "class_names": np.array(NASTY),
        "split": np.array(["train"] * len(NASTY)),
        "labels": truth,
        **extra,
    }


def assert_same(first, second):
    assert second.ids == first.ids
    assert second.record.class_names == first.record.class_names
    assert second.record.class_descriptions == first.record.class_descriptions
    assert second.candidates == first.candidates
    splits = [[data.record.split_names[s] for s in data.splits] for data in (first, second)]
    assert splits[0] == splits[1]
    assert (second.truth is None) == (first.truth is None)
    if first.truth is not None:
        np.testing.assert_array_equal(second.truth, first.truth)
    if first.features is not None:
        np.testing.assert_array_equal(second.features, first.features)
    assert second.record.kind == first.record.kind
    if first.pixels is not None:
        for row in range(len(first)):
            np.testing.assert_array_equal(second.pixels.image(row), first.pixels.image(row))


@pytest.mark.long
@pytest.mark.parametrize("format_name", ["npz", "parquet"])
@settings(deadline=None, max_examples=12, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(arrays=sources())
@example(arrays=nasty_source(features=np.eye(len(NASTY), 3, dtype=np.float32) + 1))
@example(arrays=nasty_source(images=np.arange(len(NASTY) * 4, dtype=np.uint8).reshape(-1, 2, 2)))
def test_an_exported_dataset_comes_back_the_same(format_name, arrays):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        services = Services(AppConfig(folder / "project"))
        store(services, save(folder / "a.npz", **arrays), name="first")
        out = folder / f"out.{format_name}"
        told = services.exporting.export("first", format_name, out, Silent())
        store(services, out, name="second")
        first, second = services.datasets.load("first"), services.datasets.load("second")
        assert_same(first, second)
        if first.record.kind == "features" or format_name == "npz":
            assert first.record.version.hash == second.record.version.hash == told["version"]
        services.close()


@settings(deadline=None, max_examples=12, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(arrays=sources())
@example(arrays=nasty_source(features=np.eye(len(NASTY), 3, dtype=np.float32) + 1))
def test_an_exported_csv_gives_its_sets_back_to_the_labelled_source(arrays):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        services = Services(AppConfig(folder / "project"))
        store(services, save(folder / "a.npz", **arrays), name="first")
        out = folder / "out.csv"
        services.exporting.export("first", "csv", out, Silent())
        # the source once more with other sets in it, which the file replaces
        other = arrays | {"candidates": np.ones_like(arrays["candidates"])}
        plain = save(folder / "b.npz", **other)
        store(services, plain, name="second", candidates=str(out))
        assert_same(services.datasets.load("first"), services.datasets.load("second"))
        services.close()


def test_the_csv_says_the_same_in_plain_columns(services, tmp_path):
    store(services, save(
        tmp_path / "a.npz", features=np.eye(2), class_names=np.array(["a|b", 'c,"d"']),
        candidates=np.array([[1, 1], [0, 1]], bool), labels=np.array([0, -1]),
        ids=np.array(["ü", "2\n3"]), split=np.array(["train", "test"]),
    ))  # fmt: skip
    told = services.exporting.export("pets", "csv", tmp_path / "o.csv", Silent())
    with (tmp_path / "o.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["id", "split", "candidates", "label"],
        ["ü", "train", '["a|b", "c,\\"d\\""]', "a|b"],
        ["2\n3", "test", '["c,\\"d\\""]', ""],
    ]
    assert (told["rows"], told["bytes"]) == (2, (tmp_path / "o.csv").stat().st_size)


def test_images_of_different_sizes_keep_their_bytes_in_parquet_and_do_not_fit_npz(
    services, tmp_path
):
    folder = tmp_path / "p"
    folder.mkdir()
    generator = np.random.default_rng(0)
    lines = ["file_name,candidates,label"]
    for row in range(3):
        pixels = generator.integers(0, 256, (70 + row, 9, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{row}.jpg")
        lines.append(f"{row}.jpg,cat|dog,cat")
    (folder / "metadata.csv").write_text("\n".join(lines))
    store(services, folder, name="first")
    services.exporting.export("first", "parquet", tmp_path / "o.parquet", Silent())
    store(services, tmp_path / "o.parquet", name="second")
    first, second = services.datasets.load("first"), services.datasets.load("second")
    assert_same(first, second)
    assert [second.pixels.file(r) for r in range(3)] == [first.pixels.file(r) for r in range(3)]
    assert first.record.version.hash == second.record.version.hash
    with pytest.raises(SettingError, match=r"images of first differ in size.*Use --format parq"):
        services.exporting.export("first", "npz", tmp_path / "o.npz", Silent())
    assert not (tmp_path / "o.npz").exists()


def test_the_newest_version_is_what_is_exported(services, tmp_path):
    store(services, save(tmp_path / "a.npz", features=np.eye(3), labels=np.arange(3)))
    changed = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]], bool)
    blob = services.project.blobs.save_array(np.packbits(changed, axis=1))
    services.project.datasets.add_version("pets", blob, "test", {})
    told = services.exporting.export("pets", "npz", None, Silent())
    assert told["out"].endswith("pets-v2.npz")
    np.testing.assert_array_equal(np.load(told["out"])["candidates"], changed)
    assert services.exporting.finished(told) == Path(told["out"])


def test_only_files_of_the_project_can_be_fetched(services, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    for out in (secret, services.project.folder / "exports" / ".." / "project.db", "", "nope"):
        with pytest.raises(RecordNotFoundError, match=r"not there any more\. Export again"):
            services.exporting.finished({"out": str(out)})


@pytest.mark.parametrize(
    ("format_name", "out", "words"),
    [
        ("cvs", "o.cvs", "'cvs' is not an export format. Closest: 'csv'"),
        ("csv", "nowhere/o.csv", "nowhere does not exist. Make it or choose another"),
        ("csv", ".", "is a folder. Give the name of a file with --out"),
    ],
)
def test_a_place_or_format_that_will_not_do_is_refused(services, tmp_path, format_name, out, words):
    store(services, save(tmp_path / "a.npz", features=np.eye(3), labels=np.arange(3)))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SettingError, match=words.replace(".", r"\.")):
        services.exporting.export("pets", format_name, tmp_path / out, Silent())
    assert sorted(tmp_path.iterdir()) == before
