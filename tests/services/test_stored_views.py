"""Training on stored edits: which are taken, what takes the place of the others, what is told."""

import numpy as np
import pytest

from cad_studio.core.errors import JobCancelled, RecordNotFoundError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.services.edits.augmentation import AugmentRequest
from cad_studio.services.training.stored_views import EditChoice
from cad_studio.services.training.training import TrainingRequest
from tests.services.edited import N_TEST, N_TRAIN, with_run
from tests.training.runs import StopsAfter

LOOP = {"epochs": 2, "batch_size": 16, "threads": 1, "device": "cpu"}


def make(services, **budget):
    request = AugmentRequest("b", budget={"budget": "all", **budget})
    return services.augmentation.make(request, Silent())


def create(services, **settings):
    return services.training.create(TrainingRequest("b", "cad", config=LOOP, settings=settings))


def opened(services, run):
    """What a run learns from that starts now."""
    inputs = services.training._open(run, Silent())
    return services.training._stored_views.added(
        services.training._stored_views.choose(run), inputs
    )


def stopped(services, run):
    """Begin a run, and stop it within its first epochs."""
    with pytest.raises(JobCancelled):
        services.training.train(run.id, StopsAfter(4, lambda message: "poch" in message))


def rename(services, monkeypatch):
    """The third class is another from now on, so its edits are stale."""
    names = ["dark", "grey", "white"]
    monkeypatch.setattr(type(services.editors), "text_of_class", lambda *_: names)


@pytest.fixture
def ready(edited):
    return edited


def test_without_edits_maps_are_used_and_that_is_said(ready):
    result = ready.training.train(create(ready).id, Silent())
    assert "There are no stored edits" in result["notes"][-1]


def test_a_partial_store_is_used_and_the_rest_is_said(ready):
    make(ready, limit=10)
    result = ready.training.train(create(ready).id, Silent())
    assert "10 of" in result["notes"][-1]
    assert "the others use activation maps" in result["notes"][-1]


def test_a_whole_store_is_used_everywhere(ready):
    made = make(ready)["made"]
    result = ready.training.train(create(ready).id, Silent())
    assert result["notes"][-1].endswith("of the training samples are stored edits.")
    assert f"{made} of {made}" in result["notes"][-1]


def test_training_reads_the_very_pixels_that_were_stored(ready):
    made = make(ready)
    run = create(ready)
    inputs = opened(ready, run)
    index = ready.project.edits.index(made["set"])
    edit_set = ready.project.edits.get(made["set"])
    images, found = inputs.outside.edits(index.row, index.label)
    assert found.all()
    assert np.array_equal(images, ready.project.edits.pixels(edit_set).gather(index.place))
    _, found = inputs.outside.edits(np.arange(N_TRAIN, N_TRAIN + 5), np.zeros(5, np.int64))
    assert not found.any()


def test_edits_change_what_is_learned(ready):
    """Otherwise they were never read."""
    plain = ready.training.train(create(ready).id, Silent())["run"]
    make(ready)
    edited = ready.training.train(create(ready).id, Silent())["run"]
    files = [ready.runs.model_path(run).read_bytes() for run in (plain, edited)]
    assert files[0] != files[1]


def test_a_resumed_run_sees_the_edits_of_its_beginning(ready):
    make(ready, limit=10)
    whole, parts = create(ready), create(ready)
    ready.training.train(whole.id, Silent())
    stopped(ready, parts)
    make(ready)
    result = ready.training.train(parts.id, Silent())
    assert "10 of" in result["notes"][-1]
    first, second = (ready.runs.model_path(run.id).read_bytes() for run in (whole, parts))
    assert first == second


def test_a_resumed_run_sees_its_edits_although_a_class_was_renamed(ready, monkeypatch):
    """Which edits are good was told anew by the prompts and names of the moment."""
    make(ready)
    whole, parts = create(ready), create(ready)
    ready.training.train(whole.id, Silent())
    stopped(ready, parts)
    rename(ready, monkeypatch)
    ready.training.train(parts.id, Silent())
    first, second = (ready.runs.model_path(run.id).read_bytes() for run in (whole, parts))
    assert first == second
    fresh = opened(ready, create(ready)).words
    assert "the others use activation maps" in fresh


def test_a_resumed_run_whose_edits_are_gone_is_refused_before_it_trains(ready, monkeypatch):
    made = make(ready)
    labels = ready.project.edits.index(made["set"]).label
    run = create(ready)
    stopped(ready, run)
    rename(ready, monkeypatch)
    ready.edit_sets.remove(made["set"], stale_only=True)
    gone = int((labels == 2).sum())
    with pytest.raises(SettingError, match=f"{gone} of the {made['made']} edits"):
        ready.training.train(run.id, Silent())
    ready.edit_sets.remove(made["set"])
    with pytest.raises(SettingError, match="Start a new run"):
        ready.training.train(run.id, Silent())


def test_edits_made_between_asking_and_starting_are_learned_from(ready):
    """A run that waits behind the job that makes its edits trained on maps."""
    run = create(ready)
    made = make(ready)["made"]
    assert f"{made} of {made}" in ready.training.train(run.id, Silent())["notes"][-1]


def test_what_class_views_are_is_told_when_a_run_starts(ready, caplog):
    """It was told when the run was over."""
    make(ready, limit=10)
    run = create(ready)
    with caplog.at_level("INFO"):
        stopped(ready, run)
    told = ready.runs.get(run.id)["environment"]["class_views"]
    assert "10 of" in told
    assert told in caplog.text


def test_a_chosen_set_that_is_not_there_is_refused(ready):
    with pytest.raises(RecordNotFoundError, match="Edit set 9 is not one of b"):
        create(ready, edits=9)
    made = make(ready, limit=5)
    run = create(ready, edits=made["set"])
    ready.edit_sets.remove(made["set"])
    with pytest.raises(RecordNotFoundError, match="Edit set 1 is not one of b"):
        ready.training.train(run.id, Silent())


def test_looking_at_a_run_again_opens_no_edits(ready, monkeypatch):
    make(ready)
    run = ready.training.train(create(ready).id, Silent())["run"]
    monkeypatch.setattr(ready.project, "edits", None)
    assert ready.training.evaluate(run, None, Silent())["n"] == N_TEST


def test_edits_below_a_probability_are_left_out(ready):
    with_run(ready)
    made = make(ready)
    key = ready.judges.open(ready.judges.choose("b", None)).key
    evidence = ready.project.edits.evidence(made["set"], key)
    least = float(np.median(evidence.after))
    passing = int((evidence.after >= least).sum())
    result = ready.training.train(create(ready, least_probability=least).id, Silent())
    assert f"{passing} of {made['made']}" in result["notes"][-1]
    assert "left out" in result["notes"][-1]


def test_edits_that_no_run_has_judged_cannot_be_chosen_by_probability(ready):
    make(ready)
    with_run(ready)
    run = create(ready, least_probability=0.5)
    with pytest.raises(SettingError, match="edits judge 1"):
        ready.training.train(run.id, Silent())
    made = ready.augmentation.judge(1, 1, Silent())
    assert made["judged"] > 0
    ready.training.train(run.id, Silent())


def test_a_better_run_that_has_seen_no_edits_does_not_get_in_the_way(ready, monkeypatch):
    """The run with the best figures was the judge, so one run on edits was the last."""
    with_run(ready)
    make(ready)
    other = with_run(ready, seed=1)
    offered = type(ready.judges).offered

    def best_first(self, name):
        return sorted(offered(self, name), key=lambda row: row["id"] != other)

    monkeypatch.setattr(type(ready.judges), "offered", best_first)
    assert ready.judges.choose("b", None) == other
    told = ready.training.train(create(ready, least_probability=0.2).id, Silent())["notes"][-1]
    assert "below probability 0.2 by proden-1 left out" in told


def test_a_run_from_before_there_were_edits_goes_on_without(ready):
    run = create(ready)
    ready.project.runs.change(run.id, environment={})
    assert EditChoice().set is None
    assert "no stored edits" in ready.training.train(run.id, Silent())["notes"][-1]
