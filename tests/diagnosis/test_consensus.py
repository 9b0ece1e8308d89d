"""Dawid-Skene against values worked out by hand and by another program, and annotators' quality."""

import numpy as np
import pytest

from cad_studio.diagnosis.consensus import dawid_skene, qualities, vote_shares

# Four samples of two classes, three annotators; the third contradicts on samples 1 and 3.
SAMPLE = np.repeat(np.arange(4), 3)
ANNOTATOR = np.tile(np.arange(3), 4)
LABEL = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0])


def test_first_round_is_the_one_worked_out_by_hand(monkeypatch):
    """One round from the shares of the votes on, without pseudo-counts.

    Shares of class 0: 1, 2/3, 0, 1/3, so class shares 1/2 each. Where the class is 0, annotators 0
    and 1 say 0 with (1 + 2/3) / 2 = 5/6, annotator 2 with (1 + 1/3) / 2 = 2/3; for class 1 it is
    the same mirrored. Sample 1 (0, 0, 1): 25/36 x 1/3 against 1/36 x 2/3, which is 25 to 2.
    Sample 0 (0, 0, 0): 25/36 x 2/3 against 1/36 x 1/3, which is 50 to 1.
    """
    monkeypatch.setattr("cad_studio.diagnosis.consensus.MOST_ROUNDS", 1)
    found = dawid_skene(SAMPLE, ANNOTATOR, LABEL, 4, 3, 2, pseudo_count=0.0)
    expected = [50 / 51, 25 / 27, 1 / 51, 2 / 27]
    assert found.confidence[:, 0] == pytest.approx(expected, abs=1e-6)


def test_pseudo_counts_pull_the_matrices_together(monkeypatch):
    """With 1 added to each cell annotator 0 says 0 of class 0 with (5/3 + 1) / 4 = 2/3."""
    monkeypatch.setattr("cad_studio.diagnosis.consensus.MOST_ROUNDS", 1)
    found = dawid_skene(SAMPLE, ANNOTATOR, LABEL, 4, 3, 2, pseudo_count=1.0)
    # sample 1: (2/3)^2 x (2/3 + 1)/4 against (1/3)^2 x (4/3 + 1)/4, which is 4 x 5 to 7
    assert found.confidence[1, 0] == pytest.approx(20 / 27, abs=1e-6)


# The class 0 of each sample by crowd-kit 1.4.2, DawidSkene(n_iter=400, tol=-1), from the votes.
VOTES = [
    [1, 1, 0], [1, 0, 1], [0, 0, 1], [1, 1, 1], [1, 1, 1], [0, 1, 0], [1, 1, 0], [0, 0, 0],
    [0, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 0],
]  # fmt: skip
BY_CROWD_KIT = [0, 0, 0.76923, 0, 0, 0.38462, 0, 0.96154, 0.96154, 0.07692, 0.96154, 0.96154]


def test_estimate_is_that_of_crowd_kit():
    sample, annotator = np.repeat(np.arange(12), 3), np.tile(np.arange(3), 12)
    found = dawid_skene(sample, annotator, np.ravel(VOTES), 12, 3, 2, pseudo_count=0.0)
    assert found.confidence[:, 0] == pytest.approx(BY_CROWD_KIT, abs=1e-4)


def test_good_annotators_are_told_from_bad_ones_and_the_intervals_hold_what_is_true():
    chance = np.random.default_rng(0)
    truth = chance.integers(0, 4, 400)
    skill = np.array([0.95, 0.8, 0.6, 0.3])
    sample, annotator = np.repeat(np.arange(400), 4), np.tile(np.arange(4), 400)
    knows = chance.random(1600) < skill[annotator]
    label = np.where(knows, truth[sample], (truth[sample] + chance.integers(1, 4, 1600)) % 4)
    found = dawid_skene(sample, annotator, label, 400, 4, 4)
    assert (found.confidence.argmax(axis=1) == truth).mean() > 0.9
    judged = qualities(sample, annotator, label, found.confidence, 4)
    right = [(label[annotator == who] == truth).mean() for who in range(4)]
    for quality, share in zip(judged, right, strict=True):
        assert quality.low - 0.03 < share < quality.high + 0.03
        assert 0.02 < quality.high - quality.low < 0.12
    assert np.argsort([-each.accuracy for each in judged]).tolist() == [0, 1, 2, 3]


def test_interval_is_that_of_jeffreys():
    """Nine of ten right: the 2.5 and 97.5 % points of Beta(9.5, 1.5), from tables."""
    sample, annotator = np.repeat(np.arange(10), 2), np.tile(np.arange(2), 10)
    label = np.zeros(20, int)
    confidence = np.zeros((10, 2))
    confidence[:9, 0] = 1.0
    confidence[9, 1] = 1.0
    [one, _] = qualities(sample, annotator, label, confidence, 2)
    assert (one.n_votes, one.accuracy) == (10, pytest.approx(0.9))
    assert (one.low, one.high) == (pytest.approx(0.6188, abs=1e-3), pytest.approx(0.9889, abs=1e-3))


def test_samples_with_one_vote_say_nothing_of_who_gave_it():
    sample, annotator, label = np.array([0, 0, 1]), np.array([0, 1, 2]), np.array([1, 1, 0])
    found = dawid_skene(sample, annotator, label, 3, 3, 2)
    judged = qualities(sample, annotator, label, found.confidence, 3)
    assert [each.n_votes for each in judged] == [1, 1, 0]
    assert judged[2].accuracy is None
    assert not found.confidence[2].any()  # nobody voted


def test_no_votes_at_all_give_no_confidence():
    none = np.zeros(0, np.int64)
    assert not dawid_skene(none, none, none, 3, 0, 2).confidence.any()


def test_shares_of_votes_without_names():
    found = vote_shares(np.array([0, 0]), np.array([1, 2]), np.array([30.0, 10.0]), 2, 3)
    assert found.tolist() == [[0.0, 0.75, 0.25], [0.0, 0.0, 0.0]]
