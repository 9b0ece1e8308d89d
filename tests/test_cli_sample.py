"""A bundled sample is made ready by whichever command names it first."""

import json

import pytest
from typer.testing import CliRunner

from cad_studio.cli import app

COMMANDS = [
    ["describe", "sample-hard"], ["mine", "sample", "--quantile", "1e-5"],
    ["extract", "sample", "--features", "pixels"], ["export", "sample", "--out", "sample.csv"],
    ["map", "sample", "--method", "pca"],
]  # fmt: skip


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_a_sample_is_there_when_a_command_names_it(tmp_path, monkeypatch, arguments):
    """`train sample` worked where `mine sample` said that there is no such dataset."""
    monkeypatch.chdir(tmp_path)
    whole = ["--project", str(tmp_path / "project"), *arguments, "--json"]
    done = CliRunner().invoke(app, whole, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["name"].startswith("sample")
