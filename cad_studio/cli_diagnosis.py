"""Commands that say what is wrong with a run and its data, and what changed between runs."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from cad_studio.command_line import Cluster, Json, Line, Name, opened, run, show
from cad_studio.services.diagnosis.comparison import fixed_and_broken
from cad_studio.services.diagnosis.report_page import shown
from cad_studio.services.diagnosis.suspects import told

_SHOWN = 5

RunNumber = Annotated[int, typer.Argument(help="Number of the run, as `runs list` prints it.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("map")(make_map)
    app.command()(suspects)
    app.command()(compare)
    app.command()(report)


def make_map(
    name: Name,
    features: Annotated[
        str, typer.Option(help="An extractor such as pixels, or run:ID for a run's own features.")
    ] = "pixels",
    method: Annotated[str, typer.Option(help="pca or umap.")] = "umap",
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    as_json: Json = False,
) -> None:
    """Lay the samples of a dataset out on a plane."""
    arguments = {"name": name, "features": features, "method": method, "seed": seed}
    run("map", arguments, as_json, _map_text)


def suspects(
    name: Name,
    number: Annotated[
        int | None, typer.Option("--run", help="A run whose beliefs are looked at too.")
    ] = None,
    features: Annotated[
        str, typer.Option(help="Extractor; left out, the best of those that were extracted.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    limit: Annotated[int, typer.Option(help="Most of each kind.")] = 100,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Rank the samples whose sets, or which themselves, are probably wrong."""
    arguments = {
        "name": name, "run": number, "features": features, "seed": seed, "limit": limit,
    }  # fmt: skip
    run("suspects", arguments, as_json, _suspects_text)


def compare(
    numbers: Annotated[list[int], typer.Argument(help="Two or more runs, the older first.")],
    split: Annotated[str | None, typer.Option(help="Default: the one runs are judged by.")] = None,
    as_json: Json = False,
) -> None:
    """Say what differs between runs, and what that changed."""
    line = Line()
    with opened() as services:
        try:
            for number in numbers:
                services.diagnosis.predictions.prepare(number, line)
            found = services.diagnosis.comparison.compare(numbers, split)
            if found["changes"]:
                found["listed"] = services.diagnosis.comparison.listed(*numbers[:2], split)
        finally:
            line.clear()
    show(found, as_json, _comparison_text)


def report(
    number: RunNumber,
    out: Annotated[Path, typer.Option(help="File to write.")],
    against: Annotated[int | None, typer.Option(help="A run to hold it against.")] = None,
    as_json: Json = False,
) -> None:
    """Write one HTML file about a run that opens anywhere, offline."""
    run(
        "report",
        {"run": number, "against": against, "out": str(out.absolute())},
        as_json,
        lambda r: f"{r['out']}, {r['bytes'] / 1e6:.1f} MB",
    )


def _map_text(result: dict[str, Any]) -> str:
    left = f", {result['left_out']:,} left out (not finite)" if result["left_out"] else ""
    kept = "found in the project" if result["cached"] else f"{result['seconds']:.1f} s"
    return (
        f"{result['name']}, {result['stage']} of {result['description']}: "
        f"{result['n']:,} samples{left}, {kept}\n  {result['file']}"
    )


def _suspects_text(result: dict[str, Any]) -> str:
    judge = result["judge"]
    lines = [
        f"{result['name']}: {result['n']:,} samples judged by {result['features']} features; of "
        f"samples it never saw the judge is inside the set for {judge['inside']:.0%}, a guess for "
        f"{judge['chance']:.0%}"
    ]
    found = told(result)
    if found["is_weak"]:
        lines.append(
            "The judge is too weak to accuse a sample; its kinds of suspects are left out."
        )
    result = found
    seen: Counter[str] = Counter()
    for each in result["suspects"]:
        seen[each["kind"]] += 1
        if seen[each["kind"]] == 1:
            lines.append(f"{each['kind']}: {result['counts'][each['kind']]:,}")
        if seen[each["kind"]] <= _SHOWN:
            lines.append(f"  {each['id']}: {each['reason']}")
    return "\n".join(lines if result["suspects"] else [*lines, "No suspects."])


def _comparison_text(result: dict[str, Any]) -> str:
    names = [each["name"] for each in result["runs"]]
    lines = [*result["notes"], "  ".join(["", *names]).strip()]
    for name, values in result["settings"].items():
        lines.append(f"  {name}: {', '.join(map(str, values))}")
    for figure in result["figures"]:
        if any(value is not None for value in figure["values"]):
            values = ", ".join(shown(value, figure["unit"]) for value in figure["values"])
            lines.append(f"  {figure['title']}{' (uses true labels)' * figure['oracle']}: {values}")
    if result["changes"]:
        changed = result["changes"]
        lines.append(
            f"Of {changed['n']:,} samples {fixed_and_broken(changed)}, "
            f"{changed['moved']:,} otherwise changed by {names[1]}"
        )
    return "\n".join(lines)
