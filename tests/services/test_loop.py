"""Where the work stands: the next step, its start, and the sets that were changed."""

from dataclasses import replace

import pytest

from cad_studio.config import AppConfig
from cad_studio.core.errors import JobCancelled, RecordNotFoundError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.loop import STEPS, WORTH_RETRAINING, Facts, next_step
from cad_studio.services.operations import TRAINED, run_operation
from cad_studio.services.training.training import TrainingRequest
from tests.asking import counted_selects
from tests.jobs.null_runner import NoWorkers
from tests.runs_to_diagnose import SHADES
from tests.services.annotating import request
from tests.services.test_training import QUICK, pictures

START = Facts(False, False, False, False, 0, False)

ALL = ("dataset", "()")


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loop")
    built = Services(AppConfig(folder / "project"))
    built.queue._runner = NoWorkers(built.project)  # what is submitted waits
    pictures(built, folder)
    yield built
    built.close()


def done(services, **job):
    """Do the work of the job that waits, here."""
    [waiting] = services.jobs.active()
    assert waiting.kind == job.pop("kind")
    result = run_operation(services, waiting.kind, waiting.arguments, Silent())
    services.jobs.stop(waiting.id)
    return result


def answer(services, n_rows):
    """One label for each of some samples that have two candidates or more."""
    sets = services.sets.effective(SHADES)
    for row in [row for row in range(len(sets)) if len(sets.of(row)) > 1][:n_rows]:
        given = {"class": sets.of(row)[0]}
        services.annotation.act(SHADES, request("label", [row], "anna", given=given))


def test_each_step_comes_when_the_one_before_is_done():
    told = [next_step(replace(START, is_labelled_only=True)), next_step(START)]
    facts = replace(START, has_pairs=True)
    told.append(next_step(facts))
    facts = replace(facts, has_run=True)
    told.append(next_step(facts))
    facts = replace(facts, is_diagnosed=True)
    told.append(next_step(facts))
    told.append(next_step(replace(facts, changes=WORTH_RETRAINING)))
    told.append(next_step(replace(facts, has_earlier=True)))
    assert tuple(told) == STEPS


def test_a_few_answers_do_not_end_the_fixing():
    assert next_step(Facts(False, True, True, True, WORTH_RETRAINING - 1, True)) == "fix"


def test_the_loop_is_gone_through_by_the_steps_it_offers(services):
    """From a folder to the comparison of a second run, each step started by one request."""
    loop = services.loop
    with pytest.raises(SettingError, match="No run on shades is finished yet"):
        loop.retrain(SHADES)
    assert (loop.standing(SHADES)["next"], loop.standing(SHADES)["pairs"]) == ("look-alikes", None)
    loop.find_look_alikes(SHADES)
    found = done(services, kind="mine")
    standing = loop.standing(SHADES)
    assert (standing["next"], standing["pairs"]["n"]) == ("train", found["n_pairs"])
    services.training.submit(TrainingRequest(SHADES, "proden", config=QUICK))
    first = done(services, kind="train")["run"]
    standing = loop.standing(SHADES)  # the same job has diagnosed it
    assert (standing["next"], standing["run"]["id"], standing["run"]["is_ready"]) == (
        "fix", first, True,
    )  # fmt: skip
    answer(services, WORTH_RETRAINING)
    standing = loop.standing(SHADES)
    assert (standing["next"], standing["version"], standing["changes"]) == ("retrain", 1, 5)
    assert standing["run"]["changes"] == 5
    assert len(loop.changed_since(SHADES, 1)) == 5
    loop.retrain(SHADES)
    second = done(services, kind="train")["run"]
    standing = loop.standing(SHADES)
    assert (standing["next"], standing["version"], standing["changes"]) == ("compare", 2, 0)
    assert standing["earlier"] == {"id": first, "name": f"proden-{first}", "version": 1}
    before, after = (services.project.runs.get(run) for run in (first, second))
    assert (before.config, before.settings) == (after.config, after.settings)
    compared = services.diagnosis.comparison.compare([first, second])
    assert compared["settings"]["data version"] == ["shades v1", "shades v2"]
    assert "sets changed: 5 narrowed" in compared["notes"][0]


def test_the_more_runs_the_standing_tells_of_the_datasets_are_looked_up_once(services):
    """Each run that was looked at listed all datasets again."""
    with services.project.database.one_look(), counted_selects(services) as asked:
        standing = services.loop.standing(SHADES)
    assert standing["earlier"]
    lists = [count for (table, _, given), count in asked.items() if (table, given) == ALL]
    assert lists == [1]


def test_figures_that_rest_on_other_sets_are_not_held_against_each_other(services):
    """A run on narrowed sets was shown as better because its sets were narrower."""
    second, first = (row["id"] for row in services.runs.all(SHADES)[:2])
    compared = services.diagnosis.comparison.compare([first, second])
    told = {each["key"]: each for each in compared["figures"]}
    for key in ("approximated_accuracy", "covering_rate", "mean_confidence", "disambiguation"):
        assert (told[key]["comparable"], told[key]["differences"][1]) == ([True, False], None)
    assert told["accuracy"]["comparable"] == [True, True]
    assert told["accuracy"]["differences"][1] is not None


def test_suspects_outlive_a_retraining_and_are_found_for_the_new_run(services):
    second, first = (row["id"] for row in services.runs.all(SHADES)[:2])
    assert services.diagnosis.suspects.known(SHADES, first) is None
    services.diagnosis.suspects.find(SHADES, first, "", 0, Silent())
    answer(services, 2)
    services.sets.settle(SHADES)
    for run in (first, second):
        found = services.diagnosis.suspects.known(SHADES, run)
        assert (found["run"], found["found_on"]) == (first, 2)


def test_a_version_that_never_was_is_refused_in_words(services):
    with pytest.raises(RecordNotFoundError, match="shades has no version 9; its versions are 1 to"):
        services.loop.changed_since(SHADES, 9)


class StopsAsItDiagnoses:
    """A job that is asked to stop when its run is finished."""

    def report(self, fraction: float, _message: str) -> None:
        if fraction > TRAINED:
            raise JobCancelled


def test_a_stop_during_the_diagnosis_leaves_the_run_finished(services):
    """The job was called stopped, and its finished run was to be resumed."""
    request = TrainingRequest(SHADES, "proden", config=QUICK)
    run = services.training.create(request)
    result = run_operation(services, "train", {"run": run.id}, StopsAsItDiagnoses())
    assert result["notes"][-1] == "The run is finished, but not diagnosed: it was asked to stop."
    assert services.runs.get(run.id)["status"] == "done"
