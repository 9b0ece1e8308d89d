"""Edits and their pairs as runs judge them: only what a run has seen counts."""

from dataclasses import replace

import numpy as np
import pytest

from cad_studio.core.errors import JobCancelled
from cad_studio.core.progress import Silent
from cad_studio.services.edits import evidence
from cad_studio.services.edits.augmentation import AugmentationService, AugmentRequest
from cad_studio.services.edits.evidence import (
    judge_edits,
    judge_pairs,
    pair_cells,
    pairs_with_edits,
)
from tests.services.edited import N_TRAIN, with_run


@pytest.fixture
def ready(judged):
    """An editor, a run that judges, and eight pairs that count as entangled."""
    services = judged
    found = services.augmentation.entanglement("b")
    data = services.datasets.load("b")
    rows = np.flatnonzero(data.candidates.sizes()[:N_TRAIN] > 1)[:16]
    labels = np.array([data.candidates.of(row)[at % 2] for at, row in enumerate(rows)])
    found = replace(found, pairs=rows.reshape(8, 2), labels=labels.reshape(8, 2))
    services.augmentation._entangled = (services.augmentation._entangled[0], found)
    return services


def make(services, **changes):
    request = AugmentRequest("b", **{"budget": {"budget": "all"}, **changes})
    return services.augmentation.make(request, Silent())


def opened(services, set_id, run_id=1):
    """What the functions that judge are given."""
    edit_set = services.project.edits.get(set_id)
    return (
        services.project.edits,
        edit_set,
        services.datasets.load("b"),
        services.judges.open(run_id),
    )


def test_edits_a_run_has_not_judged_are_no_failures_of_their_class_pair(ready):
    """They were counted as edits that did not reach their class."""
    made = make(ready)
    second = with_run(ready, seed=1)
    edits, edit_set, data, judge = opened(ready, made["set"], second)
    index = edits.index(made["set"])
    entanglement = ready.augmentation.entanglement("b")
    both = pairs_with_edits(index, entanglement).edits[:2]
    some = index.take(np.sort(both.ravel()))
    judge_edits(edits, edit_set, some, data, judge, Silent())
    judge_pairs(edits, edit_set, index, data, entanglement, judge, Silent())
    cells = pair_cells(edits, edit_set, judge.key)
    assert sum(cell["n_pairs"] for cell in cells) == 2
    seen = edits.evidence(made["set"], judge.key)
    reached = sum(cell["n_pairs"] * cell["reached"] for cell in cells) / 2
    assert reached == pytest.approx((seen.top_after == some.label).mean())


def test_figures_of_pairs_are_forgotten_when_edits_are_deleted(ready, monkeypatch):
    made = make(ready)
    edits, edit_set, _, judge = opened(ready, made["set"])
    assert pair_cells(edits, edit_set, judge.key)
    names = ["dark", "grey", "white"]
    monkeypatch.setattr(type(ready.editors), "text_of_class", lambda *_: names)
    assert ready.edit_sets.remove(made["set"], stale_only=True)["removed"]
    assert pair_cells(edits, edit_set, judge.key) == []


class Recorded:
    """A judge that notes how many images it is given at once."""

    def __init__(self, judge):
        self.judge, self.key, self.sizes = judge, judge.key, []

    def look(self, images):
        self.sizes.append(len(images))
        return self.judge.look(images)


def test_pairs_are_measured_in_parts(ready, monkeypatch):
    """All their source images were held at once, gigabytes for photographs."""
    made = make(ready)
    edits, edit_set, data, judge = opened(ready, made["set"])
    found = ready.augmentation.entanglement("b")
    whole = pair_cells(edits, edit_set, judge.key)
    monkeypatch.setattr(evidence, "_AT_ONCE", 4)
    recorded = Recorded(judge)
    judge_pairs(edits, edit_set, edits.index(made["set"]), data, found, recorded, Silent())
    assert max(recorded.sizes) == 4
    for cell, before in zip(pair_cells(edits, edit_set, judge.key), whole, strict=True):
        assert cell.pop("classes") == before.pop("classes")
        assert cell == pytest.approx(before, rel=1e-5)


class StopsWhen:
    """Asks to stop at the first message of a kind."""

    def __init__(self, when):
        self.when = when

    def report(self, fraction, message):
        assert 0 <= fraction <= 1
        if self.when(message):
            raise JobCancelled


def test_judging_can_be_stopped_while_pairs_are_found_and_while_they_are_measured(ready):
    made = make(ready)
    measuring = StopsWhen(lambda message: message == "Measuring pairs")
    with pytest.raises(JobCancelled):
        ready.augmentation.judge(made["set"], 1, measuring)
    ready.augmentation._entangled = None
    mining = StopsWhen(lambda message: not message.startswith(("Judging", "Measuring")))
    with pytest.raises(JobCancelled):
        ready.augmentation.judge(made["set"], 1, mining)


def test_edits_of_what_is_shown_mine_nothing(ready, monkeypatch):
    def mined(*_):
        raise AssertionError("the whole dataset was mined")

    monkeypatch.setattr(AugmentationService, "entanglement", mined)
    found = make(ready, rows=[3, 4])
    assert found["judge"] == 1
    assert found["reached_class"] is not None


def test_a_set_is_read_once_however_often_it_is_looked_at(ready, monkeypatch):
    """Every preview, page of the gallery and offer read and hashed all edits of the set."""
    made = make(ready)
    (listed,) = ready.edit_sets.all("b")
    index = ready.project.edits.index(made["set"])
    edit, row = int(index.id[0]), int(index.row[0])

    def read(*_):
        raise AssertionError("all edits were read again")

    monkeypatch.setattr(ready.project.edits, "index", read)
    assert ready.edit_sets.all("b") == [listed]
    assert ready.edit_sets.image(made["set"], edit).shape == (12, 12, 1)
    assert ready.edit_sets.sprite(made["set"], [edit])
    assert edit in {
        number for _, number in ready.edit_sets.of_sample("b", row)["in-domain"].values()
    }
    names = ["dark", "grey", "white"]
    monkeypatch.setattr(type(ready.editors), "text_of_class", lambda *_: names)
    (renamed,) = ready.edit_sets.all("b")
    assert renamed["n_stale"] == (index.label == 2).sum()
    monkeypatch.undo()
    more = make(ready, rows=[int(np.setdiff1d(np.arange(72), index.row)[0])])
    assert ready.edit_sets.all("b")[0]["n"] == made["made"] + more["made"]


def test_what_a_deleted_run_said_goes_with_it(ready):
    made = make(ready)
    second = with_run(ready, seed=1)
    ready.augmentation.judge(made["set"], second, Silent())
    keys = [ready.judges.open(run).key for run in (1, second)]
    assert ready.project.edits.judges() == set(keys)
    ready.runs.remove(second)
    ready.runs.purge()
    assert ready.project.edits.judges() == {keys[0]}
    edit_set = ready.project.edits.get(made["set"])
    assert pair_cells(ready.project.edits, edit_set, keys[0])
    assert pair_cells(ready.project.edits, edit_set, keys[1]) == []
