"""One training step, the same for every method."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cad_studio.algorithms._base import StepResult
from cad_studio.training.batching import make_batch
from cad_studio.training.precision import computing_in
from cad_studio.training.session import Session

Check = Callable[[Tensor], None]
"""Looks at a loss before any weight moves, and raises where it is not finite."""


def take_step(
    session: Session,
    positions: NDArray[np.int64],
    inputs: Tensor,
    check: Check,
    average: Callable[[Tensor], Tensor] | None = None,
) -> StepResult:
    """Make the views of a batch, and learn from them.

    Args:
        session: The run; its method is in training mode.
        positions: int64 (B,). Among the training samples, none twice.
        inputs: Of these samples, uint8 (B, H, W, 1 or 3) or float32 (B, D), on the device.
        check: Given the loss.
        average: Averages the gradients over several processes and gives the loss over all;
            None where there is one.
    """
    algorithm, optimiser = session.algorithm, session.optimiser
    rows = torch.from_numpy(positions)
    batch = make_batch(algorithm, rows, inputs, session.views, session.view_chance, session.truth)
    with computing_in(session.precision, session.device):
        result = algorithm.step(batch)
    if average is None:
        check(result.loss)
    optimiser.zero_grad(set_to_none=True)
    result.loss.backward()
    if average is not None:
        check(average(result.loss))
    optimiser.step()
    algorithm.after_step()
    return result
