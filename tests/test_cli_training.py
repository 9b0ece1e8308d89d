"""Training on the command line, in processes of its own."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cad_studio.cli import app
from cad_studio.core.errors import RecordNotFoundError, SettingError

ROOT = Path(__file__).parent.parent
N_TRAIN, N_TEST, N_CLASSES = 96, 32, 4
QUICK = (
    "--epochs", "2", "--set", "batch_size=16", "--set", "threads=1", "--set", "device=cpu",
)  # fmt: skip
KEYS = {
    "run", "test_accuracy", "entangled_accuracy", "approximated_accuracy", "covering_rate",
    "samples_per_second", "seconds", "data_version",
}  # fmt: skip


def run(project, *arguments, before=(sys.executable, "-m")):
    done = subprocess.run(
        [*before, "cad_studio", "--project", str(project), *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def run_json(project, *arguments, **options):
    done = run(project, *arguments, "--json", **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def here(project, *arguments):
    """The document a command prints, without a process of its own."""
    whole = ["--project", str(project), *map(str, arguments), "--json"]
    done = CliRunner().invoke(app, whole, catch_exceptions=False)
    return json.loads(done.stdout)


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
    run_json(folder / "project", "import", folder / "shades.npz", "--name", "shades")
    return folder / "project"


@pytest.fixture(scope="module")
def trained(project):
    return run_json(project, "train", "shades", "--method", "proden", *QUICK)


def test_train_prints_its_figures_and_evaluate_repeats_them(project, trained):
    assert set(trained) >= KEYS
    found = here(project, "evaluate", trained["run"])
    assert found["accuracy"] == pytest.approx(trained["test_accuracy"], abs=1e-6)
    jobs = here(project, "jobs", "list")["jobs"]
    assert [(job["kind"], job["status"]) for job in jobs] == [("train", "done"), ("import", "done")]


def test_the_same_seed_gives_the_same_figures_also_in_the_background(project, trained):
    started = run_json(project, "train", "shades", "--method", "proden", *QUICK, "--background")
    done = run(project, "jobs", "log", started["job"], "--follow")
    assert "is done" in done.stdout
    job = here(project, "jobs", "show", started["job"])
    assert job["status"] == "done"
    assert job["result"]["test_accuracy"] == trained["test_accuracy"]
    assert job["result"]["approximated_accuracy"] == trained["approximated_accuracy"]
    row = here(project, "runs", "show", started["run"])
    assert (row["status"], row["epochs_done"]) == ("done", 2)


def test_two_launched_processes_train_one_run(project):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = (
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
        "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
        "--main_process_port", str(port), "-m",
    )  # fmt: skip
    wanted = ("train", "shades", "--method", "proden", *QUICK, "--epochs", "25")
    alone = here(project, *wanted)
    together = run_json(project, *wanted, before=launch)
    assert together["epochs"] == 25
    row = here(project, "runs", "show", together["run"])
    assert row["environment"]["processes"] == 2
    for figure in ("test_accuracy", "approximated_accuracy", "covering_rate"):
        assert together[figure] == pytest.approx(alone[figure], abs=0.15)


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
    with pytest.raises(SettingError) as raised:
        here(project, "train", "shades", *arguments)
    assert words in str(raised.value)


def test_a_model_is_copied_out_and_a_run_thrown_away_and_brought_back(project, trained, tmp_path):
    out = tmp_path / "model.safetensors"
    made = here(project, "runs", "model", trained["run"], "--out", out)
    assert made["bytes"] == out.stat().st_size > 0
    numbers = [row["id"] for row in here(project, "runs", "list")["runs"]]
    here(project, "runs", "remove", trained["run"])
    left = [row["id"] for row in here(project, "runs", "list")["runs"]]
    assert set(numbers) - set(left) == {trained["run"]}
    here(project, "runs", "restore", trained["run"])
    assert [row["id"] for row in here(project, "runs", "list")["runs"]] == numbers
    with pytest.raises(RecordNotFoundError, match="Run 9999 is not in this project"):
        here(project, "evaluate", 9999)
