"""Every figure has one line in one table, and whoever shows or computes figures follows it."""

import re
from pathlib import Path

import numpy as np
import pytest

from cad_studio.core.figures import FIGURES, RUN_FIGURES
from cad_studio.training import evaluation
from cad_studio.training.report import HELD_OUT, EpochReport, Judgement

HOUSE = Path(__file__).parents[2] / "cad_studio"
REPORT = EpochReport(
    epoch=2, learning_rate=0.1, losses={"loss": 1.5}, held_out={name: 0.25 for name in HELD_OUT},
    mean_confidence=0.5, epochs_in_force=1, samples_per_second=10.0, seconds=3.0, memory_mb=7.0,
    oracle={"test_accuracy": 0.75, "disambiguation": 0.5, "entangled/0.1/instance_accuracy": 0.1},
)  # fmt: skip


@pytest.mark.parametrize("figures", [FIGURES, RUN_FIGURES])
def test_keys_are_distinct_and_everything_is_said(figures):
    assert len({each.key for each in figures}) == len(figures)
    for each in figures:
        assert each.title, each.key
        assert each.about, each.key


def test_a_report_is_stored_flat_and_comes_back():
    plain = REPORT.plain()
    assert plain["covering_rate"] == 0.25
    assert "held_out" not in plain
    assert EpochReport.from_plain(plain) == REPORT
    with pytest.raises(TypeError):
        EpochReport.from_plain({name: plain[name] for name in plain if name != "seconds"})
    with pytest.raises(TypeError):
        EpochReport.from_plain({**plain, "unknown": 1.0})


def test_a_report_from_before_a_figure_was_known_has_none_of_it():
    plain = REPORT.plain()
    del plain["covering_rate"]
    assert EpochReport.from_plain(plain).held_out["covering_rate"] is None


def test_each_figure_of_a_run_is_found_in_the_report_of_an_epoch():
    for each in RUN_FIGURES:
        assert each.of(REPORT.plain()) is not None, each.key
        assert each.of(None) is None


def test_a_new_figure_of_the_sets_is_judged_and_told_without_another_change(monkeypatch):
    monkeypatch.setitem(evaluation.FROM_SETS, "mean_size", lambda _logits, sets: float(sets.sum()))
    found = evaluation.of_sets(np.eye(3, dtype=np.float32), np.ones((3, 3), bool))
    assert found["mean_size"] == 9.0
    assert Judgement(found).held_out["mean_size"] == 9.0


def test_a_figure_is_spelled_where_it_is_told_and_computed_alone():
    """The covering rate stood in thirteen files, each with a name of its own for it."""
    found = {
        str(path.relative_to(HOUSE))
        for ending in ("py", "js")
        for path in HOUSE.rglob(f"*.{ending}")
        if re.search(r"\bcovering_rate\b", path.read_text(encoding="utf-8"))
    }
    slices = {"services/diagnosis/slices.py", "ui/components/diagnose_slices.js"}
    assert found == {"core/figures.py", "training/evaluation.py", "views/diagnosis.py"} | slices
