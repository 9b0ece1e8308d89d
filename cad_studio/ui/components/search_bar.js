// Search by words or by a picture from outside: what is asked, that its model is open, and what to do without one.

import {h, fill, empty, toast, turns} from './dom.js';
import {modelDialog} from './model_dialog.js';
import {address, onJobEnd, read, state} from './store.js';

const AGAIN_MS = 400;
const NEAREST = [50, 200, 1000];
const PARTS = ['words', 'like', 'by', 'nearest'];

/** Wait until a search can be answered; `says` is told what is waited for, and '' at the end. */
export async function searchable(dataset, query, says, signal = undefined) {
  const path = `/datasets/${encodeURIComponent(dataset)}/search`;
  for (;;) {
    const found = await read(path, query, signal);
    says(found.state.says && `${found.state.says} …`);
    if (found.state.is_ready) return;
    await new Promise(done => setTimeout(done, AGAIN_MS));
    signal?.throwIfAborted();
  }
}

/** A file as the studio takes it inside JSON. */
async function encoded(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
}

/**
 * A bar that owns its element. `filter(patch)` changes what is shown; `show(about)` at another dataset,
 * `draw(filter)` at another filter, `ready(filter, signal)` resolves when its order can be read.
 */
export function createSearchBar({server, filter}) {
  const words = h('input.field', {
    type: 'search', id: 'dataset-words', placeholder: 'Search by words', 'aria-label': 'Search by words', maxlength: '200',
    title: 'Describe what is on the images, and press Enter: the most similar come first',
  });
  const file = h('input', {
    type: 'file', id: 'dataset-like', accept: 'image/*', 'aria-label': 'Picture to search by',
    on: {change: () => { take(file.files[0]); file.value = ''; }},
  });
  const drop = h('label.drop.act', {
    id: 'dataset-drop', title: 'Samples like a picture from outside: drop one here, or choose a file',
  }, 'or drop a picture', file);
  const picture = h('img.searched', {id: 'dataset-searched', alt: 'The picture that is searched by', hidden: true});
  const nearest = h('select', {
    id: 'dataset-nearest', 'aria-label': 'How many of the most similar',
    on: {change: () => filter({nearest: nearest.value || null})},
  },
    h('option', {value: ''}, 'All, by similarity'), ...NEAREST.map(n => h('option', {value: n}, `The nearest ${n}`)));
  const by = h('select', {id: 'dataset-by', 'aria-label': 'Features to search in', on: {change: () => filter({by: by.value || null})}});
  const get = h('button.btn', {
    type: 'button', id: 'dataset-get-model', title: 'A pre-trained network gives better neighbours, and search by words',
    on: {click: () => dialog.open(state.dataset, offers?.how || '')},
  }, 'Get a network to search with');
  const says = h('span.quiet-text', {id: 'dataset-search-says', role: 'status'});
  const dialog = modelDialog(server);
  const element = h('div.tools.searching', {hidden: true}, words, get, drop, picture, by, nearest, says, dialog.element);
  let offers = null;
  const turn = turns();

  words.addEventListener('keydown', event => {
    if (event.key === 'Enter') filter(words.value.trim() ? {words: words.value.trim(), like: null, by: null} : none());
  });
  words.addEventListener('search', () => { if (!words.value && state.filter.words) filter(none()); });
  drop.addEventListener('dragover', event => { event.preventDefault(); drop.classList.add('over'); });
  drop.addEventListener('dragleave', () => drop.classList.remove('over'));
  drop.addEventListener('drop', event => { event.preventDefault(); drop.classList.remove('over'); take(event.dataTransfer.files[0]); });

  const none = () => Object.fromEntries(PARTS.map(part => [part, null]));

  const turnOfPicture = turns();
  async function take(chosen) {
    if (!chosen) return;
    const isNewest = turnOfPicture();
    says.textContent = `Sending ${chosen.name} …`;
    const answer = await server.search_picture({name: state.dataset, file_name: chosen.name, content: await encoded(chosen)});
    if (!isNewest()) return;
    says.textContent = '';
    if (answer.error) toast(answer.error, 'error');
    else filter({...none(), like: answer.like, nearest: state.filter.nearest});
  }

  async function look() {
    const isNewest = turn();
    const name = state.dataset;
    const found = await read(`/datasets/${encodeURIComponent(name)}/search`).catch(() => null);
    if (!isNewest() || !found) return;
    offers = found;
    element.dataset.of = name;
    draw(state.filter);
  }

  function draw(now) {
    if (!offers) return;
    const kind = now.like ? 'pictures' : 'words';
    words.hidden = !offers.words.length;
    get.hidden = !words.hidden;
    drop.hidden = !offers.pictures.length;
    const isOn = !!(now.words || now.like);
    nearest.hidden = !isOn;
    by.hidden = !isOn || offers[kind].length < 2;
    fill(by, ...offers[kind].map((spec, at) => h('option', {value: at ? spec : ''}, spec)));
    by.value = now.by || '';
    nearest.value = now.nearest || '';
    if (words !== document.activeElement) words.value = now.words || '';
    picture.hidden = !now.like;
    if (now.like) picture.src = address(`/datasets/${encodeURIComponent(state.dataset)}/search/picture/${now.like}`);
  }

  onJobEnd(job => { if (job.kind === 'extract' && !element.hidden) look(); });

  return {
    element, draw,
    show(about) { offers = null; element.hidden = about.kind === 'features'; if (!element.hidden) look(); },
    ready: (now, signal) => (now.words || now.like
      ? searchable(state.dataset, Object.fromEntries(PARTS.map(part => [part, now[part]])), text => { says.textContent = text; }, signal)
      : Promise.resolve()),
    /** In place of samples: why the search of this address cannot be answered. */
    refused(error, body) {
      if (error.name === 'AbortError') return;
      says.textContent = '';
      fill(body, empty('This search cannot be answered', error.message, h('button.btn', {
        type: 'button', on: {click: () => filter(none())},
      }, 'Show the samples without it')));
    },
    /** What is searched for, as a word beside the filter; removes the search when clicked. */
    pill: now => (now.words || now.like
      ? h('button.pill', {type: 'button', id: 'dataset-searched-for', title: 'Remove the search', on: {click: () => filter(none())}},
        now.words ? `like “${now.words}”` : 'like a picture', h('span', {'aria-hidden': 'true'}, '×')) : null),
  };
}
