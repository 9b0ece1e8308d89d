"""Two nodes of a Ray on this machine: equal results, also when a node is killed meanwhile."""

import itertools
import logging
import os
import time

import numpy as np
import pytest

from cad_studio.core.errors import JobCancelled, ResourceError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.core.workers import ALONE, Task
from cad_studio.extractors import _chunked
from cad_studio.extractors._base import make_extractor
from cad_studio.mining import inverted_file, scan
from tests.cluster.work import assert_same, make_case, make_pixels, mined
from tests.extractors.tiny_models import save_tiny_vit

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Killer:
    """Progress that ends a node when some of the work is done."""

    def __init__(self, nodes, at):
        self.nodes, self.at, self.is_done = nodes, at, False

    def report(self, fraction, message):
        if fraction >= self.at and not self.is_done:
            self.is_done = True
            self.nodes.kill_one()


@pytest.fixture
def small_steps(monkeypatch):
    monkeypatch.setattr(_chunked, "PART_SIZE", 16)
    monkeypatch.setattr(_chunked, "STEP", 4)
    monkeypatch.setattr(scan, "_TILE", 16)
    monkeypatch.setattr(scan._Above, "at_once", 32)
    monkeypatch.setattr(scan._All, "at_once", 32)
    monkeypatch.setattr(inverted_file, "_STRETCH", 16)


CUTS = [
    {"threshold": 0.6},
    {"quantile": 0.02},
    {"threshold": 0.6, "method": "ivf", "n_probes": 2},
]


@pytest.mark.parametrize("settings", CUTS, ids=str)
def test_pairs_are_the_same_on_two_nodes(settings, workers, small_steps):
    case = make_case(800)
    assert_same(mined(case, workers, **settings), mined(case, **settings))


@pytest.mark.parametrize("settings", CUTS, ids=str)
def test_pairs_are_the_same_when_a_node_is_killed_meanwhile(
    settings, two_nodes, workers, small_steps
):
    case = make_case(2000)
    killer = Killer(two_nodes, 0.3)
    assert_same(mined(case, workers, killer, **settings), mined(case, **settings))
    assert killer.is_done


def test_features_are_the_same_when_a_node_is_killed_meanwhile(
    two_nodes, workers, small_steps, tmp_path
):
    extractor = make_extractor(f"hf:{save_tiny_vit(tmp_path / 'vit')}")
    pixels = make_pixels(400)
    killer = Killer(two_nodes, 0.3)
    found = extractor.extract(pixels, None, killer, tmp_path / "there", workers)
    assert killer.is_done
    here = extractor.extract(pixels, None, Silent(), tmp_path / "here")
    np.testing.assert_array_equal(found, here)


def test_stopped_features_go_on_where_they_were_and_are_the_same(workers, small_steps, tmp_path):
    extractor = make_extractor(f"hf:{save_tiny_vit(tmp_path / 'vit')}")
    pixels = make_pixels(100)

    class Stop:
        def report(self, fraction, message):
            if fraction > 0.5:
                raise JobCancelled

    with pytest.raises(JobCancelled):
        extractor.extract(pixels, None, Stop(), tmp_path / "there", workers)
    kept = sorted((tmp_path / "there").glob("*.npy"))
    assert len(kept) >= 3
    times = [file.stat().st_mtime_ns for file in kept]
    found = extractor.extract(pixels, None, Silent(), tmp_path / "there", workers)
    assert [file.stat().st_mtime_ns for file in kept] == times
    np.testing.assert_array_equal(
        found, extractor.extract(pixels, None, Silent(), tmp_path / "here")
    )


class Slow(Task):
    """Says where it works, and how long that takes."""

    def __init__(self, seconds, in_order=False):
        self.seconds, self.in_order = seconds, in_order

    def prepare(self):
        def work(number):
            time.sleep(self.seconds)
            logging.getLogger("slow").info("did %d", number)
            return os.getpid(), os.environ.get("HF_TOKEN"), os.environ.get("CAD_USERS")

        return work


def test_both_nodes_work_and_their_logs_come_here(workers, caplog):
    caplog.set_level(logging.INFO)
    found = {}
    workers.run(Slow(0.05), range(40), found.__setitem__)
    assert sorted(found) == list(range(40))
    assert len({pid for pid, *_ in found.values()}) == 2
    assert os.getpid() not in {pid for pid, *_ in found.values()}
    said = [record.getMessage() for record in caplog.records]
    assert sum("did 17" in line for line in said) == 1


def test_results_can_be_had_in_order(workers):
    order = []
    workers.run(Slow(0.01, in_order=True), range(30), lambda item, result: order.append(item))
    assert order == list(range(30))


def test_a_stop_is_heard_while_a_step_is_still_at_work(workers):
    began = time.monotonic()

    def tick():
        if time.monotonic() - began > 10:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        workers.run(Slow(600), range(4), lambda item, result: None, tick)
    assert time.monotonic() - began < 15
    found = {}
    workers.run(Slow(0), range(4), found.__setitem__)  # the processors are free again
    assert len(found) == 4


@pytest.mark.parametrize("n_items", [0, 1])
def test_more_workers_than_items_are_no_trouble(n_items, workers):
    found = {}
    workers.run(Slow(0), range(n_items), found.__setitem__)
    assert len(found) == n_items


class Refusing(Task):
    def __init__(self, error):
        self.error = error

    def prepare(self):
        def work(number):
            if number == 3:
                raise self.error
            return number

        return work


def test_what_a_worker_refuses_is_said_here_with_its_node(workers):
    with pytest.raises(SettingError, match=r"no such size\. \(On node 127\.0\.0\.1 "):
        workers.run(Refusing(SettingError("no such size.")), range(9), lambda *_: None)
    with pytest.raises(ZeroDivisionError):
        workers.run(Refusing(ZeroDivisionError("a bug")), range(9), lambda *_: None)
    with pytest.raises(ResourceError, match="too little memory"):
        workers.run(Refusing(MemoryError()), range(9), lambda *_: None)


class Dying(Task):
    """Ends the process it works in, as the system does when memory runs out."""

    def prepare(self):
        return lambda number: os._exit(1) if number == 5 else number


def test_work_that_costs_worker_after_worker_is_given_up(workers):
    with pytest.raises(ResourceError, match="3 workers were lost over the same piece"):
        workers.run(Dying(), range(20), lambda *_: None)


class Large(Task):
    def prepare(self):
        return lambda number: np.zeros(60 * 2**20, np.uint8)


def test_results_larger_than_the_object_store_get_here(workers):
    """It holds 100 MB a node; the rest goes over the disk."""
    sizes = []
    workers.run(Large(), range(6), lambda item, result: sizes.append(len(result)))
    assert sizes == [60 * 2**20] * 6


def test_items_run_out_lazily(workers):
    """Taken ahead of their turn, edits would be begun that no time is left for."""
    taken = itertools.count()
    done = []

    def items():
        while len(done) < 10:
            yield next(taken)

    workers.run(Slow(0.02), items(), lambda item, result: done.append(item))
    assert 10 <= len(done) <= 10 + 2 * 3
    assert len(done) == next(taken)


def test_a_task_here_and_there_is_the_same():
    found = {}
    ALONE.run(Slow(0), range(3), found.__setitem__)
    assert {pid for pid, *_ in found.values()} == {os.getpid()}
