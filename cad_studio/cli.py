"""Second entry point: every user action without the window."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cad_studio import (
    __version__,
    cli_annotate,
    cli_augment,
    cli_diagnosis,
    cli_fields,
    cli_jobs,
    cli_project,
    cli_run,
    cli_search,
    cli_training,
)
from cad_studio.cli_words import description_text, preview_text, synthesis_text
from cad_studio.command_line import Cluster, Json, Line, Name, choose_project, opened, run, show
from cad_studio.config import prepare
from cad_studio.core.errors import CadStudioError, JobCancelled, SettingError
from cad_studio.services.datasets.export_formats import formats_of
from cad_studio.services.datasets.import_texts import columns_in, names_in, options_from_json
from cad_studio.services.datasets.importing import resolved_source
from cad_studio.services.datasets.sample_building import build_sample

app = typer.Typer(
    name="cad_studio",
    help="CAD Studio without the window: partial-label datasets and their entangled pairs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

cli_training.register(app)
cli_run.register(app)
cli_augment.register(app)
cli_diagnosis.register(app)
cli_jobs.register(app)
cli_annotate.register(app)
cli_project.register(app)
cli_fields.register(app)
cli_search.register(app)


def main() -> None:
    """Run a command: exit 0 when it worked, 2 for what the user can mend, 1 for a bug."""
    prepare(os.environ)
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # whatever the locale
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    try:
        app()
    except CadStudioError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except JobCancelled:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
    except KeyboardInterrupt:
        print("Stopped. Nothing was changed.", file=sys.stderr)
        sys.exit(130)


@app.callback()
def options(
    project: Annotated[
        Path | None, typer.Option(help="Project folder (default: ~/.cad-studio).")
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Choose the project."""
    choose_project(project)
    if version:
        print(__version__)
        raise typer.Exit


@app.command("import")
def import_dataset(
    source: Annotated[
        str,
        typer.Argument(help="File, folder, address, hf:OWNER/NAME or torchvision:NAME."),
    ],
    name: Annotated[str | None, typer.Option(help="Name in the project.")] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", help="Format; recognised by itself when left out.")
    ] = None,
    candidates: Annotated[
        str | None,
        typer.Option(
            help="Candidate sets or votes: .npy .npz .csv .pt, or PLCIFAR10 pickle of sets."
        ),
    ] = None,
    candidates_mode: Annotated[
        str | None, typer.Option(help="aggregate (union) or vaguest (largest set).")
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="Only this split; may be given again.")
    ] = None,
    images: Annotated[
        str | None, typer.Option(help="Folder or zip the images of a table lie in.")
    ] = None,
    class_names: Annotated[
        str | None,
        typer.Option(help="Class names in order, commas between; 'elm,\"beech, red\"' is two."),
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(help="Share of a sample's votes that makes a class a candidate; 0: any vote."),
    ] = 0.0,
    votes_as: Annotated[
        str | None,
        typer.Option(help="What a matrix of votes holds: counts, shares or annotators."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Columns of a table by role, e.g. image=file,candidates=labels."),
    ] = None,
    separator: Annotated[
        str | None, typer.Option(help="Between columns: comma, semicolon, tab or a character.")
    ] = None,
    list_separator: Annotated[
        str | None, typer.Option(help="Between candidates in a cell: bar, comma, ... or none.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of text tables, e.g. utf-8, cp1252, gb18030.")
    ] = None,
    split_from: Annotated[
        str | None, typer.Option(help="folders: top folders are splits; none: they are classes.")
    ] = None,
    unlabelled: Annotated[
        str | None,
        typer.Option(help="Samples without label: leave-out (default), or keep with every class."),
    ] = None,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Follow links that lead out of the source.")
    ] = False,
    bit_depth: Annotated[
        int | None, typer.Option(help="Bits that images with more than 8 bits use, e.g. 12.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Where downloads are kept.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be imported; change nothing.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Import the rest and list what was left out.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring a dataset into the project, all or nothing."""
    options = {
        "format": format_name,
        "candidates": None if candidates is None else resolved_source(candidates),
        "candidates_mode": candidates_mode,
        "splits": split or [],
        "images_dir": None if images is None else resolved_source(images),
        "class_names": None if class_names is None else names_in(class_names),
        "threshold": threshold,
        "votes_as": votes_as,
        "columns": columns_in(columns or ""),
        "separator": separator,
        "list_separator": list_separator,
        "encoding": encoding,
        "split_from": split_from,
        "unlabelled": unlabelled,
        "follow_links": follow_links,
        "bit_depth": bit_depth,
        "cache_dir": None if cache is None else str(cache.absolute()),
    }
    if dry_run:
        line = Line()
        with opened() as services:
            given = options_from_json(options)
            try:
                found = services.importing.preview(resolved_source(source), given, line)
            finally:
                line.clear()
        show(found, as_json, preview_text)
        return
    if name is None:
        raise SettingError("Name the dataset with --name, or look first with --dry-run.")
    arguments = {
        "source": resolved_source(source), "name": name, "skip_bad": skip_bad, "options": options,
    }  # fmt: skip
    run("import", arguments, as_json, _import_text, {})


@app.command()
def synthesize(
    name: Name,
    rate: Annotated[
        float | None, typer.Option(help="Factor on the flip probabilities (default: 1).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    annotator: Annotated[str, typer.Option(help="auto, mlp or cnn.")] = "auto",
    epochs: Annotated[
        int | None,
        typer.Option(help="Passes of the annotator (default: 5); more give smaller sets."),
    ] = None,
    mean_size: Annotated[
        float | None,
        typer.Option(
            help="Mean number of candidates wanted, such as 3: finds the epochs and the rate, "
            "those of them that are left out."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make instance-dependent candidate sets from the true labels, as a new version."""
    config = {
        "rate": rate, "seed": seed, "annotator": annotator, "epochs": epochs,
        "mean_size": mean_size,
    }  # fmt: skip
    arguments = {"name": name, "config": config}
    run("synthesize", arguments, as_json, synthesis_text, {})


@app.command()
def extract(
    name: Name,
    features: Annotated[
        str, typer.Option(help="pixels, torchvision:NAME, hf:ID-or-path, npy:FILE or raw.")
    ] = "pixels",
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Compute features of a dataset, or find them in the cache."""
    run(
        "extract",
        {"name": name, "features": features},
        as_json,
        lambda r: f"{r['features']}: {r['description']}, {r['seconds']:.1f} s",
        {},
    )


@app.command()
def mine(
    name: Name,
    features: Annotated[
        str,
        typer.Option(
            help="pixels, hog, torchvision:NAME, hf:ID-or-path, npy:FILE, raw, or best: of those "
            "that were extracted, whose neighbours fit the sets best."
        ),
    ] = "best",
    threshold: Annotated[float | None, typer.Option(help="Least cosine of a pair.")] = None,
    quantile: Annotated[
        float | None, typer.Option(help="Share of the cross-class pairs that count as close.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Most pairs kept; all are counted.")] = 1_000_000,
    method: Annotated[str, typer.Option(help="auto, exact or ivf.")] = "auto",
    labels: Annotated[
        str, typer.Option(help="auto (true where known) or best (never looks at true labels).")
    ] = "auto",
    split: Annotated[str | None, typer.Option(help="Within this split only.")] = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Find the entangled pairs of a dataset."""
    config = {"threshold": threshold, "quantile": quantile, "limit": limit, "method": method}
    if threshold is None and quantile is None:
        config["quantile"] = 1e-3
    arguments = {
        "name": name, "features": features, "config": config, "labels": labels, "split": split,
    }  # fmt: skip
    run("mine", arguments, as_json, _mining_text, {})


@app.command()
def describe(name: Name, as_json: Json = False) -> None:
    """Say what a dataset holds, and what its sets say of its classes."""
    with opened(name) as services:
        found = {
            **services.datasets.describe(name),
            "mistaken_for": services.datasets.mistaken_for(name),
            "note": services.sample.note(name),
        }
        show(found, as_json, description_text)


@app.command("list")
def list_datasets(as_json: Json = False) -> None:
    """Name the datasets of the project."""
    with opened() as services:
        found = [
            {
                "name": data.name, "n": data.n_samples, "k": data.n_classes,
                "version": data.version.hash, "version_number": data.version.number,
            }
            for data in services.datasets.all()
        ]  # fmt: skip
        show(
            {"datasets": found},
            as_json,
            lambda r: (
                "\n".join(
                    f"{d['name']}: {d['n']:,} samples, {d['k']} classes, "
                    f"v{d['version_number']} {d['version']}"
                    for d in r["datasets"]
                )
                or "No datasets yet. Import one: python -m cad_studio import SOURCE --name NAME."
            ),
        )


@app.command()
def export(
    name: Name,
    out: Annotated[Path, typer.Option(help="File to write.")],
    format_name: Annotated[
        str, typer.Option("--format", help=f"One of: {', '.join(formats_of(annotation=False))}.")
    ] = "csv",
    as_json: Json = False,
) -> None:
    """Write the current candidate sets to a file an import reads back unchanged."""
    run(
        "export",
        {"name": name, "format": format_name, "out": str(out.absolute())},
        as_json,
        lambda r: f"{r['rows']:,} samples written to {r['out']} ({r['bytes'] / 1e6:.1f} MB)",
    )


@app.command()
def agreement(
    name: Name,
    first: Annotated[int, typer.Argument(help="Number of one mining, as `mine` prints it.")],
    second: Annotated[int, typer.Argument(help="Number of another.")],
    top: Annotated[int, typer.Option(help="How many of the most similar pairs.")] = 1000,
    as_json: Json = False,
) -> None:
    """Say what share of the top pairs two searches have in common."""
    with opened() as services:
        show(
            services.pairs.agreement(name, first, second, top),
            as_json,
            lambda r: (
                f"{r['share']:.1%} of the top {r['top']:,} pairs are in both "
                f"({r['features'][0]} and {r['features'][1]})"
            ),
        )


@app.command()
def remove(name: Name, as_json: Json = False) -> None:
    """Take a dataset out of the project and free its space."""
    with opened() as services:
        show(
            services.datasets.remove(name),
            as_json,
            lambda r: f"{r['removed']} is removed; {r['freed_bytes'] / 1e6:.1f} MB are free again",
        )


@app.command("build-sample")
def build_bundled_sample(
    source: Annotated[str, typer.Argument(help="Folder with the published Fashion-MNIST files.")],
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("assets/sample.npz"),
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    keep_hard: Annotated[
        Path | None,
        typer.Option(help="A file built before, whose sets of sample-hard are kept bit for bit."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Rebuild both bundled samples from the published files."""
    made = build_sample(source, out.absolute(), seed, Line(), keep_hard)
    show(made, as_json, lambda r: f"{r['n']:,} samples, {r['bytes'] / 1e6:.1f} MB: {r['out']}")


def _import_text(result: dict[str, Any]) -> str:
    lines = [
        f"{result['name']}: {result['n']:,} samples, {result['k']} classes, {result['version']}"
    ]
    lines += [f"  {line}" for line in result["understood"]]
    lines += [
        f"  {finding['count']:,} {finding['title']} (first: {finding['message'].rstrip('.')})"
        for finding in result["report"]["findings"]
    ]
    if result["left_out_count"]:
        lines.append(f"Left out: {result['left_out_count']:,}")
        lines += [f"  {line}" for line in result["left_out"][:20]]
    return "\n".join(lines)


def _mining_text(result: dict[str, Any]) -> str:
    lines = [
        f"{result['n_pairs']:,} pairs of {result['n_instances']:,} samples at cosine >= "
        f"{result['threshold']:.4f} in {result['extractor_description']}, "
        f"{result['seconds']:.1f} s"
    ]
    if result["recall"] is not None:
        missed = " Many were missed: take --method exact." if result["recall"] < 0.9 else ""
        lines.append(f"Approximate search, measured recall {result['recall']:.1%}.{missed}")
    lines += [
        f"  {cell['n_pairs']:>9,}  {cell['classes'][0]} x {cell['classes'][1]}"
        for cell in result["pairs_per_class_pair"][:10]
    ]
    return "\n".join(lines)
