"""The Diagnose page: what a run confuses, on which samples, why, and what changed."""

from cad_studio.core.errors import SettingError
from cad_studio.services.container import Services
from cad_studio.ui.actions import Wanted, changing
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.tabs._base import TABS, Tab

_MOST_ROWS = 100_000


def build(services: Services) -> None:
    """Make the page. What it starts are jobs, which a read-only studio refuses."""

    def diagnose(wanted: Wanted) -> Wanted:
        return services.diagnosis.submit(int(wanted["run"]))

    def lay_out(wanted: Wanted) -> Wanted:
        return services.diagnosis.maps.submit(
            str(wanted["name"]), str(wanted["features"]), "umap", int(wanted.get("seed", 0))
        )

    def find_suspects(wanted: Wanted) -> Wanted:
        return services.diagnosis.suspects.submit(str(wanted["name"]), int(wanted["run"]), "")

    def report(wanted: Wanted) -> Wanted:
        against = wanted.get("against")
        return services.diagnosis.report.submit(
            int(wanted["run"]), None if against is None else int(against)
        )

    @answers_errors
    def pairs_among(wanted: Wanted) -> Wanted:
        rows = [int(row) for row in wanted["rows"]]
        if len(rows) > _MOST_ROWS:
            raise SettingError(
                f"{len(rows):,} samples are selected; pairs are shown for at most {_MOST_ROWS:,}."
            )
        return services.diagnosis.instances.pairs_among(int(wanted["run"]), rows)

    actions = [changing(services, each) for each in (diagnose, lay_out, find_suspects, report)]
    viewer("diagnose_page", "diagnose-page", [*actions, pairs_among])


TABS.register("diagnose")(Tab("Diagnose", 40, build))
