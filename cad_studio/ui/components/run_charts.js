// The three charts of the Train page, and the columns of figures behind them.

import {h} from './dom.js';
import {colour} from './chips.js';
import {createChart} from './curves.js';
import {fillOptions} from './form.js';
import {ORACLE, figureAt, figureWord, loss, share} from './train_words.js';

const ALL = '';
const NAMES = {
  loss: name => name.startsWith('losses/'),
  accuracy: name => !NAMES.entangled(name) && figureAt(name)?.is_shown === true,
  entangled: name => name.startsWith('oracle/entangled/'),
};
const FIRST = {loss: 'losses/loss', accuracy: 'approximated_accuracy', entangled: 'oracle/entangled/0.1/instance_accuracy'};
const isOracle = name => name.startsWith('oracle/');

/** Columns of figures by run, grown by what is new. */
export class Columns {
  #runs = new Map();

  /** The last epoch known of a run, -1 before the first. */
  last(run) { const epochs = this.#runs.get(run)?.epoch; return epochs?.length ? epochs[epochs.length - 1] : -1; }

  /** Add {epoch, values}; returns whether there was anything new. */
  add(run, {epoch, values}) {
    const from = epoch.findIndex(each => each > this.last(run));
    if (from < 0) return false;
    const held = this.#runs.get(run) || {epoch: [], values: new Map()};
    const before = held.epoch.length;
    held.epoch.push(...epoch.slice(from));
    for (const name of new Set([...held.values.keys(), ...Object.keys(values)])) {
      const column = held.values.get(name) || Array(before).fill(null);
      column.push(...(values[name] || Array(epoch.length).fill(null)).slice(from));
      held.values.set(name, column);
    }
    this.#runs.set(run, held);
    return true;
  }

  of(run) { return this.#runs.get(run) || {epoch: [], values: new Map()}; }
  forget(run) { this.#runs.delete(run); }
}

/** Three charts that own their element: `show(runs, columns)`, runs being [{id, name, colour, live}], the chosen one first. */
export function createCharts() {
  let runs = [];
  let columns = new Columns();
  let log = localStorage.getItem('cad-log-loss') === 'on';
  const charts = {};
  const pointAll = epoch => { for (const chart of Object.values(charts)) chart.point(epoch); };
  const pick = kind => h('select.figure-pick', {id: `curve-${kind}-figure`, 'aria-label': 'Figure', on: {change: () => draw(kind)}});
  const picks = {loss: pick('loss'), accuracy: pick('accuracy'), entangled: pick('entangled')};
  const logButton = h('button.quiet', {
    type: 'button', id: 'curve-log', title: 'Losses on a logarithmic scale', 'aria-pressed': String(log),
    on: {click: () => toggleLog()},
  }, 'Log', h('kbd', {}, 'l'));
  const tag = () => h('span.tag', {title: ORACLE}, 'uses true labels');

  charts.loss = createChart({id: 'curve-loss', title: 'Loss', format: loss, onPoint: pointAll, controls: [picks.loss, logButton]});
  charts.accuracy = createChart({
    id: 'curve-accuracy', title: 'Accuracy', format: axis(), range: [0, 1], onPoint: pointAll, controls: [picks.accuracy],
  });
  charts.entangled = createChart({
    id: 'curve-entangled', title: 'Entangled', format: axis(), range: [0, 1], onPoint: pointAll,
    controls: [tag(), picks.entangled],
  });
  const element = h('div.charts', {}, charts.loss.element, charts.accuracy.element, charts.entangled.element);

  function axis() { return (value, short = false) => (short ? `${+(100 * value).toFixed(1)} %` : share(value)); }

  function toggleLog() {
    log = !log;
    localStorage.setItem('cad-log-loss', log ? 'on' : 'off');
    logButton.setAttribute('aria-pressed', String(log));
    draw('loss');
  }

  /** What may be chosen: everything at once for one run, by shares of pairs where there are many. */
  function optionsOf(kind, names) {
    if (kind !== 'entangled') return [...(runs.length > 1 ? [] : [[ALL, 'all']]), ...names.map(name => [name, label(name)])];
    const shares = [...new Set(names.map(name => name.split('/')[2]))];
    if (runs.length < 2) return shares.map(each => [`oracle/entangled/${each}/`, `closest ${each} %`]);
    return names.map(name => [name, `${figureWord(name)}, ${name.split('/')[2]} %`]);
  }
  // the chart of entangled pairs says it once for all its figures
  const label = name => figureWord(name) + (isOracle(name) && !NAMES.entangled(name) ? ' · uses true labels' : '');

  function draw(kind) {
    const all = [...new Set(runs.flatMap(run => [...columns.of(run.id).values.keys()]))].filter(NAMES[kind]).sort((a, b) =>
      Number(b === FIRST[kind]) - Number(a === FIRST[kind]));
    // a loss of one part is that part
    const names = kind === 'loss' && all.length === 2 ? all.slice(0, 1) : all;
    const options = optionsOf(kind, names);
    const keyNow = JSON.stringify(options);
    if (picks[kind].dataset.options !== keyNow) {
      picks[kind].dataset.options = keyNow;
      fillOptions(picks[kind], options);
      if (picks[kind].selectedIndex < 0 && options.length) picks[kind].value = options[0][0];
    }
    picks[kind].hidden = options.length < 2;
    const wanted = picks[kind].value;
    const alone = runs.length < 2;
    const lines = alone
      ? names.filter(name => wanted === ALL || name === wanted || (wanted.endsWith('/') && name.startsWith(wanted))).map((name, at) =>
        lineOf(runs[0], name, label(name), colour(palette(name, at))))
      : runs.map(run => lineOf(run, wanted, run.name, run.colour));
    charts[kind].element.hidden = kind === 'entangled' && !all.length
      && runs.every(run => !run.live && columns.of(run.id).epoch.length);  // without true labels it stays empty
    charts[kind].show(lines.filter(line => line.x.length), {
      legendNote: alone || runs.length < 5 ? '' : 'Colours as in the table of runs', logarithmic: kind === 'loss' && log,
    });
  }

  function lineOf(run, name, text, paint) {
    const held = columns.of(run.id);
    return {
      label: text, colour: paint, dashed: isOracle(name), strong: run.id === runs[0].id && runs.length > 1, live: run.live,
      hint: isOracle(name) ? ORACLE : null, x: held.values.has(name) ? held.epoch : [], y: held.values.get(name) || [],
    };
  }

  return {
    element, toggleLog,
    show(given, held) { runs = given; columns = held; for (const kind of Object.keys(charts)) draw(kind); },
  };
}

/** The same figure has the same colour in every run. */
function palette(name, at) {
  const fixed = {'losses/loss': 0, instance_accuracy: 1, pair_accuracy: 2, swap_rate: 3};
  return figureAt(name)?.colour ?? fixed[name] ?? fixed[name.split('/').pop()] ?? [2, 3, 4, 5, 6, 7, 8, 9][at % 8];
}
