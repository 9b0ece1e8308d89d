// Two samples side by side: what they share, how close they are, who is near each.

import {h, fill, counted, percent} from './dom.js';
import {chips, squares} from './chips.js';
import {picture} from './picture.js';
import {thumbnail} from './sprite.js';

/** A pair viewer that owns its element; `onPick(row)` is called for a neighbour. */
export function createPair(onPick, onDecide = (_at, _index, _shift) => {}) {
  const cards = h('div.pair');
  const near = h('div.near');
  const element = h('div.pair-view', {}, cards, near);
  return {
    element,
    /** `truths` holds the revealed true label of A and B, or nulls. */
    show(name, version, found, names, truths = [null, null], deciding = null) {
      const first = [1, 1 + found.sides[0].candidates.length];
      const decideOf = at =>
        (deciding?.canAct ? {first: first[at], picked: deciding.picks[at], onPick: (index, shift) => onDecide(at, index, shift)} : null);
      const card = (side, letter, truth) => h('article.card', {'aria-label': `Sample ${letter}`},
        picture(name, version, side.row, `Sample ${letter}, ${side.id}`),
        h('div.who', {}, h('div.row', {}, h('b', {}, letter), h('span.id', {title: side.id}, side.id)),
          h('h2', {}, counted(side.candidates.length, 'candidate')),
          chips(side.candidates, names, {shared: found.shared, belief: side.belief, truth, decide: decideOf('AB'.indexOf(letter))}),
          side.votes.length ? h('small.quiet-text', {}, counted(side.votes.length, 'vote')) : null));
      fill(cards,
        card(found.sides[0], 'A', truths[0]),
        h('div.middle', {}, h('small', {}, 'cosine'), h('span.similarity', {}, found.similarity.toFixed(3)),
          h('small', {}, `closer than ${percent(found.closer_than)} of cross-class pairs`)),
        card(found.sides[1], 'B', truths[1]));
      fill(near, ...found.sides.map((side, at) => strip(side.neighbours, 'AB'[at], found, names)));
    },
  };

  function strip(list, letter, found, names) {
    const shared = found.shared.length ? found.shared : [];
    const holding = list.candidates.filter(members => shared.some(index => members.includes(index))).length;
    return h('section', {'aria-label': `Nearest to ${letter}`},
      h('div.row', {}, h('h2.grow', {}, `Nearest to ${letter}`),
        h('span.num', {}, shared.length ? `${holding} of ${list.rows.length} hold a shared candidate` : `${list.rows.length} samples`)),
      h('div.strip', {}, ...list.rows.map((row, at) => h('button.near-tile', {
        type: 'button', data: {row}, title: list.candidates[at].map(index => names[index]).join(', '),
        'aria-label': `Neighbour ${at + 1} of ${letter}, cosine ${list.similarity[at].toFixed(3)}, candidates `
          + `${list.candidates[at].map(index => names[index]).join(', ')}`,
        on: {click: () => onPick(row)},
      }, thumbnail(list.sprite, at),
      h('span.row', {},
        squares(list.candidates[at], names, list.candidates[at].length > 12 ? 2 : 3),
        h('span.num', {}, list.similarity[at].toFixed(3)))))));
  }
}
