// The Diagnose page: a run, perhaps another it is held against, and what can be asked of them.

import {h, fill, count, counted, empty, percent, toast} from './dom.js';
import {createClassesView} from './diagnose_classes.js';
import {createCompareView} from './diagnose_compare.js';
import {createEntanglementView} from './diagnose_entanglement.js';
import {createMapView} from './diagnose_map.js';
import {createSide} from './diagnose_side.js';
import {conditionOption, createSlicesView, sliceOptions} from './diagnose_slices.js';
import {createSuspectsView} from './diagnose_suspects.js';
import {createOwnCopy} from './own_copy.js';
import {differenceText, figureText, isBetter, titleOf} from './diagnose_words.js';
import {address, annotate, bindKeys, change, current, isActive, on, onJobEnd, open, read, refresh, state, tell} from './store.js';

const VIEWS = {map: 'Map', classes: 'Classes', entanglement: 'Entanglement', suspects: 'Suspects', compare: 'Compare', slices: 'Slices'};
const MOST_ANNOTATED = 5000;

export function mount({element, server}) {
  const ask = async (name, value) => {
    const answer = await server[name](value);
    if (answer.error) throw new Error(answer.error);
    return answer;
  };

  const runPick = h('select', {id: 'diagnose-run', 'aria-label': 'Run', on: {change: () => choose({run: +runPick.value})}});
  const againstPick = h('select', {
    id: 'diagnose-against', 'aria-label': 'Held against', on: {change: () => choose({against: +againstPick.value || null})},
  });
  const splitPick = h('select', {id: 'diagnose-split', 'aria-label': 'Split', on: {change: () => choose({split: splitPick.value})}});
  const slicePick = h('select', {
    id: 'diagnose-slice', 'aria-label': 'Samples with', hidden: true, on: {change: () => choose({slice: slicePick.value})},
  });
  const tabs = Object.entries(VIEWS).map(([key, title], at) => h('button.btn', {
    type: 'button', id: `diagnose-view-${key}`, data: {view: key}, 'aria-pressed': 'false', on: {click: () => show(key)},
  }, title, h('kbd', {}, String(at + 1))));
  const report = h('button.btn.act', {
    type: 'button', id: 'diagnose-report', title: 'One HTML file with all of this, to keep or send', on: {click: writeReport},
  }, 'Report');
  const bar = h('div.tools.filters', {},
    runPick,
    h('span.quiet-text', {}, 'against'),
    againstPick, splitPick, slicePick, h('span.grow'),
    h('span.switch', {role: 'group', 'aria-label': 'View'}, ...tabs),
    report);
  const figures = h('div.kpis', {'aria-label': 'Figures'});
  const notes = h('div.notes');
  const body = h('div.view', {});
  const chosenText = h('span.num', {id: 'diagnose-chosen', 'aria-live': 'polite'}, 'Nothing selected');
  const annotateThese = h('button.btn.primary', {
    type: 'button', id: 'diagnose-annotate',
    on: {click: () => annotate({rows: selection.rows, title: selection.words, run: chosen.run})},
  }, 'Annotate these', h('kbd', {}, 'a'));
  const theirPairs = h('button.btn', {type: 'button', id: 'diagnose-pairs', on: {click: togglePairs}}, 'Their pairs', h('kbd', {}, 'p'));
  const clear = h('button.btn', {type: 'button', id: 'diagnose-clear', on: {click: () => select([], '')}}, 'Clear', h('kbd', {}, 'esc'));
  const csv = h('button.btn', {type: 'button', id: 'diagnose-export', on: {click: exportSelection}}, 'Export selection');
  const fixed = h('button.btn', {
    type: 'button', id: 'diagnose-fixed', on: {click: () => openRows({what: 'fixed', against: chosen.against})},
  }, 'Fixed');
  const broken = h('button.btn', {
    type: 'button', id: 'diagnose-broken', on: {click: () => openRows({what: 'broken', against: chosen.against})},
  }, 'Broken');
  const actions = h('div.actions', {}, annotateThese, theirPairs, fixed, broken, h('span.grow'), chosenText, csv, clear);
  const main = h('section.main', {}, bar, figures, notes, body, actions);

  const listeners = [];
  const selection = {rows: [], words: '', pairs: null};
  const chosen = {run: null, against: null, split: '', slice: '', view: 'map'};
  /** What the views share. */
  const shared = {
    chosen, selection, ask, select, openRows, about: null, server,
    /** @returns {`/diagnosis/${number}`} */
    base: () => `/diagnosis/${chosen.run}`,
    /** What the figures of a view rest on; another text means that they are to be read anew. */
    token: () => `${chosen.run}-${shared.about.split}-${shared.about.answers}-${nEnded}`,
    onSelection: run => listeners.push(run),
    openInstance: row => side.instance(row),
    openPair: (i, j) => side.pair(i, j),
    refreshRuns: () => load(),
  };
  const side = createSide(shared);
  const views = {
    map: createMapView(shared), classes: createClassesView(shared), entanglement: createEntanglementView(shared),
    suspects: createSuspectsView(shared), compare: createCompareView(shared),
    slices: createSlicesView(shared, slice => choose({slice})),
  };
  const page = h('div.page.diagnose-page', {}, h('h1.sr', {}, 'Diagnose'), main, side.element);
  fill(element.querySelector('.mount'), page);
  fill(body, ...Object.values(views).map(view => view.element));

  let runs = [];
  let maps = [];
  let stop = null;
  let nEnded = 0;        // diagnoses and searches for suspects that ended while the page was open
  let ownReport = null;  // the job of a report this window asked for
  let asked = {run: state.diagnose, against: state.against, view: state.view};
  const isSeen = () => page.offsetParent !== null;

  async function load() {
    const data = current();
    if (!isSeen() || !state.ready) return;
    if (!data) {
      nothing('This project holds no dataset',
        'Import one on the Dataset page and train a run on it.',
        h('button.btn.primary', {type: 'button', on: {click: () => open('dataset')}}, 'Go to Dataset'));
      return;
    }
    try {
      const found = await read(`/diagnosis/of/${encodeURIComponent(data.name)}`);
      if (state.dataset !== data.name) return;
      runs = found.runs;
      maps = found.maps;
    } catch (error) { tell(error); return; }
    shared.maps = maps;
    shared.runs = runs;
    if (!runs.length) {
      nothing('No run has a model yet',
        `Train a run on ${data.name}; after its first epoch there is something to diagnose.`,
        h('button.btn.primary', {type: 'button', on: {click: () => open('train')}}, 'Go to Train'));
      return;
    }
    const known = id => runs.some(run => run.id === id);
    if (asked.run !== null) {
      if (known(asked.run)) Object.assign(chosen, {
        run: asked.run, against: known(asked.against) && asked.against !== asked.run ? asked.against : null,
      });
      else toast(`Run ${asked.run} in this address has no model on ${data.name}; the newest is shown.`, 'error');
      if (VIEWS[asked.view]) chosen.view = asked.view;
      asked = {run: null, against: null, view: null};
      select([], '');
    }
    if (!known(chosen.run)) Object.assign(chosen, {
      run: (runs.find(run => run.is_ready) || runs[0]).id, against: null, split: '', slice: '',
    });
    if (chosen.against !== null && !runs.some(run => run.id === chosen.against && run.is_ready)) chosen.against = null;
    drawPicks();
    await drawRun();
  }

  function drawPicks() {
    const option = run => h('option', {value: run.id},
      `${run.name} · v${run.version_number ?? '?'}${run.is_ready ? '' : ' (not diagnosed yet)'}`);
    fill(runPick, ...runs.map(option));
    runPick.value = chosen.run;
    fill(againstPick, h('option', {value: ''}, 'no other run'), ...runs.filter(run => run.id !== chosen.run && run.is_ready).map(option));
    againstPick.value = chosen.against ?? '';
  }

  function choose(patch) {
    const before = chosen.run;
    Object.assign(chosen, patch);
    if (chosen.against === chosen.run) chosen.against = null;
    if (before !== chosen.run) { chosen.split = patch.split ?? chosen.split; side.close(); }
    select([], '');
    drawPicks();
    drawRun();
  }

  function nothing(...parts) {
    shared.about = null;
    page.classList.add('bare');
    delete page.dataset.unready;
    fill(main, empty(...parts));
    page.dataset.shown = 'nothing';
  }

  async function drawRun() {
    stop?.abort();
    stop = new AbortController();
    const {signal} = stop;
    const run = runs.find(each => each.id === chosen.run);
    settleAddress();
    if (!run.is_ready) { drawUnready(run); return; }
    page.dataset.shown = '';
    try {
      const split = chosen.slice ? `${chosen.split}?${chosen.slice}` : chosen.split;
      const [about, fields] = await Promise.all([
        read(`${shared.base()}/overview`, {split, against: chosen.against, ...side.wanted()}, signal),
        read(`${shared.base()}/fields`, {}, signal),
      ]);
      if (signal.aborted) return;
      shared.about = about;
      shared.fields = fields;
      shared.names = about.class_names;
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (chosen.split || chosen.slice) { chosen.split = chosen.slice = ''; tell(error); drawRun(); return; }
      nothing('This run cannot be diagnosed', error.message,
        h('button.btn', {type: 'button', on: {click: () => open('train')}}, 'Go to Train'));
      return;
    }
    page.classList.remove('bare');
    delete page.dataset.unready;
    if (!main.contains(bar)) fill(main, bar, figures, notes, body, actions);
    drawFigures();
    side.draw();
    drawSelection();
    show(chosen.view);
    page.dataset.shown = `${chosen.run}-${chosen.against ?? ''}-${shared.about.split}`;
  }

  /** What is shown stands in the address. */
  function settleAddress() {
    if (state.page === 'diagnose') change({diagnose: chosen.run, against: chosen.against, view: chosen.view});
  }

  function drawUnready(run) {
    const job = state.jobs.find(each => each.kind === 'diagnose' && each.run === run.id && isActive(each));
    const shown = `${run.id}-${job ? `${job.message}-${job.fraction}` : ''}-${state.readOnly}`;
    if (page.dataset.unready === shown) return;  // a list that is open stays open
    tellUnready(run, job);
    page.dataset.unready = shown;
  }

  function tellUnready(run, job) {
    if (job) {
      nothing('Asking the network',
        `${job.message || 'Waiting for its turn'} · ${percent(job.fraction)}. This page fills by itself.`,
        h('div.progress', {style: {width: '260px'}}, h('i', {style: {width: `${100 * job.fraction}%`}})));
      return;
    }
    const pick = runs.length > 1
      ? h('select', {'aria-label': 'Run', on: {change: event => choose({run: +event.target.value})}},
        ...runs.map(each => h('option', {value: each.id}, `run ${each.id} · ${each.name}`)))
      : null;
    if (pick) pick.value = run.id;
    nothing(`${run.name} has not been diagnosed yet`,
      `Its network is asked once about every sample of ${state.dataset}, in the background; all figures here rest on the answers. `
        + 'It is about as long as one epoch of training.',
      pick,
      state.readOnly
        ? createOwnCopy('diagnose-closed', 'diagnose runs')
        : h('button.btn.primary', {type: 'button', id: 'diagnose-start', on: {click: () => begin(run)}}, `Diagnose ${run.name}`));
  }

  async function begin(run) {
    try { await ask('diagnose', {run: run.id}); refresh(); } catch (error) { tell(error); }
  }

  function drawFigures() {
    const {figures: values, about, differences = {}, notes: told} = shared.about;
    const shown = about.filter(each => each.is_tile && values[each.key] !== null).slice(0, 5);
    fill(figures, ...shown.map(each => {
      const delta = differences[each.key];
      const good = isBetter(delta, each);
      return h('div.kpi', {title: each.about, data: {key: each.key}}, h('small', {}, titleOf(each, shared.about.split)),
        h('span.row', {}, h('b', {}, figureText(values[each.key], each.unit)),
          delta === undefined || delta === null
            ? null
            : h('span', {
              class: good === null ? 'same' : good ? 'up' : 'down',
              title: `${good === null ? '' : good ? 'better' : 'worse'} than ${nameOf(chosen.against)}`,
            }, differenceText(delta, each.unit))),
        h('small.by', {}, each.oracle ? 'uses true labels' : ''));
    }));
    const run = runs.find(each => each.id === chosen.run), data = current();
    const older = data?.changes && run?.version_number === data.version_number
      ? [`${run.name} learned from v${run.version_number}; ${counted(data.changes, 'set')} changed since.`]
      : [];
    fill(notes, ...[...told, ...older].map(note => h('p.warn', {}, note)));
    notes.hidden = !notes.children.length;
    const names = shared.about.splits;
    fill(splitPick, ...names.map(name => h('option', {value: name}, name === 'all' ? 'all samples' : name)));
    const [base] = shared.about.split.split('?');
    splitPick.value = names.includes(shared.about.split) ? shared.about.split : base;
    fill(slicePick, ...sliceOptions(shared.fields));
    if (chosen.slice && ![...slicePick.options].some(each => each.value === chosen.slice)) slicePick.append(conditionOption(chosen.slice));
    slicePick.hidden = slicePick.options.length < 2;
    slicePick.value = chosen.slice;
    const changes = shared.about.changes;
    fixed.hidden = broken.hidden = !changes;
    for (const [button, word, n] of changes ? [[fixed, 'Fixed', changes.fixed], [broken, 'Broken', changes.broken]] : []) {
      button.replaceChildren(`${word}: ${n === null ? 'not known' : count(n)}`);
      button.disabled = !n;
      button.title = n === null ? 'No true label is known, so nobody can say who is right' : '';
    }
  }
  const nameOf = id => runs.find(run => run.id === id)?.name || '';

  function show(view) {
    chosen.view = view;
    for (const tab of tabs) tab.setAttribute('aria-pressed', String(tab.dataset.view === view));
    for (const [key, each] of Object.entries(views)) each.element.hidden = key !== view;
    settleAddress();
    views[view].draw();
  }

  /** Choose samples; `words` say which they are, `from` the cell or change they stand behind. */
  function select(rows, words, tiles = null, from = null) {
    Object.assign(selection, {rows, words, pairs: null, tiles, from});
    drawSelection();
    for (const run of listeners) run();
  }

  function drawSelection() {
    const n = selection.rows.length;
    chosenText.textContent = n ? counted(n, 'sample') + ' selected' : 'Nothing selected';
    for (const button of [theirPairs, csv, clear]) button.disabled = !n;
    annotateThese.disabled = !n || n > MOST_ANNOTATED;
    annotateThese.firstChild.textContent = n ? `Annotate these ${count(n)}` : 'Annotate these';
    theirPairs.setAttribute('aria-pressed', 'false');
    theirPairs.firstChild.textContent = 'Their pairs';
  }

  /** Select what stands behind a cell or a change. */
  async function openRows(wanted, words = '') {
    try {
      const found = await read(`${shared.base()}/rows`, {...wanted, split: shared.about.split});
      const named = {
        fixed: `fixed since ${nameOf(wanted.against)}`, broken: `broken since ${nameOf(wanted.against)}`,
        moved: 'given another class',
      }[wanted.what];
      select(found.rows, words || named, found.tiles, wanted);
      if (!found.total) toast(`No sample of ${shared.about.split} is there.`);
    } catch (error) { tell(error); }
  }

  async function togglePairs() {
    if (selection.pairs) { selection.pairs = null; drawSelection(); }
    else {
      try {
        const found = await ask('pairs_among', {run: chosen.run, rows: selection.rows});
        selection.pairs = found.pairs;
        theirPairs.firstChild.textContent = `Their pairs: ${count(found.total)}`;
        theirPairs.setAttribute('aria-pressed', 'true');
        if (!found.total) toast('None of these samples is in one of the closest 0.1 % of cross-class pairs.');
      } catch (error) { tell(error); return; }
    }
    side.drawPairs();
    views.map.drawLines();
  }

  function exportSelection() {
    const form = h('a', {
      href: URL.createObjectURL(new Blob([['row', ...selection.rows].join('\n') + '\n'], {type: 'text/csv'})),
      download: `${state.dataset}-selection.csv`,
    });
    form.click();
    URL.revokeObjectURL(form.href);
  }

  async function writeReport() {
    try {
      ownReport = (await ask('report', {run: chosen.run, against: chosen.against})).job;
      toast('The report is being written; it is downloaded when it is ready.');
      refresh();
    } catch (error) { tell(error); }
  }

  onJobEnd(job => {
    if (['diagnose', 'suspects'].includes(job.kind)) nEnded++;
    if (job.id === ownReport && job.result) {
      toast('The report is ready; it is downloaded now.');
      h('a', {href: address(`/jobs/${job.id}/file`), download: ''}).click();
    }
    const brings = job.kind === 'diagnose' || (!runs.length && ['train', 'take'].includes(job.kind));
    if (brings && isSeen()) load();
    views.map.jobEnded(job);
    views.suspects.jobEnded(job);
  });
  on('jobs', () => {
    if (!isSeen()) return;
    const run = runs.find(each => each.id === chosen.run);
    if (run && !run.is_ready) drawUnready(run);
    views.map.jobs();
    views.suspects.jobs();
  });
  on('dataset started', () => {
    Object.assign(chosen, {run: null, against: null, split: '', slice: ''});
    asked = {run: state.diagnose, against: state.against, view: state.view};
    select([], '');
    load();
  });
  new IntersectionObserver(([entry]) => {
    if (entry.isIntersecting) load();
  }).observe(element);
  on('diagnose against view', () => {
    const {diagnose: run, against, view} = state;
    const isShown = run === null || (run === chosen.run && against === chosen.against && (view || chosen.view) === chosen.view);
    if (isShown || !runs.length) return;
    if (run === chosen.run && against === chosen.against && shared.about) { show(VIEWS[view] ? view : 'map'); return; }
    asked = {run, against, view};  // Back, Forward, or another page chose it
    load();
  });

  const keys = Object.fromEntries(Object.keys(VIEWS).map((view, at) => [String(at + 1), () => { if (shared.about) show(view); }]));
  bindKeys(page, {
    ...keys, l: () => views.map.toggleLasso(), Escape: () => { if (side.isOpen()) side.close(); else select([], ''); },
    a: () => { if (!annotateThese.disabled) annotateThese.click(); }, p: () => { if (selection.rows.length) togglePairs(); },
    j: () => side.step(1), k: () => side.step(-1),
  });
  nothing('Loading runs...', '');
}
