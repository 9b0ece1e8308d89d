"""Kinds of jobs stand in one table, which queue, services and the window's scripts read."""

import ast
import json
import re
from pathlib import Path
from types import SimpleNamespace

from cad_studio.core.records import ACTIVE, AT_WORK, ENDED
from cad_studio.services.datasets.export_formats import formats_of
from cad_studio.services.jobs import JobService
from cad_studio.services.operations import KINDS
from cad_studio.ui.tables import window_tables
from cad_studio.ui.tabs._base import TABS

HOUSE = Path(__file__).parents[2] / "cad_studio"
SUBMITS = {"submit", "submit_for_the_house", "run_here", "run_as_job", "run"}


def kinds_named():
    """Every kind that is written out where work is submitted."""
    for path in HOUSE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = [each for each in node.args[:2] if isinstance(each, ast.Constant)]
            if name in SUBMITS and first and isinstance(first[0].value, str):
                yield first[0].value


def test_what_is_submitted_is_in_the_table():
    named = set(kinds_named())
    assert len(named) > 12
    assert named <= set(KINDS)


def test_a_title_is_written_in_the_table_alone():
    """Window and command line called one kind of job by titles of their own."""
    for path in HOUSE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = isinstance(node, ast.Call) and getattr(
                node.func, "attr", getattr(node.func, "id", "")
            )
            if name in SUBMITS and [a for a in node.args if isinstance(a, ast.JoinedStr)]:
                raise AssertionError(f"{path.name}:{node.lineno} writes a title of its own")


def test_a_title_names_what_the_work_is_about():
    told: list[str] = []
    queue = SimpleNamespace(submit=lambda kind, title, arguments: told.append(title))
    titles = {name: kind.title for name, kind in KINDS.items()}
    jobs = JobService(queue, None, lambda: None, titles)
    jobs.submit("mine", {"name": "a {brace}", "features": "hog"})
    jobs.submit("train", {"run": 3}, run="cad-3", dataset="sample")
    assert told == ["Find pairs of a {brace}", "Train cad-3 on sample"]


def test_the_window_has_each_page_that_a_kind_names():
    assert {kind.page for kind in KINDS.values()} - {None} <= set(TABS.names())


def test_scripts_ask_only_for_kinds_in_the_table():
    asked = set()
    for path in (HOUSE / "ui" / "components").glob("*.js"):
        text = path.read_text(encoding="utf-8")
        asked |= set(re.findall(r"\b(?:job|each)\.kind [!=]== '([\w-]+)'", text))
    assert len(asked) > 8
    assert asked <= set(KINDS) | {"text", "undo"}  # a field's kind, and an action's


def test_scripts_get_the_tables_as_they_are():
    told = json.loads(window_tables())
    assert told["active"] == list(ACTIVE)
    assert list(told["jobs"]) == list(KINDS)
    assert told["jobs"]["train"]["stopped"] == KINDS["train"].stopped
    assert [each["name"] for each in told["exports"]] == list(formats_of(annotation=True))


def test_a_status_is_active_or_an_end():
    assert set(AT_WORK) < set(ACTIVE)
    assert not set(ACTIVE) & set(ENDED)


def test_statuses_are_spelled_in_one_place_alone():
    """Six places named the active statuses, and one of them would have been forgotten."""
    several = re.compile(r"""[({\[]\s*["'](?:running|queued|stopping)["'],\s*["']""")
    places = {
        str(path.relative_to(HOUSE))
        for ending in ("py", "js")
        for path in HOUSE.rglob(f"*.{ending}")
        if several.search(path.read_text(encoding="utf-8"))
    }
    assert places == {"core/records.py", "store/migrations/versions/0001_first.py"}
