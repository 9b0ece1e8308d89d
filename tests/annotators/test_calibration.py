"""Finding the setting that gives sets of a wanted mean size."""

import numpy as np
import pytest

from cad_studio.annotators.calibration import (
    MAX_RATE,
    TOLERANCE,
    SizeWatch,
    expected_size,
    find_rate,
    spread,
)
from cad_studio.annotators.flipping import flip_probabilities, synthesise_candidates
from cad_studio.core.errors import SettingError


def doubtful(n_samples=4000, n_classes=10, sharpness=2.0, seed=0):
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, n_classes, n_samples)
    logits = generator.normal(size=(n_samples, n_classes)) * sharpness
    return logits.astype(np.float32), truth


def test_the_expected_size_is_one_and_the_sum_of_the_flip_probabilities():
    # q of the second and third class given the first: 1/2 and 1/2, so xi = min(1, rate * 3 / 2)
    logits, truth = np.zeros((2, 3), np.float32), np.array([0, 2])
    assert expected_size(logits, truth, 0.0) == 1.0
    assert expected_size(logits, truth, 0.2) == pytest.approx(1.6)
    assert expected_size(logits, truth, 5.0) == 3.0
    logits, truth = doubtful()
    xi = flip_probabilities(logits, truth, 0.7)
    assert expected_size(logits, truth, 0.7) == pytest.approx(1 + xi.sum(axis=1).mean(), abs=1e-5)
    drawn = synthesise_candidates(logits, truth, 0.7, np.random.default_rng(0))
    assert drawn.sizes().mean() == pytest.approx(expected_size(logits, truth, 0.7), abs=0.05)


@pytest.mark.parametrize("mean_size", [1.0, 1.05, 1.7, 3.0, 5.5, 9.9])
def test_the_rate_that_is_found_gives_the_size_and_is_short_enough_to_type(mean_size):
    logits, truth = doubtful()
    rate, size = find_rate(logits, truth, mean_size)
    assert abs(size - mean_size) < 0.01
    assert size == expected_size(logits, truth, rate)
    assert rate == float(f"{rate:.4g}") == float(str(rate))


def test_two_classes_have_a_rate_for_every_size():
    # the only other class has q = 1, so each sample gets it with probability 2 * rate
    logits, truth = doubtful(n_classes=2)
    assert find_rate(logits, truth, 1.5) == pytest.approx((0.25, 1.5), abs=1e-3)
    assert find_rate(logits, truth, 2.0) == pytest.approx((0.5, 2.0), abs=1e-3)


def test_a_size_that_no_rate_reaches_is_refused_with_the_closest():
    # so sure of the first wrong class that the others have no probability left in float32
    logits = np.full((50, 4), -200.0, np.float32)
    logits[:, 1] = 0.0
    with pytest.raises(SettingError, match=rf"up to {MAX_RATE:g} .*size 3: the closest is 2.00"):
        find_rate(logits, np.zeros(50, int), 3.0)


@pytest.mark.parametrize(
    ("exactly", "sizes", "stops_after"),
    [
        (False, [4.0, 3.2, 2.9, 2.5], 3),  # at or below 3
        (False, [2.0], 1),
        (True, [4.0, 2.9, 3.2, 3.04], 4),  # within half the tolerance
        (True, [4.0, 3.2, 2.5], None),
    ],
)
def test_a_training_is_stopped_at_the_size_that_is_wanted(exactly, sizes, stops_after):
    # logits of 0 over 5 classes: xi = rate * 5 / 4 each, so the size is 1 + 5 * rate
    truth = np.zeros(6, int)
    watch = SizeWatch(truth, 0.4, 3.0, exactly)
    stopped = None
    for epoch, size in enumerate(sizes, 1):
        logits = np.zeros((6, 5), np.float32)
        # the rate stands in for an annotator that becomes surer from epoch to epoch
        watch._rate = (size - 1) / 5
        if watch(epoch, lambda rows, logits=logits: logits[rows]):
            stopped = epoch
            break
    assert stopped == stops_after
    assert list(watch.sizes.values()) == pytest.approx(sizes[: len(watch.sizes)], abs=1e-5)
    assert TOLERANCE == 0.1


def test_no_training_is_stopped_before_the_epochs_it_makes_at_least():
    watch = SizeWatch(np.zeros(6, int), 0.0, 3.0, exactly=False, first_epoch=4)
    asked = []

    def ask(rows):
        asked.append(len(rows))
        return np.zeros((len(rows), 5), np.float32)

    assert [watch(epoch, ask) for epoch in (1, 3, 4)] == [False, False, True]
    assert asked == [6]


def test_rows_are_spread_over_the_whole():
    assert spread(3, 10).tolist() == [0, 1, 2]
    found = spread(1000, 100)
    assert (len(found), found[0], found[-1]) == (100, 0, 999)
    assert (np.diff(found) > 0).all()
