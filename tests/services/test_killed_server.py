"""A server killed in the middle of the work loses nothing it has acknowledged.

The smaller version of `python -m tests.benchmarks.annotation_kill`: a bare server in the place of
the window, which starts faster.
"""

from tests.benchmarks.annotation_kill import prove

SERVER = ("-m", "tests.services.action_server")


def test_every_acknowledged_action_outlives_a_kill(tmp_path):
    proof = prove(clients=4, actions=25, kills=1, folder=tmp_path, program=SERVER)
    assert proof.acknowledged > 60
    assert (proof.missing, proof.twice, proof.agrees) == (0, 0, True)
    assert proof.in_log == proof.acknowledged
