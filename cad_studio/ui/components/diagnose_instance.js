// One sample or one pair as the runs see it: belief over the epochs, predictions, neighbours.

import {h, fill, counted, percent, turns} from './dom.js';
import {chips, colour, squares} from './chips.js';
import {createChart} from './curves.js';
import {createDecider} from './decider.js';
import {createEdits} from './diagnose_edits.js';
import {picture} from './picture.js';
import {load, thumbnail} from './sprite.js';
import {change, current, open, read, state, tell} from './store.js';

const share = value => `${(100 * value).toFixed(0)} %`;

/**
 * A panel that owns its element; instance(row) and pair(i, j) fill it. `onStep(by)` goes on in the selection and says whether it did.
 * @param {Diagnosed} shared
 * @param {any} [onClose]
 * @param {any} [onStep]
 */
export function createInspector(shared, onClose, onStep) {
  const head = h('div.row', {});
  const body = h('div.inspector-body', {});
  const element = h('section.inspector', {'aria-label': 'Sample under the runs'}, head, body);
  const edits = createEdits(shared);
  const chart = createChart({
    id: 'belief-history', title: 'Belief by epoch', format: value => percent(Math.max(0, Math.min(1, value))), range: [0, 1],
    onPoint: epoch => chart.point(epoch),
  });
  const decider = createDecider({
    root: element, prefix: 'inspector-decide', onChange: takeDecision, onNext: () => (isPair() ? false : onStep(1)),
    onBack: rows => (rows.length === 2 ? pair(...rows) : instance(rows[0])),
  });
  const turn = turns();
  let row = null;
  let paintSets = (_card, _how) => {};  // draws the candidates of what is shown, as they may be decided
  const isPair = () => !!element.dataset.pair;

  function takeDecision(card, how) {
    if (card.rows.join('-') === (element.dataset.pair || element.dataset.row)) paintSets(card, how);
  }

  const closing = text => fill(head,
    h('b.id.grow', {title: text}, text),
    h('button.quiet', {type: 'button', id: 'inspector-close', on: {click: onClose}}, 'Close', h('kbd', {}, 'esc')));
  const names = () => shared.names;

  async function instance(wanted) {
    const isNewest = turn();
    row = wanted;
    try {
      const found = await read(`${shared.base()}/instance/${wanted}`);
      await Promise.all([load(found.pairs_sprite), ...found.runs.map(run => load(run.neighbours.sprite))]);
      if (!isNewest()) return;
      draw(found);
    } catch (error) { tell(error); }
  }

  function draw(found) {
    closing(found.id);
    const title = h('h2'), held = h('div.held');
    paintSets = (card, how) => {
      const set = card?.sides[0].candidates || found.candidates;
      title.textContent = `${counted(set.length, 'candidate')} · ${found.split}`;
      fill(held, chips(set, names(), {
        belief: found.belief,
        decide: how?.canAct
          ? {first: 1, picked: set.length === 1 ? set[0] : null, onPick: (index, shift) => decider.pick(0, index, shift)}
          : null,
      }));
    };
    paintSets();
    fill(body,
      h('div.inspector-top', {}, picture(state.dataset, current().version, found.row, `Sample ${found.id}`),
        h('div.who', {}, title, held)),
      decider.element,
      found.history
        ? chart.element
        : h('p.quiet-text', {}, 'The run did not learn from this sample, so there is no belief over the epochs.'),
      h('h2', {}, 'Predictions and nearest samples of each run'), ...found.runs.map(answer),
      found.pairs.length
        ? h('section', {},
          h('h2', {}, `In ${counted(found.n_pairs, 'close pair')} of other classes`),
          strip(found.pairs, found.pairs_sprite, null, null, partner => pair(found.row, partner)))
        : h('p.quiet-text', {},
          'In none of the closest 0.1 % of cross-class pairs'
          + (found.nearest_other === null ? '.' : `; its nearest of another class has cosine ${found.nearest_other.toFixed(3)}.`)),
      edits.element,
      h('button.btn', {type: 'button', on: {click: () => { open('dataset'); change({instance: found.row}); }}}, 'On the Dataset page'));
    edits.show([found.row]);
    if (found.history) chart.show(lines(found.history, ''));
    element.dataset.row = found.row;
    delete element.dataset.pair;
    decider.show([found.row]);
  }

  const lines = (history, prefix, dashed = false) => Object.entries(history.beliefs).map(([label, values]) => ({
    label: prefix + names()[label], colour: colour(+label), dashed, live: false, x: history.epochs, y: values,
  }));

  function answer(run) {
    const wrong = run.neighbours.best.filter(best => best !== run.best).length;
    return h('section.answer', {},
      h('div.row', {}, h('b.grow', {}, run.name), h('span.num', {}, `${wrong} of ${run.neighbours.rows.length} nearest differ`)),
      h('div.tops', {}, ...run.top.slice(0, 4).map(([label, value]) => h('span.top', {style: {'--k': colour(label)}},
        h('i', {'aria-hidden': 'true'}),
        `${names()[label]} ${share(value)}`))),
      strip(run.neighbours.rows, run.neighbours.sprite, run.neighbours.best, run.neighbours.similarity, instance));
  }

  function strip(rows, sprite, best, similarity, pick) {
    return h('div.near-strip', {}, ...rows.map((each, at) => {
      const cosine = similarity ? `cosine ${similarity[at].toFixed(3)}` : '';
      const isNamed = best && best[at] >= 0;
      const label = isNamed ? names()[best[at]] : '';
      return h('button.near-tile', {
        type: 'button', data: {row: each},
        'aria-label': `Sample at place ${at + 1}${cosine && `, ${cosine}`}${isNamed ? `, best label ${label}` : ''}`,
        title: `${cosine && `${cosine} `}${label}`, on: {click: () => pick(each)},
      }, thumbnail(sprite, at), best ? h('span.row', {}, squares(isNamed ? [best[at]] : [], names())) : null);
    }));
  }

  async function pair(i, j) {
    const isNewest = turn();
    try {
      const found = await read(`${shared.base()}/pair/${i}-${j}`);
      if (!isNewest()) return;
      row = i;
      closing(`${found.ids[0]} and ${found.ids[1]}`);
      const predicted = run => run.predicted.map(label => (label < 0 ? 'nothing' : names()[label])).join(' · ');
      const [first, second] = found.histories;
      const sets = h('div.two.sets', {hidden: true});
      paintSets = (card, how) => {
        sets.hidden = false;
        fill(sets, ...card.sides.map((side, at) => h('div', {role: 'group', 'aria-label': `Sample ${'AB'[at]}`},
          h('small', {}, `${'AB'[at]}: ${counted(side.candidates.length, 'candidate')}`),
          chips(side.candidates, names(), {
            shared: card.shared,
            decide: how.canAct
              ? {
                first: at ? card.sides[0].candidates.length + 1 : 1,
                picked: how.picks[at] ?? (side.candidates.length === 1 ? side.candidates[0] : null),
                onPick: (index, shift) => decider.pick(at, index, shift),
              }
              : null,
          }))));
      };
      fill(body,
        h('div.two', {}, ...found.rows.map((each, at) => h('button.quiet.face', {
          type: 'button', 'aria-label': `Sample ${found.ids[at]}`, on: {click: () => instance(each)},
        }, picture(state.dataset, current().version, each, `Sample ${found.ids[at]}`)))),
        sets, decider.element,
        h('p', {},
          found.shared.length ? `Both may be ${found.shared.map(label => names()[label]).join(', ')}.` : 'They share no candidate.'),
        first && second
          ? h('p', {id: 'pair-apart'},
            found.apart === null
              ? 'The run believes in the same best candidate for both to the end.'
              : `Believed to be of different classes from epoch ${found.apart + 1} on.`)
          : h('p.quiet-text', {}, 'The run did not learn from both, so there is no belief over the epochs.'),
        first && second ? chart.element : null,
        h('h2', {}, 'Similarity in the features of each run'),
        h('table.plain', {},
          h('thead', {}, h('tr', {}, ...['Run', 'Cosine', 'Entangled from', 'Predicted'].map(text => h('th', {}, text)))),
          h('tbody', {}, ...found.runs.map(run => h('tr', {},
            h('td', {}, run.name),
            h('td.number', {}, run.similarity.toFixed(3)),
            h('td.number', {}, run.threshold.toFixed(3)),
            h('td', {}, `${predicted(run)} · ${run.entangled ? 'entangled' : 'apart'}`))))),
        edits.element,
        h('button.btn', {
          type: 'button',
          on: {click: () => { change({pair: `${Math.min(i, j)}-${Math.max(i, j)}`, classes: null, threshold: null}); open('pairs'); }},
        }, 'On the Entangled pairs page'));
      if (first && second) chart.show([...lines(first, 'A: '), ...lines(second, 'B: ', true)]);
      edits.show([i, j]);
      element.dataset.pair = `${i}-${j}`;
      element.hidden = false;
      decider.show([i, j]);
    } catch (error) { tell(error); }
  }

  return {
    element, instance, pair, row: () => row,
    forget() { row = null; turn(); decider.hide(); delete element.dataset.row; delete element.dataset.pair; },
  };
}
