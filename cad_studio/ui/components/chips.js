// Candidates, the same everywhere: colour square, name, and how strongly the neighbours believe in it.

import {h, percent} from './dom.js';

/** The colour of a class: ten named ones, then hues far from their neighbours. */
export function colour(index) {
  return index < 10 ? `var(--c${index})` : `hsl(${Math.round((index * 137.5) % 360)} 48% 56%)`;
}

/** Candidates as a column of chips. `belief` maps a class to 0..1; shared ones are tinted. */
export function chips(candidates, names, {shared = [], belief = {}, truth = null, decide = null} = {}) {
  const list = h(decide ? 'div.chips' : 'ul.chips', decide ? {role: 'group', 'aria-label': 'Candidates'} : {});
  let number = decide?.first ?? 0;
  for (const index of candidates) {
    const weight = belief[index];
    const isShared = shared.includes(index);
    const key = decide && number <= 10 ? number++ : 0;
    const isPicked = decide?.picked === index;
    list.append(h(decide ? 'button.chip' : 'li.chip', {
      class: 'chip' + (isShared ? ' shared' : '') + (isPicked ? ' picked' : ''), style: {'--k': colour(index)},
      title: names[index] + (isShared ? ', a candidate of both' : '')
        + (decide ? '. It is this one; with Shift: take it out of the candidates' : ''),
      ...(decide
        ? {
          type: 'button', data: {class: index}, 'aria-pressed': String(isPicked),
          on: {click: event => decide.onPick(index, event.shiftKey)},
        }
        : {}),
    },
    key ? h('kbd', {}, key % 10) : null,
    h('i.square', {'aria-hidden': 'true'}), h('span.name', {}, names[index]),
    h('span.tags', {},
      truth === index ? h('span.tag', {title: 'The true label (uses true labels)'}, 'true') : null,
      isShared ? h('span.tag', {}, decide ? 'both' : 'shared') : null),
    weight === undefined
      ? null
      : h('span.bar', {title: `${percent(weight)} of the weight of its neighbours`, role: 'img', 'aria-label': percent(weight)},
        h('i', {style: {width: `${Math.round(weight * 100)}%`}}))));
  }
  if (truth !== null && !candidates.includes(truth))
    list.append(h(decide ? 'span.chip' : 'li.chip', {
      style: {'--k': colour(truth)}, title: 'The true label (uses true labels) is not a candidate',
    },
      h('i.square'), h('span.name', {}, names[truth]), h('span.tag.bad', {}, 'true, not in the set')));
  return list;
}

const SQUARE = 10;  // with the gap to the next, in pixels

/** Candidates as colour squares for small views, one element for all of them; the names are in the label. */
export function squares(candidates, names, most = 8) {
  const shown = candidates.slice(0, most);
  const next = shown.slice(1).map((index, at) => `${SQUARE * (at + 1)}px 0 ${colour(index)}`);
  return h('span.squares', {
    title: candidates.map(index => names[index]).join(', '), data: {n: shown.length},
    style: {
      '--k': shown.length ? colour(shown[0]) : 'transparent', '--next': next.join() || 'none', '--room': `${SQUARE * next.length}px`,
    },
  }, candidates.length > most ? h('small', {}, `+${candidates.length - most}`) : null);
}
