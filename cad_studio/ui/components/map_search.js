// Words on the map: the samples they fit best are selected, and so stand out.

import {h, toast} from './dom.js';
import {searchable} from './search_bar.js';
import {read, state} from './store.js';

const NEAREST = 100;

/** A field that owns its element; `select(rows, words)` is called with what was found. */
export function createMapSearch(select) {
  const element = h('input.field', {
    type: 'search', id: 'map-words', hidden: true, maxlength: '200', placeholder: 'Search by words',
    'aria-label': 'Search by words',
    title: `Describe what is on the images, and press Enter: the nearest ${NEAREST} are selected`,
  });

  element.addEventListener('keydown', async event => {
    const words = element.value.trim();
    if (event.key !== 'Enter' || !words) return;
    const name = state.dataset;
    try {
      await searchable(name, {words}, text => { if (text) toast(text); });
      const found = await read(`/datasets/${encodeURIComponent(name)}/search/rows`, {words, nearest: NEAREST});
      if (name === state.dataset) select(found.rows, `like “${words}”`);
    } catch (error) { toast(error.message, 'error'); }
  });

  return {element, async show() {
    const name = state.dataset;
    const found = await read(`/datasets/${encodeURIComponent(name)}/search`).catch(() => ({words: []}));
    if (name === state.dataset) element.hidden = !found.words.length;
  }};
}
