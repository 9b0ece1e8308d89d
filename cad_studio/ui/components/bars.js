// Histograms: one whose bars are doors, one with a handle for a threshold.

import {h, fill, count, debounced} from './dom.js';

/** Bars with a label under each; onBar(index) on a click. */
export function createBars(title, onBar) {
  const hint = h('span.num', {'aria-live': 'polite'});
  const bars = h('div.bars', {role: 'group', 'aria-label': title});
  const element = h('section.panel-part', {}, h('div.row', {}, h('h2.grow', {}, title), hint), bars);
  return {
    element,
    /** `counts` by label; `selected` is a label or null; `noun` follows the count in words. */
    show({labels, counts, selected = null, noun = 'samples', hint: text = '', describe = label => label}) {
      const most = Math.max(1, ...counts);
      hint.textContent = text;
      fill(bars, ...labels.map((label, at) => h('button.bar-cell', {
        type: 'button', data: {label}, 'aria-pressed': label === selected ? 'true' : 'false',
        title: `${describe(label)}: ${count(counts[at])} ${noun}`, 'aria-label': `${describe(label)}: ${count(counts[at])} ${noun}`,
        disabled: counts[at] === 0, on: {click: () => onBar(label)},
      }, h('u', {style: {height: counts[at] ? `${Math.max(3, 100 * counts[at] / most)}%` : '0'}}), h('small', {}, label))));
      bars.classList.toggle('unlabelled', labels.length > 24);
    },
  };
}

/** Pairs by cosine with a handle: onMove(threshold) while it moves, at most every 60 ms. */
export function createThreshold(onMove) {
  const title = h('h2.grow', {});
  const counts = h('span.num', {'aria-live': 'polite'});
  const bars = h('div.hist', {'aria-hidden': 'true'});
  const slider = h('input', {type: 'range', id: 'pairs-threshold', 'aria-label': 'Least cosine of a pair'});
  const members = h('p.quiet-text');
  const element = h('section.panel-part.threshold', {}, h('div.row', {}, title, counts), bars, slider, members);
  const moved = debounced(value => onMove(value), 60);
  let edges = [0, 1];

  const paint = value => {
    title.textContent = `Cosine ≥ ${value.toFixed(3)}`;
    [...bars.children].forEach((bar, at) => bar.classList.toggle('in', edges[at + 1] > value));
  };
  slider.addEventListener('input', () => { paint(+slider.value); moved(+slider.value); });
  return {
    element,
    show(histogram, value) {
      edges = histogram.edges;
      const most = Math.max(1, ...histogram.counts);
      fill(bars, ...histogram.counts.map(each => h('u', {style: {height: `${each ? Math.max(4, 100 * Math.sqrt(each / most)) : 0}%`}})));
      slider.min = edges[0];
      slider.max = edges[edges.length - 1];
      slider.step = 'any';
      slider.value = value;
      slider.setAttribute('aria-valuetext', `cosine ${value.toFixed(3)}`);
      paint(value);
    },
    count(pairs, samples) { counts.textContent = pairs; members.textContent = samples; },
  };
}
