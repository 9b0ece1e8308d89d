"""Commands that make class-specific edits, train their editor, and keep what was made in order."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from cad_studio.cli_training import open_sample, setting_value
from cad_studio.command_line import (
    Cluster,
    Json,
    Line,
    opened,
    require_foreground,
    run_as_job,
    show,
)
from cad_studio.core.errors import SettingError
from cad_studio.core.records import Job
from cad_studio.services.container import Services
from cad_studio.services.edits.augmentation import AugmentRequest
from cad_studio.services.edits.editors import IN_DOMAIN
from cad_studio.services.edits.models import EditModelRequest
from cad_studio.services.edits.plan import BUDGETS
from cad_studio.services.operations import run_operation

edits_app = typer.Typer(help="The stored edits of the project.", no_args_is_help=True)

Dataset = Annotated[str, typer.Argument(help="Name of the dataset; sample is the bundled one.")]
SetNumber = Annotated[int, typer.Argument(help="Number of the set, as `edits list` prints it.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any setting as name=value; may be given again."),
]
Background = Annotated[
    bool, typer.Option("--background", help="Leave it to a job and return at once.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(augment)
    app.command("edit-model")(edit_model)
    app.add_typer(edits_app, name="edits")


def augment(
    dataset: Dataset,
    editor: Annotated[str, typer.Option(help="in-domain or instruct-pix2pix.")] = IN_DOMAIN,
    budget: Annotated[str, typer.Option(help=f"Which samples: {' or '.join(BUDGETS)}.")] = BUDGETS[
        0
    ],
    top: Annotated[
        int, typer.Option(help="Only the most believed candidates of a sample; 0: all.")
    ] = 0,
    limit: Annotated[
        int, typer.Option(help="At most so many edits, most entangled first; 0: no limit.")
    ] = 0,
    seconds: Annotated[float, typer.Option(help="At most so many seconds; 0: no limit.")] = 0.0,
    judge: Annotated[
        int | None, typer.Option(help="Run that judges the edits; left out, the best one.")
    ] = None,
    changes: Changes = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say how many, how long, and how large.")
    ] = False,
    background: Background = False,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Make class-specific edits and store them for training; what is there is not made again."""
    require_foreground(background)
    request = AugmentRequest(
        dataset, editor, _settings(changes or []),
        {"budget": budget, "top": top, "limit": limit, "max_seconds": seconds}, judge,
    )  # fmt: skip
    line = Line()
    with opened() as services:
        try:
            open_sample(services, dataset, line)
            if estimate:
                arguments = asdict(request)
                found = run_operation(services, "estimate-edits", arguments, line)
                show(found, as_json, _estimate_text)
                return
            if background:
                show(services.augmentation.submit(request), as_json, _background_text)
                return
            result = run_as_job(services, "augment", asdict(request), line)
        finally:
            line.clear()
    show(result, as_json, _edits_text)


def edit_model(
    dataset: Dataset,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training samples.")] = None,
    run: Annotated[
        int | None,
        typer.Option(help="Run whose belief tells the classes; left out, propagation does."),
    ] = None,
    changes: Changes = None,
    background: Background = False,
    as_json: Json = False,
) -> None:
    """Train an in-domain editor on a dataset's own images; from candidates, never true labels."""
    config = _settings(changes or [])
    if epochs is not None:
        config["epochs"] = epochs
    request = EditModelRequest(dataset, run, config)
    line = Line()
    with opened() as services:
        try:
            open_sample(services, dataset, line)
            if background:
                show(services.edit_models.submit(request), as_json, _background_text)
                return
            result = _train_editor(services, request, line)
        finally:
            line.clear()
    show(result, as_json, _editor_text)


def _train_editor(services: Services, request: EditModelRequest, line: Line) -> dict[str, Any]:
    model = services.edit_models.create(request)

    def attach(job: Job) -> None:
        services.edit_models.attach(model.id, job.id)

    arguments = {"editor": model.id}
    return run_as_job(services, "edit-model", arguments, line, attach, dataset=request.dataset)


@edits_app.command("list")
def list_sets(
    dataset: Annotated[str | None, typer.Option(help="Only those of it.")] = None,
    as_json: Json = False,
) -> None:
    """Name the sets of edits, newest first, with their size."""
    with opened() as services:
        found = {"sets": services.edit_sets.all(dataset)}
    show(found, as_json, lambda r: "\n".join(map(_set_text, r["sets"])) or _NO_EDITS)


@edits_app.command("judge")
def judge_set(
    number: SetNumber,
    run: Annotated[
        int | None, typer.Option(help="Run that judges; left out, the best one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask a run what it sees in the edits of a set."""
    line = Line()
    with opened() as services:
        name = services.edit_sets.name_of(services.project.edits.get(number))
        run_id = services.judges.choose(name, run)
        arguments = {"name": name, "set": number, "run": run_id}
        try:
            judge = services.judges.name(run_id)
            found = run_as_job(services, "judge-edits", arguments, line, run=judge)
        finally:
            line.clear()
    show(found, as_json, lambda r: f"{r['judged']:,} edits of set {r['set']} are judged.")


@edits_app.command("remove")
def remove_set(
    number: SetNumber,
    stale: Annotated[
        bool, typer.Option("--stale", help="Only those of an older prompt or class name.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete a set of edits and free its space."""
    with opened() as services:
        found = services.edit_sets.remove(number, stale)
    text = "{removed:,} edits are deleted; {megabytes:.1f} MB are free again."
    show(
        found,
        as_json,
        lambda r: text.format(removed=r["removed"], megabytes=r["freed_bytes"] / 1e6),
    )


_NO_EDITS = "No edits yet. Make some: python -m cad_studio augment sample."


def _settings(changes: list[str]) -> dict[str, Any]:
    settings = {}
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise SettingError(f"--set {change}: write it as name=value, e.g. --set strength=0.8.")
        settings[key] = setting_value(text)
    return settings


def _background_text(started: dict[str, Any]) -> str:
    job = started["job"]
    return f"Left to job {job}. Follow it: python -m cad_studio jobs show {job}"


def _estimate_text(result: dict[str, Any]) -> str:
    return (
        f"{result['to_make']:,} edits to make, {result['reused']:,} there"
        + (f", {result['left']:,} more when there is time" if result["left"] else "")
        + ": about "
        f"{result['seconds']:,.0f} s and {result['bytes'] / 1e6:.1f} MB ({result['source']})"
    )


def _edits_text(result: dict[str, Any]) -> str:
    where = "No edits" if result["set"] is None else f"Set {result['set']}"
    lines = [
        f"{where}, {result['editor']}: {result['made']:,} edits made, "
        f"{result['reused']:,} reused, {result['failed']:,} failed in {result['seconds']:.0f} s, "
        f"{result['bytes'] / 1e6:.1f} MB in all"
    ]
    told = (
        ("reached_class", "reached the class they aim at"),
        ("changed_class", "of those that the judge took for another class before"),
    )
    lines += [f"  {result[key]:6.1%}  {text}" for key, text in told if result[key] is not None]
    if result["similarity_to_source"] is not None:
        lines.append(f"  {result['similarity_to_source']:6.3f}  correlation with the source")
    return "\n".join([*lines, *result["notes"]])


def _editor_text(result: dict[str, Any]) -> str:
    return (
        f"Editor {result['editor']} of {result['dataset']}: {result['epochs']} epochs in "
        f"{result['seconds']:.0f} s, {result['images_per_second']:,} images/s, loss "
        f"{result['loss']:.4f}, {result['bytes'] / 1e6:.1f} MB: {result['file']}"
    )


def _set_text(row: dict[str, Any]) -> str:
    stale = f", {row['n_stale']:,} stale" if row["n_stale"] else ""
    return (
        f"{row['id']:>4}  {row['editor']} edits of {row['dataset']}: {row['n']:,}{stale}, "
        f"{row['bytes'] / 1e6:.1f} MB  {json.dumps(row['settings'])}"
    )
