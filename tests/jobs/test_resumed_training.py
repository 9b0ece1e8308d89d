"""A training that is killed goes on from its last checkpoint, in the same job and the same run."""

import os
import signal

import numpy as np
import pytest

from cad_studio.services.training.training import TrainingRequest
from tests.jobs.following import ended, wait, wait_for
from tests.services.small import save, sets, store

N_SAMPLES, N_CLASSES, N_EPOCHS = 128, 4, 25
CONFIG = {"epochs": N_EPOCHS, "batch_size": 16, "threads": 1, "device": "cpu", "hold_out": 0.1}


def points(services, tmp_path):
    chance = np.random.default_rng(5)
    truth = chance.integers(N_CLASSES, size=N_SAMPLES)
    arrays = {
        "features": (chance.normal(size=(N_SAMPLES, 6)) + 3 * truth[:, None]).astype(np.float32),
        "candidates": sets(N_SAMPLES, N_CLASSES, truth, 5),
        "labels": truth,
        "split": np.array(["train"] * 96 + ["test"] * 32),
    }
    store(services, save(tmp_path / "points.npz", **arrays), name="points")


@pytest.mark.long
def test_a_killed_training_goes_on_from_its_last_checkpoint(services, tmp_path):
    points(services, tmp_path)
    started = services.training.submit(TrainingRequest("points", "proden", config=CONFIG))
    run, job_id = started["run"], started["job"]
    wait_for(lambda: len(services.runs.reports(run)) >= 3)
    os.kill(services.jobs.get(job_id).place["pid"], signal.SIGKILL)
    job = wait(services, job_id, ended)
    assert job.status == "interrupted"
    assert job.error.endswith("Resume it to go on from where it was last saved.")
    before = services.runs.reports(run)
    services.jobs.resume(job_id)
    job = wait(services, job_id, ended)
    assert (job.status, job.error, job.attempts) == ("done", None, 2)
    after = services.runs.reports(run)
    assert [report["epoch"] for report in after] == list(range(N_EPOCHS))
    # an epoch trained twice would not have taken the same time to the microsecond
    assert after[: len(before) - 1] == before[:-1]
    assert services.runs.get(run)["status"] == "done"
