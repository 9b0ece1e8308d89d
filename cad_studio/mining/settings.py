"""What is asked of a search for entangled pairs."""

from dataclasses import dataclass, field

from cad_studio.core.errors import SettingError
from cad_studio.core.settings import check_settings

METHODS = ("auto", "exact", "ivf")


@dataclass(frozen=True)
class MiningConfig:
    """Settings of the search; exactly one of `threshold` and `quantile` is given."""

    threshold: float | None = field(
        default=None,
        metadata={"help": "Least cosine of a pair.", "minimum": -1.0, "maximum": 1.0},
    )
    quantile: float | None = field(
        default=None,
        metadata={
            "help": "Share of the cross-class pairs that count as close, e.g. 0.001.",
            "minimum": 1e-12,
            "maximum": 1.0,
        },
    )
    limit: int = field(
        default=1_000_000,
        metadata={
            "help": "Most pairs kept, the closest first; all are counted.",
            "minimum": 1,
            "maximum": 10_000_000,
        },
    )
    method: str = field(
        default="auto",
        metadata={
            "help": "exact compares all pairs; ivf only within neighbouring cells; "
            "auto is exact up to 200,000 samples.",
            "choices": METHODS,
        },
    )
    n_probes: int = field(
        default=16,
        metadata={"help": "Cells looked at per sample (ivf).", "minimum": 1, "maximum": 4096},
    )
    seed: int = field(default=0, metadata={"help": "Seed of the samples drawn.", "minimum": 0})

    def __post_init__(self) -> None:
        """Check the ranges and that one cut-off is given.

        Raises:
            SettingError: A value is out of range, or not exactly one cut-off is given.
        """
        check_settings(self)
        if (self.threshold is None) == (self.quantile is None):
            given = "neither" if self.threshold is None else "both"
            raise SettingError(
                f"A search for pairs takes a threshold or a quantile; {given} is given. "
                "Give exactly one, e.g. quantile 0.001."
            )
