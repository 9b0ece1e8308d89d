"""The Diagnose page: what a run confuses, on which samples, why, and what changed."""

from typing import Annotated

from pydantic import Field

from cad_studio.core.errors import SettingError
from cad_studio.services.container import Services
from cad_studio.ui.actions import Told, changing
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.requests import Named, OfRun, Whole
from cad_studio.ui.tabs._base import TABS, Tab

_MOST_ROWS = 100_000


class Layout(Named):
    """A map; `features` is an extractor, or `run:` and a number."""

    features: str
    seed: Whole = 0


class Suspecting(Named):
    """A search for suspects by a run."""

    run: Whole


class Reporting(OfRun):
    """A report on a run, held against another."""

    against: Whole | None = None


class Among(OfRun):
    """Pairs among some samples."""

    rows: list[Annotated[int, Field(ge=0)]]


def build(services: Services) -> None:
    """Make the page. What it starts are jobs, which a read-only studio refuses."""

    def diagnose(asked: OfRun) -> Told:
        return services.diagnosis.submit(asked.run)

    def lay_out(asked: Layout) -> Told:
        return services.diagnosis.maps.submit(asked.name, asked.features, "umap", asked.seed)

    def find_suspects(asked: Suspecting) -> Told:
        return services.diagnosis.suspects.submit(asked.name, asked.run, "")

    def report(asked: Reporting) -> Told:
        return services.diagnosis.report.submit(asked.run, asked.against)

    @answers_errors
    def pairs_among(asked: Among) -> Told:
        if len(asked.rows) > _MOST_ROWS:
            raise SettingError(
                f"{len(asked.rows):,} samples are selected; pairs are shown for at most "
                f"{_MOST_ROWS:,}."
            )
        return services.diagnosis.instances.pairs_among(asked.run, asked.rows)

    actions = [changing(services, each) for each in (diagnose, lay_out, find_suspects, report)]
    viewer("diagnose_page", "diagnose-page", [*actions, pairs_among])


TABS.register("diagnose")(Tab("Diagnose", 40, build))
