// Where a window is, as an address: read from it, written into it, and gone back through.

import {toast} from './dom.js';

/** What of the state stands in the address of each page; a link opens the same for a colleague. */
const OF_PAGE = {
  home: [],
  dataset: ['filter', 'sheet', 'instance'],
  pairs: ['mining', 'pair', 'threshold', 'classes'],
  augment: ['augment'],
  train: ['run'],
  diagnose: ['diagnose', 'against', 'view'],
  annotate: ['queue'],
};
const EMPTY = {filter: {}, sheet: 0};
/** Parts of a filter that hold several things: classes, and conditions on fields. */
const LISTS = ['holds', 'where'];

/** Changes that Back undoes; others, such as the next pair of a list, stay on one step. */
const STEPS = ['page', 'dataset', 'filter', 'sheet', 'mining', 'classes', 'view', 'diagnose', 'against', 'queue'];

// What follows at once from a key or a click is a step; what a page settles by itself is none.
let isByHand = false;
for (const kind of ['click', 'keydown', 'change'])
  window.addEventListener(
    kind,
    () => {
      isByHand = true;
      setTimeout(() => {
        isByHand = false;
      }, 0);
    },
    true
  );

/** The address of a state on one of its pages. */
export function addressOf(state, page = state.page) {
  const url = new URL(window.location.href);
  const theme = url.searchParams.get('__theme');
  url.search = '';
  const put = (key, value) => {
    if (value !== null && value !== undefined && value !== '') url.searchParams.set(key, value);
  };
  put('open', page); // `page` means something to Gradio
  put('dataset', state.dataset);
  for (const key of OF_PAGE[page] || []) {
    if (key === 'classes') for (const name of state.classes || []) url.searchParams.append('class', name);
    else if (key === 'filter') {
      for (const [part, value] of Object.entries(state.filter)) {
        if (LISTS.includes(part)) for (const each of value || []) url.searchParams.append(part, each);
        else put(part, value);
      }
    } else if (key !== 'sheet' || state.sheet) put(key, state[key]);
  }
  put('__theme', theme);
  return url;
}

/** Write the state into the address; a change by hand of a place becomes a step for Back. */
export function writeAddress(state, changed) {
  const url = addressOf(state);
  if (url.href === window.location.href) return;
  const isStep = isByHand && changed.some(key => STEPS.includes(key));
  if (isStep) isByHand = false; // what else one click changes belongs to the same step
  history[isStep ? 'pushState' : 'replaceState'](null, '', url);
}

/** What the address asks for: the page, and the parts of the state that stand in its address. */
export function readAddress() {
  const query = new URL(window.location.href).searchParams;
  const number = (key, fits = value => Number.isSafeInteger(value)) => (query.get(key) && fits(+query.get(key)) ? +query.get(key) : null);
  const asked = {
    mining: number('mining'),
    threshold: number('threshold', value => Math.abs(value) <= 1),
    instance: number('instance'),
    sheet: number('sheet') || 0,
    pair: rowsOf(query, 'pair', /^\d{1,15}-\d{1,15}$/, 'The pair', 'two rows, such as 3-14'),
    augment: rowsOf(query, 'augment', /^\d{1,15}(-\d{1,15})?$/, 'The sample', 'a row, such as 12, or two, such as 3-14'),
    classes: query.getAll('class').length === 2 ? query.getAll('class') : null,
    run: query.get('run') === 'new' ? 'new' : number('run'),
    view: query.get('view'),
    filter: filterOf(query, number),
    diagnose: number('diagnose'),
    against: number('against'),
    queue: number('queue'),
    annotate: annotateOf(query, number),
  };
  const page = pageOf(query, asked);
  // what does not stand in the address of this page is nothing that it asks for
  const own = new Set([...(OF_PAGE[page] || []), ...(page === 'annotate' ? ['annotate'] : [])]);
  const named = Object.fromEntries(Object.entries(asked).filter(([key, value]) => own.has(key) || isGiven(value, key)));
  return {...named, page, dataset: query.get('dataset')};
}

const isGiven = (value, key) => value !== null && JSON.stringify(value) !== JSON.stringify(EMPTY[key]);

/** The page named, or the one that links of earlier versions meant. */
function pageOf(query, asked) {
  const named = query.get('open');
  if (OF_PAGE[named]) return named;
  if (asked.annotate || asked.queue) return 'annotate';
  if (asked.augment) return 'augment';
  if (asked.diagnose) return 'diagnose';
  if (asked.run) return 'train';
  if (asked.pair) return 'pairs';
  return query.get('dataset') ? 'dataset' : 'home';
}

function rowsOf(query, key, fits, what, expected) {
  const text = query.get(key);
  if (!text || fits.test(text)) return text || null;
  toast(`${what} "${text.slice(0, 40)}" in this address is not ${expected}.`, 'error');
  return null;
}

function filterOf(query, number) {
  const filter = {};
  for (const key of LISTS) if (query.getAll(key).length) filter[key] = query.getAll(key);
  for (const key of ['size', 'split', 'text', 'words', 'like', 'by', 'nearest']) if (query.get(key)) filter[key] = query.get(key);
  if (number('since')) filter.since = number('since');
  return filter;
}

/** What a link sends to the Annotate page: rows, or a stored selection and the order to go through it. */
function annotateOf(query, number) {
  const rows = query.get('rows');
  if (rows && !/^\d{1,15}(,\d{1,15}){0,4999}$/.test(rows)) {
    toast(`The rows "${rows.slice(0, 40)}" in this address are not numbers with commas between.`, 'error');
    return null;
  }
  if (rows) return {rows: rows.split(',').map(Number), title: query.get('title') || ''};
  const selection = number('selection');
  return selection ? {selection, order: query.get('order') === 'suspects' ? 'suspects' : 'selection'} : null;
}
