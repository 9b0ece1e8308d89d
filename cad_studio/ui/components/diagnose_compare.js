// The compare view: what was set differently in some runs, and what that changed.

import {h, fill, count, empty} from './dom.js';
import {createChart} from './curves.js';
import {differenceText, figureText, isBetter, titleOf} from './diagnose_words.js';
import {words} from './form.js';
import {createMatrix} from './matrix.js';
import {Columns} from './run_charts.js';
import {read, tell} from './store.js';

const CURVES = {
  approximated_accuracy: 'Approximated accuracy', mean_confidence: 'Mean confidence',
  'oracle/test_accuracy': 'Test accuracy (uses true labels)', 'losses/loss': 'Loss',
};
const MOST_SHOWN = 8;

/** @param {Diagnosed} shared */
export function createCompareView(shared) {
  const picks = h('div.run-picks', {role: 'group', 'aria-label': 'Runs to compare'});
  const notes = h('div.notes');
  const table = h('table.plain', {id: 'compare-table'});
  const settings = h('table.plain', {id: 'compare-settings'});
  const matrix = createMatrix('Change of the confusion (uses true labels)', (a, b) =>
    shared.openRows({what: 'confusion', a, b}, `${shared.names[a]} taken for ${shared.names[b]}`));
  const changes = h('div.row.changes', {});
  const curvePick = h('select', {'aria-label': 'Curve', on: {change: drawCurves}},
    ...Object.entries(CURVES).map(([value, text]) => h('option', {value}, text)));
  const chart = createChart({
    id: 'compare-curves', title: 'Curves', format: value => (Math.abs(value) <= 1 ? value.toFixed(3) : value.toFixed(2)),
    onPoint: epoch => chart.point(epoch), controls: [curvePick],
  });
  const nothing = h('div.nothing', {});
  const filled = h('div.columns-view', {},
    h('section.scroll', {tabindex: '0'}, h('h2', {}, 'Figures'), table, h('h2', {}, 'Settings that differ'), settings),
    h('section.scroll', {tabindex: '0'}, h('h2', {}, 'What changed in the answers'), changes, matrix.element, chart.element));
  const element = h('div.compare-view', {}, picks, notes, nothing, filled);
  const columns = new Columns();
  const ticked = new Set();
  let found = null;
  let shownFor = '';

  async function draw() {
    if (element.hidden || !shared.about) return;
    drawPicks();
    const {run, against} = shared.chosen;
    const also = [...ticked].filter(id => id !== run && id !== against && shared.runs.some(each => each.id === id));
    const ids = [against, run, ...also].filter(id => id !== null);
    const key = `${ids.join()}-${shared.token()}`;
    filled.hidden = ids.length < 2;
    nothing.hidden = ids.length >= 2;
    if (ids.length < 2) {
      fill(nothing, shared.runs.filter(each => each.is_ready).length < 2
        ? empty('Only one run was asked',
          'Diagnose a second run, then hold one against the other: choose it as the run, press Diagnose, and come back.')
        : empty('Hold this run against another', 'Choose one beside "against" above, or tick some here.'));
      fill(notes);
      element.dataset.shown = 'nothing';
      shownFor = '';
      return;
    }
    if (key === shownFor) return;
    try {
      const [compared, followed] = await Promise.all([
        read('/diagnosis/compare', {runs: ids.join(), split: shared.about.split}),
        read('/training/follow', {runs: ids.map(id => `${id}:${columns.last(id)}`).join()}),
      ]);
      for (const id of ids) if (followed.reports[id]) columns.add(id, followed.reports[id]);
      found = compared;
      shownFor = key;
      drawFound();
      element.dataset.shown = key;
    } catch (error) { tell(error); fill(notes, h('p.warn', {}, error.message)); filled.hidden = true; }
  }

  function drawPicks() {
    const others = shared.runs.filter(run => run.is_ready && run.id !== shared.chosen.run && run.id !== shared.chosen.against);
    picks.hidden = !others.length;
    fill(picks,
      h('span.quiet-text', {}, 'Also:'),
      ...others.slice(0, 12).map(run => h('label.keys', {},
        h('input', {
          type: 'checkbox', ...(ticked.has(run.id) ? {checked: true} : {}), on: {change: event => tick(run.id, event.target)},
        }),
        `run ${run.id} · ${run.name}`)));
  }

  function tick(id, box) {
    if (box.checked && ticked.size < MOST_SHOWN) ticked.add(id);
    else { ticked.delete(id); box.checked = false; }
    draw();
  }

  function drawFound() {
    const {runs, figures, notes: told} = found;
    fill(notes, ...told.map(note => h('p.warn', {}, note)));
    fill(table,
      h('thead', {}, h('tr', {},
        h('th', {}, 'Figure'),
        ...runs.map((run, at) => h('th.number', {
          title: `${run.method}, ${run.dataset} v${run.version_number}, seed ${run.seed}`,
        }, `${run.name} · v${run.version_number}`, at ? null : h('small', {}, ' (base)'))))),
      h('tbody', {},
        ...figures.filter(each => each.values.some(value => value !== null)).map(each =>
          h('tr', {data: {key: each.key}, title: each.about},
            h('th', {}, titleOf(each, shared.about.split), each.oracle ? h('span.tag', {}, 'uses true labels') : null),
            ...each.values.map((value, at) => cell(each, value, at)))),
        ...Object.entries(found.entangled)
          .filter(([name, list]) => name !== '0.1' && list.some(Boolean))
          .map(([name, list]) => entangledRow(name, list))));
    const rows = Object.entries(found.settings);
    const word = value => (value === null ? 'none' : typeof value === 'string' ? value : JSON.stringify(value));
    fill(settings, ...(rows.length
      ? [
        h('thead', {}, h('tr', {}, h('th', {}, 'Setting'), ...runs.map(run => h('th', {}, run.name)))),
        h('tbody', {}, ...rows.map(([name, values]) => h('tr', {},
          h('th', {}, words(name)),
          ...values.map(value => h('td', {}, word(value)))))),
      ]
      : [h('tbody', {}, h('tr', {}, h('td', {}, 'Nothing was set differently.')))]));
    drawChanges();
    drawCurves();
  }

  const entangledRow = (name, list) => h('tr', {},
    h('th', {}, `Entangled ${name} %`, h('span.tag', {}, 'uses true labels')),
    ...list.map((one, at) => h('td.number', {},
      one ? figureText(one.instance_accuracy, 'share') : 'n/a',
      at && one && list[0] && pairsComparable(at)
        ? difference(one.instance_accuracy - list[0].instance_accuracy, {better: 1, unit: 'share'})
        : null)));

  function cell(figure, value, at) {
    const delta = at ? figure.differences[at] : null;
    const apart = at && value !== null && figure.values[0] !== null && !figure.comparable[at];
    const spread = figure.spread[at];
    return h('td.number', {}, figureText(value, figure.unit),
      apart ? h('small.same', {title: 'It rests on the candidate sets or on pairs that the two runs do not share'}, ' not comparable')
        : delta === null ? null
        : difference(delta, figure),
      spread.sd === null
        ? null
        : h('small.seeds', {title: `Over ${spread.n} runs that differ in nothing but the seed`},
          `± ${figureText(spread.sd, figure.unit)} (${spread.n})`));
  }

  const pairsComparable = at => found.figures.find(each => each.key === 'entangled_accuracy').comparable[at];

  function difference(delta, figure) {
    const good = isBetter(delta, figure);
    return h('small', {
      class: good === null ? 'same' : good ? 'up' : 'down', title: good === null ? '' : good ? 'better' : 'worse',
    }, ' ' + differenceText(delta, figure.unit));
  }

  function drawChanges() {
    const told = found.changes;
    const [before, after] = found.runs;
    const isLooked = after.run === shared.chosen.run;
    const kinds = [
      ['fixed', 'Fixed', `Wrong by ${before.name}, right by ${after.name}`],
      ['broken', 'Broken', `Right by ${before.name}, wrong by ${after.name}`],
      ['moved', 'Another class', 'Both wrong, or the truth not known, and not the same answer'],
    ];
    const door = ([what, text, title]) => h('button.btn', {
      type: 'button', id: `compare-${what}`, title, disabled: !isLooked || !told[what],
      on: {click: () => shared.openRows({what, against: before.run})},
    }, `${text}: ${told[what] === null ? 'not known' : count(told[what])}`);
    fill(changes,
      ...(told ? kinds.map(door)
        : [h('p.quiet-text', {}, 'The runs are on different datasets, so their samples are not the same.')]),
      told ? h('span.quiet-text', {}, `of ${count(told.n)} samples`) : null);
    const change = found.confusion_change;
    matrix.element.hidden = !change;
    if (change) matrix.show({
      classes: change.classes, counts: change.counts, names: change.class_names, signed: true,
      format: value => (value > 0 ? `+${value}` : `−${-value}`),
      words: (a, b, value) =>
        `${change.class_names[a]} ${a === b ? 'found' : `taken for ${change.class_names[b]}`}: ${value > 0 ? '+' : ''}${value} samples`,
      label: `${after.name} minus ${before.name}`,
    });
  }

  function drawCurves() {
    if (!found) return;
    const key = curvePick.value;
    const lines = found.runs.map((run, at) => {
      const {epoch, values} = columns.of(run.run);
      return {
        label: run.name, colour: at === 1 ? 'var(--accent)' : `var(--c${[6, 0, 1, 2, 3, 4, 5, 7][at % 8]})`,
        dashed: at === 0, live: false, x: values.has(key) ? epoch : [], y: values.get(key) || [],
      };
    });
    chart.show(lines.filter(line => line.x.length));
  }

  return {element, draw};
}
