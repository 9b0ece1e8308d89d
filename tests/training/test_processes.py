"""Several processes train one run together: two real ones, over gloo."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Silent
from cad_studio.training.exchange import check_shares, shared_order
from cad_studio.training.processes import ALONE, Processes, is_launched
from cad_studio.training.trainer import Trainer
from tests.training.runs import small_images, small_plan
from tests.training.together import LEARNS, N_LEARNS, averaged_gradient

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of two processes wrote down, told of each other as a launcher tells them."""
    folder = tmp_path_factory.mktemp("together")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.training.together", str(folder)],
            cwd=ROOT,
            env={
                **os.environ, "CUDA_VISIBLE_DEVICES": "", "WORLD_SIZE": "2", "RANK": str(rank),
                "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        for process in both:
            told = process.communicate(timeout=400)[1]
            assert process.returncode == 0, told
    finally:
        for process in both:
            process.kill()
            process.wait()
    return [json.loads((folder / f"found-{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.long
def test_two_processes_learn_what_one_learns(found, tmp_path):
    """Batches, and the statistics of BatchNorm with them, differ: figures agree, bits do not."""
    alone = (
        Trainer(small_images(n_train=N_LEARNS), small_plan(**LEARNS), tmp_path).fit(Silent()).last
    )
    first, second = (each["figures"] for each in found)
    assert first == second
    assert [each["count"] for each in found] == [2, 2]
    assert first["learning_rate"] == alone.learning_rate
    for name in ("test_accuracy", "disambiguation"):
        assert first["oracle"][name] == pytest.approx(alone.oracle[name], abs=0.05)
    assert first["losses"]["loss"] == pytest.approx(alone.losses["loss"], rel=0.2)
    assert first["held_out"]["approximated_accuracy"] == pytest.approx(
        alone.held_out["approximated_accuracy"], abs=0.05
    )


def test_the_averaged_gradient_is_that_of_the_whole_batch(found):
    samples = torch.arange(24.0).view(8, 3)
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    loss = (samples @ weight).square().mean()
    loss.backward()
    wanted = [*weight.grad.tolist(), float(loss.detach())]
    assert averaged_gradient(ALONE) == pytest.approx(wanted)
    for each in found:
        assert each["gradient"] == pytest.approx(wanted)


def test_reports_are_given_in_the_main_process_only(found):
    assert [each["n_reports"] for each in found] == [LEARNS["epochs"], 0]


def test_a_stop_reaches_all_and_the_resumed_run_equals_one_that_was_not_stopped(found):
    for each in found:
        resuming = each["resuming"]
        assert resuming["stopped"]
        # Asked before the third step, they finish it together.
        assert resuming["resumed"] == [1, 3]
        assert resuming["same_figures"]
        assert resuming["different"] == []


def test_the_network_that_is_judged_is_the_same_in_all(found):
    """Each asks it about a part of the samples, and the main one keeps it."""
    assert [each["judged"] for each in found] == [[], []]


def test_a_time_budget_ends_all_at_one_step(found):
    """Step sizes follow the clock, which only the main process reads."""
    first, second = (each["budget"] for each in found)
    assert first == second
    assert first["epoch"] < 10_000


def test_errors_reach_every_process(found):
    for each in found:
        assert each["errors"]["disk"] == "No space is left."
        assert "The loss became nan at step 1 of epoch 2" in each["errors"]["loss"]
        # 16 rows: those of both processes.
        assert "and 8 more" in each["errors"]["loss"]
        assert "batch_size 15 cannot be shared by 2 processes" in each["errors"]["batch"]


def test_every_sample_belongs_to_one_process():
    pair = [Processes(rank, 2) for rank in range(2)]
    orders = shared_order(51, 16, seed=0, epoch=3, processes=pair[0])
    assert [order.shape for order in orders] == [(3, 8), (3, 8)]
    assert (orders[0] % 2 == 0).all()
    assert (orders[1] % 2 == 1).all()
    again = shared_order(51, 16, seed=0, epoch=3, processes=pair[1])
    assert all((one == other).all() for one, other in zip(orders, again, strict=True))


@pytest.mark.parametrize(
    ("batch_size", "count", "said"),
    [
        (6, 4, "batch_size 6 cannot be shared by 4 processes, 2 samples or more each. Choose 8"),
        (30, 4, "Choose 32"),
        (16, 8, "12 training samples are too few for 8 processes"),
    ],
)
def test_shares_too_small_or_unequal_are_refused(batch_size, count, said):
    with pytest.raises(SettingError, match=said):
        check_shares(batch_size, 12, Processes(0, count))
    check_shares(batch_size, 12, ALONE)


def test_only_a_launcher_makes_several_processes():
    assert is_launched({"WORLD_SIZE": "2"})
    assert not is_launched({"WORLD_SIZE": "1"})
    assert not is_launched({})
