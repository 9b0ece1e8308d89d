"""What annotators and a classifier together say of each sample: a weighted ensemble.

H. W. Goh, U. Tkachenko and J. Mueller, "CROWDLAB: Supervised learning to infer consensus labels
and quality scores for data with multiple annotators", 2022, https://arxiv.org/abs/2210.06812.
Dawid-Skene sees votes alone, and of a sample with one or two of them little can be known. Here the
answer of a classifier that never saw the sample counts as one annotator more. With I+ the samples
of two votes or more and the majority of each (ties go to the class the classifier prefers):

- a vote for y gives y the probability P and every other class (1 - P) / (C - 1); P is the mean
  over I+ of the share of a sample's votes that are for its majority;
- annotator j weighs w_j = 1 - (1 - s_j) / (1 - b), s_j being the share of j's comparisons with
  other annotators' votes that agree, and b how often the commonest majority class is right by
  itself;
- the classifier weighs w_M = (1 - (1 - s_M) / (1 - b)) sqrt(mean number of votes), s_M being how
  often it gives the majority;
- the confidence is the mean of all by these weights; nobody weighs less than `LEAST_WEIGHT`;
- an annotator's rating is u Q_j + (1 - u) R_j, with Q_j the mean confidence in what j said, R_j how
  often j says the majority of samples in I+, u = w_M / (w_M + w_0), and w_0 the mean weight of an
  annotator times the mean number of votes.

cleanlab has the authors' program under the AGPL; it is not used here. The results agree
(`tests/diagnosis`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import SettingError

LEAST_WEIGHT = 1e-6

TOO_FEW_VOTES = (
    "No sample has votes of two annotators whose names are known, so nothing says how far any of "
    "them is to be believed. Set 'Annotators per item' to 2 or more, or take Dawid-Skene."
)


@dataclass(frozen=True)
class Crowdlab:
    """What CROWDLAB makes of votes and a classifier.

    Attributes:
        confidence: float32 (V, C). Rows sum to 1.
        weights: float64 (A,). Of each annotator.
        classifier_weight: Of the classifier.
        ratings: float64 (A,). Of each annotator, 0 to 1; NaN without a sample others voted on too.
    """

    confidence: NDArray[np.float32]
    weights: NDArray[np.float64]
    classifier_weight: float
    ratings: NDArray[np.float64]


def crowdlab(
    sample: NDArray[np.integer],
    annotator: NDArray[np.integer],
    label: NDArray[np.integer],
    shares: NDArray[np.floating],
    n_annotators: int,
) -> Crowdlab:
    """Combine the votes on samples with what a classifier says of them.

    Args:
        sample: integers (M,), 0 to V - 1; every sample has a vote.
        annotator: integers (M,), 0 to A - 1; each one at most once a sample.
        label: integers (M,), 0 to C - 1.
        shares: floats (V, C). Class probabilities out of sample, rows sum to 1.
        n_annotators: A.

    Raises:
        SettingError: No sample has two votes, so that nobody can be compared with anybody.
    """
    n_samples, n_classes = shares.shape
    counts = np.zeros((n_samples, n_classes))
    np.add.at(counts, (sample, label), 1.0)
    n_votes = counts.sum(axis=1)
    shared = n_votes > 1
    if not shared.any():
        raise SettingError(TOO_FEW_VOTES)
    majority = (counts + 1e-3 * shares).argmax(axis=1)
    base = np.bincount(majority[shared], minlength=n_classes).max() / shared.sum()

    of_shared = shared[sample]
    who, where, what = annotator[of_shared], sample[of_shared], label[of_shared]
    # Of each vote: the other votes on its sample, and those of them that say the same.
    others, same = n_votes[where] - 1, counts[where, what] - 1
    agreeing = _share(np.bincount(who, same, n_annotators), np.bincount(who, others, n_annotators))
    # Who shares no sample with anybody is taken for an average annotator.
    agreeing = np.where(np.isnan(agreeing), np.nanmean(agreeing), agreeing)
    weights = _over(agreeing, base)
    votes_each = float(n_votes.mean())
    right = float((shares.argmax(axis=1) == majority)[shared].mean())
    by_classifier = float(_over(np.array(right), base) * np.sqrt(votes_each))
    weights = np.maximum(weights, LEAST_WEIGHT)
    by_classifier = max(by_classifier, LEAST_WEIGHT)

    rows = np.arange(n_samples)
    likely = float((counts[rows, majority] / n_votes)[shared].mean())
    unlikely = (1.0 - likely) / max(n_classes - 1, 1)
    total = by_classifier * shares.astype(np.float64)
    said = weights[annotator]
    np.add.at(total, (sample, label), said * (likely - unlikely))
    total += np.bincount(sample, said * unlikely, n_samples)[:, None]
    confidence = total / total.sum(axis=1, keepdims=True)

    held = _share(
        np.bincount(annotator, confidence[sample, label], n_annotators),
        np.bincount(annotator, minlength=n_annotators),
    )
    with_most = _share(
        np.bincount(who, what == majority[where], n_annotators),
        np.bincount(who, minlength=n_annotators),
    )
    mixed = by_classifier / (by_classifier + weights.mean() * votes_each)
    ratings = mixed * held + (1.0 - mixed) * with_most
    return Crowdlab(confidence.astype(np.float32), weights, by_classifier, ratings)


def _over(right: NDArray[np.float64], base: float) -> NDArray[np.float64]:
    """How far somebody is above always saying the commonest class; 1 is never wrong."""
    return np.asarray(1.0 - (1.0 - right) / max(1.0 - base, LEAST_WEIGHT))


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
