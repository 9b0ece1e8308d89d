"""Agreement against numbers worked out by hand."""

import numpy as np
import pytest

from cad_studio.annotation.agreement import agreement, class_pair_agreement

# three items, three votes each: aab, bbb, aaa
COUNTS = np.array([[2, 1], [0, 3], [3, 0]])


def test_raw_agreement_is_the_share_of_couples():
    # 3 couples an item; of aab one agrees, of the others all: 7 of 9
    assert agreement(COUNTS).raw == pytest.approx(7 / 9)


def test_alpha_is_one_minus_observed_over_expected_disagreement():
    # coincidences o_ab + o_ba: of aab 4 ordered couples that differ, divided by 3 - 1, are 2
    # n = 9, n_a = 5, n_b = 4: expected = 2 * 5 * 4 / 8 = 5; alpha = 1 - 2 / 5
    assert agreement(COUNTS).alpha == pytest.approx(0.6)


def test_items_with_one_vote_do_not_count():
    more = np.vstack([COUNTS, [[1, 0], [0, 0]]])
    assert agreement(more) == agreement(COUNTS)


def test_without_couples_or_with_one_class_alone_nothing_is_claimed():
    assert agreement(np.array([[1, 0]])).raw is None
    only = agreement(np.array([[2, 0], [3, 0]]))
    assert (only.raw, only.alpha) == (1.0, None)


def test_the_most_confused_classes_come_first():
    counts = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1], [2, 0, 0]])
    found = class_pair_agreement(counts, 10)
    assert [(a, b, n) for a, b, n, _ in found] == [(0, 1, 2), (1, 2, 1)]
    assert found[0][3].n_items == 3  # of classes 0 and 1 alone; the third item has one such vote
    assert class_pair_agreement(counts, 1) == found[:1]
