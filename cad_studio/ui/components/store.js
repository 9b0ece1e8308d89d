// What all viewers share: what is selected, and what the project holds.

import {readAddress, writeAddress} from './address.js';
import {toast} from './dom.js';
import {closeDrawers} from './drawers.js';
import {onReturn, read} from './studio.js';

export {openDrawer} from './drawers.js';
export {address, given, read, readBytes, root} from './studio.js';

/** Show an error unless it only says that a newer request took over. */
export function tell(error) {
  if (error.name !== 'AbortError') toast(error.message, 'error');
}

const listeners = new Map();

/** What is selected and known. `dataset` is a name; `datasets` and `jobs` mirror the project. */
export const state = {
  ready: false, page: null, sheet: 0, standing: null, dataset: null, datasets: [], jobs: [], readOnly: false, isClosed: false,
  space: '', login: null, hubLogin: false,
  mining: null, pair: null, threshold: null, classes: null, filter: {}, instance: null, run: null, augment: null,
  diagnose: null, against: null, view: null, queue: null, annotate: null,
  guide: null, answered: 0,  // how far somebody is led through the sample; answers given on the Annotate page
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
  if (state.ready && !isTravelling) writeAddress(state, changed);
  const due = new Set(changed.flatMap(key => listeners.get(key) || []));
  for (const run of due) run(changed);
}

/** The entry of the selected dataset, or null. */
export const current = () => state.datasets.find(data => data.name === state.dataset) || null;

/** Which page is open. */
export const page = () => state.page;

/** Open a page; a form that is open over the one before closes. */
export function open(id) {
  closeDrawers();
  document.body.dataset.page = id;
  change({page: id});
}

let isTravelling = false;  // Back or Forward was pressed: the address is there already

window.addEventListener('popstate', () => {
  if (!state.ready) return;
  isTravelling = true;
  try {
    const wanted = readAddress();
    closeDrawers();
    if (!state.datasets.some(data => data.name === wanted.dataset)) delete wanted.dataset;
    document.body.dataset.page = wanted.page;
    change(wanted);
  } finally { isTravelling = false; }
});

/** Whether a job waits or is at work. */
export const isAtWork = job => window.cadTables.atWork.includes(job?.status);
export const isActive = job => window.cadTables.active.includes(job?.status);

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
      const patch = {
        datasets: found.datasets, jobs: found.jobs, readOnly: found.read_only, isClosed: found.is_closed, space: found.space,
        login: found.login, hubLogin: found.hub_login,
      };
      if (!state.ready) {
        const wanted = readAddress();
        if (wanted.dataset && known.length && !known.includes(wanted.dataset)) {
          toast(`There is no dataset "${wanted.dataset}" in this project.`, 'error');
          Object.assign(wanted, {dataset: null, pair: null, mining: null, augment: null});
        }
        if (state.page) wanted.page = state.page;  // opened by hand before the studio answered
        Object.assign(state, wanted);
        document.body.dataset.page = wanted.page;
      }
      if (!known.includes(state.dataset) && (known.length || state.ready))
        Object.assign(patch, {
          dataset: known[0] || null, mining: null, pair: null, threshold: null, classes: null, filter: {}, sheet: 0,
          instance: null, augment: null, queue: null, annotate: null, standing: null,
        });
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
  change({
    dataset: name, mining: null, pair: null, threshold: null, classes: null, filter: {}, sheet: 0, instance: null,
    augment: null, run: null,
    diagnose: null, against: null, queue: null, annotate: null, standing: null});
}

document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
onReturn(refresh);

const ownJobs = () => (sessionStorage.getItem('cad-started') || '').split(',').filter(Boolean);

/** Whether a form of this window started a job; what other windows start must not move this one. */
export const isOwn = job => ownJobs().includes(String(job.id));

/** A form of this window started a job, which the window follows. */
export function started(job) {
  sessionStorage.setItem('cad-started', [...ownJobs(), job].slice(-50).join());
  refresh();
}

/**
 * Send samples of this dataset to the Annotate page: {rows}, {selection} or an {order} alone, with {order, title, source};
 * {run}: whose suspects' reasons go along.
 */
export function annotate(wanted) {
  change({annotate: wanted, queue: null});
  open('annotate');
}

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
