"""What the Dataset page may ask for that divides samples, tags them, or makes their sets again."""

import secrets
from collections.abc import Callable
from typing import Any

from cad_studio.core.errors import SettingError
from cad_studio.services.action_requests import ActionRequest
from cad_studio.services.container import Services
from cad_studio.services.datasets import RowFilter
from cad_studio.services.splitting import split_config
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.parts import Parts, parts_of
from cad_studio.ui.search_routes import query_of

Wanted = dict[str, Any]


def division_actions(services: Services) -> list[Callable[[Wanted], Wanted]]:
    """The actions, by the name the page calls them."""

    @answers_errors
    def preview_split(wanted: Parts) -> Wanted:
        services.require_writable()
        return services.splitting.preview(str(wanted["name"]), split_config(wanted["config"]))

    @answers_errors
    def split(wanted: Parts) -> Wanted:
        config = split_config(wanted["config"])
        return services.splitting.make(str(wanted["name"]), config, _request("split", wanted))

    @answers_errors
    def preview_votes(wanted: Parts) -> Wanted:
        services.require_writable()
        return services.vote_sets.preview(str(wanted["name"]), _share(wanted))

    @answers_errors
    def make_sets(wanted: Parts) -> Wanted:
        return services.vote_sets.apply(str(wanted["name"]), _share(wanted), _who(wanted))

    @answers_errors
    def tag(wanted: Parts) -> Wanted:
        name, kind = str(wanted["name"]), "untag" if wanted.get("off") else "tag"
        rows = chosen_rows(services, name, parts_of(wanted.get("filter") or {}))
        if not rows:
            raise SettingError("No sample answers this filter, so there is nothing to tag.")
        request = _request(kind, wanted, rows, {"tag": wanted.get("tag")})
        return services.annotation.act(name, request)

    @answers_errors
    def undo(wanted: Parts) -> Wanted:
        return services.annotation.act(str(wanted["name"]), _request("undo", wanted))

    return [preview_split, split, preview_votes, make_sets, tag, undo]


def chosen_rows(services: Services, name: str, asked: Wanted) -> list[int]:
    """The rows of a filter as a page holds it, those of its search alone and in its order.

    Raises:
        SettingError: A part of it cannot be read.
    """
    rows = services.datasets.rows(name, filter_of(asked))
    return services.search.ordered(name, rows, query_of(asked))[0].tolist()


def filter_of(asked: Wanted) -> RowFilter:
    """A filter as a page holds it.

    Raises:
        SettingError: A part of it is of another kind.
    """
    size = asked.get("size")
    if isinstance(size, str) and size.isdecimal():  # as a list in the page holds it
        size = int(size)
    if size is not None and (isinstance(size, bool) or not isinstance(size, int)):
        raise SettingError(f"The number of candidates is {size!r:.40}; expected a whole number.")
    return RowFilter(
        holds=tuple(str(each) for each in asked.get("holds") or ()),
        size=size,
        split=str(asked.get("split") or "") or None,
        text=str(asked.get("text") or ""),
        where=tuple(str(each) for each in asked.get("where") or ()),
    )


def _request(
    kind: str, wanted: Wanted, rows: list[int] | None = None, arguments: Wanted | None = None
) -> ActionRequest:
    key = str(wanted.get("key") or f"page-{secrets.token_hex(8)}")
    return ActionRequest(kind, rows or [], arguments or {}, _who(wanted), key, "dataset page")


def _who(wanted: Wanted) -> str:
    return str(wanted.get("who") or "owner")[:60]


def _share(wanted: Wanted) -> float:
    share = wanted.get("threshold")
    if isinstance(share, bool) or not isinstance(share, int | float):
        raise SettingError(f"The vote threshold is {share!r:.40}; expected a number from 0 to 1.")
    return float(share)
