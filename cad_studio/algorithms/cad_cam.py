"""CAD-CAM: class views dim what does not speak for a class, by the network's own maps.

Zhao, Shi, Sun and Dong, "Mitigating Instance Entanglement in Instance-Dependent Partial Label
Learning", CVPR 2026, https://arxiv.org/abs/2603.04825. The authors' release has no code for this
variant; which map, when it is computed and how dark the rest becomes are this project's choice.
Where paper, authors' code and this project differ is listed in `_cad_paper.DEPARTURES`; each
difference is a setting, and `_cad_paper.PAPER` sets them to the authors' behaviour.

One step, for images x, their candidates S, and one class view x' for each of some (x, s in S):

1. The slow copy E gives omega from E(x), and keys and scores of the class views.
2. The network C learns L_cls from C(x), and queries from the class views.
3. L = L_cls + beta * L_con over [queries | keys | queue]; E follows C.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, Setup, StepResult
from cad_studio.algorithms._cad_losses import adjusted_losses, confidence_weights, reduce_contrast
from cad_studio.algorithms._cad_paper import DEPARTURES
from cad_studio.algorithms._cam import CAMS, FILLS
from cad_studio.algorithms._cam_views import CamViews
from cad_studio.algorithms._contrast import (
    Columns,
    RingBuffer,
    attention,
    contrast_losses,
    moco_losses,
)
from cad_studio.algorithms._losses import restricted_softmax, soft_cross_entropy
from cad_studio.core.settings import check_settings
from cad_studio.models.ema import copy_network, fresh_copy, update_ema

CLASS_VIEW_NAMES: tuple[str, ...] = ("cls", "weak", "strong")
REDUCTIONS = ("per_augmentation", "per_instance")
SCORES = ("cls", "key")
TEACHER_STARTS = ("copy", "random")
TEACHER_MODES = ("eval", "train")
QUEUE_STARTS = ("empty", "random")
_LEAST_TOLD = 1e-4


@dataclass(frozen=True)
class CadCamConfig:
    """Settings of CAD-CAM; CAD has them too.

    The defaults are for short runs of small networks on a CPU; `_cad_paper` has the authors'.
    """

    beta: float = field(
        default=0.1, metadata={"help": "Weight of the contrastive loss.", "minimum": 0.0}
    )
    tau: float = field(
        default=0.2, metadata={"help": "Temperature of the contrast.", "minimum": 1e-3}
    )
    tau_d: float = field(
        default=0.1, metadata={"help": "Temperature among the positives.", "minimum": 1e-3}
    )
    momentum: float = field(
        default=0.99,
        metadata={"help": "Momentum of the slow copy.", "minimum": 0.0, "maximum": 1.0},
    )
    queue_size: int = field(
        default=1024, metadata={"help": "Keys kept from earlier batches.", "minimum": 1}
    )
    anchor: float = field(
        default=1.0,
        metadata={
            "help": "How much a propagated belief still counts once the slow copy's own takes "
            "over: its power in their product. 0 forgets it, as the paper; a uniform start never "
            "counts.",
            "minimum": 0.0,
            "maximum": 10.0,
        },
    )
    teacher_start: str = field(
        default="copy",
        metadata={
            "help": "Weights the slow copy begins with: those of the network, or random ones of "
            "its own, as the authors' code has it.",
            "choices": TEACHER_STARTS,
        },
    )
    teacher_mode: str = field(
        default="eval",
        metadata={
            "help": "BatchNorm of the slow copy: eval takes the network's running statistics; "
            "train takes those of each batch, as the authors' code.",
            "choices": TEACHER_MODES,
        },
    )
    separate_passes: bool = field(
        default=False,
        metadata={
            "help": "One pass for each kind of view, as the authors' code, so that class views "
            "do not enter the BatchNorm statistics of the images; otherwise one joint pass, which "
            "is faster."
        },
    )
    queue_start: str = field(
        default="empty",
        metadata={
            "help": "The queue before the first batch: empty, or random rows, as the authors' "
            "code.",
            "choices": QUEUE_STARTS,
        },
    )
    without_ca: bool = field(
        default=False,
        metadata={
            "help": "Ablation: confidence adjustment is left out; the weights of the candidates "
            "follow the network's own probabilities, as in PRODEN, without a penalty on the rest."
        },
    )
    without_rl: bool = field(
        default=False, metadata={"help": "Ablation: no contrast, so no class views either."}
    )
    con_reduction: str = field(
        default="per_augmentation",
        metadata={
            "help": "per_augmentation weighs class views equally, as the authors' code; "
            "per_instance weighs samples equally, as the paper.",
            "choices": REDUCTIONS,
        },
    )
    scores_from: str = field(
        default="key",
        metadata={
            "help": "What the slow copy takes a class view for, which weighs the positives: from "
            "a view of its own (cls), as the authors' code, or from the one its key is made of "
            "(key), which saves a pass.",
            "choices": SCORES,
        },
    )
    max_class_views: int = field(
        default=1,
        metadata={
            "help": "Class views per sample: the most believed candidates and one at random "
            "beyond them. 0 takes all candidates, as the paper.",
            "minimum": 0,
        },
    )
    class_view_share: float = field(
        default=0.25,
        metadata={
            "help": "Share of a batch that gets class views: the samples whose two most believed "
            "candidates lie closest. 1 takes all, as the paper.",
            "minimum": 0.0,
            "maximum": 1.0,
        },
    )
    cam: str = field(
        default="contrast",
        metadata={
            "help": "contrast takes the mean map of the candidates away; the plain maps of "
            "entangled classes nearly coincide.",
            "choices": CAMS,
        },
    )
    fill: str = field(
        default="zero",
        metadata={
            "help": "What does not speak for a class fades to black (zero), as the paper, or to "
            "the image's mean colour.",
            "choices": FILLS,
        },
    )
    epsilon: float | None = field(
        default=None,
        metadata={
            "help": "What is left where nothing speaks for a class. Empty: 0.5 below 96 px, 0.3 "
            "from there on; the paper does not say.",
            "minimum": 0.0,
            "maximum": 1.0,
        },
    )
    warm_up_epochs: int = field(
        default=5,
        metadata={
            "help": "Epochs with the plain images and contrast by instance before the first "
            "maps; the paper's 1.",
            "minimum": 0,
        },
    )
    warm_up_share: float = field(
        default=0.02,
        metadata={
            "help": "The same as a share of the run; the longer counts. Not in the paper.",
            "minimum": 0.0,
            "maximum": 1.0,
        },
    )
    ramp_epochs: int = field(
        default=5,
        metadata={"help": "Epochs over which the maps take effect.", "minimum": 1},
    )
    refresh_epochs: int = field(
        default=5, metadata={"help": "Epochs between two computations of the maps.", "minimum": 1}
    )

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: A value is out of range.
        """
        check_settings(self)


@ALGORITHMS.register("cad-cam")
class CadCam(Algorithm):
    """Confidence adjustment, and contrast among class views made by activation maps.

    Attributes:
        teacher: The slow copy, E.
        queue: Keys, scores and classes of the class views of earlier batches.
        cam: Makes the class views.
        told: float32 (N, C), the last belief from outside; empty where it does not count.
    """

    title = "CAD-CAM"
    paper = (
        "Zhao et al., Mitigating Instance Entanglement in Instance-Dependent Partial Label "
        "Learning, CVPR 2026, https://arxiv.org/abs/2603.04825"
    )
    config_type = CadCamConfig
    departures = DEPARTURES
    class_view_names = CLASS_VIEW_NAMES
    needs_images = True
    told: Tensor

    def __init__(self, setup: Setup, config: CadCamConfig) -> None:
        """Start the slow copy and the queue as the settings say, without maps."""
        super().__init__(setup, config)
        is_fresh = config.teacher_start == "random"
        self.teacher = (
            fresh_copy(setup.network, setup.generator) if is_fresh else copy_network(setup.network)
        )
        self.teacher.frozen = config.teacher_mode == "eval"
        self.queue = RingBuffer(
            config.queue_size,
            features=setup.start.new_empty((0, setup.network.projection_width)),
            scores=setup.start.new_empty((0, setup.n_classes)),
            label=setup.candidates.new_empty(0, dtype=torch.int64),
        )
        if config.queue_start == "random" and not config.without_rl:
            self._fill_queue()
        self.cam = CamViews(
            setup,
            max(config.warm_up_epochs, round(config.warm_up_share * setup.epochs)),
            config,
        )
        told = setup.start if config.anchor else setup.start[:0]
        self.register_buffer("told", told.clone())
        if config.without_rl:
            self.class_view_names = ()
        elif config.scores_from == "key":
            self.class_view_names = CLASS_VIEW_NAMES[1:]

    @classmethod
    def reads_images(cls, config: CadCamConfig) -> bool:
        """As `Algorithm.reads_images`: without the contrast there are no class views."""
        return not config.without_rl

    @property
    def first_class_epoch(self) -> int:
        """From when on class views of one class attract each other.

        Without maps all class views of an image are alike: as labels they would push equal pixels
        apart.
        """
        return self.cam.first_epoch

    def begin_epoch(self, epoch: int) -> None:
        """As `Algorithm.begin_epoch`; refreshes the maps when it is time."""
        super().begin_epoch(epoch)
        if self.class_view_names:
            was_training = self.teacher.training
            self.cam.begin_epoch(epoch, self.teacher.eval())
            self.teacher.train(was_training)

    def adopt(self, belief: Tensor) -> None:
        """As `Algorithm.adopt`; it becomes the anchor too."""
        super().adopt(belief)
        if self.config.anchor:
            self.told.copy_(belief)

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        image = batch.views["cls"]
        if self.config.without_rl:
            with torch.no_grad():
                taught = None if self.config.without_ca else self.teacher(image)
            loss = self._classification(batch, taught, self.network(image))
            return StepResult(loss, {"classification": loss.detach()})
        taught, scores, keys = self._look_slowly(batch)
        logits, queries = self._look(batch)
        classification = self._classification(batch, taught, logits)
        contrast = self._contrast(batch, queries, keys, scores)
        parts = {"classification": classification.detach(), "contrast": contrast.detach()}
        return StepResult(classification + self.config.beta * contrast, parts)

    def after_step(self) -> None:
        """Move the slow copy; its statistics too, unless it takes those of each batch."""
        update_ema(self.teacher, self.network, self.config.momentum, self.teacher.frozen)

    def choose_class_views(self, row: Tensor) -> tuple[Tensor, Tensor]:
        """As `Algorithm.choose_class_views`, up to the limit that is set."""
        limit, share = self.config.max_class_views, self.config.class_view_share
        belief, candidates = self.on_host()
        return choose_class_views(candidates[row], belief[row], limit, share, self.generator)

    def edit(self, images: Tensor, row: Tensor, source: Tensor, guide: Tensor) -> Tensor:
        """As `Algorithm.edit`: reweighted by the maps."""
        return self.cam.edit(images, row, source, guide, self.epoch)

    @torch.no_grad()
    def _look_slowly(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The slow copy's logits (B, C), scores (M, C) and keys (M, D) of the class views."""
        assert batch.class_views is not None
        image, views, teacher = batch.views["cls"], batch.class_views, self.teacher
        has_own_scores = self.config.scores_from == "cls"
        if self.config.separate_passes:
            taught, seen = teacher(image), teacher.features(views["weak"])
            scores = teacher(views["cls"]) if has_own_scores else teacher.classify(seen)
            return taught, scores, teacher.project(seen)
        # One pass for all views of a network: fewer, larger products.
        scored = [views["cls"]] if has_own_scores else []
        seen = teacher.features(torch.cat([image, *scored, views["weak"]]))
        n_samples, n_views = len(image), len(views["weak"])
        # The scores are of the class views that follow the samples.
        logits = teacher.classify(seen[: n_samples + n_views])
        return logits[:n_samples], logits[n_samples:], teacher.project(seen[-n_views:])

    def _look(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The network's logits (B, C) and queries (M, D), with gradient."""
        assert batch.class_views is not None
        image, views, network = batch.views["cls"], batch.class_views["strong"], self.network
        if self.config.separate_passes:
            queries = network.project(network.features(views))
            return network(image), queries
        seen = network.features(torch.cat([image, views]))
        return network.classify(seen[: len(image)]), network.project(seen[len(image) :])

    def _classification(self, batch: Batch, taught: Tensor | None, logits: Tensor) -> Tensor:
        candidates = batch.candidates
        if taught is None or self.config.without_ca:
            loss = soft_cross_entropy(logits, self.belief[batch.row]).mean()
            self.remember(batch.row, restricted_softmax(logits, candidates))
            return loss
        if self.config.anchor:
            # Added to the logits inside the candidates only: a product of two beliefs.
            told = self.told[batch.row].clamp(min=_LEAST_TOLD).log()
            taught = taught.float() + self.config.anchor * told.masked_fill(~candidates, 0.0)
        weights = confidence_weights(taught, candidates)
        self.remember(batch.row, weights.masked_fill(~candidates, 0.0))
        weights = self.belief[batch.row] + weights.masked_fill(candidates, 0.0)
        return adjusted_losses(logits, candidates, weights).mean()

    def _contrast(self, batch: Batch, queries: Tensor, keys: Tensor, scores: Tensor) -> Tensor:
        assert batch.guide is not None
        assert batch.source is not None
        columns = Columns.build(queries, keys, self.queue.features, self.queue.usable)
        if self.epoch >= self.first_class_epoch:
            labels = torch.cat([batch.guide, batch.guide, self.queue.label])
            positive = (batch.guide[:, None] == labels) & columns.comparable()
            all_scores = torch.cat([scores, scores, self.queue.scores])
            weights = attention(scores, all_scores, positive, self.config.tau_d)
            losses = contrast_losses(columns, weights, self.config.tau)
        else:
            losses = moco_losses(columns, self.config.tau)
        self.queue.push(features=keys, scores=scores, label=batch.guide)
        return reduce_contrast(losses, batch.source, len(batch.row), self.config.con_reduction)

    def _fill_queue(self) -> None:
        """Random rows of no class, scaled over the queue instead of each row, as the authors'."""
        shape = self.queue.features.shape
        rows = torch.randn(shape, generator=self.generator)
        self.queue.push(
            features=nn.functional.normalize(rows, dim=0).to(self.queue.features.device),
            scores=torch.zeros_like(self.queue.scores),
            label=torch.full_like(self.queue.label, -1),
        )


def choose_class_views(
    candidates: Tensor, belief: Tensor, limit: int, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """All candidates, or the most believed ones and one more at random, of some samples or all.

    Args:
        candidates: bool (B, C), on the CPU.
        belief: float32 (B, C), on the CPU.
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
        noise = torch.rand(candidates.shape, generator=generator)
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
