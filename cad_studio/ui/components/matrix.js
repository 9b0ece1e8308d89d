// A class-by-class matrix whose every cell is a door.

import {h, fill, count, firstSigns} from './dom.js';

const SMALL = 16;

/**
 * A matrix that owns its element.
 *
 * show({classes, counts, names, label, note, selected, noun, diagonal}): `classes` are indices into
 * `names`, `counts` the cells; `note(a, b)` adds a line to a cell's label; `diagonal` false leaves
 * it blank. onCell(a, b) gets class indices. A matrix whose rows are something else than its columns
 * has `words(a, b, value)`, the text of a cell; then (a, b) and (b, a) are different cells. `format`
 * writes a value; `signed` colours values below 0 in another hue.
 */
export function createMatrix(title, onCell) {
  const hint = h('span.num', {'aria-live': 'polite'});
  const table = h('div.matrix', {role: 'grid'});
  const enlarge = h('button.quiet', {type: 'button', on: {click: () => openLarge()}}, 'Enlarge');
  const element = h('section.panel-part', {},
    h('div.row', {}, h('h2.grow', {}, title), hint, enlarge), table);
  let shown = null;

  function openLarge() {
    if (!shown) return;
    const big = h('div.matrix.large', {role: 'grid'});
    const close = h('button.btn', {type: 'button', on: {click: () => dialog.close()}}, 'Close', h('kbd', {}, 'esc'));
    const dialog = h('dialog.matrix-dialog', {'aria-label': title, on: {close: () => dialog.remove()}},
      h('div.row', {}, h('h1.grow', {}, title), h('span.num', {}, shown.label || ''), close), h('div.scroll', {}, big));
    drawCells(big, shown, (a, b) => { dialog.close(); onCell(a, b); });
    document.body.append(dialog);
    dialog.showModal();
  }

  function drawCells(target, drawn, pick) {
    const {
      classes, counts, names, note = (_a, _b) => '', selected = null, noun = 'samples', diagonal = true, words = null, format = short,
      signed = false,
    } = drawn;
    const large = target !== table;
    const numbers = large || classes.length <= SMALL;
    let most = words ? 1e-9 : 1;
    counts.forEach((line, a) => line.forEach((value, b) => { if ((signed || a !== b) && Math.abs(value) > most) most = Math.abs(value); }));
    const labelled = large || classes.length <= 24;
    target.style.setProperty('--n', classes.length);
    target.style.setProperty('--label', large ? '140px' : '66px');
    target.classList.toggle('unlabelled', !labelled);
    target.setAttribute('aria-label', title);
    const row = (...held) => h('div.matrix-row', {role: 'row'}, ...held);
    const rows = [];
    let isFirst = true;  // one cell is reached by Tab, the others by the arrow keys
    const head = index => h('em', {role: 'columnheader', dir: 'auto', title: names[index], 'aria-label': names[index]},
      large ? names[index] : firstSigns(names[index], 3));
    if (labelled) rows.push(row(h('i', {role: 'presentation'}), ...classes.map(head)));
    classes.forEach((rowClass, a) => {
      const cells = labelled ? [h('i', {role: 'rowheader', dir: 'auto', title: names[rowClass]}, names[rowClass])] : [];
      classes.forEach((columnClass, b) => {
        const value = counts[a][b];
        const own = a === b;
        if (own && !diagonal) { cells.push(h('span', {role: 'gridcell', 'aria-label': names[rowClass]})); return; }
        const share = own && !signed ? 0 : Math.sqrt(Math.abs(value) / most);
        const isSelected = selected && ((selected[0] === rowClass && selected[1] === columnClass)
          || (!words && selected[0] === columnClass && selected[1] === rowClass));
        const text = words ? words(rowClass, columnClass, value) : own ? `${names[rowClass]}: ${count(value)} ${noun}`
          : `${names[rowClass]} × ${names[columnClass]}: ${count(value)} ${noun}`;
        const extra = note(a, b);
        cells.push(h('button', {
          type: 'button', role: 'gridcell',
          class: (share > 0.85 ? 'strongest ' : '') + (own && !signed ? 'own ' : '') + (value < 0 ? 'below ' : '')
            + (isSelected ? 'selected' : ''),
          style: {'--a': share.toFixed(3)}, data: {a: rowClass, b: columnClass, text},
          tabindex: isFirst ? '0' : '-1',
          'aria-label': text + (extra ? `, ${extra}` : ''), title: text + (extra ? `\n${extra}` : ''),
          'aria-selected': isSelected ? 'true' : 'false',
        }, numbers && value ? format(value) : ''));
        isFirst = false;
      });
      rows.push(row(...cells));
    });
    target.classList.toggle('dense', classes.length >= 26);
    target.classList.toggle('roomy', classes.length <= 13);
    fill(target, ...rows);
    target.onclick = event => {
      const cell = event.target.closest('button');
      if (cell) pick(+cell.dataset.a, +cell.dataset.b);
    };
    target.onmouseover = target.onfocusin = event => {
      const cell = event.target.closest('button');
      if (cell && !large) hint.textContent = cell.dataset.text;
    };
    target.onkeydown = event => {
      const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -classes.length, ArrowDown: classes.length}[event.key];
      if (step === undefined) return;
      const all = [...target.querySelectorAll('button')];
      const next = all[all.indexOf(document.activeElement) + (diagonal ? step : Math.sign(step) * Math.max(1, Math.abs(step) - 1))];
      if (next) { event.preventDefault(); next.focus(); }
    };
  }

  return {
    element,
    show(given) {
      shown = given;
      hint.textContent = given.label || '';
      enlarge.hidden = given.classes.length <= SMALL;
      drawCells(table, given, onCell);
      table.dataset.ready = String(given.classes.length);
    },
  };
}

function short(value) {
  if (value < 1000) return String(value);
  if (value < 10000) return (value / 1000).toFixed(1) + 'k';
  return value < 1e6 ? Math.round(value / 1000) + 'k' : (value / 1e6).toFixed(1) + 'M';
}
