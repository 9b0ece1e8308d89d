"""Training on the command line: in this process, in the background, and in several at once."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.commands import here, json_here

ROOT = Path(__file__).parent.parent
N_TRAIN, N_TEST, N_CLASSES = 96, 32, 4
QUICK = (
    "--epochs", "2", "--set", "batch_size=16", "--set", "threads=1", "--set", "device=cpu",
)  # fmt: skip
KEYS = {
    "run", "test_accuracy", "entangled_accuracy", "approximated_accuracy", "covering_rate",
    "samples_per_second", "seconds", "data_version",
}  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a dataset of grey images whose brightness is their class."""
    folder = tmp_path_factory.mktemp("training")
    chance = np.random.default_rng(0)
    truth = chance.integers(N_CLASSES, size=N_TRAIN + N_TEST)
    candidates = chance.random((len(truth), N_CLASSES)) < 0.4
    candidates[np.arange(len(truth)), truth] = True
    images = 60 * truth[:, None, None] + chance.integers(0, 40, (len(truth), 20, 20))
    np.savez(
        folder / "shades.npz",
        images=images.astype(np.uint8),
        candidates=candidates,
        labels=truth,
        split=np.array(["train"] * N_TRAIN + ["test"] * N_TEST),
    )
    json_here(folder / "project", "import", folder / "shades.npz", "--name", "shades")
    return folder / "project"


@pytest.fixture(scope="module")
def trained(project):
    return json_here(project, "train", "shades", "--method", "proden", *QUICK)


def test_train_prints_its_figures_and_evaluate_repeats_them(project, trained):
    assert set(trained) >= KEYS
    found = json_here(project, "evaluate", trained["run"])
    assert found["accuracy"] == pytest.approx(trained["test_accuracy"], abs=1e-6)
    jobs = json_here(project, "jobs", "list")["jobs"]
    assert [(job["kind"], job["status"]) for job in jobs] == [("train", "done"), ("import", "done")]


def test_the_same_seed_gives_the_same_figures_also_in_the_background(project, trained):
    started = json_here(project, "train", "shades", "--method", "proden", *QUICK, "--background")
    code, out, _ = here(project, "jobs", "log", started["job"], "--follow")
    assert code == 0
    assert "is done" in out
    job = json_here(project, "jobs", "show", started["job"])
    assert job["status"] == "done"
    assert job["result"]["test_accuracy"] == trained["test_accuracy"]
    assert job["result"]["approximated_accuracy"] == trained["approximated_accuracy"]
    row = json_here(project, "runs", "show", started["run"])
    assert (row["status"], row["epochs_done"]) == ("done", 2)


@pytest.mark.long
def test_two_launched_processes_train_one_run(project):
    """That two learn what one learns is tested with the trainer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before = {row["id"] for row in json_here(project, "runs", "list")["runs"]}
    done = subprocess.run(
        [
            sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu",
            "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no",
            "--dynamo_backend", "no", "--main_process_port", str(port), "-m",
            "cad_studio", "--project", str(project), "train", "shades", "--method", "proden",
            *QUICK, "--json",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
    together = json.loads(done.stdout)
    assert together["epochs"] == 2
    after = {row["id"] for row in json_here(project, "runs", "list")["runs"]}
    assert after - before == {together["run"]}
    row = json_here(project, "runs", "show", together["run"])
    assert (row["status"], row["environment"]["processes"]) == ("done", 2)
    found = json_here(project, "evaluate", together["run"])
    assert found["accuracy"] == pytest.approx(together["test_accuracy"], abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--set", "beta"), "write it as name=value"),
        (("--set", "betta=1"), "Closest: 'beta'"),
        (("--preset", "Paper"), "Allowed: Default, Quick look on CPU, Frozen"),
        (("--method", "cad-can"), "Closest: 'cad-cam'"),
        (("--epochs", "0"), "epochs is 0; the least is 1"),
    ],
)
def test_a_wrong_setting_is_told_in_words(project, arguments, words):
    code, out, told = here(project, "train", "shades", *arguments)
    assert (code, out) == (2, "")
    assert words in told


def test_a_model_is_copied_out_and_a_run_thrown_away_and_brought_back(project, trained, tmp_path):
    out = tmp_path / "model.safetensors"
    made = json_here(project, "runs", "model", trained["run"], "--out", out)
    assert made["bytes"] == out.stat().st_size > 0
    numbers = [row["id"] for row in json_here(project, "runs", "list")["runs"]]
    json_here(project, "runs", "remove", trained["run"])
    left = [row["id"] for row in json_here(project, "runs", "list")["runs"]]
    assert set(numbers) - set(left) == {trained["run"]}
    json_here(project, "runs", "restore", trained["run"])
    assert [row["id"] for row in json_here(project, "runs", "list")["runs"]] == numbers
    code, _, told = here(project, "evaluate", 9999)
    assert code == 2
    assert "Run 9999 is not in this project" in told
