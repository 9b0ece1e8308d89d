"""Columns of every type in every role: read, or refused in words."""

from contextlib import suppress

import pytest

from cad_studio.core.errors import CadStudioError
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions, read_here
from tests.datasets.hostile import odd_columns

KINDS = odd_columns()
ROLES = ("image", "label", "candidates", "features", "id", "split", "annotator", "truth", "camera")


@pytest.mark.parametrize("form", ["parquet", "arrow"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_column_of_any_type_in_any_role_is_read_or_refused(kind, form, tmp_path):
    """A struct with a field twice ended in a traceback."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / f"train.{form}"
    for role in ROLES:
        plain = {"image": KINDS["binary"], "label": pa.array([0, 1, 0, 1])}
        table = pa.table({**plain, role: KINDS[kind]})
        if form == "parquet":
            pq.write_table(table, path)
        else:
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as out:
                out.write_table(table)
        with suppress(CadStudioError):
            images = read_here(str(path), ReadOptions(), Silent()).images
            for row in range(len(images or ())):
                with suppress(OSError):  # there is no image
                    images.read(row)


def test_a_damaged_byte_anywhere_in_a_parquet_footer_is_told_in_words(tmp_path):
    """The name of a column that was no text ended in a traceback."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "train.parquet"
    table = pa.table({"image": KINDS["binary"], "label": [0, 1, 0, 1]})
    pq.write_table(table, path, write_statistics=False, store_schema=False)
    whole = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    told = set()
    for place in range(footer, len(whole)):
        path.write_bytes(whole[:place] + b"\xc6" + whole[place + 1 :])
        try:
            read_here(str(path), ReadOptions(), Silent())
        except CadStudioError as error:
            told.add(str(error).partition("(")[0])
    assert "train.parquet, column 'image' is damaged " in told
