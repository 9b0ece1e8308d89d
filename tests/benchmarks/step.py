"""Time one CAD-CAM training step against the same step written out plainly; print JSON.

    python -m tests.benchmarks.step [--backbone resnet18] [--batch 16] [--steps 3]

Both take class views of all candidates and a queue of 4,096, as the paper; `--settings default`
times our step alone with what a run has by default (a comparison would be of unequal views). The
plain step computes in float32, makes one pass for each view, three of the slow copy (one of them
for the class scores, which ours takes from the pass of the keys) and two of the network, moves the
slow copy weight by weight and keeps the usual memory layout. Both get the same views, which the
plain step is given for nothing. Ours computes as a run does, in bf16 where the machine has it and
gains by it; `--precision float32` shows the rest alone. CPU time is counted, so that a busy
machine makes no difference; use one thread, since threads that wait count too. `outside_share` is
what of our whole step, views included, is spent neither in a network nor in the backward pass.
"""

import argparse
import json
import resource
from copy import deepcopy
from dataclasses import replace
from time import process_time
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from cad_studio.algorithms._base import Batch, Setup, make_algorithm
from cad_studio.algorithms._cad_paper import PAPER
from cad_studio.algorithms.cad_cam import CadCamConfig
from cad_studio.models.network import Network, make_network
from cad_studio.training.batching import make_batch
from cad_studio.training.precision import choose_precision, computing_in
from cad_studio.training.torch_state import keep_freed_memory
from cad_studio.training.views import Views

N_CLASSES, MEAN_SET, SIDE_PX = 10, 3.74, 28
BETA, TAU, TAU_D, MOMENTUM, QUEUE = 1.5, 0.12, 0.1, 0.99, 4096


class PlainStep:
    """The step as one would write it down from the paper."""

    def __init__(self, network: Network) -> None:
        """Start with a copy as the slow one and a full queue of random keys, where it is."""
        self.network, self.slow = network, deepcopy(network)
        self.optimiser = torch.optim.SGD(
            network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-3, foreach=False
        )
        device = next(network.parameters()).device
        keys = torch.nn.functional.normalize(torch.randn(QUEUE, 128), dim=1)
        self.keys = keys.to(device)
        self.scores = torch.randn(QUEUE, N_CLASSES).to(device)
        self.labels = torch.randint(N_CLASSES, (QUEUE,)).to(device)

    def __call__(self, batch: Batch) -> float:
        """One step; gives the loss."""
        assert batch.class_views is not None
        assert batch.guide is not None
        made = {name: view.contiguous() for name, view in batch.class_views.items()}
        image = batch.views["cls"].contiguous()
        with torch.no_grad():
            taught = self.slow(image)
            scores = self.slow(made["cls"])
            keys = self.slow.project(self.slow.features(made["weak"]))
        logits = self.network(image)
        queries = self.network.project(self.network.features(made["strong"]))
        loss = self._classification(logits, taught, batch.candidates)
        loss = loss + BETA * self._contrast(queries, keys, scores, batch.guide)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        with torch.no_grad():
            pairs = zip(self.slow.parameters(), self.network.parameters(), strict=True)
            for slow, fast in pairs:
                slow.mul_(MOMENTUM).add_(fast, alpha=1 - MOMENTUM)
        return float(loss.detach())

    def _classification(self, logits: Tensor, taught: Tensor, candidates: Tensor) -> Tensor:
        inside = taught.masked_fill(~candidates, -1e9).softmax(1)
        outside = taught.masked_fill(candidates, -1e9).softmax(1)
        chances = logits.softmax(1).clamp(1e-6, 1 - 1e-6)
        terms = torch.where(candidates, inside * chances.log(), outside * (1 - chances).log())
        return -terms.sum(1).mean()

    def _contrast(self, queries: Tensor, keys: Tensor, scores: Tensor, guide: Tensor) -> Tensor:
        features = torch.cat([queries, keys, self.keys])
        labels = torch.cat([guide, guide, self.labels])
        all_scores = torch.cat([scores, scores, self.scores])
        other = ~torch.eye(len(queries), len(features), dtype=torch.bool, device=queries.device)
        positive = (guide[:, None] == labels) & other
        alike = cosine_similarity(scores[:, None], all_scores[None], dim=2) / TAU_D
        weights = alike.masked_fill(~positive, -1e9).softmax(1)
        logits = (queries @ features.T / TAU).masked_fill(~other, -1e9)
        losses = -(weights * logits.log_softmax(1)).masked_fill(~positive, 0.0).sum(1)
        return TAU / 0.07 * losses.mean()


class Stopwatch:
    """Adds up the time inside the outermost modules it watches."""

    def __init__(self) -> None:
        """Start at zero."""
        self.seconds = 0.0
        self._started = 0.0

    def watch(self, module: torch.nn.Module) -> None:
        """Time every call of a module."""
        module.register_forward_pre_hook(lambda *_: self._start())
        module.register_forward_hook(lambda *_: self._stop())

    def _start(self) -> None:
        self._started = process_time()

    def _stop(self) -> None:
        self.seconds += process_time() - self._started


def measure(
    backbone: str, batch_size: int, n_steps: int, precision: str, is_default: bool
) -> dict[str, Any]:
    """Best times of both steps, in turn, on the same batches; the precision is for ours."""
    torch.manual_seed(0)
    chance = np.random.default_rng(0)
    n_samples = batch_size * (n_steps + 1)
    candidates = torch.from_numpy(chance.random((n_samples, N_CLASSES)) < (MEAN_SET - 1) / 9)
    candidates[torch.arange(n_samples), torch.from_numpy(chance.integers(10, size=n_samples))] = (
        True
    )
    pixels = chance.integers(0, 256, (n_samples, SIDE_PX, SIDE_PX, 1), dtype=np.uint8)
    images = torch.from_numpy(pixels)
    network = make_network(backbone, N_CLASSES, image_px=SIDE_PX)
    plain = PlainStep(deepcopy(network).train())
    network = network.to(memory_format=torch.channels_last)
    views = Views("grey", SIDE_PX, [0.5], [0.25])
    precision = choose_precision(precision, network, views.plain(views.unit(images[:32])))
    setup = Setup(
        network=network,
        n_samples=n_samples,
        n_classes=N_CLASSES,
        candidates=candidates,
        start=candidates / candidates.sum(dim=1, keepdim=True),
        epochs=100,
        device=torch.device("cpu"),
        generator=torch.Generator().manual_seed(0),
        batches=lambda: iter([(torch.arange(n_samples), views.plain(views.unit(images)))]),
    )
    # All candidates and the paper's queue for both; ours takes the class scores from the key pass.
    settings = CadCamConfig() if is_default else CadCamConfig(**{**PAPER, "scores_from": "key"})
    algorithm = make_algorithm("cad-cam", setup, settings)
    algorithm.train()
    algorithm.begin_epoch(settings.warm_up_epochs + settings.ramp_epochs)
    _fill_queue(algorithm)
    optimiser = torch.optim.SGD(
        algorithm.trainable_parameters(), lr=0.01, momentum=0.9, weight_decay=1e-3, fused=True
    )
    watch = Stopwatch()
    for net in (network, algorithm.teacher):
        for module in (net.backbone, net.fc, net.projection):
            watch.watch(module)
    view_chance = torch.Generator().manual_seed(0)
    ours, theirs, outside = [], [], []
    for step in range(n_steps + 1):
        row = torch.arange(step * batch_size, (step + 1) * batch_size)
        watch.seconds, started = 0.0, process_time()
        batch = make_batch(algorithm, row, images[row], views, view_chance, None)
        with computing_in(precision, images.device):
            result = algorithm.step(batch)
        optimiser.zero_grad(set_to_none=True)
        before = process_time()
        result.loss.backward()
        backward = process_time() - before
        optimiser.step()
        algorithm.after_step()
        ours.append(process_time() - started)
        outside.append(1.0 - (watch.seconds + backward) / ours[-1])
        if is_default:
            continue
        assert batch.class_views is not None
        own = {**batch.class_views, "cls": batch.class_views["weak"].clone()}
        started = process_time()
        plain(replace(batch, class_views=own))
        theirs.append(process_time() - started)
    return {
        "backbone": backbone,
        "batch": batch_size,
        "precision": precision,
        "threads": torch.get_num_threads(),
        "ours_seconds": round(min(ours[1:]), 3),
        "settings": "default" if is_default else "paper",
        **_beside(ours[1:], theirs[1:]),
        "samples_per_second": round(batch_size / min(ours[1:]), 1),
        "outside_share": round(min(outside[1:]), 4),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _beside(ours: list[float], theirs: list[float]) -> dict[str, float]:
    if not theirs:
        return {}
    return {
        "plain_seconds": round(min(theirs), 3),
        "ratio": round(min(theirs) / min(ours), 2),
    }


def _fill_queue(algorithm: Any) -> None:
    """Bring the queue to its full length, as it is after the first epochs."""
    keys = torch.nn.functional.normalize(torch.randn(QUEUE, 128), dim=1)
    labels = torch.randint(N_CLASSES, (QUEUE,))
    algorithm.cad.queue.push(features=keys, scores=torch.randn(QUEUE, N_CLASSES), label=labels)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--precision", choices=["auto", "float32", "bf16"], default="auto")
    parser.add_argument("--settings", choices=["paper", "default"], default="paper")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # As every run does; it helps both.
    keep_freed_memory()
    print(
        json.dumps(
            measure(
                options.backbone,
                options.batch,
                options.steps,
                options.precision,
                options.settings == "default",
            ),
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
