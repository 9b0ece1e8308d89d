"""Time the synthesis of candidate sets, from pixels to sets, and print it as JSON.

    python -m tests.benchmarks.synthesis --idx FOLDER
    python -m tests.benchmarks.synthesis --parquet FILE

`--idx` takes the folder of the four gzipped files of MNIST or Fashion-MNIST and reads the train
pair; `--parquet` takes a file with a column `image` (struct with `bytes`) and a column `label`.
"""

import argparse
import gzip
import io
import json
import os
import resource
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from cad_studio.annotators._base import AnnotatorConfig
from cad_studio.annotators.flipping import synthesise_candidates
from cad_studio.annotators.training import train_annotator
from cad_studio.core.progress import Silent
from tests.array_pixels import ArrayPixels


def read_idx(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Images uint8 (N, H, W, 1) and labels int32 (N,) of the train pair."""
    images = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes())
    n_samples, height, width = np.frombuffer(images, ">i4", 3, offset=4)
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(n_samples, height, width, 1)
    return pixels, np.frombuffer(labels, np.uint8, offset=8).astype(np.int32)


def read_parquet(file: Path) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Images uint8 (N, H, W, 3), all of one size, and labels int32 (N,)."""
    import pyarrow.parquet as pq
    from PIL import Image

    table = pq.read_table(file)
    cells = table["image"].to_pylist()
    decoded = [np.asarray(Image.open(io.BytesIO(c["bytes"])).convert("RGB")) for c in cells]
    return np.stack(decoded), table["label"].to_numpy().astype(np.int32)


def main() -> None:
    """Run once and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--idx", type=Path)
    source.add_argument("--parquet", type=Path)
    parser.add_argument("--annotator", default="auto")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    images, truth = read_idx(options.idx) if options.idx else read_parquet(options.parquet)
    n_classes = int(truth.max()) + 1
    config = AnnotatorConfig(name=options.annotator)
    if options.epochs:
        config = replace(config, epochs=options.epochs)
    if options.learning_rate:
        config = replace(config, learning_rate=options.learning_rate)
    rows = np.arange(len(truth))
    started, busy = perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    result = train_annotator(
        ArrayPixels(images),
        None,
        truth,
        rows,
        n_classes,
        config,
        options.seed,
        Silent(),
        options.device,
    )
    drawing = perf_counter()
    generator = np.random.default_rng(options.seed)
    candidates = synthesise_candidates(result.logits, truth, options.rate, generator)
    ended, after = perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    sizes = candidates.sizes()
    report = {
        "samples": len(truth),
        "classes": n_classes,
        "config": asdict(config),
        "annotator": result.name,
        "rate": options.rate,
        "seed": options.seed,
        "seconds": round(ended - started, 1),
        "seconds_annotator": round(result.seconds, 1),
        "seconds_draw": round(ended - drawing, 2),
        "cpu_seconds": round(
            after.ru_utime + after.ru_stime - busy.ru_utime - busy.ru_stime,
            1,
        ),
        "train_accuracy": round(result.train_accuracy, 4),
        "mean_set_size": round(float(sizes.mean()), 3),
        "singletons": round(float((sizes == 1).mean()), 4),
        "peak_memory_mb": after.ru_maxrss // 1024,
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
