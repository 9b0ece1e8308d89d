"""What a request asks of the database: each record once, however many services look at it."""

from collections import Counter
from urllib.parse import quote

import pytest

from tests.asking import counted_selects
from tests.ui.small_project import SHAPES

NAME = quote(SHAPES)


@pytest.fixture
def selects(services):
    """Counts the SELECTs of a request by table and by what they ask for."""
    with counted_selects(services) as asked:
        yield asked


PAIR = [
    f"/datasets/{NAME}/minings/1/pair/3-8", f"/image/1/{NAME}/3", f"/image/1/{NAME}/8",
]  # fmt: skip
OTHERS = [
    f"/datasets/{NAME}", f"/datasets/{NAME}/rows", f"/datasets/{NAME}/instance/3",
    f"/datasets/{NAME}/minings/1/pairs", f"/datasets/{NAME}/minings/1", f"/standing/{NAME}",
]  # fmt: skip


def asked_by(client, selects, path):
    client.get(path)  # files are opened and held in memory
    selects.clear()
    assert client.get(path).status_code == 200
    return Counter(selects)


def test_a_pair_with_its_pictures_asks_little(client, selects):
    """It was twenty SELECTs, most of them for the dataset's record."""
    assert sum(sum(asked_by(client, selects, path).values()) for path in PAIR) <= 12


@pytest.mark.parametrize("path", [*PAIR, *OTHERS])
def test_a_request_looks_a_dataset_up_once(client, selects, path):
    asked = asked_by(client, selects, path)
    assert {table for table, *_ in asked} & {"dataset"}
    for (table, _, parameters), count in asked.items():
        if table in {"dataset", "annotation_book"}:
            assert count == 1, (table, parameters)


def test_a_write_is_seen_by_what_reads_after_it(services):
    database, book = services.project.database, []
    with database.one_look():
        assert database.remembered("n", lambda: book.append(1) or len(book)) == 1
        assert database.remembered("n", lambda: book.append(1) or len(book)) == 1
        with database.write():
            pass
        assert database.remembered("n", lambda: book.append(1) or len(book)) == 2
    assert database.remembered("n", lambda: book.append(1) or len(book)) == 3
