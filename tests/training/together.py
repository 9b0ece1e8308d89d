"""What each of several processes does for the tests; started as `accelerate launch` does.

    WORLD_SIZE=2 RANK=0 LOCAL_RANK=0 MASTER_ADDR=... MASTER_PORT=... \\
        python -m tests.training.together FOLDER

Each process writes what it found to FOLDER/found-<rank>.json.
"""

import json
import os
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from cad_studio.core.errors import JobCancelled, SettingError, StorageError
from cad_studio.core.progress import Silent
from cad_studio.training import batching
from cad_studio.training import trainer as trainer_module
from cad_studio.training.exchange import Exchange, Latch
from cad_studio.training.opening import Outside
from cad_studio.training.processes import Processes, is_launched, join_processes
from cad_studio.training.trainer import Trainer
from tests.training.runs import N_CLASSES, StopsAfter, small_images, small_plan
from tests.training.test_resuming import figures, plan_of, weights

# BatchNorm sees half a batch in each process: with gentle views, whose loss is small, it is that of
# a run with batches of 16 (0.40) rather than 32 (0.21).
LEARNS = {"epochs": 8, "learning_rate": 0.05, "batch_size": 32, "views": "paper"}
N_LEARNS = 256


def averaged_gradient(processes: Processes) -> list[float]:
    """Of a mean over 8 samples of which each process has 4."""
    samples = torch.arange(24.0).view(8, 3)[processes.rank :: processes.count]
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    unused = torch.nn.Parameter(torch.zeros(2))
    loss = (samples @ weight).square().mean()
    loss.backward()
    exchange = Exchange(processes, Latch(Silent(), processes.is_main), 0.0)
    whole = exchange.average([weight, unused], loss, 0.0)
    assert unused.grad is None
    return [*weight.grad.tolist(), float(whole)]


def fit(processes: Processes, folder: Path, plan, progress=None, outside=None, data=None):
    """Train; the result and the reports that this process was given."""
    reports = []
    trainer = Trainer(data or small_images(), plan, folder, outside, processes)
    result = trainer.fit(progress or Silent(), lambda report, is_best: reports.append(report))
    return result, reports


def stop_and_resume(processes: Processes, folder: Path) -> dict[str, object]:
    """Whether a run stopped in an epoch and resumed is the one that was not."""
    plan = plan_of("cad-cam")
    whole, _ = fit(processes, folder / "whole", plan)
    watched = StopsAfter(3, lambda message: "Epoch 2 of" in message)
    stopped = False
    try:
        fit(processes, folder / "parts", plan, watched if processes.is_main else Silent())
    except JobCancelled:
        stopped = True
    resumed, _ = fit(processes, folder / "parts", plan)
    ours, theirs = weights(folder / "parts"), weights(folder / "whole")
    return {
        "stopped": stopped,
        "resumed": resumed.resumed,
        "same_figures": figures(resumed.last) == figures(whole.last),
        "different": [name for name in theirs if not torch.equal(ours[name], theirs[name])],
    }


def differing_when_judged(processes: Processes, folder: Path) -> list[str]:
    """What of the judged network is not the same in all processes, at each evaluation."""
    found = []

    def asked(network, *rest):
        ours = {name: float(value.double().sum()) for name, value in network.state_dict().items()}
        mains = processes.in_main(lambda: ours)
        found.extend(name for name in ours if ours[name] != mains[name])
        return batching.ask(network, *rest)

    with mock.patch.object(trainer_module, "ask", asked):
        fit(processes, folder, small_plan(epochs=2, judged_average=0.9))
    return found


def errors(processes: Processes, folder: Path) -> dict[str, str]:
    """What each process is told when the main one, or a loss, goes wrong."""
    told = {}

    def full_disk() -> None:
        raise StorageError("No space is left.")

    def spoil(rows, features, belief):
        return np.full((len(rows), N_CLASSES), np.nan, np.float32)

    try:
        processes.in_main(full_disk)
    except StorageError as error:
        told["disk"] = str(error)
    plan = small_plan(epochs=2, refresh_epochs="1", start="propagation")
    try:
        fit(processes, folder / "nan", plan, outside=Outside(refresh=spoil))
    except SettingError as error:
        told["loss"] = str(error)
    try:
        fit(processes, folder / "odd", small_plan(batch_size=15))
    except SettingError as error:
        told["batch"] = str(error)
    return told


def main() -> None:
    """Do it all, and write it down."""
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    assert is_launched(os.environ)
    processes = join_processes("cpu")
    result, reports = fit(
        processes, folder / "learns", small_plan(**LEARNS), data=small_images(n_train=N_LEARNS)
    )
    budget = small_plan(epochs=10_000, max_seconds=0.5)
    found = {
        "count": processes.count,
        "device": str(processes.device),
        "gradient": averaged_gradient(processes),
        "figures": figures(result.last),
        "n_reports": len(reports),
        "resuming": stop_and_resume(processes, folder),
        "judged": differing_when_judged(processes, folder / "judged"),
        "errors": errors(processes, folder),
        "budget": figures(fit(processes, folder / "budget", budget)[0].last),
    }
    processes.wait()
    (folder / f"found-{processes.rank}.json").write_text(json.dumps(found))
    processes.leave()


if __name__ == "__main__":
    main()
