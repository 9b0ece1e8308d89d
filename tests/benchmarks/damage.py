"""Damage blobs and the database of a project in every way; what the checks cost.

    python -m tests.benchmarks.damage [--out FILE] [--limit N]

Every blob is deleted, cut short, lengthened, and has a byte flipped; every page of the database is
zeroed. Each time the project is opened anew, verified, exported, and a dataset is removed from it.
Held: `verify` says so, nothing was exported or removed that rests on the damage, no file changed,
and no error but one in words. The costs are ratios, each the median of several, in one process.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cad_studio.config import AppConfig
from cad_studio.core.errors import CadStudioError
from cad_studio.core.progress import Silent
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.container import Services
from cad_studio.services.datasets.sample import SAMPLE_NAME
from cad_studio.services.pairs.mining import MiningRequest
from cad_studio.store.array_files import open_array
from cad_studio.store.sqlite_files import damage_of
from tests.every_kind import DAMAGES, POINTS
from tests.services.small import save, store

PAGE = 4096
_REPEATS = 7


def main() -> None:
    """Print the counts and the costs; `--out` keeps them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--limit", type=int, default=1000, help="most files and pages tried")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        _build(project)
        result = {
            "blobs": _blobs(project, given.limit),
            "pages": _pages(project, given.limit),
            "costs": costs(project),
        }
    print(json.dumps(result, indent=2))
    if given.out:
        given.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _build(folder: Path) -> None:
    services = Services(AppConfig(folder))
    services.importing.import_source("assets/sample.npz", SAMPLE_NAME, _options(), False, Silent())
    request = MiningRequest("pixels", MiningConfig(quantile=1e-4))
    services.mining.mine(SAMPLE_NAME, request, Silent())
    chance = np.random.default_rng(0)
    file = save(
        folder.parent / "points.npz",
        features=chance.normal(size=(30, 5)).astype(np.float32),
        candidates=np.ones((30, 3), bool),
    )
    store(services, file, POINTS)
    services.close()


def _options() -> Any:
    from cad_studio.datasets._base import ReadOptions

    return ReadOptions(format="npz")


def _held(folder: Path, damaged: Path, is_blob: bool) -> bool:
    """Whether a damaged project gave itself away, and stayed as it was."""
    before = _files(folder)
    out = folder.parent / "out.csv"
    try:
        services = Services(AppConfig(folder))
    except CadStudioError:
        return _files(folder) == before
    try:
        found = services.verifying.verify(Silent())
        named = any(str(damaged) == each["file"] for each in found["problems"])
        told = found["is_whole"] is False and named
        owners = {
            name
            for name in services.datasets.names()
            if damaged.name
            in {*(record := services.datasets.get(name)).files.values(), record.version.candidates}
        }
        for name in owners:
            try:
                services.exporting.export(name, "csv", out, Silent())
                return False
            except CadStudioError:
                pass
        if not is_blob:
            try:
                services.datasets.remove(POINTS)
                return False
            except CadStudioError:
                pass
        return told and not out.exists() and _files(folder) == before
    except CadStudioError:
        return _files(folder) == before
    finally:
        services.close()


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(file): (file.stat().st_size, file.stat().st_mtime_ns)
        for file in (folder / "blobs").rglob("*")
        if file.is_file()
    }


def _tally(
    folder: Path, file: Path, change: Callable[[Path], None], is_blob: bool, counts: Counter[str]
) -> None:
    whole = file.read_bytes()
    change(file)
    counts["tried"] += 1
    try:
        counts["held" if _held(folder, file, is_blob) else "broke"] += 1
    except Exception as error:  # a traceback is what this looks for
        counts["broke"] += 1
        print(f"{file.name}: {type(error).__name__}: {error}")
    for beside in folder.glob("project.db-*"):
        beside.unlink()
    file.write_bytes(whole)


def _blobs(folder: Path, limit: int) -> dict[str, dict[str, int]]:
    files = sorted(file for file in (folder / "blobs").rglob("*") if file.is_file())[:limit]
    found = {}
    for damage in DAMAGES:
        counts: Counter[str] = Counter(tried=0, held=0, broke=0)
        for file in files:
            _tally(folder, file, damage, True, counts)
        found[damage.__name__] = dict(counts)
    return found


def _pages(folder: Path, limit: int) -> dict[str, int]:
    file = folder / "project.db"
    counts: Counter[str] = Counter(tried=0, held=0, broke=0)
    for page in range(min(limit, file.stat().st_size // PAGE)):

        def zero(path: Path, page: int = page) -> None:
            data = path.read_bytes()
            path.write_bytes(data[: page * PAGE] + bytes(PAGE) + data[(page + 1) * PAGE :])

        _tally(folder, file, zero, False, counts)
    return dict(counts)


def _seconds(action: Callable[[], object], repeats: int = _REPEATS) -> float:
    spent = []
    for _ in range(repeats):
        started = time.process_time()
        action()
        spent.append(time.process_time() - started)
    return statistics.median(spent)


def costs(folder: Path) -> dict[str, float]:
    """CPU seconds of what users wait for, and the part of it that is checking."""

    def start() -> None:
        Services(AppConfig(folder)).close()

    opened = _seconds(start)
    check = _seconds(lambda: damage_of(folder / "project.db"))
    services = Services(AppConfig(folder))
    record = services.datasets.get(SAMPLE_NAME)
    features = services.mining.feature_sets(SAMPLE_NAME)[0].file
    blobs = services.project.blobs
    path = blobs.path(features)

    def read_twice() -> None:
        np.load(path)
        np.load(path, mmap_mode="r")

    def pair() -> None:
        services.pairs.pair(SAMPLE_NAME, 1, 5, 9)

    pair()
    found = {
        "start_s": opened,
        "check_after_unclean_end_s": check,
        "features_read_whole_then_mapped_s": _seconds(read_twice),
        "features_mapped_with_checks_s": _seconds(lambda: blobs.load_array(features)),
        "features_mapped_alone_s": _seconds(lambda: open_array(path)),
        "features_content_s": _seconds(lambda: blobs.problem(features)),
        "pair_s": _seconds(pair),
        "dataset_content_s": _seconds(
            lambda: [
                blobs.problem(name) for name in (*record.files.values(), record.version.candidates)
            ]
        ),
        "daily_copy_s": _seconds(lambda: services.project.backups.make(), 2),
    }
    services.close()
    shutil.rmtree(folder / "backups")
    return {name: round(value, 5) for name, value in found.items()}


if __name__ == "__main__":
    main()
