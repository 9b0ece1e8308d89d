// All runs in a table: sorted, filtered, renamed, noted, ticked for comparison, thrown away.

import {h, fill, counted} from './dom.js';
import {sure} from './dialogs.js';
import {cellClass, createRunRow} from './run_row.js';
import {groupTable} from './run_group.js';
import {columnsOf} from './runs_columns.js';
import {state} from './store.js';
import {ORACLE, megabytes} from './train_words.js';

const TRASH = 'in the trash';

/** Runs by a column, falling or not; what is not known comes last, and of equals the newest first. */
export function sortedRuns(runs, {key, falling}) {
  const sign = falling ? -1 : 1;
  const value = run => (key === 'created_at' ? run.id : run[key]);
  return [...runs].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null || x === '' || y === '') return Number((x ?? '') === '') - Number((y ?? '') === '') || b.id - a.id;
    return (typeof x === 'string' ? x.localeCompare(y) : x - y) * sign || b.id - a.id;
  });
}

/** The heads of the columns; onSort(column) when one is pressed. */
function createHeads(columns, onSort) {
  return columns.map(column => h('th', {
    scope: 'col', class: cellClass(column),
    title: [column.about, column.oracle ? ORACLE : ''].filter(Boolean).join('. ') || null,
  }, h('button.quiet', {type: 'button', data: {sort: column.key}, on: {click: () => onSort(column)}},
    column.title, column.oracle ? h('span.tag', {}, 'uses true labels') : null)));
}

const nameOf = group => `group ${group.group} on ${group.dataset}`;

/** Which runs are shown: of a dataset, a group, or those in the trash; onChange() when another is chosen. */
function createRunFilter(onChange) {
  const select = h('select', {id: 'runs-dataset', 'aria-label': 'Runs of', on: {change: onChange}});
  let groups = [];
  const group = () => groups.find(each => nameOf(each) === select.value) || null;
  return {
    element: select,
    group,
    isTrash: () => select.value === TRASH,
    keeps: run => select.value === '' || select.value === TRASH || run.dataset === select.value
      || group()?.runs.includes(run.id),
    offer(runs, trash, inTrash, known) {
      groups = inTrash ? [] : known;
      const before = select.value;
      const offered = [...select.options].map(each => each.value);
      const names = inTrash ? offered.filter(each => each && each !== TRASH) : [...new Set(runs.map(run => run.dataset))];
      fill(select, h('option', {value: ''}, 'of all datasets'), ...names.map(name => h('option', {value: name}, `of ${name}`)),
        ...groups.map(each => h('option', {value: nameOf(each)}, `of ${nameOf(each)}`)),
        trash.n || inTrash ? h('option', {value: TRASH}, `${TRASH} (${trash.n})`) : null);
      select.value = inTrash ? TRASH : [...select.options].some(each => each.value === before) ? before : '';
    },
  };
}

/** The heads, and a body that `fill` gives its rows. */
function createTable(heads, body) {
  const tick = h('th', {class: 'tick', title: 'Tick runs to lay their curves over each other'}, h('span.sr', {}, 'Compare'));
  const last = h('th', {}, h('span.sr', {}, 'Actions'));
  return h('table.runs', {id: 'runs'}, h('thead', {}, h('tr', {}, tick, ...heads, last)), body);
}

/**
 * A table that owns its element. `show(runs, trash, groups)` draws, `patch(run)` renews one row in its
 * place; onPick(id), onTick(id, on), act(name, value), onTrash(open) tell what the user did.
 */
export function createRunsTable({onPick, onTick, act, onTrash, colourOf}) {
  const columns = columnsOf(window.cadTables.figures);
  const total = h('h2', {id: 'runs-total'});
  const hint = h('span.num.tick-hint');
  const empty = h('button.quiet', {type: 'button', id: 'runs-purge', hidden: true, on: {click: purge}}, 'Empty the trash');
  const filter = createRunFilter(turn);
  const heads = createHeads(columns, sortBy);
  const body = h('tbody');
  const tools = h('div.tools', {}, total, filter.element, hint, h('span.grow'), empty);
  const summary = h('div', {});
  const element = h('section.runs-part', {}, tools, summary, h('div.scroll', {}, createTable(heads, body)));
  let runs = [], groups = [], trash = {n: 0, bytes: 0}, inTrash = false;
  let order = {key: 'created_at', falling: true};
  let chosen = null, ticked = new Set(), listed = [];
  const rows = new Map();

  function turn() {
    if (filter.isTrash() === inTrash) { draw(); return; }
    inTrash = filter.isTrash();
    onTrash(inTrash);
  }

  async function purge() {
    const text = `This frees ${megabytes(trash.bytes)} and cannot be undone.`;
    if (await sure(element.closest('.mount'), `Delete ${counted(trash.n, 'run')} for good?`, text, 'Delete')) act('purge', {});
  }

  function sortBy(column) {
    order = {key: column.key, falling: order.key === column.key ? !order.falling : column.number === true};
    draw();
  }

  function paint(run) {
    if (!rows.has(run.id)) rows.set(run.id, createRunRow(run, columns, {act, onPick, onTick}));
    rows.get(run.id).paint(run, inTrash);
  }

  function mark() {
    for (const [id, row] of rows) row.mark(id === chosen, ticked.has(id), colourOf(id));
    hint.textContent = ticked.size ? `${counted(ticked.size, 'run')} ticked to compare` : '';
  }

  function draw() {
    filter.offer(runs, trash, inTrash, groups);
    const group = filter.group();
    fill(summary, group ? groupTable(group, window.cadTables.figures) : null);
    const shown = sortedRuns(inTrash ? runs : runs.filter(filter.keeps), order);
    const ids = new Set(runs.map(run => run.id));
    for (const id of rows.keys()) if (!ids.has(id)) rows.delete(id);
    for (const run of runs) paint(run);
    fill(body, ...shown.map(run => rows.get(run.id).element));
    heads.forEach((head, at) =>
      head.setAttribute('aria-sort', columns[at].key !== order.key ? 'none' : order.falling ? 'descending' : 'ascending'));
    total.textContent = counted(shown.length, 'run');
    empty.hidden = !inTrash || state.readOnly || !trash.n;
    listed = shown.map(run => run.id);
    element.dataset.shown = listed.join();
    mark();
  }

  return {
    element,
    show(given, inside, together) { runs = given; trash = inside; groups = together; draw(); },
    patch(run) {
      const at = runs.findIndex(each => each.id === run.id);
      if (at < 0) return;
      runs[at] = {...runs[at], ...run};
      paint(runs[at]);
    },
    select(id, compared) { chosen = id; ticked = compared; mark(); },
    reveal() { rows.get(chosen)?.element.scrollIntoView({block: 'nearest'}); },
    /** The run beside another in the order shown. */
    beside(id, by) { const at = listed.indexOf(id); return (at < 0 ? listed[0] : listed[at + by]) ?? null; },
    isTrash: () => inTrash,
  };
}
