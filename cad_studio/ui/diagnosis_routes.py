"""What the Diagnose page reads over HTTP: matrices, tables, maps, suspects, comparisons."""

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from cad_studio.core.errors import SettingError
from cad_studio.services.container import Services
from cad_studio.services.datasets.datasets import MAX_MATRIX_CLASSES
from cad_studio.services.diagnosis.suspects import OF_THE_JUDGE, told
from cad_studio.ui.addresses import sprite_entry
from cad_studio.ui.answers import CHANGING, Answered, OpenServices, of_kind
from cad_studio.ui.loop_routes import sets_now
from cad_studio.ui.requests import MaybeText, MaybeWhole, RowText, Text, Whole, row_list
from cad_studio.views.comparison import ComparisonView
from cad_studio.views.datasets import FieldsView
from cad_studio.views.diagnosis import (
    CameApartView,
    CellView,
    ClassesView,
    ColoursView,
    DiagnosedPairView,
    DiagnosedRunsView,
    DiagnosedSampleView,
    EntanglementView,
    MapView,
    OverviewView,
    ReliabilityView,
    SlicesView,
    TilesView,
)
from cad_studio.views.suspects import SuspectsView, SuspectView

router = APIRouter(route_class=Answered, prefix="/diagnosis", tags=["Diagnosis"])
Split = Annotated[MaybeText, Query(description="A split, conditions on fields after a `?`.")]
Against = Annotated[MaybeWhole, Query(description="A run that this one is held against.")]
_BYTES = of_kind("application/octet-stream")
_MOST_TILES = 200
_MOST_ROWS = 100_000


@router.get("/compare")
def compare(services: OpenServices, runs: RowText = "", split: Split = None) -> ComparisonView:
    """Figures of several runs, and how the later ones differ from the first."""
    return services.diagnosis.comparison.compare(row_list(runs, "runs"), split)


@router.get("/of/{name}")
def diagnosed(services: OpenServices, name: str) -> DiagnosedRunsView:
    """The runs of a dataset, whether each was diagnosed, and the maps that can be drawn."""
    services.datasets.get(name)
    found = services.diagnosis.runs(name)
    ready = [run["id"] for run in found if run["is_ready"]]
    return {"runs": found, "maps": services.diagnosis.maps.offered(name, ready)}


class MapQuery(BaseModel):
    """Which map.

    Attributes:
        features: An extractor, or `run:` and a number.
        seed: Of the layout.
        stage: `pca`, or a later one that is better.
    """

    features: Text = "pixels"
    seed: Whole = 0
    stage: Text = "pca"


@router.get("/map/{name}")
def map_state(services: OpenServices, name: str, wanted: Annotated[MapQuery, Query()]) -> MapView:
    """Which stages of a map there are."""
    return services.diagnosis.maps.state(name, wanted.features, wanted.seed)


@router.get("/map/{name}/points", **_BYTES)
def map_points(services: OpenServices, name: str, wanted: Annotated[MapQuery, Query()]) -> Response:
    """The places of all samples: 16-bit numbers, little-endian, x and y of each in turn."""
    places = services.diagnosis.maps.points(name, wanted.features, wanted.stage, wanted.seed)
    # The origin of the features is no part of the address, so the browser asks each time.
    return _bytes(places.astype("<u2").tobytes())


class OverviewQuery(BaseModel):
    """What the overview shows.

    Attributes:
        split: A split, conditions on fields after a `?`.
        against: A run that this one is held against.
        most: Classes of the matrix, 2 to 60.
        order: How its classes are sorted.
        find: Part of a class name.
    """

    split: MaybeText = None
    against: MaybeWhole = None
    most: Whole = 24
    order: Text = "similar"
    find: Annotated[str, Field(max_length=100)] = ""


@router.get("/{run}/overview")
def overview(
    services: OpenServices, run: Whole, wanted: Annotated[OverviewQuery, Query()]
) -> OverviewView:
    """Figures of a run and its confusion or ambiguity matrix."""
    found = services.diagnosis.confusion.overview(
        run,
        wanted.split,
        min(max(2, wanted.most), MAX_MATRIX_CLASSES),
        wanted.order,
        wanted.find,
    )
    if wanted.against:
        # held against a run whose dataset has no such split, figures stand alone
        compared = services.diagnosis.comparison.compare([wanted.against, run], wanted.split)
        found["differences"] = {
            figure["key"]: figure["differences"][1] for figure in compared["figures"]
        }
        found["changes"] = compared["changes"]
    return found


@router.get("/{run}/classes")
def classes(services: OpenServices, run: Whole, split: Split = None) -> ClassesView:
    """Figures of each class."""
    return services.diagnosis.confusion.classes(run, split)


@router.get("/{run}/reliability")
def reliability(
    services: OpenServices, run: Whole, label: Annotated[Whole, Query(alias="class")],
    split: Split = None,
) -> ReliabilityView:  # fmt: skip
    """How often a run is right about a class, by how sure it is."""
    return services.diagnosis.confusion.reliability(run, label, split)


@router.get("/{run}/entanglement")
def entanglement(services: OpenServices, run: Whole, split: Split = None) -> EntanglementView:
    """Accuracy by how entangled samples are."""
    return services.diagnosis.confusion.entanglement(run, split)


class CellQuery(BaseModel):
    """Which samples of a run.

    Attributes:
        what: `fixed`, `broken` or `moved` against another run, or a cell of a matrix.
        against: The other run.
        a: Row of the cell, a class.
        b: Column of the cell, a class.
        split: A split, conditions on fields after a `?`.
        limit: Tiles of the first samples that come with them, at most 200.
    """

    what: Text = ""
    against: MaybeWhole = None
    a: MaybeWhole = None
    b: MaybeWhole = None
    split: MaybeText = None
    limit: Whole = 120

    def given(self, name: str) -> int:
        """A number that this kind of question needs.

        Raises:
            SettingError: It was not given.
        """
        value: int | None = getattr(self, name)
        if value is None:
            raise SettingError(f"The request lacks {name!r}.")
        return value


@router.get("/{run}/rows")
def rows(services: OpenServices, run: Whole, wanted: Annotated[CellQuery, Query()]) -> CellView:
    """Samples of a cell, or of a change, with the first tiles."""
    what, split = wanted.what, wanted.split
    if what in {"fixed", "broken", "moved"}:
        found = services.diagnosis.comparison.rows(wanted.given("against"), run, what, split)
    else:
        a, b = wanted.given("a"), wanted.given("b")
        found = services.diagnosis.confusion.cell(run, what, a, b, split)
    listed = found[:_MOST_ROWS].tolist()
    first = listed[: max(0, min(wanted.limit, _MOST_TILES))]
    return {"total": len(found), "rows": listed, "tiles": _tiles_of(services, run, first)}


@router.get("/{run}/tiles")
def tiles(services: OpenServices, run: Whole, rows: RowText = "") -> TilesView:
    """Some samples as a run sees them, at most 200."""
    wanted = row_list(rows)
    if len(wanted) > _MOST_TILES:
        raise SettingError(f"At most {_MOST_TILES} tiles at once; {len(wanted)} are asked for.")
    return _tiles_of(services, run, wanted)


def _tiles_of(services: Services, run: int, rows: list[int]) -> TilesView:
    found = services.diagnosis.instances.tiles(run, rows)
    name = services.diagnosis.predictions.load(run).data.record.name
    return {**found, "sprite": sprite_entry(services, name, rows)}


@router.get("/{run}/colours")
def colours(services: OpenServices, run: Whole, against: Against = None) -> ColoursView:
    """What a map can be coloured by, and what the columns of `/columns` hold."""
    return services.diagnosis.colours.describe(run, against or None)


@router.get("/{run}/columns", **_BYTES)
def columns(services: OpenServices, run: Whole, against: Against = None) -> Response:
    """The columns that `/colours` describes, one after the other."""
    return _bytes(services.diagnosis.colours.columns(run, against or None))


@router.get("/{run}/field", **_BYTES)
def field(services: OpenServices, run: Whole, field: Text = "") -> Response:
    """A field of the samples as one byte each."""
    return _bytes(services.diagnosis.colours.field_column(run, field))


@router.get("/{run}/slices")
def slices(services: OpenServices, run: Whole, field: Text = "", split: Split = None) -> SlicesView:
    """Figures of a run by the values of a field."""
    return services.diagnosis.slices.of(run, field, split)


@router.get("/{run}/fields")
def fields(services: OpenServices, run: Whole) -> FieldsView:
    """The fields of the dataset that a run was trained on."""
    data = services.diagnosis.predictions.load(run).data
    return services.datasets.fields.describe(data)


class SuspectsQuery(BaseModel):
    """A part of the suspects of a run.

    Attributes:
        kind: One kind; the first that there is, unless given.
        split: A split, conditions on fields after a `?`.
        offset: How many to leave out at the start.
    """

    kind: Text = ""
    split: MaybeText = None
    offset: Whole = 0


@router.get("/{run}/suspects")
def suspects(
    services: OpenServices, run: Whole, wanted: Annotated[SuspectsQuery, Query()]
) -> SuspectsView:
    """The suspects of one kind, some of them, with how many there are of each."""
    name = services.diagnosis.predictions.load(run).data.record.name
    found = services.diagnosis.suspects.known(name, run)
    if found is None:
        return {"known": False}
    found = told(found)
    waiting = _waiting(services, name, found["suspects"])
    # of a kind that is listed in part, those beyond the list are counted too
    beyond = {k: n - sum(each["kind"] == k for each in found["suspects"])
              for k, n in found["counts"].items()}  # fmt: skip
    _, _, condition = (wanted.split or "").partition("?")
    if condition:
        inside = services.datasets.fields.mask(services.datasets.load(name), [condition])
        waiting = [each for each in waiting if inside[each["row"]]]
        beyond = dict.fromkeys(beyond, 0)
    counts = Counter(each["kind"] for each in waiting)
    shown = {k: counts[k] + beyond[k] for k in found["counts"]}
    kind = wanted.kind or next((k for k, n in shown.items() if n), "outside")
    if kind not in shown:
        known = ", ".join(shown)
        raise SettingError(f"{kind[:40]!r} is no kind of suspect. Allowed: {known}.")
    listed = [each for each in waiting if each["kind"] == kind]
    offset = max(0, wanted.offset)
    page = listed[offset : offset + 50]
    rows = [row for each in page for row in (each["row"], each["other"]) if row is not None]
    sets = sets_now(services, name, [each["row"] for each in page])
    sprite = sprite_entry(services, name, rows)
    return {
        **{key: found[key] for key in ("n", "features", "version", "judge", "found_on")},
        "counts": shown,
        "by_run": found["run"],
        "is_weak": found["is_weak"] and kind in OF_THE_JUDGE,
        "answered": len(found["suspects"]) - len(waiting),
        "known": True,
        "kind": kind,
        "listed": len(listed),
        "offset": offset,
        "suspects": [{**each, "candidates": held} for each, held in zip(page, sets, strict=True)],
        "rows": [each["row"] for each in listed],
        "by_label": Counter(each["label"] for each in listed if each["label"] is not None),
        "sprite": sprite,
    }


def _waiting(services: Services, name: str, suspects: list[SuspectView]) -> list[SuspectView]:
    """Those about which nobody has given an answer yet."""
    answered = set(services.sets.answered_rows(name).tolist())
    return [each for each in suspects if each["row"] not in answered]


@router.get("/{run}/instance/{row}")
def instance(services: OpenServices, run: Whole, row: Whole) -> DiagnosedSampleView:
    """One sample as all diagnosed runs of its dataset see it."""
    found = services.diagnosis.instances.instance(run, row)
    name = services.diagnosis.predictions.load(run).data.record.name
    for each in found["runs"]:
        near = each["neighbours"]
        near["sprite"] = sprite_entry(services, name, near["rows"])
    found["pairs_sprite"] = sprite_entry(services, name, found["pairs"])
    return found


@router.get("/{run}/apart")
def came_apart(services: OpenServices, run: Whole) -> CameApartView:
    """Entangled pairs that the run tells apart, and those that it does not."""
    return services.diagnosis.instances.came_apart(run)


@router.get("/{run}/pair/{i}-{j}")
def pair(services: OpenServices, run: Whole, i: Whole, j: Whole) -> DiagnosedPairView:
    """Two samples as a run sees them."""
    return services.diagnosis.instances.pair(run, i, j)


def _bytes(body: bytes) -> Response:
    return Response(body, media_type="application/octet-stream", headers=CHANGING)
