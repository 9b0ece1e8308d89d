// One run as a row of their table, renewed in its place; its name and note are written in it.

import {h, fill} from './dom.js';
import {isActive, state} from './store.js';

const LONGEST = {Name: '120', Note: '10000'};

/** Replace a text by a field: Enter and leaving it save, Escape does not. */
export function openEditor(element, value, label, save) {
  if (element.querySelector('input')) return;
  const input = h('input.entry', {type: 'text', 'aria-label': label, value, maxlength: LONGEST[label] ?? LONGEST.Note});
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

/** Classes of a cell of a column. */
export const cellClass = column => [column.number ? 'number' : '', column.wide ? 'wide' : '', `of-${column.key}`].join(' ');

/** A row that owns its element; `act`, `onPick` and `onTick` are those of the table. */
export function createRunRow(run, columns, {act, onPick, onTick}) {
  const texts = [];
  const tick = h('input', {type: 'checkbox', on: {change: () => onTick(run.id, tick.checked)}});
  const cells = columns.map(column => h('td', {class: cellClass(column)}));
  const cellOf = key => cells[columns.findIndex(column => column.key === key)];
  const rename = () => edit('name', 'Name', name => act('rename', {run: run.id, name}));
  const annotate = () => edit('note', 'Note', note => act('note', {run: run.id, note}));
  cellOf('name').append(h('button.run-pick', {type: 'button', on: {click: () => onPick(run.id), dblclick: rename}}));
  cellOf('note').append(h('button.note', {type: 'button', on: {click: annotate}}));
  const last = h('td.last');
  const pick = event => { if (!event.target.closest('button, input, a')) onPick(run.id); };
  const element = h('tr', {data: {run: run.id}, on: {click: pick}},
    h('td.tick', {}, h('label', {}, tick, h('i.swatch'))), ...cells, last);

  function edit(key, label, save) {
    if (!state.readOnly) openEditor(cellOf(key), run[key], label, save);
  }

  /** Write a text into its cell; false where it is being edited. */
  function write(column, text) {
    const cell = cellOf(column.key), button = cell.querySelector('button');
    const isText = column.key === 'name' || column.key === 'note';
    if (!isText) {
      cell.textContent = text;
      if (column.hint) cell.title = column.hint(run);
    } else if (!button) return false;
    else if (column.key === 'name') {
      button.textContent = text;
      button.title = `${text}. Double-click to rename`;
    } else {
      button.textContent = text || (state.readOnly ? '' : 'Add a note');
      button.title = text || 'Write a note';
      button.classList.toggle('none', !text);
    }
    return true;
  }

  function paintLast(inTrash) {
    const busy = isActive(run);
    const now = `${inTrash} ${busy} ${state.readOnly}`;
    if (last.dataset.state === now) return;
    last.dataset.state = now;
    const button = (data, attributes, click, text) => h('button.quiet.act', {type: 'button', data, ...attributes, on: {click}}, text);
    fill(last, inTrash
      ? button({restore: run.id}, {}, () => act('restore', {run: run.id}), 'Restore')
      : button({remove: run.id}, {disabled: busy, title: busy ? 'Stop it first' : 'Put it into the trash'},
        () => act('remove', {run: run.id}), 'Delete'));
  }

  return {
    element,
    paint(given, inTrash) {
      run = given;
      columns.forEach((column, at) => {
        const text = column.text(run);
        if (texts[at] !== text) texts[at] = write(column, text) ? text : null;
      });
      element.dataset.status = run.status;
      tick.setAttribute('aria-label', `Compare ${run.name}`);
      paintLast(inTrash);
    },
    mark(isChosen, isTicked, colour) {
      element.setAttribute('aria-selected', String(isChosen));
      tick.checked = isTicked;
      element.style.setProperty('--k', colour || 'transparent');
    },
  };
}
