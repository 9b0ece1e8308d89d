// The sample under the pointer of a map, beside it.

import {h, fill, counted, percent} from './dom.js';
import {imageOf} from './picture.js';
import {NONE} from './map_colours.js';
import {current, read, state} from './store.js';

const REST = 100;

/** Owns its element; `shared.base()` is where the run is read. */
export function createMapCard(shared) {
  const element = h('div.map-card', {hidden: true});
  let hovered = null, naming = 0;

  /** Its name is asked for once the pointer rests. */
  function nameSoon(row, id) {
    clearTimeout(naming);
    const take = found => { if (hovered === row) id.textContent = found.ids[0]; };
    naming = setTimeout(() => read(`${shared.base()}/tiles`, {rows: row}).then(take).catch(() => {}), REST);
  }

  function draw(row, columns, names) {
    const word = label => (label === NONE ? 'none' : names[label]);
    const id = h('b.id', {}, `row ${row}`);
    const close = columns.entangled[row] ? ' · in a close pair' : '';
    nameSoon(row, id);
    fill(element, h('img', {src: imageOf(state.dataset, current().version, row), alt: ''}),
      h('div', {}, id, h('div', {}, `${word(columns.best[row])} ${percent(columns.believed[row] / 255)}`),
        h('small', {}, `predicted ${word(columns.predicted[row])}`), h('br', {}),
        h('small', {}, counted(columns.size[row], 'candidate') + close)));
    element.dataset.row = row;
  }

  return {
    element,
    hide() { element.hidden = true; hovered = null; },
    /** A sample in a box of the page, beside a place in it. */
    show(box, row, x, y, columns, names) {
      if (box !== element.parentElement) box.append(element);
      if (row !== hovered) { hovered = row; draw(row, columns, names); }
      const {clientWidth: width, clientHeight: height} = box;
      element.hidden = false;
      element.style.left = `${Math.min(x + 14, width - element.offsetWidth - 6)}px`;
      element.style.top = `${y + 14 + element.offsetHeight > height ? y - element.offsetHeight - 10 : y + 14}px`;
    },
  };
}
