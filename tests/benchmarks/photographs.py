"""From a folder of photographs to a trained head on two cores, by the commands users type.

    python -m tests.benchmarks.photographs --cifar FOLDER [--photographs 5000] [--options openvino]

Writes CIFAR-10 images, enlarged to 256 px, as JPEG files with a table of candidate sets, and takes
the time of `import`, `extract` (a small network at its own 224 px), `train` (a head, 20 epochs),
and, after 25 answers, of `train` once more and of the live belief alone. The network's weights are
random where torchvision's are not on the disk, which costs the same time. Prints JSON: seconds of
the clock, of the processor for `extract`, and its milliseconds an image.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from PIL import Image

from cad_studio.config import AppConfig
from cad_studio.core.optional import require
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from tests.benchmarks.learning import cifar
from tests.services.annotating import request

SIDE, N_CLASSES, N_ANSWERS = 256, 10, 25
NAME = "photographs"


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cifar", type=Path, required=True)
    options.add_argument("--photographs", type=int, default=5000)
    options.add_argument("--network", default="mobilenet_v3_large")
    options.add_argument("--options", default="openvino", help="of the extractor, by commas")
    options.add_argument("--method", default="cad-cam")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        weights_there(asked.network, Path(folder))
        print(json.dumps(measured(asked, Path(folder)), indent=1))


def measured(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Seconds of each step, one after the other."""
    images = photographs(asked.cifar, asked.photographs, folder / "images")
    spec = f"torchvision:{asked.network}{',' * bool(asked.options)}{asked.options}"
    head = ["train", NAME, "--method", asked.method, "--backbone", f"features:{spec}"]
    told: dict[str, Any] = {"photographs": asked.photographs, "features": spec}
    told["import_s"] = command(folder, "import", str(images), "--name", NAME)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    told["extract_s"] = command(folder, "extract", NAME, "--features", spec)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told |= {"extract_cpu_s": round(spent, 1), "cpu_ms_an_image": 1e3 * spent / asked.photographs}
    told["first_head_s"] = command(folder, *head)
    services = Services(AppConfig(folder / "project"))
    services.beliefs.standing(NAME, spec, Silent(), is_exact=True)  # neighbours, once
    for row in range(N_ANSWERS):
        label = services.sets.effective(NAME).of(row)[0]
        services.annotation.act(NAME, request("label", [row], "anna", given={"class": label}))
    started = perf_counter()
    services.beliefs.standing(NAME, spec, Silent(), is_exact=True)
    told["belief_renewed_s"] = perf_counter() - started
    services.close()
    told["head_again_s"] = command(folder, *head)
    told["folder_to_head_s"] = sum(
        told[f"{each}_s"] for each in ("import", "extract", "first_head")
    )
    return {key: round(each, 2) if isinstance(each, float) else each for key, each in told.items()}


def photographs(source: Path, count: int, folder: Path) -> Path:
    """JPEG files and `metadata.csv`, each with its class and about three others as candidates."""
    found, chance = cifar(source), np.random.default_rng(0)
    folder.mkdir()
    rows = []
    for at in range(count):
        truth = int(found["labels"][at])
        picture = Image.fromarray(found["images"][at]).resize(
            (SIDE, SIDE), Image.Resampling.BICUBIC
        )
        picture.save(folder / f"{at:05}.jpg", quality=90)
        others = np.flatnonzero(chance.random(N_CLASSES) < 1 / 3).tolist()
        held = sorted({truth, *others})
        rows.append([f"{at:05}.jpg", "|".join(map(str, held)), str(truth)])
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["file_name", "candidates", "label"], *rows])
    return folder


def weights_there(network: str, folder: Path) -> None:
    """Random weights where torchvision would look for its own, unless those are there."""
    models = require("torchvision.models", "torchvision", "The benchmark")
    file = models.get_model_weights(network).DEFAULT.url.rpartition("/")[2]
    if not (Path(torch.hub.get_dir()) / "checkpoints" / file).is_file():
        os.environ["TORCH_HOME"] = str(folder / "torch")
        target = folder / "torch" / "hub" / "checkpoints"
        target.mkdir(parents=True)
        torch.save(models.get_model(network, weights=None).state_dict(), target / file)


def command(folder: Path, *words: str) -> float:
    """Seconds that a command takes, its start included."""
    started = perf_counter()
    subprocess.run(
[sys.executable, "-m", "cad_studio", "--project", str(folder / "project"), *words],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return perf_counter() - started


if __name__ == "__main__":
    main()
