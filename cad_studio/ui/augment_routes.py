"""What the Augmentations page reads over HTTP: previews, texts, stored edits and sample grids."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import FileResponse, Response

from cad_studio.core.errors import SettingError
from cad_studio.core.settings import describe_settings
from cad_studio.services.container import Services
from cad_studio.services.datasets.pictures import SPRITE_COLUMNS
from cad_studio.services.edits.plan import EditBudget
from cad_studio.services.edits.previews import PreviewRequest
from cad_studio.services.edits.sets import ORDERS, GalleryFilter
from cad_studio.ui.addresses import PREFIX, sprite_entry
from cad_studio.ui.answers import CHANGING, LASTING, Answered, OpenServices, of_kind
from cad_studio.ui.requests import (
    MaybeReal,
    MaybeWhole,
    RowText,
    Text,
    Whole,
    row_list,
    two_numbers,
)
from cad_studio.views.augmentation import (
    AugmentOffersView,
    EditView,
    GalleryView,
    LookView,
    PromptsView,
)
from cad_studio.views.pictures import SpriteView

router = APIRouter(route_class=Answered, prefix="/augment", tags=["Augmentations"])
_MOST_IN_PAGE = 200


class LookQuery(BaseModel):
    """What to look at.

    Attributes:
        rows: One sample, or the two of a pair.
        run: The run whose maps and evidence are shown; the best one, unless given.
        cam: `plain` or `contrast`.
        fill: `zero` or `mean`.
        epsilon: What is kept of the background, 0 to 1.
        guides: For each sample the class it is edited towards.
        edits: Whether edits are made too, or activation maps alone.
        strength: Of the in-domain editor, as are `guidance` and `steps`.
        guidance: How much the class counts.
        steps: How many steps an edit takes.
    """

    rows: RowText = ""
    run: MaybeWhole = None
    cam: str = ""
    fill: str = ""
    epsilon: MaybeReal = None
    guides: RowText = ""
    edits: bool = True
    strength: MaybeReal = None
    guidance: MaybeReal = None
    steps: MaybeWhole = None

    def request(self) -> PreviewRequest:
        """As the services take it.

        Raises:
            SettingError: A part of it cannot be read, or is out of range.
        """
        live = {"strength": self.strength, "guidance": self.guidance, "steps": self.steps}
        return PreviewRequest(
            rows=tuple(row_list(self.rows)),
            run=self.run,
            cam=self.cam or "contrast",
            fill=self.fill or "zero",
            epsilon=self.epsilon,
            guides=tuple(row_list(self.guides, "guides")) if self.guides else None,
            settings={name: value for name, value in live.items() if value is not None},
            with_edits=self.edits,
        )


class GalleryQuery(BaseModel):
    """A part of a list of edits.

    Attributes:
        run: The run that judges them.
        order: How they are sorted.
        classes: Two classes such as `3-4`: only edits of samples that hold both, towards either.
        least: An edit whose class is less probable fails, 0 to 1.
        failing: Only edits that fail.
        offset: How many to leave out at the start.
        limit: How many to give, at most 200.
    """

    run: MaybeWhole = None
    order: str = ""
    classes: str = ""
    least: MaybeReal = None
    failing: bool = False
    offset: Whole = 0
    limit: Whole = 60


@router.get("/sets/{set}/gallery")
def gallery(
    services: OpenServices, set: Whole, wanted: Annotated[GalleryQuery, Query()]
) -> GalleryView:
    """Edits of a set with what a run says of them."""
    classes = two_numbers("classes", wanted.classes)
    chosen = GalleryFilter(wanted.order or "worst", classes, wanted.least or 0.0, wanted.failing)
    judge = None if wanted.run is None else services.judges.open(wanted.run).key
    limit = min(max(1, wanted.limit), _MOST_IN_PAGE)
    found = services.edit_sets.gallery(set, judge, chosen, max(0, wanted.offset), limit)
    return {
        **found,
        "sprite": _edits_sheet(services, set, found["edits"]),
        "sources": _sources_sheet(services, set, found["edits"]),
    }


@router.get("/sets/{set}/{content}/sprite.png", **of_kind("image/png"))
def sheet(services: OpenServices, set: Whole, content: str, edits: RowText = "") -> Response:
    """Edits on one sheet; `content` is the hash of this very sheet."""
    numbers = row_list(edits, "edits")
    found = services.edit_sets.sprite(set, numbers)
    # What a browser keeps must be this very sheet, not one of another project at this address.
    is_it = content == services.edit_sets.sheet_hash(set, numbers)
    return Response(found, media_type="image/png", headers=LASTING if is_it else CHANGING)


@router.get("/editors/{editor}/samples/{epoch}.png", **of_kind("image/png"))
def samples(services: OpenServices, editor: Whole, epoch: Whole) -> FileResponse:
    """What an editor drew of each class after an epoch of its training."""
    if epoch < 0:
        raise SettingError(f"epoch is {epoch}; the first is 0.")
    return FileResponse(services.edit_models.samples(editor, epoch), headers=CHANGING)


@router.get("/{name}/offers")
def offers(services: OpenServices, name: Text) -> AugmentOffersView:
    """The editors, judges and stored edits of a dataset."""
    record = services.datasets.get(name)
    has_images = record.kind == "images"
    return {
        "class_names": record.class_names,
        "has_images": has_images,
        "editors": services.editors.offers(name) if has_images else [],
        "judges": services.judges.offered(name),
        "sets": services.edit_sets.all(name),
        "models": services.edit_models.all(name),
        "budget": describe_settings(EditBudget),
        "orders": ORDERS,
        "epsilon": services.previews.epsilon(name) if has_images else None,
    }


@router.get("/{name}/look")
def look(services: OpenServices, name: str, wanted: Annotated[LookQuery, Query()]) -> LookView:
    """Where a run sees each candidate in a sample, and the sample edited towards each."""
    return services.previews.look(name, wanted.request())


@router.get("/{name}/prompts")
def prompts(services: OpenServices, name: str) -> PromptsView:
    """The texts that name the classes to an editor."""
    return services.prompts.table(name)


def _edits_sheet(services: Services, number: int, edits: list[EditView]) -> SpriteView | None:
    """Where a sheet of edits is, and how it is laid out."""
    if not edits:
        return None
    numbers = [edit["id"] for edit in edits]
    edit_set = services.project.edits.get(number)
    content = services.edit_sets.sheet_hash(number, numbers)
    listed = ",".join(map(str, numbers))
    return {
        "url": f"{PREFIX}/augment/sets/{number}/{content}/sprite.png?edits={listed}",
        "columns": SPRITE_COLUMNS,
        "px": services.edit_sets.cell_px(edit_set),
        "lines": -(-len(edits) // SPRITE_COLUMNS),
    }


def _sources_sheet(services: Services, number: int, edits: list[EditView]) -> SpriteView | None:
    """The sheet of what the edits were made from, one cell an edit."""
    name = services.edit_sets.name_of(services.project.edits.get(number))
    return sprite_entry(services, name, [edit["row"] for edit in edits])
