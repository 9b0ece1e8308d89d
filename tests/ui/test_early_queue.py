"""A queue of very many samples opens at once; what it needs is found by a job meanwhile."""

import pytest

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.services.annotation import beliefs
from cad_studio.services.container import Services
from cad_studio.services.operations import run_operation
from cad_studio.services.pairs.mining import MiningConfig, MiningRequest
from cad_studio.ui.app import build_window
from tests.jobs.null_runner import NoWorkers
from tests.services.annotating import NAME, label, make
from tests.ui.small_project import functions_of


@pytest.fixture
def window(tmp_path, monkeypatch):
    """A studio for which 60 samples are very many, and what its pages may call."""
    monkeypatch.setattr(beliefs, "AT_ONCE", 10)
    services = Services(AppConfig(tmp_path / "project"))
    services.queue._runner = NoWorkers(services.project)
    make(services, tmp_path)
    services.mining.extract(NAME, "pixels", Silent())
    services.beliefs.is_patient = False
    yield services, functions_of(build_window(services))
    services.close()


def taken(functions, order):
    opened = functions["annotate-page open_queue"](
        {"dataset": NAME, "order": order, "who": "anna", "settings": {"features": "pixels"}}
    )
    asked = {"dataset": NAME, "queue": opened["queue"]["id"], "who": "anna", "count": 3}
    return asked, functions["annotate-page take"](asked)


def test_samples_come_before_their_neighbours_are_found(window):
    services, functions = window
    asked, early = taken(functions, "expected-gain")
    assert len(early["cards"]) == 3
    assert all("Confidence is still being worked out" in card["why"] for card in early["cards"])
    (job,) = services.jobs.active()
    assert job.kind == "prepare-queue"
    functions["annotate-page take"](asked)
    assert len(services.jobs.active()) == 1
    services.beliefs.is_patient = True  # as in the process of the job
    run_operation(services, job.kind, job.arguments, Silent())
    services.beliefs.is_patient = False
    later = functions["annotate-page take"]({**asked, "count": 6})["cards"]
    assert [card["rows"] for card in later[:3]] == [card["rows"] for card in early["cards"]]
    assert all("expected to correct" in card["why"] for card in later[3:])


def test_a_job_that_failed_is_told_and_tried_again_when_the_queue_is_opened_again(window):
    """Every look at the queue began it anew, and nobody was told."""
    services, functions = window
    asked, early = taken(functions, "expected-gain")
    assert early["problem"] is None
    (job,) = services.jobs.active()
    services.project.jobs.change(job.id, ("queued",), status="failed", error="The disk is full.")
    told = functions["annotate-page take"](asked)
    assert (told["problem"], len(told["cards"])) == ("The disk is full.", 3)
    assert services.jobs.active() == []
    taken(functions, "expected-gain")
    assert len(services.jobs.active()) == 1


@pytest.mark.parametrize("labels", ["best", "auto"])
def test_of_pairs_only_those_found_without_true_labels(window, labels):
    """Pairs by true labels would tell an annotator that the two are of different classes."""
    services, functions = window
    services.mining.mine(
        NAME, MiningRequest("pixels", MiningConfig(quantile=0.5), labels), Silent()
    )
    _, early = taken(functions, "entangled")
    assert {len(card["rows"]) for card in early["cards"]} == ({2} if labels == "best" else {1})


def test_where_nothing_is_open_the_page_waits_for_the_job(window):
    services, functions = window
    for row in range(60):
        label(services, row, services.sets.effective(NAME).of(row)[0])
    _, told = taken(functions, "entangled")
    assert told == {"job": services.jobs.active()[0].id}
