// The map view: one or two embedding maps, what their colours mean, and a keyboard path to it all.

import {h, fill, count, counted, percent, toast} from './dom.js';
import {colour} from './chips.js';
import {createMapSearch} from './map_search.js';
import {imageOf} from './picture.js';
import {createScatter} from './scatter.js';
import {load} from './sprite.js';
import {current, isActive, read, readBytes, refresh, state, tell} from './store.js';

const NONE = 65535;
const RAMP = ['#35489e', '#4f74c9', '#58a3c4', '#6fc39a', '#c9c95a', '#f0a13c', '#d9513a'];
const PLAIN = ['#8a94a3', '#3b5bdb', '#f28e2b', '#59a14f', '#e15759', '#9c6ade', '#17a2a2'];
const OF = {right: ['#8a94a3', '#d9513a', '#3b6fb5'], change: ['#9aa3b0', '#2b8a3e', '#d9513a', '#f28e2b'], entangled: ['#9aa3b0', '#d9513a'], annotated: ['#9aa3b0', '#2b8a3e']};
const MOST_LEGEND = 40;
const MOST_FACES = 400;  // samples up to which a map shows thumbnails instead of points
const SHEET = 200;       // thumbnails that come on one sheet

/** Any CSS colour as '#rrggbb'. */
function hex(text, probe) {
  probe.style.color = text;
  const [r, g, b] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
  return '#' + [r, g, b].map(value => Math.round(value).toString(16).padStart(2, '0')).join('');
}

export function createMapView(shared) {
  const features = h('select', {id: 'map-features', 'aria-label': 'Features', on: {change: () => { wish = null; loadMap(0); }}});
  const layout = h('select', {id: 'map-layout', 'aria-label': 'Layout', on: {change: changeLayout}}, h('option', {value: 'pca'}, 'PCA'), h('option', {value: 'umap'}, 'UMAP'));
  const mode = h('select', {id: 'map-colour', 'aria-label': 'Colour', on: {change: drawColours}});
  const lasso = h('button.btn', {type: 'button', id: 'map-lasso', 'aria-pressed': 'false', title: 'Draw around samples; or hold Shift and draw', on: {click: toggleLasso}}, 'Lasso', h('kbd', {}, 'l'));
  const beside = h('button.btn', {type: 'button', id: 'map-beside', 'aria-pressed': 'false', title: 'The run it is held against, on a map of its own features', on: {click: () => { isBeside = !isBeside; draw(); }}}, 'Side by side');
  const fit = h('button.btn', {type: 'button', title: 'Show everything', on: {click: () => maps.forEach(map => map.scatter.fit())}}, 'Fit', h('kbd', {}, '0'));
  const told = h('span.quiet-text.told', {id: 'map-told', 'aria-live': 'polite'});
  const legend = h('div.map-legend', {role: 'group', 'aria-label': 'Legend and filter'});
  const list = h('button.quiet', {type: 'button', id: 'map-list', on: {click: listShown}}, 'Select what is shown');
  const words = createMapSearch((rows, found) => shared.select(rows, found));
  const probe = h('i', {style: {display: 'none'}});
  const card = h('div.map-card', {hidden: true});
  const holder = h('div.maps', {});
  const apartBy = h('button.quiet', {type: 'button', id: 'map-apart', hidden: true, 'aria-pressed': 'true', title: 'Lines between the closest pairs of different classes that are entangled no more in the features of this run', on: {click: () => { isApart = !isApart; drawLines(); }}});
  const element = h('div.map-view', {}, h('div.row.map-tools', {}, features, layout, told, h('span.grow'), words.element, mode, beside, fit, lasso), holder, h('div.row.legend-row', {}, legend, apartBy, list), probe);
  const maps = [0, 1].map(at => {
    const scatter = createScatter({
      label: `Map of the samples${at ? ' by the other run' : ''}. Arrow keys move, plus and minus zoom, 0 shows everything. The legend below filters; "Select what is shown" lists the samples.`,
      onSelect: rows => { if (rows.length) shared.select(rows, 'on the map'); else toast('No sample lies inside.'); },
      onPick: row => shared.openInstance(row), onHover: (row, x, y) => hover(at, row, x, y)});
    const title = h('span.map-title', {});
    const box = h('div.map-box', {}, scatter.element, title);
    return {key: '', spec: '', scatter, title, box};
  });
  maps[0].box.append(card);
  fill(holder, ...maps.map(map => map.box));

  let columns = null;
  let about = null;
  let shownFor = '';
  let shownRun = null;
  let turns = 0;
  const mapTurns = [0, 0];
  let stages = [];
  let wish = null;  // the layout the user asked for
  let isBeside = false;
  let apart = null;     // pairs that came apart, shown until something is selected
  let isApart = true;
  let hidden = new Set();
  let values = new Uint8Array(0);
  let legendOf = [];
  let emphasised = null;
  let timer = 0;

  async function draw() {
    if (element.hidden || !shared.about) return;
    const turn = ++turns;
    words.show();
    const {run, against} = shared.chosen;
    beside.hidden = !against;
    if (!against) isBeside = false;
    beside.setAttribute('aria-pressed', String(isBeside));
    maps[1].box.hidden = !isBeside;
    holder.classList.toggle('two', isBeside);
    const wanted = [`run:${run}`, ...shared.maps.filter(each => each !== `run:${run}`)];
    const kept = features.value;
    fill(features, ...wanted.map(each => h('option', {value: each}, nameOf(each))));
    features.value = wanted.includes(kept) && !(kept.startsWith('run:') && shownRun !== run) ? kept : wanted[0];
    shownRun = run;
    const key = `${run}-${against ?? ''}-${current()?.version}-${shared.about.answers}`;
    try {
      const query = {against};
      const [told, body, ...laid] = await Promise.all([
        ...(key === shownFor ? [null, null] : [read(`/diagnosis/${run}/colours`, query), readBytes(`/diagnosis/${run}/columns`, query)]),
        readMap(0), ...(isBeside ? [readMap(1)] : [])]);
      if (turn !== turns) return;
      if (told) takeColumns(key, told, body);
      laid.forEach((map, place) => showMap(place, map));
      drawColours();
    } catch (error) { tell(error); }
  }

  function takeColumns(key, described, body) {
    about = described;
    columns = cut(body, described.n);
    shownFor = key;
    const before = mode.value;
    fill(mode, ...about.modes.map(each => h('option', {value: each.key}, each.title + (each.oracle ? ' (uses true labels)' : ''))));
    mode.value = about.modes.some(each => each.key === before) ? before : 'best';
    hidden = new Set();
    apart = null;
    readApart(key);
    for (const map of maps) map.scatter.faces(null);
    if (about.n <= MOST_FACES) drawFaces(key);
  }

  async function readApart(key) {
    const found = await read(`${shared.base()}/apart`).catch(() => null);
    if (key !== shownFor) return;
    apart = found;
    drawLines();
  }

  /** On a map of few samples their pictures say more than points. */
  async function drawFaces(key) {
    const rows = [...Array(about.n).keys()];
    const faces = [];
    try {
      for (let from = 0; from < rows.length; from += SHEET) {
        const {sprite} = await read(`${shared.base()}/tiles`, {rows: rows.slice(from, from + SHEET).join()});
        const image = sprite && await load(sprite);
        if (!image) return;
        for (let at = 0; at < Math.min(SHEET, rows.length - from); at++) faces.push({image, x: at % sprite.columns * sprite.px, y: Math.floor(at / sprite.columns) * sprite.px, px: sprite.px});
      }
    } catch (error) { tell(error); return; }
    if (key === shownFor) for (const map of maps) map.scatter.faces(faces);
  }

  const nameOf = spec => (spec === `run:${shared.chosen.run}` ? 'Features of this run' : spec.startsWith('run:') ? `Features of run ${spec.slice(4)}` : `Features: ${spec}`);

  function cut(body, n) {
    const found = {};
    let at = 0;
    for (const key of ['best', 'predicted', 'truth', 'size']) { found[key] = new Uint16Array(body.slice(at, at + 2 * n)); at += 2 * n; }
    for (const key of ['right', 'believed', 'entangled', 'annotated', 'split', 'change']) { found[key] = new Uint8Array(body, at, n); at += n; }
    return found;
  }

  const specOf = place => (place ? `run:${shared.chosen.against}` : features.value);
  const hasUmap = () => stages.some(stage => stage !== 'pca');
  const jobOf = spec => state.jobs.find(job => job.kind === 'map' && job.dataset === state.dataset && job.features === spec && isActive(job));

  /** What there is of a map, with its points unless they are shown already. */
  async function readMap(place) {
    const spec = specOf(place);
    const path = `/diagnosis/map/${encodeURIComponent(state.dataset)}`;
    const found = await read(path, {features: spec});
    if (!place) { stages = found.stages; settle(spec); }
    const stage = layout.value === 'pca' ? 'pca' : found.stage;
    const key = `${spec}-${stage}-${found.origin}`;
    return {spec, stage, key, found, body: maps[place].key === key ? null : await readBytes(path + '/points', {features: spec, stage})};
  }

  function showMap(place, {spec, stage, key, found, body}) {
    const map = maps[place];
    if (body) {
      map.scatter.points(new Uint16Array(body), map.spec !== spec);
      Object.assign(map, {key, spec});
      map.box.dataset.shown = key;
      map.box.dataset.stage = stage;
    }
    map.title.textContent = `${place ? `Run ${shared.chosen.against}` : nameOf(spec)} · ${{pca: 'principal components', 'umap-part': 'UMAP of a part, the others among their neighbours', umap: 'UMAP'}[stage]}${found.left_out ? ` · ${counted(found.left_out, 'sample')} without finite features left out` : ''}`;
    if (!place) tellState();
  }

  /** Read and show one map anew; the selection and the part looked at stay. */
  async function loadMap(place) {
    const turn = ++mapTurns[place];
    try {
      const laid = await readMap(place);
      if (turn === mapTurns[place] && laid.spec === specOf(place)) { showMap(place, laid); drawSelection(); }
    } catch (error) { tell(error); }
  }
  const loadMaps = () => { loadMap(0); if (isBeside) loadMap(1); };

  /** The layout shown: the one asked for where there is one, or will be. */
  function settle(spec) {
    layout.value = wish === 'pca' || !(hasUmap() || (wish === 'umap' && jobOf(spec))) ? 'pca' : 'umap';
  }

  function tellState() {
    const job = jobOf(features.value) || (isBeside && jobOf(specOf(1)));
    told.textContent = job ? `UMAP: ${(job.message || 'waits for its turn').toLowerCase()} · ${percent(job.fraction)}` : '';
    told.title = told.textContent;
  }

  async function changeLayout() {
    wish = layout.value;
    try {
      for (const place of isBeside ? [0, 1] : [0]) {
        const spec = specOf(place);
        if (wish === 'pca' || jobOf(spec) || (place ? maps[1].box.dataset.stage === 'umap' : stages.includes('umap'))) continue;
        await shared.ask('lay_out', {name: state.dataset, features: spec});
        toast('UMAP is being laid out; the map changes by itself and keeps your selection.');
      }
      if (wish === 'umap') await refresh();
    } catch (error) { tell(error); wish = null; }
    loadMaps();
  }

  async function drawColours() {
    if (!columns || !about) return;
    const key = mode.value;
    if (key.startsWith('field:') && !columns[key]) {
      const [mine, run] = [columns, shared.chosen.run];
      try { mine[key] = new Uint8Array(await readBytes(`/diagnosis/${run}/field`, {field: key.slice(6)})); } catch (error) { tell(error); return; }
      if (columns !== mine || mode.value !== key) return;
    }
    const chosen = about.modes.find(each => each.key === key);
    const n = about.n;
    values = new Uint8Array(n);
    const source = columns[key];
    if (['best', 'predicted', 'truth'].includes(key)) classColours(source);
    else if (key === 'size') {
      let most = 1;
      for (let row = 0; row < n; row++) if (source[row] > most) most = source[row];
      const step = Math.max(1, Math.ceil(most / RAMP.length));
      for (let row = 0; row < n; row++) values[row] = Math.min(RAMP.length - 1, Math.floor(Math.max(0, source[row] - 1) / step));
      legendOf = RAMP.slice(0, Math.ceil(most / step)).map((tone, at) => ({tone, text: step === 1 ? counted(at + 1, 'candidate') : `${at * step + 1} to ${Math.min(most, (at + 1) * step)} candidates`}));
    } else if (key === 'believed') {
      for (let row = 0; row < n; row++) values[row] = Math.min(4, Math.floor(source[row] / 51.2));
      legendOf = [0, 1, 2, 3, 4].map(at => ({tone: RAMP[Math.round(at * 1.5)], text: `${20 * at} to ${20 * at + 20} %`}));
    } else {
      values.set(source);
      legendOf = chosen.values.map((text, at) => ({tone: key.startsWith('field:') ? fieldTone(at, chosen.values.length) : (OF[key] || PLAIN)[at % PLAIN.length] || PLAIN[at % PLAIN.length], text}));
    }
    drawLegend();
    paint();
  }

  /** As classes are coloured; the last value is "none". */
  const fieldTone = (at, n) => (at === n - 1 ? '#8a94a3' : hex(colour(at), probe));

  function classColours(source) {
    const names = about.class_names;
    const counts = new Map();
    for (const label of source) counts.set(label, (counts.get(label) || 0) + 1);
    const shown = [...counts.keys()].filter(label => label !== NONE).sort((a, b) => counts.get(b) - counts.get(a)).slice(0, 250).sort((a, b) => a - b);
    const place = new Map(shown.map((label, at) => [label, at]));
    legendOf = shown.map(label => ({tone: hex(colour(label), probe), text: names[label]}));
    legendOf.push({tone: '#8a94a3', text: counts.has(NONE) || counts.size > shown.length ? 'not known, or a rare class' : ''});
    for (let row = 0; row < source.length; row++) values[row] = place.get(source[row]) ?? shown.length;
  }

  function drawLegend() {
    const counts = new Uint32Array(256);
    for (const value of values) counts[value]++;
    const entries = legendOf.map((each, at) => ({...each, at, n: counts[at]})).filter(each => each.n);
    for (const at of [...hidden]) if (!entries.some(each => each.at === at)) hidden.delete(at);
    fill(legend, ...entries.slice(0, MOST_LEGEND).map(each => h('button.legend-entry', {
      type: 'button', style: {'--k': each.tone}, data: {at: each.at}, 'aria-pressed': String(!hidden.has(each.at)),
      title: `${each.text}: ${counted(each.n, 'sample')}. Click to hide or show; double-click for it alone; rest on it to see where it lies.`,
      on: {click: () => { if (hidden.has(each.at)) hidden.delete(each.at); else hidden.add(each.at); update(); },
        dblclick: () => { hidden = new Set(entries.map(other => other.at).filter(at => at !== each.at)); update(); },
        mouseenter: () => emphasise(each.at), mouseleave: () => emphasise(null), focus: event => { if (event.target.matches(':focus-visible')) emphasise(each.at); }, blur: () => emphasise(null)},
    }, h('i', {'aria-hidden': 'true'}), each.text, h('small', {}, count(each.n)))), entries.length > MOST_LEGEND ? h('small.quiet-text', {}, `and ${entries.length - MOST_LEGEND} more`) : null);
    legend.dataset.mode = mode.value;
  }

  function update() {
    for (const entry of legend.querySelectorAll('.legend-entry')) entry.setAttribute('aria-pressed', String(!hidden.has(+entry.dataset.at)));
    paint();
  }

  function emphasise(at) {
    clearTimeout(timer);
    timer = setTimeout(() => { emphasised = at; paint(); }, at === null ? 0 : 120);
  }

  /** Colours, filter and selection to the canvases. */
  function paint() {
    if (!columns) return;
    const n = about.n;
    let shown = null;
    if (hidden.size) { shown = new Uint8Array(n); for (let row = 0; row < n; row++) shown[row] = hidden.has(values[row]) ? 0 : 1; }
    let selected = null;
    if (emphasised !== null) { selected = new Uint8Array(n); for (let row = 0; row < n; row++) selected[row] = values[row] === emphasised ? 1 : 0; }
    else if (shared.selection.rows.length) { selected = new Uint8Array(n); for (const row of shared.selection.rows) selected[row] = 1; }
    for (const map of maps) map.scatter.look({index: values, palette: legendOf.map(each => each.tone), shown, selected});
    element.dataset.hidden = String(hidden.size);
    element.dataset.selected = String(shared.selection.rows.length);
  }

  function drawSelection() { paint(); drawLines(); }
  function drawLines() {
    const isIdle = !shared.selection.rows.length && !!apart?.total;
    apartBy.hidden = !isIdle;
    if (isIdle) apartBy.textContent = `${isApart ? 'Hide' : 'Show'} the ${apart.pairs.length < apart.total ? `${apart.pairs.length} closest of ${count(apart.total)}` : counted(apart.total, 'pair')} that came apart`;
    apartBy.setAttribute('aria-pressed', String(isApart));
    const drawn = shared.selection.pairs || (isIdle && isApart ? apart.pairs : []);
    for (const map of maps) map.scatter.lines(drawn);
    element.dataset.apart = String(isIdle && isApart ? apart.pairs.length : 0);
    element.dataset.lines = String((shared.selection.pairs || []).length);
  }

  function listShown() {
    if (!columns) return;
    const rows = [];
    for (let row = 0; row < about.n; row++) if (!hidden.has(values[row])) rows.push(row);
    const shownNames = [...legend.querySelectorAll('[aria-pressed=true]')].map(each => legendOf[+each.dataset.at].text);
    shared.select(rows, hidden.size ? shownNames.slice(0, 3).join(', ') : 'all of the map');
  }

  function toggleLasso() {
    const isOn = lasso.getAttribute('aria-pressed') !== 'true';
    lasso.setAttribute('aria-pressed', String(isOn));
    for (const map of maps) map.scatter.lasso(isOn);
  }

  let hovered = null;
  let naming = 0;
  function hover(place, row, x = 0, y = 0) {
    const other = maps[1 - place];
    if (isBeside) other.scatter.mark(row);
    if (row === null || !columns) { card.hidden = true; hovered = null; return; }
    if (maps[place].box !== card.parentElement) maps[place].box.append(card);
    if (row !== hovered) {
      hovered = row;
      const names = about.class_names;
      const word = label => (label === NONE ? 'none' : names[label]);
      const id = h('b.id', {}, `row ${row}`);
      clearTimeout(naming);
      naming = setTimeout(() => read(`${shared.base()}/tiles`, {rows: row}).then(found => { if (hovered === row) id.textContent = found.ids[0]; }).catch(() => {}), 100);
      fill(card, h('img', {src: imageOf(state.dataset, current().version, row), alt: ''}),
        h('div', {}, id, h('div', {}, `${word(columns.best[row])} ${percent(columns.believed[row] / 255)}`),
          h('small', {}, `predicted ${word(columns.predicted[row])}`), h('br', {}), h('small', {}, `${counted(columns.size[row], 'candidate')}${columns.entangled[row] ? ' · in a close pair' : ''}`)));
      card.dataset.row = row;
    }
    const {clientWidth: width, clientHeight: height} = maps[place].box;
    card.hidden = false;
    card.style.left = `${Math.min(x + 14, width - card.offsetWidth - 6)}px`;
    card.style.top = `${y + 14 + card.offsetHeight > height ? y - card.offsetHeight - 10 : y + 14}px`;
  }

  shared.onSelection(drawSelection);
  return {
    element, draw, drawLines, toggleLasso,
    jobs() {
      if (element.hidden || !columns) return;
      tellState();
      for (const place of isBeside ? [0, 1] : [0]) if (jobOf(specOf(place))) loadMap(place);
    },
    jobEnded(job) { if (job.kind === 'map' && job.dataset === state.dataset && !element.hidden && columns) loadMaps(); },
  };
}
