// The sample in two minutes, in four stops: a pair, the map, five answers by key, before and after. The foot leads on.

import {annotate, change, choose, on, open, read, state, tell} from './store.js';

const KEPT = 'cad-guide', ANSWERS = 5;

const kept = sessionStorage.getItem(KEPT);
if (kept) state.guide = JSON.parse(kept);
on('guide', () => {
  if (state.guide) sessionStorage.setItem(KEPT, JSON.stringify(state.guide));
  else sessionStorage.removeItem(KEPT);
});
on('answered', () => {
  const {guide} = state;
  if (guide && state.dataset === guide.dataset && STOPS[guide.at].counts) change({guide: {...guide, answered: guide.answered + 1}});
});

/** Begin at a pair of a dataset that has runs to look at. */
export function beginGuide(dataset) {
  if (state.dataset !== dataset) choose(dataset);
  change({guide: {dataset, at: 0, answered: 0}});
  open('pairs');
}

const end = () => change({guide: null});

/** What the map shows is the newest run; it is compared with another that is diagnosed. */
async function compare(run) {
  const {runs} = await read(`/diagnosis/of/${encodeURIComponent(state.dataset)}`);
  const other = runs.find(each => each.id !== run.id && each.is_ready);
  change({diagnose: run.id, against: other?.id ?? null, view: other ? 'compare' : 'map'});
  open('diagnose');
}

async function ask(run) {
  const {rows = []} = await read(`/diagnosis/${run.id}/suspects`);
  annotate(rows.length ? {rows: rows.slice(0, ANSWERS), title: 'Five to fix', run: run.id} : {order: 'expected-gain'});
}

/** What comes of answers; a read-only studio keeps none. */
const use = words => (state.readOnly ? 'In your own copy the next run learns from answers.' : words);

/** Of each stop its page, how it is reached, what it says, and what the button to it is called. */
const STOPS = [
  {
    page: 'pairs', reach: () => open('pairs'), title: 'To the pair',
    says: () => 'Two images that look alike and share candidates, yet are of different classes: a model mixes them up.',
  },
  {
    page: 'diagnose', title: 'See such pairs on the map',
    reach: run => { change({diagnose: run.id, against: null, view: 'map'}); open('diagnose'); },
    says: run => `Each point is an image, near those that ${run.name} considers alike. Lines join look-alikes that came apart.`,
  },
  {
    page: 'annotate', title: 'Fix five by key', counts: true, reach: ask,
    says: (_run, {answered}) =>
      answered < ANSWERS
        ? `What a run is most likely wrong about. Press the number of the right class. ${answered} of ${ANSWERS} answered.`
        : `Five answered. ${use('The next run learns from them.')}`,
  },
  {
    page: 'diagnose', title: 'See before and after', reach: compare,
    says: run => `The same test images before, by another run, and after, by ${run.name}. ${use('Your answers count in the next run.')}`,
  },
];

/**
 * What the foot of a page says of the guide, as a step; null where nobody is led.
 * @returns {{key: string, says: string, title?: string, run?: () => any, job?: any, leave?: () => void, isQuiet?: boolean} | null}
 */
export function guideStep(page, {name, run}) {
  const {guide} = state;
  if (!guide || guide.dataset !== name || !run?.is_ready) return null;
  const {at} = guide;
  const here = STOPS[at], next = STOPS[at + 1];
  const where = `${at + 1} of ${STOPS.length}. `;
  const go = to => async () => {
    try {
      await STOPS[to].reach(run);
      change({guide: {...state.guide, at: to}});
    } catch (error) { tell(error); }
  };
  const led = {key: `guide ${at}`, leave: end};
  if (page !== here.page) return {...led, says: `${where}The tour continues on another page.`, title: here.title, run: go(at)};
  const says = where + here.says(run, guide);
  if (!next) return {...led, says, title: 'Finish', run: end};
  return {...led, says, title: next.title, run: go(at + 1), isQuiet: here.counts && guide.answered < ANSWERS};
}
