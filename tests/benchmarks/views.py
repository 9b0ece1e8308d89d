"""Time batched views against a per-image PIL pipeline of the same transforms; print JSON.

    python -m tests.benchmarks.views [--kind grey] [--images 240] [--threads 1]

Images lie in memory for both. CPU time is counted, so that a busy machine makes no difference.
"""

import argparse
import json
from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from cad_studio.core.optional import require
from cad_studio.training.torch_state import keep_freed_memory
from cad_studio.training.views import KINDS, VIEW_NAMES, Views

SHAPES = {"grey": (28, 28, 1), "small": (32, 32, 3), "large": (256, 256, 3)}
SIDES = {"grey": 28, "small": 32, "large": 224}


def pil_pipelines(kind: str) -> dict[str, Callable[[Any], torch.Tensor]]:
    """The views of a kind as torchvision's transforms of one PIL image, by name."""
    t = require("torchvision.transforms", "torchvision", "This benchmark")
    side = SIDES[kind]
    area = (0.08, 1.0) if kind == "large" else (0.2, 1.0)
    crop = t.RandomResizedCrop(side, scale=area)
    jitter = t.RandomApply([t.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8)
    end = [t.ToTensor(), t.Normalize([0.5] * 3, [0.25] * 3)]
    colour = t.Grayscale(3)
    if kind == "large":
        policy = t.AutoAugment(t.AutoAugmentPolicy.IMAGENET)
        return {
            "cls": t.Compose([crop, t.RandomHorizontalFlip(), policy, *end]),
            "weak": t.Compose(
                [crop, t.RandomHorizontalFlip(), jitter, t.RandomGrayscale(0.2), *end]
            ),
            "strong": t.Compose([crop, t.RandomHorizontalFlip(), t.RandAugment(3), *end]),
        }
    shift = t.RandomCrop(side, 4, padding_mode="reflect")
    if kind == "grey":
        return {
            "cls": t.Compose([t.RandomHorizontalFlip(), shift, _cut_out(16, 0), colour, *end]),
            "weak": t.Compose([crop, t.RandomHorizontalFlip(), colour, *end]),
            "strong": t.Compose([crop, t.RandomHorizontalFlip(), jitter, colour, *end]),
        }
    policy = t.AutoAugment(t.AutoAugmentPolicy.CIFAR10)
    return {
        "cls": t.Compose([t.RandomHorizontalFlip(), shift, _cut_out(16, 0), policy, *end]),
        "weak": t.Compose([crop, t.RandomHorizontalFlip(), jitter, t.RandomGrayscale(0.2), *end]),
        "strong": t.Compose(
            [crop, t.RandomHorizontalFlip(), t.RandAugment(3), _cut_out(side // 2, 127), *end]
        ),
    }


def _cut_out(size: int, value: int) -> Callable[[Any], Any]:
    def cut(image: Any) -> Any:
        x, y = np.random.randint(image.width), np.random.randint(image.height)
        box = (x - size // 2, y - size // 2, x + size // 2, y + size // 2)
        image = image.copy()
        image.paste(value if image.mode == "L" else (value,) * 3, box)
        return image

    return cut


def seconds(work: Callable[[], object], least: float = 0.5) -> float:
    """The best CPU time of one call, over half a second of calls."""
    work()
    best, until = float("inf"), perf_counter() + least
    while perf_counter() < until:
        started = process_time()
        work()
        best = min(best, process_time() - started)
    return best


def compare(kind: str, images: NDArray[np.uint8]) -> dict[str, Any]:
    """Views per second of both ways and their ratio, for each view of a kind."""
    views = Views(kind, SIDES[kind], [0.5], [0.25])
    chance = torch.Generator().manual_seed(0)
    stored = torch.from_numpy(images)
    pictures = [Image.fromarray(image.squeeze()) for image in images]
    found: dict[str, Any] = {}
    totals = np.zeros(2)
    for name in VIEW_NAMES:
        pipeline = pil_pipelines(kind)[name]
        batched = seconds(lambda name=name: views.make(name, views.unit(stored), chance))
        single = seconds(lambda pipeline=pipeline: torch.stack([pipeline(p) for p in pictures]))
        totals += batched, single
        found[name] = {
            "batched_per_second": round(len(images) / batched),
            "pil_per_second": round(len(images) / single),
            "ratio": round(single / batched, 1),
        }
    found["all_ratio"] = round(totals[1] / totals[0], 1)
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--images", type=int, default=240)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # As every run does.
    keep_freed_memory()
    chance = np.random.default_rng(0)
    report = {}
    for kind in options.kind or ["grey", "small"]:
        images = chance.integers(0, 256, (options.images, *SHAPES[kind]), dtype=np.uint8)
        report[kind] = compare(kind, images)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
