"""Live answers: renewed after a few, taken back by undo, and blind where answers are hidden."""

import threading
import time
from contextlib import suppress

import numpy as np
import pytest

from cad_studio.config import AppConfig
from cad_studio.core.errors import NotReadyError, RecordNotFoundError
from cad_studio.core.progress import Silent
from cad_studio.mining.live_belief import SURE
from cad_studio.services.annotation import beliefs
from cad_studio.services.container import Services
from tests.services.annotating import NAME, act, label, make


@pytest.fixture
def services(tmp_path):
    services = Services(AppConfig(tmp_path / "project"))
    make(services, tmp_path)
    yield services
    services.close()


def exact(services, who="anna"):
    features = services.beliefs.features(NAME)
    return services.beliefs.standing(NAME, features, Silent(), is_exact=True)


def test_answers_count_once_there_are_five_or_the_keys_rest_and_undo_takes_them_back(services):
    live = services.live
    first = live.standing(NAME, "anna")
    before = exact(services).belief.toarray()
    assert (first["is_ready"], first["action"], first["gained"]) == (True, 0, None)
    sizes = services.sets.effective(NAME).sizes()
    truth = services.datasets.load(NAME).truth
    rows = np.flatnonzero(sizes > 1)[:6].tolist()
    for row in rows[:4]:
        label(services, row, int(truth[row]))
    assert live.standing(NAME, "anna", since=0)["action"] == 0
    idle = live.standing(NAME, "anna", since=0, is_idle=True)
    assert idle["action"] == 4
    assert idle["open"] == first["open"] - 4
    label(services, rows[4], int(truth[rows[4]]))
    assert live.standing(NAME, "anna")["action"] == 4
    for row in rows[5:]:
        label(services, row, int(truth[row]))
    after = exact(services)
    told = live.standing(NAME, "anna", since=0)
    best, now = before.max(axis=1), after.belief.toarray().max(axis=1)
    is_open = services.sets.effective(NAME).sizes() > 1
    assert told["gained"] == int((is_open & (now > SURE) & (best <= SURE)).sum())
    assert told["lost"] == int((is_open & (now <= SURE) & (best > SURE)).sum())
    assert told["settled"] == int((is_open & (now > SURE)).sum())
    for _ in rows:
        act(services, "undo")
    again = live.standing(NAME, "anna", since=after.head, is_idle=True)
    assert np.array_equal(exact(services).belief.toarray(), before)
    assert (again["settled"], again["open"]) == (first["settled"], first["open"])


def test_a_merged_class_is_in_no_belief_at_once(services):
    """Within the few actions between two renewals, a merged class was still suggested."""
    services.live.standing(NAME, "anna")
    act(services, "merge-class", given={"class": 3, "into": 0})
    features = services.beliefs.features(NAME)
    belief = services.beliefs.standing(NAME, features, Silent()).belief
    assert not belief[:, [3]].toarray().any()


def test_what_is_hidden_from_an_annotator_is_in_none_of_their_beliefs(services):
    """By the counts, and by suggestions for samples beside it, the answers of others were felt."""
    rows = list(range(8))
    chosen = services.queues.store_selection(NAME, rows, "shared").id
    queue = services.queues.open(NAME, "selection", settings={"selection": chosen}, overlap=2)
    services.queues.take(NAME, queue.id, "anna", 8)
    services.queues.take(NAME, queue.id, "bob", 8)
    open_row = int(np.flatnonzero(services.sets.effective(NAME).sizes()[8:] > 1)[0]) + 8

    def seen(who):
        standing = services.live.standing(NAME, who, is_idle=True)
        counts = {key: standing[key] for key in ("open", "settled")}
        return counts, services.suggestions.of(NAME, open_row, who)["belief"]

    anna, bob = seen("anna"), seen("bob")
    for row in rows:
        label(services, row, 0, "bob", queue=queue.id, position=row)
    assert seen("anna") == anna
    assert seen("bob") != bob
    for row in rows:
        label(services, row, 0, "anna", queue=queue.id, position=row)
    assert seen("anna") == seen("bob")


def test_many_samples_are_renewed_beside_and_the_belief_before_serves_meanwhile(
    services, monkeypatch
):
    monkeypatch.setattr(beliefs, "RENEWED_AT_ONCE", 10)
    live = services.live
    assert live.standing(NAME, "anna")["action"] == 0
    for row in range(6):
        label(services, row, 0)
    told = live.standing(NAME, "anna", since=0)
    assert told["action"] == 0
    assert told["is_renewing"]
    until = time.monotonic() + 60
    while live.standing(NAME, "anna")["action"] == 0 and time.monotonic() < until:
        time.sleep(0.01)
    after = live.standing(NAME, "anna", since=0)
    assert (after["action"], after["gained"] is None) == (6, False)


@pytest.mark.parametrize(
    "order", ["least-certain", "expected-gain", "diverse", "typical", "balanced"]
)
def test_a_queue_ranks_anew_what_nobody_was_handed_and_nothing_else(services, order):
    queue = services.queues.open(NAME, order)
    handed = services.queues.take(NAME, queue.id, "anna", 3)
    store = services.project.annotation_queues

    def rows():
        n_items = services.queues.describe(queue, "anna")["items"]
        found, position = [], 0
        while len(found) < n_items:
            with suppress(RecordNotFoundError):
                found.append(store.item(queue.id, position))
            position += 1
        return found

    before = rows()
    for item in handed[:1]:
        label(services, item.row, services.sets.base(NAME).of(item.row)[0], queue=queue.id,
              position=item.position)  # fmt: skip
    ahead = [item.row for item in before[3:]]
    truth = services.datasets.load(NAME).truth
    for row in ahead[:6]:  # decided elsewhere
        label(services, row, int(truth[row]))
    services.queues.take(NAME, queue.id, "anna", 2)
    after = rows()
    assert after[:3] == before[:3]
    assert not {item.row for item in after} & set(ahead[:6])
    assert len({item.row for item in after}) == len(after)
    assert len({item.position for item in after}) == len(after)


def test_the_first_belief_of_very_many_samples_is_made_beside_and_said(services, monkeypatch):
    """It was made inside the request: a page of a million samples hung for as long."""
    patient = exact(services).belief.toarray()
    monkeypatch.setattr(beliefs, "RENEWED_AT_ONCE", 10)
    may_end = threading.Event()
    factor = beliefs.RidgeHead

    def slow(features, progress):
        progress.report(0.5, "")
        assert may_end.wait(30)
        return factor(features)

    monkeypatch.setattr(beliefs, "RidgeHead", slow)
    again = Services(services.config)
    again.beliefs.is_patient = False  # as in a window
    features = again.beliefs.features(NAME)
    with pytest.raises(NotReadyError, match=r"confidence of \d+ samples is being worked out"):
        again.beliefs.standing(NAME, features, Silent())
    while "25%" not in (told := again.live.standing(NAME, "anna"))["says"]:
        time.sleep(0.01)
    assert (told["is_ready"], told["is_renewing"]) == (False, True)
    # what a page may ask meanwhile is answered, in words or without what is not known
    queue = again.queues.open(NAME, "least-certain", "anna")
    early = again.queues.take(NAME, queue.id, "anna", 3)
    assert len(early) == 3
    assert all("Confidence is still being worked out" in item.why for item in early)
    with pytest.raises(NotReadyError):
        again.suggestions.of(NAME, 0, "anna")
    may_end.set()
    deadline = time.monotonic() + 30
    while not (told := again.live.standing(NAME, "anna"))["is_ready"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    later = again.queues.take(NAME, queue.id, "anna", 6)
    assert [item.row for item in later[:3]] == [item.row for item in early]  # they are in hand
    assert all("believed with" in item.why for item in later[3:])
    np.testing.assert_allclose(
        again.beliefs.standing(NAME, features, Silent()).belief.toarray(), patient, atol=1e-5
    )
    again.close()


def test_the_command_line_waits_for_the_first_belief(services, monkeypatch):
    monkeypatch.setattr(beliefs, "RENEWED_AT_ONCE", 10)
    assert exact(services).belief.shape[0] == len(services.datasets.load(NAME))
