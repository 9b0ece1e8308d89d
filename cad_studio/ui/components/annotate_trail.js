// The way through a queue: what was fetched ahead, where one is, and the way back.

import {load} from './sprite.js';

const AHEAD = 8;
const AGAIN_MS = 1500;

/**
 * `take(queue, count)` asks for the next cards, `hasUnsaved()` says whether answers are still on their way,
 * `settled()` waits for them, `image(row)` is an address. Told of what happens: `onShow(card)` at another card,
 * `onQueue(queue)` of its counts, `onEnd()` when nothing is left, `onWait(words)` while neighbours are being found, or what the
 * words say, `onRefusal(words)`.
 */
export function createTrail({take, hasUnsaved, settled, image, onShow, onQueue, onEnd, onWait, onRefusal}) {
  let queue = null;
  let cards = [];
  let at = -1;
  let more = true;
  let told = null;  // what cannot be worked out for this queue, said once
  let isWaiting = false;
  let taking = null;
  let moving = null;
  let fetching = null;
  let isOpening = false;
  let moves = 0;          // every change of place has a number; one that is overtaken ends without effect
  let isLeaving = false;  // the card on the screen is left, and nothing is done to it any more

  async function grow() {
    if (taking || !more || !queue) return taking;
    const mine = queue.id;
    const isEarly = hasUnsaved();  // what is answered here may still be open there, and come once more
    taking = (async () => {
      let answer = await take(mine, AHEAD + 2);
      while (answer.waits && queue?.id === mine) {  // the first confidence of very many samples is made beside
        onWait(answer.waits);
        await new Promise(done => setTimeout(done, AGAIN_MS));
        answer = await take(mine, AHEAD + 2);
      }
      if (!queue || queue.id !== mine) return;
      if (answer.error) { onRefusal(answer.error); more = false; return; }
      if (answer.job) { more = false; isWaiting = true; onWait(); return; }
      if (answer.problem && answer.problem !== told) onRefusal(answer.problem);
      told = answer.problem;
      queue = answer.queue;
      const known = new Set(cards.map(each => each.position));
      const fresh = answer.cards.filter(each => !known.has(each.position));
      more = fresh.length > 0 || isEarly;
      for (const each of fresh) { cards.push(each); prefetch(each); }
      onQueue(queue);
    })();
    try { await taking; } finally { taking = null; }
    return null;
  }

  function prefetch(each) {
    each.ready = Promise.all(each.sides.flatMap(one => {
      const picture = new Image();
      picture.src = image(one.row);
      return [picture.decode().catch(() => {}), load(one.neighbours?.sprite)];
    }));
  }

  function goTo(to) {
    if (to < 0 || to >= cards.length) return;
    moves++;
    isLeaving = false;
    at = to;
    onShow(cards[at]);
    if (cards.length - at <= AHEAD) grow();
  }

  /** Go on or back; `toOpen` passes over what was decided, as after a decision. */
  async function step(by, toOpen = false) {
    const target = () => {
      const open = cards.findIndex((each, place) => place > at && !each.decided);
      return !toOpen ? at + by : open >= 0 ? open : cards.length;
    };
    const isPast = () => by > 0 && target() >= cards.length;
    const mine = ++moves;
    if (isPast()) {
      isLeaving = true;
      const here = fetching = settled().then(() => taking).then(grow);
      if (!moving) { const last = moving = here.finally(() => { if (moving === last) moving = null; }); }
      await here;
      if (fetching === here) fetching = null;
      if (mine !== moves) return;
    }
    if (!isPast()) { goTo(Math.max(0, target())); return; }
    if (isWaiting) return;
    const refused = cards.findIndex(each => each.isRefused);
    if (refused >= 0 && refused !== at) { goTo(refused); return; }
    at = cards.length;
    onEnd(cards.length > 0);
  }

  return {
    step, goTo,
    /**
     * Keys typed while the next item is on its way wait for it, in their order; what follows a key that
     * `opens` a field was meant for the field, and is no command.
     */
    inTurn(run, opens = false) {
      if (isOpening) return true;
      if (!moving) return run();
      isOpening = opens;
      const mine = moving = moving.then(async () => { isOpening = false; run(); await fetching; }).finally(() => {
        if (moving === mine) moving = null;
      });
      return true;
    },
    /** Leave what there was; `next` is the queue to go through, or null. */
    begin(next) { moves++; isLeaving = false; queue = next; cards = []; at = -1; more = true; told = null; isWaiting = false; },
    /** Show a card from elsewhere behind the one that is shown. */
    insert(card) { prefetch(card); cards.splice(at + 1, 0, card); goTo(at + 1); },
    /** There may be more than was said. */
    askAgain() { more = true; isWaiting = false; },
    /** The card that what is done now is about; none while the next one is on its way. */
    card: () => (isLeaving ? null : cards[at] || null),
    /** An answer was not accepted: its card comes once more at the end, and the one on the screen stays. */
    refuse(position) {
      const each = cards[position];
      if (!each) return;
      each.isRefused = !each.wasRefused;
      each.wasRefused = true;
    },
    cards: () => cards,
    at: () => at,
    get queue() { return queue; },
    get isWaiting() { return isWaiting; },
  };
}
