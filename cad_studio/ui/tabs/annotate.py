"""The Annotate page: go through a queue and decide by keys."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from cad_studio.core.errors import SettingError
from cad_studio.services.action_requests import CLASS_KINDS, ActionRequest
from cad_studio.services.container import Services
from cad_studio.services.pairs import PairFilter
from cad_studio.ui.annotation_routes import painted
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.division_actions import filter_of
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.tabs._base import TABS, Tab

Wanted = dict[str, Any]
Action = Callable[["Parts"], Wanted]

_MOST_AT_ONCE = 50
_LARGEST_TEXT = 64 * 2**20
_KINDS = {
    "kind": str, "rows": list, "arguments": dict, "who": str, "key": str, "window": str,
    "seconds": float, "why": str, "seen": dict, "shown": dict, "queue": int, "position": int,
    "known": list,
}  # fmt: skip


def build(services: Services) -> None:
    """Make the page."""
    viewer("annotate_page", "annotate-page", [_answering(each) for each in _actions(services)])


def request_of(wanted: Wanted) -> ActionRequest:
    """An action as the page sends it; nothing in it is taken on trust.

    Raises:
        SettingError: A part is missing or of another kind.
    """
    clean: dict[str, Any] = {}
    for name, value in wanted.items():
        kind = _KINDS.get(name)
        if value is None and name in {"seconds", "queue", "position", "known"}:
            continue
        is_number = kind is float and isinstance(value, int | float)
        if kind is None or isinstance(value, bool) or not (is_number or isinstance(value, kind)):
            raise SettingError(f"{name:.40} is {value!r:.80}; it is no part of an action.")
        clean[name] = value
    if not all(_is_row(row) for row in clean.get("rows", [])):
        raise SettingError("The rows of an action are whole numbers.")
    seen = clean.get("seen", {})
    if not all(str(row).isdecimal() and _is_row(last) for row, last in seen.items()):
        raise SettingError("What was seen of rows are whole numbers.")
    clean["seen"] = {int(row): last for row, last in seen.items()}
    if "known" in clean:
        number, digest = clean["known"] if len(clean["known"]) == 2 else (None, None)
        if not _is_row(number) or not isinstance(digest, str):
            raise SettingError("What a window knows to be saved is a number and a digest.")
        clean["known"] = (number, digest)
    if "kind" not in clean or "key" not in clean:
        raise SettingError("An action needs a kind and a key.")
    return ActionRequest(**clean)


def _actions(services: Services) -> list[Action]:
    """What the page may ask for that changes the project, by the name it calls it."""

    def act(wanted: Parts) -> Wanted:
        """Several actions in order, each on the disk before the next; the first refusal ends it."""
        name, answers = str(wanted["dataset"]), []

        @answers_errors
        def one(action: Wanted) -> Wanted:
            return services.annotation.act(name, request_of(action))

        for each in list(wanted["actions"])[:_MOST_AT_ONCE]:
            answers.append(one(each))
            if "error" in answers[-1]:
                break
        return {"answers": answers}

    def take(wanted: Parts) -> Wanted:
        services.access.require("annotator")
        name, who = str(wanted["dataset"]), str(wanted.get("who", ""))
        queue = services.queues.get(name, wanted.number("queue"))
        if not services.queues.is_ready(name, queue):
            features = queue.settings["features"]
            return {"job": _preparing(services, name, features)}
        items = services.queues.take(name, queue.id, who, wanted.number("count", 5))
        cards = [painted(services, name, services.cards.of_item(name, item, who)) for item in items]
        return {"cards": cards, "queue": services.queues.describe(queue, who)}

    def open_queue(wanted: Parts) -> Wanted:
        name, who = str(wanted["dataset"]), str(wanted.get("who", ""))
        queue = services.queues.open(
            name, str(wanted["order"]), who, dict(wanted.get("settings") or {}),
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
        if rows is not None and not (isinstance(rows, list) and all(map(_is_row, rows))):
            raise SettingError("The rows to bring back are whole numbers.")
        request = request_of({**wanted["action"], "kind": "restore"})
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
        request = request_of({**wanted["action"], "kind": "correct"})
        with _kept(wanted) as file:
            return services.corrections.apply(str(wanted["dataset"]), file, request)

    return [
        act,
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


def _chosen_rows(services: Services, wanted: "Parts") -> list[int]:
    """The rows of a list, of a filter of the Dataset page, or of a cell of the Pairs page."""
    name = str(wanted["dataset"])
    if "filter" in wanted:
        return services.datasets.rows(name, filter_of(Parts(wanted["filter"]))).tolist()
    if "cell" in wanted:
        cell = Parts(wanted["cell"])
        classes, threshold = cell.get("classes"), cell.get("threshold")
        chosen = PairFilter(
            None if threshold is None else float(threshold),
            (str(classes[0]), str(classes[1])) if classes else None,
        )
        return services.pairs.member_rows(name, cell.number("mining"), chosen)
    rows = wanted["rows"]
    if not isinstance(rows, list) or not all(_is_row(row) for row in rows):
        raise SettingError("A selection is a list of whole numbers.")
    return rows


def _bulk(services: Services, wanted: "Parts") -> tuple[list[int], ActionRequest]:
    """An action on all rows of a stored selection, or on a class."""
    name, action = str(wanted["dataset"]), wanted["action"]
    if isinstance(action, dict) and action.get("kind") in CLASS_KINDS:
        return [], request_of(action)
    selection = services.queues.selection(name, wanted.number("selection"))
    request = request_of({**wanted["action"], "rows": selection.rows})
    if request.kind not in {"add", "remove", "set", "decide", "tag", "untag"}:
        raise SettingError(f"{request.kind!r} is not done to many samples at once.")
    return selection.rows, request


@contextmanager
def _kept(wanted: "Parts") -> Iterator[Path]:
    """The text of a file that the page sends, as a file of that ending."""
    name, text = str(wanted["file_name"]), wanted["text"]
    if not isinstance(text, str) or len(text) > _LARGEST_TEXT:
        raise SettingError("A file of corrections is text of at most 64 MB; use the command line.")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{Path(name).stem[:60] or 'file'}{Path(name).suffix[:10]}"
        file.write_text(text, encoding="utf-8")
        yield file


class Parts(dict[str, Any]):
    """A request whose missing parts are told in words."""

    def __missing__(self, name: str) -> Any:
        """Refuse.

        Raises:
            SettingError: Always.
        """
        raise SettingError(f"The request lacks {name!r}.")

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number of the request.

        Raises:
            SettingError: It is missing or something else.
        """
        value = self[name] if default is None else self.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise SettingError(f"{name} is {value!r:.40}; expected a whole number.")
        return value


def _answering(action: Action) -> Action:
    """What is missing from a request is the visitor's error, not a bug."""

    @answers_errors
    @wraps(action)
    def answered(wanted: Any) -> Any:
        if not isinstance(wanted, dict):
            raise SettingError("This is no request of the Annotate page.")
        return action(Parts(wanted))

    return answered


def _is_row(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


TABS.register("annotate")(Tab("Annotate", 50, build))
