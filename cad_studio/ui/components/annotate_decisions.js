// What this window has done: on its way, saved, undone; and the state that follows for the page.

import {createOutbox, freshKey, windowName} from './annotate_outbox.js';

/**
 * `ctx()` gives {dataset, who, overview}. Told of what happens: `onSaved(state)`,
 * `onRecent(list)`, `onRows(rows)`, `onRefusal(action, words)`, `onSteps({undo, redo, head, digest})`,
 * `onClasses()` when the classes are others now.
 */
export function createDecisions({server, ctx, onSaved, onRecent, onRows, onRefusal, onSteps, onClasses}) {
  let recent = [];
  let known = null;

  const outbox = createOutbox({
    send: async (dataset, actions) => server.act({dataset, actions: actions.map(({target: _target, ...action}) => ({...action, known}))}),
    onAnswer(action, answer) {
      known = [answer.number, answer.digest];
      const entry = recent.find(each => each.key === action.key);
      if (entry) { entry.state = 'saved'; entry.number = answer.number; }
      if (answer.note) onRefusal({}, answer.note);
      if (['undo', 'redo'].includes(action.kind)) {
        const of = recent.find(each => each.number === answer.reverses);
        if (of) of.undone = action.kind === 'undo';
      }
      onSteps({undo: answer.undo, redo: answer.redo, head: answer.number, digest: answer.digest});
      onRows(answer.rows);
      if (answer.classes) onClasses();
      onRecent(recent);
    },
    onRefusal(action, words) {
      const entry = recent.find(each => each.key === action.key);
      if (known && /older copy/.test(words)) { sendAgain(action, words); return; }
      if (action.kind === 'comment') words += ` Your comment was: ${action.arguments.text}`;
      if (entry) { entry.revert?.(); recent = recent.filter(each => each !== entry); onRecent(recent); }
      onRefusal({trailAt: entry?.trailAt}, words);
    },
    onState: onSaved,
  });

  /** The project lacks what it once said is saved: everything this window did and did not undo goes out again. */
  function sendAgain(refused, words) {
    known = null;
    const lost = recent.filter(each => each.action && !each.undone && each.key !== refused.key).map(each => each.action).reverse();
    for (const action of [...lost, refused]) outbox.push(action);
    onRefusal({}, `${words} ${lost.length + 1} actions are sent again.`);
  }

  const dressed = action => ({who: ctx().who, window: windowName(), key: freshKey(), ...action});

  return {
    dressed,
    open(dataset) {
      recent = [];
      known = ctx().overview.head ? [ctx().overview.head, ctx().overview.digest] : null;
      onRecent(recent);
      outbox.open(dataset);
    },
    /** Do something; `words` for the list, `undoes()` puts the page back. */
    push(action, {words, trailAt, undoes}) {
      const full = dressed(action);
      recent.unshift({
        key: full.key, action: full, words, trailAt, rows: action.rows, state: 'saving', undone: false, revert: undoes,
        canUndo: !['comment', 'skip'].includes(action.kind),
      });
      recent = recent.slice(0, 200);
      outbox.push(full);
      onRecent(recent);
    },
    /** Something done another way, such as to many samples at once, is a step of undo too. */
    note(answer, words) {
      recent.unshift({
        key: `done-${answer.number}`, words, rows: Object.keys(answer.rows).slice(0, 1).map(Number), state: 'saved',
        undone: false, number: answer.number, canUndo: true,
      });
      known = [answer.number, answer.digest];
      onSteps({undo: answer.undo, redo: answer.redo, head: answer.number, digest: answer.digest});
      onRecent(recent);
    },
    /** Undo one step; where on the trail that was, or null when it was not in this window. */
    undo() {
      const entry = recent.find(each => each.canUndo && !each.undone);
      outbox.push(dressed({kind: 'undo', target: entry?.key}));
      if (!entry) return null;
      entry.undone = true;
      entry.revert?.();
      onRecent(recent);
      return entry.trailAt ?? null;
    },
    redo() { outbox.push(dressed({kind: 'redo'})); },
    retry: () => outbox.retry(),
    settled: () => outbox.settled(),
    get pending() { return outbox.unsaved > 0; },
  };
}
