// All runs in a table: sorted, filtered, renamed, noted, ticked for comparison, thrown away.

import {h, fill, count, counted, percent} from './dom.js';
import {sure} from './annotate_panels.js';
import {isActive, state} from './store.js';
import {ORACLE, duration, megabytes, moment, share, statusWord, sureness} from './train_words.js';

const TRASH = 'in the trash';
const COLUMNS = [
  {key: 'name', title: 'Run', text: run => run.name},
  {key: 'data', title: 'Data', text: run => `${run.dataset} v${run.data_number ?? '?'}`, hint: run => (run.is_stale ? 'The sets have changed since' : 'The sets as they are now')},
  {key: 'method', title: 'Method', text: run => run.method, hint: run => `${run.method} on ${run.backbone}, ${run.start} start, seed ${run.seed}`},
  {key: 'status', title: 'Status', text: run => (run.status === 'running' && run.fraction ? percent(run.fraction) : statusWord(run.status))},
  {key: 'epochs_done', title: 'Epochs', number: true, text: run => `${run.epochs_done} / ${run.epochs}`},
  {key: 'approximated_accuracy', title: 'Approx. at conf.', number: true, text: run => [share(run.approximated_accuracy), sureness(run).replace('confidence ', '')].filter(Boolean).join(' '), about: 'Approximated accuracy on held-out samples, and the mean confidence it was reached at: a run that is sure of the wrong candidates scores high too'},
  {key: 'set_likelihood', title: 'Sets explained', number: true, text: run => (run.set_likelihood === null || run.set_likelihood === undefined ? '' : run.set_likelihood.toFixed(3)), about: 'Mean log-likelihood of the sets held out: how well predictions explain which candidates are there and which are missing. Higher is better; selects the model and ranks runs on the same data, needs no true label'},
  {key: 'test_accuracy', title: 'Test', number: true, oracle: true, text: run => share(run.test_accuracy), about: 'Test accuracy of the selected model'},
  {key: 'entangled_accuracy', title: 'Entangled', number: true, oracle: true, text: run => share(run.entangled_accuracy), about: 'Accuracy on the test samples of the closest 0.1 % of cross-class pairs'},
  {key: 'disambiguation', title: 'Disamb.', number: true, oracle: true, text: run => share(run.disambiguation), about: 'Share of training samples whose most believed candidate is true'},
  {key: 'seconds', title: 'Time', number: true, text: run => duration(run.seconds)},
  {key: 'samples_per_second', title: 'Samples/s', number: true, wide: true, text: run => (run.samples_per_second ? count(Math.round(run.samples_per_second)) : '')},
  {key: 'created_at', title: 'Started', number: true, wide: true, text: run => moment(run.created_at)},
  {key: 'note', title: 'Note', text: run => run.note},
];

/** Replace a text by a field: Enter and leaving it save, Escape does not. */
export function openEditor(element, value, label, save) {
  if (element.querySelector('input')) return;
  const input = h('input.entry', {type: 'text', 'aria-label': label, value, maxlength: label === 'Name' ? '120' : '10000'});
  const before = [...element.childNodes];
  let isOver = false;
  const finish = keep => {
    if (isOver) return;
    isOver = true;
    element.replaceChildren(...before);
    if (keep && input.value.trim() !== value) save(input.value.trim());
  };
  input.addEventListener('keydown', event => {
    event.stopPropagation();
    if (event.key === 'Enter') finish(true);
    if (event.key === 'Escape') finish(false);
  });
  input.addEventListener('blur', () => finish(true));
  element.replaceChildren(input);
  input.focus();
  input.select();
}

/**
 * A table that owns its element. `show(runs, trash)` draws, `patch(run)` renews one row in its
 * place; onPick(id), onTick(id, on), act(name, value), onTrash(open) tell what the user did.
 */
export function createRunsTable({onPick, onTick, act, onTrash, colourOf}) {
  const total = h('h2', {id: 'runs-total'});
  const filter = h('select', {id: 'runs-dataset', 'aria-label': 'Runs of', on: {change: () => { const trash = filter.value === TRASH; if (trash !== inTrash) { inTrash = trash; onTrash(trash); } else draw(); }}});
  const empty = h('button.quiet', {type: 'button', id: 'runs-purge', hidden: true, on: {click: purge}}, 'Empty the trash');
  const hint = h('span.num.tick-hint');
  const heads = COLUMNS.map(column => h('th', {scope: 'col', class: [column.number ? 'number' : '', column.wide ? 'wide' : '', `of-${column.key}`].join(' '), title: [column.about, column.oracle ? ORACLE : ''].filter(Boolean).join('. ') || null},
    h('button.quiet', {type: 'button', data: {sort: column.key}, on: {click: () => sortBy(column)}}, column.title, column.oracle ? h('span.tag', {}, 'uses true labels') : null)));
  const body = h('tbody');
  const table = h('table.runs', {id: 'runs'}, h('thead', {}, h('tr', {}, h('th', {class: 'tick', title: 'Tick runs to lay their curves over each other'}, h('span.sr', {}, 'Compare')), ...heads, h('th', {}, h('span.sr', {}, 'Actions')))), body);
  const element = h('section.runs-part', {}, h('div.tools', {}, total, filter, hint, h('span.grow'), empty), h('div.scroll', {}, table));
  let runs = [];
  let trash = {n: 0, bytes: 0};
  let inTrash = false;
  let order = {key: 'created_at', falling: true};
  let chosen = null;
  let ticked = new Set();
  let listed = [];
  const rows = new Map();

  async function purge() {
    const text = `This frees ${megabytes(trash.bytes)} and cannot be undone.`;
    if (await sure(element.closest('.mount'), `Delete ${counted(trash.n, 'run')} for good?`, text, 'Delete')) act('purge', {});
  }

  function sortBy(column) {
    order = {key: column.key, falling: order.key === column.key ? !order.falling : column.number === true};
    draw();
  }

  function sorted() {
    const wanted = inTrash || filter.value === '' ? runs : runs.filter(run => run.dataset === filter.value);
    const sign = order.falling ? -1 : 1;
    const value = run => (order.key === 'created_at' ? run.id : run[order.key]);
    return [...wanted].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null || x === '' || y === '') return Number((x ?? '') === '') - Number((y ?? '') === '') || b.id - a.id;  // what is not known comes last
      return (typeof x === 'string' ? x.localeCompare(y) : x - y) * sign || b.id - a.id;
    });
  }

  function rowOf(run) {
    if (!rows.has(run.id)) {
      const tick = h('input', {type: 'checkbox', on: {change: () => onTick(run.id, tick.checked)}});
      const cells = COLUMNS.map(column => h('td', {class: [column.number ? 'number' : '', column.wide ? 'wide' : '', `of-${column.key}`].join(' ')}));
      cells[0].append(h('button.run-pick', {type: 'button', on: {click: () => onPick(run.id), dblclick: () => { if (!state.readOnly) openEditor(cells[0], rows.get(run.id).run.name, 'Name', name => act('rename', {run: run.id, name})); }}}));
      const note = cells[COLUMNS.length - 1];
      note.append(h('button.note', {type: 'button', on: {click: () => { if (!state.readOnly) openEditor(note, rows.get(run.id).run.note, 'Note', text => act('note', {run: run.id, note: text})); }}}));
      const last = h('td.last');
      const element = h('tr', {data: {run: run.id}, on: {click: event => { if (!event.target.closest('button, input, a')) onPick(run.id); }}}, h('td.tick', {}, h('label', {}, tick, h('i.swatch'))), ...cells, last);
      rows.set(run.id, {element, cells, tick, last, run, texts: []});
    }
    return rows.get(run.id);
  }

  function paint(run) {
    const row = rowOf(run);
    row.run = run;
    COLUMNS.forEach((column, at) => {
      const text = column.text(run);
      if (row.texts[at] === text) return;
      row.texts[at] = text;
      const cell = row.cells[at];
      if (column.key === 'name') { const button = cell.querySelector('button'); if (button) { button.textContent = text; button.title = `${text}. Double-click to rename`; } else row.texts[at] = null; return; }
      if (column.key === 'note') { const button = cell.querySelector('button'); if (button) { button.textContent = text || (state.readOnly ? '' : 'Add a note'); button.title = text || 'Write a note'; button.classList.toggle('none', !text); } else row.texts[at] = null; return; }
      cell.textContent = text;
      if (column.hint) cell.title = column.hint(run);
    });
    row.element.dataset.status = run.status;
    row.tick.setAttribute('aria-label', `Compare ${run.name}`);
    const state_ = `${inTrash} ${isActive(run)} ${state.readOnly}`;
    if (row.last.dataset.state === state_) return;
    row.last.dataset.state = state_;
    const busy = isActive(run);
    fill(row.last, inTrash
      ? h('button.quiet.act', {type: 'button', data: {restore: run.id}, on: {click: () => act('restore', {run: run.id})}}, 'Restore')
      : h('button.quiet.act', {type: 'button', data: {remove: run.id}, disabled: busy, title: busy ? 'Stop it first' : 'Put it into the trash', on: {click: () => act('remove', {run: run.id})}}, 'Delete'));
  }

  function mark() {
    for (const [id, row] of rows) {
      row.element.setAttribute('aria-selected', String(id === chosen));
      row.tick.checked = ticked.has(id);
      const paintIt = colourOf(id);
      row.element.style.setProperty('--k', paintIt || 'transparent');
    }
    hint.textContent = ticked.size ? `${counted(ticked.size, 'run')} ticked to compare` : '';
  }

  function draw() {
    const options = [...new Set(runs.map(run => run.dataset))];
    const before = filter.value;
    const named = inTrash ? [...filter.options].map(each => each.value).filter(each => each && each !== TRASH) : options;
    fill(filter, h('option', {value: ''}, 'of all datasets'), ...named.map(name => h('option', {value: name}, `of ${name}`)), trash.n || inTrash ? h('option', {value: TRASH}, `${TRASH} (${trash.n})`) : null);
    filter.value = inTrash ? TRASH : [...filter.options].some(each => each.value === before) ? before : '';
    const shown = sorted();
    const ids = new Set(runs.map(run => run.id));
    for (const id of rows.keys()) if (!ids.has(id)) rows.delete(id);
    for (const run of runs) paint(run);
    fill(body, ...shown.map(run => rowOf(run).element));
    heads.forEach((head, at) => head.setAttribute('aria-sort', COLUMNS[at].key !== order.key ? 'none' : order.falling ? 'descending' : 'ascending'));
    total.textContent = counted(shown.length, 'run');
    empty.hidden = !inTrash || state.readOnly || !trash.n;
    listed = shown.map(run => run.id);
    element.dataset.shown = listed.join();
    mark();
  }

  return {
    element,
    show(given, inside) { runs = given; trash = inside; for (const row of rows.values()) row.last.dataset.state = ''; draw(); },
    patch(run) { const at = runs.findIndex(each => each.id === run.id); if (at < 0) return; runs[at] = {...runs[at], ...run}; paint(runs[at]); },
    select(id, compared) { chosen = id; ticked = compared; mark(); },
    reveal() { rows.get(chosen)?.element.scrollIntoView({block: 'nearest'}); },
    /** The run beside another in the order shown. */
    beside(id, by) { const at = listed.indexOf(id); return (at < 0 ? listed[0] : listed[at + by]) ?? null; },
    isTrash: () => inTrash,
  };
}
