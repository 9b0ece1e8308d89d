"""A run that the nodes of a cluster train, started on the Train page."""

import pytest

from cad_studio.config import AppConfig
from cad_studio.services.container import Services
from cad_studio.ui.app import build_window
from cad_studio.ui.training_routes import offers
from tests.jobs.null_runner import NoWorkers
from tests.services.annotating import NAME, make
from tests.ui.small_project import functions_of


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Starts a run on the page of a studio whose jobs work on a cluster at an address."""
    opened = []

    def start(cluster, together):
        monkeypatch.setenv("CAD_CLUSTER", cluster)  # what the processes of jobs read, too
        services = Services(AppConfig(tmp_path / "project"))
        services.queue._runner = NoWorkers(services.project)
        opened.append(services)
        if NAME not in services.datasets.names():
            make(services, tmp_path)
        request = {"dataset": NAME, "method": "proden", "config": {"epochs": 1}}
        asked = {"request": request, "together": together}
        return services, functions_of(build_window(services))["train-page start"](asked)

    yield start
    for services in opened:
        services.close()


def test_its_job_is_for_all_nodes(started):
    services, told = started("10.0.0.1:6379", True)
    assert services.jobs.get(told["job"]).arguments == {"run": told["run"], "together": True}
    assert offers(services, NAME)["has_cluster"]


@pytest.mark.parametrize("cluster", ["", "local"])
def test_without_a_cluster_it_is_refused_and_not_offered(started, cluster):
    services, told = started(cluster, True)
    assert "CAD_CLUSTER" in told["error"]
    assert services.jobs.recent() == []
    assert not offers(services, NAME)["has_cluster"]
    _, alone = started(cluster, False)
    assert services.jobs.get(alone["job"]).arguments == {"run": alone["run"]}
