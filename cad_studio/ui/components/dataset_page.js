// The Dataset page: what a dataset holds, its samples behind every figure, one of them large.

import {h, fill, count, counted, debounced, empty, percent, toast} from './dom.js';
import {createBars} from './bars.js';
import {conditionText, createFieldFilter, tagDialog} from './dataset_fields.js';
import {splitDialog, votesDialog} from './dataset_division.js';
import {createDistractors} from './distractors.js';
import {createGrid} from './grid.js';
import {createInstancePanel} from './instance.js';
import {createMatrix} from './matrix.js';
import {createSearchBar} from './search_bar.js';
import {load} from './sprite.js';
import {sure} from './annotate_panels.js';
import {address, annotate, bindKeys, change, current, isActive, on, onJobEnd, openDrawer, read, refresh, state, tell} from './store.js';
import {nextStep} from './steps.js';
import {olderWords, openChanges, versionWords} from './versions.js';

const PAGE = 200;

export function mount({element, server}) {
  const side = h('aside.side', {});
  const facts = h('section.panel-part');
  const sizes = createBars('Number of candidates', label => filter({size: state.filter.size === label ? null : label}));
  const both = createMatrix('Candidates held together', (a, b) => {
    const names = about.class_names;
    filter({holds: a === b ? [names[a]] : [names[a], names[b]]});
  });
  const checked = h('section.panel-part', {id: 'project-checked', 'aria-live': 'polite', hidden: true});
  const distractors = createDistractors((name, other) => filter({holds: [name, other]}));
  const mistaken = createMatrix('Mistaken for', (a, b) => {
    const names = about.class_names;
    filter({holds: a === b ? [names[a]] : [names[a], names[b]]});
  });
  mistaken.element.append(h('p.quiet-text', {id: 'dataset-mistaken-about'}, 'By the sets alone, no true label used. Row: the true class; column: the share of its sets that hold the other class too, estimated. Where that is near 100 %, only the few sets without the other class tell the two apart.'));
  both.element.id = 'dataset-together';
  mistaken.element.id = 'dataset-mistaken';
  side.append(facts, checked, sizes.element, both.element, distractors.element, mistaken.element);

  const search = h('input.field', {type: 'search', id: 'dataset-search', placeholder: 'Search ids', 'aria-label': 'Search ids'});
  const classPick = h('select', {id: 'dataset-class', 'aria-label': 'Holds class'});
  const splitPick = h('select', {id: 'dataset-split', 'aria-label': 'Split'});
  const sizePick = h('select', {id: 'dataset-size', 'aria-label': 'Number of candidates'});
  const total = h('h1', {id: 'dataset-total', 'aria-live': 'polite'});
  const clear = h('button.quiet', {type: 'button', id: 'dataset-clear', on: {click: () => filter(null)}}, 'Clear filter');
  const previous = h('button.btn', {type: 'button', id: 'dataset-previous', on: {click: () => turn(-1)}}, h('kbd', {}, '['), 'Previous');
  const next = h('button.btn', {type: 'button', id: 'dataset-next', on: {click: () => turn(1)}}, 'Next', h('kbd', {}, ']'));
  const place = h('span.num');
  const jump = h('input.field.number', {type: 'text', inputmode: 'numeric', id: 'dataset-sheet', 'aria-label': 'Page', title: 'Go to a page', on: {change: jumpTo}});
  const sheets = h('span.num');
  const act = (id, text, drawer) => h('button.btn.act', {type: 'button', id, on: {click: () => openDrawer(drawer)}}, text);
  const tools = h('div.tools', {}, total, h('div.pills'), clear, h('span.grow'),
    h('button.btn.act', {type: 'button', id: 'dataset-split-open', on: {click: () => division.open()}}, 'Split'),
    h('button.btn.act', {type: 'button', id: 'dataset-votes-open', hidden: true, title: 'Make the candidate sets again from the votes', on: {click: () => fromVotes.open()}}, 'Sets from votes'),
    act('dataset-export-open', 'Export', 'dataset-export'), act('dataset-synthesize-open', 'Synthesize sets', 'dataset-synthesize'),
    h('button.btn.primary.act', {type: 'button', id: 'dataset-import-open', on: {click: () => openDrawer('dataset-import')}}, 'Import data'));
  const fix = h('button.btn.act', {type: 'button', id: 'dataset-annotate', title: 'Decide the samples of this filter on the Annotate page', on: {click: () => annotate({filter: state.filter, source: 'filter', title: filterName()})}}, 'Annotate these');
  const tagThese = h('button.btn.act', {type: 'button', id: 'dataset-tag', title: 'Put a tag on the samples of this filter, or take it off', on: {click: () => tagging.open(shown ? shown.total : 0, about.tags)}}, 'Tag these');
  const fieldFilter = createFieldFilter(condition => { filter({where: [...new Set([...(state.filter.where || []), condition])]}); fieldFilter.reset(); });
  const filterName = () => [...(state.filter.holds || []), ...(state.filter.where || []).map(conditionText), state.filter.size ? `${state.filter.size} candidates` : '', state.filter.split || '', state.filter.text || '', state.filter.words || (state.filter.like ? 'like a picture' : '')].filter(Boolean).join(', ') || 'All samples';
  const filters = h('div.tools.filters', {}, search, classPick, sizePick, splitPick, fieldFilter.element, fix, tagThese, h('span.grow'), place, previous, h('label.row.jump', {}, 'Page', jump, sheets), next);
  const searching = createSearchBar({server, filter: patch => filter(patch)});
  const grid = createGrid(row => change({instance: row}));
  const report = h('div.reports');
  const body = h('div.scroll', {}, grid.element);
  const main = h('section.main', {}, tools, report, filters, searching.element, body);
  const instance = createInstancePanel({onClose: () => change({instance: null}), onStep: step});
  const page = h('div.page.dataset-page', {}, side, main, instance.element);
  const who = () => state.login || localStorage.getItem('cad-annotator') || 'me';
  const ask = (what, wanted) => server[what]({name: state.dataset, who: who(), ...wanted});
  /** Do something that can be undone; what is shown is read anew. */
  async function doAnd(what, wanted, words) {
    const answer = await ask(what, wanted);
    if (answer.error) return answer;
    toast(words(answer));
    if (what !== 'make_sets') document.querySelector('.cad-toast').lastChild.before(h('button.quiet', {type: 'button', id: 'dataset-undo', on: {click: async () => { const undone = await ask('undo', {}); toast(undone.error || 'Taken back.', undone.error ? 'error' : 'note'); again(); }}}, 'Undo'));
    again();
    return answer;
  }
  function again() { ahead = new Map(); refresh(); drawDataset(); }
  const division = splitDialog(() => ({about}), config => ask('preview_split', {config}), config => doAnd('split', {config}, answer => `${counted(answer.changed, 'sample')} came into another split.`));
  const fromVotes = votesDialog(threshold => ask('preview_votes', {threshold}), threshold => doAnd('make_sets', {threshold}, answer => `${counted(answer.changed, 'set')} made again; this is v${answer.version_number}.`));
  const tagging = tagDialog(wanted => doAnd('tag', {...wanted, filter: state.filter}, answer => `${counted(answer.changed, 'sample')} ${wanted.off ? 'lost' : 'got'} the tag.`));
  fill(element.querySelector('.mount'), page, division.element, fromVotes.element, tagging.element);

  let about = null;
  const offset = () => state.sheet * PAGE;
  let shown = null;
  let stop = null;
  let ahead = new Map();

  const path = () => `/datasets/${encodeURIComponent(state.dataset)}`;
  const query = at => ({...state.filter, offset: at, limit: PAGE});

  function filter(patch) {
    const wanted = patch === null ? {} : {...state.filter, ...patch};
    change({filter: Object.fromEntries(Object.entries(wanted).filter(([, value]) => value && value.length !== 0)), sheet: 0});
  }

  async function fetchPage(at, signal) {
    const key = JSON.stringify([state.dataset, about?.version, state.filter, at]);
    if (!ahead.has(key)) {
      await searching.ready(state.filter, signal);
      const found = await read(path() + '/rows', query(at), signal);
      await load(found.sprite);
      ahead.set(key, found);
      if (ahead.size > 6) ahead.delete(ahead.keys().next().value);
    }
    return ahead.get(key);
  }

  async function drawRows() {
    if (!about) return;
    stop?.abort();
    stop = new AbortController();
    const {signal} = stop;
    try {
      const found = await fetchPage(offset(), signal);
      if (signal.aborted) return;
      if (!found.rows.length && found.total) { change({sheet: 0}); return; }  // the address names a page beyond the last
      shown = found;
      if (found.total) { grid.show(found, about.class_names); fill(body, grid.element); }
      else fill(body, empty('No samples match', 'Loosen the filter, or start from all samples again.',
        h('button.btn', {type: 'button', on: {click: () => filter(null)}}, 'Clear filter')));
      body.scrollTop = 0;
      grid.select(state.instance);
      drawTools();
      page.dataset.shown = `${state.dataset}:${about.version}:${JSON.stringify(state.filter)}:${offset()}`;
      if (offset() + PAGE < found.total) fetchPage(offset() + PAGE).catch(() => {});
    } catch (error) {
      tell(error);
      if (state.filter.words || state.filter.like) searching.refused(error, body);
    }
  }

  function drawTools() {
    const any = Object.values(state.filter).some(value => value && (!Array.isArray(value) || value.length));
    total.textContent = any ? `${count(shown.total)} of ${count(about.n)} samples` : counted(about.n, 'sample');
    clear.hidden = !any;
    const last = Math.min(offset() + PAGE, shown.total);
    place.textContent = shown.total ? `${count(offset() + 1)} to ${count(last)}` : '';
    previous.disabled = state.sheet === 0;
    jump.value = state.sheet + 1;
    sheets.textContent = `of ${count(Math.max(1, Math.ceil(shown.total / PAGE)))}`;
    next.disabled = last >= shown.total;
    const pills = tools.querySelector('.pills');
    const since = state.filter.since;
    searching.draw(state.filter);
    fill(pills, searching.pill(state.filter), since ? h('button.pill', {type: 'button', title: 'Remove from the filter', on: {click: () => filter({since: null})}}, `changed since v${since}`, h('span', {'aria-hidden': 'true'}, '×')) : null,
      ...(state.filter.holds || []).map(name => h('button.pill', {type: 'button', title: 'Remove from the filter',
      on: {click: () => filter({holds: state.filter.holds.filter(each => each !== name)})}}, `holds ${name}`, h('span', {'aria-hidden': 'true'}, '×'))),
      ...(state.filter.where || []).map(condition => h('button.pill', {type: 'button', title: 'Remove from the filter', data: {where: condition},
        on: {click: () => filter({where: state.filter.where.filter(each => each !== condition)})}}, conditionText(condition), h('span', {'aria-hidden': 'true'}, '×'))));
    if (search !== document.activeElement) search.value = state.filter.text || '';
    classPick.value = state.filter.holds?.length === 1 ? state.filter.holds[0] : '';
    sizePick.value = state.filter.size || '';
    splitPick.value = state.filter.split || '';
  }

  function turn(step) {
    goTo(state.sheet + step);
  }

  function goTo(sheet) {
    if (shown && sheet >= 0 && sheet * PAGE < shown.total) change({sheet});
  }

  /** The page that was typed, or the nearest there is. */
  function jumpTo() {
    const last = Math.max(0, Math.ceil((shown?.total || 0) / PAGE) - 1);
    const wanted = Math.min(last, Math.max(0, (parseInt(jump.value, 10) || 1) - 1));
    jump.value = wanted + 1;
    goTo(wanted);
  }

  async function step(by) {
    if (!shown) return false;
    const at = shown.rows.indexOf(state.instance) + by;
    if (at >= 0 && at < shown.rows.length) { change({instance: shown.rows[at]}); return true; }
    const target = offset() + by * PAGE;
    if (target < 0 || target >= shown.total) return false;
    state.sheet += by;
    await drawRows();
    change({instance: shown.rows[by > 0 ? 0 : shown.rows.length - 1]});
    return true;
  }

  function options(select, first, values, label = value => value) {
    fill(select, h('option', {value: ''}, first), ...values.map(value => h('option', {value}, label(value))));
  }

  async function drawDataset() {
    const data = current();
    shown = null;
    if (!data) {
      about = null;
      const preparing = state.jobs.find(job => job.kind === 'open-sample' && isActive(job));
      page.classList.add('bare');
      fill(main, preparing
        ? empty('Opening the sample', `${preparing.message}. This takes a few seconds, once.`)
        : empty('This project holds no dataset', 'Import your own: a Hugging Face dataset, an image folder, annotator votes, IDX, NumPy or MATLAB files.',
          h('button.btn.primary', {type: 'button', on: {click: () => openDrawer('dataset-import')}}, 'Import data')));
      return;
    }
    try {
      const name = data.name;
      const [found, matrix] = await Promise.all([read(`/datasets/${encodeURIComponent(name)}`), read(`/datasets/${encodeURIComponent(name)}/co-occurrence`)]);
      if (state.dataset !== name) return;
      if (!main.contains(body)) fill(main, tools, report, filters, searching.element, body);
      page.classList.remove('bare');
      about = found;
      drawFacts();
      drawSizes();
      distractors.show(about);
      lastMatrix = {...matrix, label: matrix.classes.length < matrix.n_classes ? `${matrix.classes.length} of ${matrix.n_classes}` : ''};
      drawMatrix();
      drawMistaken(name, found.version);
      fieldFilter.show(about);
      searching.show(about);
      tools.querySelector('#dataset-votes-open').hidden = !about.votes;
      options(classPick, 'Any class', about.class_names);
      options(splitPick, 'All splits', Object.keys(about.splits), split => `${split} · ${count(about.splits[split])}`);
      const used = about.size_histogram.map((value, size) => [size, value]).filter(([, value]) => value);
      options(sizePick, 'Any set size', used.map(([size]) => size), size => `${counted(size, 'candidate')} · ${count(about.size_histogram[size])}`);
      await drawRows();
      if (state.instance !== null) drawInstance();
    } catch (error) { tell(error); }
  }
  let lastMatrix = null;
  const drawMatrix = () => { if (lastMatrix) both.show({...lastMatrix, names: about.class_names, noun: 'samples hold both', selected: selectedCell()}); };

  let table = null;
  /** The set model; with many classes it takes seconds, so everything else is drawn before it. */
  async function drawMistaken(name, version) {
    table = null;
    mistaken.element.hidden = true;
    try {
      const found = await read(`/datasets/${encodeURIComponent(name)}/set-model`);
      if (state.dataset !== name || about?.version !== version) return;
      table = {...found, counts: found.table, label: found.classes.length < found.n_classes ? `${found.classes.length} of ${found.n_classes}` : 'per cent of the row'};
      mistaken.element.hidden = false;
      showMistaken();
    } catch (error) { tell(error); }
  }
  function showMistaken() {
    const names = about.class_names;
    if (table) mistaken.show({...table, names, diagonal: false, selected: selectedCell(), format: value => (value < 0.005 ? '' : String(Math.round(100 * value))),
      words: (a, b, value) => `${names[b]} in ${percent(value)} of the sets of ${names[a]} (estimated)`});
  }

  function selectedCell() {
    const at = (state.filter.holds || []).map(name => about.class_names.indexOf(name));
    return at.length === 2 ? at : at.length === 1 ? [at[0], at[0]] : null;
  }

  function drawFacts() {
    const line = (name, value, title) => h('div.fact', {title}, h('span', {}, name), h('b', {}, value));
    const inside = about.truth_known ? percent(about.truth_in_candidates / about.truth_known) : null;
    const made = about.made_by === 'synthesize'
      ? `synthesized: rate ${about.made_with.rate}, seed ${about.made_with.seed}, annotator ${about.made_with.annotator} at ${percent(about.made_with.annotator_accuracy)}${about.made_with.calibration ? `, found for a mean size of ${about.made_with.calibration.mean_size}` : ''}`
      : about.made_by === 'votes' ? `from votes, threshold ${+(100 * about.made_with.threshold).toFixed(1)} %` : `imported from ${about.source.split('/').pop()}`;
    const shape = about.image_size ? `${about.image_size[0]} × ${about.image_size[1]} px ${about.image_size[2] === 1 ? 'grey' : 'RGB'}`
      : about.kind === 'features' ? `vectors of ${counted(about.n_dims, 'number')}` : 'files as imported';
    fill(facts, 
      h('div.row', {}, h('h2.grow', {title: about.name}, about.name), h('span.num', {title: `Made by ${about.made_by}, ${about.created_at.slice(0, 10)}; content ${about.version}`}, versionWords(current()))),
      current().changes ? h('p.warn', {id: 'dataset-older'}, `Figures and filters ${olderWords(about.version_number)}. `, h('button.link', {type: 'button', on: {click: () => openChanges(about.version_number)}}, 'Show them')) : null,
      line('Mean candidates', about.mean_candidates.toFixed(2), 'Mean number of candidates in a set'),
      line('Singletons', count(about.singletons), 'Samples with one candidate'),
      line('Full sets', count(about.full), 'Samples that hold every class'),
      line('Classes', count(about.k)), line(about.kind === 'features' ? 'Content' : 'Images', shape),
      about.votes ? line('Votes', count(about.votes)) : null,
      about.fields.length ? line('Fields', about.fields.map(each => each.name).slice(0, 4).join(', ') + (about.fields.length > 4 ? ' …' : ''), about.fields.map(each => `${each.name} (${each.kind})`).join(', ')) : null,
      about.tags.length ? line('Tags', about.tags.map(each => each.name).slice(0, 4).join(', '), about.tags.map(each => `${each.name}: ${count(each.n)}`).join(', ')) : null,
      line(inside === null ? 'Truth in the set' : 'Truth in the set (uses true labels)', inside === null ? 'truth not known' : inside, 'Share of the samples with a known true label whose set holds it'),
      h('p.quiet-text', {title: about.source}, made),
      about.worst_distractor?.warning ? h('p.warn', {id: 'dataset-distractor-warning', title: 'Uses true labels'}, about.worst_distractor.warning) : null,
      about.note ? h('p.warn', {id: 'dataset-note'}, about.note) : null,
      about.singletons === about.n ? h('p.warn', {}, 'Only labelled: every set has one candidate. Synthesize sets to make it ambiguous.') : null,
      h('div.row.acts', {}, h('button.link.act', {type: 'button', id: 'dataset-remove', on: {click: remove}}, 'Remove this dataset'),
        h('button.link.act', {type: 'button', id: 'project-check', title: 'The database, every stored file and every log of the whole project, against what was written', on: {click: check}}, 'Check the stored files')));
  }

  async function check() {
    const answer = await server.check({});
    if (answer.error) toast(answer.error, 'error');
    refresh();
  }

  function drawCheck() {
    const last = state.jobs.find(job => job.kind === 'verify' && job.status === 'done');
    checked.hidden = !last;
    if (!last) return;
    const {is_whole: isWhole, problems, n_blobs: n, orphans} = last.result;
    fill(checked, h('h2', {}, isWhole ? `All ${count(n)} stored files are whole` : `${counted(problems.length, 'problem')} with the stored files`),
      ...problems.slice(0, 20).map(each => h('p.warn', {title: each.file}, `${each.affects.join(' and ')}: the file ${each.problem}. ${each.advice}`)),
      problems.length > 20 ? h('p.quiet-text', {}, 'The rest: python -m cad_studio verify.') : null,
      orphans ? h('p.quiet-text', {}, `${counted(orphans, 'file')} that no record names; python -m cad_studio repair sets them aside.`) : null);
  }

  async function remove() {
    const {name} = about;
    const text = 'Its versions, pairs and runs go with it. The files it was imported from stay.';
    if (!await sure(element.querySelector('.mount'), `Remove ${name} from this project?`, text, 'Remove')) return;
    const answer = await server.remove({name});
    if (answer.error) toast(answer.error, 'error');
    else toast(`${name} is removed.`);
    refresh();
  }

  function drawSizes() {
    const histogram = about.size_histogram;
    const largest = histogram.reduce((last, value, size) => (value ? size : last), 1);
    const labels = Array.from({length: largest}, (_, at) => String(at + 1));
    sizes.show({labels, counts: labels.map(label => histogram[+label]), selected: state.filter.size || null,
      hint: `mean ${about.mean_candidates.toFixed(2)}`, describe: label => counted(+label, 'candidate')});
  }

  search.addEventListener('input', debounced(() => filter({text: search.value.trim()}), 200));
  classPick.addEventListener('change', () => filter({holds: classPick.value ? [classPick.value] : []}));
  sizePick.addEventListener('change', () => filter({size: sizePick.value || null}));
  splitPick.addEventListener('change', () => filter({split: splitPick.value || null}));
  bindKeys(page, {'[': () => turn(-1), ']': () => turn(1)});

  on('jobs', drawCheck);
  on('filter', () => {
    if (!about) return;
    drawSizes();
    drawMatrix();
    showMistaken();
    drawRows();
  });
  on('sheet', changed => { if (about && !changed.includes('filter')) drawRows(); });
  on('instance', drawInstance);
  function drawInstance() {
    grid.select(state.instance);
    const data = current();
    if (state.instance === null || !about || !data) instance.hide();
    else instance.show(data.name, data.version, state.instance, about.class_names);
  }
  let key = '';
  on('dataset datasets jobs started', () => {
    const data = current();
    const now = data ? `${data.name} ${data.version} ${data.changes}` : `none ${state.jobs.map(job => job.status + job.message).join()}`;
    if (now === key) return;
    key = now;
    drawDataset();
  });
  const close = () => page.classList.toggle('read-only', state.readOnly);
  on('readOnly started', close);
  close();
  onJobEnd(job => {
    if (job.kind === 'export' && job.status === 'done') fill(report, exportReport(job, () => report.replaceChildren()));
    if (job.kind === 'synthesize' && job.status === 'done' && job.result) fill(report, synthesisReport(job.result, () => report.replaceChildren()));
    if (job.kind !== 'import' || job.status !== 'done' || !job.result) return;
    fill(report, importReport(job.result, () => report.replaceChildren()));
    drawNext();
  });
  /** What follows the import, in its report. */
  function drawNext() {
    const place = report.querySelector('.next-of-import');
    const step = place && place.dataset.name === state.dataset ? nextStep('dataset') : null;
    if (place) fill(place, step?.run ? h('button.btn.primary', {type: 'button', id: 'import-next', on: {click: step.run}}, step.title) : null);
  }
  on('standing jobs', drawNext);
  on('dataset', () => { if (report.firstChild && report.firstChild.dataset.name !== state.dataset) report.replaceChildren(); });
  if (state.ready) { key = ''; drawDataset(); }
}

function exportReport(job, close) {
  const {name, rows, bytes, out} = job.result;
  return h('section.report', {'aria-label': 'Export', data: {name}},
    h('div.row', {}, h('h2.grow', {}, `${counted(rows, 'sample')} of ${name} are in ${out.split('/').pop()}`),
      h('a.btn.primary', {id: 'export-download', href: address(`/jobs/${job.id}/file`), download: ''}, `Download ${(bytes / 1e6).toFixed(1)} MB`),
      h('button.quiet', {type: 'button', on: {click: close}}, 'Close')));
}

function synthesisReport(result, close) {
  const {calibration: found, worst_distractor: worst} = result;
  return h('section.report', {'aria-label': 'Synthesis report', data: {name: result.name}},
    h('div.row', {}, h('h2.grow', {}, `${result.name} v${result.version_number}: ${result.mean_candidates.toFixed(2)} candidates a sample`),
      h('button.quiet', {type: 'button', on: {click: close}}, 'Close report')),
    h('p.quiet-text', {}, `Annotator ${result.annotator}, ${counted(result.annotator_epochs, 'epoch')}, accuracy ${percent(result.annotator_accuracy)} (uses true labels), rate ${result.rate}, seed ${result.seed}.`
      + (found ? ` Found for a mean size of ${found.mean_size}: ${found.found.join(' and ')}; expected ${found.expected_size.toFixed(2)}, tolerance ${found.tolerance}.` : '')),
    h('p', {}, `The most frequent distractor of a class is in ${percent(worst.mean)} of its sets, averaged over classes; ${percent(worst.carrying)} of the samples carry one that at least ${Math.round(100 * worst.threshold)} % of their class carry (uses true labels).`),
    worst.warning ? h('p.warn', {}, worst.warning) : null);
}

function importReport(result, close) {
  const lines = result.report.findings.filter(finding => finding.count);
  return h('section.report', {'aria-label': 'Import report', data: {name: result.name}},
    h('div.row', {}, h('h2.grow', {}, `${count(result.n)} samples imported as ${result.name}`
      + (result.left_out_count ? `, ${count(result.left_out_count)} left out` : '')), h('span.next-of-import', {data: {name: result.name}}),
    h('button.quiet', {type: 'button', on: {click: close}}, 'Close report')),
    h('ul', {'aria-label': 'How the source was read'}, ...(result.understood || []).map(line => h('li', {}, line))),
    lines.length ? h('ul', {}, ...lines.map(finding => h('li', {}, h('b', {}, count(finding.count)), ` ${finding.title}`, h('small', {}, ` first: ${finding.message}`))))
      : h('p.quiet-text', {}, 'Nothing remarkable: no empty, full or single-candidate sets, no duplicates.'),
    result.left_out_count ? h('details', {}, h('summary', {}, 'Samples left out'), h('ul', {}, ...result.left_out.map(text => h('li', {}, text)))) : null);
}
