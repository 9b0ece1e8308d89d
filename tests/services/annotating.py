"""A small dataset to annotate, and short ways to say what is done to it."""

from itertools import count

import numpy as np

from cad_studio.services.annotation.action_requests import ActionRequest
from tests.services.small import noise, save, sets, store

NAME = "pets"
CLASSES = ["cat", "dog", "fox", "owl"]
N_SAMPLES = 60

_numbers = count()


def make(services, folder, name=NAME, **more):
    """60 images over four classes; the truth is known, and in every set."""
    truth = np.arange(N_SAMPLES) % 4
    candidates = sets(N_SAMPLES, 4, truth, seed=2)
    candidates[:8] = [[1, 1, 0, 0]] * 8
    candidates[:8, :][np.arange(8), truth[:8]] = True
    pixels = noise(N_SAMPLES, 6, 6, seed=1) // 4 + (truth * 60).astype(np.uint8)[:, None, None]
    file = save(
        folder / f"{name}.npz", images=pixels, candidates=candidates, labels=truth,
        class_names=np.array(CLASSES), ids=np.array([f"img {row}" for row in range(N_SAMPLES)]),
        split=np.array(["test" if row % 10 == 9 else "train" for row in range(N_SAMPLES)]),
        **more,
    )  # fmt: skip
    store(services, file, name)


def request(kind, rows=(), who="anna", **more):
    given = more.pop("given", {})
    more.setdefault("key", f"key-{next(_numbers)}")
    more.setdefault("window", f"window of {who}")
    return ActionRequest(kind, list(rows), given, who, **more)


def act(services, kind, rows=(), who="anna", **more):
    """Do something to the small dataset."""
    return services.annotation.act(NAME, request(kind, rows, who, **more))


def label(services, row, index, who="anna", **more):
    return act(services, "label", [row], who, given={"class": index}, **more)


def now(services, row):
    """The candidates of a sample."""
    return services.sets.effective(NAME).of(row)
