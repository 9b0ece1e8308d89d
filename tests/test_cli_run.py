"""Packing a run and taking it back on the command line."""

import json
import os

from cad_studio import elsewhere
from tests.commands import here, json_here
from tests.test_cli_training import QUICK, project  # noqa: F401


def test_a_run_is_packed_trained_without_a_project_and_taken_back(project, tmp_path, capsys):  # noqa: F811
    file = tmp_path / "far.run.zip"
    made = json_here(
        project, "run", "pack", "shades", "--method", "proden", *QUICK, "--truth", "--out", file
    )
    assert (made["out"], made["with_truth"]) == (str(file), True)
    assert made["bytes"] == file.stat().st_size
    assert json_here(project, "runs", "show", made["run"])["status"] == "packed"
    assert elsewhere.main([str(file), "--out", str(tmp_path / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["out"] == os.path.join(tmp_path, "out", "far.result.zip")
    taken = json_here(project, "run", "take", told["out"])
    assert (taken["run"], taken["test_accuracy"]) == (made["run"], told["test_accuracy"])
    code, _, problem = here(project, "run", "take", told["out"])
    assert code == 2
    assert "was taken back already" in problem


def test_run_train_says_what_is_wrong_and_how_it_is_used(tmp_path):
    code, out, told = here(tmp_path / "none", "run", "train", tmp_path / "missing.run.zip")
    assert (code, out) == (2, "")
    assert "There is no file" in told
    assert not (tmp_path / "none").exists()
