"""Hugging Face layouts beside the single Parquet file of the contract test."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cad_studio.core.errors import CadStudioError, DatasetFormatError, ResourceError
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions, read_source
from tests.datasets.sources import png


def table(rows: range, **columns: list) -> pa.Table:
    images = pa.array([{"bytes": png(row), "path": f"{row}.png"} for row in rows])
    return pa.table({"image": images, **columns})


def read(path, **options):
    return read_source(str(path), ReadOptions(**options), Silent())


def test_split_files_and_shards_become_splits_in_order(tmp_path):
    (tmp_path / "data").mkdir()
    for number, rows in enumerate((range(3), range(3, 5))):
        name = f"data/train-0000{number}-of-00002.parquet"
        labels = [row % 2 for row in rows]
        sets = [[0, 1]] * len(rows)
        pq.write_table(table(rows, label=labels, candidates=sets), tmp_path / name)
    pq.write_table(table(range(5, 7), label=[0, 2]), tmp_path / "data" / "test.parquet")
    found = read(tmp_path)
    assert found.ids == ["test/00000", "test/00001", *(f"train/0000{row}" for row in range(5))]
    assert found.class_names == ["0", "1", "2"]
    # The test file has no candidates: its labels stand alone.
    assert found.candidates.lists() == [[0], [2], *[[0, 1]] * 5]
    assert [found.images.read(row) for row in range(7)] == [png(r) for r in (5, 6, 0, 1, 2, 3, 4)]
    assert read(tmp_path, splits=("train",)).images.read(4) == png(4)


def test_rows_are_found_in_any_order_and_across_row_groups(tmp_path):
    path = tmp_path / "train.parquet"
    pq.write_table(table(range(20), label=[0, 1] * 10), path, row_group_size=6)
    images = read(path).images
    order = np.random.default_rng(0).permutation(40) % 20
    assert [images.read(int(row)) for row in order] == [png(int(row)) for row in order]


def test_one_split_names_a_single_file(tmp_path):
    pq.write_table(table(range(2), label=["b", "a"]), tmp_path / "part.parquet")
    found = read(tmp_path / "part.parquet", splits=("valid",))
    assert found.splits == ["valid"] * 2
    assert found.truth.tolist() == [1, 0]


def test_saved_folder_is_read_without_copies_and_with_class_names(tmp_path):
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value

    names = ["猫", "dog|x"]
    features = Features(
        image=Image(), label=ClassLabel(names=names), candidates=List(Value("string"))
    )
    rows = {
        "image": [{"bytes": png(0), "path": None}] * 2,
        "label": [1, -1],
        "candidates": [names, ["dog|x"]],
    }
    DatasetDict({"train": Dataset.from_dict(rows, features)}).save_to_disk(tmp_path / "saved")
    found = read(tmp_path / "saved")
    assert found.class_names == names
    assert found.candidates.lists() == [[0, 1], [1]]
    assert found.truth.tolist() == [1, -1]
    assert found.images.read(1) == png(0)
    assert read(tmp_path / "saved" / "train").ids == found.ids
    state = tmp_path / "saved" / "train" / "state.json"
    state.write_text(json.dumps({"_data_files": [{"filename": "../../x.arrow"}]}))
    with pytest.raises(DatasetFormatError, match="lies outside"):
        read(tmp_path / "saved")


def test_hub_dataset_is_read_through_the_library(tmp_path, monkeypatch):
    """Only the download is replaced: the library's own in-memory dataset comes back."""
    import datasets

    labels = datasets.ClassLabel(names=["a", "b"])
    features = datasets.Features(img=datasets.Image(), fine_label=labels)
    rows = {"img": [{"bytes": png(row), "path": None} for row in range(3)], "fine_label": [0, 1, 1]}
    held = datasets.Dataset.from_dict(rows, features).select([2, 0])
    monkeypatch.setattr(
        datasets, "load_dataset", lambda *_, **__: datasets.DatasetDict({"test": held})
    )
    found = read("hf:some/where", cache_dir=str(tmp_path))
    assert found.class_names == ["a", "b"]
    assert found.truth.tolist() == [1, 0]
    assert found.splits == ["test"] * 2
    assert found.images.read(0) == png(2)


def test_hub_out_of_reach_says_so(monkeypatch):
    import datasets

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(ResourceError, match=r"'some/where' cannot be had.*no route to host"):
        read("hf:some/where")


def test_feature_vectors_and_metadata_of_the_studio_are_read(tmp_path):
    notes = {"class_names": ["x", "y", "z"], "class_descriptions": {"y": "why"}}
    data = pa.table({"features": [[0.5, 1.0], [2.0, 3.0]], "candidates": [["y", "z"], ["x"]]})
    data = data.replace_schema_metadata({"cad_studio": json.dumps(notes)})
    pq.write_table(data, tmp_path / "train.parquet")
    found = read(tmp_path / "train.parquet")
    assert found.class_names == ["x", "y", "z"]
    assert found.class_descriptions == {"y": "why"}
    assert found.features.tolist() == [[0.5, 1.0], [2.0, 3.0]]
    assert found.candidates.lists() == [[1, 2], [0]]


def test_image_outside_the_folder_and_missing_image_are_unreadable(tmp_path):
    images = [{"bytes": None, "path": "../x.png"}, {"bytes": None, "path": None}]
    pq.write_table(pa.table({"image": images, "label": [0, 1]}), tmp_path / "train.parquet")
    found = read(tmp_path / "train.parquet")
    for row in range(2):
        with pytest.raises(OSError, match=r"outside the folder|no image"):
            found.images.read(row)


def test_file_without_images_or_features_is_refused(tmp_path):
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), tmp_path / "a.parquet")
    with pytest.raises(DatasetFormatError, match=r"a\.parquet has neither a column of images"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize("twice", ["image", "label", "candidates", "annotator", "split"])
def test_a_column_that_is_there_twice_is_refused_in_words(tmp_path, twice):
    """A table of votes with two columns of images ended in a KeyError."""
    path = tmp_path / "twice.parquet"
    columns = {"image": ["a.png"], "label": ["a"], "annotator": ["b"], "candidates": ["a"],
               "split": ["train"]}  # fmt: skip
    names = [*columns, twice]
    pq.write_table(pa.Table.from_arrays([pa.array(columns[name]) for name in names], names), path)
    with pytest.raises(CadStudioError):
        read(path)
