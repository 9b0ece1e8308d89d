"""The Diagnose page: what a run confuses, on which samples, why, and what changed."""

from cad_studio.core.errors import SettingError
from cad_studio.services.container import Services
from cad_studio.ui.actions import Wanted, changing
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.deciding import is_row
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.parts import Parts
from cad_studio.ui.tabs._base import TABS, Tab

_MOST_ROWS = 100_000


def build(services: Services) -> None:
    """Make the page. What it starts are jobs, which a read-only studio refuses."""

    def diagnose(wanted: Parts) -> Wanted:
        return services.diagnosis.submit(wanted.number("run"))

    def lay_out(wanted: Parts) -> Wanted:
        return services.diagnosis.maps.submit(
            str(wanted["name"]), str(wanted["features"]), "umap", wanted.number("seed", 0)
        )

    def find_suspects(wanted: Parts) -> Wanted:
        return services.diagnosis.suspects.submit(str(wanted["name"]), wanted.number("run"), "")

    def report(wanted: Parts) -> Wanted:
        against = None if wanted.get("against") is None else wanted.number("against")
        return services.diagnosis.report.submit(wanted.number("run"), against)

    @answers_errors
    def pairs_among(wanted: Parts) -> Wanted:
        rows = wanted.part("rows", list)
        if not all(map(is_row, rows)):
            raise SettingError("rows must be whole numbers, of samples.")
        if len(rows) > _MOST_ROWS:
            raise SettingError(
                f"{len(rows):,} samples are selected; pairs are shown for at most {_MOST_ROWS:,}."
            )
        return services.diagnosis.instances.pairs_among(wanted.number("run"), rows)

    actions = [changing(services, each) for each in (diagnose, lay_out, find_suspects, report)]
    viewer("diagnose_page", "diagnose-page", [*actions, pairs_among])


TABS.register("diagnose")(Tab("Diagnose", 40, build))
