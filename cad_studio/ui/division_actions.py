"""What the Dataset page may ask for that divides samples, tags them, or makes their sets again."""

import secrets
from typing import Annotated, Any

from pydantic import Field

from cad_studio.core.errors import SettingError
from cad_studio.services.annotation.action_requests import ActionRequest
from cad_studio.services.container import Services
from cad_studio.services.datasets.splitting import split_config
from cad_studio.ui.actions import Action, Told
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.requests import Named, PageSearch


class Division(Named):
    """Samples divided into splits; `config` are the fields of `SplitConfig`.

    Attributes:
        who: The annotator, where nobody logs in.
        key: Made by the page, once for each action.
    """

    config: dict[str, Any]
    who: str | None = None
    key: str | None = None


class SetsOfVotes(Named):
    """Sets made anew of votes; `threshold` is the share that makes a class a candidate."""

    threshold: Annotated[float, Field(allow_inf_nan=False)]
    who: str | None = None


class Tagging(Named):
    """A tag for the samples of a filter, or taken off them."""

    tag: str
    off: bool = False
    filter: PageSearch | None = None
    who: str | None = None
    key: str | None = None


class Undoing(Named):
    """The last action of an annotator taken back."""

    who: str | None = None
    key: str | None = None


def division_actions(services: Services) -> list[Action]:
    """The actions, by the name the page calls them."""

    @answers_errors
    def preview_split(asked: Division) -> Told:
        services.require_writable()
        return services.splitting.preview(asked.name, split_config(asked.config))

    @answers_errors
    def split(asked: Division) -> Told:
        request = _request("split", asked.who, asked.key)
        return services.splitting.make(asked.name, split_config(asked.config), request)

    @answers_errors
    def preview_votes(asked: SetsOfVotes) -> Told:
        services.require_writable()
        return services.vote_sets.preview(asked.name, asked.threshold)

    @answers_errors
    def make_sets(asked: SetsOfVotes) -> Told:
        return services.vote_sets.apply(asked.name, asked.threshold, _person(asked.who))

    @answers_errors
    def tag(asked: Tagging) -> Told:
        rows = chosen_rows(services, asked.name, asked.filter or PageSearch())
        if not rows:
            raise SettingError("No sample answers this filter, so there is nothing to tag.")
        kind = "untag" if asked.off else "tag"
        request = _request(kind, asked.who, asked.key, rows, {"tag": asked.tag})
        return services.annotation.act(asked.name, request)

    @answers_errors
    def undo(asked: Undoing) -> Told:
        return services.annotation.act(asked.name, _request("undo", asked.who, asked.key))

    return [preview_split, split, preview_votes, make_sets, tag, undo]


def chosen_rows(services: Services, name: str, asked: PageSearch) -> list[int]:
    """The rows of a filter as a page holds it, those of its search alone and in its order."""
    rows = services.datasets.rows(name, asked.filter())
    return services.search.ordered(name, rows, asked.query())[0].tolist()


def _request(
    kind: str,
    who: str | None,
    key: str | None,
    rows: list[int] | None = None,
    arguments: dict[str, Any] | None = None,
) -> ActionRequest:
    key = key or f"page-{secrets.token_hex(8)}"
    return ActionRequest(kind, rows or [], arguments or {}, _person(who), key, "dataset page")


def _person(who: str | None) -> str:
    return (who or "owner")[:60]
