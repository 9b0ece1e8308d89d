"""Candidate sets from an annotator's logits: instance-dependent label flipping.

Source: Ning Xu, Congyu Qiao, Xin Geng, Min-Ling Zhang. "Instance-Dependent Partial Label
Learning." NeurIPS 2021. https://arxiv.org/abs/2110.12911

With p the annotator's softmax and y the true class, class j joins the set with probability
xi_j = min(1, rate * C * q_j), where q_j = p_j / (1 - p_y). The draws are independent, and y always
stays. q is computed as a softmax over the classes without y, because 1 - p_y vanishes for a
confident annotator.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cad_studio.annotators._truth import require_truth
from cad_studio.core.errors import SettingError
from cad_studio.core.partial_labels import PartialLabels

BLOCK_CELLS = 1 << 22
"""Samples times classes worked on at once: 16 MB of float32."""


def flip_probabilities(
    logits: NDArray[np.float32], truth: NDArray[np.integer], rate: float
) -> NDArray[np.float32]:
    """How likely each wrong class is to join each sample's candidate set.

    Args:
        logits: float32 (N, C). Finite.
        truth: integers (N,). 0 to C - 1.
        rate: Factor on the probabilities, 0 or more; 0 gives the truth alone.

    Returns:
        float32 (N, C). 0 to 1; 0 at the true class.

    Raises:
        SettingError: A true label is unknown, or `rate` is negative or no number.
    """
    _check(logits, truth, rate)
    xi = np.empty(logits.shape, np.float32)
    for block in _blocks(*logits.shape):
        xi[block] = _flip_block(logits[block], truth[block], rate)
    return xi


def draw_candidates(
    xi: NDArray[np.float32], truth: NDArray[np.integer], generator: np.random.Generator
) -> PartialLabels:
    """Draw a candidate set for every sample; the true class is always in it.

    Args:
        xi: float32 (N, C). Probability of each class to join, 0 to 1.
        truth: integers (N,). 0 to C - 1.
        generator: Random generator.

    Raises:
        SettingError: A true label is unknown.
    """
    require_truth(truth, xi.shape[1])
    packed = np.empty((len(xi), -(-xi.shape[1] // 8)), np.uint8)
    for block in _blocks(*xi.shape):
        packed[block] = _draw_block(xi[block], truth[block], generator)
    return PartialLabels(packed, xi.shape[1])


def synthesise_candidates(
    logits: NDArray[np.float32],
    truth: NDArray[np.integer],
    rate: float,
    generator: np.random.Generator,
) -> PartialLabels:
    """Flip and draw in one go, without the (N, C) probabilities in memory.

    The sets equal `draw_candidates(flip_probabilities(logits, truth, rate), truth, generator)`.

    Args:
        logits: float32 (N, C). Finite.
        truth: integers (N,). 0 to C - 1.
        rate: Factor on the probabilities, 0 or more.
        generator: Random generator.

    Raises:
        SettingError: A true label is unknown, or `rate` is negative or no number.
    """
    _check(logits, truth, rate)
    n_samples, n_classes = logits.shape
    packed = np.empty((n_samples, -(-n_classes // 8)), np.uint8)
    for block in _blocks(n_samples, n_classes):
        xi = _flip_block(logits[block], truth[block], rate)
        packed[block] = _draw_block(xi, truth[block], generator)
    return PartialLabels(packed, n_classes)


def _check(logits: NDArray[np.float32], truth: NDArray[np.integer], rate: float) -> None:
    if not 0 <= rate < np.inf:
        raise SettingError(f"rate is {rate}; the least is 0.")
    require_truth(truth, logits.shape[1])


def _blocks(n_samples: int, n_classes: int) -> Iterator[slice]:
    size = max(1, BLOCK_CELLS // n_classes)
    for start in range(0, n_samples, size):
        yield slice(start, start + size)


def _flip_block(
    logits: NDArray[np.float32], truth: NDArray[np.integer], rate: float
) -> NDArray[np.float32]:
    n_classes = logits.shape[1]
    if n_classes == 1:
        return np.zeros(logits.shape, np.float32)
    rows = np.arange(len(logits))
    others = logits.astype(np.float32)
    others[rows, truth] = -np.inf
    others -= others.max(axis=1, keepdims=True)
    np.exp(others, out=others)
    others *= rate * n_classes / others.sum(axis=1, keepdims=True)
    return np.minimum(others, 1, out=others)


def _draw_block(
    xi: NDArray[np.float32], truth: NDArray[np.integer], generator: np.random.Generator
) -> NDArray[np.uint8]:
    # Numbers in [0, 1): a probability of 1 always joins, one of 0 never does.
    dense = generator.random(xi.shape, np.float32) < xi
    dense[np.arange(len(xi)), truth] = True
    return np.packbits(dense, axis=1)
