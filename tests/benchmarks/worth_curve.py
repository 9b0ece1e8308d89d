"""The gain of each queue against actions, as an SVG that reads on light and dark pages."""

from html import escape

WIDTH, HEIGHT = 780, 400
LEFT, RIGHT, TOP, BOTTOM = 62, 178, 24, 52
STYLES = {
    "entangled": ("#3b5bdb", ""),
    "expected-gain": ("#c2410c", "9 4"),
    "least-certain": ("#2b8a3e", "3 4"),
    "random": ("#6b7280", "12 4 2 4"),
}
"""Colour and dashes of each line, so that colour is not the only cue."""

Point = tuple[int, float, float, float]


def drawn(curves: dict[str, list[Point]]) -> str:
    """The picture.

    Args:
        curves: Of each queue: actions, and mean, least and largest gain in points.
    """
    most_x = max(point[0] for points in curves.values() for point in points)
    most_y = max(point[3] for points in curves.values() for point in points)
    top = 2 * (int(most_y) // 2 + 1)

    def place(actions: float, gain: float) -> tuple[float, float]:
        x = LEFT + actions / most_x * (WIDTH - LEFT - RIGHT)
        return round(x, 1), round(HEIGHT - BOTTOM - gain / top * (HEIGHT - TOP - BOTTOM), 1)

    parts = [_axes(place, most_x, top)]
    ends = _apart({queue: place(*points[-1][:2])[1] for queue, points in curves.items()})
    for queue, points in curves.items():
        colour, dashes = STYLES[queue]
        upper = [place(point[0], point[3]) for point in points]
        lower = [place(point[0], point[2]) for point in reversed(points)]
        if upper != lower[::-1]:
            parts.append(
                f'<polygon points="{_listed(upper + lower)}" fill="{colour}" opacity=".16"/>'
            )
        line = _listed([place(point[0], point[1]) for point in points])
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.4" '
            f'stroke-dasharray="{dashes}"/>'
        )
        parts.append(
            f'<text x="{WIDTH - RIGHT + 10}" y="{ends[queue] + 4}" fill="{colour}" '
            f'font-weight="600">{escape(queue)} +{points[-1][1]:.1f}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="system-ui, sans-serif" font-size="13">'
        "<title>Gain in disambiguation against simulated actions, by queue</title>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )


def _axes(place, most_x: int, top: int) -> str:  # type: ignore[no-untyped-def]
    parts = []
    for gain in range(0, top + 1, 2):
        x, y = place(0, gain)
        parts.append(
            f'<line x1="{x}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#dfe3e8"/>'
            f'<text x="{x - 8}" y="{y + 4}" text-anchor="end" fill="#4b5563">{gain}</text>'
        )
    for actions in range(0, most_x + 1, max(1, most_x // 5)):
        x, y = place(actions, 0)
        parts.append(
            f'<text x="{x}" y="{y + 20}" text-anchor="middle" fill="#4b5563">{actions}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle" fill="#1f2937">actions</text>'
        f'<text transform="translate(16 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
        'text-anchor="middle" fill="#1f2937">points gained (uses true labels)</text>'
    )
    return "".join(parts)


def _apart(ends: dict[str, float], gap: float = 17.0) -> dict[str, float]:
    """Heights of the labels at the ends of the lines, none over another."""
    found: dict[str, float] = {}
    below = float("-inf")
    for queue in sorted(ends, key=lambda each: ends[each]):
        below = found[queue] = max(ends[queue], below + gap)
    return found


def _listed(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)
