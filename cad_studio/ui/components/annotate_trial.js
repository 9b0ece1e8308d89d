// A read-only studio is tried without a trace: the answers stay in this window, and it says what they would be worth.

import {h, counted, turns} from './dom.js';
import {createOwnCopy} from './own_copy.js';
import {read, tell} from './store.js';

const ASKED_AT = [5, 10, 15, 20]; // answers at which the window asks by itself
const share = value => `${(100 * value).toFixed(1)} %`;

/**
 * `path()` is where the dataset's annotation is read. Told of what happens: `onRecent(list)` and
 * `onSteps({undo, redo})`. Owns `panel`; `decisions` stands in for those that are stored.
 */
export function createTrial({path, onRecent, onSteps}) {
  const told = h('p', {id: 'trial-told', role: 'status'});
  const ask = h('button.btn.primary', {type: 'button', id: 'trial-worth', on: {click: weigh}}, 'What are they worth?');
  const panel = h('section.panel-part.trial-part', {hidden: true},
    h('h2', {}, 'On trial'),
    h('p.quiet-text', {}, 'Nothing is stored: your answers stay in this window until you close it.'),
    told, ask,
    createOwnCopy('trial-closed', 'keep answers'));
  let recent = [];
  let order = '';
  const turn = turns();

  const kept = () => recent.filter(each => !each.undone && Object.keys(each.sets).length);

  /** What would hold of each answered row. */
  function answers() {
    const found = new Map();
    for (const each of kept().reverse()) for (const [row, set] of Object.entries(each.sets)) found.set(row, set);
    return [...found].map(([row, set]) => `${row}:${set.join('+')}`).join();
  }

  function changed() {
    turn();
    const n = kept().length;
    ask.disabled = !n;
    told.textContent = n ? `${counted(n, 'answer')} so far.` : 'Answer by key or click; after five answers you see what they are worth.';
    panel.dataset.answers = n;
    delete panel.dataset.worth;
    onRecent(recent);
    const last = recent.find(each => !each.undone);
    onSteps({undo: last ? {kind: last.kind} : null, redo: null});
    if (ASKED_AT.includes(n)) weigh();
  }

  async function weigh() {
    const isNewest = turn();
    told.textContent = 'Spreading your answers among their neighbours...';
    try {
      const found = await read(`${path()}/trial/worth`, {order, answers: answers()});
      if (!isNewest()) return;
      const gain = found.before === null
        ? ''
        : ` Labels recovered (uses true labels): ${share(found.before)} before, ${share(found.after)} with them.`;
      const other = found.simulated === null ? '' : ` ${found.simulated_n} right answers in this order: ${share(found.simulated)}.`;
      told.textContent = `${counted(found.n, 'answered sample')} would change the best label of `
        + `${counted(found.settled, 'other')}.${gain}${other}`;
      panel.dataset.worth = found.n;
    } catch (error) {
      if (isNewest()) told.textContent = '';
      tell(error);
    }
  }

  return {
    panel,
    /** The queue of an order, or of the rows of a list; everything done before is forgotten. */
    async begin(wanted) {
      order = wanted.order || '';
      recent = [];
      const {cards} = await read(`${path()}/trial`, wanted.rows ? {rows: wanted.rows.join()} : {order});
      panel.hidden = false;
      changed();
      return {
        cards,
        queue: {
          id: -1, order, title: wanted.title, says: 'On trial: nothing is stored.', items: cards.length, done: 0, passed: 0,
          overlap: 1, is_complete: true, settings: {},
        },
      };
    },
    decisions: {
      dressed: action => action,
      open() {},
      push(action, {words, trailAt, sets, undoes}) {
        recent.unshift({kind: action.kind, words, trailAt, sets, rows: action.rows, state: 'not stored', undone: false, revert: undoes});
        changed();
      },
      note() {},
      undo() {
        const entry = recent.find(each => !each.undone);
        if (!entry) return null;
        entry.undone = true;
        entry.revert?.();
        changed();
        return entry.trailAt ?? null;
      },
      redo() {},
      retry() {},
      settled: () => Promise.resolve(),
      pending: false,
    },
  };
}
