// The classes view: every class in numbers, the most confused pairs, and whether confidence holds.

import {h, fill, count} from './dom.js';
import {colour} from './chips.js';
import {createPlot} from './xy_plot.js';
import {read, tell} from './store.js';

const share = value => (value === null ? 'n/a' : `${(100 * value).toFixed(1)} %`);
const COLUMNS = [
  {key: 'name', title: 'Class'},
  {key: 'n', title: 'Samples', number: true, text: row => count(row.n)},
  {key: 'precision', title: 'Precision', number: true, oracle: true, text: row => share(row.precision), about: 'Of the samples predicted as this class, those that are'},
  {key: 'recall', title: 'Recall', number: true, oracle: true, text: row => share(row.recall), about: 'Of the samples of this class, those found'},
  {key: 'ece', title: 'Calibration error', number: true, oracle: true, text: row => share(row.ece), about: 'Gap between confidence and accuracy among samples predicted as this class'},
  {key: 'mean_candidates', title: 'Candidates', number: true, text: row => (row.mean_candidates === null ? 'n/a' : row.mean_candidates.toFixed(2)), about: 'Mean size of its sets'},
  {key: 'suspects', title: 'Suspects', number: true, text: row => (row.suspects === null ? '' : count(row.suspects)), about: 'Training samples whose truth is probably this class, but whose set lacks it'},
];

export function createClassesView(shared) {
  const table = h('table.plain.sortable', {id: 'class-table'});
  const pairs = h('table.plain', {id: 'confused-pairs'});
  const plot = createPlot('Reliability (oracle)');
  const about = h('p.quiet-text', {});
  const element = h('div.columns-view', {}, h('section.scroll', {}, h('h2', {}, 'Classes'), table, about), h('section.scroll', {}, plot.element, h('h2', {}, 'Most confused pairs'), pairs));
  let shownFor = '';
  let rows = [];
  let sort = {key: 'recall', up: true};

  async function draw() {
    if (element.hidden || !shared.about) return;
    drawPairs();
    const key = shared.token();
    if (key === shownFor) return;
    try {
      const [found, suspects] = await Promise.all([read(`${shared.base()}/classes`, {split: shared.about.split}), read(`${shared.base()}/suspects`, {kind: 'outside'})]);
      rows = found.classes.map(row => ({...row, suspects: suspects.known ? suspects.by_label[row.name] || 0 : null}));
      about.textContent = found.by_truth ? '' : 'No true label is known here; samples are counted by their best label.';
      if (!found.by_truth) sort = {key: 'n', up: false};
      shownFor = key;
      drawTable();
      drawReliability(found.reliability);
      element.dataset.shown = key;
    } catch (error) { tell(error); }
  }

  function drawTable() {
    const shown = COLUMNS.filter(column => column.key === 'name' || rows.some(row => row[column.key] !== null));
    const value = row => row[sort.key];
    const order = [...rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return (typeof x === 'string' ? x.localeCompare(y) : x - y) * (sort.up ? 1 : -1);
    });
    fill(table,
      h('thead', {}, h('tr', {}, ...shown.map(column => h('th', {class: column.number ? 'number' : '', 'aria-sort': sort.key === column.key ? (sort.up ? 'ascending' : 'descending') : 'none', title: (column.about || '') + (column.oracle ? ' (oracle)' : '')},
        h('button.quiet', {type: 'button', on: {click: () => { sort = {key: column.key, up: sort.key === column.key ? !sort.up : column.key === 'name' || column.oracle === true}; drawTable(); }}}, column.title))))),
      h('tbody', {}, ...order.map(row => h('tr', {data: {class: row.class}}, ...shown.map(column => (column.key === 'name'
        ? h('td', {}, h('button.link-cell', {type: 'button', title: `Samples of ${row.name}`, on: {click: () => openClass(row)}}, h('i.square', {style: {'--k': colour(row.class)}, 'aria-hidden': 'true'}), row.name))
        : h('td', {class: 'number'}, column.text(row))))))));
  }

  const openClass = row => shared.openRows(shared.about.matrices.confusion
    ? {what: 'confusion', a: row.class, b: row.class} : {what: 'ambiguity', a: row.class, b: row.class}, shared.about.matrices.confusion ? `${row.name}, found` : `best label ${row.name}`);

  function drawPairs() {
    const byTruth = !!shared.about.matrices.confusion;
    fill(pairs, h('thead', {}, h('tr', {}, ...[['Classes', ''], [byTruth ? 'Samples' : 'Belief', 'Both ways'], ['First as second', 'Share of the first taken for the second'], ['Second as first', ''], ['Sharing', 'Share of their samples whose set holds both']].map(([text, hint], at) => h('th', {class: at ? 'number' : '', title: hint}, text)))),
      h('tbody', {}, ...shared.about.pairs.map(pair => h('tr', {},
        h('td', {}, h('button.link-cell', {type: 'button', on: {click: () => shared.openRows({what: byTruth ? 'confusion' : 'ambiguity', a: pair.a, b: pair.b}, `${pair.names[0]} taken for ${pair.names[1]}`)}}, `${pair.names[0]} · ${pair.names[1]}`)),
        h('td.number', {}, count(Math.round(pair.weight))), h('td.number', {}, share(pair.a_as_b)), h('td.number', {}, share(pair.b_as_a)), h('td.number', {}, share(pair.sharing))))));
    if (!shared.about.pairs.length) fill(pairs, h('tbody', {}, h('tr', {}, h('td', {}, 'No two classes are confused here.'))));
  }

  function drawReliability(bins) {
    plot.element.hidden = !bins;
    if (!bins) return;
    const n = bins.counts.length;
    const total = Math.max(1, ...bins.counts);
    const points = bins.counts.map((size, at) => [bins.confidence[at], bins.accuracy[at], `${count(size)} samples at confidence ${share(bins.confidence[at])}: ${share(bins.accuracy[at])} right`]).filter((_, at) => bins.counts[at]);
    plot.show({lines: [{label: 'accuracy', colour: 'var(--accent)', points}], x: 'confidence', y: 'accuracy', xRange: [0, 1], yRange: [0, 1], diagonal: true,
      bars: bins.counts.map((size, at) => [at / n, (at + 1) / n, size / total]), about: `calibration error ${share(bins.ece)}`});
  }

  return {element, draw};
}
