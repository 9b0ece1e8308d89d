// One sample, large: its image, candidates, votes, and the truth behind a button.

import {h, fill, counted, percent, turns} from './dom.js';
import {chips} from './chips.js';
import {createDecider} from './decider.js';
import {ownFields} from './dataset_fields.js';
import {picture} from './picture.js';
import {bindKeys, change, open, read, tell} from './store.js';
import {createWordsSuggest} from './words_suggest.js';

/** A panel that owns its element; show(name, version, row, names) fills it, onClose hides it. */
export function createInstancePanel({onClose, onStep}) {
  const element = h('aside.instance', {'aria-label': 'Chosen sample', hidden: true});
  const suggested = createWordsSuggest('instance');
  const turn = turns();
  let shown = null;
  let revealed = false;
  let decided = null;  // how the sample may be decided, and what was picked
  const decider = createDecider({
    root: element, prefix: 'instance-decide', onChange: takeDecision, onNext: () => onStep(1),
    onBack: ([row]) => change({instance: row}),
  });

  function takeDecision(card, how) {
    if (!shown || card.rows[0] !== shown[2]) return;
    decided = {candidates: card.sides[0].candidates, how};
    paintChips();
  }
  let paintChips = () => {};

  bindKeys(element, {
    Escape: () => onClose(), t: () => toggle(), g: () => seeAugmentations(), j: () => onStep(1), k: () => onStep(-1),
  });

  function seeAugmentations() {
    if (!shown) return;
    change({augment: String(shown[2])});
    open('augment');
  }

  function toggle() {
    revealed = !revealed;
    if (shown) draw(...shown);
  }

  async function draw(name, version, row, names) {
    shown = [name, version, row, names];
    const isNewest = turn();
    let found;
    try {
      found = await read(`/datasets/${encodeURIComponent(name)}/instance/${row}`, {reveal: revealed ? 1 : null});
    } catch (error) {
      tell(error);
      return;
    }
    if (!isNewest()) return;
    element.hidden = false;
    element.dataset.row = row;
    const truth = found.truth ?? null;
    const candidates = h('div.held', {});
    const title = h('h2.grow', {});
    decided = null;
    paintChips = () => {
      const held = decided?.candidates || found.candidates;
      const decide = decided?.how.canAct
        ? {first: 1, picked: held.length === 1 ? held[0] : null, onPick: (index, shift) => decider.pick(0, index, shift)}
        : null;
      title.textContent = counted(held.length, 'candidate');
      fill(candidates, chips(held, names, {truth, decide}));
    };
    paintChips();
    decider.show([row]);
    suggested.show(name, row, names);
    fill(element,
      h('div.row', {}, h('b.id.grow', {title: found.id}, found.id),
        h('button.quiet', {type: 'button', on: {click: onClose}}, 'Close', h('kbd', {}, 'esc'))),
      picture(name, version, row, `Sample ${found.id}`),
      h('div.row', {}, title, h('span.num', {}, `split ${found.split}`)),
      candidates, decider.element, suggested.element,
      found.votes.length ? votes(found.votes, names) : null,
      ownFields(found),
      h('div.row', {},
        found.truth_known
          ? h('button.btn', {type: 'button', id: 'instance-reveal', 'aria-pressed': String(revealed), on: {click: toggle}},
            revealed ? 'Hide true label' : 'Reveal true label',
            h('kbd', {}, 't'))
          : h('span.quiet-text', {}, 'No true label is known.')),
      h('div.row', {}, h('button.btn', {type: 'button', id: 'instance-augment', on: {click: seeAugmentations}},
        'See augmentations', h('kbd', {}, 'g'))),
      h('div.row', {}, h('button.btn', {type: 'button', on: {click: () => onStep(-1)}}, h('kbd', {}, 'k'), 'Previous'),
        h('button.btn', {type: 'button', on: {click: () => onStep(1)}}, 'Next', h('kbd', {}, 'j'))));
  }

  return {
    element,
    show(name, version, row, names) { revealed = false; return draw(name, version, row, names); },
    hide() { decider.hide(); element.hidden = true; turn(); shown = null; element.dataset.row = ''; },
  };
}

function votes(list, names) {
  const byLabel = new Map();
  for (const vote of list) {
    const known = byLabel.get(vote.label) || {n: 0, who: []};
    byLabel.set(vote.label, {n: known.n + vote.weight, who: vote.annotator ? [...known.who, vote.annotator] : known.who});
  }
  const lines = [...byLabel].sort((a, b) => b[1].n - a[1].n);
  const total = lines.reduce((sum, [, {n}]) => sum + n, 0);
  const isCounted = Number.isInteger(total);  // shares of votes sum to 1 without being votes
  return h('section', {},
    h('h2', {},
      isCounted && total > 1 ? counted(total, 'vote') : list.length === total ? counted(list.length, 'vote') : 'Shares of the votes'),
    h('ul.votes', {}, ...lines.map(([label, {n, who}]) => h('li', {title: who.join(', ')},
      h('span.grow', {}, names[label]),
      h('span.num', {}, Number.isInteger(n) ? `${n} of ${total}` : percent(n / total)),
      h('small', {}, who.slice(0, 4).join(', ') + (who.length > 4 ? ' …' : ''))))));
}
