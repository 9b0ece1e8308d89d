"""CAD as its authors have it, and where this project differs; loads no torch, for forms."""

from typing import Any, NamedTuple

PAPER: dict[str, Any] = {
    "beta": 1.5,
    "tau": 0.12,
    "queue_size": 4096,
    "queue_start": "random",
    "scores_from": "cls",
    "max_class_views": 0,
    "class_view_share": 1.0,
    "separate_passes": True,
    "teacher_start": "random",
    "teacher_mode": "train",
    "cam": "plain",
    "warm_up_epochs": 1,
    "warm_up_share": 0.0,
    "ramp_epochs": 1,
    "anchor": 0.0,
}
"""The authors' behaviour, as settings of the method; where paper and code differ, the code's."""

PAPER_LOOP: dict[str, Any] = {
    "epochs": 500,
    "learning_rate": 0.01,
    "batch_size": 64,
    "start": "uniform",
    "uniform_epochs": "0",
    "set_model": 0.0,
    "confidence_momentum": 0.0,
    "judged_average": 0.0,
    "refresh_epochs": "",
    "views": "paper",
}
"""The authors' behaviour, as settings of the training loop."""


class Departure(NamedTuple):
    """Something in which paper, authors' code and this project differ.

    Attributes:
        what: The matter.
        paper: What the paper says; "-" where it says nothing.
        code: What the authors' code does.
        ours: What this project does by default.
        settings: Names of the settings that switch it.
    """

    what: str
    paper: str
    code: str
    ours: str
    settings: tuple[str, ...]


DEPARTURES = (
    Departure(
        "Start of the confidence",
        "uniform",
        "uniform, followed from the first step",
        "propagated, or uniform and held for a tenth of the run",
        ("start", "uniform_epochs", "start_epochs"),
    ),
    Departure(
        "Weights inside the set",
        "slow copy's probabilities",
        "the same",
        "the same, sharpened by the set model and averaged over epochs",
        ("set_model", "confidence_momentum"),
    ),
    Departure(
        "A propagated confidence, once the slow copy takes over",
        "-",
        "-",
        "multiplied with the slow copy's",
        ("anchor", "refresh_epochs"),
    ),
    Departure(
        "Slow copy at the start",
        "-",
        "independent random weights",
        "an exact copy",
        ("teacher_start",),
    ),
    Departure(
        "BatchNorm of the slow copy",
        "-",
        "statistics of each batch",
        "the network's running statistics",
        ("teacher_mode",),
    ),
    Departure(
        "Passes through the networks",
        "-",
        "one for each kind of view",
        "one for all",
        ("separate_passes",),
    ),
    Departure(
        "Network that is judged",
        "the one that learns",
        "the same",
        "an average of its weights",
        ("judged_average",),
    ),
    Departure(
        "Class views",
        "all candidates of all samples",
        "the same",
        "two of the hardest quarter of a batch",
        ("max_class_views", "class_view_share"),
    ),
    Departure(
        "Scores that weigh the positives",
        "-",
        "from a view of their own",
        "from the key's view",
        ("scores_from",),
    ),
    Departure(
        "Mean of the contrastive loss",
        "over samples",
        "over class views",
        "over class views",
        ("con_reduction",),
    ),
    Departure(
        "Contrast by class",
        "-",
        "from the second epoch",
        "from the first maps, after 5 epochs or 2 % of the run",
        ("warm_up_epochs", "warm_up_share"),
    ),
    Departure(
        "Activation maps (CAD-CAM)",
        "a x + eps (1 - a) x",
        "not published",
        "less the mean map of the candidates; taking effect over 5 epochs",
        ("cam", "fill", "epsilon", "ramp_epochs"),
    ),
    Departure(
        "Weight and temperature of the contrast",
        "1.5 and 0.12",
        "the same",
        "0.1 and 0.2",
        ("beta", "tau"),
    ),
    Departure(
        "Queue",
        "4096",
        "4096, at first random rows scaled along the wrong axis",
        "1024, empty at first",
        ("queue_size", "queue_start"),
    ),
    Departure(
        "Classification loss at confident logits",
        "-",
        "gradients of 1e11 or NaN",
        "computed from logarithms, finite",
        (),
    ),
)
"""All of them. Each but the last is a setting; the last is a mistake nobody would want back."""
