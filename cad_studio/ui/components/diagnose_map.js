// The map view: one or two embedding maps, what their colours mean, and a keyboard path to it all.

import {h, fill, count, counted, toast, turns} from './dom.js';
import {colour} from './chips.js';
import {createMapCard} from './map_card.js';
import {colouringBy, cutColumns} from './map_colours.js';
import {createLayouts} from './map_layouts.js';
import {createLegend} from './map_legend.js';
import {createMapSearch} from './map_search.js';
import {createScatter} from './scatter.js';
import {load} from './sprite.js';
import {current, read, readBytes, state, tell} from './store.js';

const MOST_FACES = 400;  // samples up to which a map shows thumbnails instead of points
const SHEET = 200;       // thumbnails that come on one sheet
const MOVES = 'Arrow keys move, plus and minus zoom, 0 shows everything. The legend below filters; "Select what is shown" lists '
  + 'the samples.';
const APART = 'Lines between the closest pairs of different classes that are entangled no more in the features of this run';
const BESIDE = 'The run it is held against, on a map of its own features';

/** Any CSS colour as '#rrggbb'. */
function hex(text, probe) {
  probe.style.color = text;
  const [r, g, b] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
  return '#' + [r, g, b].map(value => Math.round(value).toString(16).padStart(2, '0')).join('');
}

/** Where each thumbnail is on its sheet, of samples 0 to n - 1. */
async function readFaces(base, n) {
  const faces = [];
  for (let from = 0; from < n; from += SHEET) {
    const rows = Array.from({length: Math.min(SHEET, n - from)}, (_, at) => from + at);
    const {sprite} = await read(`${base}/tiles`, {rows: rows.join()});
    const image = sprite && await load(sprite);
    if (!image) return null;
    const {columns, px} = sprite;
    rows.forEach((_, at) => faces.push({image, x: at % columns * px, y: Math.floor(at / columns) * px, px}));
  }
  return faces;
}

/** A map in its box; `onHover(row, x, y)` is told of the sample under the pointer. */
function createBox(at, shared, onHover) {
  const scatter = createScatter({
    label: `Map of the samples${at ? ' by the other run' : ''}. ${MOVES}`, onHover,
    onSelect: rows => { if (rows.length) shared.select(rows, 'on the map'); else toast('No sample lies inside.'); },
    onPick: row => shared.openInstance(row),
  });
  const title = h('span.map-title', {});
  return {key: '', spec: '', turn: 0, scatter, title, box: h('div.map-box', {}, scatter.element, title)};
}

/** The pairs that came apart, as lines until something is selected. */
function createApart(shared, onTurn) {
  const turn = () => { isOn = !isOn; onTurn(); };
  const element = h('button.quiet', {
    type: 'button', id: 'map-apart', hidden: true, 'aria-pressed': 'true', title: APART, on: {click: turn},
  });
  let found = null, isOn = true;
  return {
    element,
    forget() { found = null; },
    take(given) { found = given; },
    /** The lines to draw; the button says what they are. */
    lines() {
      const isIdle = !shared.selection.rows.length && !!found?.total;
      element.hidden = !isIdle;
      element.setAttribute('aria-pressed', String(isOn));
      if (!isIdle) return [];
      const some = found.pairs.length < found.total
        ? `${found.pairs.length} closest of ${count(found.total)}`
        : counted(found.total, 'pair');
      element.textContent = `${isOn ? 'Hide' : 'Show'} the ${some} that came apart`;
      return isOn ? found.pairs : [];
    },
  };
}

/** The columns of a run, and the colouring by one of them; onColours() when it is another. */
function createColours(shared, legend, probe, onColours) {
  const element = h('select', {id: 'map-colour', 'aria-label': 'Colour', on: {change: draw}});
  let columns = null, about = null, values = new Uint8Array(0);

  /** The column of a field is read when it is asked for first; false where it is asked for no more. */
  async function hasColumn(key) {
    if (!key.startsWith('field:') || columns[key]) return true;
    const [mine, run] = [columns, shared.chosen.run];
    try {
      mine[key] = new Uint8Array(await readBytes(`/diagnosis/${run}/field`, {field: key.slice(6)}));
    } catch (error) { tell(error); return false; }
    return columns === mine && element.value === key;
  }

  async function draw() {
    if (!columns) return;
    const key = element.value;
    if (!await hasColumn(key)) return;
    const mode = about.modes.find(each => each.key === key);
    const colouring = colouringBy(mode, columns[key], about.class_names, label => hex(colour(label), probe));
    ({values} = colouring);
    legend.show(key, colouring);
    onColours();
  }

  return {
    element, draw,
    n: () => (columns ? about.n : 0),
    values: () => values,
    columns: () => columns,
    names: () => about.class_names,
    take(described, body) {
      about = described;
      columns = cutColumns(body, about.n);
      const before = element.value;
      fill(element, ...about.modes.map(each => h('option', {value: each.key}, each.title + (each.oracle ? ' (uses true labels)' : ''))));
      element.value = about.modes.some(each => each.key === before) ? before : 'best';
    },
  };
}

/** 1 for each sample for which `test(row)` holds, and 0 for others. */
function marked(n, test) {
  const found = new Uint8Array(n);
  for (let row = 0; row < n; row++) found[row] = test(row) ? 1 : 0;
  return found;
}

/** Colours, filter and selection to the canvases. */
function paintMaps(maps, {colours, legend, shared}) {
  const n = colours.n(), values = colours.values(), hidden = legend.hidden(), one = legend.emphasised();
  if (!n) return;
  const shown = hidden.size ? marked(n, row => !hidden.has(values[row])) : null;
  let selected = null;
  if (one !== null) selected = marked(n, row => values[row] === one);
  else if (shared.selection.rows.length) {
    selected = new Uint8Array(n);
    for (const row of shared.selection.rows) selected[row] = 1;
  }
  for (const map of maps) map.scatter.look({index: values, palette: legend.palette(), shown, selected});
}

/** Buttons of the view: two maps side by side, everything in view, and the lasso. */
function createButtons(maps, onBeside) {
  const button = (id, text, key, click, more) => h('button.btn', {type: 'button', id, on: {click}, ...more},
    text, key ? h('kbd', {}, key) : null);
  const beside = button('map-beside', 'Side by side', '', onBeside, {'aria-pressed': 'false', title: BESIDE});
  const fit = button(null, 'Fit', '0', () => maps.forEach(map => map.scatter.fit()), {title: 'Show everything'});
  const lasso = button('map-lasso', 'Lasso', 'l', toggleLasso, {
    'aria-pressed': 'false', title: 'Draw around samples; or hold Shift and draw',
  });
  function toggleLasso() {
    const isOn = lasso.getAttribute('aria-pressed') !== 'true';
    lasso.setAttribute('aria-pressed', String(isOn));
    for (const map of maps) map.scatter.lasso(isOn);
  }
  return {elements: [beside, fit, lasso], beside, toggleLasso};
}

/** @param {Diagnosed} shared */
export function createMapView(shared) {
  const turn = turns();
  let isBeside = false, shownFor = '';
  const card = createMapCard(shared);
  const maps = [0, 1].map(at => createBox(at, shared, (row, x, y) => hover(at, row, x, y)));
  const layouts = createLayouts(shared, {onFeatures: () => loadMap(0), onLayout: changeLayout});
  const legend = createLegend({onFilter: paint, onEmphasis: paint});
  const probe = h('i', {style: {display: 'none'}});
  const colours = createColours(shared, legend, probe, paint);
  const apart = createApart(shared, drawLines);
  const buttons = createButtons(maps, () => { isBeside = !isBeside; draw(); });
  const list = h('button.quiet', {type: 'button', id: 'map-list', on: {click: listShown}}, 'Select what is shown');
  const holder = h('div.maps', {}, ...maps.map(map => map.box));
  const words = createMapSearch((rows, found) => shared.select(rows, found));
  const tools = h('div.row.map-tools', {}, ...layouts.elements, h('span.grow'), words.element, colours.element, ...buttons.elements);
  const element = h('div.map-view', {}, tools, holder, h('div.row.legend-row', {}, legend.element, apart.element, list), probe);
  const places = () => (isBeside ? [0, 1] : [0]);
  maps[0].box.append(card.element);

  async function draw() {
    if (element.hidden || !shared.about) return;
    const isNewest = turn();
    words.show();
    const {run, against} = shared.chosen;
    setOut(against);
    layouts.offer(run);
    const key = `${run}-${against ?? ''}-${current()?.version}-${shared.about.answers}`;
    try {
      const query = {against};
      const [told, body, ...laid] = await Promise.all([
        ...(key === shownFor ? [null, null] : [read(`/diagnosis/${run}/colours`, query), readBytes(`/diagnosis/${run}/columns`, query)]),
        ...places().map(place => layouts.read(place, maps[place].key)),
      ]);
      if (!isNewest()) return;
      if (told) takeColumns(key, told, body);
      laid.forEach((map, place) => showMap(place, map));
      colours.draw();
    } catch (error) { tell(error); }
  }

  function setOut(against) {
    if (!against) isBeside = false;
    buttons.beside.hidden = !against;
    buttons.beside.setAttribute('aria-pressed', String(isBeside));
    maps[1].box.hidden = !isBeside;
    holder.classList.toggle('two', isBeside);
  }

  /** The columns of another run: everything is shown, and what else is known of it is read. */
  function takeColumns(key, described, body) {
    shownFor = key;
    colours.take(described, body);
    legend.showAll();
    apart.forget();
    read(`${shared.base()}/apart`).catch(() => null).then(found => { if (key === shownFor) { apart.take(found); drawLines(); } });
    for (const map of maps) map.scatter.faces(null);
    if (described.n <= MOST_FACES) drawFaces(key, described.n);
  }

  /** On a map of few samples their pictures say more than points. */
  async function drawFaces(key, n) {
    try {
      const faces = await readFaces(shared.base(), n);
      if (faces && key === shownFor) for (const map of maps) map.scatter.faces(faces);
    } catch (error) { tell(error); }
  }

  function showMap(place, laid) {
    const map = maps[place];
    if (laid.body) {
      map.scatter.points(new Uint16Array(laid.body), map.spec !== laid.spec);
      Object.assign(map, {key: laid.key, spec: laid.spec});
      Object.assign(map.box.dataset, {shown: laid.key, stage: laid.stage});
    }
    map.title.textContent = layouts.titleOf(place, laid);
    if (!place) layouts.tellState(places());
  }

  /** Read and show one map anew; the selection and the part looked at stay. */
  async function loadMap(place) {
    const turn = ++maps[place].turn;
    try {
      const laid = await layouts.read(place, maps[place].key);
      if (turn === maps[place].turn && laid.spec === layouts.specOf(place)) { showMap(place, laid); drawSelection(); }
    } catch (error) { tell(error); }
  }

  async function changeLayout() {
    await layouts.make(places(), place => maps[place].box.dataset.stage);
    places().forEach(loadMap);
  }

  function paint() {
    paintMaps(maps, {colours, legend, shared});
    element.dataset.hidden = String(legend.hidden().size);
    element.dataset.selected = String(shared.selection.rows.length);
  }

  function drawLines() {
    const idle = apart.lines();
    for (const map of maps) map.scatter.lines(shared.selection.pairs || idle);
    element.dataset.apart = String(idle.length);
    element.dataset.lines = String((shared.selection.pairs || []).length);
  }

  function drawSelection() { paint(); drawLines(); }

  function listShown() {
    const hidden = legend.hidden(), values = colours.values();
    const rows = Array.from({length: colours.n()}, (_, row) => row).filter(row => !hidden.has(values[row]));
    if (colours.n()) shared.select(rows, hidden.size ? legend.shownNames().join(', ') : 'all of the map');
  }

  function hover(place, row, x = 0, y = 0) {
    if (isBeside) maps[1 - place].scatter.mark(row);
    if (row === null || !colours.n()) card.hide();
    else card.show(maps[place].box, row, x, y, colours.columns(), colours.names());
  }

  shared.onSelection(drawSelection);
  return {
    element, draw, drawLines, toggleLasso: buttons.toggleLasso,
    jobs() {
      if (element.hidden || !colours.n()) return;
      layouts.tellState(places());
      for (const place of places()) if (layouts.jobOf(layouts.specOf(place))) loadMap(place);
    },
    jobEnded(job) {
      if (job.kind === 'map' && job.dataset === state.dataset && !element.hidden && colours.n()) places().forEach(loadMap);
    },
  };
}
