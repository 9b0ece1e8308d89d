"""A real project with two small datasets: labelled images and unlabelled vectors."""

from pathlib import Path

import gradio as gr
import numpy as np

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.container import Services
from cad_studio.services.pairs.mining import MiningRequest

SHAPES, VECTORS, HOSTILE = "shapes 1", "vectors", "${alert(1)}<img src=x onerror=alert(1)>"
N_SHAPES, N_VECTORS = 40, 12
CLASSES = ["cat", "dog", HOSTILE, "ärger"]


def functions_of(window):
    """Every function that a script of a window may call, by page and name."""
    pages = [block for block in window.blocks.values() if isinstance(block, gr.HTML)]
    return {
        f"{page.elem_id} {each.__name__}": each
        for page in pages
        for each in page.server_fns
        if each.__module__.startswith("cad_studio.")
    }


def build_services(folder: Path, read_only: bool = False) -> Services:
    """Services over a new project in `folder`, filled through the services themselves."""
    services = Services(AppConfig(folder / "project", read_only=read_only))
    for name, file in ((SHAPES, shapes(folder)), (VECTORS, vectors(folder))):
        services.importing.import_source(str(file), name, ReadOptions(), False, Silent())
    for quantile in (0.35, 0.2):
        request = MiningRequest("pixels", MiningConfig(quantile=quantile))
        services.mining.mine(SHAPES, request, Silent())
    services.mining.mine(VECTORS, MiningRequest("raw", MiningConfig(threshold=-1.0)), Silent())
    return services


def shapes(folder: Path) -> Path:
    """40 grey images of 9 x 9 in four classes of ten, all labelled."""
    generator = np.random.default_rng(3)
    truth = np.arange(N_SHAPES) % 4
    candidates = generator.random((N_SHAPES, 4)) < 0.6
    candidates[np.arange(N_SHAPES), truth] = True
    file = folder / "shapes.npz"
    np.savez(
        file,
        images=generator.integers(0, 256, (N_SHAPES, 9, 9), np.uint8),
        candidates=candidates,
        labels=truth,
        ids=np.array([f"{'test' if row % 5 == 0 else 'train'}/ü{row:03}" for row in range(40)]),
        split=np.array(["test" if row % 5 == 0 else "train" for row in range(N_SHAPES)]),
        class_names=np.array(CLASSES),
    )
    return file


def vectors(folder: Path) -> Path:
    """12 vectors of width 5 without any true label."""
    generator = np.random.default_rng(4)
    candidates = generator.random((N_VECTORS, 3)) < 0.5
    candidates[:, 1] = True
    file = folder / "vectors.npz"
    np.savez(
        file,
        features=generator.normal(size=(N_VECTORS, 5)),
        candidates=candidates,
        class_names=np.array(["up", "down", "left"]),
    )
    return file
