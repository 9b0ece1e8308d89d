"""Commands about fields, tags, splits and votes: what there is, and what sets and splits follow."""

from typing import Annotated, Any

import typer

from cad_studio.annotation.splitting import SplitConfig
from cad_studio.cli_annotate import Who, request_of
from cad_studio.command_line import Json, Name, opened, show
from cad_studio.core.errors import SettingError


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (fields, split, votes):
        app.command()(command)


def fields(
    name: Name,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="FIELD=VALUE, FIELD=LOW..HIGH or tag=NAME: list the samples; may be repeated."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(help="Samples to list.")] = 20,
    as_json: Json = False,
) -> None:
    """Name the fields and tags of a dataset, or the samples that have some value."""
    with opened() as services:
        data = services.datasets.load(name)
        if where:
            rows = services.datasets.fields.mask(data, where).nonzero()[0]
            found = {
                "total": len(rows),
                "samples": [{"row": row, "id": data.ids[row]} for row in rows[:limit].tolist()],
            }
            show(found, as_json, _rows_text)
        else:
            show(services.datasets.fields.describe(data), as_json, _fields_text)


def split(
    name: Name,
    share: Annotated[
        list[str] | None,
        typer.Option(help="NAME=SHARE, such as test=0.2; may be repeated. Default: 80 and 20 %."),
    ] = None,
    by: Annotated[
        str, typer.Option(help="Field whose samples of one value stay together, e.g. patient.")
    ] = "",
    within: Annotated[str, typer.Option(help="Divide only the samples of this split.")] = "",
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    apply: Annotated[
        bool, typer.Option("--apply", help="Do it; left out, only the outcome is shown.")
    ] = False,
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Divide a dataset into splits; `annotate undo` takes it back."""
    shares = _shares(share or ["train=0.8", "test=0.2"])
    config = SplitConfig(shares, seed, by, within)
    with opened() as services:
        if apply:
            found = services.splitting.make(name, config, request_of("split", who))
        else:
            found = services.splitting.preview(name, config)
    show(found, as_json, lambda r: _split_text(r, apply))


def votes(
    name: Name,
    threshold: Annotated[
        float,
        typer.Option(help="Share of a sample's votes that makes a class a candidate; 0: any vote."),
    ] = 0.0,
    apply: Annotated[
        bool, typer.Option("--apply", help="Do it; left out, only the outcome is shown.")
    ] = False,
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Make the candidate sets again from the imported votes, as a new version."""
    with opened() as services:
        if apply:
            found = services.vote_sets.apply(name, threshold, who)
        else:
            found = services.vote_sets.preview(name, threshold)
    show(found, as_json, lambda r: _votes_text(r, apply))


def _shares(given: list[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in given:
        split_name, _, share = each.rpartition("=")
        try:
            found[split_name] = float(share)
        except ValueError:
            raise SettingError(
                f"--share is {each!r}; expected NAME=SHARE, such as test=0.2."
            ) from None
    return found


def _fields_text(result: dict[str, Any]) -> str:
    lines = []
    for each in result["fields"]:
        if each["values"]:
            listed = ", ".join(f"{value} ({n:,})" for value, n in each["values"][:6])
            more = each["n_values"] - min(6, len(each["values"]))
            values = listed + (f" and {more:,} more" if more else "")
        else:
            values = f"{each['low']} to {each['high']}"
        lines.append(f"{each['name']} ({each['kind']}, {each['known']:,} samples): {values}")
    lines += [f"tag {each['name']}: {each['n']:,} samples" for each in result["tags"]]
    return "\n".join(lines) or "No fields and no tags: the source had no further columns."


def _rows_text(result: dict[str, Any]) -> str:
    lines = [f"{result['total']:,} samples"]
    return "\n".join([*lines, *(f"{each['row']:>8}  {each['id']}" for each in result["samples"])])


def _split_text(result: dict[str, Any], is_done: bool) -> str:
    parts = ", ".join(f"{name} {n:,}" for name, n in result["splits"].items())
    groups = f" in {result['groups']:,} groups" if result["groups"] is not None else ""
    does = "came" if is_done else "would come"
    lines = [f"{parts}{groups}; {result['changed']:,} samples {does} into another split."]
    lines += result["notes"]
    if not is_done:
        lines.append("Do it with --apply.")
    return "\n".join(lines)


def _votes_text(result: dict[str, Any], is_done: bool) -> str:
    does = "changed" if is_done else "would change"
    lines = [
        f"{result['changed']:,} of {result['n']:,} sets with votes {does}: "
        f"{result['mean_before']:.2f} -> {result['mean_candidates']:.2f} candidates on average."
    ]
    if result["thin"]:
        lines.append(
            f"{result['thin']:,} samples have no class with that share; they keep the classes with "
            "the most votes."
        )
    if is_done:
        lines.append(f"This is v{result['version_number']} {result['version']}.")
        if result["now"] is not None:
            lines.append(f"Before, the threshold was {result['now']:.4g}; it brings those back.")
    else:
        lines.append("Do it with --apply.")
    return "\n".join(lines)
