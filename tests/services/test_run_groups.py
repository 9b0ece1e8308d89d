"""Runs that differ in a few settings are made, trained and compared as a group."""

import tracemalloc

import pytest

from cad_studio.config import AppConfig
from cad_studio.core.errors import JobCancelled, SettingError
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.operations import run_operation
from cad_studio.services.training.run_groups import values_of
from cad_studio.services.training.training import TrainingRequest
from tests.cluster.elsewhere import Elsewhere
from tests.commands import here, json_here
from tests.services.edited import brightness
from tests.services.small import store

LOOP = {"epochs": 1, "batch_size": 16, "threads": 1, "device": "cpu"}
OVER = ["seed=0..1", "method=proden,cc"]
EQUAL = ("approximated_accuracy", "test_accuracy", "mean_confidence")


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("groups")
    found = Services(AppConfig(folder / "project"))
    store(found, brightness(folder), "b")
    yield found
    found.close()


def made(services, over=OVER, **changes):
    return services.groups.create(TrainingRequest("b", config=LOOP, **changes), over)


def train(services, runs, progress=None):
    return run_operation(services, "train-group", {"runs": runs}, progress or Silent())


def test_each_combination_is_a_run_and_settings_find_their_place(services):
    group, runs = made(services, ["seed=3..4", "beta=0.5", "epochs=2"], method="cad-cam")
    rows = [services.runs.get(run) for run in runs]
    assert [row["config"]["seed"] for row in rows] == [3, 4]
    assert all(row["config"]["epochs"] == 2 and row["settings"]["beta"] == 0.5 for row in rows)
    assert rows[1]["group"] == {"name": group, "over": {"seed": 4, "beta": 0.5, "epochs": 2}}
    assert len({row["name"] for row in rows}) == 2


@pytest.mark.parametrize(
    ("over", "problem"),
    [
        (["seed"], "write it as name=values"),
        (["seed=1,,2"], "write it as name=values"),
        (["seed=4..0"], "holds no run"),
        (["seed=0..5000"], "more than 1,000"),
        (["seed=0..99", "epochs=1..99"], "makes 9,900 runs"),
        (["seed=1", "seed=2"], "--over seed is given twice"),
        (["seed=1", "method=proden,nonsense"], "'nonsense'"),
        (["seed=0,1", "colour=red"], "colour"),
        (["seed=0,-7"], "seed"),
    ],
)
def test_what_cannot_be_a_group_is_refused_and_leaves_no_run(over, problem, services):
    before = len(services.runs.all())
    with pytest.raises(SettingError, match=problem):
        made(services, over)
    assert len(services.runs.all()) == before


def test_values_are_numbers_words_and_ranges():
    assert values_of("0..2,7") == [0, 1, 2, 7]
    assert values_of("-1..1") == [-1, 0, 1]
    assert values_of("0.1, uniform,true") == [0.1, "uniform", True]


class StopsAfterRuns:
    """Asks to stop once so many runs of a group are trained."""

    def __init__(self, n_runs):
        self.says = f"{n_runs} of"

    def report(self, fraction, message):
        if message.startswith(self.says):
            raise JobCancelled


def test_a_group_elsewhere_comes_to_what_it_comes_to_here(services, monkeypatch):
    _, here_runs = made(services)
    with pytest.raises(JobCancelled):
        train(services, here_runs, StopsAfterRuns(1))
    finished = [services.runs.get(run)["status"] for run in here_runs]
    assert finished.count("done") == 1
    first = services.runs.get(here_runs[0])["last"]
    found = train(services, here_runs)  # goes on with the others
    assert services.runs.get(here_runs[0])["last"] == first
    assert found["notes"] == []

    _, there_runs = made(services)
    monkeypatch.setattr(services.groups, "_workers", Elsewhere())
    other = train(services, there_runs)
    assert other["notes"] == []
    for one, two in zip(here_runs, there_runs, strict=True):
        here_row, there_row = services.runs.get(one), services.runs.get(two)
        assert there_row["status"] == "done"
        assert services.runs.reports(two)
        for key in EQUAL:
            assert there_row[key] == pytest.approx(here_row[key], abs=1e-6)
        assert services.diagnosis.predictions.is_ready(two)

    choices = found["choices"]
    assert [each["over"] for each in choices] == [{"method": "proden"}, {"method": "cc"}]
    assert [(each["n"], each["n_runs"]) for each in choices] == [(2, 2), (2, 2)]
    values = [services.runs.get(run)["test_accuracy"] for run in (here_runs[0], here_runs[2])]
    figure = choices[0]["figures"]["test_accuracy"]
    assert figure["mean"] == pytest.approx(sum(values) / 2)
    assert figure["sd"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)


def test_the_commands_train_a_group_and_show_it(services):
    project = services.project.folder
    plain = [f"--set={name}={value}" for name, value in LOOP.items()]
    group = ["--over", "seed=0,1", "--name", "two seeds"]
    found = json_here(project, "train", "b", "--method", "proden", *plain, *group)
    assert (found["group"], len(found["runs"])) == ("two seeds", 2)
    listed = json_here(project, "runs", "list")["groups"][0]
    assert listed == {key: value for key, value in found.items() if key != "notes"}
    _, text, _ = here(project, "runs", "list")
    assert "two seeds: runs " in text
    assert "2 of 2 finished, " in text
    assert " ± " in text
    for wrong, words in (
        (["--over", "seed"], "--over seed: write it as name=values"),
        (group, "There is a group 'two seeds' on b."),
        (["--cluster", "local"], "no other node to train one run with. Leave --cluster out"),
        (["--over", "seed=1", "--cluster", "local", "--background"], "Leave out --cluster or"),
    ):
        code, _, told = here(project, "train", "b", *wrong)
        assert code == 2
        assert words in told
    assert len(services.groups.all()) == len(json_here(project, "runs", "list")["groups"])


def test_a_group_is_left_to_a_job_that_its_runs_name(services, monkeypatch):
    monkeypatch.setattr(services.queue, "wake", lambda: None)  # nobody comes for it
    monkeypatch.setattr(services.queue, "_start_for_new_job", lambda: None)
    found = services.groups.submit(TrainingRequest("b", "proden", config=LOOP), ["seed=8,9"])
    job = services.project.jobs.get(found["job"])
    assert (job.kind, job.arguments) == ("train-group", {"runs": found["runs"]})
    assert {services.runs.get(run)["job"] for run in found["runs"]} == {job.id}
    services.jobs.stop(job.id)


def test_combinations_are_counted_before_they_are_made(services):
    """Three settings of a thousand values each were a thousand million tuples."""
    over = [f"{name}=0..999" for name in ("seed", "epochs", "batch_size")]
    tracemalloc.start()
    with pytest.raises(SettingError, match="makes 1,000,000,000 runs"):
        made(services, over)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_what_follows_a_training_is_made_up_for_after_a_stop(services):
    _, runs = made(services, ["seed=11,12"], method="proden")
    followed = []

    def stop(run, _part):
        followed.append(run)
        raise JobCancelled("stopped")

    with pytest.raises(JobCancelled):
        services.groups.train(runs, stop, Silent())
    services.groups.train(runs, lambda run, _part: followed.append(run), Silent())
    assert followed == [runs[0], *runs]


def test_a_group_whose_job_is_refused_leaves_no_run(services, monkeypatch):
    before = len(services.runs.all())

    def refuse(*_given, **_about):
        raise SettingError("no room")

    monkeypatch.setattr("cad_studio.services.jobs.JobService.run_here", refuse)
    plain = [f"--set={name}={value}" for name, value in LOOP.items()]
    code, _, told = here(
        services.project.folder, "train", "b", "--method", "proden", *plain, "--over", "seed=0,1"
    )
    assert (code, "no room" in told) == (2, True)
    assert len(services.runs.all()) == before
