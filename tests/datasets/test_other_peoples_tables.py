"""Tables as other programs write them: separators, encodings, lists, numbers, blanks, bits."""

import json
from pathlib import Path

import numpy as np
import pytest

from cad_studio.core.errors import DatasetFormatError, DoubtfulSourceError, SettingError
from cad_studio.core.understanding import Understanding
from cad_studio.datasets._cells import candidate_column, label_column
from cad_studio.datasets._file_names import NameFinder
from cad_studio.datasets._tables import TextForm, read_text_table
from cad_studio.datasets._text import decoded
from tests.datasets.test_image_folder import read, tree

SETS = [["elm", "oak"], ["oak", "ash"], ["oak"], ["elm", "oak", "ash"], ["ash"]]


def where(row):
    return f"row {row}"


def told(found, what):
    return [item.value for item in found.understanding.taken if item.what == what]


def folder(
    root: Path, rows: list[str], name: str = "metadata.csv", encoding: str = "utf-8"
) -> Path:
    tree(root, *(f"pics/{row}.png" for row in range(6)))
    (root / name).write_text("\r\n".join(rows) + "\r\n", encoding)
    return root


@pytest.mark.parametrize(
    "write",
    [
        "|".join, "; ".join, ",".join, ", ".join, json.dumps, str, tuple.__repr__,
        lambda names: str(np.array(names)), lambda names: str([np.str_(name) for name in names]),
        lambda names: "[" + ", ".join(names) + "]", lambda names: "{'" + "', '".join(names) + "'}",
        lambda names: "|".join(names) + "|",
    ],
)  # fmt: skip
def test_every_spelling_of_a_list_gives_the_same_sets(write):
    cells = [write(tuple(names) if write is tuple.__repr__ else names) for names in SETS]
    assert candidate_column(cells, where) == SETS


@pytest.mark.parametrize(
    "write",
    [
        "|".join, " ".join, ";".join, lambda texts: f"[{' '.join(texts)}]",
        lambda texts: str([int(text) for text in texts]),
        lambda texts: str([np.int64(text) for text in texts]),
        lambda texts: str(np.array([float(text) for text in texts])),
        lambda texts: "|".join(f"{text}.0" for text in texts),
    ],
)  # fmt: skip
def test_every_spelling_of_class_numbers_gives_the_same_sets(write):
    sets = [["0", "1"], ["1", "2"], ["2"], ["0", "2", "1"]]
    found = candidate_column([write(texts) for texts in sets], where)
    assert [[str(label) for label in members] for members in found] == sets


def test_what_a_class_is_called_decides_between_readings():
    names = ["beech, red", "oak", "(none)"]
    cells = ["beech, red", "beech, red|oak", "(none)"]
    assert candidate_column(cells, where, names) == [
        ["beech, red"],
        ["beech, red", "oak"],
        ["(none)"],
    ]
    assert candidate_column(cells, where) == [["beech, red"], ["beech, red", "oak"], ["(none)"]]
    assert candidate_column(["a,b", "b"], where, ["a", "b"]) == [["a", "b"], ["b"]]
    assert candidate_column(["a,b", "b"], where, separator="none") == [["a,b"], ["b"]]
    assert candidate_column(["red oak", "elm red"], where, ["red", "oak", "elm"]) == [
        ["red", "oak"], ["elm", "red"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["beech, red", "oak, white"], "'beech, red' may be one class or several.*none"),
        (["elm|oak", "elm, oak"], r"row 1: 'elm, oak' holds a comma.*bar.*--list-separator"),
        (["elm;oak", "elm, oak", "elm"], r"row 1: 'elm, oak' holds a comma.*semicolon"),
    ],
)
def test_lists_that_could_be_names_are_asked_about(cells, words):
    with pytest.raises(DoubtfulSourceError, match=words):
        candidate_column(cells, where)
    assert candidate_column(cells, where, separator="comma")[1] == cells[1].split(", ")


@pytest.mark.parametrize("cell", ["[0 1", "['elm', ", "[0 ... 9]", '["elm" {]'])
def test_a_list_that_is_none_says_how_to_write_one(cell):
    with pytest.raises(DatasetFormatError, match=r"row 1: .*\[\"elm\", \"oak\"\] or elm\|oak"):
        candidate_column(["[1]", cell], where)
    with pytest.raises(SettingError, match="list_separator is 'semi'"):
        candidate_column(["a"], where, separator="semi")


def test_floats_are_class_numbers_and_blanks_are_not_known():
    assert label_column(["0.0", "1.0", "", "2.0", "-1.0"], where) == ["0", "1", None, "2", None]
    assert label_column([0.0, float("nan"), 2, None, -1], where) == [0, None, 2, None, None]
    assert label_column(["cat", "NaN", "2.0"], where) == ["cat", None, "2.0"]
    assert label_column(["1.0", "2.5"], where) == ["1.0", "2.5"]
    assert label_column(["1.0", "2.0"], where, ["1.0", "2.0"]) == ["1.0", "2.0"]
    words = Understanding()
    assert label_column(["cat", "None", "None"], where, (), words) == ["cat", None, None]
    assert words.taken[0].value == "None (2) is taken as not known"
    assert label_column(["cat", "None"], where, ["cat", "None"]) == ["cat", "None"]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx"])
def test_a_label_column_that_pandas_made_floats(named, form, tmp_path):
    import pandas as pd

    labels = [0, 1, np.nan, 2, 1, np.nan]
    frame = pd.DataFrame({
        "file_name": [f"pics/{row}.png" for row in range(6)],
        "candidates": ["0|1", "1|2", "0|2", "0|1|2", "1", "2|0"], "label": labels,
    })  # fmt: skip
    root = tree(tmp_path, *frame["file_name"])
    if form == "jsonl":
        lines = [json.dumps(row) for row in frame.to_dict("records")]  # writes NaN
        (root / "metadata.jsonl").write_text("\n".join(lines))
    elif form == "csv":
        frame.to_csv(root / "metadata.csv")  # with a column of row numbers
    else:
        frame.to_excel(root / "metadata.xlsx", index=False)
    if named:
        (root / "classes.txt").write_text("ash\nbirch\ncedar\n")
    found = read(root)
    assert found.class_names == (["ash", "birch", "cedar"] if named else ["0", "1", "2"])
    assert found.truth.tolist() == [0, 1, -1, 2, 1, -1]
    assert found.candidates.lists() == [[0, 1], [1, 2], [0, 2], [0, 1, 2], [1], [0, 2]]
    assert not found.problems


@pytest.mark.parametrize(
    ("separator", "word"), [(",", "comma"), (";", "semicolon"), ("\t", "tab"), ("|", "bar")]
)
@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8"), ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16-LE"), ("cp1252", "cp1252"),
    ],
)  # fmt: skip
def test_separators_and_encodings_are_found_and_said(separator, word, encoding, said, tmp_path):
    rows = [["file_name", "candidates"], ["pics\\0.png", "Käse;Brot"], ["pics\\1.png", "Öl"]]
    if separator == ";":
        rows[1][1] = "Käse|Brot"
    found = read(folder(tmp_path, [separator.join(row) for row in rows], encoding=encoding))
    assert found.class_names == ["Brot", "Käse", "Öl"]
    assert found.ids == ["pics/0.png", "pics/1.png"]
    assert not found.problems
    assert told(found, "separator")[0].startswith(word)
    assert told(found, "encoding")[0].startswith(said)


def test_encodings_that_could_be_several_are_asked_about():
    data = "file_name,label\n1.png,猫\n2.png,狗\n".encode("gb18030")
    with pytest.raises(DoubtfulSourceError, match=r"t\.csv, line 3.*'狗' in gb18030.*--encoding"):
        decoded(data, "t.csv")
    assert "猫" in decoded(data, "t.csv", "gb18030")
    assert decoded("naïve café".encode("cp1252"), "t.csv") == "naïve café"
    with pytest.raises(SettingError, match="'nothing' is not a known encoding"):
        decoded(data, "t.csv", "nothing")
    with pytest.raises(DatasetFormatError, match="line 2: this is not ascii text"):
        decoded(data, "t.csv", "ascii")


def test_separators_that_could_be_several_are_asked_about():
    data = b"a;b,c\n1;2,3\n"
    with pytest.raises(DoubtfulSourceError, match=r"comma or semicolon.*--separator"):
        read_text_table(data, "t.csv")
    assert list(read_text_table(data, "t.csv", TextForm("semicolon")).columns) == ["a", "b,c"]
    assert list(read_text_table(data, "t.csv", TextForm(",")).columns) == ["a;b", "c"]
    with pytest.raises(SettingError, match="separator is 'ab'"):
        read_text_table(data, "t.csv", TextForm("ab"))


def test_empty_and_counting_columns_are_left_out_by_name():
    words = Understanding()
    data = b",file_name,label,,\n0,a,x,,\n1,b,y,,\n"
    table = read_text_table(data, "t.csv", None, words)
    assert list(table.columns) == ["file_name", "label"]
    assert {item.kind: item.names for item in words.left_out} == {
        "columns of row numbers in t.csv": ("column 1",),
        "empty columns in t.csv": ("column 4", "column 5"),
    }
    assert read_text_table(b"a,b\n1,2,,\n", "t.csv").columns["b"] == ["2"]
    with pytest.raises(DatasetFormatError, match=r"line 2: 3 fields where the header has 2"):
        read_text_table(b"a,b\n1,2,3\n", "t.csv")


def test_further_sheets_are_said_and_a_damaged_workbook_is_refused(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["file_name", "label"])
    book.active.append([])
    book.active.append(["1.png", "cat"])
    book.create_sheet("notes").append(["x"])
    book.save(tmp_path / "t.xlsx")
    words = Understanding()
    data = (tmp_path / "t.xlsx").read_bytes()
    table = read_text_table(data, "t.xlsx", None, words)
    assert table.columns == {"file_name": ["1.png"], "label": ["cat"]}
    assert table.where(0) == "t.xlsx, row 3"
    assert words.left_out[0].names == ("notes",)
    for damaged in (data[:-100], b"words", data[:200] + b"x" * 50 + data[250:]):
        with pytest.raises(DatasetFormatError, match=r"t\.xlsx is no readable Excel"):
            read_text_table(damaged, "t.xlsx")


def test_one_column_of_bits_a_class_is_a_set(tmp_path):
    rows = ["file_name,healthy,rust,scab,height"]
    bits = ["1,0,0", "1,1,0", "0,1,1", "0,0,1", "1,0,1", "0,1,0"]
    rows += [f"{row}.png,{cells},{row / 2}" for row, cells in enumerate(bits)]
    found = read(folder(tmp_path, rows))
    assert found.class_names == ["healthy", "rust", "scab"]
    assert found.candidates.lists() == [[0], [0, 1], [1, 2], [2], [0, 2], [1]]
    assert found.understanding.columns["class"] == ["healthy", "rust", "scab"]
    assert list(found.fields) == ["height"]
    assert told(found, "image files") == ["6 found by file name, in other folders (first: 0.png)"]


def test_one_table_may_name_images_and_how_many_votes_each_class_got(tmp_path):
    rows = ["file_name,rust,scab", "pics/0.png,3,0", "pics/1.png,1,4"]
    root = folder(tmp_path, rows)
    with pytest.raises(DatasetFormatError, match=r"how many votes .* as the candidate file"):
        read(root, class_names=["rust", "scab"])
    table = str(next(root.rglob("metadata.csv")))
    found = read(root, class_names=["rust", "scab"], candidates=table)
    assert found.candidates.lists() == [[0], [0, 1]]
    assert found.votes.weight.tolist() == [3, 1, 4]


def test_bits_beside_a_label_are_fields(tmp_path):
    rows = ["file_name,label,blurred,dark", "pics/0.png,cat,0,1", "pics/1.png,dog,1,0"]
    found = read(folder(tmp_path, rows))
    assert found.class_names == ["cat", "dog"]
    assert list(found.fields) == ["blurred", "dark"]


def test_columns_are_named_by_the_user(tmp_path):
    rows = ["which,first,second,part", "pics/0.png,cat,dog,a", "pics/1.png,dog,dog,b"]
    root = folder(tmp_path, rows)
    with pytest.raises(DatasetFormatError, match="no column 'file_name'"):
        read(root)
    given = {"image": ["which"], "label": ["second"], "candidates": ["first"], "split": ["part"]}
    with pytest.raises(DatasetFormatError, match="only one class"):
        read(root, columns={"image": ["which"], "label": ["second"]})
    found = read(root, columns=given)
    assert found.splits == ["a", "b"]
    assert found.truth.tolist() == [1, 1]
    for wrong, words in (
        (
            {"image": ["which"], "label": ["scond"]},
            "label=scond: metadata.csv has no such column. Closest: 'second'",
        ),
        ({**given, "lable": ["second"]}, "lable=second.*Closest: 'label'"),
    ):
        with pytest.raises((SettingError, DatasetFormatError), match=words):
            read(root, columns=wrong)


def test_sets_meet_their_images_by_file_name(tmp_path):
    root = tree(tmp_path / "a", "healthy/0.png", "rust/1.png", "scab/2.png")
    table = tmp_path / "sets.csv"
    table.write_text(
        "file_name,healthy,rust,scab\n0.png,1,1,0\n1.png,0,1,0\n2,1,0,1\n9.png,1,1,1\n"
    )
    found = read(root, candidates=str(table))
    assert found.candidates.lists() == [[0, 1], [1], [0, 2]]
    assert told(found, "ids") == ["3 of sets.csv met by file name (first: 0.png is healthy/0.png)"]
    (left,) = [item for item in found.understanding.left_out if "no sample has" in item.kind]
    assert left.names == ("9.png",)


def test_names_that_fit_several_files_are_not_guessed():
    finder = NameFinder(["a/1.png", "b/1.png", "a/2.png", "c/Ü.png"])
    assert finder.find("1.png") is None
    assert finder.find("x\\2.png") == "a/2.png"
    assert finder.find("A/1.PNG") == "a/1.png"
    assert finder.find("2") == "a/2.png"
    assert finder.find("c\\u\u0308.PNG") == "c/Ü.png"
    assert finder.find("") is None


def test_ids_that_differ_in_folder_meet_only_where_no_other_fits(tmp_path):
    root = tree(tmp_path / "a", "cat/1.png", "dog/1.png", "dog/2.png")
    table = tmp_path / "sets.csv"
    table.write_text("id,candidates\ncat/1.png,cat|dog\n1.png,cat\n2.png,dog\nold.png,cat\n")
    found = read(root, candidates=str(table))
    assert found.candidates.lists() == [[0, 1], [], [1]]
    assert [problem.row for problem in found.problems] == [1]
    (left,) = [item for item in found.understanding.left_out if "no sample has" in item.kind]
    assert left.names == ("1.png", "old.png")


@pytest.mark.parametrize("write", [str, json.dumps, ascii])
def test_what_was_escaped_when_a_list_was_printed_is_as_it_was(write):
    names = ["a 👩‍👩‍👧‍👦", "no-break\xa0space", "two\nlines", "it's", "back\\slash", "ash"]
    assert candidate_column([write(names)], where) == [names]


@pytest.mark.parametrize("text", [r"['\ud800']", r"['\U00110000']"])
def test_an_escape_that_is_no_text_stays_as_it_is_written(text):
    assert candidate_column([text], where) == [[text[2:-2]]]
