// Stored edits: what a run says of all of them, by class pair, and one by one, the worst first.

import {forGood} from './dialogs.js';
import {h, fill, count, counted, empty, table, turns} from './dom.js';
import {chance, evidence, titleOf} from './augment_view.js';
import {fillOptions} from './form.js';
import {load, thumbnail} from './sprite.js';
import {read, state, tell} from './store.js';
import {megabytes} from './train_words.js';

const PAGE = 60;
const NONE = 'Make some on the left: start with the entangled samples. A cad run then trains on them, and uses activation maps '
  + 'for the rest.';
const FAILING = 'Show only edits whose class is less probable than this; a cad run with least_probability set to it leaves them out';

/** A gallery that owns its element; `act(name, value)` asks the server, `onPick(row)` opens a sample. */
export function createGallery({act, onPick}) {
  const turn = turns();
  let offers = null, offset = 0;
  const again = () => { offset = 0; draw(); };
  const filter = createFilter(again);
  const tools = createTools({act, number: () => filter.set(), run: () => offers.run});
  const summary = h('div.pills', {id: 'gallery-summary'});
  const cells = createCells(filter.classes, again);
  const grid = h('div.gallery', {role: 'group', 'aria-label': 'Stored edits'});
  const turner = createTurner(by => { offset = Math.max(0, offset + by * PAGE); draw(); });
  const nothing = h('div');
  const head = h('div.tools', {}, ...filter.elements, h('span.grow'), ...tools.elements);
  const body = h('div.gallery-body', {}, head, summary, cells.element, grid, turner.element);
  const element = h('section.gallery-part', {'aria-label': 'Stored edits'}, nothing, body);

  async function draw() {
    const isNewest = turn();
    const set = offers?.sets.find(each => each.id === filter.set());
    body.hidden = !set;
    fill(nothing, set ? null : empty('No stored edits yet', NONE));
    element.dataset.shown = set ? '' : 'nothing';
    if (!set) return;
    let found;
    try {
      found = await read(`/augment/sets/${set.id}/gallery`, {run: offers.run, ...filter.query(), offset, limit: PAGE});
      await Promise.all([load(found.sprite), load(found.sources)]);
    } catch (error) { tell(error); return; }
    if (!isNewest()) return;
    const names = offers.class_names;
    tools.show(set, found.summary);
    fill(summary, ...summaryOf(found.summary, filter.least()));
    cells.show(found.summary.pairs, names);
    fill(grid, ...found.edits.map((edit, at) => tileOf(edit, at, found, names, onPick)));
    turner.show(offset, found.total);
    element.dataset.shown = `${set.id} ${filter.query().order} ${offset} ${found.total}`;
  }

  return {
    element,
    /** What the server offers, with the run that judges as `run`. */
    show(found) {
      offers = found;
      filter.offer(found);
      body.classList.toggle('read-only', state.readOnly);
      draw();
    },
  };
}

/** Which edits of which set are shown, and in what order. */
function createFilter(onChange) {
  const select = (id, label) => h('select', {id, 'aria-label': label, on: {change: onChange}});
  const set = select('gallery-set', 'Set of edits');
  const order = select('gallery-order', 'Order');
  const classes = select('gallery-classes', 'Class pair');
  const least = h('input.entry.number', {
    id: 'gallery-least', type: 'text', inputmode: 'decimal', value: '0.5', style: {width: '58px'},
    'aria-label': 'Least probability of the class, 0 to 1', on: {change: onChange},
  });
  const only = h('input', {type: 'checkbox', id: 'gallery-failing', on: {change: onChange}});
  const failing = h('label.keys', {title: FAILING}, only, 'Only failing, below', least);
  return {
    elements: [set, order, classes, failing], classes,
    set: () => +set.value,
    least: () => least.value,
    query: () => ({order: order.value, classes: classes.value, least: least.value, failing: only.checked ? 1 : null}),
    offer(found) {
      fillOptions(set, found.sets.map(each => [String(each.id), setName(each)]));
      if (!order.options.length) fillOptions(order, Object.entries(found.orders));
    },
  };
}

function setName(set) {
  const {strength, guidance} = set.settings;
  const title = `${set.id}: ${titleOf(set.editor)}${strength === undefined ? '' : ` ${strength}/${guidance}`}`;
  return [
    title, counted(set.n, 'edit'), megabytes(set.bytes), set.n_stale ? `${count(set.n_stale)} stale` : '',
  ].filter(Boolean).join(' · ');
}

/** What can be done with the set that is shown: `number()` is its own, `run()` that of the judge. */
function createTools({act, number, run}) {
  const button = (id, text, click) => h('button.btn.act', {type: 'button', id, on: {click}}, text);
  const drop = event => forGood(event.target.closest('.mount'), 'Delete this set of edits?', () => act('remove', {set: number()}));
  const judge = button('gallery-judge', 'Judge them', () => act('judge', {set: number(), run: run()}));
  const stale = button('gallery-stale', 'Delete stale', () => act('remove', {set: number(), stale: true}));
  return {
    elements: [judge, stale, button('gallery-remove', 'Delete set', drop)],
    show(set, all) {
      stale.hidden = !set.n_stale;
      judge.hidden = !run() || all.n_judged === all.n;
    },
  };
}

/** What the judge says of all edits, a pill for each figure that is known. */
function summaryOf(all, least) {
  const pill = (text, title) => h('span.pill', {title}, text);
  const reached = `Of ${count(all.n_judged)} judged edits: the most probable class is the one aimed at`;
  return [
    all.n_judged
      ? pill(`${chance(all.reached)} reached their class`, reached)
      : pill('not judged yet', 'Train a run, or choose one that judges'),
    all.changed !== null && pill(`${chance(all.changed)} of those seen as another class before`, 'The edits that had something to change'),
    all.similarity !== null && pill(`like their source: ${all.similarity.toFixed(2)}`, 'Mean correlation of the pixels'),
    all.n_judged && pill(`${count(all.n_failing)} below ${least}`, 'Their class has less probability than the threshold'),
  ].filter(Boolean);
}

function tileOf(edit, at, found, names, onPick) {
  const words = `Sample ${edit.row} towards ${names[edit.label]}`;
  return h('button.edit-tile', {
    type: 'button', data: {edit: edit.id, row: edit.row}, title: words, 'aria-label': words, on: {click: () => onPick(edit.row)},
  },
  h('span.before-after', {}, thumbnail(found.sources, at), h('span', {'aria-hidden': 'true'}, '→'), thumbnail(found.sprite, at)),
  h('span.towards', {}, names[edit.label]), evidence({...edit, names}));
}

/** Buttons through the pages; onTurn(1 or -1). */
function createTurner(onTurn) {
  const place = h('span.num', {id: 'gallery-place'});
  const back = h('button.btn', {type: 'button', id: 'gallery-back', on: {click: () => onTurn(-1)}}, 'Previous');
  const more = h('button.btn', {type: 'button', id: 'gallery-more', on: {click: () => onTurn(1)}}, 'Next');
  return {
    element: h('div.tools', {}, place, h('span.grow'), back, more),
    show(offset, total) {
      const last = Math.min(offset + PAGE, total);
      place.textContent = total ? `${count(offset + 1)} to ${count(last)} of ${count(total)}` : 'No edit answers this.';
      back.disabled = offset === 0;
      more.disabled = offset + PAGE >= total;
    },
  };
}

const keyOf = cell => cell.classes.join('-');

/** Figures by class pair; a pair chosen here is chosen in `select`, and the other way round. */
function createCells(select, onChoose) {
  const element = h('div.scroll.cells');
  const choose = cell => { select.value = keyOf(cell) === select.value ? '' : keyOf(cell); onChoose(); };
  function rowOf(cell, name) {
    const gained = cell.after >= cell.before;
    const change = `${gained ? '+' : '−'}${Math.abs(cell.after - cell.before).toFixed(2)}`;
    const on = {click: () => choose(cell), keydown: event => { if (event.key === 'Enter') choose(cell); }};
    return h('tr', {tabindex: '0', data: {pair: keyOf(cell)}, 'aria-selected': String(keyOf(cell) === select.value), on},
      h('td', {}, name),
      h('td.number', {}, count(cell.n_pairs)),
      h('td.number', {}, cell.before.toFixed(2)),
      h('td.number', {}, cell.after.toFixed(2)),
      h('td', {class: `number ${gained ? 'good' : 'warn'}`}, change),
      h('td.number', {}, chance(cell.reached)));
  }
  return {
    element,
    show(cells, names) {
      const before = select.value;
      const nameOf = cell => cell.classes.map(label => names[label]).join(' · ');
      fillOptions(select, [['', 'all class pairs'], ...cells.map(cell => [keyOf(cell), `${nameOf(cell)} (${count(cell.n_pairs)})`])]);
      select.value = [...select.options].some(each => each.value === before) ? before : '';
      element.hidden = !cells.length;
      const heads = ['Class pair', 'Pairs', 'Distance before', 'After', 'Gained', 'Reached'];
      fill(element, table(heads, h('tbody', {}, ...cells.map(cell => rowOf(cell, nameOf(cell)))), at => at > 0));
    },
  };
}
