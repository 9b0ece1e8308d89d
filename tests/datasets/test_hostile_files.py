"""A part of the attack of `tests.benchmarks.hostile_files`, seeded, small enough for every run."""

import pytest

from tests.benchmarks.hostile_files import FAULTS, attack


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n_inputs", [50, pytest.param(400, marks=pytest.mark.slow)])
def test_damaged_files_and_bombs_leave_nothing_but_messages(n_inputs):
    """4,000 such files once showed tracebacks, took gigabytes, and ended the studio."""
    outcome = attack(range(n_inputs), seed=n_inputs, n_workers=1, apart_share=0.02, bomb_share=0.1)
    assert outcome.faults == dict.fromkeys(FAULTS, 0), outcome.examples
    assert sum(outcome.ends.values()) == n_inputs
    assert outcome.ends["refused"] > n_inputs / 3
    assert outcome.ends["imported"] > n_inputs / 20
