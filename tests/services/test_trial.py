"""Annotation on trial: what a visitor of a read-only studio may do without leaving a trace."""

import pytest

from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.services.access import Access
from cad_studio.services.annotation.trial import MOST_ITEMS
from tests.services.annotating import NAME, label, make


@pytest.fixture
def closed(services, tmp_path, monkeypatch):
    """A studio that is only to be looked at; one sample was answered before."""
    make(services, tmp_path)
    label(services, 11, 3)
    for each in (services.trial, services.cards, services.blindness):
        monkeypatch.setattr(each, "_access", Access(read_only=True))
    return services


def test_every_order_that_is_offered_hands_out_cards(closed):
    offered = closed.trial.orders()
    assert {"entangled", "expected-gain", "least-certain", "random"} <= set(offered)
    for order in offered:
        cards = closed.trial.cards(NAME, order)
        assert 0 < len(cards) <= MOST_ITEMS
        assert [card["position"] for card in cards] == list(range(len(cards)))
        assert all(side["split"] == "train" for card in cards for side in card["sides"])
    with pytest.raises(SettingError, match=r"'suspects' cannot be tried here. Allowed: "):
        closed.trial.cards(NAME, "suspects")


def test_the_rows_of_a_link_are_gone_through_in_their_order(closed):
    assert [card["rows"] for card in closed.trial.cards(NAME, "", [7, 3])] == [[7], [3]]
    with pytest.raises(RecordNotFoundError, match="has no row 60"):
        closed.trial.cards(NAME, "", [60])


def test_right_answers_are_worth_something_and_nothing_is_stored(closed):
    sets, head = closed.sets.effective(NAME), closed.cards.overview(NAME, "")["head"]
    nothing = closed.trial.worth(NAME, "random", {})
    assert (nothing["n"], nothing["settled"], nothing["before"]) == (0, 0, nothing["after"])
    truth = closed.datasets.load(NAME).truth
    answers = {row: [int(truth[row])] for row in range(40) if row % 10 != 9}
    found = closed.trial.worth(NAME, "random", answers)
    assert found["n"] == len(answers)
    assert found["after"] > found["before"] == nothing["before"]
    assert found["simulated"] >= found["before"]
    assert closed.sets.effective(NAME) == sets
    assert closed.cards.overview(NAME, "")["head"] == head


def test_what_cannot_be_an_answer_is_refused(closed):
    for answers in ({0: []}, {0: [4]}):
        with pytest.raises(SettingError, match="about row 0 is not a set of classes"):
            closed.trial.worth(NAME, "random", answers)
    with pytest.raises(SettingError, match="61 answers; the worth of at most 60"):
        closed.trial.worth(NAME, "random", {row: [0] for row in range(61)})


def test_where_answers_are_stored_nothing_is_on_trial(services, tmp_path):
    make(services, tmp_path)
    for ask in (lambda: services.trial.cards(NAME, "random"),
                lambda: services.trial.worth(NAME, "random", {})):  # fmt: skip
        with pytest.raises(SettingError, match="Answers are stored here"):
            ask()
