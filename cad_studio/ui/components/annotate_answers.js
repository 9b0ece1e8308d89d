// What a key or a click decides: each answer shows at once, and is on its way to the disk.

import {counted, toast} from './dom.js';
import {keyOf, shownKey} from './annotate_keys.js';

/**
 * `page` lends what the answers need of it: the card shown, names, picks, and ways to paint and go on.
 * Gives {decide, pick, addClass, commands}.
 */
export function createAnswers(page) {
  const {card, canAct} = page;

  /** Write an action down; `sets` are the candidates that follow, by row; `advances` goes on to the next. */
  function decide(kind, rows, given, words, sets, advances = true) {
    const now = card();
    if (!now || !canAct()) return false;
    const before = now.sides.map(each => [...each.candidates]);
    const flags = now.sides.map(each => each.flagged);
    const queue = page.queueOf();
    const seconds = page.seconds();
    const action = {kind, rows, arguments: given, seconds: +seconds.toFixed(2), queue: now.queue, position: now.position,
      seen: Object.fromEntries(now.sides.map(each => [each.row, each.last])), shown: page.shownOf(rows[0])};
    for (const [row, set] of Object.entries(sets)) { const one = now.sides.find(each => each.row === +row); if (one) one.candidates = set; }
    if (kind === 'flag') { const one = now.sides.find(each => each.row === rows[0]); one.flagged = !one.flagged; }
    if (now.shared) now.shared = now.sides[0].candidates.filter(index => now.sides[1].candidates.includes(index));
    const counts = advances && queue && now.queue === queue.id && kind !== 'skip';
    if (advances) { now.isRefused = false; now.decided = words; page.onDecision(kind, seconds); }
    if (counts) queue.done++;
    page.decisions.push(action, {
      words: `${words} · ${now.sides.map(each => each.id).join(' and ')}`, trailAt: page.trailAt(), sets,
      undoes() {
        before.forEach((set, place) => { now.sides[place].candidates = set; now.sides[place].flagged = flags[place]; });
        now.decided = '';
        if (counts) queue.done--;
      },
    });
    if (advances) page.step(1, true); else page.paint();
    page.onChange();
    return true;
  }

  function pick(of, index, toggles) {
    const now = card();
    if (!now || !canAct()) return;
    const one = now.sides[of];
    const name = page.namesOf()[index];
    if (toggles) {
      const isIn = one.candidates.includes(index);
      if (isIn && one.candidates.length === 1) {
        toast(`${name} is the last candidate, and a set cannot be empty. `
          + `If it is wrong, choose None of these (${shownKey(keyOf('none'))}).`, 'error');
        return;
      }
      const set = isIn ? one.candidates.filter(each => each !== index) : [...one.candidates, index].sort((x, y) => x - y);
      decide('toggle', [one.row], {class: index}, `${isIn ? 'without' : 'with'} ${name}`, {[one.row]: set}, false);
      return;
    }
    if (now.sides.length === 1) { decide('label', [one.row], {class: index}, name, {[one.row]: [index]}); return; }
    const picks = page.picksOf();
    picks[of] = picks[of] === index ? null : index;
    page.turn(picks[of] === null ? of : 1 - of);
    if (picks.every(each => each !== null)) assign(picks[0], picks[1]); else page.paint();
  }

  function assign(a, b) {
    const now = card(), names = page.namesOf();
    return decide('assign', now.rows, {class: a, other_class: b}, `${names[a]} and ${names[b]}`, {[now.rows[0]]: [a], [now.rows[1]]: [b]});
  }

  async function addClass(kind = 'toggle') {
    const now = card();
    if (!now || !canAct()) return;
    const one = now.sides[page.sideOf()], names = page.namesOf();
    const others = page.classesOf().filter(index => !one.candidates.includes(index));
    const isNone = kind === 'none';
    const chosen = await page.search.ask({names, classes: others,
      title: isNone ? 'None of these. What is it?' : `Add a class to ${now.sides.length === 2 ? 'AB'[page.sideOf()] : one.id}`,
      note: isNone ? 'The set is replaced by what you choose.' : 'It becomes one more candidate.',
      unknown: isNone ? 'I do not know: any class but these' : ''});
    if (chosen === null || card() !== now) return;
    if (chosen === 'unknown') decide('none', [one.row], {}, 'none of these', {[one.row]: others});
    else if (isNone) decide('none', [one.row], {classes: [chosen]}, names[chosen], {[one.row]: [chosen]});
    else {
      const set = [...one.candidates, chosen].sort((x, y) => x - y);
      decide('toggle', [one.row], {class: chosen}, `with ${names[chosen]}`, {[one.row]: set}, false);
    }
  }

  /** Of many candidates, the one that is meant, by its name. */
  async function find() {
    const now = card();
    if (!now || !canAct()) return;
    const of = page.sideOf(), one = now.sides[of];
    const chosen = await page.search.ask({
      names: page.namesOf(), classes: one.candidates,
      title: now.sides.length === 2 ? `Which candidate is ${'AB'[of]}?` : 'Which candidate is it?',
      note: `${counted(one.candidates.length, 'candidate')}; type a part of the name.`,
    });
    if (chosen !== null && card() === now) pick(of, chosen, false);
  }

  const pair = () => (card()?.sides.length === 2 ? card() : null);

  const commands = {
    accept: () => { const now = card(); return now?.classes ? assign(...now.classes) : false; },
    reverse() {
      const now = pair();
      if (!now) return false;
      if (now.classes) return assign(now.classes[1], now.classes[0]);
      const [a, b] = now.sides.map(each => each.candidates);
      if (a.length !== 1 || b.length !== 1) {
        toast('To swap, both must have one candidate. Say which is which first.', 'error');
        return true;
      }
      return decide('swap', now.rows, {}, 'labels swapped', {[now.rows[0]]: b, [now.rows[1]]: a});
    },
    same() {
      const now = pair();
      if (!now) return false;
      if (!now.shared.length) {
        toast('The two sets share no candidate, so they cannot be of the same class as they stand.', 'error');
        return true;
      }
      return decide('same', now.rows, {}, 'same class', Object.fromEntries(now.rows.map(row => [row, [...now.shared]])));
    },
    find: () => { if (card()) find(); return true; },
    none: () => { if (card()) addClass('none'); return true; },
    add: () => { if (card()) addClass(); return true; },
    skip: () => { const now = card(); return now ? decide('skip', now.rows, {}, 'skipped', {}) : false; },
    flag() {
      const now = card();
      if (!now) return false;
      const one = now.sides[page.sideOf()];
      return decide('flag', [one.row], {}, one.flagged ? 'flag taken away' : 'flagged', {}, false);
    },
  };

  return {decide, pick, addClass, commands};
}
