"""Expected numbers of the formulas, computed once from the reference code in float32."""

import json
from pathlib import Path

import torch


def read_vectors(name):
    """One entry of `vectors.json`; lists of numbers stay lists."""
    return json.loads((Path(__file__).parent / "vectors.json").read_text())[name]


def tensor(values):
    return torch.tensor(values, dtype=torch.float32)


def mask(values):
    return torch.tensor(values).bool()


def assert_near(found, expected):
    torch.testing.assert_close(
        found, torch.as_tensor(expected, dtype=found.dtype), atol=1e-5, rtol=1e-5
    )
