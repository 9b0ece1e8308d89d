"""Runs that differ in a few settings, trained as one group: which there are, and their figures."""

import itertools
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from cad_studio.core.errors import CadStudioError, SettingError
from cad_studio.core.figures import RUN_FIGURES
from cad_studio.core.progress import Part, Progress, Silent
from cad_studio.core.records import Run
from cad_studio.core.workers import Task, Workers
from cad_studio.services.jobs import JobService
from cad_studio.services.training.runs import GROUP, RunService
from cad_studio.services.training.training import TrainingRequest, TrainingService
from cad_studio.services.training.travelling import TravelService
from cad_studio.store.projects import Project
from cad_studio.training.settings import TrainConfig
from cad_studio.views.training import GroupFiguresView, RunEntryView

MOST_RUNS = 1000

_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
_OF_REQUEST = ("method", "backbone", "features")


class GroupService:
    """The groups of runs of one project."""

    def __init__(
        self,
        project: Project,
        runs: RunService,
        training: TrainingService,
        travel: TravelService,
        jobs: JobService,
        workers: Workers,
    ) -> None:
        """Read and train through the others; `jobs` works in the background, `workers` train."""
        self._project = project
        self._runs = runs
        self._training = training
        self._travel = travel
        self._jobs = jobs
        self._workers = workers

    def submit(self, request: TrainingRequest, over: Iterable[str]) -> dict[str, Any]:
        """Train a group in the background.

        Returns:
            `group`, its name, and `runs` and `job`, their numbers.

        Raises:
            ReadOnlyError: Nothing may be changed here.
            SettingError: As `create`, or too many jobs wait.
        """
        group, runs = self.create(request, over)
        try:
            job = self._jobs.submit("train-group", {"runs": runs}, **self.about(group, runs))
        except CadStudioError:
            self.discard(runs)
            raise
        self.attach(runs, job.id)
        return {"group": group, "runs": runs, "job": job.id}

    def about(self, group: str, run_ids: list[int]) -> dict[str, str]:
        """What the title of the job that trains a group names."""
        return {"group": group, "count": str(len(run_ids))}

    def create(self, request: TrainingRequest, over: Iterable[str]) -> tuple[str, list[int]]:
        """Write down a run for every combination of some settings.

        Args:
            request: What they have in common; its name becomes that of the group.
            over: Settings as `name=values`; see `values_of`.

        Returns:
            The name of the group and the numbers of its runs.

        Raises:
            SettingError: A setting is none or out of range, there are too many combinations, or
                the method cannot learn from the dataset. Then there is no run.
        """
        wanted = [_split(each) for each in over]
        names = [name for name, _ in wanted]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled:
            raise SettingError(f"--over {doubled} is given twice. Put all its values into one.")
        n_runs = math.prod(len(values) for _, values in wanted)
        if n_runs > MOST_RUNS:
            raise SettingError(
                f"--over makes {n_runs:,} runs of this; at most {MOST_RUNS:,} are a "
                "group. Give fewer values."
            )
        combinations = list(itertools.product(*(values for _, values in wanted)))
        if request.name in {found["group"] for found in self.all(request.dataset)}:
            raise SettingError(
                f"There is a group {request.name!r} on {request.dataset}. Choose another name."
            )
        made: list[Run] = []
        try:
            for values in combinations:
                own = _with(request, dict(zip(names, values, strict=True)))
                made.append(self._training.create(own))
        except CadStudioError:
            self._project.runs.delete([run.id for run in made])
            raise
        group = request.name or f"group-{made[0].id}"
        for run, values in zip(made, combinations, strict=True):
            told = {"name": group, "over": dict(zip(names, values, strict=True))}
            # An equal name for all would not tell them apart.
            self._project.runs.change(run.id, name="", environment={GROUP: told})
        return group, [run.id for run in made]

    def discard(self, run_ids: list[int]) -> None:
        """Take back runs of a group whose job was refused."""
        self._project.runs.delete(run_ids)

    def attach(self, run_ids: Iterable[int], job_id: int) -> None:
        """Say which job trains runs."""
        for run_id in run_ids:
            self._training.attach(run_id, job_id)

    def train(
        self, run_ids: list[int], finish: Callable[[int, Progress], None], progress: Progress
    ) -> dict[str, Any]:
        """Train runs to their end: one after the other here, side by side on a cluster.

        Runs that are finished are left as they are. One that a cluster works on begins anew when
        its worker is lost; here it goes on from its last checkpoint.

        Args:
            run_ids: Runs of one group.
            finish: Called with each run that is finished, now or before, and told where to report.
            progress: Told how far it is.

        Returns:
            As `figures`.
        """
        open_runs = [r for r in run_ids if self._project.runs.get(r).finished_at is None]
        n_done = len(run_ids) - len(open_runs)

        def part() -> Part:
            return Part(progress, n_done / len(run_ids), (n_done + 1) / len(run_ids))

        def take(one: _One, result: bytes | None) -> None:
            nonlocal n_done
            if result is not None:
                with TemporaryDirectory(prefix="cad-result-") as folder:
                    file = Path(folder, "run.result.zip")
                    file.write_bytes(result)
                    self._travel.take(file, Silent(), is_ours=True)
            finish(one.run_id, Part(part(), 0.95, 1.0))
            n_done += 1

        def tick() -> None:
            progress.report(n_done / len(run_ids), f"{n_done} of {len(run_ids)} runs are trained")

        for run_id in run_ids:  # a stop may have come between a training and what follows it
            if run_id not in open_runs:
                finish(run_id, Part(progress, 0.0, n_done / len(run_ids)))
        tick()
        task = _Training(lambda run_id: self._training.train(run_id, Part(part(), 0.0, 0.95)))
        items = (_One(run_id, self._packed) for run_id in open_runs)
        if open_runs:
            self._workers.run(task, items, take, tick)
        return self.figures(self._runs.all(), run_ids)

    def figures(self, rows: list[dict[str, Any]], run_ids: list[int]) -> dict[str, Any]:
        """Mean and spread of the runs of a group, over the seeds of each choice of settings.

        Args:
            rows: Of `RunService.all`.
            run_ids: Which of them.

        Returns:
            `group`, `dataset`, `runs` (their numbers), and `choices`: `over` (settings but the
            seed), `n` (finished), `n_runs`, and by figure `mean` and `sd` (None of fewer than two).
        """
        own = [row for row in rows if row["id"] in set(run_ids)]
        choices: dict[str, list[dict[str, Any]]] = {}
        for row in reversed(own):
            kept = {key: value for key, value in row["group"]["over"].items() if key != "seed"}
            choices.setdefault(json.dumps(kept), []).append(row)
        return {
            "group": own[0]["group"]["name"] if own else "",
            "dataset": own[0]["dataset"] if own else "",
            "runs": sorted(row["id"] for row in own),
            "choices": [
                {
                    "over": json.loads(over),
                    "n": sum(row["status"] == "done" for row in same),
                    "n_runs": len(same),
                    "figures": _spread([row for row in same if row["status"] == "done"]),
                }
                for over, same in choices.items()
            ],
        }

    def all(
        self, dataset: str | None = None, rows: list[RunEntryView] | None = None
    ) -> list[GroupFiguresView]:
        """The groups, newest first, each as `figures` gives it; `rows`: all runs, if at hand."""
        rows = self._runs.all(dataset) if rows is None else rows
        groups: dict[tuple[str, str], list[int]] = {}
        for row in rows:
            if row["group"] is not None:
                groups.setdefault((row["dataset"], row["group"]["name"]), []).append(row["id"])
        return [self.figures(rows, own) for own in groups.values()]

    def _packed(self, run_id: int) -> bytes:
        """A run with all it needs, as `run pack` writes it; the cluster is the user's own."""
        with TemporaryDirectory(prefix="cad-pack-") as folder:
            file = Path(folder, "run.run.zip")
            self._travel.pack_for_cluster(run_id, file, Silent())
            return file.read_bytes()


@dataclass(frozen=True)
class _One:
    """A run to be trained; in another process with all it needs."""

    run_id: int
    packed: Callable[[int], bytes] | bytes

    def __reduce__(self) -> tuple[type["_One"], tuple[int, bytes]]:
        """Packed."""
        content = self.packed if isinstance(self.packed, bytes) else self.packed(self.run_id)
        return _One, (self.run_id, content)


@dataclass(frozen=True)
class _Training(Task[_One, bytes | None]):
    """Trains a run: into the project where that is at hand, else a packed one to its result.

    Attributes:
        here: Trains a run of the project; None in another process.
    """

    here: Callable[[int], object] | None
    on_device: ClassVar[bool] = True
    ahead: ClassVar[int] = 1

    def __reduce__(self) -> tuple[type["_Training"], tuple[None]]:
        """Without the project."""
        return _Training, (None,)

    def prepare(self) -> Callable[[_One], bytes | None]:
        here = self.here

        def work(one: _One) -> bytes | None:
            if here is None:
                assert isinstance(one.packed, bytes)
                return _result_of(one.packed)
            here(one.run_id)
            return None

        return work


def _result_of(packed: bytes) -> bytes:
    """Train a packed run in a folder that is gone afterwards; the content of its result file."""
    from cad_studio.elsewhere import Told, train

    with TemporaryDirectory(prefix="cad-run-") as folder:
        file = Path(folder, "run.run.zip")
        file.write_bytes(packed)
        done = train(file, Path(folder, "out"), {}, Told())
        assert done is not None
        return Path(done["out"]).read_bytes()


def values_of(text: str) -> list[Any]:
    """The values of a setting: commas between, `0..4` for all whole numbers from 0 to 4.

    Each is a number, true, false, null or a text.
    """
    found: list[Any] = []
    for word in text.split(","):
        bounds = _RANGE.fullmatch(word.strip())
        if bounds:
            first, last = int(bounds[1]), int(bounds[2])
            if not 0 <= last - first < MOST_RUNS:
                raise SettingError(
                    f"{word.strip()!r} in --over holds no run, or more than {MOST_RUNS:,}. "
                    "Write the smaller number first, e.g. seed=0..4."
                )
            found += range(first, last + 1)
        else:
            found.append(_value(word.strip()))
    return found


def _value(word: str) -> Any:  # a setting is a number, true, false, null or a text
    try:
        return json.loads(word)
    except ValueError:
        return word


def _split(text: str) -> tuple[str, list[Any]]:
    name, equals, values = text.partition("=")
    if not equals or not name.strip() or not values.strip() or "" in values_of(values):
        raise SettingError(
            f"--over {text}: write it as name=values with commas between, e.g. --over seed=0..4 "
            "--over method=cad-cam,proden."
        )
    return name.strip(), values_of(values)


def _with(request: TrainingRequest, values: dict[str, Any]) -> TrainingRequest:
    """A request with some values in place of its own."""
    loop = {field.name for field in fields(TrainConfig)}
    changes: dict[str, Any] = {"config": dict(request.config), "settings": dict(request.settings)}
    for name, value in values.items():
        if name in _OF_REQUEST:
            changes[name] = str(value)
        else:
            changes["config" if name in loop else "settings"][name] = value
    return replace(request, name="", **changes)


def _spread(rows: list[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    found = {}
    for figure in RUN_FIGURES:
        values = [row[figure.key] for row in rows if row[figure.key] is not None]
        if values:
            sd = stdev(values) if len(values) > 1 else None
            found[figure.key] = {"mean": mean(values), "sd": sd}
    return found
