"""How good the judge of suspects is, by the sets of the samples it never saw."""

import numpy as np

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.diagnosis.crossfit import judged_quality

SETS = PartialLabels.from_lists([[0, 1], [0, 1], [1, 2], [2]], 3)


def answers(*labels):
    """Shares whose most probable class is the one given."""
    return np.eye(3, dtype=np.float32)[list(labels)] * 0.8 + np.float32(0.05)


def test_a_judge_that_never_leaves_the_sets_has_quality_one():
    told = judged_quality(answers(0, 1, 2, 2), SETS)
    assert (told["inside"], told["quality"]) == (1.0, 1.0)
    # classes are in 2, 3 and 2 of 4 sets: a guess by these shares is inside for
    # (0.5^2 + 0.75^2 + 0.5^2) / 1.75 = 1.0625 / 1.75
    assert told["chance"] == 0.6071


def test_a_judge_no_better_than_a_guess_has_quality_zero():
    told = judged_quality(answers(2, 2, 0, 1), SETS)
    assert (told["inside"], told["quality"]) == (0.0, 0.0)


def test_half_way_between_a_guess_and_certainty():
    told = judged_quality(answers(0, 1, 2, 0), SETS)  # three of four inside
    assert told["quality"] == round((0.75 - 1.0625 / 1.75) / (1 - 1.0625 / 1.75), 4)


def test_no_sample_is_no_quality():
    empty = PartialLabels.from_lists([], 3)
    assert judged_quality(np.zeros((0, 3), np.float32), empty)["quality"] == 0.0
