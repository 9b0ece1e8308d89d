// Curves over epochs on a canvas: drawn from columns, thinned to the pixels, read by a crosshair.

import {h, fill} from './dom.js';

const MARGIN = {left: 40, right: 10, top: 8, bottom: 18};
const MOST_IN_TIP = 12;

/**
 * A chart that owns its element. `show(lines, options)` draws; a line is
 * {label, colour, dashed, live, x, y} with x rising and y numbers or null. Lines that still grow are
 * `live` and lie on a canvas of their own, so that an epoch more does not draw the others anew.
 * `point(epoch)` sets the crosshair. onPoint(epoch or null) is called when the user moves it.
 */
export function createChart({id, title, format, range = null, onPoint, controls = []}) {
  const ground = h('canvas', {'aria-hidden': 'true'});
  const canvas = h('canvas', {'aria-hidden': 'true'});
  const glass = h('canvas', {'aria-hidden': 'true'});
  const tip = h('div.tip', {hidden: true});
  const holder = h('div.plot', {tabindex: '0', role: 'img'}, ground, canvas, glass, tip);
  const legend = h('div.legend');
  const name = h('h2.grow', {}, title);
  const element = h('section.chart', {id, 'aria-label': title}, h('div.row', {}, name, ...controls), holder, legend);
  let lines = [];
  let scale = null;
  let epoch = null;
  let log = false;
  let due = 0;
  let drawn = '';

  const later = () => { if (!due) due = requestAnimationFrame(draw); };
  new ResizeObserver(later).observe(holder);
  new MutationObserver(later).observe(document.body, {attributeFilter: ['class']});

  function draw() {
    due = 0;
    const box = holder.getBoundingClientRect();
    if (!box.width || !box.height) return;
    const style = getComputedStyle(holder);
    const pen = fit(canvas, box);
    fit(glass, box);
    scale = scaleOf(lines, box, log, range, scale);
    element.dataset.points = lines.reduce((sum, line) => sum + line.x.length, 0);
    const still = JSON.stringify([
      box.width, box.height, devicePixelRatio, style.color, scale,
      lines.filter(line => !line.live).map(line => [line.label, line.colour, line.dashed, line.strong, line.x.length]),
    ]);
    if (still !== drawn) {
      drawn = still;
      const below = fit(ground, box);
      if (scale) {
        grid(below, scale, style, box, format);
        for (const line of lines) if (!line.live) stroke(below, line, scale, style);
      } else {
        below.fillStyle = style.getPropertyValue('--ink-2');
        below.font = fontOf(style);
        below.textAlign = 'left';
        below.fillText('No figures yet', MARGIN.left, box.height / 2);
      }
    }
    if (scale) for (const line of lines) if (line.live) stroke(pen, line, scale, style);
    mark();
  }

  function mark() {
    const pen = glass.getContext('2d');
    pen.clearRect(0, 0, glass.width, glass.height);
    if (epoch === null || !scale) { tip.hidden = true; return; }
    const style = getComputedStyle(holder);
    const x = scale.x(epoch);
    pen.strokeStyle = style.getPropertyValue('--ink-3');
    pen.lineWidth = 1;
    pen.beginPath(); pen.moveTo(x, MARGIN.top); pen.lineTo(x, scale.bottom); pen.stroke();
    for (const {line, value} of valuesAt(lines, epoch)) {
      pen.fillStyle = resolved(line.colour, style);
      pen.beginPath(); pen.arc(x, scale.y(value), 3, 0, 7); pen.fill();
    }
  }

  function describe() {
    const found = valuesAt(lines, epoch).sort((a, b) => b.value - a.value);
    const shown = found.slice(0, MOST_IN_TIP);
    fill(tip,
      h('b', {}, `epoch ${epoch + 1}`),
      ...shown.map(({line, value}) => h('span.row', {}, key(line), h('span.grow', {}, line.label), h('span.num', {}, format(value)))),
      found.length > shown.length ? h('small', {}, `${found.length - shown.length} more below`) : null);
    tip.hidden = !found.length;
    const right = scale.x(epoch) > holder.clientWidth / 2;
    tip.style.left = right ? 'auto' : `${scale.x(epoch) + 10}px`;
    tip.style.right = right ? `${holder.clientWidth - scale.x(epoch) + 10}px` : 'auto';
    element.dataset.read = found.map(({line, value}) => `${line.label} ${format(value)}`).join('; ');
  }

  function moveTo(target) {
    if (!scale) return;
    onPoint(target === null ? null : Math.min(scale.end(), Math.max(scale.from, target)));
    if (target !== null) describe(); else tip.hidden = true;
  }
  holder.addEventListener('pointermove', event => {
    if (scale) moveTo(Math.round(scale.epoch(event.clientX - holder.getBoundingClientRect().left)));
  });
  holder.addEventListener('pointerleave', () => moveTo(null));
  holder.addEventListener('blur', () => moveTo(null));
  holder.addEventListener('keydown', event => {
    const step = {ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity}[event.key];
    if (event.key === 'Escape') moveTo(null);
    if (step === undefined || !scale) return;
    event.preventDefault();
    event.stopPropagation();
    // from nowhere, a step enters at the near end
    moveTo(epoch !== null || !Number.isFinite(step) ? (epoch ?? 0) + step : step > 0 ? scale.from : scale.end());
  });

  return {
    element,
    show(given, {legendNote = '', logarithmic = log} = {}) {
      lines = given;
      log = logarithmic;
      fill(legend, legendNote, ...(legendNote ? [] : given).map(line => h('span.entry', {title: line.hint || null},
        key(line), h('span.text', {}, line.label),
        h('span.num', {}, lastOf(line, format)))));
      holder.setAttribute('aria-label',
        `${title}. ${given.slice(0, MOST_IN_TIP).map(line => `${line.label} ${lastOf(line, format)}`).join(', ') || 'No figures yet'}`);
      later();
    },
    point(target) { epoch = target; if (target === null) tip.hidden = true; mark(); },
    tipOff() { tip.hidden = true; },
  };
}

/** A short line as the curve is drawn: solid, or dashed for figures that took true labels. */
export const key = line => h('i.key', {class: `key ${line.dashed ? 'dashed' : ''}`, style: {'--k': line.colour}, 'aria-hidden': 'true'});

function lastOf(line, format) {
  for (let at = line.y.length - 1; at >= 0; at--) if (line.y[at] !== null) return format(line.y[at]);
  return '';
}

const fontOf = style => `10.5px ${style.getPropertyValue('--mono')}`;
const resolved = (colour, style) => (colour.startsWith('var(') ? style.getPropertyValue(colour.slice(4, -1)) : colour);

/** Give a canvas the pixels of its place; the pen counts in CSS pixels. */
function fit(canvas, box) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const pen = canvas.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, box.width, box.height);
  return pen;
}

/** Where values lie; the scale before is kept while it still fits, so that curves grow in place. */
function scaleOf(lines, box, log, range, before) {
  let [from, to, low, high, isLive] = [Infinity, -Infinity, Infinity, -Infinity, false];
  for (const {x, y, live} of lines) {
    if (!x.length) continue;
    from = Math.min(from, x[0]);
    to = Math.max(to, x[x.length - 1]);
    isLive ||= live;
    for (const value of y) if (value !== null && (!log || value > 0)) { if (value < low) low = value; if (value > high) high = value; }
  }
  if (low > high) return null;
  if (log) { low = Math.log10(low); high = Math.log10(high); }
  let [first, last] = [from, isLive ? roomFor(to) : to];
  if (last === first) { first -= 1; last += 1; }
  const fits = before && before.log === log && before.low <= low && before.high >= high && high - low > 0.7 * (before.high - before.low);
  if (fits) ({low, high} = before);
  else {
    const room = (high - low) * (isLive ? 0.12 : 0.06) || Math.abs(high) * 0.1 || 0.1;
    [low, high] = [low - room, high + room];
    if (range && !log) { low = Math.max(range[0], low); high = Math.min(range[1], high); }
  }
  const bottom = box.height - MARGIN.bottom;
  const wide = box.width - MARGIN.left - MARGIN.right;
  return {
    first, last, from, to: isLive ? null : to, low, high, log, bottom, end: () => to,
    x: epoch => MARGIN.left + (epoch - first) / (last - first) * wide,
    y: value => bottom - ((log ? Math.log10(value) : value) - low) / (high - low) * (bottom - MARGIN.top),
    epoch: x => first + (x - MARGIN.left) / wide * (last - first),
  };
}

/** The last epoch to leave room for: the next of 5, 10, 15, 20, 30, 40, 50, 75, 100, ... */
function roomFor(epoch) {
  const size = 10 ** Math.floor(Math.log10(Math.max(5, epoch + 1)));
  return [1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10].map(each => Math.ceil(each * size)).find(each => each >= Math.max(5, epoch + 1)) - 1;
}

/** Round steps that part a range into about `wanted` pieces. */
export function ticks(low, high, wanted) {
  const rough = (high - low) / wanted;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(each => each * size).find(each => each >= rough);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high + 1e-9; at++) found.push(at * step);
  return found;
}

/** Round values for a logarithmic scale: 1, 2 and 5 of each power of ten, fewer over many, more within one. */
export function logTicks(low, high) {
  const decades = Math.log10(high / low);
  if (decades < 0.8) return ticks(low, high, 4);
  const found = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++)
    for (const part of decades > 3 ? [1] : [1, 2, 5]) {
      const value = part * 10 ** power;
      if (value >= low && value <= high) found.push(value);
    }
  return found;
}

function grid(pen, scale, style, box, format) {
  pen.font = fontOf(style);
  pen.lineWidth = 1;
  pen.strokeStyle = style.getPropertyValue('--line');
  pen.fillStyle = style.getPropertyValue('--ink-2');
  pen.textBaseline = 'middle';
  pen.textAlign = 'right';
  for (const tick of scale.log ? logTicks(10 ** scale.low, 10 ** scale.high) : ticks(scale.low, scale.high, 5)) {
    const y = Math.round(scale.y(tick)) + 0.5;
    pen.beginPath(); pen.moveTo(MARGIN.left, y); pen.lineTo(box.width - MARGIN.right, y); pen.stroke();
    pen.fillText(format(tick, true), MARGIN.left - 5, y);
  }
  pen.textBaseline = 'alphabetic';
  pen.textAlign = 'center';
  // epochs are counted from 1 for the eye
  const whole = ticks(scale.first + 1, scale.last + 1, 5).filter(tick =>
    Number.isInteger(tick) && tick > scale.from && tick <= scale.last + 1 && (scale.to === null || tick <= scale.to + 1));
  for (const tick of whole) pen.fillText(String(tick), scale.x(tick - 1), box.height - 4);
}

/** One line; with more points than twice the pixels, each pixel column gets its extremes only. */
function stroke(pen, line, scale, style) {
  pen.strokeStyle = resolved(line.colour, style);
  pen.lineWidth = line.strong ? 2 : 1.4;
  pen.setLineDash(line.dashed ? [4, 3] : []);
  pen.lineJoin = 'round';
  pen.beginPath();
  const {x, y} = line;
  const wide = scale.x(scale.last) - scale.x(scale.first);
  const dense = x.length > 2 * wide;
  let open = false;
  let column = null;
  const to = (px, py) => { if (open) pen.lineTo(px, py); else pen.moveTo(px, py); open = true; };
  const flush = () => {
    if (!column) return;
    to(column.px, column.low);
    if (column.high !== column.low) to(column.px, column.high);
    column = null;
  };
  let places = 0;
  let first = [0, 0];
  for (let at = 0; at < x.length; at++) {
    const value = y[at];
    if (value === null || (scale.log && value <= 0)) { flush(); open = false; continue; }
    const [px, py] = [scale.x(x[at]), scale.y(value)];
    if (!places++) first = [px, py];
    if (!dense) { to(px, py); continue; }
    const place = Math.round(px);
    if (column && column.px === place) {
      column.low = Math.min(column.low, py);
      column.high = Math.max(column.high, py);
    } else { flush(); column = {px: place, low: py, high: py}; }
  }
  flush();
  pen.stroke();
  pen.setLineDash([]);
  if (places === 1) { pen.fillStyle = pen.strokeStyle; pen.beginPath(); pen.arc(first[0], first[1], 2.5, 0, 7); pen.fill(); }
}

function valuesAt(lines, epoch) {
  const found = [];
  for (const line of lines) {
    let [low, high] = [0, line.x.length - 1];
    while (low < high) { const middle = (low + high) >> 1; if (line.x[middle] < epoch) low = middle + 1; else high = middle; }
    if (line.x[low] === epoch && line.y[low] !== null) found.push({line, value: line.y[low]});
  }
  return found;
}
