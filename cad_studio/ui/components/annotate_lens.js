// A closer look at the images of a card: zoom, brightness and contrast, by key and by button.

import {h} from './dom.js';
import {keyOf, shownKey} from './annotate_keys.js';

const PLAIN = {zoom: 1, brightness: 1, contrast: 1, x: 50, y: 50};
const LIMITS = {zoom: [1, 8], brightness: [0.4, 2.5], contrast: [0.4, 3]};
const STEP = {zoom: 1.5, brightness: 1.2, contrast: 1.25};
const MOVE = 12; // per cent of the image an arrow key moves the part that is seen

/** What each command turns, up or down, and what its button says. */
const TURNS = {
  closer: ['zoom', 1, 'Zoom in'],
  further: ['zoom', -1, 'Zoom out'],
  brighter: ['brightness', 1, 'Brighter'],
  darker: ['brightness', -1, 'Darker'],
  sharper: ['contrast', 1, 'More contrast'],
  flatter: ['contrast', -1, 'Less contrast'],
};
const WORDS = {zoom: 'Zoom', brightness: 'Light', contrast: 'Contrast'};

/** Looks at the `.picture`s inside `frame`; owns `tools`, its buttons. */
export function createLens(frame) {
  let view = {...PLAIN};
  const reset = h('button.btn', {
    type: 'button', id: 'annotate-plain', disabled: true, title: 'The image as it is', on: {click: () => turnBack()},
  }, 'Reset', h('kbd', {data: {command: 'plain'}}, shownKey(keyOf('plain'))));
  const says = h('span.num', {role: 'status'});
  const buttons = Object.entries(TURNS).map(([command, [key, way, title]]) =>
    h('button.btn', {type: 'button', id: `annotate-${command}`, title, 'aria-label': title, on: {click: () => turn(command)}},
      +way > 0 ? h('span', {'aria-hidden': 'true'}, WORDS[key]) : null,
      h('kbd', {data: {command}}, shownKey(keyOf(command))))
  );
  const tools = h('div.lens-tools', {role: 'group', 'aria-label': 'Look closer'}, ...buttons, reset, says);

  function paint() {
    const isPlain = ['zoom', 'brightness', 'contrast'].every(key => view[key] === 1);
    for (const [key, unit] of [['zoom', ''], ['brightness', ''], ['contrast', ''], ['x', '%'], ['y', '%']]) {
      frame.style.setProperty(`--${key}`, `${view[key]}${unit}`);
    }
    frame.classList.toggle('lens', !isPlain);
    reset.disabled = isPlain;
    const light = ['brightness', 'contrast'].filter(key => view[key] !== 1).map(key => `${key} ${Math.round(100 * view[key])} %`);
    says.textContent = isPlain ? '' : [`${view.zoom.toFixed(1)} ×`, ...light].join(', ');
  }

  function turn(command) {
    const [key, way] = TURNS[command];
    const [least, most] = LIMITS[key];
    const next = Math.min(most, Math.max(least, view[key] * STEP[key] ** way));
    view = {...view, [key]: Math.abs(next - 1) < 0.05 ? 1 : next};
    paint();
    return true;
  }

  function turnBack() {
    view = {...PLAIN};
    paint();
    return true;
  }

  /** The part of a zoomed image that is seen, in per cent of the image. */
  function look(x, y) {
    const inside = value => Math.min(100, Math.max(0, value));
    view = {...view, x: inside(x), y: inside(y)};
    paint();
  }

  frame.addEventListener('pointermove', event => {
    const box = view.zoom > 1 && event.target.closest?.('.picture-frame')?.getBoundingClientRect();
    if (box) look((100 * (event.clientX - box.left)) / box.width, (100 * (event.clientY - box.top)) / box.height);
  });
  document.addEventListener('keydown', event => {
    const [dx, dy] = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key] || [];
    if (dx === undefined || view.zoom === 1 || frame.offsetParent === null || event.defaultPrevented || event.ctrlKey || event.metaKey
      || event.altKey) return;
    if (event.target.closest('input, textarea, select, dialog, .drawer')) return;
    event.preventDefault();
    look(view.x + dx * MOVE, view.y + dy * MOVE);
  });

  return {tools, commands: {...Object.fromEntries(Object.keys(TURNS).map(command => [command, () => turn(command)])), plain: turnBack}};
}
