// The samples of a filter, a page of them at a time.

import {h, fill, count, counted, debounced, empty} from './dom.js';
import {conditionText, createFieldFilter} from './dataset_fields.js';
import {createGrid} from './grid.js';
import {createSearchBar} from './search_bar.js';
import {load} from './sprite.js';
import {change, current, read, state, tell} from './store.js';

const PAGE = 200;
const MOST_KEPT = 6;

/** What is filtered by, in words. */
export function filterName() {
  const {holds = [], where = [], size, split, text, words: searched, like} = state.filter;
  const words = [
    ...(holds || []), ...(where || []).map(conditionText), size ? `${size} candidates` : '', split || '', text || '',
    searched || (like ? 'like a picture' : ''),
  ];
  return words.filter(Boolean).join(', ') || 'All samples';
}

/** Fields that filter; `show(about)` offers what a dataset has, `mark()` shows what is filtered by. */
function createPickers(filter) {
  const pick = (id, label) => h('select', {id, 'aria-label': label});
  const search = h('input.field', {type: 'search', id: 'dataset-search', placeholder: 'Search ids', 'aria-label': 'Search ids'});
  const classes = pick('dataset-class', 'Holds class');
  const split = pick('dataset-split', 'Split');
  const size = pick('dataset-size', 'Number of candidates');
  const add = condition => { filter({where: [...new Set([...(state.filter.where || []), condition])]}); fields.reset(); };
  const fields = createFieldFilter(add);
  search.addEventListener('input', debounced(() => filter({text: search.value.trim()}), 200));
  classes.addEventListener('change', () => filter({holds: classes.value ? [classes.value] : []}));
  size.addEventListener('change', () => filter({size: size.value || null}));
  split.addEventListener('change', () => filter({split: split.value || null}));
  const offer = (select, first, values, label = value => value) =>
    fill(select, h('option', {value: ''}, first), ...values.map(value => h('option', {value}, label(value))));
  return {
    elements: [search, classes, split, size, fields.element],
    show(about) {
      fields.show(about);
      offer(classes, 'Any class', about.class_names);
      offer(split, 'All splits', Object.keys(about.splits), name => `${name} · ${count(about.splits[name])}`);
      const used = about.size_histogram.map((_, at) => at).filter(at => about.size_histogram[at]);
      offer(size, 'Any set size', used, at => `${counted(at, 'candidate')} · ${count(about.size_histogram[at])}`);
    },
    mark() {
      if (search !== document.activeElement) search.value = state.filter.text || '';
      classes.value = state.filter.holds?.length === 1 ? state.filter.holds[0] : '';
      size.value = state.filter.size || '';
      split.value = state.filter.split || '';
    },
  };
}

/** What is filtered by, each to be taken away. */
function pillsOf(filter) {
  const pill = (words, patch, data = {}) => h('button.pill', {
    type: 'button', title: 'Remove from the filter', data, on: {click: () => filter(patch)},
  },
    words, h('span', {'aria-hidden': 'true'}, '×'));
  const {since, holds = [], where = []} = state.filter;
  const without = (all, one) => all.filter(each => each !== one);
  return [
    since ? pill(`changed since v${since}`, {since: null}) : null,
    ...(holds || []).map(name => pill(`holds ${name}`, {holds: without(holds, name)})),
    ...(where || []).map(condition => pill(conditionText(condition), {where: without(where, condition)}, {where: condition})),
  ];
}

/** Buttons and a field through the pages; `goTo(sheet)` is asked for one. */
function createTurner(goTo) {
  const button = (id, by, ...words) => h('button.btn', {type: 'button', id, on: {click: () => goTo(state.sheet + by)}}, ...words);
  const previous = button('dataset-previous', -1, h('kbd', {}, '['), 'Previous');
  const next = button('dataset-next', 1, 'Next', h('kbd', {}, ']'));
  const place = h('span.num'), sheets = h('span.num');
  const jump = h('input.field.number', {
    type: 'text', inputmode: 'numeric', id: 'dataset-sheet', 'aria-label': 'Page', title: 'Go to a page', on: {change: jumpTo},
  });
  let total = 0;

  /** The page that was typed, or the nearest there is. */
  function jumpTo() {
    const last = Math.max(0, Math.ceil(total / PAGE) - 1);
    const wanted = Math.min(last, Math.max(0, (parseInt(jump.value, 10) || 1) - 1));
    jump.value = String(wanted + 1);
    goTo(wanted);
  }

  return {
    element: h('span.turner', {}, place, previous, h('label.row.jump', {}, 'Page', jump, sheets), next),
    show(n) {
      total = n;
      const first = state.sheet * PAGE, last = Math.min(first + PAGE, total);
      place.textContent = total ? `${count(first + 1)} to ${count(last)}` : '';
      previous.disabled = state.sheet === 0;
      jump.value = String(state.sheet + 1);
      sheets.textContent = `of ${count(Math.max(1, Math.ceil(total / PAGE)))}`;
      next.disabled = last >= total;
    },
  };
}

/** Pages of samples, those asked for last kept, with their sheet of thumbnails. */
function createPages(searching) {
  let kept = new Map();
  return {
    forget() { kept = new Map(); },
    /** The page that begins at a sample, and its sheet; asked for once, unless that is given up. */
    get(offset, signal = undefined) {
      const key = JSON.stringify([state.dataset, current()?.version, current()?.changes, state.filter, offset]);
      if (!kept.has(key)) {
        const asked = ask(offset, signal);
        kept.set(key, asked);
        const leave = () => { if (kept.get(key) === asked) kept.delete(key); };
        asked.catch(leave);
        signal?.addEventListener('abort', leave, {once: true});
        asked.then(() => signal?.removeEventListener('abort', leave), () => {});
        if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
      }
      return kept.get(key);
    },
  };

  async function ask(offset, signal) {
    const query = {...state.filter, offset, limit: PAGE};
    await searching.ready(state.filter, signal);
    const found = await read(`/datasets/${encodeURIComponent(state.dataset)}/rows`, query, signal);
    await load(found.sprite);
    return found;
  }
}

/**
 * The list of samples: its parts, and how they are drawn. `filter(patch)` changes the filter, null
 * takes all of it away; `onShown(key)` is told what is on the screen.
 */
export function createSamples({server, filter, onShown}) {
  let about = null, shown = null, stop = null;
  const total = h('h1', {id: 'dataset-total', 'aria-live': 'polite'});
  const pills = h('div.pills');
  const clear = h('button.quiet', {type: 'button', id: 'dataset-clear', on: {click: () => filter(null)}}, 'Clear filter');
  const pickers = createPickers(filter);
  const turner = createTurner(goTo);
  const grid = createGrid(row => change({instance: row}));
  const body = h('div.scroll', {}, grid.element);
  const searching = createSearchBar({server, filter});
  const pages = createPages(searching);
  const offset = () => state.sheet * PAGE;
  const none = () => empty('No samples match', 'Loosen the filter, or start from all samples again.',
    h('button.btn', {type: 'button', on: {click: () => filter(null)}}, 'Clear filter'));

  function goTo(sheet) {
    if (shown && sheet >= 0 && sheet * PAGE < shown.total) change({sheet});
  }

  async function draw() {
    if (!about) return;
    stop?.abort();
    stop = new AbortController();
    const {signal} = stop;
    try {
      const found = await pages.get(offset(), signal);
      if (signal.aborted) return;
      if (!found.rows.length && found.total) { change({sheet: 0}); return; }  // the address names a page beyond the last
      shown = found;
      if (found.total) grid.show(found, about.class_names);
      fill(body, found.total ? grid.element : none());
      body.scrollTop = 0;
      grid.select(state.instance);
      drawTools();
      onShown(`${state.dataset}:${about.version}:${JSON.stringify(state.filter)}:${offset()}`);
      if (offset() + PAGE < found.total) pages.get(offset() + PAGE).catch(() => {});
    } catch (error) {
      tell(error);
      if (state.filter.words || state.filter.like) searching.refused(error, body);
    }
  }

  function drawTools() {
    const any = Object.values(state.filter).some(value => value && (!Array.isArray(value) || value.length));
    total.textContent = any ? `${count(shown.total)} of ${count(about.n)} samples` : counted(about.n, 'sample');
    clear.hidden = !any;
    turner.show(shown.total);
    searching.draw(state.filter);
    fill(pills, searching.pill(state.filter), ...pillsOf(filter));
    pickers.mark();
  }

  /** To the sample before or after the one that is shown large, on another page if need be. */
  async function step(by) {
    if (!shown) return false;
    const at = shown.rows.indexOf(state.instance) + by;
    if (at >= 0 && at < shown.rows.length) { change({instance: shown.rows[at]}); return true; }
    const target = offset() + by * PAGE;
    if (target < 0 || target >= shown.total) return false;
    state.sheet += by;
    await draw();
    change({instance: shown.rows[by > 0 ? 0 : shown.rows.length - 1]});
    return true;
  }

  return {
    head: [total, pills, clear], pickers: pickers.elements, turner: turner.element, search: searching.element, body,
    draw, step, goTo, forget: pages.forget,
    /** Ask for what `draw` will show. */
    begin() { pages.get(offset()).catch(() => {}); },
    select: row => grid.select(row),
    total: () => shown?.total || 0,
    /** Of another dataset, or of none. */
    show(found) {
      about = found;
      shown = null;
      if (!found) return;
      pickers.show(found);
      searching.show(found);
    },
  };
}
