"""The documents stay short and true: links lead somewhere, and examples run."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cad_studio.core.progress import Silent
from cad_studio.datasets._base import READERS, ReadOptions
from tests.benchmarks import learning

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "cad_studio/**/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
)
LARGEST_README_BYTES = 10_240


def test_the_readme_is_short():
    assert (ROOT / "README.md").stat().st_size <= LARGEST_README_BYTES


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_within_the_project_lead_somewhere(name):
    file = ROOT / name
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", file.read_text(encoding="utf-8"))
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (file.parent / link).exists()] == []


def test_commands_the_readme_names_are_there():
    from typer.main import get_command

    from cad_studio.cli import app

    known = set(get_command(app).commands)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = re.search(r"The commands: (.*?);", text, re.DOTALL)
    assert listed
    assert set(re.findall(r"`([a-z-]+)`", listed[1])) == known


def test_the_table_of_methods_is_that_of_the_runs():
    """It was lost once, and nobody saw."""
    folder = ROOT / "tests" / "benchmarks"
    table = learning.tables(learning.read_rows(folder / "learning.jsonl")).strip()
    assert table.count("\n") > 50
    assert table in (folder / "README.md").read_text(encoding="utf-8")


def test_the_example_of_a_reader_reads(tmp_path, monkeypatch):
    text = (ROOT / "cad_studio" / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "some.list").write_text("a.png\telm|oak\nb.png\toak\n")
    READERS.names()
    # What the example registers is forgotten with the test.
    monkeypatch.setattr(READERS, "_members", dict(READERS._members))
    exec(compile(code, "example", "exec"), {})
    reader = READERS.get("list")()
    assert reader.recognises("some.list")
    found = reader.read(str(tmp_path / "some.list"), ReadOptions(), Silent())
    assert found.class_names == ["elm", "oak"]
    assert [found.candidates.of(row) for row in range(2)] == [[0, 1], [1]]
    assert found.images.read(1) == (tmp_path / "b.png").read_bytes()
