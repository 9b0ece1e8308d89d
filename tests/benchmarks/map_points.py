"""Times the canvas of the map on 60,000 and 1,000,000 points in Chromium, prints JSON.

    python -m tests.benchmarks.map_points [--points 60000] [--points 1000000]

The viewer of the Diagnose page, alone on an otherwise finished page, at 880 x 560 pixels.
`first_ms` is from the arrival of places and colours to the frame that shows them (five new
viewers); the others are of 20 turns, each until its frame was painted: a step of a drag, a step of
the wheel, finding the point under the pointer, and (5 turns) a lasso of a fifth of the points.
Marks: 60,000 points first painted within 150 ms; 1,000,000 usable.
"""

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import sync_playwright

from cad_studio.ui.addresses import PREFIX, static_version
from tests.browser.conftest import FLAGS, start_studio

MEASURE = """
async ([address, n]) => {
  const {createScatter} = await import(address);
  const painted = () => new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
  let seed = 1;
  const chance = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const places = new Uint16Array(2 * n), index = new Uint8Array(n);
  for (let row = 0; row < n; row++) {
    const group = row % 10;
    index[row] = group;
    for (let at = 0; at < 2; at++) places[2 * row + at] = 1 + 65534 * Math.min(1, Math.max(0, 0.5 + 0.32 * (at ? Math.sin(group) : Math.cos(group)) + 0.09 * (chance() + chance() + chance() - 1.5)));
  }
  const palette = ['#4e79a7', '#f28e2b', '#59a14f', '#e15759', '#9c6ade', '#17a2a2', '#edc948', '#b07aa1', '#9c755f', '#8a94a3'];
  const viewer = () => {
    const chosen = {};
    const scatter = createScatter({label: 'points', onSelect: rows => { chosen.n = rows.length; scatter.look({selected: mask(rows)}); }, onPick() {}, onHover: row => { chosen.row = row ?? chosen.row; }});
    const box = document.createElement('div');
    box.className = 'mount';
    box.style.cssText = 'position:fixed;left:20px;top:120px;z-index:99;background:#fff';
    box.innerHTML = '<div class="diagnose-page" style="display:block"><div class="map-box" style="width:880px;height:560px"></div></div>';
    box.querySelector('.map-box').append(scatter.element);
    document.body.append(box);
    scatter.element.setPointerCapture = () => {};
    return {scatter, box, chosen};
  };
  const mask = rows => { const out = new Uint8Array(n); for (const row of rows) out[row] = 1; return out; };
  const first = [];
  let last = null;
  for (let turn = 0; turn < 5; turn++) {
    last?.box.remove();
    last = viewer();
    await painted(); await painted();
    const start = performance.now();
    last.scatter.look({index, palette, shown: null, selected: null});
    last.scatter.points(places);
    await painted();
    first.push(performance.now() - start);
  }
  const {scatter: {element}, chosen} = last;
  const area = element.getBoundingClientRect();
  const send = (kind, x, y, more = {}) => element.dispatchEvent(new (kind === 'wheel' ? WheelEvent : PointerEvent)(kind, {clientX: area.left + x, clientY: area.top + y, pointerId: 1, bubbles: true, cancelable: true, ...more}));
  const times = async act => {
    const all = [];
    for (let turn = 0; turn < 20; turn++) { await painted(); const start = performance.now(); act(turn); await painted(); all.push(performance.now() - start); }
    return all;
  };
  const found = {first_ms: first};
  found.hover_ms = await times(turn => send('pointermove', 300 + 12 * turn, 200 + 8 * turn));
  found.hovered = chosen.row;
  send('pointerdown', 440, 280);
  found.pan_ms = await times(turn => send('pointermove', 440 + 5 * (turn % 2 ? turn : -turn), 285 + turn));
  send('pointerup', 440, 285);
  found.zoom_ms = await times(turn => send('wheel', 440, 280, {deltaY: turn < 10 ? -60 : 60}));
  const lasso = () => {
    send('pointerdown', 560, 280, {shiftKey: true});
    for (let at = 1; at < 60; at++) send('pointermove', 440 + 120 * Math.cos(at / 60 * 6.283), 280 + 120 * Math.sin(at / 60 * 6.283), {shiftKey: true});
    send('pointerup', 560, 280, {shiftKey: true});
  };
  found.lasso_ms = (await times(lasso)).slice(0, 5);
  found.inside = chosen.n;
  return found;
}
"""  # noqa: E501


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, action="append")
    counts = parser.parse_args().points or [60_000, 1_000_000]
    address = f"{PREFIX}/static/{static_version()}/scatter.js"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for studio in start_studio(Path(folder) / "project"):
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=list(FLAGS)
            )
            page = browser.new_page(viewport={"width": 1366, "height": 860})
            page.goto(studio.url)
            page.wait_for_selector("#header .brand")
            page.wait_for_timeout(6000)
            found = {f"{n:,}": told(page.evaluate(MEASURE, [address, n])) for n in counts}
            browser.close()
    print(json.dumps({**found, "load_average": os.getloadavg(), "mark_first_ms": 150}, indent=2))


def told(found: dict[str, Any]) -> dict[str, Any]:
    """Median and longest of each list of times, in ms."""
    return {
        key: {"median": round(median(value)), "longest": round(max(value))}
        if isinstance(value, list)
        else value
        for key, value in found.items()
    }


if __name__ == "__main__":
    main()
