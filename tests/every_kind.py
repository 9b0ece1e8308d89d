"""A project that holds a blob of every kind the store writes, and ways to damage them."""

import csv
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.container import Services
from cad_studio.services.edits.models import EditModelRequest
from cad_studio.services.pairs.mining import MiningRequest
from tests.services.annotating import request
from tests.services.edited import brightness, with_run
from tests.services.small import save, store

IMAGES, VOTED, POINTS = "b", "voted", "points"


def build(folder: Path) -> int:
    """Make the project in `folder`; the number of its run, whose answers are kept."""
    services = Services(AppConfig(folder))
    store(services, brightness(folder.parent), IMAGES)
    services.edit_models.create(EditModelRequest(IMAGES))
    for labels in ("auto", "best"):
        search = MiningRequest("pixels", MiningConfig(quantile=0.3), labels)
        services.mining.mine(IMAGES, search, Silent())
    run = with_run(services, IMAGES, epochs=1)
    services.diagnosis.prepare(run, Silent())
    services.annotation.act(IMAGES, request("label", [3], given={"class": 1}))
    services.sets.settle(IMAGES)
    _voted(services, folder.parent)
    chance = np.random.default_rng(2)
    file = save(
        folder.parent / "points.npz",
        features=chance.normal(size=(30, 5)).astype(np.float32),
        candidates=chance.random((30, 3)) < 0.9,
    )
    store(services, file, POINTS, skip_bad=True)
    services.close()
    return run


def _voted(services: Services, folder: Path) -> None:
    """Images of several sizes, which are kept as files, with three votes each."""
    chance = np.random.default_rng(1)
    with (folder / "votes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "annotator", "label"])
        for row in range(12):
            side = 70 + 3 * row
            Image.fromarray(chance.integers(0, 255, (side, side), np.uint8)).save(
                folder / f"{row}.png"
            )
            writer.writerows([f"{row}.png", who, f"c{chance.integers(3)}"] for who in "abc")
    store(services, folder / "votes.csv", VOTED)


def delete(path: Path) -> None:
    """The file is gone."""
    path.unlink()


def truncate(path: Path) -> None:
    """The second half is gone."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """One byte in the second half is another."""
    data = bytearray(path.read_bytes())
    data[-(len(data) // 4) - 1] ^= 0xFF
    path.write_bytes(data)


def lengthen(path: Path) -> None:
    """A byte too many."""
    path.write_bytes(path.read_bytes() + b"\0")


def behead(path: Path) -> None:
    """The header is zeros."""
    data = bytearray(path.read_bytes())
    data[:16] = bytes(min(16, len(data)))
    path.write_bytes(data)


DAMAGES: tuple[Callable[[Path], None], ...] = (delete, truncate, flip, lengthen, behead)


def addresses(run: int) -> list[str]:
    """Routes that read blobs, below the prefix of the routes."""
    found = ["/state", "/training/runs", "/training/follow", f"/training/runs/{run}"]
    for name in (IMAGES, VOTED, POINTS):
        at = f"/datasets/{quote(name)}"
        found += [
            at, f"{at}/co-occurrence", f"{at}/rows", f"{at}/rows?text=1", f"{at}/instance/3",
            f"{at}/neighbours/3?features=1", f"{at}/minings", f"/sprite/now/{name}.png?rows=0,1,2",
            f"/image/now/{name}/3", f"/annotate/{name}", f"/annotate/{name}/card?row=3",
            f"/annotate/{name}/agreement", f"/annotate/{name}/history/3",
            f"/annotate/{name}/suggestions/3?features=pixels", f"/training/offers?dataset={name}",
            f"/augment/{name}/offers", f"/augment/{name}/look?row=3&run={run}",
            f"/diagnosis/map/{name}?features=pixels", f"/diagnosis/of/{name}",
            f"/diagnosis/map/{name}/points?features=pixels",
        ]  # fmt: skip
    for mining in (1, 2):
        at = f"/datasets/{IMAGES}/minings/{mining}"
        found += [at, f"{at}/pairs", f"{at}/pairs.csv", f"{at}/pair/1-2"]
    found += [f"/datasets/{IMAGES}/minings/1/agreement/2"]
    views = (
        "overview", "classes", "reliability?class=1", "entanglement", "rows?what=cell&a=0&b=1",
        "tiles?rows=1,2", "colours?by=truth", "columns", "suspects", "instance/3", "pair/1-2",
    )  # fmt: skip
    return found + [f"/diagnosis/{run}/{view}" for view in views]
