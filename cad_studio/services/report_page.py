"""The HTML of a report: tables, Plotly figures and images in one file without network."""

import json
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from cad_studio.core.optional import require
from cad_studio.services.comparison import fixed_and_broken
from cad_studio.services.report_parts import heat, plot, table

_STYLE = """
:root { color-scheme: light dark; --ink: #1b2330; --soft: #566172; --line: #e3e6eb;
  --page: #fff; --good: #1f7a35; --bad: #c22f22; --warn: #a35200; }
body { font: 14px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 1080px; margin: 32px auto; padding: 0 24px; }
h1 { font-size: 26px; letter-spacing: -.01em; margin: 0; }
h2 { font-size: 18px; margin: 40px 0 8px; } h3 { font-size: 14px; margin: 0; }
p { margin: 4px 0 12px; color: var(--soft); max-width: 85ch; } .note { color: var(--warn); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 8px 0; }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; } th { white-space: nowrap; }
td.n, th.n { text-align: right; white-space: nowrap; } small { color: var(--soft); }
.wide { overflow-x: auto; } .up { color: var(--good); } .down { color: var(--bad); }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); gap: 24px; }
.beside td:first-child { white-space: nowrap; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(440px, 1fr)); gap: 12px; }
.pair { display: flex; gap: 12px; border: 1px solid var(--line); border-radius: 8px;
  padding: 10px; break-inside: avoid; }
.side { display: flex; gap: 8px; flex: 1; min-width: 0; font-size: 12px; }
.image { width: 56px; height: 56px; flex: none; image-rendering: pixelated; border-radius: 4px;
  background-color: #000; background-image: var(--sheet); }
@media (max-width: 520px) { .pairs { grid-template-columns: minmax(0, 1fr); } }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ef; --soft: #a3adbb; --line: #2b323d; --page: #14181f; --good: #6fcf86;
    --bad: #ff8a7a; --warn: #f0a13c; }
  .plotly-graph-div { filter: invert(.92) hue-rotate(180deg); } }
@media print { body { margin: 0; } }
"""


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
    data = json.dumps(kept, ensure_ascii=False).replace("<", "\\u003c")
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{escape(facts['title'])}: CAD Studio</title><style>{_STYLE}</style>",
        f"<script>{plotly.get_plotlyjs()}</script><body>",
        *_head(facts),
        *_figures(facts),
        *_comparison(facts["comparison"]),
        *_confusion(facts["overview"]),
        *_entanglement(facts["entanglement"]),
        *_classes(facts["classes"]),
        *_suspects(facts["suspects"]),
        *_curves(facts["curves"]),
        *_pairs(facts["pairs"]),
        *_settings(facts["run"]),
        f"<script type='application/json' id='facts'>{data}</script></body></html>",
    ]
    file.write_text("\n".join(parts), encoding="utf-8")


def percent(value: float | None) -> str:
    """A share in per cent with one decimal, as the window shows it; a dash for None."""
    return "-" if value is None else f"{100 * value:.1f} %"


def shown(value: float | None, unit: str) -> str:
    """A figure in its unit."""
    if unit == "share" or value is None:
        return percent(value)
    return f"{value:.3f}"


def _head(facts: dict[str, Any]) -> list[str]:
    data, run, overview = facts["dataset"], facts["run"], facts["overview"]
    return [
        f"<h1>{escape(facts['title'])}</h1>",
        f"<p>Run {run['number']}: {escape(run['method'])} on {escape(run['backbone'])}. "
        f"{escape(data['name'])}, version {escape(data['version'])}, {data['n']:,} samples, "
        f"{data['classes']} classes. Judged on {overview['n']:,} samples of "
        f"{escape(overview['split'])}. Made {escape(_moment(facts['made_at']))} by CAD Studio "
        f"{escape(facts['version'])}. Figures marked so use true labels; they never "
        "influence a run.</p>",
        *(f"<p class='note'>{escape(note)}</p>" for note in overview["notes"]),
    ]


def _figures(facts: dict[str, Any]) -> list[str]:
    overview, comparison = facts["overview"], facts["comparison"]
    compared = comparison["figures"] if comparison else []
    has_seeds = any(told["spread"][1]["sd"] is not None for told in compared)
    rows = []
    for at, about in enumerate(overview["about"]):
        unit = about["unit"]
        marked = " <small>uses true labels</small>" if about["oracle"] else ""
        cells = [
            f"{escape(about['title'])}{marked}",
            shown(overview["figures"][about["key"]], unit),
        ]
        if comparison:
            told = compared[at]
            cells += [
                shown(told["values"][0], unit),
                _difference(told["differences"][1], unit, about["better"]),
            ]
            if has_seeds:
                cells.append(_spread(told["spread"][1], unit))
        rows.append([*cells, f"<small>{escape(about['about'])}</small>"])
    head = ["Figure", "This run"]
    if comparison:
        head += [escape(comparison["runs"][0]["name"]), "Difference"]
        head += ["Over seeds"] * has_seeds
    parts = ["<h2>Figures</h2>", table([*head, "What it is"], rows, numbers=len(head) - 1)]
    if comparison:
        parts.append("<p>✓ better, ✗ worse than the run it is held against.</p>")
    return parts


def _comparison(found: dict[str, Any] | None) -> list[str]:
    if not found:
        return []
    before, after = (escape(each["name"]) for each in found["runs"][:2])
    settings = [
        [escape(name), *(escape(_word(value)) for value in values)]
        for name, values in found["settings"].items()
    ]
    parts = [f"<h2>What changed since {before}</h2>"]
    parts += [f"<p class='note'>{escape(note)}</p>" for note in found["notes"]]
    if found["changes"]:
        told = found["changes"]
        parts.append(
            f"<p>Of {told['n']:,} samples {fixed_and_broken(told)}, "
            f"and {told['moved']:,} got another class (both wrong, or the truth not known).</p>"
        )
    change = found["confusion_change"]
    if change:
        names = [change["class_names"][at] for at in change["classes"]]
        title = f"Change of the confusion (uses true labels): samples, {after} minus {before}"
        sides = ("true class", "predicted as")
        parts.append(heat(change["counts"], names, title, sides, "change"))
    parts.append("<h3>Settings that differ</h3>" if settings else "<p>No setting differs.</p>")
    return [*parts, table(["Setting", before, after], settings)] if settings else parts


def _confusion(overview: dict[str, Any]) -> list[str]:
    matrices = overview["matrices"]
    names = [overview["class_names"][at] for at in matrices["classes"]]
    parts = ["<h2>Which classes are confused</h2>"]
    if matrices["confusion"] is not None:
        title = "Confusion (uses true labels): samples"
        parts.append(heat(matrices["confusion"], names, title, ("true class", "predicted as")))
    title = "Ambiguity: mean belief within the set, per cent"
    sides = ("best label", "gives belief to")
    parts.append(heat(matrices["ambiguity"], names, title, sides, "shares"))
    rows = [
        [
            escape(" and ".join(pair["names"])), f"{pair['weight']:,.0f}", percent(pair["a_as_b"]),
            percent(pair["b_as_a"]), percent(pair["sharing"]),
        ]
        for pair in overview["pairs"][:15]
    ]  # fmt: skip
    both = "Belief, both ways" if matrices["confusion"] is None else "Samples, both ways"
    head = ["Classes", both, "First as second", "Second as first", "Sets that hold both"]
    return [*parts, table(head, rows, numbers=4)]


def _entanglement(found: dict[str, Any]) -> list[str]:
    rows = [
        [part, f"{share} %", f"{told['n']:,}", percent(told["instance_accuracy"]),
         percent(told["pair_accuracy"]), percent(told["swap_rate"])]
        for part, of in found["parts"].items()
        for share, told in of["closest"].items()
    ]  # fmt: skip
    parts = [
        "<h2>Entanglement after training</h2>",
        f"<p>Pairs by cosine in {escape(found['features'])} features. A pair has come apart when "
        "its cosine in the run's own features is below that of the closest 0.1 % there: "
        + ", ".join(
            f"{percent(of['apart']['resolved'])} of {of['apart']['n']:,} pairs of {part}"
            for part, of in found["parts"].items()
        )
        + ".</p>",
    ]
    if rows:
        head = ["Split", "Closest", "Samples", "Accuracy", "Both right", "Swapped"]
        parts.append(table(head, rows, numbers=5))
    if found["curve"]:
        line = {
            "x": found["curve"]["similarity"], "y": found["curve"]["accuracy"],
            "mode": "lines+markers", "line": {"color": "#3b5bdb"},
        }  # fmt: skip
        title = "Accuracy by cosine of the nearest sample of another class (uses true labels)"
        parts.append(plot([line], title, "cosine", "accuracy"))
    return parts


def _classes(found: dict[str, Any]) -> list[str]:
    rows = [
        [escape(row["name"]), f"{row['n']:,}", percent(row["precision"]), percent(row["recall"]),
         percent(row["ece"]), "-" if row["mean_candidates"] is None
         else f"{row['mean_candidates']:.2f}"]
        for row in found["classes"]
    ]  # fmt: skip
    head = ["Class", "Samples", "Precision", "Recall", "Calibration error", "Candidates"]
    parts = ["<h2>Classes</h2>", table(head, rows, numbers=5)]
    bins = found["reliability"]
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
        parts.append(plot(lines, title, "confidence", "accuracy"))
    return parts


def _suspects(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    rows = [
        [escape(title), f"{count:,}", *(f"{escape(i)}: {escape(reason)}" for i, reason in first)]
        for title, count, first in found["kinds"]
    ]
    words = (
        f"{found['n']:,} training samples were judged by {escape(found['features'])} features; no "
        "true label was used."
    )
    if found["is_weak"]:
        words += " The judge is too weak on this data to accuse a sample; its kinds are left out."
    return [
        "<h2>Suspects</h2>", f"<p>{words}</p>",
        table(["Kind", "Samples", "The first"], [[*row, ""][:3] for row in rows], numbers=1),
    ]  # fmt: skip


def _curves(curves: dict[str, list[dict[str, Any]]]) -> list[str]:
    parts = ["<h2>Training</h2>"]
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
            parts.append(plot(lines, title, "epoch", ""))
    return parts if len(parts) > 1 else []


def _pairs(found: dict[str, Any]) -> list[str]:
    if not found["pairs"]:
        return []
    cards = []
    for at, pair in enumerate(found["pairs"]):
        sides = []
        for place, side in enumerate(pair):
            cell = 2 * at + place
            x, y = cell % found["columns"], cell // found["columns"]
            truth = "" if side["truth"] is None else f"<br>true: {escape(side['truth'])}"
            sides.append(
                f"<div class='side'><div class='image' style=\""
                f"background-size:{56 * found['columns']}px {56 * found['lines']}px;"
                f'background-position:{-56 * x}px {-56 * y}px"></div><div>'
                f"<b>{escape(side['id'])}</b><br>predicted: {escape(side['predicted'])}{truth}"
                f"<br><small>{escape(', '.join(side['candidates'][:8]))}</small></div></div>"
            )
        cards.append(f"<div class='pair'>{''.join(sides)}</div>")
    return [
        "<h2>Closest pairs it gets wrong</h2>",
        f"<div class='pairs' style='--sheet:url({found['sheet']})'>{''.join(cards)}</div>",
    ]


def _settings(run: dict[str, Any]) -> list[str]:
    groups = {"Training": run["config"], run["method"]: run["settings"],
              "Machine": run["environment"]}  # fmt: skip
    tables = [
        f"<div><h3>{escape(title)}</h3>"
        + table(["Setting", "Value"], [[escape(k), escape(_word(v))] for k, v in group.items()])
        + "</div>"
        for title, group in groups.items()
        if group
    ]
    return ["<h2>Settings</h2>", f"<div class='beside'>{''.join(tables)}</div>"]


def _word(value: object) -> str:
    """A setting as it is read: text without quotes, `none` for a method that has it not."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _moment(text: str) -> str:
    """2026-11-26T09:29:12.787+00:00 as 2026-11-26 09:29 UTC."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _difference(value: float | None, unit: str, better: int) -> str:
    if value is None:
        return "-"
    text = f"{100 * abs(value):.1f}" if unit == "share" else f"{abs(value):.3f}"
    points = " points" if unit == "share" else ""
    if float(text) == 0:
        return f"±0{points}"
    sign = "+" if value > 0 else "−"  # noqa: RUF001 - as wide as the plus
    if not better:
        return f"{sign}{text}{points}"
    is_up = (value > 0) == (better > 0)
    mark = "✓" if is_up else "✗"
    return f"<span class={'up' if is_up else 'down'}>{sign}{text}{points} {mark}</span>"


def _spread(told: dict[str, Any], unit: str) -> str:
    if told["sd"] is None:
        return "one seed"
    return f"{shown(told['mean'], unit)} ± {shown(told['sd'], unit)} ({told['n']} seeds)"
