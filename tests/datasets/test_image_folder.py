"""Image folders and zips: layouts, limits, and what is wrong with single images."""

import io
import json
import unicodedata
import zipfile
from pathlib import Path

import pytest

from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.progress import Silent
from cad_studio.datasets import _trees
from cad_studio.datasets._base import ReadOptions, read_source
from cad_studio.datasets.checks import check
from tests.datasets.sources import png, write_csv


def read(path: Path, **options: object):
    return read_source(str(path), ReadOptions(**options), Silent())


def tree(root: Path, *names: str) -> Path:
    for row, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(row))
    return root


def zipped(root: Path, target: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(root.rglob("*")):
            if file.is_file():
                archive.write(file, prefix + file.relative_to(root).as_posix())
    return target


def test_class_folders_are_labels_with_or_without_splits(tmp_path):
    flat = read(tree(tmp_path / "a", "cat/1.png", "cat/more/2.png", "dög/1.png"))
    assert flat.class_names == ["cat", "dög"]
    assert flat.ids == ["cat/1.png", "cat/more/2.png", "dög/1.png"]
    assert flat.truth.tolist() == [0, 0, 1]
    assert flat.splits == ["train"] * 3
    deep = tree(tmp_path / "b", "test/cat/1.png", "train/cat/1.png", "train/dog/1.png")
    assert read(deep).splits == ["test", "train", "train"]
    assert read(deep, splits=("train",)).ids == ["train/cat/1.png", "train/dog/1.png"]


def test_class_list_gives_order_and_descriptions(tmp_path):
    root = tree(tmp_path / "a", "cat/1.png", "dog/1.png")
    (root / "classes.txt").write_text("dog\nemu\ncat\n")
    assert read(root).class_names == ["dog", "emu", "cat"]
    (root / "classes.json").write_text(json.dumps({"dog": "barks", "cat": "", "emu": None}))
    found = read(root)
    assert found.class_names == ["dog", "cat", "emu"]
    assert found.class_descriptions == {"dog": "barks"}


@pytest.mark.parametrize("prefix", ["", "my data/"])
def test_zip_is_read_in_place_like_its_folder(prefix, tmp_path):
    root = tree(tmp_path / "a", "train/cat/1.png", "test/dog/2.png")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "x.png").write_bytes(b"")
    found = read(zipped(root, tmp_path / "a.zip", prefix))
    assert found.ids == ["test/dog/2.png", "train/cat/1.png"]
    assert found.images.read(0) == png(1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.zip"]


def test_table_of_each_split_folder_is_read(tmp_path):
    root = tree(tmp_path / "a", "train/1.png", "test/1.png")
    write_csv(root / "train" / "metadata.csv", [["file_name", "candidates"], ["1.png", "a|b"]])
    write_csv(root / "test" / "metadata.csv", [["file_name", "label"], ["1.png", "b"]])
    found = read(root)
    assert found.ids == ["test/1.png", "train/1.png"]
    assert found.candidates.lists() == [[1], [0, 1]]
    assert found.splits == ["test", "train"]


def test_problems_of_single_rows_name_the_line(tmp_path):
    root = tree(tmp_path / "a", "1.png", "2.png", "3.png", "4.png")
    (root / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "secret.png").write_bytes(png(0))
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    rows = [
        ["file_name", "candidates", "label", "id"],
        ["1.png", "cat|dog", "cat", "x"],
        ["2.png", "", "cat", "y"],
        ["3.png", "cat | cot", "", "z"],
        ["4.png", "[0, 1]", "1", "x"],
        ["5.png", "cat", "cat", "v"],
        ["../secret.png", "cat", "cat", "w"],
        ["link.png", "cat", "cat", "u"],
    ]
    write_csv(root / "metadata.csv", rows)
    found = read(root)
    told = {(p.kind, p.row): p.message for p in found.problems}
    assert set(told) == {
        ("empty-set", 1),
        ("unknown-class", 2),
        ("duplicate-id", 3),
        ("unreadable-image", 4),
        ("unreadable-image", 5),
    }
    assert told["unknown-class", 2] == (
        "metadata.csv, line 4: 'cot' is not one of the 2 classes. Closest: 'cat'."
    )
    assert "lies outside the folder" in told["unreadable-image", 5]
    assert found.truth.tolist() == [0, 0, -1, 1, 0, 0, 0]
    for row in (5, 6):
        with pytest.raises(OSError, match="outside the folder"):
            found.images.read(row)
    assert check(found).bad_rows().tolist() == [1, 2, 3, 4, 5]


def test_hostile_labels_stay_text_and_lists_keep_bars_and_quotes(tmp_path):
    root = tree(tmp_path / "a", "1.png")
    names = ["${alert(1)}<img src=x onerror=alert(1)>", 'a|b, "c"\n', "ß 猫"]
    record = {"file_name": "1.png", "candidates": names, "label": names[1]}
    (root / "metadata.jsonl").write_text(json.dumps(record), encoding="utf-8")
    found = read(root)
    assert found.class_names == sorted(names)
    assert found.candidates.lists() == [[0, 1, 2]]
    assert found.class_names[found.truth[0]] == names[1]


def test_file_names_match_however_their_accents_are_composed(tmp_path):
    root = tree(tmp_path / "a", unicodedata.normalize("NFD", "über.png"))
    table = [["file_name", "candidates"], [unicodedata.normalize("NFC", "über.png"), "a|b"]]
    write_csv(root / "metadata.csv", table)
    assert read(root).images.read(0) == png(0)


def test_one_class_and_too_many_classes_are_refused(tmp_path):
    with pytest.raises(DatasetFormatError, match=r"only one class \('cat'\)"):
        read(tree(tmp_path / "a", "cat/1.png"))
    root = tree(tmp_path / "b", "1.png")
    for last in (1000, 10**9):
        record = {"file_name": "1.png", "candidates": [0, last]}
        (root / "metadata.jsonl").write_text(json.dumps(record))
        with pytest.raises(DatasetFormatError, match="at most 1,000"):
            read(root)


def test_tables_that_cannot_be_read_say_where(tmp_path):
    root = tree(tmp_path / "a", "1.png")
    table = root / "metadata.csv"
    for content, message in [
        (
            "file_name,label\n1.png,\u732b\u72d7\n".encode("gb18030"),
            "metadata.csv, line 2: this is not UTF-8",
        ),
        (b"file_nam,label\n1.png,cat\n", "no column 'file_name'. Closest: 'file_nam'"),
        (b"file_name;a,label\n1.png;1,cat\n", "could be separated by comma or semicolon"),
        (b'file_name,candidates\n1.png,"[1,"\n', "line 2: the candidates start with '\\['"),
        (b'file_name,label\n1.png,"cat\n', "line 2: unexpected end of data"),
        (b"", "metadata.csv is empty"),
        (b"file_name\n1.png\n", "neither candidates nor labels"),
        (b"file_name,label\n", "no samples"),
    ]:
        table.write_bytes(content)
        with pytest.raises(DatasetFormatError, match=message):
            read(root)
    table.unlink()
    with pytest.raises(DatasetFormatError, match=r"1 images but neither metadata\.csv nor"):
        read(root)


def test_zip_bombs_and_escapes_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/1.png", bytes(2**22))
    monkeypatch.setattr(_trees, "RATIO_FREE_BYTES", 2**20)
    with pytest.raises(DatasetFormatError, match=r"bomb\.zip would unpack to .* times its size"):
        read(path)
    monkeypatch.setattr(_trees, "MAX_TOTAL_BYTES", 2**20)
    with pytest.raises(DatasetFormatError, match="GiB are read"):
        read(path)
    monkeypatch.setattr(_trees, "MAX_ENTRIES", 0)
    with pytest.raises(DatasetFormatError, match="holds 1 files; at most 0"):
        read(path)
    monkeypatch.undo()
    for name in ("../x.png", "/x.png", "a/../../x.png", "..\\x.png", "C:\\x.png"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(zipfile.ZipInfo(name), b"x")
        with pytest.raises(DatasetFormatError, match="outside the archive"):
            read(path)


def test_damaged_zip_is_refused_and_a_damaged_entry_costs_only_its_image(tmp_path):
    root = tree(tmp_path / "a", "cat/1.png", "dog/1.png")
    path = zipped(root, tmp_path / "a.zip")
    data = path.read_bytes()
    path.write_bytes(data[:-30])
    with pytest.raises(DatasetFormatError, match=r"a\.zip is no readable zip"):
        read(path)
    spot = data.index(b"cat/1.png") + 30
    path.write_bytes(data[:spot] + bytes(8) + data[spot + 8 :])
    found = read(path)
    with pytest.raises(OSError, match=r"cat/1\.png"):
        found.images.read(0)
    assert found.images.read(1) == png(1)
    assert zipfile.is_zipfile(io.BytesIO(data))


@pytest.mark.parametrize(
    ("candidates", "label", "names"),
    [
        ("2|10", "1", ["1", "2", "10"]),
        ("2|3", "0", ["0", "1", "2", "3"]),
        ("[2, 3]", "1", ["0", "1", "2", "3"]),
        ("b|a", "B", ["B", "a", "b"]),
        ('["b", " a "]', "b", [" a ", "b"]),
    ],
)
def test_names_are_found_in_the_labels(candidates, label, names, tmp_path):
    root = tree(tmp_path / "a", "1.png")
    write_csv(
        root / "metadata.csv", [["file_name", "candidates", "label"], ["1.png", candidates, label]]
    )
    found = read(root)
    assert found.class_names == names
    assert names[found.truth[0]] == label
    assert len(found.candidates.of(0)) == 2
    assert found.problems == []


def test_a_zip_that_lists_a_file_without_a_name_is_refused_in_words(tmp_path):
    """It ended in an IndexError."""
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", png(0))
    data = path.read_bytes()
    # in the list at the end: the length of the name, and the name, of one character
    at = data.index(b"PK\x01\x02")
    cut = data[: at + 28] + b"\0\0" + data[at + 30 : at + 46] + data[at + 47 :]
    path.write_bytes(cut[:-10] + (47 - 1).to_bytes(4, "little") + cut[-6:])
    with pytest.raises(DatasetFormatError, match="without a name"):
        read(path)
