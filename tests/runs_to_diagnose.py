"""A project with two small runs, for the tests of commands, routes and pages."""

from pathlib import Path

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from tests.services.test_training import pictures, train

SHADES = "shades"


def project_with_runs(folder: Path, prepared: bool = True) -> tuple[Services, int, int]:
    """Services over a new project, and the numbers of two runs that differ in their seed."""
    services = Services(AppConfig(folder / "project"))
    pictures(services, folder)
    runs = [train(services, epochs=2, seed=seed)["run"] for seed in (0, 1)]
    if prepared:
        for run in runs:
            services.diagnosis.prepare(run, Silent())
    return services, *runs
