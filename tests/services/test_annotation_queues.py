"""Queues hand nothing out twice, fill themselves, and go on where they were."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from cad_studio.config import AppConfig
from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.services.annotation.queues import LEASE_SECONDS, QueueService
from cad_studio.services.container import Services
from tests.services.annotating import NAME, act, label, make


class Clock:
    """A clock to be turned."""

    def __init__(self):
        self.at = 1_000_000.0

    def __call__(self):
        return self.at


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("queues")
    services = Services(AppConfig(folder / "project"))
    make(services, folder)
    yield services
    services.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queues(project, clock):
    return QueueService(
        project.project, project.datasets, project.sets, project.beliefs, project.annotators,
        project.consensus, project.mining, project.access, clock,
    )  # fmt: skip


def taken(items):
    return [item.position for item in items]


def selection(queues, rows, **more):
    return queues.store_selection(NAME, rows, "chosen", **more).id


def test_nothing_is_handed_out_twice(queues):
    queue = queues.open(
        NAME, "selection", settings={"selection": selection(queues, list(range(40)))}
    )
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda n: queues.take(NAME, queue.id, f"a{n}", 5), range(8)))
    positions = [position for part in parts for position in taken(part)]
    assert sorted(positions) == list(range(40))
    assert queues.take(NAME, queue.id, "late") == []


def test_what_is_in_hand_comes_back_after_a_break_and_goes_to_others_when_the_time_is_up(
    queues, clock
):
    queue = queues.open(NAME, "selection", settings={"selection": selection(queues, [1, 2, 3])})
    mine = queues.take(NAME, queue.id, "anna", 2)
    assert taken(queues.take(NAME, queue.id, "anna", 2)) == taken(mine)
    assert taken(queues.take(NAME, queue.id, "bo", 2)) == [2]
    clock.at += LEASE_SECONDS + 1
    assert taken(queues.take(NAME, queue.id, "cy", 3)) == [0, 1, 2]


def test_a_clock_that_went_back_does_not_lock_items_for_ever(queues, clock):
    queue = queues.open(NAME, "selection", settings={"selection": selection(queues, [4, 5])})
    queues.take(NAME, queue.id, "anna", 2)
    clock.at -= 1_000_000
    assert taken(queues.take(NAME, queue.id, "bo", 2)) == [0, 1]


def test_items_given_back_are_free_at_once(queues):
    queue = queues.open(NAME, "selection", settings={"selection": selection(queues, [6, 7])})
    queues.take(NAME, queue.id, "anna", 2)
    queues.release(NAME, queue.id, "anna")
    assert taken(queues.take(NAME, queue.id, "bo", 2)) == [0, 1]


def test_overlap_shows_an_item_to_so_many_annotators(queues):
    chosen = {"selection": selection(queues, [8, 9])}
    queue = queues.open(NAME, "selection", settings=chosen, overlap=2)
    shown = [taken(queues.take(NAME, queue.id, who, 2)) for who in ("anna", "bo", "cy")]
    assert shown == [[0, 1], [0, 1], []]
    queues.set_overlap(NAME, queue.id, 3)
    assert taken(queues.take(NAME, queue.id, "cy", 2)) == [0, 1]


def test_a_decision_ends_its_item_and_undo_brings_it_back(project, queues):
    queue = queues.open(NAME, "selection", settings={"selection": selection(queues, [10, 11])})
    first, second = queues.take(NAME, queue.id, "dora", 2)
    place = {"queue": queue.id, "position": first.position}
    label(project, first.row, 1, "dora", **place)
    act(project, "skip", [second.row], "dora", queue=queue.id, position=second.position)
    progress = queues.describe(queue, "dora")
    assert (progress["done"], progress["passed"], progress["mine"]) == (1, 1, 1)
    assert queues.take(NAME, queue.id, "dora", 2) == []
    act(project, "undo", who="dora")
    assert taken(queues.take(NAME, queue.id, "dora", 2)) == [0]


def test_a_flag_undone_or_redone_leaves_its_item_as_it_is(project, queues):
    """Undo handed a decided item out again, and redo ended one that nobody had decided."""
    queue = queues.open(NAME, "selection", settings={"selection": selection(queues, [12, 13])})
    first, second = queues.take(NAME, queue.id, "ed", 2)
    for item in (first, second):
        place = {"queue": queue.id, "position": item.position}
        if item is first:
            label(project, item.row, 1, "ed", **place)
        act(project, "flag", [item.row], "ed", **place)
        act(project, "undo", who="ed")
        assert queues.describe(queue, "ed")["done"] == 1
    act(project, "redo", who="ed")
    assert taken(queues.take(NAME, queue.id, "ed", 2)) == [1]


@pytest.mark.parametrize("order", ["expected-gain", "least-certain", "entangled", "random"])
def test_an_order_fills_its_queue_and_leaves_out_what_was_decided(project, queues, order):
    queue = queues.open(NAME, order, who="fill")
    items = queues.take(NAME, queue.id, "fill", 3)
    assert items
    assert queues.open(NAME, order).id == queue.id
    train = project.datasets.load(NAME).splits == 0
    assert all(train[item.row] for item in items)
    last = items[-1]
    queues.release(NAME, queue.id, "fill")
    for row in (last.row, last.other):
        if row is not None:
            label(project, row, 1, "someone else")
    assert last.position not in taken(queues.take(NAME, queue.id, "fill", 3))


def test_a_queue_takes_in_more_when_it_runs_out(project, queues):
    queue = queues.open(NAME, "random", settings={"seed": 7})
    seen = []
    while items := queues.take(NAME, queue.id, "runner", 50):
        seen += [item.row for item in items]
        for item in items:
            label(project, item.row, 1, "runner", queue=queue.id, position=item.position)
    assert len(seen) == len(set(seen))
    sizes = project.sets.effective(NAME).sizes()
    assert (sizes[project.datasets.load(NAME).splits == 0] == 1).mean() > 0.5


def test_suspects_come_with_their_reasons(queues):
    chosen = selection(queues, [20, 21], source="suspects", reasons=["low margin", "two clusters"])
    queue = queues.open(NAME, "suspects", settings={"selection": chosen})
    assert [item.why for item in queues.take(NAME, queue.id, "anna", 2)] == [
        "low margin",
        "two clusters",
    ]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda q: q.open(NAME, "fastest"), "'fastest' is not a known queue"),
        (lambda q: q.open(NAME, "random", settings={"speed": 1}), "'speed' is no setting"),
        (lambda q: q.open(NAME, "random", settings={"split": "dev"}), "'dev' is not a split"),
        (lambda q: q.open(NAME, "selection"), "needs a stored selection"),
        (lambda q: q.open(NAME, "selection", settings={"selection": 999}), "Selection 999 is not"),
        (lambda q: q.open(NAME, "least-certain", settings={"features": "magic"}), "magic"),
        (lambda q: q.store_selection(NAME, [], "none"), "1 to 200,000 rows, not 0"),
        (lambda q: q.store_selection(NAME, [99], "none"), "has no row 99"),
        (lambda q: q.store_selection(NAME, [1], "x", reasons=[]), "1 rows came with 0 reasons"),
        (lambda q: q.take(NAME, 999, "anna"), "Queue 999 is not in this project"),
    ],
)
def test_what_is_wrong_is_told(queues, call, words):
    with pytest.raises((SettingError, RecordNotFoundError), match=words):
        call(queues)


def test_an_answer_is_held_against_the_item_it_was_given_for(project, queues, clock, monkeypatch):
    """An answer to an item that had gone to others was written down beside theirs."""
    monkeypatch.setattr(project.annotation, "_clock", clock)
    queue = queues.open(NAME, "selection", settings={"selection": selection(queues, [50, 51])})
    [item] = queues.take(NAME, queue.id, "eva", 1)
    place = {"queue": queue.id, "position": item.position}
    with pytest.raises(SettingError, match="is not about sample 51"):
        label(project, 51, 0, "eva", **place)
    with pytest.raises(SettingError, match="is not about sample 50"):
        label(project, 50, 0, "eva", queue=queue.id, position=7)
    with pytest.raises(SettingError, match="went to somebody else"):
        label(project, 50, 0, "finn", **place)
    clock.at += LEASE_SECONDS + 1
    assert taken(queues.take(NAME, queue.id, "finn", 1)) == [item.position]
    head = project.history.newest(NAME)["head"]
    with pytest.raises(SettingError, match="went to somebody else"):
        label(project, 50, 0, "eva", **place)
    assert project.history.newest(NAME)["head"] == head
    label(project, 50, 0, "finn", **place)
    label(project, 50, 1, "finn", **place)  # one's own answer may be changed
    book = project.sets.book(NAME)
    [state] = project.project.annotations.states(book.id, [50]).values()
    # Other tests of this file may have annotated it before, by another name.
    assert "finn" in state.statements
    assert "eva" not in state.statements


def test_a_late_answer_counts_while_the_item_is_free(project, queues, clock, monkeypatch):
    monkeypatch.setattr(project.annotation, "_clock", clock)
    queue = queues.open(NAME, "selection", settings={"selection": selection(queues, [52, 53])})
    [item] = queues.take(NAME, queue.id, "gil", 1)
    clock.at += LEASE_SECONDS + 1
    label(project, item.row, 0, "gil", queue=queue.id, position=item.position)
    assert queues.describe(queue, "gil")["mine"] == 1
