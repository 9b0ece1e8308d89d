// Stored edits: what a run says of all of them, by class pair, and one by one, the worst first.

import {sure} from './annotate_panels.js';
import {h, fill, count, counted, empty} from './dom.js';
import {chance, evidence, titleOf} from './augment_view.js';
import {fillOptions} from './form.js';
import {load, thumbnail} from './sprite.js';
import {given, isActive, read, state, tell} from './store.js';
import {megabytes} from './train_words.js';

/** Ask before something is deleted that no undo brings back. */
async function forGood(title, run) {
  if (await sure(document.querySelector('#augment-page .mount'), title, 'It is deleted for good.', 'Delete')) run();
}

const PAGE = 60;

/** A gallery that owns its element; `act(name, value)` asks the server, `onPick(row)` opens a sample. */
export function createGallery({act, onPick}) {
  const pick = h('select', {id: 'gallery-set', 'aria-label': 'Set of edits', on: {change: () => { offset = 0; draw(); }}});
  const order = h('select', {id: 'gallery-order', 'aria-label': 'Order', on: {change: () => { offset = 0; draw(); }}});
  const classes = h('select', {id: 'gallery-classes', 'aria-label': 'Class pair', on: {change: () => { offset = 0; draw(); }}});
  const least = h('input.entry.number', {id: 'gallery-least', type: 'text', inputmode: 'decimal', value: '0.5', 'aria-label': 'Least probability of the class, 0 to 1', style: {width: '58px'}, on: {change: () => { offset = 0; draw(); }}});
  const failing = h('label.keys', {title: 'Show only edits whose class is less probable than this; a cad run with least_probability set to it leaves them out'}, h('input', {type: 'checkbox', id: 'gallery-failing', on: {change: () => { offset = 0; draw(); }}}), 'Only failing, below', least);
  const judge = h('button.btn.act', {type: 'button', id: 'gallery-judge', on: {click: () => act('judge', {set: +pick.value, run: offers.run})}}, 'Judge them');
  const stale = h('button.btn.act', {type: 'button', id: 'gallery-stale', on: {click: () => act('remove', {set: +pick.value, stale: true})}}, 'Delete stale');
  const remove = h('button.btn.act', {type: 'button', id: 'gallery-remove', on: {click: () => forGood('Delete this set of edits?', () => act('remove', {set: +pick.value}))}}, 'Delete set');
  const summary = h('div.pills', {id: 'gallery-summary'});
  const table = h('div.scroll.cells');
  const grid = h('div.gallery', {role: 'group', 'aria-label': 'Stored edits'});
  const place = h('span.num', {id: 'gallery-place'});
  const back = h('button.btn', {type: 'button', id: 'gallery-back', on: {click: () => { offset = Math.max(0, offset - PAGE); draw(); }}}, 'Previous');
  const more = h('button.btn', {type: 'button', id: 'gallery-more', on: {click: () => { offset += PAGE; draw(); }}}, 'Next');
  const nothing = h('div');
  const body = h('div.gallery-body', {}, h('div.tools', {}, pick, order, classes, failing, h('span.grow'), judge, stale, remove), summary, table, grid, h('div.tools', {}, place, h('span.grow'), back, more));
  const element = h('section.gallery-part', {'aria-label': 'Stored edits'}, nothing, body);
  let offers = null;
  let offset = 0;
  let asked = 0;

  const setName = set => `${set.id}: ${titleOf(set.editor)}${set.settings.strength === undefined ? '' : ` ${set.settings.strength}/${set.settings.guidance}`} · ${counted(set.n, 'edit')} · ${megabytes(set.bytes)}${set.n_stale ? ` · ${count(set.n_stale)} stale` : ''}`;

  async function draw() {
    const ask = ++asked;
    const set = offers?.sets.find(each => each.id === +pick.value);
    body.hidden = !set;
    fill(nothing, set ? null : empty('No stored edits yet', 'Make some on the left: start with the entangled samples. A cad run then trains on them, and uses activation maps for the rest.'));
    element.dataset.shown = set ? '' : 'nothing';
    if (!set) return;
    stale.hidden = !set.n_stale;
    let found;
    try {
      found = await read(`/augment/sets/${set.id}/gallery`, {run: offers.run, order: order.value, classes: classes.value, least: least.value, failing: failing.querySelector('input').checked ? 1 : null, offset, limit: PAGE});
      await Promise.all([load(found.sprite), load(found.sources)]);
    } catch (error) { tell(error); return; }
    if (ask !== asked) return;
    const names = offers.class_names;
    const all = found.summary;
    judge.hidden = !offers.run || all.n_judged === all.n;
    const pill = (text, hint) => h('span.pill', {title: hint}, text);
    fill(summary,
      all.n_judged ? pill(`${chance(all.reached)} reached their class`, `Of ${count(all.n_judged)} judged edits: the most probable class is the one aimed at`) : pill('not judged yet', 'Train a run, or choose one that judges'),
      all.changed !== null ? pill(`${chance(all.changed)} of those seen as another class before`, 'The edits that had something to change') : null,
      all.similarity !== null ? pill(`like their source: ${all.similarity.toFixed(2)}`, 'Mean correlation of the pixels') : null,
      all.n_judged ? pill(`${count(all.n_failing)} below ${least.value}`, 'Their class has less probability than the threshold') : null);
    drawCells(all.pairs, names);
    fill(grid, ...found.edits.map((edit, at) => h('button.edit-tile', {type: 'button', data: {edit: edit.id, row: edit.row}, title: `Sample ${edit.row} towards ${names[edit.label]}`, 'aria-label': `Sample ${edit.row} towards ${names[edit.label]}`, on: {click: () => onPick(edit.row)}},
      h('span.before-after', {}, thumbnail(found.sources, at), h('span', {'aria-hidden': 'true'}, '→'), thumbnail(found.sprite, at)), h('span.towards', {}, names[edit.label]), evidence({...edit, names}))));
    place.textContent = found.total ? `${count(offset + 1)} to ${count(Math.min(offset + PAGE, found.total))} of ${count(found.total)}` : 'No edit answers this.';
    back.disabled = offset === 0;
    more.disabled = offset + PAGE >= found.total;
    element.dataset.shown = `${set.id} ${order.value} ${offset} ${found.total}`;
  }

  function drawCells(cells, names) {
    const before = classes.value;
    fillOptions(classes, [['', 'all class pairs'], ...cells.map(cell => [cell.classes.join('-'), `${cell.classes.map(label => names[label]).join(' · ')} (${count(cell.n_pairs)})`])]);
    classes.value = [...classes.options].some(each => each.value === before) ? before : '';
    table.hidden = !cells.length;
    fill(table, h('table.runs', {}, h('thead', {}, h('tr', {}, ...['Class pair', 'Pairs', 'Distance before', 'After', 'Gained', 'Reached'].map((text, at) => h('th', {class: at ? 'number' : ''}, text)))),
      h('tbody', {}, ...cells.map(cell => h('tr', {tabindex: '0', data: {pair: cell.classes.join('-')}, 'aria-selected': String(cell.classes.join('-') === classes.value), on: {click: () => choose(cell), keydown: event => { if (event.key === 'Enter') choose(cell); }}},
        h('td', {}, cell.classes.map(label => names[label]).join(' · ')), h('td.number', {}, count(cell.n_pairs)), h('td.number', {}, cell.before.toFixed(2)), h('td.number', {}, cell.after.toFixed(2)),
        h('td.number', {class: cell.after >= cell.before ? 'number good' : 'number warn'}, `${cell.after >= cell.before ? '+' : '−'}${Math.abs(cell.after - cell.before).toFixed(2)}`), h('td.number', {}, chance(cell.reached)))))));
  }
  function choose(cell) { classes.value = cell.classes.join('-') === classes.value ? '' : cell.classes.join('-'); offset = 0; draw(); }

  return {
    element,
    /** What the server offers, with the run that judges as `run`. */
    show(found) {
      offers = found;
      fillOptions(pick, found.sets.map(set => [String(set.id), setName(set)]));
      if (!order.options.length) fillOptions(order, Object.entries(found.orders).map(([name, text]) => [name, text]));
      body.classList.toggle('read-only', state.readOnly);
      draw();
    },
  };
}

/** The sample grids an in-domain editor drew, epoch by epoch, and its loss. */
export function createTraining({onTrain, act}) {
  const epochs = h('input.entry.number', {id: 'editor-epochs', type: 'text', inputmode: 'numeric', value: '20', style: {width: '64px'}});
  const start = h('button.btn.primary.act', {type: 'button', id: 'editor-train', on: {click: () => onTrain(+epochs.value)}}, 'Train an editor');
  const list = h('div.editors');
  const element = h('section.gallery-part', {'aria-label': 'Editor training'}, h('div.tools', {}, h('label', {for: 'editor-epochs'}, 'Epochs'), epochs, start,
    h('span.quiet-text', {}, 'It learns from this dataset’s images and candidates only; a U-Net and other settings: python -m cad_studio edit-model --help')), list);
  return {
    element,
    show(found) {
      element.classList.toggle('read-only', state.readOnly);
      fill(list, found.models.length ? null : empty('No editor trained here', found.editors.find(each => each.is_trained_here)?.missing || 'The sample comes with one. Train your own to see what more epochs give.'), ...found.models.map(model => {
        const epoch = model.epochs_done - 1;
        return h('article.editor', {data: {editor: model.id}}, h('div.row', {}, h('b', {}, `Editor ${model.id}`), h('span.pill', {}, model.status), h('span.grow'),
          ['interrupted', 'failed', 'cancelled'].includes(model.status) && model.job ? h('button.btn.act', {type: 'button', on: {click: () => act('resume', {job: model.job})}}, 'Resume') : null,
          isActive(model) ? null : h('button.quiet.act', {type: 'button', title: 'The edits made with it stay', on: {click: () => forGood(`Delete editor ${model.id}?`, () => act('drop', {editor: model.id}))}}, 'Delete')),
          h('small', {}, `${model.epochs_done} of ${counted(model.epochs, 'epoch')} · classes by ${model.belief} · data ${model.data_version}${model.losses.length ? ` · loss ${model.losses[0].toFixed(3)} → ${model.losses[epoch].toFixed(3)}` : ''}${model.model_bytes ? ` · ${megabytes(model.model_bytes)}` : ''}`),
          epoch >= 0 ? h('img.sample-grid', {src: given(`/gradio_api/cad/augment/editors/${model.id}/samples/${epoch}.png`), alt: `Samples after epoch ${epoch + 1}, one row a class: ${found.class_names.join(', ')}`}) : h('small', {}, 'Samples appear after the first epoch.'));
      }));
    },
  };
}
