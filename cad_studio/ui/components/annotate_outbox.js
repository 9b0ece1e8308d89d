// Actions on their way to the disk: sent in order, again after a failure, kept across a reload.

import {isAway, keep, keptWords, onReturn} from './studio.js';

const AT_ONCE = 20;

/** A name for this window; a tab that was duplicated or opened again has another. */
const own = Math.random().toString(36).slice(2, 10);
export const windowName = () => own;

/** Where a window keeps what is not on the disk yet, so that closing it loses nothing. */
const places = dataset => `cad-unsaved ${JSON.stringify(dataset)} `;

let lanes = 0;  // a window has several outboxes, each with a place of its own

/** What other windows left unsent, with what they are sending now: a key is never done twice. */
function left(dataset) {
  const found = Object.keys(localStorage).filter(key => key.startsWith(places(dataset)) && !key.startsWith(places(dataset) + own));
  return found.flatMap(key => {
    try { return JSON.parse(localStorage.getItem(key)); } catch { return []; } finally { localStorage.removeItem(key); }
  });
}

let counter = 0;
/** A key no other action has; the same key is never done twice. */
export const freshKey = () => `${windowName()}-${Date.now().toString(36)}-${(counter++).toString(36)}`;

/**
 * Sends actions one after the other. `send(actions)` answers {answers} or throws; `onAnswer(action,
 * answer)` is told of each that is saved, `onRefusal(action, words)` of each that cannot be done, and
 * `onState({unsaved, saving, trouble, savedAt})` of every change.
 */
export function createOutbox({send, onAnswer, onRefusal, onState}) {
  const lane = lanes++;
  const place = of => `${places(of)}${own} ${lane}`;
  let dataset = null;
  let waiting = [];
  let sending = false;
  let trouble = '';
  let savedAt = 0;
  let timer = 0;
  let idle = [];
  let failures = 0;

  const tell = () => {
    if (waiting.length) localStorage.setItem(place(dataset), JSON.stringify(waiting));
    else localStorage.removeItem(place(dataset));
    keep(waiting.length);
    onState({unsaved: waiting.length, saving: sending, trouble, savedAt});
    if (!waiting.length && !sending) { for (const done of idle) done(); idle = []; }
  };

  async function go() {
    clearTimeout(timer);
    if (sending || !waiting.length) return;
    sending = true;
    tell();
    const part = waiting.slice(0, AT_ONCE);
    const of = dataset;
    let wait = 0;
    try {
      const {answers, error} = await send(of, part);
      if (error) throw new Error(error);
      if (of !== dataset) return;
      trouble = '';
      failures = 0;
      for (const [at, answer] of answers.entries()) {
        const action = part[at];
        waiting = waiting.filter(each => each.key !== action.key);
        if (answer.error) {
          // an undo that was meant for it must not undo something else
          const pointless = waiting.findIndex(each => each.kind === 'undo' && each.target === action.key);
          if (pointless >= 0) waiting.splice(pointless, 1);
          onRefusal(action, answer.error);
        } else { savedAt = Date.now(); onAnswer(action, answer); }
      }
    } catch (error) {
      trouble = isAway() ? keptWords : error.message;
      wait = Math.min(30000, 1000 * 2 ** failures++);
    } finally {
      sending = false;
      tell();
      if (waiting.length) timer = setTimeout(go, wait);
    }
  }

  onReturn(() => { failures = 0; go(); });
  window.addEventListener('beforeunload', event => { if (waiting.length) event.preventDefault(); });

  return {
    /** Take up what an earlier window of this dataset could not send. */
    open(name) {
      dataset = name;
      waiting = left(name);
      tell();
      go();
      return waiting.length;
    },
    push(action) { waiting.push(action); tell(); go(); },
    retry: go,
    get unsaved() { return waiting.length; },
    /** Resolves when everything is on the disk. */
    settled() { return !waiting.length && !sending ? Promise.resolve() : new Promise(done => idle.push(done)); },
  };
}
