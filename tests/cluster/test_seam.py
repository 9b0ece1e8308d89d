"""Whoever works, the results are those of this process."""

import io
import itertools
import logging
import pickle
import threading

import numpy as np
import pytest
from PIL import Image

from cad_studio.cluster.worker import Worker
from cad_studio.core.progress import Silent
from cad_studio.core.shards import Shard
from cad_studio.core.workers import ALONE, Task
from cad_studio.datasets.decoding import decode
from cad_studio.extractors import _chunked
from cad_studio.extractors._base import make_extractor
from cad_studio.mining import inverted_file, scan
from cad_studio.store.pixels import EncodedPixels
from tests.cluster.elsewhere import Elsewhere
from tests.cluster.work import assert_same, make_case, make_pixels, mined
from tests.extractors.tiny_models import save_tiny_vit, use_random_resnet


class Squares(Task):
    def prepare(self):
        return lambda number: number * number


@pytest.mark.parametrize("width", [8, 200])
@pytest.mark.parametrize(
    "settings",
    [
        {"threshold": 0.6},
        {"threshold": 0.2, "limit": 50},
        {"quantile": 0.02},
        {"quantile": 0.3},
        {"threshold": 0.6, "method": "ivf", "n_probes": 2},
    ],
    ids=str,
)
def test_pairs_found_elsewhere_are_those_found_here(settings, width, monkeypatch):
    monkeypatch.setattr(scan, "_TILE", 32)
    monkeypatch.setattr(inverted_file, "_STRETCH", 64)
    if settings.get("quantile") == 0.3:  # a rank that does not fit, so that all is counted first
        monkeypatch.setattr("cad_studio.mining.entangled.MOST_RANKED", 10)
    case = make_case(width=width)
    here = mined(case, **settings)
    assert here["n_pairs"] > 60
    assert_same(mined(case, Elsewhere(), **settings), here)


@pytest.mark.parametrize("network", ["torchvision:resnet18,layers=2", "hf"])
def test_features_computed_elsewhere_are_those_computed_here(network, tmp_path, monkeypatch):
    monkeypatch.setattr(_chunked, "PART_SIZE", 4)
    monkeypatch.setattr(_chunked, "STEP", 2)
    use_random_resnet(tmp_path / "torch", monkeypatch)
    spec = f"hf:{save_tiny_vit(tmp_path / 'vit')}" if network == "hf" else network
    for n_images in (7, 1):
        pixels = make_pixels(n_images)
        found = [
            make_extractor(spec).extract(pixels, None, Silent(), tmp_path / name, workers)
            for name, workers in (("here", ALONE), ("there", Elsewhere()))
        ]
        assert len(found[0]) == n_images
        np.testing.assert_array_equal(found[1], found[0])


def encoded(images):
    files = []
    for image in images:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "PNG")
        files.append(stream.getvalue())
    offsets = np.cumsum([0, *map(len, files)])
    data = np.frombuffer(b"".join(files), np.uint8)
    return EncodedPixels(data, offsets, [f"no. {row}" for row in range(len(files))], decode)


@pytest.mark.parametrize("kind", ["mapped", "encoded"])
def test_a_shard_takes_its_own_images_along_and_no_others(kind):
    pixels = make_pixels(200)
    if kind == "encoded":
        pixels = encoded([pixels.image(row) for row in range(len(pixels))])
    shard = Shard(pixels, np.array([150, 3, 7]))
    sent = pickle.dumps(shard)
    assert len(sent) < len(pickle.dumps(pixels)) / 20
    for taken in (shard, pickle.loads(sent), pickle.loads(pickle.dumps(pickle.loads(sent)))):
        assert len(taken) == 3
        assert taken.native_shape == pixels.native_shape
        for place, row in enumerate((150, 3, 7)):
            np.testing.assert_array_equal(taken.image(place), pixels.image(row))
        np.testing.assert_array_equal(
            taken.batch(np.array([2, 0]), 4, 4, 1), pixels.batch(np.array([7, 150]), 4, 4, 1)
        )


def test_a_worker_hands_back_what_was_said_and_leaves_logging_as_it_was():
    class Talkative(Task):
        def prepare(self):
            logging.getLogger("model").info("loaded")

            def work(number):
                print("number", number)
                logging.getLogger("model").warning("no. %d", number)
                return number

            return work

    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    worker = Worker()
    assert worker.prepare(Talkative()) == ["INFO loaded"]
    results, said = worker.work([5, 6])
    assert results == [5, 6]
    assert sorted(said) == ["WARNING no. 5", "WARNING no. 6", "number 5", "number 6"]
    assert worker.work([])[1] == []
    assert (root.level, list(root.handlers)) == before


def test_results_of_several_threads_come_back_in_the_order_of_the_items():
    class Backwards(Squares):
        def n_threads(self):
            return 2

        def prepare(self):
            last_is_done = threading.Event()

            def work(number):
                if number == 0:
                    assert last_is_done.wait(5)
                elif number == 9:
                    last_is_done.set()
                return number * number

            return work

    worker = Worker()
    worker.prepare(Backwards())
    assert worker.work(list(range(10)))[0] == [number * number for number in range(10)]


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("part", ["prepare", "items", "work", "take", "tick"])
def test_the_first_error_ends_the_work_wherever_it_comes_from(part, n_threads):
    def fail_in(name):
        if name == part:
            raise LookupError(name)

    class Failing(Task):
        def n_threads(self):
            return n_threads

        def prepare(self):
            fail_in("prepare")
            return lambda item: fail_in("work")

    def items():
        for number in itertools.count():
            fail_in("items")
            yield number

    with pytest.raises(LookupError, match=part):
        ALONE.run(Failing(), items(), lambda item, result: fail_in("take"), lambda: fail_in("tick"))


def test_items_are_taken_no_earlier_than_they_are_worked_on():
    """A search raises its bar on the way; items taken ahead would be worked on with an old one."""
    order = []

    def items():
        for number in range(3):
            order.append(("taken", number))
            yield number

    ALONE.run(Squares(), items(), lambda item, result: order.append(("done", item)))
    assert order == [(what, number) for number in range(3) for what in ("taken", "done")]
