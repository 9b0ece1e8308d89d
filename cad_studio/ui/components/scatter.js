// A map of many points on a canvas: pan, zoom, lasso, hover; no WebGL, no library.

import {h} from './dom.js';

const CELLS = 256;
const LEAST_LASSO = 4;
const NEAR_PX = 9;
const EDGE = 30;
const FACES = {least: 16, most: 44, share: 0.55};  // sides of thumbnails in CSS pixels; the share of the room each point has

/**
 * A map that owns its element.
 *
 * points(Uint16Array(2n), anew): places on a 65,536 grid, 0, 0 for a sample without one.
 * look({index, palette, shown, selected}): Uint8Array(n) into `palette` ('#rrggbb' each), and
 * Uint8Array(n) masks or null; unselected points are greyed, those not shown left out.
 * faces([{image, x, y, px}, ...]): a thumbnail for each sample in place of its point, or null.
 * lines([[i, j], ...]): pairs to be joined. onSelect(rows), onPick(row), onHover(row or null, x, y).
 */
export function createScatter({label, onSelect, onPick, onHover, onView = _view => {}}) {
  const ground = h('canvas', {'aria-hidden': 'true'});
  const glass = h('canvas', {'aria-hidden': 'true'});
  const element = h('div.scatter', {tabindex: '0', role: 'application', 'aria-label': label}, ground, glass);
  let places = new Uint16Array(0);
  let order = null;      // rows by cell of a 256 x 256 grid
  let starts = null;
  let paint = {index: new Uint8Array(0), palette: [], shown: null, selected: null};
  let joined = [];
  let pictures = null;
  let fitted = 1;  // the scale at which everything is seen
  let view = {scale: 1, x: 0, y: 0};  // pixels = margin + (place / 65535 * side) * scale + x
  let isLasso = false;
  let drag = null;
  let due = 0;
  let isTouched = false;  // whether the user has moved or zoomed

  const size = () => ({width: element.clientWidth, height: element.clientHeight});
  const side = () => { const {width, height} = size(); return Math.max(40, Math.min(width, height) - 20); };
  const left = () => (size().width - side()) / 2;
  const top = () => (size().height - side()) / 2;
  const toX = place => left() + place / 65535 * side() * view.scale + view.x;
  const toY = place => top() + (1 - place / 65535) * side() * view.scale + view.y;
  const fromX = x => (x - left() - view.x) / (side() * view.scale) * 65535;
  const fromY = y => (1 - (y - top() - view.y) / (side() * view.scale)) * 65535;
  const isThere = row => places[2 * row] || places[2 * row + 1];
  const isShown = row => isThere(row) && (!paint.shown || paint.shown[row]);

  function buildIndex() {
    const n = places.length / 2;
    const cell = row => (places[2 * row + 1] >> 8) * CELLS + (places[2 * row] >> 8);
    starts = new Uint32Array(CELLS * CELLS + 1);
    for (let row = 0; row < n; row++) starts[cell(row) + 1]++;
    for (let at = 0; at < CELLS * CELLS; at++) starts[at + 1] += starts[at];
    const next = starts.slice();
    order = new Uint32Array(n);
    for (let row = 0; row < n; row++) order[next[cell(row)]++] = row;
  }

  const later = () => { if (!due) due = requestAnimationFrame(draw); };
  new ResizeObserver(() => { if (isTouched) later(); else fit(); }).observe(element);
  new MutationObserver(later).observe(document.body, {attributeFilter: ['class']});

  /** '#rrggbb' on a ground, as a 32 bit pixel; `share` of the colour is kept. */
  function pixel(colour, back, share) {
    const part = at => parseInt(colour.slice(at, at + 2), 16) * share + parseInt(back.slice(at, at + 2), 16) * (1 - share);
    return (255 << 24 | Math.round(part(5)) << 16 | Math.round(part(3)) << 8 | Math.round(part(1))) >>> 0;
  }

  function draw() {
    due = 0;
    const {width, height} = size();
    if (!width || !height) return;
    const ratio = Math.min(2, devicePixelRatio || 1);
    const [w, t] = [Math.round(width * ratio), Math.round(height * ratio)];
    for (const canvas of [ground, glass]) if (canvas.width !== w || canvas.height !== t) { canvas.width = w; canvas.height = t; }
    const pen = ground.getContext('2d');
    const image = pen.createImageData(w, t);
    const pixels = new Uint32Array(image.data.buffer);
    const style = getComputedStyle(element);
    const back = style.getPropertyValue('--panel').trim();
    const some = paint.selected !== null;
    const colours = Uint32Array.from(paint.palette, each => pixel(each, back, some ? 1 : 0.85));
    const grey = pixel(style.getPropertyValue('--ink-3').trim(), back, 0.28);
    const n = places.length / 2;
    const [sx, ox] = [side() * view.scale / 65535 * ratio, (left() + view.x) * ratio];
    const [sy, oy] = [-side() * view.scale / 65535 * ratio, (top() + side() * view.scale + view.y) * ratio];
    const plain = Math.max(1, Math.round((n > 200000 ? 1 : n > 20000 ? 2 : 2.4) * ratio * Math.min(2, Math.sqrt(view.scale))));
    const dot = (row, colour, wide) => {
      const px = Math.round(places[2 * row] * sx + ox - wide / 2), py = Math.round(places[2 * row + 1] * sy + oy - wide / 2);
      if (px < 0 || py < 0 || px + wide > w || py + wide > t) return;
      for (let y = py; y < py + wide; y++) for (let x = px, at = y * w + px; x < px + wide; x++, at++) pixels[at] = colour;
    };
    const {index, shown, selected} = paint;
    for (let row = 0; row < n; row++) {
      if (!(places[2 * row] || places[2 * row + 1]) || (shown && !shown[row])) continue;
      if (some && selected[row]) continue;
      dot(row, some ? grey : colours[index[row]], plain);
    }
    if (some) {
      let count = 0;
      for (let row = 0; row < n; row++) count += selected[row];
      const wide = plain + Math.round(ratio * (count < 30 ? 5 : count < 300 ? 3 : 1));  // a few are not to be overlooked
      for (let row = 0; row < n; row++) if (selected[row] && isShown(row)) dot(row, colours[index[row]], wide);
    }
    pen.putImageData(image, 0, 0);
    if (pictures) drawFaces(pen, ratio);
    if (joined.length) {
      pen.save();
      pen.scale(ratio, ratio);
      pen.globalAlpha = Math.max(0.12, Math.min(0.6, 60 / joined.length));
      pen.strokeStyle = style.getPropertyValue('--accent');
      pen.beginPath();
      for (const [i, j] of joined) {
        if (!isShown(i) || !isShown(j)) continue;
        pen.moveTo(toX(places[2 * i]), toY(places[2 * i + 1]));
        pen.lineTo(toX(places[2 * j]), toY(places[2 * j + 1]));
      }
      pen.stroke();
      pen.restore();
    }
    element.dataset.painted = String(n);
    element.dataset.zoom = view.scale.toFixed(3);
  }

  /** The side of a thumbnail now: by the room there is, and larger where one looks closer. */
  function faceSide() {
    const {width, height} = size();
    const room = FACES.share * Math.sqrt(width * height / Math.max(1, pictures.length));
    return Math.min(FACES.most, Math.max(FACES.least, room)) * Math.min(2.5, Math.max(1, Math.sqrt(view.scale / fitted)));
  }

  function drawFaces(pen, ratio) {
    const wide = faceSide();
    const {index, palette, selected} = paint;
    pen.save();
    pen.scale(ratio, ratio);
    pen.imageSmoothingEnabled = false;
    const order = pictures.map((_, row) => row).filter(row => pictures[row] && isShown(row));
    if (selected) order.sort((a, b) => selected[a] - selected[b]);  // what is selected lies on top
    for (const row of order) {
      const {image, x, y, px} = pictures[row];
      const [left, upper] = [toX(places[2 * row]) - wide / 2, toY(places[2 * row + 1]) - wide / 2];
      pen.globalAlpha = selected && !selected[row] ? 0.3 : 1;
      pen.drawImage(image, x, y, px, px, left, upper, wide, wide);
      pen.strokeStyle = palette[index[row]] || '#8a94a3';
      pen.lineWidth = 2;
      pen.strokeRect(left, upper, wide, wide);
    }
    pen.restore();
  }

  function overlay(path, row = null) {
    const pen = glass.getContext('2d');
    const ratio = glass.width / Math.max(1, size().width);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, glass.width, glass.height);
    const style = getComputedStyle(element);
    pen.strokeStyle = style.getPropertyValue('--accent');
    pen.lineWidth = 1.5;
    if (path) {
      pen.setLineDash([5, 4]);
      pen.beginPath();
      path.forEach(([x, y], at) => (at ? pen.lineTo(x, y) : pen.moveTo(x, y)));
      pen.closePath();
      pen.stroke();
      pen.setLineDash([]);
    }
    if (row !== null) {
      pen.strokeStyle = style.getPropertyValue('--ink');
      pen.beginPath();
      pen.arc(toX(places[2 * row]), toY(places[2 * row + 1]), pictures ? 0.75 * faceSide() : 6, 0, 7);
      pen.stroke();
    }
  }

  /** The shown point nearest to a place of the page, within a few pixels, or null. */
  function nearest(x, y) {
    if (!order) return null;
    const reach = (pictures ? faceSide() / 2 : NEAR_PX) / (side() * view.scale) * 65535;
    const [px, py] = [fromX(x), fromY(y)];
    const limit = value => Math.max(0, Math.min(CELLS - 1, Math.floor(value / 256)));
    let [best, found] = [reach * reach, null];
    for (let cy = limit(py - reach); cy <= limit(py + reach); cy++) {
      for (let at = starts[cy * CELLS + limit(px - reach)]; at < starts[cy * CELLS + limit(px + reach) + 1]; at++) {
        const row = order[at];
        const distance = (places[2 * row] - px) ** 2 + (places[2 * row + 1] - py) ** 2;
        if (distance < best && isShown(row)) { best = distance; found = row; }
      }
    }
    return found;
  }

  function within(path) {
    const corners = path.map(([x, y]) => [fromX(x), fromY(y)]);
    const xs = corners.map(each => each[0]), ys = corners.map(each => each[1]);
    const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const rows = [];
    for (let row = 0; row < places.length / 2; row++) {
      const x = places[2 * row], y = places[2 * row + 1];
      if (x < x0 || x > x1 || y < y0 || y > y1 || !isShown(row)) continue;
      let inside = false;
      for (let a = 0, b = corners.length - 1; a < corners.length; b = a++) {
        const [ax, ay] = corners[a], [bx, by] = corners[b];
        if ((ay > y) !== (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax) inside = !inside;
      }
      if (inside) rows.push(row);
    }
    return rows;
  }

  function zoom(factor, x, y) {
    isTouched = true;
    const scale = Math.min(200, Math.max(0.5, view.scale * factor));
    const real = scale / view.scale;
    view = {scale, x: x - left() - (x - left() - view.x) * real, y: y - top() - (y - top() - view.y) * real};
    later();
    onView(view);
  }
  const middle = () => [size().width / 2, size().height / 2];
  const pan = (dx, dy) => { isTouched = true; view = {...view, x: view.x + dx, y: view.y + dy}; later(); onView(view); };

  /** Show all points as large as they fit. */
  function fit() {
    const {width, height} = size();
    isTouched = false;
    if (!width || !height || !places.length) { later(); return; }
    let [x0, x1, y0, y1] = [65535, 0, 65535, 0];
    for (let at = 0; at < places.length; at += 2) {
      const x = places[at], y = places[at + 1];
      if (!x && !y) continue;
      if (x < x0) x0 = x; if (x > x1) x1 = x; if (y < y0) y0 = y; if (y > y1) y1 = y;
    }
    if (x1 < x0) { view = {scale: 1, x: 0, y: 0}; later(); return; }
    const unit = side() / 65535;
    const scale = Math.min(200, (width - 2 * EDGE) / Math.max(1, (x1 - x0) * unit), (height - 2 * EDGE) / Math.max(1, (y1 - y0) * unit));
    fitted = scale;
    view = {scale, x: width / 2 - left() - (x0 + x1) / 2 * unit * scale, y: height / 2 - top() - (65535 - (y0 + y1) / 2) * unit * scale};
    later();
    onView(view);
  }

  const at = event => { const box = element.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  element.addEventListener('pointerdown', event => {
    if (event.button > 1) return;
    element.setPointerCapture(event.pointerId);
    drag = {path: [at(event)], lasso: (isLasso || event.shiftKey) && event.button === 0, moved: false};
    onHover(null);
  });
  element.addEventListener('pointermove', event => {
    const [x, y] = at(event);
    if (!drag) { const row = nearest(x, y); overlay(null, row); onHover(row, x, y); return; }
    const last = drag.path[drag.path.length - 1];
    if (Math.hypot(x - last[0], y - last[1]) < 2) return;
    drag.path.push([x, y]);
    drag.moved = true;
    if (drag.lasso) overlay(drag.path); else pan(x - last[0], y - last[1]);
  });
  element.addEventListener('pointerup', event => {
    if (!drag) return;
    const {path, lasso, moved} = drag;
    drag = null;
    overlay(null);
    if (lasso && path.length >= LEAST_LASSO) { onSelect(within(path)); return; }
    if (!moved) { const row = nearest(...at(event)); if (row !== null) onPick(row); }
  });
  element.addEventListener('pointercancel', () => { drag = null; overlay(null); });
  element.addEventListener('pointerleave', () => { if (!drag) { overlay(null); onHover(null); } });
  element.addEventListener('wheel', event => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), ...at(event));
  }, {passive: false});
  element.addEventListener('dblclick', event => zoom(2, ...at(event)));
  element.addEventListener('keydown', event => {
    const run = {ArrowLeft: () => pan(40, 0), ArrowRight: () => pan(-40, 0), ArrowUp: () => pan(0, 40), ArrowDown: () => pan(0, -40),
      '+': () => zoom(1.4, ...middle()), '=': () => zoom(1.4, ...middle()), '-': () => zoom(1 / 1.4, ...middle()), 0: fit}[event.key];
    if (run && !event.ctrlKey && !event.metaKey) { event.preventDefault(); event.stopPropagation(); run(); }
  });

  return {
    element, fit, zoom: factor => zoom(factor, ...middle()),
    /** Other places; `anew` shows them all, else the part looked at stays. */
    points(given, anew) { places = given; buildIndex(); if (isTouched && !anew) later(); else fit(); },
    look(given) { paint = {...paint, ...given}; later(); },
    lines(pairs) { joined = pairs; later(); },
    faces(given) { pictures = given; element.dataset.faces = String(given ? given.length : 0); later(); },
    lasso(on) { isLasso = on; element.classList.toggle('lasso', on); },
    mark(row) { overlay(null, row !== null && isThere(row) ? row : null); },
    /** Where a row stands on the page, for tests and cards. */
    place: row => [toX(places[2 * row]), toY(places[2 * row + 1])],
  };
}
