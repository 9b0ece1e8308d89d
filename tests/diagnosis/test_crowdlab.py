"""CROWDLAB against the authors' program, and what it is worth where votes are few."""

import numpy as np
import pytest

from cad_studio.core.errors import SettingError
from cad_studio.diagnosis.consensus import dawid_skene
from cad_studio.diagnosis.crowdlab import LEAST_WEIGHT, crowdlab

# Votes of four annotators on twelve samples of three classes; a dot is no vote.
VOTES = [
    "00.1", "0.11", "1.1.", ".222", "22.0", "1112", "0..0", "2.2.", "..1.", "010.", ".00.", "2.12",
]  # fmt: skip
SHARES = np.array([
    [0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.2, 0.1, 0.7], [0.3, 0.1, 0.6],
    [0.2, 0.5, 0.3], [0.9, 0.05, 0.05], [0.2, 0.5, 0.3], [0.4, 0.5, 0.1], [0.5, 0.4, 0.1],
    [0.6, 0.3, 0.1], [0.1, 0.3, 0.6],
])  # fmt: skip
# By cleanlab 2.9.0, get_label_quality_multiannotator(consensus_method="majority_vote").
MAJORITY = [0, 1, 1, 2, 2, 1, 0, 2, 1, 0, 0, 2]
QUALITY = [
    0.740638, 0.571245, 0.80909, 0.745611, 0.672953, 0.64437, 0.886273, 0.485533, 0.578689,
    0.541303, 0.681879, 0.527434,
]  # fmt: skip
WEIGHTS = [0.3125, 0.345238, 0.438776, LEAST_WEIGHT]
CLASSIFIER_WEIGHT = 1.377664
RATINGS = [0.71576, 0.706724, 0.695922, 0.5083]


def votes_of(rows):
    """Sample, annotator and label of each vote."""
    said = np.array([[ord(c) for c in row] for row in rows])
    sample, annotator = np.nonzero(said != ord("."))
    return sample, annotator, said[sample, annotator] - ord("0")


def test_estimate_is_that_of_cleanlab():
    found = crowdlab(*votes_of(VOTES), SHARES, 4)
    assert found.confidence[np.arange(12), MAJORITY] == pytest.approx(QUALITY, abs=1e-6)
    assert found.confidence.sum(axis=1) == pytest.approx(np.ones(12), abs=1e-6)
    assert found.weights == pytest.approx(WEIGHTS, abs=1e-6)
    assert found.classifier_weight == pytest.approx(CLASSIFIER_WEIGHT, abs=1e-6)
    assert found.ratings == pytest.approx(RATINGS, abs=1e-6)


def drawn(seed, votes_each, n=600, skills=(0.95, 0.75, 0.6, 0.5, 0.8), n_classes=4):
    """Truth, votes of annotators who err now and then, and a classifier that is right in 74 %."""
    chance = np.random.default_rng(seed)
    truth = chance.integers(0, n_classes, n)
    who = np.argsort(chance.random((n, len(skills))), axis=1)
    n_votes = chance.integers(1, votes_each + 1, n)
    sample, place = np.nonzero(np.arange(len(skills)) < n_votes[:, None])
    annotator = who[sample, place]
    knows = chance.random(len(sample)) < np.array(skills)[annotator]
    wrong = (truth[sample] + chance.integers(1, n_classes, len(sample))) % n_classes
    guess = np.where(chance.random(n) < 0.65, truth, chance.integers(0, n_classes, n))
    shares = 0.5 * np.eye(n_classes)[guess] + 0.5 / n_classes
    return truth, sample, annotator, np.where(knows, truth[sample], wrong), shares


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_of_few_votes_it_makes_more_than_votes_alone_and_than_the_classifier_alone(seed):
    truth, sample, annotator, label, shares = drawn(seed, 2)
    found = crowdlab(sample, annotator, label, shares, 5)
    right = (found.confidence.argmax(axis=1) == truth).mean()
    alone = dawid_skene(sample, annotator, label, 600, 5, 4).confidence
    assert right > (alone.argmax(axis=1) == truth).mean() + 0.02
    assert right > (shares.argmax(axis=1) == truth).mean() + 0.02


def test_a_classifier_that_knows_nothing_is_not_heard():
    truth, sample, annotator, label, _ = drawn(3, 4)
    shares = np.full((600, 4), 0.1)
    shares[:, 0] = 0.7
    found = crowdlab(sample, annotator, label, shares, 5)
    assert found.classifier_weight < 0.1 * found.weights.max()
    assert (found.confidence.argmax(axis=1) == truth).mean() > 0.7


def test_who_shares_no_sample_weighs_as_much_as_an_average_and_has_no_rating():
    sample, annotator, label = votes_of([*(f"{row}." for row in VOTES), "....1", "....0"])
    shares = np.vstack([SHARES, SHARES[:2]])
    found = crowdlab(sample, annotator, label, shares, 5)
    assert np.isnan(found.ratings[4])
    assert not np.isnan(found.ratings[:4]).any()
    assert np.isfinite(found.confidence).all()
    assert LEAST_WEIGHT < found.weights[4] < found.weights[:4].max()


def test_perfect_agreement_on_one_class_gives_finite_figures():
    sample, annotator = np.repeat(np.arange(5), 2), np.tile(np.arange(2), 5)
    found = crowdlab(sample, annotator, np.zeros(10, int), np.full((5, 2), 0.5), 2)
    assert np.isfinite(found.confidence).all()
    assert (found.confidence.argmax(axis=1) == 0).all()


def test_no_sample_with_two_votes_is_told():
    with pytest.raises(SettingError, match="votes of two annotators"):
        crowdlab(np.arange(3), np.arange(3), np.zeros(3, int), np.full((3, 2), 0.5), 3)
