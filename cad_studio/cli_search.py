"""Commands that search by words or a picture, and suggest candidates by class names."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cad_studio.command_line import Json, Line, Name, opened, show
from cad_studio.services.datasets.pictures import read_picture
from cad_studio.services.datasets.search import SearchQuery

_Features = Annotated[
    str,
    typer.Option(help="Extractor of the stored features; left out, the newest that can be used."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(search)
    app.command("zero-shot")(zero_shot)


def search(
    name: Name,
    words: Annotated[str, typer.Option(help="What is on the images, e.g. 'a red shoe'.")] = "",
    picture: Annotated[
        Path | None, typer.Option(help="An image file that the samples are compared with.")
    ] = None,
    features: _Features = "",
    limit: Annotated[int, typer.Option(help="Samples to list.")] = 20,
    as_json: Json = False,
) -> None:
    """List the samples that are most similar to words, or to a picture from outside."""
    with opened(name) as services:
        kept = ""
        if picture is not None:
            kept = services.search.keep_picture(name, read_picture(picture), picture.name, features)
        query = SearchQuery(words, kept, features, limit)
        show(services.search.search(name, query), as_json, _search_text)


def zero_shot(
    name: Name,
    out: Annotated[Path, typer.Option(help="Table to write, .csv.")],
    features: _Features = "",
    mass: Annotated[
        float, typer.Option(help="Classes are taken until their shares sum to this.")
    ] = 0.9,
    most: Annotated[int, typer.Option(help="Classes of a sample at most.")] = 5,
    as_json: Json = False,
) -> None:
    """Suggest candidates by the words for each class, as a table; no set is changed."""
    with opened(name) as services:
        line = Line()
        try:
            found = services.zero_shot.suggest(name, out.absolute(), line, features, mass, most)
        finally:
            line.clear()
        show(found, as_json, _zero_shot_text)


def _search_text(result: dict[str, Any]) -> str:
    lines = [f"{len(result['rows']):,} samples by {result['features']}, the most similar first"]
    found = zip(result["similarity"], result["rows"], result["ids"], strict=True)
    return "\n".join([*lines, *(f"{cosine:>8.3f} {row:>8}  {name}" for cosine, row, name in found)])


def _zero_shot_text(result: dict[str, Any]) -> str:
    lines = [
        f"{result['rows']:,} suggestions by {result['features']} written to {result['out']}: "
        f"{result['mean_size']:.2f} classes on average, {result['agree']:,} share one with their "
        "set of now. Nothing was changed."
    ]
    if result["cut"]:
        lines.append(
            f"The texts of {len(result['cut']):,} classes are longer than the model reads "
            f"(first: {result['cut'][0]}); the Augmentations page edits them."
        )
    lines.append(f"Take them with: import SOURCE --name NAME --candidates {result['out']}")
    return "\n".join(lines)
