// The classes view: every class in numbers, the most confused pairs, and whether confidence holds.

import {h, fill, count, counted} from './dom.js';
import {colour} from './chips.js';
import {createPlot} from './xy_plot.js';
import {read, tell} from './store.js';

const share = value => (value === null ? 'n/a' : `${(100 * value).toFixed(1)} %`);
const COLUMNS = [
  {key: 'name', title: 'Class'},
  {key: 'n', title: 'Samples', number: true, text: row => count(row.n)},
  {
    key: 'precision', title: 'Precision', number: true, oracle: true, text: row => share(row.precision),
    about: 'Of the samples predicted as this class, those that are',
  },
  {
    key: 'recall', title: 'Recall', number: true, oracle: true, text: row => share(row.recall),
    about: 'Of the samples of this class, those found',
  },
  {
    key: 'ece', title: 'Calibration error', number: true, oracle: true, text: row => share(row.ece),
    about: 'Gap between confidence and accuracy among samples predicted as this class',
  },
  {
    key: 'mean_candidates', title: 'Candidates', number: true,
    text: row => (row.mean_candidates === null ? 'n/a' : row.mean_candidates.toFixed(2)), about: 'Mean size of its sets',
  },
  {
    key: 'suspects', title: 'Suspects', number: true, text: row => (row.suspects === null ? '' : count(row.suspects)),
    about: 'Training samples whose truth is probably this class, but whose set lacks it',
  },
];

/** @param {Diagnosed} shared */
export function createClassesView(shared) {
  const table = h('table.plain.sortable', {id: 'class-table'});
  const pairs = h('table.plain', {id: 'confused-pairs'});
  const plot = createPlot('Reliability (uses true labels)');
  const whose = h('p.quiet-text', {id: 'reliability-of', 'aria-live': 'polite'});
  const back = h('button.quiet', {type: 'button', id: 'reliability-all', hidden: true, on: {click: () => showClass(null)}},
    'Show all classes');
  const about = h('p.quiet-text', {});
  const element = h('div.columns-view', {},
    h('section.scroll', {tabindex: '0'}, h('h2', {}, 'Classes'), table, about),
    h('section.scroll', {tabindex: '0'}, plot.element, h('div.row.whose', {}, whose, back), h('h2', {}, 'Most confused pairs'), pairs));
  let shownFor = '';
  let rows = [];
  let all = null;      // bins of all classes
  let chosen = null;   // the class whose diagram is shown
  let sort = {key: 'recall', up: true};

  async function draw() {
    if (element.hidden || !shared.about) return;
    drawPairs();
    const key = shared.token();
    if (key === shownFor) return;
    try {
      const [found, suspects] = await Promise.all([
        read(`${shared.base()}/classes`, {split: shared.about.split}), read(`${shared.base()}/suspects`, {kind: 'outside'}),
      ]);
      rows = found.classes.map(row => ({...row, suspects: suspects.known ? suspects.by_label[row.name] || 0 : null}));
      about.textContent = found.by_truth ? '' : 'No true label is known here; samples are counted by their best label.';
      if (!found.by_truth) sort = {key: 'n', up: false};
      shownFor = key;
      drawTable();
      all = found.reliability;
      chosen = null;
      drawReliability(all, null);
      element.dataset.shown = key;
    } catch (error) { tell(error); }
  }

  function drawTable() {
    const shown = COLUMNS.filter(column => column.key === 'name' || rows.some(row => row[column.key] !== null));
    const value = row => row[sort.key];
    const order = [...rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return Number(x === null) - Number(y === null);
      return (typeof x === 'string' ? x.localeCompare(y) : x - y) * (sort.up ? 1 : -1);
    });
    fill(table,
      h('thead', {}, h('tr', {}, ...shown.map(column => h('th', {
        class: column.number ? 'number' : '',
        'aria-sort': sort.key === column.key ? (sort.up ? 'ascending' : 'descending') : 'none',
        title: (column.about || '') + (column.oracle ? ' (uses true labels)' : ''),
      },
        h('button.quiet', {type: 'button', on: {click: () => sortBy(column)}}, column.title))))),
      h('tbody', {}, ...order.map(row => h('tr', {data: {class: row.class}, class: row.class === chosen ? 'chosen' : ''},
        ...shown.map(column => (column.key === 'name'
          ? h('td', {}, h('button.link-cell', {
            type: 'button', title: `Samples of ${row.name}, and its reliability diagram`,
            'aria-pressed': String(row.class === chosen), on: {click: () => { openClass(row); showClass(row.class); }},
          }, h('i.square', {style: {'--k': colour(row.class)}, 'aria-hidden': 'true'}), row.name))
          : h('td', {class: 'number'}, column.text(row))))))));
  }

  function sortBy(column) {
    sort = {key: column.key, up: sort.key === column.key ? !sort.up : column.key === 'name' || column.oracle === true};
    drawTable();
  }

  const openClass = row => (shared.about.matrices.confusion
    ? shared.openRows({what: 'confusion', a: row.class, b: row.class}, `${row.name}, found`)
    : shared.openRows({what: 'ambiguity', a: row.class, b: row.class}, `best label ${row.name}`));

  function drawPairs() {
    const byTruth = !!shared.about.matrices.confusion;
    const heads = [
      ['Classes', ''], [byTruth ? 'Samples' : 'Belief', 'Both ways'],
      ['First as second', 'Share of the first taken for the second'], ['Second as first', ''],
      ['Sharing', 'Share of their samples whose set holds both'],
    ];
    const openPair = ({a, b, names}) =>
      shared.openRows({what: byTruth ? 'confusion' : 'ambiguity', a, b}, `${names[0]} taken for ${names[1]}`);
    fill(pairs,
      h('thead', {}, h('tr', {}, ...heads.map(([text, hint], at) => h('th', {class: at ? 'number' : '', title: hint}, text)))),
      h('tbody', {}, ...shared.about.pairs.map(pair => h('tr', {},
        h('td', {},
          h('button.link-cell', {type: 'button', on: {click: () => openPair(pair)}}, `${pair.names[0]} · ${pair.names[1]}`)),
        h('td.number', {}, count(Math.round(pair.weight))),
        h('td.number', {}, share(pair.a_as_b)),
        h('td.number', {}, share(pair.b_as_a)),
        h('td.number', {}, share(pair.sharing))))));
    if (!shared.about.pairs.length) fill(pairs, h('tbody', {}, h('tr', {}, h('td', {}, 'No two classes are confused here.'))));
  }

  /** The diagram of a class over that of all; null for all alone. */
  async function showClass(label) {
    if (!all) return;
    chosen = label;
    drawTable();
    if (label === null) { drawReliability(all, null); return; }
    try {
      const found = await read(`${shared.base()}/reliability`, {class: label, split: shared.about.split});
      if (chosen === label) drawReliability(found.reliability, found.name);
    } catch (error) { tell(error); }
  }

  const line = (bins, label, dashed) => ({
    label, dashed, colour: dashed ? 'var(--ink-3)' : 'var(--accent)',
    points: bins.counts.map((size, at) => [
      bins.confidence[at], bins.accuracy[at],
      `${label}: ${counted(size, 'sample')} at confidence ${share(bins.confidence[at])}, ${share(bins.accuracy[at])} right`,
    ]).filter((_, at) => bins.counts[at]),
  });

  function drawReliability(bins, name) {
    plot.element.hidden = !all;
    back.hidden = name === null;
    whose.textContent = !all ? ''
      : name === null ? 'Choose a class to see its own diagram. Bars: how many samples; a line below the diagonal: too sure.'
      : bins ? `Of the ${counted(bins.counts.reduce((a, b) => a + b, 0), 'sample')} predicted as ${name}.`
      : `No sample of known truth is predicted as ${name}, so there is nothing to judge its confidence by.`;
    if (!all) return;
    const shown = bins || all;
    const n = shown.counts.length;
    const most = Math.max(1, ...shown.counts);
    const lines = bins && name !== null
      ? [line(all, 'all classes', true), line(bins, name, false)]
      : [line(all, 'all classes', name !== null)];
    plot.show({
      lines, x: 'confidence', y: 'accuracy', xRange: [0, 1], yRange: [0, 1], diagonal: true,
      bars: shown.counts.map((size, at) => [at / n, (at + 1) / n, size / most]),
      about: `${name !== null && bins ? `${name}: ` : ''}calibration error ${share(shown.ece)}`,
    });
    element.dataset.reliability = name === null ? 'all' : String(chosen);
  }

  return {element, draw};
}
