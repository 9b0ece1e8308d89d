"""Tables of votes: long and wide, with blanks, further columns, and a share that makes the set."""

import numpy as np
import pytest

from cad_studio.core.errors import DatasetFormatError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions, read_here, recognise
from tests.datasets.sources import png, write_csv

LONG = [
    ["image", "annotator", "label", "camera", "note"],
    ["0.png", "a1", "cat", "north", "sure"],
    ["0.png", "a2", "cat", "north", "quick"],
    ["0.png", "a3", "dog", "north", "?"],
    ["1.png", "a1", "", "south", ""],
    ["1.png", "a2", "fox", "south", "blurred"],
    ["2.png", "a1", "skip", "north", "dark"],
    ["2.png", "a2", "NaN", "north", "odd"],
]
WIDE = [
    ["image", "camera", "ann1", "ann2", "ann3"],
    ["0.png", "north", "cat", "cat", "dog"],
    ["1.png", "south", "fox", "", "fox"],
    ["2.png", "north", "", "", ""],
]


def table(folder, rows, name="votes.csv", n_images=3):
    for row in range(n_images):
        (folder / f"{row}.png").write_bytes(png(row))
    return str(write_csv(folder / name, rows))


def read(source, **options):
    return read_here(source, ReadOptions(format="annotator-votes", **options), Silent())


def sets(found):
    names = found.class_names
    return {
        found.ids[row]: [names[index] for index in members]
        for row, members in enumerate(found.candidates.lists())
    }


def test_blank_votes_are_dropped_and_counted_and_their_images_stay(tmp_path):
    found = read(table(tmp_path, LONG))
    by_id = sets(found)
    assert by_id["0.png"] == ["cat", "dog"]
    assert by_id["1.png"] == ["fox"]
    assert len(found.votes.label) == 4
    assert found.votes.annotators == ["a1", "a2", "a3"]
    [left] = [each for each in found.understanding.left_out if "blank" in each.kind]
    assert left.count == 3
    assert left.names[0] == "votes.csv, line 5"


@pytest.mark.parametrize("named", [False, True])
def test_wide_table_has_a_column_for_each_annotator(tmp_path, named):
    source = table(tmp_path, WIDE)
    assert recognise(source) == "annotator-votes"
    found = read(source, columns={"annotator": ["ann1", "ann2", "ann3"]} if named else {})
    by_id = sets(found)
    assert by_id["0.png"] == ["cat", "dog"]
    assert by_id["1.png"] == ["fox"]
    assert found.votes.annotators == ["ann1", "ann2", "ann3"]
    assert found.understanding.columns["annotator"] == ["ann1", "ann2", "ann3"]
    assert found.fields["camera"][:2] == ["north", "south"]


def test_share_of_the_votes_makes_the_set(tmp_path):
    assert sets(read(table(tmp_path, LONG), threshold=0.5))["0.png"] == ["cat"]
    with pytest.raises(SettingError, match=r"threshold is 1\.5"):
        read(table(tmp_path, LONG), threshold=1.5)


def test_classes_written_as_floats_are_class_numbers(tmp_path):
    rows = [["image", "annotator", "label"]]
    rows += [
        ["0.png", "1", "0.0"],
        ["0.png", "2", "1.0"],
        ["1.png", "1", "2.0"],
        ["1.png", "2", ""],
    ]
    found = read(table(tmp_path, rows))
    assert found.class_names == ["0", "1", "2"]
    assert sets(found) == {"0.png": ["0", "1"], "1.png": ["2"]}


def test_columns_of_the_image_become_fields_and_columns_of_the_vote_are_left_out(tmp_path):
    found = read(table(tmp_path, LONG))
    assert found.fields["camera"][:2] == ["north", "south"]
    assert "note" not in found.fields
    assert any("'note'" in each.kind for each in found.understanding.left_out)


def test_columns_of_bits_are_asked_about(tmp_path):
    """Votes for one of two classes, or one column for each class: they give different sets."""
    rows = [["image", "healthy", "rust"], ["0.png", "1", "0"], ["1.png", "1", "1"]]
    with pytest.raises(DatasetFormatError, match="--columns annotator=healthy,annotator=rust"):
        read(table(tmp_path, rows))
    assert recognise(table(tmp_path, rows)) == "image-folder"  # by itself, a class each
    found = read(table(tmp_path, rows), columns={"annotator": ["healthy", "rust"]})
    assert sets(found) == {"0.png": ["0", "1"], "1.png": ["1"]}


def test_table_of_votes_in_parquet_is_read_like_one_in_csv(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    for rows in (LONG, WIDE):
        source = table(tmp_path, rows)
        columns = dict(zip(rows[0], map(list, zip(*rows[1:], strict=True)), strict=True))
        pq.write_table(pa.table(columns), tmp_path / "votes.parquet")
        wanted, found = read(source), read(str(tmp_path / "votes.parquet"))
        assert sets(found) == sets(wanted)
        assert np.array_equal(found.votes.label, wanted.votes.label)
        assert found.fields.keys() == wanted.fields.keys()
