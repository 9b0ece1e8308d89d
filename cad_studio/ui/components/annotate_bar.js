// The buttons of the Annotate page, each with its key, and what they say of the sample shown.

import {h, says} from './dom.js';
import {keyOf, shownKey} from './annotate_keys.js';

/** `run(command)` is told of clicks. `draw(view)` and `steps(view)` say what the buttons do now. */
export function createBar(run) {
  const button = (command, text, kind = '') => h('button.btn', {
    type: 'button', id: `annotate-${command}`, class: 'btn' + kind, on: {click: () => run(command)},
  },
    h('span', {}, text), h('kbd', {data: {command}}, shownKey(keyOf(command))));
  const [accept, reverse, same, none, skip] = [
    button('accept', 'A · B', ' primary'), button('reverse', 'B · A'), button('same', 'Same class'),
    button('none', 'None of these'), button('skip', 'Skip'),
  ];
  const [flag, comment, model, previous, next] = [
    button('flag', 'Flag'), button('comment', 'Comment'), button('model', 'Suggest'), button('previous', 'Previous'),
    button('next', 'Next'),
  ];
  const [undo, redo] = [button('undo', 'Undo'), button('redo', 'Redo')];
  const actions = h('div.actions', {}, accept, reverse, same, none, skip, h('span.sep'), undo, redo);

  return {
    actions, undo, redo, tools: [flag, comment, model, previous, next],
    /** `view` is {card, names, side, isFirst, canAct, showModel}. */
    draw({card, names, side, isFirst, canAct, showModel}) {
      const isPair = card.sides.length === 2;
      const [a, b] = card.classes || [];
      for (const [which, isShown] of [[accept, isPair && card.classes], [reverse, isPair], [same, isPair], [none, !isPair]]) {
        which.hidden = !isShown;
      }
      if (card.classes) {
        says(accept, `A ${names[a]} · B ${names[b]}`);
        says(reverse, `A ${names[b]} · B ${names[a]}`);
      } else says(reverse, 'Swap labels');
      says(flag, card.sides[side].flagged ? 'Take flag away' : 'Flag');
      model.setAttribute('aria-pressed', String(showModel));
      previous.disabled = isFirst;
      for (const each of [accept, reverse, same, none, skip, flag, comment]) each.disabled = !canAct;
      if (!card.classes && card.sides.some(one => one.candidates.length !== 1)) reverse.disabled = true;
    },
    /** What undo and redo would do next. */
    steps({canAct, undoes, redoes, pending}) {
      const words = step => step ? ` ${step.kind}${step.n_rows > 2 ? ` of ${step.n_rows.toLocaleString('en-US')}` : ''}` : '';
      undo.disabled = !canAct || !(undoes || pending);
      redo.disabled = !canAct || !redoes;
      says(undo, `Undo${words(undoes)}`);
      says(redo, `Redo${words(redoes)}`);
    },
  };
}
