"""Out-of-sample class probabilities: every sample is judged by a model that never saw it.

The model is a ridge regression on random Fourier features (Rahimi and Recht, "Random Features for
Large-Scale Kernel Machines", NeurIPS 2007), fitted to beliefs over the candidates that its own
answers sharpen (as PRODEN does: Lv et al., ICML 2020). It has a closed form, so that five folds of
60,000 samples take seconds; the folds are drawn several times and the answers averaged. No true
label is used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Progress, Silent
from cad_studio.core.workers import ALONE, Task, Workers
from cad_studio.diagnosis.beliefs import within

N_FOLDS = 5
N_REPEATS = 3
"""Times the folds are drawn anew; the mean of several models is surer than one is."""

_WIDTH = 1024
_RIDGE = 1e-3
_SCALE = 2.0
_ROUNDS = 2
_LEAST = 1e-3
_AT_ONCE = 8192

Believe = Callable[[NDArray[np.int64]], NDArray[np.float32]]


def cross_fit(
    features: NDArray[np.float32],
    candidates: PartialLabels,
    believe: Believe,
    seed: int = 0,
    progress: Progress | None = None,
    workers: Workers = ALONE,
) -> NDArray[np.float32]:
    """Class probabilities of each sample from the samples of the other folds.

    Args:
        features: float32 (N, D). Finite, unit length.
        candidates: N sets over C classes, none empty.
        believe: Gives a first belief over the candidates of some rows from those rows alone:
            int64 (M,) to float32 (M, C). Pickled where another process judges.
        seed: Of the folds and the random features.
        progress: Told how far it is.
        workers: Who judges.

    Returns:
        float32 (N, C). Rows sum to 1. With fewer than two samples, uniform on the sets.
    """
    told = progress or Silent()
    n_samples, n_classes = len(candidates), candidates.n_classes
    if n_samples < 2:
        return within(np.zeros((n_samples, n_classes), np.float32), candidates.dense())
    chance = np.random.default_rng(seed)
    drawings = []
    for turn in range(N_REPEATS):
        fold = chance.permutation(n_samples) % min(N_FOLDS, n_samples)
        drawings.append(_Drawing(turn, fold, _Fourier(features, chance)))
    items = [(each.turn, place) for each in drawings for place in range(int(each.fold.max()) + 1)]
    out = np.zeros((n_samples, n_classes), np.float32)
    n_done = 0

    def add(item: tuple[int, int], shares: NDArray[np.float32]) -> None:
        nonlocal n_done
        turn, place = item
        out[drawings[turn].fold == place] += shares
        n_done += 1

    def tick() -> None:
        told.report(n_done / len(items), f"Judging part {n_done + 1} of {len(items)}")

    tick()
    workers.run(_Judging(features, candidates, believe, drawings), items, add, tick)
    return out / N_REPEATS


def judged_quality(shares: NDArray[np.float32], candidates: PartialLabels) -> dict[str, float]:
    """How good out-of-sample answers are, by the sets of the samples themselves; no true label.

    Args:
        shares: float32 (N, C). From `cross_fit`.
        candidates: The same N sets.

    Returns:
        `inside`: share of the samples whose set holds their most probable class; `chance`: the
        same of a class drawn as often as sets hold it, whatever the sample; `quality`: how far
        the first is from the second towards 1, so that 0 is a guess and 1 never leaves a set.
    """
    if not len(candidates):
        return {"inside": 0.0, "chance": 0.0, "quality": 0.0}
    inside = float(candidates.contains(shares.argmax(axis=1)).mean())
    held = candidates.dense().mean(axis=0)
    chance = float((held * held).sum() / held.sum())
    return {
        "inside": round(inside, 4),
        "chance": round(chance, 4),
        "quality": round(max(0.0, (inside - chance) / max(1.0 - chance, 1e-9)), 4),
    }


@dataclass(frozen=True)
class _Drawing:
    """One drawing of folds.

    Attributes:
        turn: 0 to `N_REPEATS` - 1.
        fold: int64 (N,). The fold of each sample.
        lift: Random features.
    """

    turn: int
    fold: NDArray[np.int64]
    lift: "_Fourier"


@dataclass(frozen=True)
class _Judging(Task[tuple[int, int], NDArray[np.float32]]):
    """What the model of all other folds says of one fold; items are a drawing and a fold of it.

    Attributes:
        features: float32 (N, D).
        candidates: N sets over C classes.
        believe: As in `cross_fit`.
        drawings: All of them.
    """

    features: NDArray[np.float32]
    candidates: PartialLabels
    believe: Believe
    drawings: list[_Drawing]
    in_order: ClassVar[bool] = True  # sums of answers in another order differ in their last digit

    def prepare(self) -> Callable[[tuple[int, int]], NDArray[np.float32]]:
        @lru_cache(maxsize=1)
        def grams(turn: int) -> NDArray[np.float32]:
            return self._grams(self.drawings[turn])

        def work(item: tuple[int, int]) -> NDArray[np.float32]:
            return self._judged(self.drawings[item[0]], item[1], grams(item[0]))

        return work

    def _grams(self, drawing: _Drawing) -> NDArray[np.float32]:
        """Each fold's share of the normal equations, so that one is left out by a subtraction.

        float32 (folds, width, width).
        """
        lift, n_folds = drawing.lift, int(drawing.fold.max()) + 1
        found = np.zeros((n_folds, lift.width, lift.width), np.float32)
        for place in range(n_folds):
            for rows in _blocks(np.flatnonzero(drawing.fold == place)):
                wide = lift.of(self.features[rows])
                found[place] += wide.T @ wide
        return found

    def _judged(
        self, drawing: _Drawing, place: int, grams: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Shares of the samples of a fold, float32 (M, C)."""
        lift = drawing.lift
        others, own = (np.flatnonzero(drawing.fold != place), np.flatnonzero(drawing.fold == place))
        gram = grams.sum(axis=0) - grams[place]
        gram[np.diag_indices(lift.width)] += _RIDGE * len(others) / lift.width + 1e-6
        belief = self.believe(others)
        weights = _fitted(self.features, others, self.candidates, lift, gram, belief)
        parts = [_as_shares(lift.of(self.features[rows]) @ weights) for rows in _blocks(own)]
        return np.concatenate(parts)


def _fitted(
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    candidates: PartialLabels,
    lift: "_Fourier",
    gram: NDArray[np.float32],
    belief: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Weights, float32 (width, C), fitted to a belief that sharpens as they are."""
    from scipy.linalg import cho_factor, cho_solve

    factor = cho_factor(gram.astype(np.float64))
    places = list(_blocks(np.arange(len(rows))))
    weights = np.zeros((lift.width, candidates.n_classes), np.float32)
    for turn in range(_ROUNDS):
        target = np.zeros_like(weights)
        for part in places:
            target += lift.of(features[rows[part]]).T @ belief[part]
        weights = cho_solve(factor, target).astype(np.float32)
        if turn == _ROUNDS - 1:
            break
        for part in places:
            shares = np.maximum(lift.of(features[rows[part]]) @ weights, _LEAST)
            own = within(shares, candidates.dense(rows[part]))
            belief[part] = 0.5 * belief[part] + 0.5 * own
    return weights


class _Fourier:
    """Random Fourier features of a Gaussian kernel as wide as the data are spread."""

    def __init__(self, features: NDArray[np.float32], chance: np.random.Generator) -> None:
        n_samples, n_dims = features.shape
        # Few samples cannot fix many weights.
        self.width = min(_WIDTH, max(16, n_samples // 2))
        left, right = chance.integers(0, n_samples, (2, 20_000))
        gaps = features[left] - features[right]
        median = float(np.median(np.vecdot(gaps, gaps)))
        scale = np.sqrt(_SCALE / median) if median > 1e-9 else 1.0
        self._weights = (chance.normal(size=(n_dims, self.width)) * scale).astype(np.float32)
        self._shift = chance.uniform(0.0, 2.0 * np.pi, self.width).astype(np.float32)

    def of(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (B, width)."""
        waves = np.cos(vectors @ self._weights + self._shift)
        return waves * np.float32(np.sqrt(2.0 / self.width))


def _as_shares(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    kept = np.maximum(scores, 1e-4)
    return kept / kept.sum(axis=1, keepdims=True)


def _blocks(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE)]
