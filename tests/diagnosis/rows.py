"""Features for the tests of this room."""

import numpy as np


def unit_rows(n_samples, n_dims, seed=0):
    """Random float32 rows of unit length."""
    rows = np.random.default_rng(seed).normal(size=(n_samples, n_dims))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
