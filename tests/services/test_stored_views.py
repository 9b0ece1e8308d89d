"""Training on stored edits: which are taken, what takes the place of the others, what is told."""

import numpy as np
import pytest

from cad_studio.core.errors import JobCancelled, RecordNotFoundError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.services.augmentation import AugmentRequest
from cad_studio.services.stored_views import EditChoice
from cad_studio.services.training import TrainingRequest
from tests.services.edited import N_TRAIN, with_editor, with_run
from tests.training.runs import StopsAfter

LOOP = {"epochs": 2, "batch_size": 16, "threads": 1, "device": "cpu"}


def make(services, **budget):
    request = AugmentRequest("b", budget={"budget": "all", **budget})
    return services.augmentation.make(request, Silent())


def create(services, **settings):
    return services.training.create(TrainingRequest("b", "cad", config=LOOP, settings=settings))


@pytest.fixture
def ready(services, tmp_path):
    with_editor(services, tmp_path)
    return services


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
    inputs = ready.training._open(run, Silent())
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
    with pytest.raises(JobCancelled):
        ready.training.train(parts.id, StopsAfter(4, lambda message: "poch" in message))
    make(ready)
    result = ready.training.train(parts.id, Silent())
    assert "10 of" in result["notes"][-1]
    first, second = (ready.runs.model_path(run.id).read_bytes() for run in (whole, parts))
    assert first == second


def test_a_chosen_set_that_is_not_there_is_refused_and_a_deleted_one_is_told(ready):
    with pytest.raises(RecordNotFoundError, match="Edit set 9 is not one of b"):
        create(ready, edits=9)
    made = make(ready, limit=5)
    run = create(ready, edits=made["set"])
    ready.edit_sets.remove(made["set"])
    assert "was deleted" in ready.training.train(run.id, Silent())["notes"][-1]


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
    with pytest.raises(SettingError, match="edits judge 1"):
        create(ready, least_probability=0.5)


def test_a_run_from_before_there_were_edits_goes_on_without(ready):
    run = create(ready)
    ready.project.runs.change(run.id, environment={})
    assert EditChoice().set is None
    assert "no stored edits" in ready.training.train(run.id, Silent())["notes"][-1]
