// The sample, or the two, that a decision is about: image, candidates with keys, what was said.

import {h, fill, counted, percent} from './dom.js';
import {colour, squares} from './chips.js';
import {picture} from './picture.js';
import {thumbnail} from './sprite.js';

const letters = ['A', 'B'];
const BY_KEY = 10;  // candidates that have a digit

/**
 * Owns its element. `show(view)` draws {dataset, version, card, names, belief, models, picks, side, canAct};
 * `onPick(side, class, shift)`, `onSide(side)`, `onAdd(side)`, `onFind(side)` and `onNeighbour(row)` are told of clicks.
 */
export function createCard({onPick, onSide, onAdd, onFind, onNeighbour}) {
  const cards = h('div.cards');
  const near = h('div.near');
  const element = h('div.annotate-view', {}, cards, near);

  function candidate(view, at, index, number) {
    const side = view.card.sides[at];
    const isIn = side.candidates.includes(index);
    const weight = view.belief?.[at]?.[index];
    const asked = view.models?.[at];
    const says = asked?.belief[index];
    const shared = view.card.sides.length === 2 && view.card.shared.includes(index) && isIn;
    const picked = view.picks[at] === index;
    const isOnly = isIn && side.candidates.length === 1;
    const spoken = [
      view.names[index], isIn ? '' : ', left out', number ? `, key ${number % 10}` : '',
      weight === undefined ? '' : `, ${percent(weight)} by its neighbours`,
      says === undefined ? '' : `, ${percent(says)} by ${asked.name}`,
    ].join('');
    return h('button.chip', {
      type: 'button',
      class: 'chip' + (shared ? ' shared' : '') + (picked ? ' picked' : '') + (isIn ? '' : ' out') + (isOnly ? ' only' : ''),
      style: {'--k': colour(index)}, data: {class: index, side: at}, disabled: !view.canAct, 'aria-pressed': String(picked || isOnly),
      'aria-label': spoken,
      title: isIn ? `It is ${view.names[index]}. With Shift: take it out of the candidates` : `Add ${view.names[index]} again`,
      on: {click: event => onPick(at, index, event.shiftKey || !isIn)},
    },
    number ? h('kbd', {}, number % 10) : h('kbd.blank', {'aria-hidden': 'true'}, '·'),
    h('i.square', {'aria-hidden': 'true'}), h('span.name', {}, view.names[index]),
    isOnly ? h('span.tag', {}, 'the label')
      : shared && weight === undefined ? h('span.tag', {title: 'A candidate of both'}, 'both')
      : isIn ? null
      : h('span.tag', {}, 'left out'),
    weight === undefined
      ? null
      : h('span.weights', {'aria-hidden': 'true'}, bar(weight, 'Its neighbours'), says === undefined ? null : bar(says, asked.name)));
  }

  const bar = (share, by) => h('span.bar', {title: `${by}: ${percent(share)}`}, h('i', {style: {width: `${Math.round(share * 100)}%`}}));

  function said(view, side) {
    const lines = Object.entries(side.said).map(([who, classes]) => h('li', {},
      h('b', {}, who), ' says ', classes.map(index => view.names[index]).join(' or ')));
    const byLabel = new Map();
    for (const vote of side.votes) byLabel.set(vote.label, (byLabel.get(vote.label) || 0) + (vote.weight ?? 1));
    for (const [label, n] of [...byLabel].sort((a, b) => b[1] - a[1])) {
      lines.push(h('li', {},
        Number.isInteger(n) ? `${counted(n, 'imported vote')} for ` : `${percent(n)} of the imported votes for `,
        view.names[label]));
    }
    for (const note of side.comments) {
      lines.push(h('li.note', {title: note.at.slice(0, 16).replace('T', ' ')}, h('b', {}, note.who), ': ', note.text));
    }
    return h('div.said', {}, side.contradicts ? h('p.warn', {}, 'Annotators contradict each other; everything said is kept.') : null,
      lines.length
        ? h('ul', {}, ...lines)
        : h('p.quiet-text', {}, side.blind ? 'What others answer is shown after your own answer.' : 'Nobody has said anything yet.'));
  }

  function article(view, at, first) {
    const side = view.card.sides[at];
    const isPair = view.card.sides.length === 2;
    const gone = side.imported.filter(index => !side.candidates.includes(index));
    const name = isPair ? letters[at] : '';
    let number = first;
    return h('article.card', {
      class: 'card' + (isPair && view.side === at ? ' active' : ''), data: {row: side.row},
      'aria-label': `Sample ${name} ${side.id}`, on: {click: () => isPair && onSide(at)},
    },
      h('div.picture-frame', {}, picture(view.dataset, view.version, side.row, `Sample ${name} ${side.id}`)),
      h('div.who', {},
        h('div.row', {}, isPair ? h('b', {}, name) : null, h('span.id.grow', {title: side.id}, side.id),
          side.flagged ? h('span.tag.flag', {title: 'Someone marked this sample'}, '⚑ flagged') : null,
          ...(side.tags || []).map(tag => h('span.tag', {title: 'A tag of this sample'}, tag)),
          h('span.num', {}, side.split)),
        h('h2', {},
          side.candidates.length ? counted(side.candidates.length, 'candidate') : 'No candidate is left: add one',
          view.belief?.[at]
            ? h('small', {title: 'Thick: its neighbours. Thin: the network.'},
              ` bars: neighbours${view.models?.[at] ? `, ${view.models[at].name}` : ''}`)
            : null),
        h('div.chips', {role: 'group', 'aria-label': `Candidates ${name}`},
          ...side.candidates.map(index => candidate(view, at, index, number <= BY_KEY ? number++ : 0)),
          ...gone.map(index => candidate(view, at, index, 0)),
          view.canAct && side.candidates.length > BY_KEY
            ? h('button.quiet.add', {type: 'button', on: {click: event => { event.stopPropagation(); onFind(at); }}},
              'find a candidate',
              !isPair || view.side === at ? h('kbd', {}, view.findKey) : null)
            : null,
          view.canAct
            ? h('button.quiet.add', {type: 'button', on: {click: event => { event.stopPropagation(); onAdd(at); }}},
              '+ add a class',
              !isPair || view.side === at ? h('kbd', {}, view.addKey) : null)
            : null),
        isPair ? told(view, side) : null),
      isPair ? null : said(view, side));
  }

  /** Of a pair, in one line what the card of one sample tells at length. */
  function told(view, side) {
    const lines = [
      ...Object.entries(side.said).map(([who, classes]) => `${who}: ${classes.map(index => view.names[index]).join(' or ')}`),
      ...side.comments.map(note => `${note.who}: ${note.text}`),
    ];
    return lines.length
      ? h('small.told', {title: lines.join('\n')}, `${side.contradicts ? 'contradiction · ' : ''}${lines.at(-1)}`)
      : null;
  }

  function strip(view, at) {
    const list = view.card.sides[at].neighbours;
    if (!list || !list.rows.length) return null;
    const isPair = view.card.sides.length === 2;
    const shown = isPair ? 6 : 10;
    const held = view.card.sides[at].candidates;
    const holding = list.candidates.filter(members => members.some(index => held.includes(index))).length;
    return h('section', {'aria-label': `Nearest to ${isPair ? letters[at] : 'it'}`},
      h('div.row', {},
        h('h2.grow', {title: `By ${list.features} features`}, isPair ? `Nearest to ${letters[at]}` : 'Nearest to it'),
        h('span.num', {}, `${holding} of ${list.rows.length} share a candidate`)),
      h('div.strip', {style: {'--shown': shown}}, ...list.rows.slice(0, shown).map((row, place) => h('button.near-tile', {
        type: 'button', data: {row}, title: list.candidates[place].map(index => view.names[index]).join(', '),
        on: {click: () => onNeighbour(row)},
        'aria-label': `Neighbour ${place + 1}, cosine ${list.similarity[place].toFixed(3)}, candidates `
          + `${list.candidates[place].map(index => view.names[index]).join(', ')}`,
      }, thumbnail(list.sprite, place),
      h('span.row', {},
        squares(list.candidates[place], view.names, isPair ? 3 : 4),
        h('span.num', {}, list.similarity[place].toFixed(3)))))));
  }

  return {
    element,
    show(view) {
      const isPair = view.card.sides.length === 2;
      cards.className = isPair ? 'cards pair' : 'cards single';
      fill(cards, article(view, 0, 1),
        isPair
          ? h('div.middle', {},
            h('small', {}, 'cosine'),
            h('span.similarity', {}, view.card.similarity === null ? '–' : view.card.similarity.toFixed(3)),
            h('small', {}, counted(view.card.shared.length, 'shared candidate')))
          : null,
        isPair ? article(view, 1, view.card.sides[0].candidates.length + 1) : null);
      near.className = isPair ? 'near' : 'near one';
      fill(near, ...view.card.sides.map((_, at) => strip(view, at)));
    },
  };
}

/** The candidate behind a digit: [side, class], or null. */
export function byDigit(card, number) {
  for (const [at, side] of card.sides.entries()) {
    if (number <= side.candidates.length) return [at, side.candidates[number - 1]];
    number -= side.candidates.length;
  }
  return null;
}
