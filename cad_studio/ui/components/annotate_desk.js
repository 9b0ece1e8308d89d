// What the parts of the Annotate page share: for whom, on what, and what is on the screen.

import {state} from './store.js';

/**
 * The state of the page. `overview` is what the studio last said of the dataset (null where none
 * is open), `tried` the cards of a trial; `trail`, `trial` and `decisions` are put in by the page.
 */
export function createDesk(server) {
  const desk = {
    overview: null, tried: null, trail: null, trial: null, decisions: null,
    who: localStorage.getItem('cad-annotator') || 'me',
    belief: {}, showModel: false, picks: [null, null], side: 0, shownAt: 0,
    session: {n: 0, seconds: 0},
    /** @returns {`/annotate/${string}`} */
    path: () => `/annotate/${encodeURIComponent(state.dataset)}`,
    ask: (what, wanted) => server[what]({dataset: state.dataset, who: desk.who, ...wanted}),
    isTrial: () => !!desk.overview && desk.overview.role === 'viewer' && desk.overview.on_trial.length > 0,
    canAct: () => !!desk.overview && (desk.overview.role !== 'viewer' || desk.isTrial()),
    card: () => desk.trail.card(),
    /** The orders that can be chosen; on trial those that need nothing stored. */
    orders: () => desk.overview.orders.filter(each => !desk.isTrial() || desk.overview.on_trial.includes(each.name)),
    /** What the sheets of the page are about. */
    ctx: () => ({
      dataset: state.dataset, names: desk.overview.class_names, classes: desk.overview.classes, merged: desk.overview.merged,
      removed: desk.overview.removed, role: desk.overview.role, queue: desk.trail.queue,
    }),
  };
  return desk;
}
