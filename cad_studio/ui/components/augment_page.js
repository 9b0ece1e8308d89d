// The Augmentations page: a sample or a pair, what each augmentation makes of it, and stored edits.

import {h, fill, empty, toast, turns} from './dom.js';
import {createAugmentForm} from './augment_form.js';
import {createTraining} from './augment_editors.js';
import {createGallery} from './augment_gallery.js';
import {createPrompts} from './augment_prompts.js';
import {createSampleView, learnTitles, missingNotes, pairLine} from './augment_view.js';
import {createSwitch} from './form.js';
import {olderWords} from './versions.js';
import {bindKeys, change, current, on, onJobEnd, open, read, refresh, state, tell} from './store.js';

const KINDS = ['augment', 'edit-model', 'judge-edits'];

export function mount({element, server}) {
  async function ask(name, value) {
    const answer = await server[name](value);
    if (answer.error) throw new Error(answer.error);
    refresh();
    return answer;
  }
  async function act(name, value) {
    try {
      await ask(name, value);
      if (['remove', 'drop'].includes(name)) toast('Deleted.');
      if (['remove', 'drop', 'resume', 'train'].includes(name)) await loadOffers();
    } catch (error) { tell(error); }
  }

  const form = createAugmentForm({
    ask, onLook: withEdits => (withEdits === null ? paint() : look(withEdits)), onRun: () => { look(true); drawBelow(); },
  });
  const gallery = createGallery({act, onPick: row => show(String(row))});
  const training = createTraining({onTrain: epochs => act('train', {dataset: state.dataset, config: {epochs}}), act});
  const prompts = createPrompts({ask, onSaved: () => loadOffers()});
  const title = h('h1', {id: 'augment-title', 'aria-live': 'polite'});
  const where = h('div.pills');
  const first = createSampleView({});
  const views = [
    createSampleView({letter: 'A', onGuide: label => guide(0, label)}),
    createSampleView({letter: 'B', onGuide: label => guide(1, label)}),
  ];
  const pair = h('div');
  const notes = h('div');
  const stage = h('div.augment-stage');
  const below = h('div.augment-below');
  const parts = {edits: gallery.element, prompts: prompts.element, editors: training.element};
  const tabs = createSwitch('Below',
    [
      ['edits', 'Stored edits', 'augment-tab-edits'], ['prompts', 'Prompts', 'augment-tab-prompts'],
      ['editors', 'Editors', 'augment-tab-editors'],
    ],
    name => { tab = name; drawBelow(); });
  const button = (id, text, key, run) => h('button.btn', {type: 'button', id, on: {click: run}}, text, key ? h('kbd', {}, key) : null);
  const goto = h('input.entry.number', {
    id: 'augment-goto', type: 'text', inputmode: 'numeric', 'aria-label': 'Row of a sample, or two rows such as 3-14',
    placeholder: 'row or 3-14', style: {width: '92px'},
    on: {keydown: event => { if (event.key === 'Enter') show(goto.value.trim()); }},
  });
  const tools = h('div.tools', {},
    title, where, h('span.grow'), goto,
    button('augment-previous', 'Previous', 'k', () => step(-1)),
    button('augment-next', 'Next', 'j', () => step(1)));
  const main = h('section.main', {}, tools, stage, tabs.element, below);
  const page = h('div.page.train-page.augment-page', {}, form.element, main);
  fill(element.querySelector('.mount'), page);
  form.element.inert = true;  // until it is known what can be done

  let offers = null;
  let looked = null;
  let guides = null;
  let tab = 'edits';
  let pairs = null;
  const turn = turns();
  let stop = null;

  /** @template {string} Part @param {Part} part @returns {`/augment/${string}/${Part}`} */
  const path = part => `/augment/${encodeURIComponent(state.dataset)}/${part}`;
  const rows = () => (state.augment || '').split('-').filter(Boolean).map(Number);
  const ways = () => ['cam', ...(offers?.editors || []).map(each => each.name)];

  /** Look at a row, "12", or at a pair, "12-40". */
  function show(what) {
    if (!/^\d{1,15}(-\d{1,15})?$/.test(what)) {
      toast(`"${what.slice(0, 40)}" is not a row, such as 12, or two, such as 3-14.`, 'error');
      return;
    }
    guides = null;
    change({augment: what});
  }

  async function loadOffers() {
    const data = current();
    if (!data) {
      form.element.hidden = true;
      fill(stage, empty('Augmentations need a dataset', 'Import one on the Dataset page.',
        h('button.btn.primary', {type: 'button', on: {click: () => open('dataset')}}, 'Go to Dataset')));
      page.dataset.shown = 'nothing';
      return;
    }
    form.element.hidden = false;
    try {
      const found = await read(path('offers'));
      if (state.dataset !== data.name) return;
      offers = found;
      learnTitles(Object.fromEntries(found.editors.map(({name, title}) => [name, title])));
      form.show(found, rows);
      form.element.inert = false;
      if (!found.has_images) {
        fill(stage, empty(`${data.name} holds feature vectors`,
          'Class-specific augmentations need images. Choose a dataset of images in the header.'));
        page.dataset.shown = 'nothing';
        return;
      }
      drawBelow();
      if (!state.augment) await choose();
      else await look(true);
    } catch (error) { tell(error); }
  }

  /** Nothing is asked for: the pair or sample chosen on another page, or else the closest pair. */
  async function choose() {
    if (state.pair) { show(state.pair); return; }
    if (state.instance !== null) { show(String(state.instance)); return; }
    const list = await closest();
    show(list.length ? list[0] : '0');
  }

  async function closest() {
    if (pairs?.dataset === state.dataset && pairs.version === current()?.version) return pairs.list;
    const name = encodeURIComponent(state.dataset);
    const {minings} = await read(`/datasets/${name}/minings`);
    const found = minings.length ? await read(`/datasets/${name}/minings/${minings[0].id}/pairs`, {limit: 250}) : {pairs: []};
    pairs = {dataset: state.dataset, version: current()?.version, list: found.pairs.map(each => `${each.i}-${each.j}`)};
    return pairs.list;
  }

  async function step(by) {
    try {
      const numbers = rows();
      if (numbers.length === 1) { const next = numbers[0] + by; if (next >= 0 && next < current().n) show(String(next)); return; }
      const list = await closest();
      const at = list.indexOf(state.augment);
      const next = list[at < 0 ? 0 : at + by];
      if (next) show(next);
    } catch (error) { tell(error); }
  }

  async function look(withEdits) {
    const numbers = rows();
    if (!offers?.has_images || !numbers.length) return;
    const isNewest = turn();
    stop?.abort();
    stop = new AbortController();
    try {
      const found = await read(path('look'), {
        ...form.values(), rows: numbers.join(), guides: guides?.every(each => each !== null) ? guides.join() : undefined,
        edits: withEdits ? 1 : 0,
      }, stop.signal);
      if (!isNewest()) return;
      if (!withEdits && looked && looked.samples.every((sample, at) => sample.row === found.samples[at]?.row)) keepEdits(found);
      else if (!withEdits) { look(true); return; }
      looked = found;
      paint();
    } catch (error) {
      if (error.name === 'AbortError') return;
      tell(error);
      if (!looked) {
        fill(stage, empty('Nothing to show', error.message,
          h('button.btn', {type: 'button', on: {click: () => show('0')}}, 'Show the first sample')));
      }
      page.dataset.shown = 'nothing';
    }
  }

  /** Only the maps were asked for: the edits that are shown stay. */
  function keepEdits(found) {
    found.samples.forEach((sample, at) => { sample.views = {...looked.samples[at].views, ...sample.views}; });
    found.missing = looked.missing;
    if (found.pair && looked.pair) found.pair.after = {...looked.pair.after, ...found.pair.after};
  }

  function guide(at, label) {
    guides = [...looked.pair.guides];
    guides[at] = label;
    look(true);
  }

  function paint() {
    if (!looked) return;
    const names = offers.class_names;
    const {samples, missing} = looked;
    if (!looked.run) missing.cam = looked.judge;
    const heat = form.heat.checked;
    const makers = state.readOnly ? [] : offers.editors.filter(each => each.uses_text).map(each => each.name);
    fill(notes, missingNotes(missing, ways(), makers, form.makeShown));
    if (samples.length === 1) {
      first.show(samples[0], {names, heat, ways: ways()});
      if (stage.firstChild !== first.element) fill(stage, first.element, notes);
      title.textContent = `What speaks for each candidate of ${samples[0].id}?`;
    } else {
      samples.forEach((sample, at) => views[at].show(sample, {names, heat, ways: ways(), guide: looked.pair?.guides[at] ?? null}));
      fill(pair, pairLine(looked.pair, names, ways()));
      if (stage.firstChild !== views[0].element) fill(stage, views[0].element, pair, views[1].element, notes);
      title.textContent = looked.pair?.guides.every(each => each !== null)
        ? `Do the edits separate ${names[looked.pair.guides[0]]} from ${names[looked.pair.guides[1]]}?`
        : 'Do the edits separate the two?';
    }
    fill(where,
      h('span.pill', {id: 'augment-judge', title: 'The run whose maps and evidence are shown'},
        looked.run ? `judged by ${looked.judge}` : 'no run judges yet'),
      current()?.changes ? h('span.pill.warn', {title: 'What is shown here'}, `sets ${olderWords(current().version_number)}`) : null,
      looked.run ? null : h('button.pill', {type: 'button', on: {click: () => open('train')}}, 'Train one'));
    goto.value = state.augment;
    page.dataset.shown = `${state.augment} ${form.values().epsilon} ${form.values().strength} ${looked.ms}`;
  }

  function drawBelow() {
    if (!offers) return;
    const shown = parts[tab];
    if (below.firstChild !== shown) fill(below, shown);
    if (tab === 'edits') gallery.show({...offers, run: form.run()});
    if (tab === 'prompts') prompts.load();
    if (tab === 'editors') training.show(offers);
    page.classList.toggle('read-only', state.readOnly);
  }

  on('augment', () => { if (offers && state.augment) { looked = rows().length === looked?.samples.length ? looked : null; look(true); } });
  on('jobs', () => form.follow());
  let key = '';
  const isSeen = () => page.offsetParent !== null;
  function renew() {
    const data = current();
    const now = data ? `${data.name} ${data.version} ${data.changes} ${state.readOnly}` : 'none';
    if (now === key || !isSeen()) return;
    if (key && !key.startsWith(`${data?.name} `)) { looked = null; guides = null; }
    key = now;
    loadOffers();
  }
  on('dataset datasets started readOnly', () => { if (state.ready) renew(); });
  onJobEnd(job => {
    if ([...KINDS, 'train', 'mine', 'open-sample'].includes(job.kind) && isSeen()) loadOffers();
    else if (job.kind === 'train') key = '';
  });
  new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting || !state.ready) return;
    key = '';
    renew();
  }).observe(element);
  bindKeys(page, {j: () => step(1), k: () => step(-1), h: () => { form.heat.checked = !form.heat.checked; paint(); }});
  fill(stage, empty('Loading what each augmentation makes...', ''));
  if (state.ready) renew();
}
