// What is worth doing next with a dataset, where that is started, and what it says.

import {counted, turns} from './dom.js';
import {guideStep} from './guide.js';
import {annotate, change, current, isActive, on, onJobEnd, open, openDrawer, read, refresh, state, tell} from './store.js';
import {duration} from './train_words.js';

export const WORST = 15;

let server = null;

/** The functions that start a step; the header has them. */
export function lend(given) {
  server = given;
}

/** Those functions, for whatever any page may do. */
export const lent = () => server;

async function begin(name, wanted, page) {
  const answer = await server[name](wanted);
  if (answer.error) {
    tell(new Error(answer.error));
    return;
  }
  if (page) open(page);
  if (answer.run) change({run: answer.run});
  await refresh();
  readStanding();
}

/** The samples to ask about: the first suspects, or what would settle most where none were searched for. */
async function fix({run, name}) {
  const found = run?.is_ready ? await read(`/diagnosis/${run.id}/suspects`).catch(() => null) : null;
  if (found?.rows?.length) annotate({
    rows: found.rows.slice(0, WORST), title: `The worst ${Math.min(WORST, found.rows.length)}`, run: run.id,
  });
  else if (name === state.dataset) annotate({order: 'expected-gain'});
}

/** Compare the newest run with the one before it, both diagnosed. */
function compare({run, earlier}) {
  change({diagnose: run.id, against: earlier.id, view: 'compare'});
  open('diagnose');
}

/** Of each step its button, its reason in a sentence, and how it begins. */
const STEPS = {
  synthesize: {
    title: () => 'Synthesize sets',
    says: () => 'Every image has one candidate, so nothing is ambiguous yet. A trained annotator can make sets.',
    run: () => {
      open('dataset');
      openDrawer('dataset-synthesize');
    },
  },
  'look-alikes': {
    title: () => 'Find look-alikes',
    says: () => 'Find images that look alike, share a candidate, and may be of different classes. Takes seconds.',
    run: ({name}) => begin('look_alikes', {name}, 'pairs'),
  },
  train: {
    title: () => 'Train a first run',
    says: ({pairs}) => `${counted(pairs?.n || 0, 'look-alike pair')} found. A run shows which of them a model cannot tell apart.`,
    run: () => {
      change({run: 'new'});
      open('train');
    },
  },
  diagnose: {
    title: ({run}) => `Diagnose ${run.name}`,
    says: ({run}) => `${run.name} is trained. Ask its network about every image to see what it confuses.`,
    run: ({run}) => begin('diagnose', {run: run.id}, 'diagnose'),
  },
  fix: {
    title: () => 'Fix the worst',
    says: ({run}) => `${run.name} learned from v${run.version}. Answer what it is most likely wrong about, then retrain.`,
    run: fix,
  },
  retrain: {
    title: ({run}) => `Retrain on ${counted(run.changes, 'change')}`,
    says: ({run}) =>
      `${counted(run.changes, 'set')} changed since ${run.name} learned from `
        + `v${run.version}.${run.seconds ? ` It took ${duration(run.seconds)}.` : ''}`,
    run: ({name}) => begin('retrain', {name}, 'train'),
  },
  compare: {
    title: ({earlier}) => `Compare with v${earlier.version}`,
    says: ({run, earlier}) =>
      `${run.name} learned from v${run.version}, ${earlier.name} from v${earlier.version}. See what the answers changed.`,
    run: compare,
  },
  look: {
    title: ({run}) => `See what ${run.name} confuses`,
    says: ({run}) => `${run.name} is trained and diagnosed.`,
    run: ({run}) => {
      change({diagnose: run.id, against: null});
      open('diagnose');
    },
  },
};

const CHANGES = ['synthesize', 'look-alikes', 'train', 'retrain']; // what a read-only studio cannot do

/** The job that does a step for this dataset now, or null. */
function jobAtWork(standing) {
  const kinds = ['train', 'mine', 'diagnose', 'import', 'synthesize', 'suspects'];
  return state.jobs.find(job => isActive(job) && kinds.includes(job.kind) && (!job.dataset || job.dataset === standing.name)) || null;
}

/** Which step a page offers: the one that pays most, or what follows it where one stands there already. */
function stepOf(page, standing) {
  const {next, run, earlier} = standing;
  const some = run?.changes > 0;
  if (page === 'train' && run?.is_ready && ['fix', 'compare'].includes(next)) return earlier && !some ? 'compare' : 'look';
  if (page === 'diagnose' && next === 'compare' && state.view === 'compare' && state.against === earlier.id) return 'fix';
  if (page === 'annotate' && next === 'fix') return some ? 'retrain' : null;
  if (page === 'train' && next === 'train') return null;
  return next;
}

/**
 * The step a page offers now; null where there is none.
 * @returns {ReturnType<typeof guideStep>}
 */
export function nextStep(page) {
  const {standing} = state;
  if (!standing || standing.name !== state.dataset) return null;
  const led = page === 'home' ? null : guideStep(page, standing);
  if (led) return led;
  const job = jobAtWork(standing);
  if (job) return {key: 'wait', job, says: `${job.title}. The next step follows when it is done.`};
  const key = stepOf(page, standing);
  if (key === null) return null;
  const step = STEPS[key];
  if (state.readOnly && (CHANGES.includes(key) || (key === 'diagnose' && !standing.run.is_ready)))
    return {key: 'closed', says: 'This studio is read-only: run your own copy to go on from here.'};
  return {key, title: step.title(standing), says: step.says(standing), run: () => step.run(standing)};
}

/** A step by its name, whatever comes next, with its words for a dataset. */
export function stepNamed(key) {
  const {standing} = state;
  return {key, title: STEPS[key].title(standing), says: STEPS[key].says(standing), run: () => STEPS[key].run(standing)};
}

const turn = turns();
async function readStanding() {
  const data = current();
  const isNewest = turn();
  if (!data) {
    change({standing: null});
    return;
  }
  try {
    const found = await read(`/standing/${encodeURIComponent(data.name)}`);
    if (isNewest() && state.dataset === found.name) change({standing: found});
  } catch (error) {
    if (isNewest() && error.name !== 'AbortError') change({standing: null});
  }
}

let shown = '';
on('dataset datasets started', () => {
  const data = current();
  const now = data ? `${data.name} ${data.version} ${data.changes}` : '';
  if (now === shown) return;
  shown = now;
  readStanding();
});
onJobEnd(job => {
  if (['train', 'mine', 'diagnose', 'suspects', 'open-sample', 'import', 'take'].includes(job.kind)) readStanding();
});
