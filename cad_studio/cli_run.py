"""Commands for runs that are trained on another machine."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cad_studio.cli_training import make_request, open_sample, result_text
from cad_studio.command_line import Json, Line, opened, run, run_as_job, show
from cad_studio.core.records import Job
from cad_studio.services.training.choices import DEFAULT_METHOD
from cad_studio.services.training.presets import PRESETS
from cad_studio.services.training.sample_runs_building import build_sample_runs

run_app = typer.Typer(help="A run that is trained on another machine.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(run_app, name="run")


@run_app.command()
def pack(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset; sample is the bundled one.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write; default: NAME.run.zip in this folder.")
    ] = None,
    method: Annotated[str | None, typer.Option(help=f"Default: {DEFAULT_METHOD}.")] = None,
    backbone: Annotated[str, typer.Option(help="Network; left out, the one that suits.")] = "",
    features: Annotated[
        str, typer.Option(help="Extractor of the neighbour graph and the entangled pairs.")
    ] = "",
    epochs: Annotated[int | None, typer.Option(help="Passes over the training samples.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    preset: Annotated[
        str | None, typer.Option(help=f"One of: {', '.join(p.name for p in PRESETS)}.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting as name=value; may be given again."),
    ] = None,
    name: Annotated[str, typer.Option(help="What to call the run.")] = "",
    truth: Annotated[
        bool,
        typer.Option(
            "--truth", help="Let true labels travel too: for test accuracy, and for supervised."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a run with all that it needs into one file, to be trained anywhere."""
    given = {"epochs": epochs, "seed": seed}
    request = make_request(
        dataset, method, backbone, features, preset, changes or [], name,
        {key: value for key, value in given.items() if value is not None},
    )  # fmt: skip
    line = Line()
    try:
        with opened() as services:
            open_sample(services, dataset, line)
            made = services.travel.create(request, truth)
            target = out or Path(services.travel.file_name(made))

            def attach(job: Job) -> None:
                services.training.attach(made.id, job.id)

            arguments = {"run": made.id, "out": str(target.absolute())}
            about = services.travel.about(made)
            result = run_as_job(services, "pack", arguments, line, attach, **about)
    finally:
        line.clear()
    show(result, as_json, _pack_text)


@run_app.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "help_option_names": [],
    }
)
def train(context: typer.Context) -> None:
    """Train a packed run, here or on any machine; asks for no project (--help says how)."""
    from cad_studio.elsewhere import main

    sys.exit(main(context.args))


@run_app.command()
def take(
    file: Annotated[Path, typer.Argument(help="What `run train` wrote: NAME.result.zip.")],
    as_json: Json = False,
) -> None:
    """Bring the result of a packed run back, as if it had been trained here."""
    arguments = {"file": os.path.abspath(file.expanduser())}
    run("take", arguments, as_json, result_text, {"file": file.name})


@run_app.command()
def bundle(
    results: Annotated[
        list[Path],
        typer.Argument(help="What `run train` wrote of runs on sample-hard packed in the project."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("assets/sample-runs"),
    as_json: Json = False,
) -> None:
    """Take trained runs on sample-hard back, diagnose them, and bundle them with the sample."""
    with opened() as services:
        made = build_sample_runs(services, results, out.absolute(), Line())
    show(made, as_json, lambda r: f"{len(r['runs'])} runs, {r['bytes'] / 1e6:.1f} MB: {r['out']}")


def _pack_text(result: dict[str, Any]) -> str:
    name = Path(result["out"]).name
    labels = "with" if result["with_truth"] else "without"
    return "\n".join(
        [
            f"{result['out']}, {result['bytes'] / 1e6:.1f} MB, {labels} true labels.",
            *result["notes"],
            f"There: python -m cad_studio run train {name}",
            f"Here:  python -m cad_studio run take {name.removesuffix('.run.zip')}.result.zip",
        ]
    )
