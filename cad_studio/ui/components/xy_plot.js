// A small plot of a few lines over a measured x, as SVG: reliability, accuracy by similarity.

import {h, fill} from './dom.js';

const SPACE = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT] = [360, 210];
const PAD = {left: 40, right: 12, top: 10, bottom: 34};

function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SPACE, tag);
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== undefined) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/**
 * A plot that owns its element. show({lines, x, y, xRange, yRange, format, diagonal, bars}): a line
 * is {label, colour, dashed, points: [[x, y, hint], ...]}; `bars` are [x0, x1, share] at the bottom.
 */
export function createPlot(title, {note = ''} = {}) {
  const holder = h('div.xy', {});
  const legend = h('div.legend');
  const head = h('h2.grow', {}, title);
  const side = h('span.num', {}, note);
  const element = h('section.chart', {'aria-label': title}, h('div.row', {}, head, side), holder, legend);
  return {
    element,
    show({lines, x, y, xRange, yRange, format = value => value.toFixed(2), diagonal = false, bars = [], about = ''}) {
      side.textContent = about;
      const [x0, x1] = xRange, [y0, y1] = yRange;
      const toX = value => PAD.left + (value - x0) / Math.max(1e-9, x1 - x0) * (WIDTH - PAD.left - PAD.right);
      const toY = value => HEIGHT - PAD.bottom - (value - y0) / Math.max(1e-9, y1 - y0) * (HEIGHT - PAD.top - PAD.bottom);
      const words = lines.map(line =>
        `${line.label}: ${line.points.map(([px, py]) => `${format(px)} ${format(py)}`).join(', ')}`).join('. ');
      const picture = s('svg', {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${title}. ${x} against ${y}. ${words}`});
      for (let at = 0; at <= 4; at++) {
        const [vx, vy] = [x0 + (x1 - x0) * at / 4, y0 + (y1 - y0) * at / 4];
        picture.append(
          s('line', {x1: PAD.left, x2: WIDTH - PAD.right, y1: toY(vy), y2: toY(vy), class: 'rule'}),
          s('text', {x: PAD.left - 6, y: toY(vy) + 4, 'text-anchor': 'end'}, format(vy)),
          s('text', {x: toX(vx), y: HEIGHT - PAD.bottom + 15, 'text-anchor': 'middle'}, format(vx)));
      }
      picture.append(s('text', {x: (PAD.left + WIDTH - PAD.right) / 2, y: HEIGHT - 4, 'text-anchor': 'middle'}, x));
      for (const [from, to, share] of bars) {
        const tall = share * (HEIGHT - PAD.top - PAD.bottom) * 0.4;
        picture.append(s('rect', {
          x: toX(from) + 1, width: Math.max(1, toX(to) - toX(from) - 2), y: HEIGHT - PAD.bottom - tall, height: tall,
          class: 'bar',
        }));
      }
      if (diagonal) picture.append(s('line', {x1: toX(x0), y1: toY(y0), x2: toX(x1), y2: toY(y1), class: 'ideal'}));
      for (const line of lines) {
        picture.append(s('polyline', {
          points: line.points.map(([px, py]) => `${toX(px)},${toY(py)}`).join(' '), class: 'line',
          style: `stroke: ${line.colour}`, 'stroke-dasharray': line.dashed ? '5 4' : null,
        }));
        for (const [px, py, hint] of line.points) {
          picture.append(s('circle', {cx: toX(px), cy: toY(py), r: 3.2, style: `fill: ${line.colour}`},
            s('title', {}, hint || `${format(px)}, ${format(py)}`)));
        }
      }
      fill(holder, picture);
      fill(legend, ...(lines.length > 1 ? lines : []).map(line => h('span.entry', {},
        h('i', {class: `key ${line.dashed ? 'dashed' : ''}`, style: {'--k': line.colour}}),
        h('span.text', {}, line.label))));
    },
  };
}
