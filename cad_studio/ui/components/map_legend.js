// The legend of a map: each entry hides, shows alone, or points out the samples of a value.

import {h, fill, count, counted} from './dom.js';

const MOST = 40;
const REST = 120;

/** Owns its element; onFilter() after a change of `hidden`, onEmphasis() after one of `emphasised`. */
export function createLegend({onFilter, onEmphasis}) {
  const element = h('div.map-legend', {role: 'group', 'aria-label': 'Legend and filter'});
  let hidden = new Set(), legend = [], entries = [], emphasised = null, timer = 0;

  function update() {
    for (const entry of element.querySelectorAll('.legend-entry')) {
      entry.setAttribute('aria-pressed', String(!hidden.has(+entry.dataset.at)));
    }
    onFilter();
  }

  function emphasise(at) {
    clearTimeout(timer);
    timer = setTimeout(() => { emphasised = at; onEmphasis(); }, at === null ? 0 : REST);
  }

  function entryOf({at, n, text, tone}) {
    const turn = () => { if (hidden.has(at)) hidden.delete(at); else hidden.add(at); update(); };
    const alone = () => { hidden = new Set(entries.map(other => other.at).filter(other => other !== at)); update(); };
    const focus = event => { if (event.target.matches(':focus-visible')) emphasise(at); };
    const title = `${text}: ${counted(n, 'sample')}. Click to hide or show; double-click for it alone; rest on it to see where it lies.`;
    return h('button.legend-entry', {
      type: 'button', style: {'--k': tone}, data: {at}, 'aria-pressed': String(!hidden.has(at)), title,
      on: {
        click: turn, dblclick: alone, mouseenter: () => emphasise(at), mouseleave: () => emphasise(null), focus,
        blur: () => emphasise(null),
      },
    }, h('i', {'aria-hidden': 'true'}), h('span.name', {dir: 'auto'}, text), h('small', {}, count(n)));
  }

  return {
    element,
    hidden: () => hidden,
    emphasised: () => emphasised,
    palette: () => legend.map(each => each.tone),
    showAll() { hidden = new Set(); },
    /** The first few of what is shown, in words. */
    shownNames: () => [...element.querySelectorAll('[aria-pressed=true]')].map(each => legend[+each.dataset.at].text).slice(0, 3),
    show(key, colouring) {
      legend = colouring.legend;
      const counts = new Uint32Array(256);
      for (const value of colouring.values) counts[value]++;
      entries = legend.map((each, at) => ({...each, at, n: counts[at]})).filter(each => each.n);
      for (const at of [...hidden]) if (!entries.some(each => each.at === at)) hidden.delete(at);
      fill(element, ...entries.slice(0, MOST).map(entryOf),
        entries.length > MOST ? h('small.quiet-text', {}, `and ${entries.length - MOST} more`) : null);
      element.dataset.mode = key;
    },
  };
}
