// What the last answers settled: asked after every few of them, or when the keys rest.

import {h, fill, count, counted} from './dom.js';

const EVERY = 5;       // answers between two renewals, as in the studio
const IDLE_MS = 2500;
const AGAIN_MS = 1500; // while the belief of very many samples is renewed beside

/**
 * Owns its element. `ask({since, idle})` reads the standing, `onRenewed()` is told when it is another.
 * `begin()` at another dataset or annotator; `saved(kind)` after each saved action.
 */
export function createLive({ask, onRenewed}) {
  const element = h('p.live', {id: 'annotate-live', role: 'status', hidden: true});
  let last = null;
  let since = 0;        // answers since the last renewal
  let generation = 0;
  let timer = 0;

  async function renew(idle) {
    clearTimeout(timer);
    const mine = generation;
    const answers = since;
    since = 0;
    let found = null;
    try { found = await ask({since: last?.action, idle}); } catch { since += answers; return; }
    if (mine !== generation) return;
    if (!found.is_ready) {  // the first belief of very many samples is being made
      element.hidden = !found.says;
      fill(element, found.says);
      if (found.is_renewing) timer = setTimeout(() => renew(idle), AGAIN_MS);
      return;
    }
    const isNews = last && found.action !== last.action;
    element.hidden = false;
    element.dataset.action = found.action;
    if (!last || isNews) fill(element, h('span', {}, words(found, isNews)), ' ', h('small', {}, `Belief by ${found.features}`));
    last = found;
    if (isNews) onRenewed();
    if (found.is_renewing) timer = setTimeout(() => renew(false), AGAIN_MS);
  }

  return {
    element,
    begin() { generation++; clearTimeout(timer); last = null; since = 0; element.hidden = true; renew(true); },
    saved() {
      since++;
      clearTimeout(timer);
      if (since >= EVERY) renew(false); else timer = setTimeout(() => renew(true), IDLE_MS);
    },
  };
}

/** One sentence of what changed, and one of where it stands. */
export function words({gained, lost, settled, open, sure}, isNews) {
  const line = `${sure}`.replace(/^0/, '');
  const stands = `${count(settled)} of ${counted(open, 'open sample')} ${settled === 1 ? 'is' : 'are'} above ${line}.`;
  if (!isNews || gained === null) return stands;
  const came = gained ? `${counted(gained, 'more sample')} ${gained === 1 ? 'is' : 'are'} now above ${line}` : '';
  const fell = lost ? `${came ? count(lost) : counted(lost, 'sample')} fell below${came ? '' : ` ${line}`}` : '';
  const both = [came, fell].filter(Boolean).join(', ');
  return both ? `The last answers: ${both}. ${stands}` : stands;
}
