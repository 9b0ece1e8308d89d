"""What a request asks of the database: each record once, however many services look at it."""

from collections import Counter
from urllib.parse import quote

import pytest
from starlette.responses import Response
from starlette.testclient import TestClient

from cad_studio.ui.login import RoleGate
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


def test_page_functions_look_a_record_up_once_and_long_calls_do_not(services):
    """A card of the Annotate page asked for the dataset's record fifteen times."""
    read = []

    async def asking_twice(scope, receive, send):
        for _ in range(2):
            services.project.database.remembered("x", lambda: read.append(1))
        await Response()(scope, receive, send)

    client = TestClient(RoleGate(asking_twice, services))
    client.post("/gradio_api/component_server")
    assert len(read) == 1
    client.get("/gradio_api/queue/data")  # as long as the page is open
    assert len(read) == 3
