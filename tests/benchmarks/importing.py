"""Time imports and their preview, against an earlier state of the code; print JSON.

    python -m tests.benchmarks.importing [--images 10000] [--rounds 3] [--before FOLDER]
        [--fashion /usr/share/datasets/fashion-mnist] [--parquet FOLDER]

A folder of PNG files of 28 x 28 pixels in ten class folders, Fashion-MNIST as IDX files, and a
folder of Parquet files with pictures in them (CIFAR-10 as the Hub converts it), are imported into
new projects by the code of this checkout and by that in `--before`, in turns, each in a process of
its own. `ratio` is the median processor time after to that before, `ratio_of_least` that of the
fastest rounds, which other work on the machine disturbs least; wall-clock times are given too.
`preview_seconds` is the preview of a table of 100,000 rows, by wall clock.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parents[2]
_IMPORT = """
import json, resource, sys, time
from pathlib import Path
from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.container import Services
services = Services(AppConfig(Path(sys.argv[2])))
used = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
began, cpu = time.perf_counter(), used()
found = services.importing.import_source(sys.argv[1], "x", ReadOptions(), False, Silent())
print(json.dumps([time.perf_counter() - began, used() - cpu, found["n"]]))
services.close()
"""
_PREVIEW = """
import json, sys, time
from pathlib import Path
from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.container import Services
services = Services(AppConfig(Path(sys.argv[2])))
began = time.perf_counter()
found = services.importing.preview(sys.argv[1], ReadOptions(), Silent(), True)
print(json.dumps([time.perf_counter() - began, time.process_time(), found["n"]]))
services.close()
"""


def picture_folder(folder: Path, n_images: int) -> Path:
    """PNG files of random pixels, uint8 (28, 28), in ten class folders."""
    chance = np.random.default_rng(0)
    for row in range(n_images):
        place = folder / f"class {row % 10}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = chance.integers(0, 256, (28, 28), np.uint8)
        Image.fromarray(pixels).save(place / f"{row:06}.png", compress_level=1)
    return folder


def long_table(folder: Path, n_rows: int) -> Path:
    """A table of many rows that name few images over and over, each under an id of its own."""
    folder.mkdir()
    for row in range(100):
        Image.new("L", (28, 28), row).save(folder / f"{row}.png")
    lines = ["id,file_name,candidates,label,camera"]
    lines += [f"i{row},{row % 100}.png,a|b|c,a,north {row % 7}" for row in range(n_rows)]
    (folder / "metadata.csv").write_text("\n".join(lines))
    return folder


def timed(code: Path, script: str, source: Path) -> list[float]:
    """Wall-clock and processor seconds of a script, and the samples it found."""
    with tempfile.TemporaryDirectory() as project:
        done = subprocess.run(
            [sys.executable, "-c", script, str(source), project],
            cwd=code, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True,
        )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--fashion", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--parquet", type=Path, help="folder of Parquet files with pictures")
    given = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        sources = {"png_folder": picture_folder(Path(scratch) / "png", given.images)}
        if given.fashion.is_dir():
            sources["idx"] = given.fashion
        if given.parquet:
            sources["parquet"] = given.parquet.resolve()
        codes = {"after": HERE} | ({"before": given.before} if given.before else {})
        for name, source in sources.items():
            times: dict[str, list[list[float]]] = {which: [] for which in codes}
            for _ in range(given.rounds):
                for which, code in codes.items():
                    times[which].append(timed(code, _IMPORT, source))
            about: dict[str, Any] = {
                which: {
                    "wall_seconds": round(median(each[0] for each in taken), 3),
                    "cpu_seconds": round(median(each[1] for each in taken), 3),
                    "n": taken[0][2],
                }
                for which, taken in times.items()
            }
            if "before" in about:
                ratio = about["after"]["cpu_seconds"] / about["before"]["cpu_seconds"]
                about["ratio"] = round(ratio, 3)
                least = {which: min(each[1] for each in taken) for which, taken in times.items()}
                about["ratio_of_least"] = round(least["after"] / least["before"], 3)
            found[name] = about
        table = long_table(Path(scratch) / "table", given.rows)
        looks = [timed(HERE, _PREVIEW, table) for _ in range(given.rounds)]
        found["preview_seconds"] = round(median(look[0] for look in looks), 3)
        found["preview_rows"] = looks[0][2]
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
