// What all viewers share: what is selected, and what the project holds.

import {toast} from './dom.js';
import {answering, onReturn, read} from './studio.js';

export {address, given, read, readBytes, root} from './studio.js';

/** Show an error unless it only says that a newer request took over. */
export function tell(error) {
  if (error.name !== 'AbortError') toast(error.message, 'error');
}

const listeners = new Map();

/** What is selected and known. `dataset` is a name; `datasets` and `jobs` mirror the project. */
export const state = {
  ready: false, dataset: null, datasets: [], jobs: [], readOnly: false, login: null, hubLogin: false,
  mining: null, pair: null, threshold: null, classes: null, filter: {}, instance: null, run: null, augment: null,
  diagnose: null, against: null, view: null, queue: null, annotate: null,
  keys: localStorage.getItem('cad-keys') !== 'off',
  isFollowed: false,  // whether a page asks by itself how the jobs stand, and calls refresh() when that changes
};

/** Run a function when one of some keys has changed. */
export function on(keys, run) {
  for (const key of keys.split(' ')) listeners.set(key, [...(listeners.get(key) || []), run]);
}

/** Change what is selected; listeners run once, the address follows. */
export function change(patch) {
  const changed = Object.keys(patch).filter(key => JSON.stringify(state[key]) !== JSON.stringify(patch[key]));
  if (!changed.length) return;
  Object.assign(state, patch);
  if (state.ready) writeAddress();
  const due = new Set(changed.flatMap(key => listeners.get(key) || []));
  for (const run of due) run(changed);
}

/** The entry of the selected dataset, or null. */
export const current = () => state.datasets.find(data => data.name === state.dataset) || null;

/** Which page is open. */
export const page = () => document.querySelector('#pages > .tab-wrapper [role=tab].selected:not([tabindex="-1"])')?.dataset.tabId
  || document.querySelector('#pages > .tab-wrapper [role=tab][aria-selected=true]')?.dataset.tabId;

/** Open a page. */
export function open(id) {
  document.querySelector(`#pages > .tab-wrapper [role=tab][data-tab-id=${id}]`)?.click();
}

const inAddress = ['dataset', 'mining', 'pair', 'threshold', 'run', 'augment', 'diagnose', 'against', 'view', 'queue'];

function writeAddress() {
  const url = new URL(window.location);
  for (const key of inAddress)
    if (state[key] === null || state[key] === undefined) url.searchParams.delete(key);
    else url.searchParams.set(key, state[key]);
  url.searchParams.delete('class');
  for (const key of ['open', 'rows', 'selection', 'order', 'title']) url.searchParams.delete(key);
  for (const name of state.classes || []) url.searchParams.append('class', name);
  if (url.href !== window.location.href) history.replaceState(null, '', url);
}

function readAddress() {
  const query = new URL(window.location).searchParams;
  const number = (key, fits) => (query.get(key) && fits(+query.get(key)) ? +query.get(key) : null);
  const asked = query.get('pair');
  const pair = /^\d{1,15}-\d{1,15}$/.test(asked || '') ? asked : null;
  if (asked && !pair) toast(`The pair "${asked.slice(0, 40)}" in this address is not two rows, such as 3-14.`, 'error');
  const shown = query.get('augment');
  const augment = /^\d{1,15}(-\d{1,15})?$/.test(shown || '') ? shown : null;
  if (shown && !augment) toast(`The sample "${shown.slice(0, 40)}" in this address is not a row, such as 12, or two, such as 3-14.`, 'error');
  const classes = query.getAll('class').length === 2 ? query.getAll('class') : null;
  return {dataset: query.get('dataset'), mining: number('mining', Number.isSafeInteger), threshold: number('threshold', value => Math.abs(value) <= 1), pair, augment, classes,
    run: query.get('run') === 'new' ? 'new' : number('run', Number.isSafeInteger),
    diagnose: number('diagnose', Number.isSafeInteger), against: number('against', Number.isSafeInteger), view: query.get('view'),
    queue: number('queue', Number.isSafeInteger), annotate: annotateOf(query, number), page: query.get('open')};
}

/** What a link sends to the Annotate page: rows, or a stored selection and the order to go through it. */
function annotateOf(query, number) {
  const rows = query.get('rows');
  if (rows && !/^\d{1,15}(,\d{1,15}){0,4999}$/.test(rows)) { toast(`The rows "${rows.slice(0, 40)}" in this address are not numbers with commas between.`, 'error'); return null; }
  if (rows) return {rows: rows.split(',').map(Number), title: query.get('title') || ''};
  const selection = number('selection', Number.isSafeInteger);
  return selection ? {selection, order: query.get('order') === 'suspects' ? 'suspects' : 'selection'} : null;
}

/** Whether a job waits or is at work. */
export const isActive = job => ['queued', 'running', 'stopping'].includes(job.status);

let timer = 0;

/** Read what the project holds now; called by itself every few seconds, more often while a job runs. */
export async function refresh() {
  clearTimeout(timer);
  let wait = 4000;
  try {
    if (!document.hidden) {
      const found = await read('/state');
      const before = state.jobs;
      const known = found.datasets.map(data => data.name);
      const patch = {datasets: found.datasets, jobs: found.jobs, readOnly: found.read_only, login: found.login, hubLogin: found.hub_login};
      if (!state.ready) {
        const wanted = readAddress();
        if (wanted.dataset && known.length && !known.includes(wanted.dataset)) {
          toast(`There is no dataset "${wanted.dataset}" in this project.`, 'error');
          wanted.dataset = wanted.pair = wanted.mining = wanted.augment = null;
        }
        Object.assign(state, wanted);
        if (wanted.page === 'annotate' || wanted.annotate || wanted.queue) open('annotate');
        else if (wanted.augment) open('augment');
        else if (wanted.diagnose) open('diagnose');
        else if (wanted.run) open('train');
        else if (wanted.pair) open('pairs');
      }
      if (!known.includes(state.dataset) && (known.length || state.ready))
        Object.assign(patch, {dataset: known[0] || null, mining: null, pair: null, threshold: null, classes: null, filter: {}, instance: null, augment: null, queue: null, annotate: null});
      const first = !state.ready;
      if (first) state.ready = true;
      change({...patch, ...(first ? {started: true} : {})});
      for (const job of found.jobs) {
        const old = before.find(each => each.id === job.id);
        const ended = !isActive(job);
        if (!first && ended && (!old || old.status !== job.status)) for (const run of endings) run(job);
      }
      if (found.jobs.some(isActive)) wait = state.isFollowed ? 3000 : 1000;
    }
  } catch (error) {
    if (state.ready) tell(error);
    wait = 8000;
  }
  clearTimeout(timer);  // of another that began meanwhile
  timer = setTimeout(refresh, wait);
}

const endings = [];

/** Run a function when a job has ended, with the job. */
export const onJobEnd = run => endings.push(run);

/** Choose a dataset; what was selected in the one before is left. */
export function choose(name) {
  change({dataset: name, mining: null, pair: null, threshold: null, classes: null, filter: {}, instance: null, augment: null, queue: null, annotate: null});
}

document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
onReturn(refresh);

const ownJobs = () => (sessionStorage.getItem('cad-started') || '').split(',').filter(Boolean);

/** Whether a form of this window started a job; what other windows start must not move this one. */
export const isOwn = job => ownJobs().includes(String(job.id));

/** What Gradio's forms need of the viewers. */
window.cadStudio = {
  answering,
  dataset: () => state.dataset || '',
  started: job => {
    if (job) sessionStorage.setItem('cad-started', [...ownJobs(), job].slice(-50).join());
    closeDrawers();
    refresh();
  },
};

/** Open a form; focus goes to its first field. */
export function openDrawer(id) {
  closeDrawers();
  const drawer = document.getElementById(id);
  if (!drawer) return;
  drawer.classList.add('open');
  drawer.querySelector('textarea, input:not([role=combobox]), button')?.focus();  // a dropdown would open over the form
}

/** Close whichever form is open. */
export function closeDrawers() {
  for (const drawer of document.querySelectorAll('.drawer.open')) drawer.classList.remove('open');
}
window.cadStudio.close = closeDrawers;

/** Send samples of this dataset to the Annotate page: {rows} or {selection}, with {order, title, source}; {run}: whose suspects' reasons go along. */
export function annotate(wanted) {
  change({annotate: wanted, queue: null});
  open('annotate');
}
document.addEventListener('keydown', event => { if (event.key === 'Escape') closeDrawers(); });

/** Bind single keys while an element is on the screen; typing and switched-off keys are left alone. */
export function bindKeys(element, actions) {
  document.addEventListener('keydown', event => {
    if (!state.keys || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest('input:not([type=checkbox]), textarea, select, [contenteditable=true], .drawer, dialog')) return;
    if (!element.isConnected || element.offsetParent === null) return;
    const run = actions[event.key];
    if (run) { event.preventDefault(); run(event); }
  });
}
