"""A new project for each test."""

import pytest

from cad_studio.config import AppConfig
from cad_studio.services.container import Services


@pytest.fixture
def services(tmp_path):
    services = Services(AppConfig(tmp_path / "project"))
    yield services
    services.close()
