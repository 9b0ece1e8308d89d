"""Whatever a page, or somebody in its place, asks for: what is wrong with it is told in words."""

import logging

import gradio as gr
import pytest

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.container import Services
from cad_studio.ui.app import build_window
from tests.jobs.null_runner import NoWorkers
from tests.ui.small_project import VECTORS, vectors

WRONG = [None, "x", [], {}, 3.5, True, [None], {"a": None}]
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
    window = build_window(services)
    pages = [block for block in window.blocks.values() if isinstance(block, gr.HTML)]
    yield {
        f"{page.elem_id} {each.__name__}": each
        for page in pages
        for each in page.server_fns
        if each.__module__.startswith("cad_studio.")
    }
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
                    assert "no request" in told["error"], (name, asked)
            for wrong in WRONG:
                all_wrong = {each: wrong for each in NAMES}
                for asked in (all_wrong, {**all_wrong, "name": VECTORS, "dataset": VECTORS}):
                    told = function(asked)
                    assert "Unexpected" not in str(told), (name, asked)
    assert not [record.exc_text for record in caplog.records], caplog.text[-3000:]
