"""What CAD and CAD-CAM have in common: everything but where the class views come from."""

import torch
from torch import Tensor, nn

from cad_studio.algorithms._base import Algorithm, Batch, Setup, StepResult
from cad_studio.algorithms._cad_losses import (
    adjusted_losses,
    confidence_weights,
    reduce_contrast,
)
from cad_studio.algorithms._cad_settings import CadSettings
from cad_studio.algorithms._contrast import (
    Columns,
    RingBuffer,
    attention,
    contrast_losses,
    moco_losses,
)
from cad_studio.algorithms._losses import uniform_on
from cad_studio.models.ema import copy_network, update_ema

VIEW_NAMES = ("cls",)
CLASS_VIEW_NAMES = ("cls", "weak", "strong")
_LEAST_TOLD = 1e-4


class CadTraining(nn.Module):
    """One step of CAD, its slow copy and its queue.

    Departures from the authors' code: the queue starts empty instead of with random rows, the
    slow copy is an exact copy at first, its BatchNorm statistics are copied, and it sees the
    views in evaluation mode. It follows more closely at first where it is the one that is judged.
    """

    told: Tensor
    n_steps: Tensor

    def __init__(self, setup: Setup, config: CadSettings) -> None:
        """Start with an exact copy and an empty queue."""
        super().__init__()
        self.config = config
        self.teacher = copy_network(setup.network)
        self.queue = RingBuffer(
            config.queue_size,
            features=setup.start.new_empty((0, setup.network.projection_width)),
            scores=setup.start.new_empty((0, setup.n_classes)),
            label=setup.candidates.new_empty(0, dtype=torch.int64),
        )
        told = setup.start if config.anchor else setup.start[:0]
        self.register_buffer("told", told.clone())
        self.register_buffer("n_steps", torch.zeros((), dtype=torch.int64))

    def adopt(self, belief: Tensor) -> None:
        """Take a belief from outside as the anchor, float32 (N, C)."""
        if self.config.anchor:
            self.told.copy_(belief)

    def step(self, algorithm: Algorithm, batch: Batch, is_class_aware: bool) -> StepResult:
        """The loss of a batch; moves the method's belief and the queue.

        Args:
            algorithm: The method whose network learns.
            batch: With class views, unless contrast is left out.
            is_class_aware: Whether class views of one class attract each other; otherwise only
                views of one image do.
        """
        if self.config.without_rl:
            with torch.no_grad():
                taught = self.teacher(batch.views["cls"])
            logits = algorithm.network(batch.views["cls"])
            loss = self._classification(algorithm, batch, taught, logits)
            return StepResult(loss, {"classification": loss.detach()})

        assert batch.class_views is not None
        n_samples, n_views = len(batch.row), len(batch.class_views["weak"])
        # One pass for all views of a network: fewer, larger products.
        with torch.no_grad():
            seen = [batch.views["cls"], batch.class_views["weak"]]
            if self.config.scores_from == "cls":
                seen.insert(1, batch.class_views["cls"])
            slow = self.teacher.features(torch.cat(seen))
            # The class scores are those of the class views that follow the samples' own.
            taught = self.teacher.classify(slow[: n_samples + n_views])
            keys = self.teacher.project(slow[-n_views:])
        fast = algorithm.network.features(
            torch.cat([batch.views["cls"], batch.class_views["strong"]])
        )
        logits = algorithm.network.classify(fast[:n_samples])
        queries = algorithm.network.project(fast[n_samples:])

        classification = self._classification(algorithm, batch, taught[:n_samples], logits)
        contrast = self._contrast(batch, queries, keys, taught[n_samples:], is_class_aware)
        parts = {"classification": classification.detach(), "contrast": contrast.detach()}
        return StepResult(classification + self.config.beta * contrast, parts)

    def after_step(self, algorithm: Algorithm) -> None:
        """Move the slow copy; where it is the one judged, faster at first.

        Otherwise a short run would be judged by the weights it began with.
        """
        momentum = self.config.momentum
        if self.config.inference == "slow":
            self.n_steps += 1
            momentum = min(momentum, float((1 + self.n_steps) / (10 + self.n_steps)))
        update_ema(self.teacher, algorithm.network, momentum)

    def _classification(
        self, algorithm: Algorithm, batch: Batch, taught: Tensor, logits: Tensor
    ) -> Tensor:
        candidates = batch.candidates
        if self.config.without_ca:
            outside = uniform_on(~candidates)
        else:
            if self.config.anchor:
                # Added to the logits inside the candidates only: a product of two beliefs.
                told = self.told[batch.row].clamp(min=_LEAST_TOLD).log()
                taught = taught.float() + self.config.anchor * told.masked_fill(~candidates, 0.0)
            weights = confidence_weights(taught, candidates)
            outside = weights.masked_fill(candidates, 0.0)
            algorithm.remember(batch.row, weights.masked_fill(~candidates, 0.0))
        weights = algorithm.belief[batch.row] + outside
        return adjusted_losses(logits, candidates, weights).mean()

    def _contrast(
        self, batch: Batch, queries: Tensor, keys: Tensor, scores: Tensor, is_class_aware: bool
    ) -> Tensor:
        assert batch.guide is not None
        assert batch.source is not None
        columns = Columns.build(queries, keys, self.queue.features, self.queue.usable)
        if is_class_aware:
            labels = torch.cat([batch.guide, batch.guide, self.queue.label])
            positive = (batch.guide[:, None] == labels) & columns.comparable()
            all_scores = torch.cat([scores, scores, self.queue.scores])
            weights = attention(scores, all_scores, positive, self.config.tau_d)
            losses = contrast_losses(columns, weights, self.config.tau)
        else:
            losses = moco_losses(columns, self.config.tau)
        self.queue.push(features=keys, scores=scores, label=batch.guide)
        return reduce_contrast(losses, batch.source, self.config.con_reduction)


def class_view_names(config: CadSettings) -> tuple[str, ...]:
    """The views that a step makes of each class view; none without contrast."""
    if config.without_rl:
        return ()
    return CLASS_VIEW_NAMES if config.scores_from == "cls" else CLASS_VIEW_NAMES[1:]


def choose_class_views(
    candidates: Tensor, belief: Tensor, limit: int, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """All candidates, or the most believed ones and one more at random, of some samples or all.

    Args:
        candidates: bool (B, C).
        belief: float32 (B, C).
        limit: How many of the most believed; 0 for all.
        share: How much of the batch, at least one sample: those whose two highest beliefs lie
            closest.
        generator: Chance, on the CPU.

    Returns:
        source int64 (M,), rising, and guide int64 (M,).
    """
    if 0 < limit < candidates.shape[1]:
        best = belief.masked_fill(~candidates, -1.0).topk(limit, dim=1).indices
        chosen = torch.zeros_like(candidates).scatter_(1, best, True) & candidates
        rest = candidates & ~chosen
        noise = torch.rand(candidates.shape, generator=generator).to(belief.device)
        extra = noise.masked_fill(~rest, -1.0).argmax(dim=1, keepdim=True)
        candidates = chosen | (torch.zeros_like(candidates).scatter_(1, extra, True) & rest)
    n_chosen = max(1, round(share * len(candidates)))
    if n_chosen < len(candidates) and candidates.shape[1] > 1:
        first, second = belief.topk(2, dim=1).values.unbind(dim=1)
        entangled = (first - second).topk(n_chosen, largest=False).indices
        is_chosen = torch.zeros_like(candidates[:, 0]).index_fill_(0, entangled, True)
        candidates = candidates & is_chosen[:, None]
    source, guide = candidates.nonzero(as_tuple=True)
    return source, guide
