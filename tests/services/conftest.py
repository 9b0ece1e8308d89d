"""A new project for each test, or a copy of one with an editor, or an editor and a run."""

import shutil

import pytest

from cad_studio.config import AppConfig
from cad_studio.services.container import Services
from tests.services.edited import with_editor, with_run


@pytest.fixture
def services(tmp_path):
    services = Services(AppConfig(tmp_path / "project"))
    yield services
    services.close()


@pytest.fixture(scope="session")
def _edited(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edited")
    services = Services(AppConfig(folder / "project"))
    with_editor(services, folder)
    services.close()
    return folder / "project"


@pytest.fixture(scope="session")
def _judged(_edited, tmp_path_factory):
    folder = shutil.copytree(_edited, tmp_path_factory.mktemp("judged") / "project")
    services = Services(AppConfig(folder))
    with_run(services)
    services.close()
    return folder


@pytest.fixture
def edited(_edited, tmp_path):
    """Services over a project with a dataset "b" and its trained editor."""
    services = Services(AppConfig(shutil.copytree(_edited, tmp_path / "project")))
    yield services
    services.close()


@pytest.fixture
def judged(_judged, tmp_path):
    """Services over a project with a dataset "b", its trained editor and a run that judges."""
    services = Services(AppConfig(shutil.copytree(_judged, tmp_path / "project")))
    yield services
    services.close()
