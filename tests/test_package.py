"""The wheel: what is in it, and that it works by itself."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cad_studio import __version__
from cad_studio.__main__ import names_command

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    from hatchling.builders.wheel import WheelBuilder

    folder = tmp_path_factory.mktemp("wheel")
    (made,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return Path(made)


def test_it_holds_every_file_of_the_studio(wheel):
    with zipfile.ZipFile(wheel) as file:
        held = set(file.namelist())
    ours = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "cad_studio").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assets = {
        f"cad_studio/{path.relative_to(ROOT)}"
        for path in (ROOT / "assets").rglob("*")
        if path.is_file()
    }
    assert (ours | assets) - held == set()
    assert [name for name in held if name.startswith(("tests", "app.py"))] == []


def test_its_dependencies_are_those_of_the_one_list_as_ranges(wheel):
    with zipfile.ZipFile(wheel) as file:
        (name,) = [each for each in file.namelist() if each.endswith("METADATA")]
        told = file.read(name).decode()
        entry = file.read(name.replace("METADATA", "entry_points.txt")).decode()
    listed = [line[15:] for line in told.splitlines() if line.startswith("Requires-Dist: ")]
    needed = {each for each in listed if "extra ==" not in each}
    extras = {re.split("[<>]", each)[0] for each in listed if each not in needed}
    assert extras == {"ray", "openvino"}
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert {each.partition("<")[0].partition(">")[0] for each in needed} == {
        pin.partition("==")[0].lower() for pin in pins
    }
    assert all(">=" in each and "<" in each for each in needed)
    assert f"Version: {__version__}" in told
    assert "cad-studio = cad_studio.__main__:window_or_command" in entry


def test_pins_become_ranges():
    spec = importlib.util.spec_from_file_location("dependencies", ROOT / ".ci/dependencies.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.ranges("# comment\na==6.31.0\nb==0.42.1  # why\n") == [
        "a>=6.31.0,<7", "b>=0.42.1,<0.43",
    ]  # fmt: skip


def test_it_works_without_the_repository(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "site")
    program = (
        "import sys, cad_studio; print(cad_studio.__file__, file=sys.stderr)\n"
        "sys.argv = 'cad-studio --project p mine sample --quantile 1e-5 --json'.split()\n"
        "from cad_studio.__main__ import window_or_command; window_or_command()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "site") in done.stderr
    assert json.loads(done.stdout)["n_pairs"] > 0


@pytest.mark.parametrize(
    ("arguments", "is_command"),
    [
        ([], False),
        (["--port", "7870"], False),
        (["--project", "list"], False),
        (["--project=list", "--share"], False),
        (["--help"], False),
        (["list"], True),
        (["--project", "x", "train", "sample"], True),
        (["nothing"], True),
    ],
)
def test_a_word_that_is_no_option_names_a_command(arguments, is_command):
    assert names_command(arguments) is is_command
