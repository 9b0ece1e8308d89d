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


@pytest.mark.parametrize("count", [2, 8])
def test_cards_of_a_queue_are_read_together(services, selects, count):
    """Five cards asked a hundred times, mostly what one question answers for all of them."""
    queue = services.queues.open(SHAPES, "random", "owner", overlap=2)
    who = f"reader {count}"
    services.queues.take(SHAPES, queue.id, who, count)  # ranks, and finds neighbours
    database = services.project.database
    with database.one_look():
        items = services.queues.take(SHAPES, queue.id, who, count)
        selects.clear()
        cards = services.cards.of_items(SHAPES, items, who)
    assert len(cards) == count
    assert all(card["sides"][0]["neighbours"]["rows"] for card in cards)
    of_neighbours = 3 * count  # which of them are hidden, each card its own
    assert sum(selects.values()) <= 14 + of_neighbours


def test_rows_that_were_asked_for_are_not_asked_for_again(services):
    database, read = services.project.database, []

    def some(rows):
        read.append(rows)
        return {row: row * 10 for row in rows if row != 4}

    with database.one_look():
        assert database.remembered_rows("x", [3, 4, 3], some) == {3: 30}
        assert database.remembered_rows("x", [4, 5], some) == {5: 50}
        with database.write():
            pass
        assert database.remembered_rows("x", [3], some) == {3: 30}
    assert read == [[3, 4], [5], [3]]
