"""What a job can be asked to do: the kinds, and how their arguments reach a service."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cad_studio.core.errors import CadStudioError, JobCancelled, SettingError
from cad_studio.core.progress import Part, Progress
from cad_studio.core.settings import settings_from_json
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.datasets.import_texts import options_from_json
from cad_studio.services.datasets.synthesis import SynthesisConfig
from cad_studio.services.edits.augmentation import AugmentRequest
from cad_studio.services.pairs.mining import MiningRequest
from cad_studio.services.training.training import TrainingRequest

if TYPE_CHECKING:
    from cad_studio.services.container import Services

PAIRS_IN_RESULT = 20
TRAINED = 0.95
"""How far a training job is when its run is finished; its diagnosis takes the rest."""


def run_operation(
    services: "Services", kind: str, arguments: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """Do a piece of work; the same for the command line and for a job.

    Args:
        services: Over the project.
        kind: A key of `KINDS`.
        arguments: Plain values, as stored in the job's row.
        progress: Told how far it is.

    Returns:
        Plain values: what the command prints and the job's row keeps.

    Raises:
        SettingError: There is no such kind.
    """
    if kind not in KINDS:
        raise SettingError(f"{kind!r} is not a kind of job. Kinds: {', '.join(KINDS)}.")
    return KINDS[kind].run(services, arguments, progress)


def _import(services: "Services", arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    found = services.importing.import_source(
        arguments["source"],
        arguments["name"],
        options_from_json(arguments["options"]),
        arguments["skip_bad"],
        Part(progress, 0.0, 0.98),
    )
    progress.report(0.98, "Counting classes")
    services.datasets.count(arguments["name"])
    return found


def _synthesize(
    services: "Services", arguments: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    config = settings_from_json(SynthesisConfig, arguments["config"])
    return services.synthesis.synthesize(arguments["name"], config, progress)


def _extract(services: "Services", arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    found = services.mining.extract(arguments["name"], arguments["features"], progress, renew=True)
    return {
        "name": arguments["name"],
        "features": found.spec,
        "description": found.description,
        "n_dims": found.n_dims,
        "seconds": found.seconds,
    }


def _mine(services: "Services", arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    request = MiningRequest(
        arguments["features"],
        settings_from_json(MiningConfig, arguments["config"]),
        arguments.get("labels", "auto"),
        arguments.get("split"),
    )
    services.sets.settle(arguments["name"])
    mining = services.mining.mine(arguments["name"], request, progress)
    return services.pairs.result(arguments["name"], mining.id, PAIRS_IN_RESULT)


def _export(services: "Services", arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    out, selection = arguments.get("out"), arguments.get("selection")
    rows = None
    if selection is not None:
        rows = services.queues.selection(arguments["name"], selection).rows
    return services.exporting.export(
        arguments["name"], arguments["format"], None if out is None else Path(out), progress, rows,
        bool(arguments.get("only_changed")),
    )  # fmt: skip


def _train(services: "Services", arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """The run, and its diagnosis, so that it is there when the run is looked at."""
    run = arguments["run"]
    training = services.together if arguments.get("together") else services.training
    found = training.train(run, Part(progress, 0.0, TRAINED))
    notes = _diagnosed(services, run, Part(progress, TRAINED, 1.0))
    return {**found, "notes": [*found["notes"], *notes]}


def _diagnosed(services: "Services", run: int, progress: Progress) -> list[str]:
    """Diagnose a run that is finished, whatever comes of that; what there is to say of it."""
    try:
        services.diagnosis.prepare(run, progress)
    except (CadStudioError, JobCancelled) as error:
        why = "it was asked to stop." if isinstance(error, JobCancelled) else str(error)
        return [f"The run is finished, but not diagnosed: {why}"]
    return []


def _train_group(
    services: "Services", arguments: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """The runs of a group, each with its diagnosis."""
    notes: list[str] = []

    def finish(run: int, part: Progress) -> None:
        notes.extend(f"Run {run}: {note}" for note in _diagnosed(services, run, part))

    found = services.groups.train(arguments["runs"], finish, progress)
    return {**found, "notes": notes}


def _pack(services: "Services", arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    out = arguments.get("out")
    return services.travel.pack(arguments["run"], None if out is None else Path(out), progress)


def _take(services: "Services", arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    return services.travel.take(Path(arguments["file"]), progress)


def _evaluate(
    services: "Services", arguments: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    run, split = arguments["run"], arguments["split"]
    plain = services.training.evaluate(run, split, Part(progress, 0.0, 0.5))
    return {**plain, **services.diagnosis.evaluation(run, split, Part(progress, 0.5, 1.0))}


def _diagnose(
    services: "Services", arguments: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    return services.diagnosis.prepare(arguments["run"], progress)


def _map(services: "Services", arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    return services.diagnosis.maps.make(
        arguments["name"], arguments["features"], arguments["method"], arguments["seed"], progress
    )


def _suspects(
    services: "Services", arguments: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    services.sets.settle(arguments["name"])
    found = services.diagnosis.suspects.find(
        arguments["name"], arguments["run"], arguments["features"], arguments["seed"], progress
    )
    limit = arguments.get("limit")
    # the row of a background job keeps the counts; the page reads the list where it is kept
    return {**found, "suspects": [] if limit is None else _of_each_kind(found["suspects"], limit)}


def _of_each_kind(suspects: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    seen: dict[str, int] = {}
    kept = []
    for each in suspects:
        seen[each["kind"]] = seen.get(each["kind"], 0) + 1
        if seen[each["kind"]] <= limit:
            kept.append(each)
    return kept


def _report(services: "Services", arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    out = arguments.get("out")
    return services.diagnosis.report.write(
        arguments["run"], arguments.get("against"), None if out is None else Path(out), progress
    )


def _estimate(
    services: "Services", arguments: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    return services.training.estimate(TrainingRequest(**arguments), progress)


def _push(services: "Services", arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    return services.publishing.push(
        arguments["run"], arguments["repository"], arguments["private"], progress
    )


def _edit_model(
    services: "Services", arguments: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    return services.edit_models.train(arguments["editor"], progress)


def _augment(services: "Services", arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    request = AugmentRequest(**arguments)
    services.sets.settle(request.dataset)
    return services.augmentation.make(request, progress)


def _estimate_edits(
    services: "Services", arguments: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    request = AugmentRequest(**arguments)
    services.sets.settle(request.dataset)
    return services.augmentation.estimate(request, progress)


def _judge_edits(
    services: "Services", arguments: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    return services.augmentation.judge(arguments["set"], arguments["run"], progress)


def _open_sample(
    services: "Services", _arguments: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    return services.sample.open(progress)


def _prepare_queue(
    services: "Services", arguments: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    return services.queues.prepare(arguments["name"], arguments["features"], progress)


def _verify(services: "Services", _arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    return services.verifying.verify(progress)


@dataclass(frozen=True)
class JobKind:
    """What is known of a kind of job.

    Attributes:
        run: Does the work.
        title: What a job is called; names in braces are of its arguments, or told with it.
        page: Where it can be watched; None where no page shows it.
        is_resumable: Whether it goes on where it was; the others start again.
        is_of_the_house: Whether the studio does it for whoever looks or annotates.
        done: What follows its title when it has ended well; empty when nothing is said.
        stopped: What follows its title when it was stopped.
        window_sees: Names of what a window takes of its result, where that tells of single
            samples: a command prints all of it, a window asks for the rest where it is known who
            may see it. None for all.
    """

    run: Callable[["Services", dict[str, Any], Progress], dict[str, Any]]
    title: str
    page: str | None = None
    is_resumable: bool = False
    is_of_the_house: bool = False
    done: str = "done."
    stopped: str = "cancelled. Nothing was changed."
    window_sees: tuple[str, ...] | None = None


KINDS = {
    "import": JobKind(_import, "Import {name}", "dataset"),
    "synthesize": JobKind(_synthesize, "Synthesize sets of {name}", "dataset"),
    "extract": JobKind(_extract, "Extract {features} of {name}", is_resumable=True),
    "mine": JobKind(_mine, "Find pairs of {name}", "pairs", window_sees=("name", "mining")),
    "export": JobKind(_export, "Export {name}", "dataset"),
    "train": JobKind(
        _train,
        "Train {run} on {dataset}",
        "train",
        is_resumable=True,
        stopped="stopped. Resume it on the Train page.",
    ),
    "train-group": JobKind(
        _train_group,
        "Train the {count} runs of {group}",
        "train",
        is_resumable=True,
        stopped="stopped. Resume it to go on.",
    ),
    "pack": JobKind(_pack, "Pack {run} on {dataset}", "train"),
    "take": JobKind(_take, "Take back {file}", "train"),
    "evaluate": JobKind(_evaluate, "Evaluate run {run}"),
    "diagnose": JobKind(_diagnose, "Diagnose {run}", "diagnose"),
    "map": JobKind(_map, "Map {name} by {features}", "diagnose"),
    "suspects": JobKind(
        _suspects, "Find suspects of {name}", "diagnose", window_sees=("name", "run")
    ),
    "report": JobKind(_report, "Report on {run}", "diagnose"),
    "estimate": JobKind(_estimate, "Measure {method} on {dataset}", "train"),
    "push": JobKind(_push, "Upload to {repository}", "train"),
    "edit-model": JobKind(
        _edit_model,
        "Train an editor of {dataset}",
        "augment",
        is_resumable=True,
        stopped="stopped. Resume it under Editors on the Augmentations page.",
    ),
    "augment": JobKind(
        _augment,
        "Make {editor} edits of {dataset}",
        "augment",
        is_resumable=True,
        stopped="stopped. The edits made so far are kept; make edits again to go on.",
    ),
    "estimate-edits": JobKind(_estimate_edits, "Measure {editor} on {dataset}", "augment"),
    "judge-edits": JobKind(
        _judge_edits, "Judge edits of {name} by {run}", "augment", is_resumable=True
    ),
    "open-sample": JobKind(_open_sample, "Open the sample", is_of_the_house=True, done=""),
    "prepare-queue": JobKind(
        _prepare_queue, "Find neighbours in {name}", "annotate", is_of_the_house=True
    ),
    "export-annotation": JobKind(_export, "Export {name}", "annotate"),
    "verify": JobKind(_verify, "Check the stored files", "dataset"),
}
"""The one table of kinds; the window's scripts read it too (`ui/tables.py`)."""
