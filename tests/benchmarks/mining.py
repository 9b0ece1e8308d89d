"""Times exact pair mining against one full 60,000 x 60,000 x 128 float32 matrix product.

    python -m tests.benchmarks.mining
    python -m tests.benchmarks.mining --idx FOLDER_WITH_IDX_FILES --quantile 0.001

Prints JSON: seconds of both, their ratio (the mark is 1.2) and the memory on top of the features.
On a machine that does other work too, the ratio of processor seconds is the steadier one.
"""

import argparse
import gzip
import json
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Silent
from cad_studio.mining.entangled import find_pairs
from cad_studio.mining.settings import MiningConfig

N_CLASSES = 10


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=60_000)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--threshold", type=float, action="append", default=[])
    parser.add_argument("--quantile", type=float, action="append", default=[])
    parser.add_argument("--method", default="auto")
    parser.add_argument("--idx", type=Path, help="folder of an IDX data set, for pixel features")
    arguments = parser.parse_args()
    cuts = [{"threshold": value} for value in arguments.threshold]
    cuts += [{"quantile": value} for value in arguments.quantile]
    if not cuts:
        cuts = [{"threshold": 0.96}, {"quantile": 1e-4}, {"quantile": 1e-5}]
    product, product_cpu = full_product(60_000)
    cases = {"clustered": clustered(arguments.samples, arguments.width)}
    if arguments.idx:
        cases["idx pixels"] = pixels(arguments.idx)
    for name, (features, candidates, labels) in cases.items():
        for cut in cuts:
            before, cpu = reset_peak(), process_time()
            settings = MiningConfig(method=arguments.method, **cut)
            pairs = find_pairs(features, candidates, labels, settings, Silent())
            cpu = process_time() - cpu
            result = {
                "features": f"{name}, {features.shape[0]} x {features.shape[1]}",
                **cut,
                "found_threshold": round(pairs.threshold, 5),
                "pairs": pairs.n_pairs,
                "instances": pairs.n_instances,
                "method": pairs.method,
                "recall": pairs.recall,
                "seconds": round(pairs.seconds, 2),
                "ratio": round(pairs.seconds / product, 2),
                "cpu_seconds": round(cpu, 2),
                "cpu_ratio": round(cpu / product_cpu, 2),
                "peak_mb_on_top": round(memory_kb("VmHWM") / 1024 - before, 0),
            }
            print(json.dumps(result), flush=True)
    full_product(60_000)


def full_product(n_samples):
    """Wall and processor seconds of features @ features.T, blocks of 4,096 rows, all threads."""
    features = np.random.default_rng(0).standard_normal((n_samples, 128)).astype(np.float32)
    block = np.empty((4096, n_samples), np.float32)
    began, cpu = perf_counter(), process_time()
    for start in range(0, n_samples, 4096):
        rows = features[start : start + 4096]
        np.matmul(rows, features.T, out=block[: len(rows)])
    seconds, cpu = perf_counter() - began, process_time() - cpu
    result = {"full_product_seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2)}
    print(json.dumps(result), flush=True)
    return seconds, cpu


def clustered(n_samples, width):
    """Classes of 20 clusters each, some clusters close to one of another class.

    The spectrum falls as those of pooled network features do, and a common mean is left in.
    """
    generator = np.random.default_rng(1)
    scale = (np.arange(1, width + 1) ** -0.7).astype(np.float32)
    rotation = np.linalg.qr(generator.standard_normal((width, width)))[0].astype(np.float32)
    shapes = generator.standard_normal((20, width)).astype(np.float32)
    classes = generator.standard_normal((N_CLASSES, 20, width)).astype(np.float32)
    labels = generator.integers(0, N_CLASSES, n_samples).astype(np.int32)
    clusters = generator.integers(0, 20, n_samples)
    features = generator.standard_normal((n_samples, width), dtype=np.float32)
    features *= 0.6
    features += shapes[clusters] + 0.5 * classes[labels, clusters]
    features *= scale
    features[:, 0] += 1.0
    for start in range(0, n_samples, 8192):
        features[start : start + 8192] = features[start : start + 8192] @ rotation
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features, draw_candidates(labels, generator), labels


def pixels(folder):
    """Training images of an IDX folder as the `pixels` extractor gives them."""
    from tempfile import TemporaryDirectory

    from cad_studio.extractors._base import make_extractor

    images = read_idx(folder, "train-images-idx3-ubyte", 16)
    labels = read_idx(folder, "train-labels-idx1-ubyte", 8).astype(np.int32)
    images = images.reshape(len(labels), 28, 28)
    began = perf_counter()
    with TemporaryDirectory() as partial:
        features = make_extractor("pixels").extract(Grey(images), None, Silent(), Path(partial))
    print(json.dumps({"pixel_features_seconds": round(perf_counter() - began, 2)}), flush=True)
    return features, draw_candidates(labels, np.random.default_rng(2)), labels


class Grey:
    """Grey images in memory as a pixel source."""

    native_shape = (28, 28, 1)

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def batch(self, rows, height, width, channels):
        assert (height, width, channels) == self.native_shape
        return self.images[rows][..., None]


def draw_candidates(labels, generator):
    """The label and each other class with probability 0.3."""
    dense = generator.random((len(labels), N_CLASSES)) < 0.3
    dense[np.arange(len(labels)), labels] = True
    return PartialLabels.from_dense(dense)


def read_idx(folder, name, header_bytes):
    with gzip.open(folder / f"{name}.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=header_bytes)


def reset_peak():
    """Restart the peak memory count (Linux); MB in use now."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory_kb("VmRSS") / 1024


def memory_kb(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


if __name__ == "__main__":
    main()
