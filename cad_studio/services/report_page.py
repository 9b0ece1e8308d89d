"""The HTML of a report: tables, Plotly figures and images in one file without network."""

import json
from html import escape
from pathlib import Path
from typing import Any

from cad_studio.core.optional import require

_STYLE = """
:root { color-scheme: light; --ink: #1b2330; --soft: #566172; --line: #e3e6eb; }
body { font: 14px/1.5 system-ui, sans-serif; color: var(--ink); background: #fff;
  max-width: 1080px; margin: 32px auto; padding: 0 24px; }
h1 { font-size: 26px; letter-spacing: -.01em; margin: 0; }
h2 { font-size: 18px; margin: 40px 0 8px; }
p { margin: 4px 0 12px; color: var(--soft); } .note { color: #a35200; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 8px 0; }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td.n, th.n { text-align: right; } small { color: var(--soft); } .wide { overflow-x: auto; }
.pairs { display: grid; grid-template-columns: repeat(2, 1fr); gap: 12px; }
.pair { display: flex; gap: 12px; border: 1px solid var(--line); border-radius: 8px;
  padding: 10px; }
.side { display: flex; gap: 8px; flex: 1; min-width: 0; font-size: 12px; }
.image { width: 56px; height: 56px; flex: none; image-rendering: pixelated; border-radius: 4px;
  background-color: #000; background-image: var(--sheet); }
@media print { body { margin: 0; } }
"""
_BLUES = [[0, "#f6f7f9"], [1, "#3b5bdb"]]
_LAYOUT = {
    "template": "plotly_white",
    "margin": {"l": 60, "r": 20, "t": 36, "b": 50},
    "font": {"family": "system-ui, sans-serif", "size": 12, "color": "#1b2330"},
}


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
        f"{escape(overview['split'])}. Made {escape(facts['made_at'])} by CAD Studio "
        f"{escape(facts['version'])}. Figures marked oracle took true labels; they never "
        "influence a run.</p>",
        *(f"<p class='note'>{escape(note)}</p>" for note in overview["notes"]),
    ]


def _figures(facts: dict[str, Any]) -> list[str]:
    overview, comparison = facts["overview"], facts["comparison"]
    rows = []
    for at, about in enumerate(overview["about"]):
        cells = [
            f"{escape(about['title'])}{' <small>oracle</small>' if about['oracle'] else ''}",
            shown(overview["figures"][about["key"]], about["unit"]),
        ]
        if comparison:
            told = comparison["figures"][at]
            cells += [
                shown(told["values"][0], about["unit"]),
                _signed(told["differences"][1], about["unit"]),
                _spread(told["spread"][1], about["unit"]),
            ]
        rows.append([*cells, f"<small>{escape(about['about'])}</small>"])
    head = ["Figure", "This run"]
    if comparison:
        head += [escape(comparison["runs"][0]["name"]), "Difference", "Over seeds"]
    return ["<h2>Figures</h2>", _table([*head, ""], rows, numbers=len(head) - 1)]


def _comparison(found: dict[str, Any] | None) -> list[str]:
    if not found:
        return []
    before, after = (escape(each["name"]) for each in found["runs"][:2])
    settings = [
        [escape(name), *(escape(json.dumps(v, ensure_ascii=False)) for v in values)]
        for name, values in found["settings"].items()
    ]
    parts = [f"<h2>What changed since {before}</h2>"]
    parts += [f"<p class='note'>{escape(note)}</p>" for note in found["notes"]]
    if found["changes"]:
        told = found["changes"]
        parts.append(
            f"<p>Of {told['n']:,} samples {told['fixed']:,} were fixed, {told['broken']:,} broken, "
            f"and {told['moved']:,} got another class without either.</p>"
        )
    if settings:
        parts.append(_table(["Setting", before, after], settings))
    change = found["confusion_change"]
    if change:
        names = [change["class_names"][at] for at in change["classes"]]
        parts.append(_heat(change["counts"], names, "Change of the confusion (samples)", True))
    return parts


def _confusion(overview: dict[str, Any]) -> list[str]:
    matrices = overview["matrices"]
    names = [overview["class_names"][at] for at in matrices["classes"]]
    parts = ["<h2>Which classes are confused</h2>"]
    if matrices["confusion"] is not None:
        parts.append(_heat(matrices["confusion"], names, "Confusion, samples (oracle)", False))
    parts.append(
        _heat(matrices["ambiguity"], names, "Ambiguity, mean belief within the set", False)
    )
    rows = [
        [
            escape(" and ".join(pair["names"])), f"{pair['weight']:,.0f}", percent(pair["a_as_b"]),
            percent(pair["b_as_a"]), percent(pair["sharing"]),
        ]
        for pair in overview["pairs"][:15]
    ]  # fmt: skip
    head = ["Classes", "Both ways", "First as second", "Second as first", "Sets that hold both"]
    return [*parts, _table(head, rows, numbers=4)]


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
        parts.append(_table(head, rows, numbers=5))
    if found["curve"]:
        line = {
            "x": found["curve"]["similarity"], "y": found["curve"]["accuracy"],
            "mode": "lines+markers", "line": {"color": "#3b5bdb"},
        }  # fmt: skip
        title = "Accuracy by cosine of the nearest sample of another class (oracle)"
        parts.append(_plot([line], title, "cosine", "accuracy"))
    return parts


def _classes(found: dict[str, Any]) -> list[str]:
    rows = [
        [escape(row["name"]), f"{row['n']:,}", percent(row["precision"]), percent(row["recall"]),
         percent(row["ece"]), "-" if row["mean_candidates"] is None
         else f"{row['mean_candidates']:.2f}"]
        for row in found["classes"]
    ]  # fmt: skip
    head = ["Class", "Samples", "Precision", "Recall", "Calibration error", "Candidates"]
    parts = ["<h2>Classes</h2>", _table(head, rows, numbers=5)]
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
        title = f"Reliability (oracle), calibration error {percent(bins['ece'])}"
        parts.append(_plot(lines, title, "confidence", "accuracy"))
    return parts


def _curves(curves: dict[str, list[dict[str, Any]]]) -> list[str]:
    parts = ["<h2>Training</h2>"]
    for key, title, oracle in (
        ("approximated_accuracy", "Approximated accuracy, samples held out", False),
        ("test_accuracy", "Test accuracy (oracle)", True),
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
            parts.append(_plot(lines, title, "epoch", ""))
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
    rows = [
        [escape(name), escape(json.dumps(value, ensure_ascii=False))]
        for group in (run["config"], run["settings"], run["environment"])
        for name, value in group.items()
    ]
    return ["<h2>Settings</h2>", _table(["Setting", "Value"], rows)]


def _table(head: list[str], rows: list[list[str]], numbers: int = 0) -> str:
    def cells(tag: str, row: list[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if 0 < at <= numbers else ''}>{cell}</{tag}>"
            for at, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<div class='wide'><table><tr>{cells('th', head)}</tr>{body}</table></div>"


def _heat(cells: list[list[float]], names: list[str], title: str, is_change: bool) -> str:
    off = [abs(v) for a, row in enumerate(cells) for b, v in enumerate(row) if a != b or is_change]
    most = max([*off, 1e-9])
    scale = (
        {"colorscale": "RdBu", "zmin": -most, "zmax": most, "reversescale": True}
        if is_change else {"colorscale": _BLUES, "zmin": 0, "zmax": most}
    )  # fmt: skip
    small = len(names) <= 16
    trace = {
        "type": "heatmap", "z": cells, "x": names, "y": names, "showscale": False, **scale,
        "hovertemplate": "%{y} as %{x}: %{z}<extra></extra>",
        **({"text": [[f"{v:.4g}" if v else "" for v in row] for row in cells],
            "texttemplate": "%{text}"} if small else {}),
    }  # fmt: skip
    layout = {
        "yaxis": {"autorange": "reversed"},
        "height": 160 + max(18, 34 - len(names)) * len(names),
    }
    return _drawn([trace], {**layout, "title": {"text": escape(title), "font": {"size": 13}}})


def _plot(lines: list[dict[str, Any]], title: str, x: str, y: str) -> str:
    traces = [{"type": "scatter", **line, "name": escape(line.get("name", ""))} for line in lines]
    return _drawn(
        traces,
        {
            "title": {"text": escape(title), "font": {"size": 13}},
            "xaxis": {"title": {"text": x}},
            "yaxis": {"title": {"text": y}},
            "height": 320,
            "showlegend": len(lines) > 1,
        },
    )


def _drawn(traces: list[dict[str, Any]], layout: dict[str, Any]) -> str:
    """A figure that Plotly, already in the page, draws."""
    graph = require("plotly.graph_objects", "plotly", "The report")
    figure = graph.Figure(traces, layout=_LAYOUT | layout)
    return figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False})


def _signed(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{100 * value:+.1f} points" if unit == "share" else f"{value:+.3f}"


def _spread(told: dict[str, Any], unit: str) -> str:
    if told["sd"] is None:
        return "one seed"
    return f"{shown(told['mean'], unit)} ± {shown(told['sd'], unit)} ({told['n']} seeds)"
