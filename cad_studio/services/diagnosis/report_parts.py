"""Figures of a report, which the Plotly in the page draws."""

from html import escape
from typing import Any

from cad_studio.core.optional import require

_BLUES = [[0, "#f6f7f9"], [1, "#3b5bdb"]]
_LAYOUT: dict[str, Any] = {
    "template": "plotly_white",
    # The page shows through, so that a dark page can turn figures dark.
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "margin": {"l": 60, "r": 20, "t": 36, "b": 50},
    "font": {"family": "system-ui, sans-serif", "size": 12, "color": "#1b2330"},
}


def heat(
    cells: list[list[float]],
    names: list[str],
    title: str,
    sides: tuple[str, str],
    kind: str = "counts",
) -> str:
    """A matrix of classes as a Plotly heat map.

    Args:
        cells: C rows of C values.
        names: Of the C classes.
        title: What is drawn.
        sides: What a row and a column is.
        kind: `counts`, `shares` (0 to 1, written in per cent) or `change` (counts with a sign).
    """
    is_change = kind == "change"
    if kind == "shares":
        cells = [[round(100 * value, 1) for value in row] for row in cells]
    off = [abs(v) for a, row in enumerate(cells) for b, v in enumerate(row) if a != b or is_change]
    most = max([*off, 1e-9])
    scale = (
        {"colorscale": "RdBu", "zmin": -most, "zmax": most, "reversescale": True}
        if is_change else {"colorscale": _BLUES, "zmin": 0, "zmax": most}
    )  # fmt: skip
    small = len(names) <= 16
    trace = {
        "type": "heatmap", "z": cells, "x": names, "y": names, "showscale": False, **scale,
        "hovertemplate": f"{sides[0]} %{{y}}, {sides[1]} %{{x}}: %{{z}}<extra></extra>",
        **({"text": [[_cell(v, kind) for v in row] for row in cells],
            "texttemplate": "%{text}"} if small else {}),
    }  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": sides[1]}},
        "yaxis": {"autorange": "reversed", "title": {"text": sides[0]}},
        "margin": {**_LAYOUT["margin"], "l": 130},
        "height": 180 + max(18, 34 - len(names)) * len(names),
    }
    return _drawn([trace], {**layout, "title": {"text": escape(title), "font": {"size": 13}}})


def _cell(value: float, kind: str) -> str:
    if not value:
        return ""
    return f"{value:+,}" if kind == "change" else f"{value:,}"


def plot(lines: list[dict[str, Any]], title: str, x: str, y: str) -> str:
    """Lines over a measured x as a Plotly figure; each with `x`, `y` and perhaps a `name`."""
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
