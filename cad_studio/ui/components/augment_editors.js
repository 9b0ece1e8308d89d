// In-domain editors: the samples each drew, epoch by epoch, and its loss.

import {h, fill, counted, empty} from './dom.js';
import {forGood} from './dialogs.js';
import {given, isActive, state} from './store.js';
import {megabytes} from './train_words.js';

const MORE = 'It learns from this dataset’s images and candidates only; a U-Net and other settings: python -m cad_studio '
  + 'edit-model --help';
const NONE = 'The sample comes with one. Train your own to see what more epochs give.';
const ENDED = ['interrupted', 'failed', 'cancelled'];

/** A list that owns its element; `onTrain(epochs)` trains one more, `act(name, value)` asks the server. */
export function createTraining({onTrain, act}) {
  const epochs = h('input.entry.number', {id: 'editor-epochs', type: 'text', inputmode: 'numeric', value: '20', style: {width: '64px'}});
  const train = () => onTrain(+epochs.value);
  const start = h('button.btn.primary.act', {type: 'button', id: 'editor-train', on: {click: train}}, 'Train an editor');
  const list = h('div.editors');
  const tools = h('div.tools', {}, h('label', {for: 'editor-epochs'}, 'Epochs'), epochs, start, h('span.quiet-text', {}, MORE));
  const element = h('section.gallery-part', {'aria-label': 'Editor training'}, tools, list);
  return {
    element,
    show(found) {
      element.classList.toggle('read-only', state.readOnly);
      const missing = found.editors.find(each => each.is_trained_here)?.missing;
      fill(list, found.models.length ? null : empty('No editor trained here', missing || NONE),
        ...found.models.map(model => editorOf(model, found.class_names, act)));
    },
  };
}

function editorOf(model, names, act) {
  const resume = ENDED.includes(model.status) && model.job
    ? h('button.btn.act', {type: 'button', on: {click: () => act('resume', {job: model.job})}}, 'Resume') : null;
  const drop = event => forGood(event.target.closest('.mount'), `Delete editor ${model.id}?`, () => act('drop', {editor: model.id}));
  const remove = isActive(model) ? null
    : h('button.quiet.act', {type: 'button', title: 'The edits made with it stay', on: {click: drop}}, 'Delete');
  return h('article.editor', {data: {editor: model.id}},
    h('div.row', {}, h('b', {}, `Editor ${model.id}`), h('span.pill', {}, model.status), h('span.grow'), resume, remove),
    h('small', {}, factsOf(model)),
    samplesOf(model, names));
}

function factsOf(model) {
  const {losses, epochs_done: done} = model;
  return [
    `${done} of ${counted(model.epochs, 'epoch')}`, `classes by ${model.belief}`, `data ${model.data_version}`,
    losses.length ? `loss ${losses[0].toFixed(3)} → ${losses[done - 1].toFixed(3)}` : '',
    model.model_bytes ? megabytes(model.model_bytes) : '',
  ].filter(Boolean).join(' · ');
}

function samplesOf(model, names) {
  const epoch = model.epochs_done - 1;
  if (epoch < 0) return h('small', {}, 'Samples appear after the first epoch.');
  const src = given(`/gradio_api/cad/augment/editors/${model.id}/samples/${epoch}.png`);
  return h('img.sample-grid', {src, alt: `Samples after epoch ${epoch + 1}, one row a class: ${names.join(', ')}`});
}
