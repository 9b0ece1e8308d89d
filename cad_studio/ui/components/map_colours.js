// What the colours of a map mean: a value for each sample, and the tones and words of the values.

import {counted} from './dom.js';

export const NONE = 65535;  // no class
const GREY = '#8a94a3';
const RAMP = ['#35489e', '#4f74c9', '#58a3c4', '#6fc39a', '#c9c95a', '#f0a13c', '#d9513a'];
const PLAIN = [GREY, '#3b5bdb', '#f28e2b', '#59a14f', '#e15759', '#9c6ade', '#17a2a2'];
const OF = {
  right: [GREY, '#d9513a', '#3b6fb5'], change: ['#9aa3b0', '#2b8a3e', '#d9513a', '#f28e2b'],
  entangled: ['#9aa3b0', '#d9513a'], annotated: ['#9aa3b0', '#2b8a3e'],
};
const WIDE = ['best', 'predicted', 'truth', 'size'];
const NARROW = ['right', 'believed', 'entangled', 'annotated', 'split', 'change'];
const CLASSES = new Set(['best', 'predicted', 'truth']);
const MOST_CLASSES = 250;
const BELIEF_STEPS = 5;

/** The columns of N samples by name, as the studio sends them one after the other. */
export function cutColumns(body, n) {
  const found = {};
  let at = 0;
  for (const key of WIDE) { found[key] = new Uint16Array(body.slice(at, at + 2 * n)); at += 2 * n; }
  for (const key of NARROW) { found[key] = new Uint8Array(body, at, n); at += n; }
  return found;
}

/**
 * The colouring by a column: {values, legend}, a value (0 to 255) for each sample and {tone, text} for
 * each value. `mode` is as the studio describes it, `toneOf(label)` the colour of a class.
 */
export function colouringBy(mode, source, names, toneOf) {
  if (CLASSES.has(mode.key)) return byClass(source, names, toneOf);
  if (mode.key === 'size') return bySize(source);
  if (mode.key === 'believed') return byBelief(source);
  const isField = mode.key.startsWith('field:');
  const last = mode.values.length - 1;  // of a field: "none"
  const toneAt = at =>
    (isField ? (at === last ? GREY : toneOf(at)) : (OF[mode.key] || PLAIN)[at % PLAIN.length] || PLAIN[at % PLAIN.length]);
  return {values: Uint8Array.from(source), legend: mode.values.map((text, at) => ({tone: toneAt(at), text}))};
}

/** The most frequent classes, and one value for all others. */
function byClass(source, names, toneOf) {
  const counts = new Map();
  for (const label of source) counts.set(label, (counts.get(label) || 0) + 1);
  const frequent = [...counts.keys()].filter(label => label !== NONE).sort((a, b) => counts.get(b) - counts.get(a));
  const shown = frequent.slice(0, MOST_CLASSES).sort((a, b) => a - b);
  const place = new Map(shown.map((label, at) => [label, at]));
  const legend = shown.map(label => ({tone: toneOf(label), text: names[label]}));
  legend.push({tone: GREY, text: counts.has(NONE) || counts.size > shown.length ? 'not known, or a rare class' : ''});
  const values = new Uint8Array(source.length);
  for (let row = 0; row < source.length; row++) values[row] = place.get(source[row]) ?? shown.length;
  return {values, legend};
}

/** Sizes of sets, several to a tone where there are many. */
function bySize(source) {
  let most = 1;
  for (let row = 0; row < source.length; row++) if (source[row] > most) most = source[row];
  const step = Math.max(1, Math.ceil(most / RAMP.length));
  const values = new Uint8Array(source.length);
  for (let row = 0; row < source.length; row++) values[row] = Math.min(RAMP.length - 1, Math.floor(Math.max(0, source[row] - 1) / step));
  const textOf = at => (step === 1 ? counted(at + 1, 'candidate') : `${at * step + 1} to ${Math.min(most, (at + 1) * step)} candidates`);
  return {values, legend: RAMP.slice(0, Math.ceil(most / step)).map((tone, at) => ({tone, text: textOf(at)}))};
}

function byBelief(source) {
  const values = new Uint8Array(source.length);
  for (let row = 0; row < source.length; row++) values[row] = Math.min(BELIEF_STEPS - 1, Math.floor(source[row] / 51.2));
  const legend = Array.from({length: BELIEF_STEPS}, (_, at) => ({
    tone: RAMP[Math.round(at * 1.5)], text: `${20 * at} to ${20 * at + 20} %`,
  }));
  return {values, legend};
}
