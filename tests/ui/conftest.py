"""One small project for all tests of the window that only look."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cad_studio.ui.addresses import PREFIX
from cad_studio.ui.routes import build_routes
from tests.true_views import _answers_are_as_declared, _answers_are_looked_at
from tests.ui.small_project import build_services

__all__ = ["_answers_are_as_declared", "_answers_are_looked_at"]


@pytest.fixture(scope="session")
def services(tmp_path_factory):
    built = build_services(tmp_path_factory.mktemp("window"))
    yield built
    built.close()


@pytest.fixture(scope="session")
def client(services):
    """Asks the routes by a path below their prefix."""
    app = Starlette(routes=build_routes(services))
    with TestClient(app, f"http://testserver{PREFIX}", raise_server_exceptions=True) as asking:
        yield asking
