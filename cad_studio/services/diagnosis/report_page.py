"""The HTML of a report, `report.html`, filled: one file without network."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cad_studio.core.optional import require
from cad_studio.services.diagnosis.comparison import fixed_and_broken
from cad_studio.services.diagnosis.report_parts import heat, plot


def write_page(file: Path, facts: dict[str, Any]) -> None:
    """Write a report.

    Args:
        file: Where to.
        facts: From `ReportService.facts`. They are kept in the page too, as JSON in the element
            `facts`, for other programs.

    Raises:
        MissingPackageError: Plotly is not installed.
    """
    plotly = require("plotly.offline", "plotly", "The report")
    kept = {name: value for name, value in facts.items() if name != "pairs"}
    page = _templates().get_template("report.html")
    parts = page.stream(
        facts=facts,
        plotly=Markup(plotly.get_plotlyjs()),
        kept=Markup(json.dumps(kept, ensure_ascii=False).replace("<", "\\u003c")),
        **_compared(facts["comparison"]),
        **_confused(facts["overview"]),
        **_entangled(facts["entanglement"]),
        **_by_class(facts["classes"]),
        suspects=_suspects(facts["suspects"]),
        curves=_curves(facts["curves"]),
        settings=_settings(facts["run"]),
    )
    parts.dump(str(file), encoding="utf-8")


def percent(value: float | None) -> str:
    """A share in per cent with one decimal, as the window shows it; a dash for None."""
    return "-" if value is None else f"{100 * value:.1f} %"


def shown(value: float | None, unit: str) -> str:
    """A figure in its unit."""
    if unit == "share" or value is None:
        return percent(value)
    return f"{value:.3f}"


def _templates() -> Environment:
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "count": _count, "percent": percent, "shown": shown, "moment": _moment,
        "difference": _difference, "spread": _spread, "fixed_and_broken": fixed_and_broken,
    }  # fmt: skip
    return found


def _compared(found: dict[str, Any] | None) -> dict[str, Any]:
    if not found:
        return {}
    before, after = (each["name"] for each in found["runs"][:2])
    change, drawn = found["confusion_change"], ""
    if change:
        names = [change["class_names"][at] for at in change["classes"]]
        title = f"Change of the confusion (uses true labels): samples, {after} minus {before}"
        drawn = heat(change["counts"], names, title, ("true class", "predicted as"), "change")
    rows = [[name, *map(_word, values)] for name, values in found["settings"].items()]
    return {"change_of_confusion": Markup(drawn), "settings_that_differ": rows}


def _confused(overview: dict[str, Any]) -> dict[str, Any]:
    matrices = overview["matrices"]
    names = [overview["class_names"][at] for at in matrices["classes"]]
    confusion = ""
    if matrices["confusion"] is not None:
        title = "Confusion (uses true labels): samples"
        confusion = heat(matrices["confusion"], names, title, ("true class", "predicted as"))
    title = "Ambiguity: mean belief within the set, per cent"
    ambiguity = heat(
        matrices["ambiguity"], names, title, ("best label", "gives belief to"), "shares"
    )
    rows = [
        [" and ".join(pair["names"]), f"{pair['weight']:,.0f}", percent(pair["a_as_b"]),
         percent(pair["b_as_a"]), percent(pair["sharing"])]
        for pair in overview["pairs"][:15]
    ]  # fmt: skip
    return {
        "confusion": Markup(confusion), "ambiguity": Markup(ambiguity), "confused_pairs": rows,
    }  # fmt: skip


def _entangled(found: dict[str, Any]) -> dict[str, Any]:
    rows = [
        [part, f"{share} %", _count(told["n"]), percent(told["instance_accuracy"]),
         percent(told["pair_accuracy"]), percent(told["swap_rate"])]
        for part, of in found["parts"].items()
        for share, told in of["closest"].items()
    ]  # fmt: skip
    drawn = ""
    if found["curve"]:
        line = {
            "x": found["curve"]["similarity"], "y": found["curve"]["accuracy"],
            "mode": "lines+markers", "line": {"color": "#3b5bdb"},
        }  # fmt: skip
        title = "Accuracy by cosine of the nearest sample of another class (uses true labels)"
        drawn = plot([line], title, "cosine", "accuracy")
    return {"entangled": rows, "accuracy_by_cosine": Markup(drawn)}


def _by_class(found: dict[str, Any]) -> dict[str, Any]:
    rows = [
        [row["name"], _count(row["n"]), percent(row["precision"]), percent(row["recall"]),
         percent(row["ece"]), "-" if row["mean_candidates"] is None
         else f"{row['mean_candidates']:.2f}"]
        for row in found["classes"]
    ]  # fmt: skip
    bins, drawn = found["reliability"], ""
    if bins:
        held = [at for at, count in enumerate(bins["counts"]) if count]
        lines = [
            {"x": [0, 1], "y": [0, 1], "mode": "lines", "name": "perfect",
             "line": {"color": "#8a94a3", "dash": "dash"}},
            {"x": [bins["confidence"][at] for at in held],
             "y": [bins["accuracy"][at] for at in held], "mode": "lines+markers",
             "name": "this run", "line": {"color": "#3b5bdb"}},
        ]  # fmt: skip
        title = f"Reliability (uses true labels), calibration error {percent(bins['ece'])}"
        drawn = plot(lines, title, "confidence", "accuracy")
    return {"classes": rows, "reliability": Markup(drawn)}


def _suspects(found: dict[str, Any] | None) -> list[list[str]]:
    if found is None:
        return []
    return [
        [title, _count(count), *([f"{first[0][0]}: {first[0][1]}"] if first else [""])]
        for title, count, first in found["kinds"]
    ]


def _curves(curves: dict[str, list[dict[str, Any]]]) -> list[Markup]:
    found = []
    for key, title, oracle in (
        ("approximated_accuracy", "Approximated accuracy, samples held out", False),
        ("mean_confidence", "Mean confidence while training", False),
        ("test_accuracy", "Test accuracy (uses true labels)", True),
    ):
        lines = []
        for name, reports in curves.items():
            values = [(each["oracle"] if oracle else each).get(key) for each in reports]
            if any(value is not None for value in values):
                lines.append(
                    {"x": [each["epoch"] + 1 for each in reports], "y": values, "name": name,
                     "mode": "lines+markers"}
                )  # fmt: skip
        if lines:
            found.append(Markup(plot(lines, title, "epoch", "")))
    return found


def _settings(run: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    groups = {"Training": run["config"], run["method"]: run["settings"],
              "Machine": run["environment"]}  # fmt: skip
    return {
        title: [(name, _word(value)) for name, value in group.items()]
        for title, group in groups.items()
    }


def _word(value: object) -> str:
    """A setting as it is read: text without quotes, `none` for a method that has it not."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _count(value: int) -> str:
    return f"{value:,}"


def _moment(text: str) -> str:
    """2026-11-26T09:29:12.787+00:00 as 2026-11-26 09:29 UTC."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _difference(value: float | None, unit: str, better: int) -> tuple[str, str]:
    """A difference in words, and its mark: ✓ better, ✗ worse, empty where neither."""
    if value is None:
        return "-", ""
    text = f"{100 * abs(value):.1f}" if unit == "share" else f"{abs(value):.3f}"
    points = " points" if unit == "share" else ""
    if float(text) == 0:
        return f"±0{points}", ""
    sign = "+" if value > 0 else "−"  # noqa: RUF001 - as wide as the plus
    mark = "" if not better else "✓" if (value > 0) == (better > 0) else "✗"
    return f"{sign}{text}{points}", mark


def _spread(told: dict[str, Any], unit: str) -> str:
    if told["sd"] is None:
        return "one seed"
    return f"{shown(told['mean'], unit)} ± {shown(told['sd'], unit)} ({told['n']} seeds)"
