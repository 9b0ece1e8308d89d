// A page of samples: thumbnails with their candidates, one of them chosen.

import {h, fill, counted} from './dom.js';
import {squares} from './chips.js';
import {thumbnail} from './sprite.js';

/**
 * A grid that owns its element. `show(page, names)` draws {rows, ids, candidates, sprite, similarity};
 * `select(row)` marks a tile; onPick(row) is called on click, Enter or arrow keys.
 */
export function createGrid(onPick) {
  const element = h('div.grid', {role: 'listbox', 'aria-label': 'Samples', tabindex: '-1'});
  let rows = [];

  const tileOf = row => element.querySelector(`[data-row="${row}"]`);
  const pick = tile => { if (tile) { tile.focus({preventScroll: false}); onPick(+tile.dataset.row); } };

  element.addEventListener('click', event => pick(event.target.closest('.tile')));
  element.addEventListener('keydown', event => {
    const tiles = [...element.children];
    const at = tiles.indexOf(document.activeElement);
    if (at < 0) return;
    const perLine = Math.max(1, tiles.findIndex(tile => tile.offsetTop > tiles[0].offsetTop));
    const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -perLine, ArrowDown: perLine}[event.key];
    if (step === undefined) return;
    event.preventDefault();
    pick(tiles[Math.min(tiles.length - 1, Math.max(0, at + step))]);
  });

  return {
    element,
    show(page, names) {
      rows = page.rows;
      fill(element, ...rows.map((row, position) => h('button.tile', {
        type: 'button', role: 'option', data: {row}, tabindex: position ? '-1' : '0', 'aria-selected': 'false',
        title: page.ids[position],
        'aria-label': `${page.ids[position]}, ${counted(page.candidates[position].length, 'candidate')}: `
          + page.candidates[position].map(index => names[index]).join(', '),
      }, thumbnail(page.sprite, position), squares(page.candidates[position], names, 5),
      page.similarity
        ? h('span.num.similarity', {title: 'Cosine with what is searched for'}, page.similarity[position].toFixed(3))
        : null)));
      element.dataset.first = rows.length ? rows[0] : '';
    },
    select(row) {
      for (const tile of element.querySelectorAll('[aria-selected=true]')) tile.setAttribute('aria-selected', 'false');
      tileOf(row)?.setAttribute('aria-selected', 'true');
    },
  };
}
