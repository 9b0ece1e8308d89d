import numpy as np
import pytest

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Silent
from cad_studio.mining.entangled import find_pairs
from cad_studio.mining.pairs import agreement, label_sharing
from cad_studio.mining.settings import MiningConfig


def make_case(n_samples=300):
    generator = np.random.default_rng(0)
    features = generator.standard_normal((n_samples, 6)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labels = generator.integers(0, 3, n_samples).astype(np.int32)
    return features, PartialLabels.from_dense(np.ones((n_samples, 3), bool)), labels


def test_counts_at_stricter_thresholds_agree_with_a_search_there():
    case = make_case()
    cuts = np.array([0.2, 0.4, 0.6, 0.8])
    counts = [find_pairs(*case, MiningConfig(threshold=t), Silent()).n_pairs for t in cuts]
    complete = find_pairs(*case, MiningConfig(threshold=0.2), Silent())
    assert complete.count_at(cuts).tolist() == counts
    cut_off = find_pairs(*case, MiningConfig(threshold=0.2, limit=counts[3] + 10), Silent())
    assert cut_off.count_at(cuts)[3] == counts[3]
    np.testing.assert_allclose(cut_off.count_at(cuts), counts, atol=2)


def test_the_share_of_less_similar_pairs_follows_the_quantile():
    case = make_case()
    pairs = find_pairs(*case, MiningConfig(quantile=0.05), Silent())
    assert pairs.closer_than(pairs.threshold) == pytest.approx(0.95, abs=0.003)
    strict = find_pairs(*case, MiningConfig(quantile=0.001), Silent())
    assert pairs.closer_than(strict.threshold) == pytest.approx(0.999, abs=3e-4)
    assert strict.closer_than(pairs.threshold) == pytest.approx(0.95, abs=0.003)
    assert (pairs.closer_than(1.1), pairs.closer_than(-1.0)) == (1.0, 0.0)


def test_agreement_is_the_share_of_top_pairs_in_common():
    features, candidates, labels = make_case(60)
    settings = MiningConfig(threshold=0.0)
    pairs = find_pairs(features, candidates, labels, settings, Silent())
    other = find_pairs(features[:, ::-1][:, :3], candidates, labels, settings, Silent())
    assert agreement(pairs, pairs, 50) == 1.0
    top = [set(zip(p.i[:50].tolist(), p.j[:50].tolist(), strict=True)) for p in (pairs, other)]
    assert agreement(pairs, other, 50) == len(top[0] & top[1]) / 50
    assert agreement(pairs, other, 0) == 0.0


def test_label_sharing_by_hand():
    # Classes 0 and 1: four samples are of 0 or 1 (rows 0 to 3); rows 0 and 2 hold both. Row 3 does
    # not hold its own label 1. Row 5 is not known and does not count.
    sets = [[0, 1], [0], [0, 1, 2], [0, 2], [2], [0, 1]]
    labels = np.array([0, 0, 1, 1, 2, -1])
    share = label_sharing(PartialLabels.from_lists(sets, 3), labels)
    expected = [[1, 2 / 4, 0], [2 / 4, 1 / 2, 1 / 3], [0, 1 / 3, 1]]
    np.testing.assert_allclose(share, expected)
