"""Whatever a page, or somebody in its place, asks for: what is wrong with it is told in words."""

import logging

import pytest

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.container import Services
from cad_studio.ui.app import build_window
from cad_studio.ui.routes import build_api, described
from tests.jobs.null_runner import NoWorkers
from tests.ui.small_project import VECTORS, functions_of, vectors

_DEEP: list = []
for _ in range(400):
    _DEEP = [_DEEP]
WRONG = [None, "x", [], {}, 3.5, True, [None], {"a": None}, 10**30, "\ud800", _DEEP]
"""What a part of a request may be instead."""
NAMES = [
    "name", "dataset", "run", "job", "to", "note", "repo", "private", "features", "rows", "seed",
    "against", "queue", "order", "settings", "title", "overlap", "count", "action", "actions",
    "selection", "number", "filter", "cell", "format", "file_name", "text", "config", "budget",
    "editor", "set", "stale", "descriptions", "template", "threshold", "tag", "path", "method",
    "content", "by",
]  # fmt: skip


@pytest.fixture(scope="module")
def functions(tmp_path_factory):
    """Every function that a script may call, by page and name; no job it starts is run."""
    services = Services(AppConfig(tmp_path_factory.mktemp("asked") / "project"))
    services.queue._runner = NoWorkers(services.project)
    file = vectors(tmp_path_factory.mktemp("source"))
    services.importing.import_source(str(file), VECTORS, ReadOptions(), False, Silent())
    yield functions_of(build_window(services))
    services.close()


def test_every_function_is_found(functions):
    named = {name.rpartition(" ")[2] for name in functions}
    assert {"diagnose", "rename", "remove", "stop", "act", "tag", "report", "make"} <= named
    assert len(functions) > 40


def test_an_empty_or_a_wrong_request_is_answered_in_words(functions, caplog):
    """Diagnose, rename and remove said "Unexpected error", and the log held a KeyError."""
    with caplog.at_level(logging.ERROR):
        for name, function in functions.items():
            for asked in (None, [], "run", 3, {}):
                told = function(asked)
                if asked != {}:
                    assert "not a request" in told["error"], (name, asked)
            for wrong in WRONG:
                all_wrong = {each: wrong for each in NAMES}
                for asked in (all_wrong, {**all_wrong, "name": VECTORS, "dataset": VECTORS}):
                    told = function(asked)
                    assert "Unexpected" not in str(told), (name, asked)
    assert not [record.exc_text for record in caplog.records], caplog.text[-3000:]


ODD = ("x", "-1", "9" * 30, "nan", "", "%00", "a" * 300)
"""What a part of an address may be instead."""


def test_a_wrong_part_of_any_address_is_answered_in_words(client, caplog):
    """Numbers no database holds, infinite thresholds and empty pages ended in a 500."""
    good = {"name": VECTORS, "version": "v", "content": "c", "rows": "0", "features": "1"}
    asked = 0
    with caplog.at_level(logging.ERROR):
        for path, methods in described(build_api()).get("paths", {}).items():
            parts = methods["get"].get("parameters", [])
            for part in parts:
                for odd in ODD:
                    wanted = {each["name"]: good.get(each["name"], "1") for each in parts}
                    wanted[part["name"]] = odd
                    inside = {each["name"] for each in parts if each["in"] == "path"}
                    query = {name: value for name, value in wanted.items() if name not in inside}
                    answer = client.get(path.format(**wanted), params=query)
                    assert answer.status_code in {200, 400, 404}, (path, wanted, answer.text)
                    assert answer.status_code == 200 or answer.json()["error"], (path, wanted)
                    asked += 1
    assert asked > 500
    assert not caplog.records, caplog.text[-3000:]
