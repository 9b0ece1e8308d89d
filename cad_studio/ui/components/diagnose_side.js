// Beside the views: the matrices, the samples that are selected, and one sample or pair at a time.

import {h, fill, count, counted, debounced, percent, turns} from './dom.js';
import {colour} from './chips.js';
import {createInspector} from './diagnose_instance.js';
import {createMatrix} from './matrix.js';
import {load, thumbnail} from './sprite.js';
import {change, open, read, tell} from './store.js';

const TITLES = {
  confusion: 'Confusion (uses true labels): true in rows', ambiguity: 'Ambiguity: best label in rows',
  'co-occurrence': 'Candidates held together', 'set-model': 'Mistaken for: true in rows, by confidence',
};
const KINDS = {confusion: 'Confusion', ambiguity: 'Ambiguity', 'co-occurrence': 'Held together', 'set-model': 'Mistaken for'};
const SIZES = [10, 24, 60];
const TILES = 84;
const PAIRS = 60;

/** @param {Diagnosed} shared */
export function createSide(shared) {
  const kind = h('select', {id: 'diagnose-matrix', 'aria-label': 'Matrix', on: {change: () => { cell = null; drawMatrix(); }}},
    ...Object.entries(KINDS).map(([value, text]) => h('option', {value}, text)));
  const scale = h('select', {id: 'diagnose-scale', 'aria-label': 'Values', on: {change: drawMatrix}},
    h('option', {value: 'counts'}, 'counts'),
    h('option', {value: 'shares'}, 'row shares'));
  const order = h('select', {id: 'diagnose-order', 'aria-label': 'Order of the classes', on: {change: again}},
    h('option', {value: 'similar'}, 'alike together'),
    h('option', {value: 'own'}, 'as they come'));
  const most = h('select', {id: 'diagnose-most', 'aria-label': 'Classes shown', on: {change: again}},
    ...SIZES.map(size => h('option', {value: size}, `${size} classes`)));
  most.value = '24';
  const find = h('input.field', {
    type: 'search', id: 'diagnose-find', placeholder: 'Find a class', 'aria-label': 'Find a class',
    on: {input: debounced(again, 250)},
  });
  const matrix = createMatrix('Which classes are confused', (a, b) => openCell(a, b));
  const title = matrix.element.querySelector('h2');
  const reading = h('p.quiet-text', {id: 'diagnose-matrix-about', hidden: true},
    'Set model: the share of the sets of a class (row) that hold another (column), with this run\'s confidence in place of true '
      + 'labels. Near 100 %, only the few sets without the other class tell the two apart.');
  matrix.element.append(reading);
  const doors = h('div.row.doors');
  const chosenTitle = h('h2.grow', {id: 'diagnose-selection'});
  const mix = h('span.num');
  const grid = h('div.grid', {role: 'status', 'aria-label': 'Selected samples'});
  const more = h('button.btn', {type: 'button', on: {click: () => drawTiles(shownTiles + TILES)}}, 'More');
  const pairItems = h('div.pair-items', {role: 'group', 'aria-label': 'Closest pairs of the selection', hidden: true});
  const picked = h('section.panel-part.picked', {}, h('div.row', {}, chosenTitle, mix), doors, h('div.scroll', {}, pairItems, grid, more));
  const tools = h('div.row.matrix-tools', {}, kind, scale, order, most, find);
  const matrixPart = h('div.matrix-part', {}, tools, matrix.element);
  const inspector = createInspector(shared, close, step);
  const element = h('aside.side.diagnose-side', {'aria-label': 'Matrices and samples'}, matrixPart, picked, inspector.element);
  inspector.element.hidden = true;
  let cell = null;
  let shownTiles = 0;
  const turn = turns();
  const turnOfMatrix = turns();

  const wanted = () => ({most: most.value, order: order.value, find: find.value.trim()});

  async function again() {
    const isNewest = turnOfMatrix();
    try {
      const found = await read(`${shared.base()}/overview`, {split: shared.about.split, ...wanted()});
      if (!isNewest()) return;
      shared.about.matrices = found.matrices;
      drawMatrix();
    } catch (error) { tell(error); }
  }

  function drawMatrix() {
    const {matrices, class_names: names, n_known: known} = shared.about;
    for (const option of kind.options) if (option.value === 'confusion') option.disabled = !matrices.confusion;
    if (!matrices.confusion && kind.value === 'confusion') kind.value = 'ambiguity';
    const which = kind.value;
    const onlyShares = which === 'ambiguity' || which === 'set-model';
    const shares = onlyShares || scale.value === 'shares';
    scale.disabled = onlyShares;
    reading.hidden = which !== 'set-model';
    const large = names.length > SIZES[0];
    most.hidden = !large;
    find.hidden = names.length <= 16;
    const raw = matrices[which];
    const totals = which === 'confusion' ? matrices.row_totals : raw.map((row, at) => row[at]);
    const cells = !onlyShares && shares ? raw.map((row, at) => row.map(value => (totals[at] ? value / totals[at] : 0))) : raw;
    const words = {
      confusion: (a, b, value) => `${names[a]} ${a === b ? 'found' : `taken for ${names[b]}`}: ${amount(value)}`,
      ambiguity: (a, b, value) => (a === b
        ? `${names[a]}: keeps ${amount(value)} of its belief`
        : `${names[a]} gives ${names[b]} ${amount(value)} of its belief`),
      'co-occurrence': (a, b, value) => (a === b
        ? `${names[a]} in the set: ${amount(value)}`
        : `${names[a]} and ${names[b]} together: ${amount(value)}`),
      'set-model': (a, b, value) => `${names[b]} in ${amount(value)} of the sets of ${names[a]} (estimated)`,
    }[which];
    const amount = value => (shares ? `${(100 * value).toFixed(1)} %` : count(value));
    title.textContent = `${TITLES[which]}${which === 'confusion' && known < shared.about.n ? ` (${count(known)} known)` : ''}`;
    title.title = title.textContent;
    const shareText = value => {
      const text = (100 * value).toFixed(value < 0.1 && value > 0 ? 1 : 0);
      return text === '0.0' ? '' : text;
    };
    matrix.show({
      classes: matrices.classes, counts: cells, names, words, selected: cell, diagonal: which !== 'set-model',
      format: shares ? shareText : undefined,
      label: matrices.classes.length < names.length ? `${matrices.classes.length} most confused of ${count(names.length)}`
        : shares ? 'per cent of the row'
        : 'samples',
    });
    element.dataset.matrix = which;
  }

  async function openCell(a, b) {
    const names = shared.about.class_names;
    const words = kind.value === 'confusion' ? (a === b ? `${names[a]}, found` : `${names[a]} taken for ${names[b]}`)
      : kind.value === 'ambiguity' || kind.value === 'set-model' ? `best label ${names[a]}, ${names[b]} in the set`
      : `${names[a]} and ${names[b]} in the set`;
    await shared.openRows({what: kind.value, a, b}, words);
  }

  function drawDoors() {
    const names = shared.about?.class_names;
    fill(doors, cell && cell[0] !== cell[1] && shared.selection.rows.length
      ? h('button.quiet', {
        type: 'button', id: 'diagnose-cell-pairs',
        on: {click: () => { change({classes: [names[cell[0]], names[cell[1]]], pair: null}); open('pairs'); }},
      }, `Entangled pairs of ${names[cell[0]]} and ${names[cell[1]]}`)
      : null);
    doors.hidden = !doors.children.length;
  }

  async function drawTiles(wantedTiles = TILES) {
    const {rows, words, tiles} = shared.selection;
    const isNewest = turn();
    if (!rows.length) {
      chosenTitle.textContent = 'No samples selected';
      mix.textContent = '';
      grid.setAttribute('role', 'status');  // a list of nothing is no list
      fill(grid, h('p.quiet-text.hint', {},
        'Click a cell of the matrix, draw a lasso on the map (hold Shift), or open a class, a suspect or a change. The samples '
          + 'appear here.'));
      more.hidden = true;
      element.dataset.selected = '0';
      return;
    }
    chosenTitle.textContent = `${counted(rows.length, 'sample')}${words ? `: ${words}` : ''}`;
    chosenTitle.title = chosenTitle.textContent;
    let found = wantedTiles <= TILES && tiles ? tiles : null;
    try {
      const first = rows.slice(0, Math.min(wantedTiles, 200));
      if (!found || found.rows.length < first.length) found = await read(`${shared.base()}/tiles`, {rows: first.join()});
      await load(found.sprite);
    } catch (error) { tell(error); return; }
    if (!isNewest()) return;
    shownTiles = found.rows.length;
    const names = shared.about.class_names;
    grid.setAttribute('role', 'listbox');
    fill(grid, ...found.rows.map((row, at) => {
      const best = found.best[at];
      const text = [
        found.ids[at], best < 0 ? 'no candidate' : `best label ${names[best]} (${percent(found.believed[at])})`,
        `predicted ${found.predicted[at] < 0 ? 'nothing' : names[found.predicted[at]]}`,
        ...(found.right[at] === null ? [] : [found.right[at] ? 'right' : 'wrong']),
      ].join(', ');
      return h('button.tile', {
        type: 'button', role: 'option', data: {row}, title: text, 'aria-label': text, 'aria-selected': 'false',
        on: {click: () => instance(row)},
      },
        thumbnail(found.sprite, at),
        h('i.mark', {style: {'--k': best < 0 ? 'transparent' : colour(best)}, class: `mark ${found.right[at] === false ? 'wrong' : ''}`}));
    }));
    const counts = new Map();
    for (const best of found.best) if (best >= 0) counts.set(best, (counts.get(best) || 0) + 1);
    const part = found.rows.length < rows.length ? `of the first ${count(found.rows.length)}: ` : '';
    const two = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 2);
    mix.textContent = part + two.map(([label, n]) => `${names[label]} ${Math.round(100 * n / found.best.length)} %`).join(', ');
    mix.title = `Best labels of the ${counted(found.rows.length, 'sample')} shown`;
    more.hidden = found.rows.length >= Math.min(rows.length, 200);
    element.dataset.selected = String(rows.length);
    element.dataset.first = String(rows[0]);
  }

  function mark(row) {
    for (const tile of grid.querySelectorAll('[aria-selected=true]')) tile.setAttribute('aria-selected', 'false');
    grid.querySelector(`[data-row="${row}"]`)?.setAttribute('aria-selected', 'true');
  }

  function instance(row) {
    mark(row);
    inspector.instance(row);
    inspector.element.hidden = false;
    element.classList.add('inspecting');
  }

  function close() {
    inspector.element.hidden = true;
    inspector.forget();
    element.classList.remove('inspecting');
    mark(null);
  }

  /** Another sample of the selection; says whether there was one. */
  function step(by) {
    const rows = shared.selection.rows;
    const at = rows.indexOf(inspector.row());
    const next = Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + by));
    if (!rows.length || next === at) return false;
    instance(rows[next]);
    return true;
  }

  const turnOfPairs = turns();
  /** The closest pairs of the selection, when they are asked for, above its samples. */
  async function drawPairs() {
    const isNewest = turnOfPairs();
    const first = (shared.selection.pairs || []).slice(0, PAIRS);
    pairItems.hidden = !first.length;
    if (!first.length) { fill(pairItems); return; }
    let found;
    try {
      found = await read(`${shared.base()}/tiles`, {rows: [...new Set(first.flat())].join()});
      await load(found.sprite);
    } catch (error) { tell(error); return; }
    if (!isNewest()) return;
    const at = new Map(found.rows.map((row, place) => [row, place]));
    const best = row => { const label = found.best[at.get(row)]; return label < 0 ? 'no candidate' : shared.about.class_names[label]; };
    fill(pairItems,
      h('small.quiet-text', {},
        `The ${first.length < shared.selection.pairs.length ? `${first.length} ` : ''}closest pairs of different classes, and what `
          + 'each sample is taken for'),
      ...first.map(([i, j]) => h('button.item', {type: 'button', data: {pair: `${i}-${j}`}, on: {click: () => pair(i, j)}},
        thumbnail(found.sprite, at.get(i)), thumbnail(found.sprite, at.get(j)),
        h('span.text', {},
          h('span', {}, `${best(i)} · ${best(j)}`),
          h('small', {}, `${found.ids[at.get(i)]} · ${found.ids[at.get(j)]}`)))));
  }

  function pair(i, j) {
    inspector.pair(i, j);
    inspector.element.hidden = false;
    element.classList.add('inspecting');
  }

  shared.onSelection(() => {
    if (!shared.about) return;
    const from = shared.selection.from;
    const now = from && from.a !== undefined ? [from.a, from.b] : null;
    if (String(now) !== String(cell)) { cell = now; drawMatrix(); }
    if (shared.selection.rows.length && !inspector.element.hidden) close();
    drawDoors();
    drawTiles();
    drawPairs();
  });

  return {
    element, wanted, instance, pair, close, drawPairs,
    isOpen: () => !inspector.element.hidden,
    draw() { drawMatrix(); drawDoors(); drawTiles(); },
    step,
  };
}
