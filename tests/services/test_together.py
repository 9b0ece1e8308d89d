"""One run that several processes train together: those of a cluster, here started without one."""

import contextlib
import multiprocessing
import pickle
import time

import pytest

from cad_studio.core.errors import CadStudioError, DatasetFormatError, ResourceError
from cad_studio.core.progress import Silent
from cad_studio.core.workers import ALONE, WorkerLostError
from cad_studio.services.training.together import _Companion, _most_that_share
from cad_studio.services.training.training import TrainingRequest
from tests.services.test_training import pictures

LOOP = {"epochs": 10, "batch_size": 16, "threads": 1, "start": "uniform", "seed": 3}


class Beside:
    """One more process, started for a task; as a cluster's worker it gets a pickle of it."""

    host, on_devices, count = "127.0.0.1", False, 1
    n_damaged = 0  # bytes that the run lacks when it is there

    def __init__(self, task):
        packed = task.packed[: len(task.packed) - self.n_damaged]
        self.task = pickle.dumps(_Companion(packed))
        self.process = None
        self.ending, self._told = multiprocessing.Pipe(duplex=False)

    def begin(self, items):
        start = multiprocessing.get_context("spawn")
        arguments = (self.task, pickle.dumps(items[0]), self._told)
        self.process = start.Process(target=work, args=arguments, daemon=True)
        self.process.start()
        self._told.close()

    def problem(self, seconds):
        if not self.ending.poll(seconds):
            return None
        try:
            return self.ending.recv()
        except EOFError:
            return WorkerLostError("The worker was lost.")


def work(task, item, told):
    try:
        pickle.loads(task).prepare()(pickle.loads(item))
    except CadStudioError as error:
        told.send(error)
    except RuntimeError:  # of a connection that is gone
        told.send(None)
    else:
        told.send(None)


class TwoProcesses:
    """This process and one more; `n_started` counts the others."""

    def __init__(self):
        self.n_started = 0
        self.other = None

    @contextlib.contextmanager
    def beside(self, make, on_device, tick):
        tick()
        self.n_started += 1
        self.other = Beside(make())
        yield self.other
        if self.other.process:
            self.other.process.kill()


class KillsAtHalf:
    """Progress that ends the other process, `times` at most."""

    def __init__(self, workers, times):
        self.workers, self.times = workers, times
        self.killed = 0

    def report(self, fraction, message):
        if fraction > 0.5 and self.killed < min(self.times, self.workers.n_started):
            self.killed += 1
            self.workers.other.process.kill()
            time.sleep(0.5)


@pytest.fixture
def two(services, monkeypatch):
    workers = TwoProcesses()
    monkeypatch.setattr(services.together, "_workers", workers)
    return workers


def run_of(services, **config):
    request = TrainingRequest("shades", "proden", config={**LOOP, **config})
    return services.training.create(request).id


def test_where_nobody_else_is_the_run_is_trained_alone_bit_for_bit(services, tmp_path):
    pictures(services, tmp_path)
    first, second = run_of(services), run_of(services)
    assert services.together._workers is ALONE
    services.together.train(first, Silent())
    services.training.train(second, Silent())
    one, other = (services.runs.model_path(run).read_bytes() for run in (first, second))
    assert one == other


@pytest.mark.long
@pytest.mark.parametrize("times", [0, 1])
def test_two_processes_train_one_run_and_a_lost_one_is_replaced(services, two, tmp_path, times):
    pictures(services, tmp_path)
    run = run_of(services)
    found = services.together.train(run, KillsAtHalf(two, times))
    assert two.n_started == 1 + times
    assert found["notes"] == times * [
        "A worker was lost once; the run went on from its last checkpoint."
    ]
    assert services.runs.get(run)["environment"]["processes"] == 2
    assert [each["epoch"] for each in services.runs.reports(run)] == list(range(10))
    alone = services.training.train(run_of(services), Silent())
    assert found["test_accuracy"] == pytest.approx(alone["test_accuracy"], abs=0.2)


@pytest.mark.long
def test_a_run_that_costs_worker_after_worker_is_given_up_and_can_be_resumed(
    services, two, tmp_path
):
    pictures(services, tmp_path)
    run = run_of(services, epochs=30)
    with pytest.raises(ResourceError, match=r"3 times a worker was lost .* Resume the job"):
        services.together.train(run, KillsAtHalf(two, 3))
    left = len(services.runs.reports(run))
    assert 0 < left < 30
    assert services.training.train(run, Silent())["epochs"] == 30


@pytest.mark.long
def test_what_the_others_cannot_do_is_said_in_their_words(services, two, tmp_path, monkeypatch):
    pictures(services, tmp_path)
    monkeypatch.setattr(Beside, "n_damaged", 200)
    with pytest.raises(DatasetFormatError, match="cut short on its way"):
        services.together.train(run_of(services), Silent())


@pytest.mark.long
def test_an_error_of_this_process_is_no_lost_worker(services, two, tmp_path):
    class Broken:
        def report(self, fraction, message):
            if fraction > 0.5:
                raise RuntimeError("something else")

    pictures(services, tmp_path)
    with pytest.raises(RuntimeError, match="something else"):
        services.together.train(run_of(services), Broken())
    assert two.n_started == 1


def test_a_finished_run_is_not_packed_again(services, two, tmp_path):
    pictures(services, tmp_path)
    run = run_of(services, epochs=1)
    wanted = services.training.train(run, Silent())
    assert services.together.train(run, Silent()) == wanted
    assert two.n_started == 0


@pytest.mark.parametrize(
    ("batch_size", "most", "count"), [(64, 3, 2), (64, 4, 4), (12, 5, 4), (3, 2, 1), (7, 8, 1)]
)
def test_as_many_train_as_can_have_equal_parts_of_a_batch(batch_size, most, count):
    assert _most_that_share(batch_size, most) == count
