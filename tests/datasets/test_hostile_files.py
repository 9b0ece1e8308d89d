"""A part of the attack of `tests.benchmarks.hostile_files`, seeded, small enough for every run."""

import pytest

from tests.benchmarks.hostile_files import FAULTS, attack

N_INPUTS = 200


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_and_bombs_leave_nothing_but_messages():
    """4,000 such files once showed tracebacks, took gigabytes, and ended the studio."""
    outcome = attack(range(N_INPUTS), seed=1, n_workers=1, apart_share=0.02, bomb_share=0.1)
    assert outcome.faults == dict.fromkeys(FAULTS, 0), outcome.examples
    assert sum(outcome.ends.values()) == N_INPUTS
    assert outcome.ends["refused"] > N_INPUTS / 3
    assert outcome.ends["imported"] > N_INPUTS / 20
