"""The Annotate page: go through a queue and decide by keys."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from cad_studio.core.errors import NotReadyError, SettingError
from cad_studio.core.records import ACTIVE, Job
from cad_studio.services.annotation.action_requests import CLASS_KINDS, ActionRequest
from cad_studio.services.container import Services
from cad_studio.services.pairs.pairs import PairFilter
from cad_studio.ui.actions import Action, Told
from cad_studio.ui.annotation_routes import painted
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.deciding import deciding
from cad_studio.ui.division_actions import chosen_rows
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.requests import Asked, MaybeBlank, OfDataset, PageSearch, Whole, read_request
from cad_studio.ui.tabs._base import TABS, Tab

_JOBS_LOOKED_AT = 100
_LARGEST_TEXT = 64 * 2**20
Rows = list[Annotated[int, Field(ge=0)]]


class Annotating(OfDataset):
    """About a dataset, by an annotator; `who` counts where nobody logs in."""

    who: MaybeBlank = ""


class OfQueue(Annotating):
    """About a queue of the dataset."""

    queue: Whole


class TakingItems(OfQueue):
    """The next items of a queue."""

    count: Whole = 5


class OpeningQueue(Annotating):
    """A queue by its order and settings, made where there is none yet."""

    order: str
    settings: dict[str, Any] | None = None
    overlap: Whole = 1
    title: MaybeBlank = ""


class Overlapping(OfQueue):
    """How many annotators see each item."""

    overlap: Whole


class Cell(Asked):
    """A cell of the matrix of a search: the pairs of two classes, or all of them."""

    mining: Whole
    classes: Annotated[list[str], Field(min_length=2, max_length=2)] | None = None
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None


class Selecting(Annotating):
    """Samples to be kept as a selection, by exactly one of `rows`, `filter` and `cell`.

    Attributes:
        run: Whose suspects say why each is in it.
    """

    rows: Rows | None = None
    filter: PageSearch | None = None
    cell: Cell | None = None
    title: MaybeBlank = ""
    source: str = "rows"
    run: Whole | None = None


class Bulk(OfDataset):
    """An action on all rows of a selection, or on a class; its parts are `ActionRequest`."""

    action: dict[str, Any]
    selection: Whole | None = None


class Restoring(OfDataset):
    """Sets as they were after the action of this number."""

    number: Whole
    action: dict[str, Any]
    rows: Rows | None = None


class Exporting(OfDataset):
    """A file of what was annotated, of a selection alone or of all."""

    format: str
    only_changed: bool = False
    selection: Whole | None = None


class Corrections(OfDataset):
    """The text of a file of corrections."""

    file_name: str
    text: str


class Correcting(Corrections):
    """Corrections to be made."""

    action: dict[str, Any]


def build(services: Services) -> None:
    """Make the page."""
    viewer("annotate_page", "annotate-page", [answers_errors(each) for each in _actions(services)])


def _actions(services: Services) -> list[Action]:
    """What the page may ask for that changes the project, by the name it calls it."""
    return [deciding(services), *_of_queues(services), *_of_many(services), *_of_files(services)]


def _of_queues(services: Services) -> list[Action]:
    def take(asked: TakingItems) -> Told:
        services.access.require("annotator")
        name, who = asked.dataset, asked.who
        queue, job = services.queues.get(name, asked.queue), None
        if not services.queues.is_ready(name, queue):
            job = _preparing(services, name, queue.settings["features"])
        problem = None if job is None or job.status != "failed" else job.error
        try:
            items = services.queues.take(name, queue.id, who, asked.count)
        except NotReadyError as error:  # nothing can be put forward by what is known so far
            if problem:
                return {"error": problem}
            return {"waits": str(error)} if job is None else {"job": job.id}
        cards = [
            painted(services, name, card) for card in services.cards.of_items(name, items, who)
        ]
        described = services.queues.describe(queue, who)
        return {"cards": cards, "queue": described, "problem": problem}

    def open_queue(asked: OpeningQueue) -> Told:
        queue = services.queues.open(
            asked.dataset, asked.order, asked.who, asked.settings, asked.overlap, asked.title
        )
        if not services.queues.is_ready(asked.dataset, queue):
            _preparing(services, asked.dataset, queue.settings["features"], again=True)
        return {"queue": services.queues.describe(queue, asked.who)}

    def release(asked: OfQueue) -> Told:
        services.queues.release(asked.dataset, asked.queue, asked.who)
        return {}

    def overlap(asked: Overlapping) -> Told:
        services.queues.set_overlap(asked.dataset, asked.queue, asked.overlap)
        return {}

    return [take, open_queue, release, overlap]


def _of_many(services: Services) -> list[Action]:
    def select(asked: Selecting) -> Told:
        rows, source, reasons = _chosen_rows(services, asked), asked.source, None
        if asked.run is not None:
            said = services.diagnosis.suspects.reasons(asked.dataset, asked.run)
            known = [said.get(row, "") for row in rows]
            if any(known):
                reasons = [why or "In the selection." for why in known]
                source = "suspects" if all(known) else source
        made = services.queues.store_selection(
            asked.dataset, rows, asked.title, source, reasons, asked.who
        )
        order = "suspects" if made.source == "suspects" else "selection"
        return {
            "selection": made.id, "title": made.title, "n_rows": len(made.rows), "order": order,
        }  # fmt: skip

    def preview(asked: Bulk) -> Told:
        rows, request = _bulk(services, asked)
        return services.annotation.preview(asked.dataset, request) | {"asked": len(rows)}

    def bulk(asked: Bulk) -> Told:
        _, request = _bulk(services, asked)
        return services.annotation.act(asked.dataset, request)

    def restore(asked: Restoring) -> Told:
        request = read_request(ActionRequest, {**asked.action, "kind": "restore"})
        return services.history.restore(asked.dataset, asked.number, asked.rows, request)

    return [select, preview, bulk, restore]


def _of_files(services: Services) -> list[Action]:
    def export(asked: Exporting) -> Told:
        name = asked.dataset
        services.datasets.get(name)
        arguments = {
            "name": name, "format": asked.format, "only_changed": asked.only_changed,
            "selection": asked.selection,
        }  # fmt: skip
        return {"job": services.jobs.submit("export-annotation", arguments).id}

    def difference(asked: Corrections) -> Told:
        services.require_writable()
        with _kept(asked) as file:
            return services.corrections.preview(asked.dataset, file)

    def correct(asked: Correcting) -> Told:
        services.require_writable()
        request = read_request(ActionRequest, {**asked.action, "kind": "correct"})
        with _kept(asked) as file:
            return services.corrections.apply(asked.dataset, file, request)

    return [export, difference, correct]


def _preparing(services: Services, name: str, features: str, again: bool = False) -> Job:
    """The job that finds the neighbours a queue needs; one for everybody who waits for it.

    One that failed is tried once more when a queue is opened `again`.
    """
    arguments = {"name": name, "features": features}
    for job in [*services.jobs.active(), *services.jobs.recent(_JOBS_LOOKED_AT)]:
        is_it = (job.kind, job.arguments) == ("prepare-queue", arguments)
        if is_it and (job.status in ACTIVE or (job.status == "failed" and not again)):
            return job
        if is_it:
            break
    return services.jobs.submit_for_the_house("prepare-queue", arguments)


def _chosen_rows(services: Services, asked: Selecting) -> list[int]:
    """The rows of a list, of a filter of the Dataset page, or of a cell of the Pairs page."""
    name = asked.dataset
    if sum(each is not None for each in (asked.rows, asked.filter, asked.cell)) != 1:
        raise SettingError("A selection is made by one of 'rows', 'filter' and 'cell'.")
    if asked.filter is not None:
        return chosen_rows(services, name, asked.filter)
    if asked.cell is not None:
        cell = asked.cell
        classes = (cell.classes[0], cell.classes[1]) if cell.classes else None
        chosen = PairFilter(cell.threshold, classes)
        return services.pairs.member_rows(name, cell.mining, chosen)
    assert asked.rows is not None
    return asked.rows


def _bulk(services: Services, asked: Bulk) -> tuple[list[int], ActionRequest]:
    """An action on all rows of a stored selection, or on a class."""
    if asked.action.get("kind") in CLASS_KINDS:
        return [], read_request(ActionRequest, asked.action)
    if asked.selection is None:
        raise SettingError("The request lacks 'selection'.")
    selection = services.queues.selection(asked.dataset, asked.selection)
    request = read_request(ActionRequest, {**asked.action, "rows": selection.rows})
    if request.kind not in {"add", "remove", "set", "decide", "tag", "untag"}:
        raise SettingError(f"{request.kind!r} is not done to many samples at once.")
    return selection.rows, request


@contextmanager
def _kept(asked: Corrections) -> Iterator[Path]:
    """The text of a file that the page sends, as a file of that ending."""
    suffix = Path(asked.file_name).suffix.lower()
    if not re.fullmatch(r"(\.[a-z0-9]{1,8})?", suffix):
        raise SettingError(f"{asked.file_name[:60]!r} is not a valid name of a file.")
    if len(asked.text) > _LARGEST_TEXT:
        raise SettingError("A file of corrections is text of at most 64 MB; use the command line.")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"corrections{suffix}"
        file.write_text(asked.text, encoding="utf-8")
        yield file


TABS.register("annotate")(Tab("Annotate", 50, build))
