// The log of a dataset in a window: who did what, and the way back to any point.

import {h, fill, count, counted, percent, table} from './dom.js';
import {colour} from './chips.js';
import {sheet} from './dialogs.js';
import {address, read, tell} from './store.js';

const PAGE = 100;
const NAMED = 3;
const heads = () => ['Action', 'When (UTC)', 'Who', 'What', 'Samples', 'Before and after', h('span.sr', {}, 'Restore')];
const BACK = 'Bring back all sets as they were after this action; a new action, which can be undone';

const squares = (classes, names) =>
  (classes.length ? classes.map(index => h('i.square', {title: names[index], style: {'--k': colour(index)}})) : ['none']);

const splitWords = shares => Object.entries(shares || {}).map(([split, share]) => `${split} ${percent(share)}`).join(', ');

/** What an action did, in words and colours. */
function changeOf(action, names) {
  const {class: one, name, into, shares} = action.details.arguments || {};
  if (action.kind === 'rename-class') return [`to ${name}`];
  if (action.kind === 'merge-class') return [`${names[one]} into ${names[into]}`];
  if (action.kind === 'remove-class') return [names[one]];
  if (action.kind === 'split') return [splitWords(shares)];
  const [first] = action.changes;
  if (!first) return [action.why];
  if ('tag' in first) return [first.given ? `tag ${first.tag}` : `tag ${first.tag} taken off`];
  if ('flag' in first) return [first.flag ? 'flagged' : 'flag taken away'];
  const after = first.after.slice(0, NAMED).map(index => names[index]).join(', ');
  const more = first.after.length > NAMED ? ` +${first.after.length - NAMED}` : '';
  return [...squares(first.before, names), ' → ', ...squares(first.after, names), ` ${after}${more}`];
}

/** An action as a row; `restore()` goes back to it, where the reader may. */
function rowOf(action, names, restore) {
  const kind = action.kind + (action.reverses ? ` of ${count(action.reverses)}` : '');
  const samples = action.n_rows > 2 ? counted(action.n_rows, 'sample') : action.ids.join(', ');
  return h('tr', {},
    h('td.number', {}, count(action.number)),
    h('td.num', {title: action.at}, action.at.slice(0, 16).replace('T', ' ')),
    h('td.wraps', {}, action.who),
    h('td', {}, kind),
    h('td.num.wraps', {}, samples),
    h('td.wraps.change', {}, h('span.squares', {}, ...changeOf(action, names))),
    h('td', {}, restore && h('button.quiet', {type: 'button', title: BACK, on: {click: restore}}, 'Back to here')));
}

/** Who did what, and the way back to any point. `ctx()` gives {dataset, names, role}; `restore(number)` acts. */
export function historySheet(ctx, restore) {
  const panel = sheet('History', async body => {
    const {dataset, names, role} = ctx();
    const isOwner = role === 'owner';
    const rows = h('tbody');
    const more = h('button.btn', {type: 'button'}, 'Older');
    let before = 0;
    const grow = async () => {
      const found = await read(`/annotate/${encodeURIComponent(dataset)}/history`, {before, limit: PAGE});
      rows.append(...found.actions.map(action => rowOf(action, names, isOwner ? () => restore(action.number, panel) : null)));
      before = found.actions.at(-1)?.number || 0;
      more.hidden = before <= 1;
      return found;
    };
    more.addEventListener('click', () => grow().catch(tell));
    const found = await grow();
    const first = isOwner && found.head
      ? h('button.btn', {type: 'button', on: {click: () => restore(0, panel)}}, 'Back to the imported sets') : null;
    const log = address(`/annotate/${encodeURIComponent(dataset)}/history.jsonl`);
    fill(body,
      found.head ? h('div.scroll', {}, table(heads(), rows)) : h('p.quiet-text', {}, 'Nothing has been done to this dataset yet.'),
      h('div.row', {}, more, first, h('span.grow'), h('a.btn', {href: log, download: ''}, 'Whole log as JSON lines')));
  });
  return panel;
}
