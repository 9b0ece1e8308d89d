"""The commands of diagnosis: one JSON document each, and words for what cannot be done."""

import json

import pytest
from typer.testing import CliRunner

from cad_studio.cli import app
from cad_studio.core.errors import RecordNotFoundError, SettingError
from tests.runs_to_diagnose import project_with_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    services, *runs = project_with_runs(tmp_path_factory.mktemp("cli"), prepared=False)
    folder = services.project.folder
    services.close()
    return folder, *runs


def run(project, *arguments):
    whole = ["--project", str(project), *map(str, arguments)]
    return CliRunner().invoke(app, whole, catch_exceptions=False).stdout


def run_json(project, *arguments):
    return json.loads(run(project, *arguments, "--json"))


def test_evaluate_tells_what_is_confused(runs):
    project, first, _ = runs
    found = run_json(project, "evaluate", first, "--split", "train")
    assert len(found["confusion"]["counts"]) == 4
    assert found["split"] == "train"
    assert found["figures"]["accuracy"] == pytest.approx(found["accuracy"])


def test_map_prints_one_document_and_keeps_the_map(runs):
    project, first, _ = runs
    for features in ("pixels", f"run:{first}"):
        found = run_json(project, "map", "shades", "--features", features, "--method", "pca")
        assert (found["stage"], found["n"]) == ("pca", 128)
    assert run_json(project, "map", "shades", "--method", "pca")["cached"]
    assert "128 samples, found in the project" in run(project, "map", "shades", "--method", "pca")


def test_suspects_are_limited_and_read_out(runs):
    project, first, _ = runs
    found = run_json(project, "suspects", "shades", "--run", first, "--limit", 2)
    assert found["run"] == first
    kinds = [each["kind"] for each in found["suspects"]]
    assert max(map(kinds.count, kinds)) <= 2
    text = run(project, "suspects", "shades")
    assert f"96 samples judged by {found['features']} features" in text


def test_compare_and_report(runs, tmp_path):
    project, first, second = runs
    found = run_json(project, "compare", first, second)
    assert {kind: len(ids) for kind, ids in found["listed"].items()} == {
        kind: min(20, found["changes"][kind]) for kind in found["listed"]
    }
    assert "seed: 0, 1" in run(project, "compare", first, second)
    out = tmp_path / "r.html"
    made = run_json(project, "report", second, "--against", first, "--out", out)
    assert made["bytes"] == out.stat().st_size
    with pytest.raises(SettingError, match="different runs"):
        run(project, "compare", first)
    with pytest.raises(RecordNotFoundError, match="Run 99 is not in this project"):
        run(project, "report", 99, "--out", out)
