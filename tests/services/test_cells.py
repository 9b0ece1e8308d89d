"""Of many samples, neighbours come from cells and counts from disk; they are what they were."""

import numpy as np
import pytest

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.container import Services
from cad_studio.services.datasets import datasets, loaded
from cad_studio.services.operations import run_operation
from cad_studio.services.pairs import cells
from cad_studio.services.pairs.mining import MiningRequest
from cad_studio.services.pairs.pairs import PairFilter
from tests.services.small import save, store

N_SAMPLES, N_CLASSES = 400, 4


def described(folder):
    """What the page of pairs reads of a dataset, by a studio that was just opened."""
    services = Services(AppConfig(folder))
    mining = services.mining.minings("points")[0]
    found = {
        "near": services.pairs.neighbours("points", mining.feature_set_id, 3, 6),
        "sharing": services.pairs.summary("points", mining.id, PairFilter())["sharing"],
        "together": services.datasets.load("points").together.tolist(),
        "mistaken": services.datasets.set_model("points"),
    }
    services.close()
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project in which 400 samples are many."""
    chance = np.random.default_rng(0)
    centres = chance.standard_normal((N_CLASSES, 6))
    truth = chance.integers(0, N_CLASSES, N_SAMPLES)
    dense = chance.random((N_SAMPLES, N_CLASSES)) < 0.4
    dense[np.arange(N_SAMPLES), truth] = True
    features = (centres[truth] + chance.standard_normal((N_SAMPLES, 6))).astype(np.float32)
    monkeypatch.setattr(cells, "LEAST_ROWS", 100)
    monkeypatch.setattr(loaded, "COUNTED_ANEW", 100)
    services = Services(AppConfig(tmp_path / "project"))
    file = save(tmp_path / "points.npz", features=features, candidates=dense)
    store(services, file, "points")
    request = MiningRequest("raw", MiningConfig(quantile=0.05))
    services.mining.mine("points", request, Silent())
    services.close()
    return tmp_path / "project"


def test_what_is_kept_is_what_would_be_counted(folder, monkeypatch):
    kept = described(folder)
    names = {file.name.partition("-")[2] for file in (folder / "derived").glob("*")}
    assert {"cells.json", "cells-rows.npy", f"together-{N_CLASSES}.npy"} <= names
    assert any(name.startswith("sharing-") for name in names)
    assert described(folder) == kept  # read, not made
    monkeypatch.setattr(loaded, "COUNTED_ANEW", 10**9)
    for file in (folder / "derived").glob("*-cells.json"):
        file.unlink()
    counted = described(folder)
    assert counted["near"].pop("recall") is None
    assert kept["near"].pop("recall") >= 0.99
    assert counted == kept


def test_counts_of_other_sets_are_others(folder):
    services = Services(AppConfig(folder))
    data = services.datasets.load("points")
    before = data.together.copy()
    hidden = data.without(frozenset())
    assert np.array_equal(hidden.together, before)
    assert len(list((folder / "derived").glob("*-together-*.npy"))) == 1
    blind = data.without(frozenset([0]))
    blind.counted("together", lambda: np.zeros(1))
    assert np.array_equal(services.datasets.load("points").together, before)
    services.close()


@pytest.mark.parametrize("part", ["centres", "rows", "starts"])
def test_damaged_cells_are_left_aside_and_made_again(folder, part):
    """One damaged file was an error at every neighbour, for good."""
    whole = described(folder)
    [file] = (folder / "derived").glob(f"*-cells-{part}.npy")
    file.write_bytes(file.read_bytes()[:40])
    without = described(folder)
    assert without["near"].pop("recall") is None  # all were compared
    recall = whole["near"].pop("recall")
    assert without == whole
    services = Services(AppConfig(folder))
    request = MiningRequest("raw", MiningConfig(quantile=0.05))
    services.mining.mine("points", request, Silent())
    services.close()
    assert described(folder)["near"]["recall"] == recall


def test_counts_of_equal_sets_in_more_classes_are_larger(folder):
    """Packed sets of 4 and of 5 classes are the same bytes where nobody holds the fifth."""
    services = Services(AppConfig(folder))
    data = services.datasets.load("points")
    again = folder.parent / "five.npz"
    dense = np.pad(data.candidates.dense(), ((0, 0), (0, 1)))
    save(again, features=np.asarray(data.features), candidates=dense)
    store(services, again, "five")
    assert data.together.shape == (N_CLASSES, N_CLASSES)
    assert services.datasets.load("five").together.shape == (N_CLASSES + 1, N_CLASSES + 1)
    services.close()


def test_classes_are_counted_when_many_samples_come_in(tmp_path, monkeypatch):
    """The first who looked at a million samples waited for it."""
    monkeypatch.setattr(loaded, "COUNTED_ANEW", 100)
    monkeypatch.setattr(datasets, "COUNTED_ANEW", 100)
    services = Services(AppConfig(tmp_path / "project"))
    chance = np.random.default_rng(0)
    file = save(
        tmp_path / "points.npz", features=chance.standard_normal((200, 3)).astype(np.float32),
        candidates=chance.random((200, 4)) < 0.7,
    )  # fmt: skip
    given = {"source": str(file), "name": "points", "options": {}, "skip_bad": True}
    run_operation(services, "import", given, Silent())
    kept = {file.name.partition("-")[2] for file in (tmp_path / "project" / "derived").glob("*")}
    assert {"together-4.npy", "set-model-4.npy"} <= kept
    services.close()
