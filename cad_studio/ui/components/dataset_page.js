// The Dataset page: what a dataset holds, its samples behind every figure, one of them large.

import {h, fill, counted, empty, toast} from './dom.js';
import {createChecked, createFacts} from './dataset_facts.js';
import {splitDialog, votesDialog} from './dataset_division.js';
import {tagDialog} from './dataset_fields.js';
import {reportOf} from './dataset_reports.js';
import {createImportForm} from './import_form.js';
import {createJobForm} from './job_form.js';
import {createSamples, filterName} from './dataset_samples.js';
import {createSide} from './dataset_side.js';
import {sure} from './dialogs.js';
import {createInstancePanel} from './instance.js';
import {annotate, bindKeys, change, current, isActive, on, onJobEnd, openDrawer, read, refresh, state, tell} from './store.js';
import {nextStep} from './steps.js';

const FORMATS = 'Import your own: a Hugging Face dataset, an image folder, annotator votes, IDX, NumPy or MATLAB files.';

/** Change parts of the filter, or take all of it away; the first page is shown. */
function filter(patch) {
  const wanted = patch === null ? {} : {...state.filter, ...patch};
  const kept = Object.entries(wanted).filter(([, value]) => value && value.length !== 0);
  change({filter: Object.fromEntries(kept), sheet: 0});
}

const button = (id, text, click, more = {}) => h('button.btn.act', {type: 'button', id, ...more, on: {click}}, text);

/** The dialogs that divide, tag, or make sets again; `again()` reads anew what they changed. */
function createEditing(server, about, again) {
  const who = () => state.login || localStorage.getItem('cad-annotator') || 'me';
  const ask = (what, wanted) => server[what]({name: state.dataset, who: who(), ...wanted});

  async function undo() {
    const undone = await ask('undo', {});
    toast(undone.error || 'Taken back.', undone.error ? 'error' : 'note');
    again();
  }

  /** Do something that can be undone; what is shown is read anew. */
  async function doAnd(what, wanted, words) {
    const answer = await ask(what, wanted);
    if (answer.error) return answer;
    toast(words(answer), 'note', what !== 'make_sets');  // what can be taken back waits for it
    const back = h('button.quiet', {type: 'button', id: 'dataset-undo', on: {click: undo}}, 'Undo');
    if (what !== 'make_sets') document.querySelector('.cad-toast').lastChild.before(back);
    again();
    return answer;
  }

  return {
    division: splitDialog(() => ({about: about()}), config => ask('preview_split', {config}),
      config => doAnd('split', {config}, answer => `${counted(answer.changed, 'sample')} came into another split.`)),
    votes: votesDialog(threshold => ask('preview_votes', {threshold}),
      threshold =>
        doAnd('make_sets', {threshold}, answer => `${counted(answer.changed, 'set')} made again; this is v${answer.version_number}.`)),
    tagging: tagDialog(wanted => doAnd('tag', {...wanted, filter: state.filter},
      answer => `${counted(answer.changed, 'sample')} ${wanted.off ? 'lost' : 'got'} the tag.`)),
  };
}

/** What can be done with the dataset, and with the samples of the filter. */
function createTools({samples, editing, about}) {
  const votes = button('dataset-votes-open', 'Sets from votes', () => editing.votes.open(),
    {hidden: true, title: 'Make the candidate sets again from the votes'});
  const fix = button('dataset-annotate', 'Annotate these', () => annotate({filter: state.filter, source: 'filter', title: filterName()}),
    {title: 'Decide the samples of this filter on the Annotate page'});
  const tag = button('dataset-tag', 'Tag these', () => editing.tagging.open(samples.total(), about().tags),
    {title: 'Put a tag on the samples of this filter, or take it off'});
  const bring = h('button.btn.primary.act', {
    type: 'button', id: 'dataset-import-open', on: {click: () => openDrawer('dataset-import')},
  }, 'Import data');
  return {
    elements: [
      h('div.tools', {}, ...samples.head, h('span.grow'),
        button('dataset-split-open', 'Split', () => editing.division.open()), votes,
        button('dataset-export-open', 'Export', () => openDrawer('dataset-export')),
        button('dataset-synthesize-open', 'Synthesize sets', () => openDrawer('dataset-synthesize')), bring),
      h('div.tools.filters', {}, ...samples.pickers, fix, tag, samples.turner),
    ],
    show(found) { votes.hidden = !found.votes; },
    /** What is done to the samples of the filter needs one. */
    mark() { fix.disabled = tag.disabled = !samples.total(); },
  };
}

/** Reports of what has ended, and in that of an import what follows it. */
function createReports() {
  const element = h('div.reports');
  function drawNext() {
    const place = element.querySelector('.next-of-import');
    const step = place && place.dataset.name === state.dataset ? nextStep('dataset') : null;
    if (place) fill(place, step?.run
      ? h('button.btn.primary', {type: 'button', id: 'import-next', on: {click: step.run}}, step.title)
      : null);
  }
  onJobEnd(job => {
    const report = reportOf(job, () => element);
    if (!report) return;
    fill(element, report);
    drawNext();
  });
  on('standing jobs', drawNext);
  on('dataset', () => { if (element.firstChild && element.firstChild.dataset.name !== state.dataset) element.replaceChildren(); });
  return element;
}

/** What is there instead of a dataset. */
function nothingYet() {
  const preparing = state.jobs.find(job => job.kind === 'open-sample' && isActive(job));
  if (preparing) return empty('Opening the sample', `${preparing.message}. This takes a few seconds, once.`);
  return empty('This project holds no dataset', FORMATS,
    h('button.btn.primary', {type: 'button', on: {click: () => openDrawer('dataset-import')}}, 'Import data'));
}

/** What is done to the whole dataset or project. */
function createActs(server, about, mount) {
  const told = (answer, words) => { if (answer.error) toast(answer.error, 'error'); else if (words) toast(words); refresh(); };
  return {
    onCheck: async () => told(await server.check({})),
    onRemove: async () => {
      const {name} = about();
      const text = 'Its versions, pairs and runs go with it. The files it was imported from stay.';
      if (await sure(mount, `Remove ${name} from this project?`, text, 'Remove')) told(await server.remove({name}), `${name} is removed.`);
    },
  };
}

/** The forms that bring data, make its sets, or make a file of it. */
function createForms(server) {
  createImportForm((what, values) => server[what](values));
  const ofThis = what => fields => {
    const asked = {name: state.dataset, fields};
    return () => server[what](asked);
  };
  createJobForm({
    id: 'dataset-synthesize', name: 'synthesize', title: () => `Synthesize candidate sets of ${state.dataset}`, button: 'Synthesize',
    start: ofThis('synthesize'),
    says: "An annotator network learns the true labels; what it confuses on an image joins that image's set. Makes a new version of "
      + 'the dataset.',
  });
  createJobForm({
    id: 'dataset-export', name: 'export', title: () => `Export ${state.dataset}`, button: 'Make the file', start: ofThis('export'),
    says: 'The current candidate sets, without loss: importing the file brings them back. CSV holds the sets alone; Parquet and npz '
      + 'hold the images or vectors too.',
  });
}

export function mount({element, server}) {
  let about = null, key = '';
  const place = element.querySelector('.mount');
  createForms(server);
  const samples = createSamples({server, filter, onShown: now => { tools.mark(); page.dataset.shown = now; }});
  const side = createSide(filter);
  const facts = createFacts(createActs(server, () => about, place));
  const checked = createChecked();
  const editing = createEditing(server, () => about, () => { samples.forget(); refresh(); drawDataset(); });
  const tools = createTools({samples, editing, about: () => about});
  const instance = createInstancePanel({onClose: () => change({instance: null}), onStep: samples.step});
  const parts = [tools.elements[0], createReports(), tools.elements[1], samples.search, samples.body];
  const main = h('section.main', {}, ...parts);
  const page = h('div.page.dataset-page', {},
    h('aside.side', {}, facts.element, checked.element, ...side.elements),
    main, instance.element);
  fill(place, page, ...Object.values(editing).map(each => each.element));

  async function drawDataset() {
    const data = current();
    samples.show(null);
    page.classList.toggle('bare', !data);
    if (!data) {
      about = null;
      fill(main, nothingYet());
      return;
    }
    try {
      const {name} = data;
      samples.begin();
      const [found, matrix] = await Promise.all([
        read(`/datasets/${encodeURIComponent(name)}`), read(`/datasets/${encodeURIComponent(name)}/co-occurrence`),
      ]);
      if (state.dataset !== name) return;
      if (!main.contains(samples.body)) fill(main, ...parts);
      about = found;
      facts.show(about);
      side.show(about, matrix);
      tools.show(about);
      samples.show(about);
      await samples.draw();
      if (state.instance !== null) drawInstance();
    } catch (error) { tell(error); }
  }

  function drawInstance() {
    samples.select(state.instance);
    const data = current();
    if (state.instance === null || !about || !data) instance.hide();
    else instance.show(data.name, data.version, state.instance, about.class_names);
  }

  function drawIfOther() {
    const data = current();
    const now = data ? `${data.name} ${data.version} ${data.changes}` : `none ${state.jobs.map(job => job.status + job.message).join()}`;
    if (now === key) return;
    key = now;
    drawDataset();
  }

  const close = () => page.classList.toggle('read-only', state.readOnly);
  bindKeys(page, {'[': () => samples.goTo(state.sheet - 1), ']': () => samples.goTo(state.sheet + 1)});
  on('jobs', checked.draw);
  on('filter', () => { if (about) { side.mark(); samples.draw(); } });
  on('sheet', changed => { if (about && !changed.includes('filter')) samples.draw(); });
  on('instance', drawInstance);
  on('dataset datasets jobs started', drawIfOther);
  on('readOnly started', close);
  close();
  if (state.ready) { key = ''; drawDataset(); }
}
