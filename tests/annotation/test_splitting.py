"""Samples divided by chance, whole groups together."""

import numpy as np
import pytest

from cad_studio.annotation.splitting import SplitConfig, divide
from cad_studio.core.errors import SettingError


def test_shares_are_met_and_a_seed_repeats():
    alone = np.arange(1000)
    found = divide(alone, [0.7, 0.1, 0.2], seed=3)
    assert np.bincount(found).tolist() == [700, 100, 200]
    assert np.array_equal(found, divide(alone, [0.7, 0.1, 0.2], seed=3))
    assert not np.array_equal(found, divide(alone, [0.7, 0.1, 0.2], seed=4))


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_together_and_no_split_misses_its_share_by_more_than_a_group(seed):
    sizes = np.random.default_rng(seed).integers(1, 40, 60)
    groups = np.repeat(np.arange(60), sizes)
    shares = [0.6, 0.2, 0.2]
    found = divide(groups, shares, seed)
    for group in range(60):
        assert len(set(found[groups == group].tolist())) == 1
    missing = np.abs(np.bincount(found, minlength=3) - np.array(shares) * len(groups))
    assert missing.max() <= sizes.max()


def test_one_large_group_goes_where_most_is_lacking():
    groups = np.array([0] * 8 + [1, 2])
    found = divide(groups, [0.8, 0.2], seed=0)
    assert found.tolist() == [0] * 8 + [1, 1]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"shares": {"train": 0.8, "test": 0.3}}, "sum to 1.1"),
        ({"shares": {"train": 1.0, "test": 0}}, "share of 'test' is 0"),
        ({"shares": {" ": 1.0}}, "cannot be the name of a split"),
        ({"shares": {}}, "1 to 20 splits"),
        ({"seed": -1}, "seed"),
        ({"seed": "x"}, "seed is 'x'"),
        ({"groupby": "patient"}, "'groupby' is no setting"),
        ({"group_by": 3}, "group_by is 3"),
    ],
)
def test_split_that_cannot_be_is_told(value, words):
    with pytest.raises(SettingError, match=words):
        SplitConfig.from_json(value)
