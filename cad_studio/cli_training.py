"""Commands that train networks, ask them, and keep their runs in order."""

import json
import os
import shutil
import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from cad_studio.cluster.joining import LOCAL
from cad_studio.command_line import (
    Cluster,
    Json,
    Line,
    opened,
    require_foreground,
    run,
    run_as_job,
    show,
)
from cad_studio.core.errors import CadStudioError, JobCancelled, SettingError, closest
from cad_studio.core.figures import FIGURES, RUN_FIGURES
from cad_studio.core.progress import Silent
from cad_studio.core.records import Job
from cad_studio.services.container import Services
from cad_studio.services.training.choices import DEFAULT_METHOD
from cad_studio.services.training.presets import PRESETS
from cad_studio.services.training.training import TrainingRequest
from cad_studio.training.settings import TrainConfig

runs_app = typer.Typer(help="The runs of the project.", no_args_is_help=True)

RunNumber = Annotated[int, typer.Argument(help="Number of the run, as `runs list` prints it.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(train)
    app.command()(evaluate)
    app.add_typer(runs_app, name="runs")


def train(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset; sample is the bundled one.")],
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
    background: Annotated[
        bool, typer.Option("--background", help="Leave it to a job and return at once.")
    ] = False,
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over",
            help="A run for each value of a setting, as a group: seed=0..4, method=cad-cam,proden; "
            "may be given again for all combinations.",
        ),
    ] = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Train a network on the candidate sets of a dataset."""
    require_foreground(background)
    if (over or cluster) and int(os.environ.get("WORLD_SIZE") or 1) > 1:
        raise SettingError(
            "--over and --cluster start what they need; leave out what launches several processes."
        )
    if cluster == LOCAL and not over:
        raise SettingError(
            "A Ray of this machine alone has no other node to train one run with. Leave --cluster "
            "out, give the address of a cluster, or --over for several runs."
        )
    given = {"epochs": epochs, "seed": seed}
    request = make_request(
        dataset, method, backbone, features, preset, changes or [], name,
        {key: value for key, value in given.items() if value is not None},
    )  # fmt: skip
    line = Line()
    try:
        with opened() as services:
            for note in services.training.notes(request):
                print(note, file=sys.stderr)
            if over:
                _train_group(services, request, over, background, line, as_json)
                return
            if background:
                open_sample(services, request.dataset, line)
                show(services.training.submit(request), as_json, _background_text)
                return
            if cluster:
                open_sample(services, request.dataset, line)
                number = services.training.create(request).id
                result: dict[str, Any] | None = _train_as_job(services, number, line, together=True)
            else:
                result = _train_here(services, request, line)
    finally:
        line.clear()
    if result is not None:
        show(result, as_json, result_text)


def _train_group(
    services: Services,
    request: TrainingRequest,
    over: list[str],
    background: bool,
    line: Line,
    as_json: bool,
) -> None:
    open_sample(services, request.dataset, line)
    if background:
        show(services.groups.submit(request, over), as_json, _group_background_text)
        return
    group, runs = services.groups.create(request, over)

    jobs: list[int] = []

    def attach(job: Job) -> None:
        jobs.append(job.id)
        services.groups.attach(runs, job.id)

    about = services.groups.about(group, runs)
    try:
        result = run_as_job(services, "train-group", {"runs": runs}, line, attach, **about)
    except JobCancelled:
        _tell_how_to_go_on(jobs[0])
        raise
    except CadStudioError:
        if not jobs:  # refused before it began
            services.groups.discard(runs)
        raise
    line.clear()
    show(result, as_json, group_text)


def _train_here(services: Services, request: TrainingRequest, line: Line) -> dict[str, Any] | None:
    """Train in this process, or with the others it was launched with; only the main one tells."""
    training = services.training
    if int(os.environ.get("WORLD_SIZE") or 1) == 1:
        open_sample(services, request.dataset, line)
        return _train_as_job(services, training.create(request).id, line)
    from cad_studio.training.processes import join_processes

    processes = join_processes(str(request.config.get("device", "auto")))
    training.share(processes)

    def create() -> int:
        open_sample(services, request.dataset, line)
        return training.create(request).id

    number = processes.in_main(create)
    result = None
    if processes.is_main:
        result = _train_as_job(services, number, line)
    else:
        training.train(number, Silent())
    processes.leave()
    return result


def _train_as_job(services: Services, number: int, line: Line, **arguments: Any) -> dict[str, Any]:
    run = services.runs.get(number)

    def attach(job: Job) -> None:
        services.training.attach(number, job.id)

    try:
        about = {"run": run["name"], "dataset": run["dataset"]}
        return run_as_job(services, "train", {"run": number, **arguments}, line, attach, **about)
    except JobCancelled:
        _tell_how_to_go_on(services.runs.get(number)["job"])
        raise


def _tell_how_to_go_on(job: int) -> None:
    print(f"Go on with it: python -m cad_studio jobs resume {job}", file=sys.stderr)


def open_sample(services: Services, dataset: str, line: Line) -> None:
    """Bring a bundled sample into a project that does not hold it yet, where it is meant."""
    services.sample.bring(dataset, line)


def make_request(
    dataset: str,
    method: str | None,
    backbone: str,
    features: str,
    preset: str | None,
    changes: list[str],
    name: str,
    given: dict[str, Any],
) -> TrainingRequest:
    """Put together preset, single options and `name=value` settings, the later ones winning.

    Raises:
        SettingError: There is no such preset, or a setting is not written as name=value.
    """
    config: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    if preset is not None:
        found = next((each for each in PRESETS if each.name.casefold() == preset.casefold()), None)
        if found is None:
            hint = closest(preset, [each.name for each in PRESETS])
            raise SettingError(f"{preset!r} is not a preset. {hint}".rstrip())
        method, backbone = method or found.method, backbone or found.backbone or ""
        config.update(found.config)
        settings.update(found.settings)
    loop = {field.name for field in fields(TrainConfig)}
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise SettingError(f"--set {change}: write it as name=value, e.g. --set beta=0.5.")
        (config if key in loop else settings)[key] = setting_value(text)
    config.update(given)
    return TrainingRequest(
        dataset, method or DEFAULT_METHOD, backbone, features, config, settings, name
    )


def evaluate(
    number: RunNumber,
    split: Annotated[str | None, typer.Option(help="Default: the one runs are judged by.")] = None,
    as_json: Json = False,
) -> None:
    """Ask a run's model again, on any split of its dataset."""
    run("evaluate", {"run": number, "split": split}, as_json, _evaluation_text)


@runs_app.command("list")
def list_runs(
    dataset: Annotated[str | None, typer.Option(help="Only runs on this dataset.")] = None,
    as_json: Json = False,
) -> None:
    """Name the runs, newest first."""
    with opened() as services:
        found = {"runs": services.runs.all(dataset), "groups": services.groups.all(dataset)}
        show(found, as_json, _list_text)


@runs_app.command("show")
def show_run(number: RunNumber, as_json: Json = False) -> None:
    """Say everything about a run."""
    with opened() as services:
        found = services.runs.get(number)
        found["usage"] = services.runs.model_usage(number)
        show(found, as_json, lambda r: json.dumps(r, indent=2, ensure_ascii=False))


@runs_app.command()
def model(
    number: RunNumber,
    out: Annotated[Path, typer.Option(help="File to write.")],
    as_json: Json = False,
) -> None:
    """Copy a run's model to a file, and say how to load it."""
    with opened() as services:
        shutil.copyfile(services.runs.model_path(number), out)
        usage = services.runs.model_usage(number)
    done = {"run": number, "out": str(out.absolute()), "bytes": out.stat().st_size, "usage": usage}
    show(done, as_json, lambda r: f"{r['out']}, {r['bytes'] / 1e6:.1f} MB\n{r['usage']}")


@runs_app.command()
def remove(number: RunNumber, as_json: Json = False) -> None:
    """Put a run into the trash."""
    with opened() as services:
        services.runs.remove(number)
    show({"removed": number}, as_json, lambda r: f"Run {number} is in the trash.")


@runs_app.command()
def restore(number: RunNumber, as_json: Json = False) -> None:
    """Take a run out of the trash."""
    with opened() as services:
        services.runs.restore(number)
    show({"restored": number}, as_json, lambda r: f"Run {number} is back.")


@runs_app.command()
def purge(as_json: Json = False) -> None:
    """Delete the runs in the trash for good."""
    with opened() as services:
        freed = services.runs.purge()
    show({"freed_bytes": freed}, as_json, lambda r: f"{freed / 1e6:.1f} MB are free again.")


@runs_app.command()
def push(
    number: RunNumber,
    repository: Annotated[str, typer.Argument(help="owner/name on the Hugging Face Hub.")],
    private: Annotated[bool, typer.Option(help="Whether a new repository is private.")] = True,
    as_json: Json = False,
) -> None:
    """Upload a run's model to the Hugging Face Hub."""
    arguments = {"run": number, "repository": repository, "private": private}
    run("push", arguments, as_json, lambda r: f"{r['repository']}: {r['address']}")


_NO_RUNS = "No runs yet. Train one: python -m cad_studio train sample."


def setting_value(text: str) -> Any:  # a setting is a number, true, false, null or a text
    """A setting as it was typed, with its type."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _background_text(started: dict[str, Any]) -> str:
    job = started["job"]
    return (
        f"Run {started['run']} is left to job {job}. Follow it: "
        f"python -m cad_studio jobs show {job}"
    )


def _group_background_text(started: dict[str, Any]) -> str:
    job = started["job"]
    return (
        f"The {len(started['runs'])} runs of {started['group']} are left to job {job}. Follow it: "
        f"python -m cad_studio jobs show {job}"
    )


def result_text(result: dict[str, Any]) -> str:
    """The figures of a finished run."""
    lines = [
        f"{result['name']}: {result['epochs']} epochs in {result['seconds']:.0f} s, "
        f"{result['samples_per_second']:,.0f} samples/s, data {result['data_version']}"
    ]
    lines += [
        _figure_line(result[each.key], each.title, each.oracle)
        for each in RUN_FIGURES
        if each.is_shown and result[each.key] is not None
    ]
    if result["epochs_in_force"] is not None:
        lines.append(
            f"  {result['epochs_in_force']:6}  of the epochs with the method's own confidence"
        )
    return "\n".join([*lines, *result["notes"]])


def _evaluation_text(result: dict[str, Any]) -> str:
    lines = [f"{result['name']} on {result['n']:,} samples of {result['split']}"]
    lines += [
        _figure_line(result[each.key], each.title, each.oracle)
        for each in FIGURES
        if each.unit == "share" and result.get(each.key) is not None
    ]
    lines += [
        f"  {figures['instance_accuracy']:6.1%}  on the entangled {share} % (uses true labels)"
        for share, figures in result["entangled"].items()
        if figures
    ]
    return "\n".join(lines)


def _figure_line(value: float, title: str, oracle: bool) -> str:
    return f"  {value:6.1%}  {title}{' (uses true labels)' if oracle else ''}"


def _list_text(found: dict[str, Any]) -> str:
    rows = "\n".join(map(_row_text, found["runs"])) or _NO_RUNS
    return "\n".join([rows, *map(group_text, found["groups"])])


def group_text(found: dict[str, Any]) -> str:
    """A group of runs: mean and spread over the seeds of each choice of settings."""
    lines = [f"{found['group']}: runs {', '.join(map(str, found['runs']))}"]
    for choice in found["choices"]:
        named = ", ".join(f"{key} {value}" for key, value in choice["over"].items())
        figures = [
            f"{each.title} {_spread_text(choice['figures'][each.key])}"
            + " (uses true labels)" * each.oracle
            for each in RUN_FIGURES
            if each.is_shown and each.key in choice["figures"]
        ]
        done = f"{choice['n']} of {choice['n_runs']} finished"
        lines.append("  " + ": ".join(filter(None, [named, ", ".join([done, *figures])])))
    return "\n".join([*lines, *found.get("notes", [])])


def _spread_text(figure: dict[str, float | None]) -> str:
    spread = "" if figure["sd"] is None else f" ± {100 * figure['sd']:.1f}"
    return f"{100 * (figure['mean'] or 0.0):.1f}{spread} %"


def _row_text(row: dict[str, Any]) -> str:
    figures = [
        f"{title} {row[key]:.1%}"
        for key, title in (
            ("approximated_accuracy", "approximated"),
            ("mean_confidence", "at confidence"),
            ("test_accuracy", "test (uses true labels)"),
        )
        if row[key] is not None
    ]
    return (
        f"{row['id']:>4}  {row['name']}: {row['status']}, {row['epochs_done']} of {row['epochs']} "
        f"epochs on {row['dataset']}" + "".join(f", {figure}" for figure in figures)
    )
