"""The Annotate page: go through a queue and decide by keys."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cad_studio.core.errors import NotReadyError, SettingError
from cad_studio.services.action_requests import CLASS_KINDS, ActionRequest
from cad_studio.services.container import Services
from cad_studio.services.pairs import PairFilter
from cad_studio.ui.annotation_routes import painted
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.deciding import Action, Wanted, deciding, is_row, request_of
from cad_studio.ui.division_actions import chosen_rows
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.parts import Parts, parts_of
from cad_studio.ui.tabs._base import TABS, Tab

_LARGEST_TEXT = 64 * 2**20


def build(services: Services) -> None:
    """Make the page."""
    viewer("annotate_page", "annotate-page", [answers_errors(each) for each in _actions(services)])


def _actions(services: Services) -> list[Action]:
    """What the page may ask for that changes the project, by the name it calls it."""

    def take(wanted: Parts) -> Wanted:
        services.access.require("annotator")
        name, who = str(wanted["dataset"]), str(wanted.get("who", ""))
        queue = services.queues.get(name, wanted.number("queue"))
        if not services.queues.is_ready(name, queue):
            features = queue.settings["features"]
            return {"job": _preparing(services, name, features)}
        try:
            items = services.queues.take(name, queue.id, who, wanted.number("count", 5))
        except NotReadyError as error:
            return {"waits": str(error)}
        cards = [painted(services, name, services.cards.of_item(name, item, who)) for item in items]
        return {"cards": cards, "queue": services.queues.describe(queue, who)}

    def open_queue(wanted: Parts) -> Wanted:
        name, who = str(wanted["dataset"]), str(wanted.get("who", ""))
        queue = services.queues.open(
            name, str(wanted["order"]), who, dict(parts_of(wanted.get("settings") or {})),
            wanted.number("overlap", 1), str(wanted.get("title", "")),
        )  # fmt: skip
        return {"queue": services.queues.describe(queue, who)}

    def select(wanted: Parts) -> Wanted:
        rows = _chosen_rows(services, wanted)
        source, reasons = str(wanted.get("source", "rows")), None
        if "run" in wanted:
            said = services.diagnosis.suspects.reasons(str(wanted["dataset"]), wanted.number("run"))
            known = [said.get(row, "") for row in rows]
            if any(known):
                reasons = [why or "In the selection." for why in known]
                source = "suspects" if all(known) else source
        made = services.queues.store_selection(
            str(wanted["dataset"]), rows, str(wanted.get("title", "")), source, reasons,
            str(wanted.get("who", "")),
        )  # fmt: skip
        order = "suspects" if made.source == "suspects" else "selection"
        return {
            "selection": made.id, "title": made.title, "n_rows": len(made.rows), "order": order,
        }  # fmt: skip

    def release(wanted: Parts) -> Wanted:
        services.queues.release(
            str(wanted["dataset"]), wanted.number("queue"), str(wanted.get("who", ""))
        )
        return {}

    def overlap(wanted: Parts) -> Wanted:
        services.queues.set_overlap(
            str(wanted["dataset"]), wanted.number("queue"), wanted.number("overlap")
        )
        return {}

    def preview(wanted: Parts) -> Wanted:
        rows, request = _bulk(services, wanted)
        return services.annotation.preview(str(wanted["dataset"]), request) | {"asked": len(rows)}

    def bulk(wanted: Parts) -> Wanted:
        _, request = _bulk(services, wanted)
        return services.annotation.act(str(wanted["dataset"]), request)

    def restore(wanted: Parts) -> Wanted:
        rows = wanted.get("rows")
        if rows is not None and not (isinstance(rows, list) and all(map(is_row, rows))):
            raise SettingError("The rows to bring back are whole numbers.")
        request = request_of({**wanted.part("action", dict), "kind": "restore"})
        return services.history.restore(
            str(wanted["dataset"]), wanted.number("number"), rows, request
        )

    def export(wanted: Parts) -> Wanted:
        name, form = str(wanted["dataset"]), str(wanted["format"])
        services.datasets.get(name)
        selection = wanted.get("selection")
        arguments = {
            "name": name, "format": form, "only_changed": bool(wanted.get("only_changed")),
            "selection": None if selection is None else wanted.number("selection"),
        }  # fmt: skip
        return {"job": services.jobs.submit("export-annotation", f"Export {name}", arguments).id}

    def difference(wanted: Parts) -> Wanted:
        services.require_writable()
        with _kept(wanted) as file:
            return services.corrections.preview(str(wanted["dataset"]), file)

    def correct(wanted: Parts) -> Wanted:
        services.require_writable()
        request = request_of({**wanted.part("action", dict), "kind": "correct"})
        with _kept(wanted) as file:
            return services.corrections.apply(str(wanted["dataset"]), file, request)

    return [
        deciding(services),
        take,
        open_queue,
        select,
        release,
        overlap,
        preview,
        bulk,
        restore,
        export,
        difference,
        correct,
    ]


def _preparing(services: Services, name: str, features: str) -> int:
    """The job that finds the neighbours a queue needs; one for everybody who waits for it."""
    arguments = {"name": name, "features": features}
    for job in services.jobs.active():
        if (job.kind, job.arguments) == ("prepare-queue", arguments):
            return job.id
    title = f"Find neighbours in {name}"
    return services.jobs.submit_for_the_house("prepare-queue", title, arguments).id


def _chosen_rows(services: Services, wanted: Parts) -> list[int]:
    """The rows of a list, of a filter of the Dataset page, or of a cell of the Pairs page."""
    name = str(wanted["dataset"])
    if "filter" in wanted:
        return chosen_rows(services, name, parts_of(wanted["filter"]))
    if "cell" in wanted:
        cell = parts_of(wanted["cell"])
        classes, threshold = cell.get("classes"), cell.get("threshold")
        if classes and not (isinstance(classes, list) and len(classes) == 2):
            raise SettingError("A cell has two classes.")
        if not isinstance(threshold, int | float | None):
            raise SettingError(f"threshold is {threshold!r:.40}; expected a number.")
        chosen = PairFilter(threshold, (str(classes[0]), str(classes[1])) if classes else None)
        return services.pairs.member_rows(name, cell.number("mining"), chosen)
    rows = wanted["rows"]
    if not isinstance(rows, list) or not all(is_row(row) for row in rows):
        raise SettingError("A selection is a list of whole numbers.")
    return rows


def _bulk(services: Services, wanted: Parts) -> tuple[list[int], ActionRequest]:
    """An action on all rows of a stored selection, or on a class."""
    name, action = str(wanted["dataset"]), wanted["action"]
    if isinstance(action, dict) and action.get("kind") in CLASS_KINDS:
        return [], request_of(action)
    selection = services.queues.selection(name, wanted.number("selection"))
    request = request_of({**wanted.part("action", dict), "rows": selection.rows})
    if request.kind not in {"add", "remove", "set", "decide", "tag", "untag"}:
        raise SettingError(f"{request.kind!r} is not done to many samples at once.")
    return selection.rows, request


@contextmanager
def _kept(wanted: Parts) -> Iterator[Path]:
    """The text of a file that the page sends, as a file of that ending."""
    name, text = str(wanted["file_name"]), wanted["text"]
    if not isinstance(text, str) or len(text) > _LARGEST_TEXT:
        raise SettingError("A file of corrections is text of at most 64 MB; use the command line.")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{Path(name).stem[:60] or 'file'}{Path(name).suffix[:10]}"
        file.write_text(text, encoding="utf-8")
        yield file


TABS.register("annotate")(Tab("Annotate", 50, build))
