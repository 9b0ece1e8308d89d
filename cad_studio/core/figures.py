"""The figures of runs: what they are called and what they mean, wherever they are shown.

To add one: its line here, and how it is computed. Figures of logits and candidate sets alone are
computed in `training/evaluation.py` (`FROM_SETS`), others of
an epoch in `training/report.py`, those of a diagnosed run in `services/training/run_figures.py`.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A number of a run that is shown and compared.

    Attributes:
        key: Its name for ever.
        title: What the page calls it.
        about: What it is, in a sentence.
        oracle: Whether it took true labels.
        better: 1 when higher is better, -1 when lower is, 0 when neither.
        unit: `share` (0 to 1, shown in per cent) or `number`.
        rests_on: What two runs must have in common for their values to be compared, beside the
            samples: `truth` nothing more, `sets` the candidate sets, `pairs` the features in which
            the entangled pairs were found.
        is_tile: Whether it stands above the views of the Diagnose page.
    """

    key: str
    title: str
    about: str
    oracle: bool
    better: int
    unit: str = "share"
    rests_on: str = "truth"
    is_tile: bool = True


FIGURES = (
    Figure("accuracy", "Accuracy", "Samples predicted as their true class.", True, 1),
    Figure(
        "entangled_accuracy", "Entangled 0.1 %",
        "Accuracy on the samples of the closest 0.1 % of cross-class pairs.", True, 1,
        rests_on="pairs",
    ),
    Figure(
        "swap_rate", "Swapped in a pair",
        "Members of those pairs that are predicted as their partner's class.", True, -1,
        rests_on="pairs",
    ),
    Figure(
        "centre_distance", "Class centres apart",
        "Mean distance of two class centres in the run's own features; 0 to 2.", False, 1, "number",
    ),
    Figure(
        "ece", "Calibration error",
        "Mean gap between confidence and accuracy over 15 bins (ECE).", True, -1,
    ),
    Figure(
        "approximated_accuracy", "Approximated accuracy",
        "Belief in the predicted class within its set. Needs no true label, but grows with "
        "confidence, right or wrong: read it beside the mean confidence.", False, 0,
        rests_on="sets",
    ),
    Figure(
        "mean_confidence", "Mean confidence",
        "Mean share of the belief that the best candidate has.", False, 0, rests_on="sets",
    ),
    Figure(
        "covering_rate", "Covering rate",
        "Samples whose predicted class is a candidate.", False, 1, rests_on="sets",
    ),
    Figure(
        "centre_ratio", "Centres over spread",
        "Distance of the class centres over the mean distance to the own one.", False, 1, "number",
    ),
    Figure(
        "disambiguation", "Training labels recovered",
        "Training samples whose best candidate is true.", True, 1, rests_on="sets",
        is_tile=False,
    ),
)  # fmt: skip
"""Of a diagnosed run, on any split; in the order in which they are shown."""


@dataclass(frozen=True)
class RunFigure:
    """A number of a run that is there while it trains.

    Attributes:
        key: Its name for ever in the row of a run.
        column: Its name among the columns of epochs; those in `oracle/` took true labels.
        title: What panel, command and card call it.
        short: What a chart calls it.
        about: What it is, in a sentence.
        colour: Which colour of the palette it has in a chart.
        head: Head of its column in the table of runs; empty where it has none.
        unit: `share` (0 to 1, shown in per cent) or `number`.
        of_last: Whether the newest epoch says it, not the one whose model is kept.
        is_shown: Whether panel, command and card show it.
    """

    key: str
    column: str
    title: str
    short: str
    about: str
    colour: int
    head: str = ""
    unit: str = "share"
    of_last: bool = False
    is_shown: bool = True

    @property
    def oracle(self) -> bool:
        """Whether it took true labels."""
        return self.column.startswith("oracle/")

    def of(self, report: dict[str, Any] | None) -> float | None:
        """Its value in the report of an epoch, in plain values; None where there is none."""
        told = report or {}
        if self.oracle:
            return told.get("oracle", {}).get(self.column.removeprefix("oracle/"))
        return told.get(self.column)


RUN_FIGURES = (
    RunFigure(
        "approximated_accuracy", "approximated_accuracy", "Approximated accuracy, held out",
        "approximated",
        "An estimate from the candidates of held-out samples; it needs no true label, but grows "
        "with confidence, right or wrong: read it beside the mean confidence", 0,
        "Approx. at conf.",
    ),
    RunFigure(
        "mean_confidence", "mean_confidence", "Mean confidence, while training", "mean confidence",
        "Mean probability of the likeliest candidate", 5,
    ),
    RunFigure(
        "covering_rate", "covering_rate", "Covering rate, held out", "covering rate",
        "Share of held-out samples whose predicted class is a candidate", 7,
    ),
    RunFigure(
        "set_likelihood", "set_likelihood", "Sets explained, held out", "set likelihood",
        "Mean log-likelihood of the sets held out: how well predictions explain which candidates "
        "are there and which are missing. Higher is better; selects the model and ranks runs on "
        "the same data, needs no true label", 9, "Sets explained", "number", is_shown=False,
    ),
    RunFigure(
        "test_accuracy", "oracle/test_accuracy", "Test accuracy", "test",
        "Of the selected model on the test split", 1, "Test",
    ),
    RunFigure(
        "entangled_accuracy", "oracle/entangled/0.1/instance_accuracy", "Most entangled 0.1 %",
        "instances right",
        "Accuracy on the test samples of the closest 0.1 % of cross-class pairs", 1, "Entangled",
    ),
    RunFigure(
        "disambiguation", "oracle/disambiguation", "Disambiguation", "disambig.",
        "Share of training samples whose most believed candidate is the true one", 4, "Disamb.",
        of_last=True,
    ),
)  # fmt: skip
"""Of a run while it trains; in the order in which they are shown."""
