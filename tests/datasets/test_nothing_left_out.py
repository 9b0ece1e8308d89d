"""No reader leaves anything out without a word: each is given one odd thing, and must name it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cad_studio.core.progress import Silent
from cad_studio.datasets._base import READERS, ReadOptions, read_here
from tests.datasets.sources import MAKERS, Source, idx_bytes, png


def _blank_vote(made: Source) -> tuple[Source, str]:
    with open(made.source, "a", encoding="utf-8") as file:
        file.write("ü0.png,anna 7,,\n")
    return made, "votes.csv, line"


def _unlabelled_row(made: Source) -> tuple[Source, str]:
    import pyarrow.parquet as pq

    table = pq.read_table(made.source)
    labels = table.column("label").to_pylist()
    column = table.schema.get_field_index("label")
    field = table.schema.field("label")
    import pyarrow as pa

    values = pa.array([None, *labels[1:]], pa.int64())
    table = table.set_column(column, field, values).drop_columns(["candidates"])
    pq.write_table(table, made.source)
    return made, "train/ü0.png"


def _file_beside(name: str) -> Callable[[Source], tuple[Source, str]]:
    def add(made: Source) -> tuple[Source, str]:
        (Path(made.source) / name).write_text("odd")
        return made, name

    return add


def _variable(made: Source) -> tuple[Source, str]:
    from scipy.io import loadmat, savemat

    held = {name: value for name, value in loadmat(made.source).items() if name[0] != "_"}
    savemat(made.source, held | {"oddity": np.ones((2, 2))})
    return made, "oddity"


def _array(made: Source) -> tuple[Source, str]:
    with np.load(made.source) as held:
        arrays = dict(held)
    np.savez(made.source, **arrays, oddity=np.ones(3))
    return made, "oddity"


def _split(made: Source) -> tuple[Source, str]:
    return replace(made, options=replace(made.options, splits=("train",))), "test"


def _record(file: str, key: str, odd: str) -> Callable[[Source], tuple[Source, str]]:
    """One more record of a JSON file, which is like its first but has no labels."""

    def add(made: Source) -> tuple[Source, str]:
        path = Path(made.source) / file if file else Path(made.source)
        value = json.loads(path.read_text(encoding="utf-8"))
        records = value[key] if key else value
        first = records[0]
        blank = {"responses": {}, "ground_truth": None, "kind": None, "image_id": 99}
        records.append({**first, **{name: blank[name] for name in blank if name in first}})
        path.write_text(json.dumps(value), encoding="utf-8")
        return made, odd

    return add


def _draft(made: Source) -> tuple[Source, str]:
    path = Path(made.source)
    tasks = json.loads(path.read_text(encoding="utf-8"))
    tasks[3]["drafts"] = [tasks[3]["annotations"][0]]
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return made, "project-1.json, task 3"


def _picture(made: Source) -> tuple[Source, str]:
    (Path(made.source) / "images" / "odd.png").write_bytes(png(7))
    return made, "images/odd.png"


ODD = {
    "argilla": _record("", "", "records.json, record 5"),
    "coco": _record("", "annotations", "instances_train2017.json, image_id 99"),
    "cvat": _picture,
    "fiftyone": _record("samples.json", "samples", "samples.json, sample 5"),
    "label-studio": _draft,
    "yolo": _file_beside("readme.odd"),
    "annotator-votes": _blank_vote,
    "huggingface": _unlabelled_row,
    "idx": _file_beside("train-notes.bin"),
    "image-folder": _file_beside("readme.odd"),
    "mat": _variable,
    "npz": _array,
    "torchvision": _split,
}


@pytest.mark.parametrize("name", READERS.names())
def test_every_reader_names_what_it_leaves_out(name, tmp_path):
    assert name in ODD, "a new reader needs its odd thing here"
    made, odd = ODD[name](MAKERS[name](tmp_path, False))
    found = read_here(made.source, replace(made.options, format=name), Silent())
    told = found.understanding
    assert told.layout or name == "huggingface"
    names = [name for item in told.left_out for name in item.names]
    assert any(name.startswith(odd) for name in names), told.lines()
    assert all(item.count >= len(item.names) > 0 for item in told.left_out)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("notes.txt", "files with the ending .txt"),
        ("noend", "files without an ending"),
        (".DS_Store", "hidden files"),
        ("far.png", "links that lead out of the folder"),
        ("dead.png", "links that lead nowhere"),
        ("round", "links to a folder they lie in"),
        ("pipe", "entries that are not ordinary files"),
        ("shot.HEIC", "HEIC pictures"),
        ("loose.png", "samples without label and candidates"),
    ],
)
def test_every_odd_entry_of_a_folder_is_named(name, kind, tmp_path):
    import os

    root = tmp_path / "set"
    for place in ("cat/1.png", "dog/2.png"):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(png(1))
    (tmp_path / "far.png").write_bytes(png(2))
    if name == "far.png":
        (root / name).symlink_to(tmp_path / "far.png")
    elif name == "dead.png":
        (root / name).symlink_to(root / "nothing.png")
    elif name == "round":
        (root / name).symlink_to(root)
    elif name == "pipe":
        os.mkfifo(root / name)
    elif name == "shot.HEIC":
        (root / name).write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    else:
        (root / name).write_bytes(png(3) if name == "loose.png" else b"words")
    found = read_here(str(root), ReadOptions(), Silent())
    assert found.ids == ["cat/1.png", "dog/2.png"]
    (left,) = found.understanding.left_out
    assert (left.names, left.count) == ((name,), 1)
    assert left.kind.startswith(kind)
    assert left.line().startswith(kind)


def test_names_are_bounded_while_all_is_counted(tmp_path):
    (tmp_path / "digits").mkdir()
    np.save(tmp_path / "x.npy", np.ones(1))
    for name, array in (("images-idx3", np.zeros((4, 2, 2))), ("labels-idx1", np.arange(4))):
        (tmp_path / "digits" / f"train-{name}-ubyte").write_bytes(idx_bytes(array))
    for row in range(12):
        (tmp_path / "digits" / f"{row:02}.bin").write_bytes(b"")
    (left,) = read_here(str(tmp_path / "digits"), ReadOptions(), Silent()).understanding.left_out
    assert left.count == 12
    assert left.names == tuple(f"{row:02}.bin" for row in range(5))
