// Pre-trained networks to begin with, each with its licence and its size before anything is fetched.

import {h, fill, toast} from './dom.js';
import {refresh, state} from './store.js';

/** 346133504 -> "346 MB". */
const megabytes = bytes => `${Math.round(bytes / 1e6)} MB`;

/** A dialog that owns its element; `open(dataset, why)` says why it is needed and asks the hub. */
export function modelDialog(server) {
  const why = h('p');
  const list = h('div.body', {id: 'models-offered'});
  const element = h('dialog.sheet', {'aria-label': 'Networks to begin with', id: 'model-dialog'},
    h('h1', {}, 'Networks to begin with'),
    why, list,
    h('div.row', {}, h('button.btn', {type: 'button', on: {click: () => element.close()}}, 'Close')));

  async function extract(name, spec) {
    const answer = await server.extract_features({name, features: spec});
    if (answer.error) { toast(answer.error, 'error'); return; }
    element.close();
    toast('The network is fetched and the features are extracted; the line at the top says how far that is.');
    refresh();
  }

  function offer(name, model) {
    return h('section.panel-part', {data: {spec: model.spec}}, h('div.row', {}, h('h2.grow', {}, model.title),
      h('button.btn.primary', {type: 'button', on: {click: () => extract(name, model.spec)}},
        `Download ${megabytes(model.size_bytes)} and extract`)),
    h('p', {}, model.says), h('p.quiet-text', {}, `Licence: ${model.licence}. ${model.page}`));
  }

  return {element, async open(name, words) {
    why.textContent = words;
    fill(list, state.readOnly
      ? h('p.quiet-text', {}, 'An owner of this studio can extract them.')
      : h('p.quiet-text', {role: 'status'}, 'Asking the Hugging Face Hub …'));
    element.showModal();
    if (state.readOnly) return;
    const found = await server.hub_models({name});
    const told = found.error || found.how;
    fill(list, told ? h('p.warn', {id: 'models-how'}, told) : null, ...(found.models || []).map(model => offer(name, model)));
  }};
}
