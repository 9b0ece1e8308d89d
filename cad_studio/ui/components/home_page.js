// Home: where the work on a dataset stands, in five cards, one of which is what pays most now.

import {h, fill, count, counted, percent} from './dom.js';
import {load, thumbnail} from './sprite.js';
import {current, isActive, on, open, openDrawer, read, state} from './store.js';
import {beginGuide} from './guide.js';
import {createOwnCopy} from './own_copy.js';
import {nextStep, stepNamed} from './steps.js';
import {openChanges} from './versions.js';
import {share} from './train_words.js';

const SENTENCE = 'Each image has several candidate labels; one is true. Find the images a model cannot tell apart, fix those, retrain.';
const SAMPLE = 'sample-hard';

/** The classes each run mixes up most, once they were read. */
const confused = new Map();

/** Words explained where they are first read. */
const term = (word, meaning) => h('span.term', {tabindex: '0', title: meaning, 'aria-label': `${word}: ${meaning}`, role: 'note'}, word);
const CANDIDATES = 'The labels an image may have. One of them is true; which one is not known.';
const ENTANGLED = 'Two images that look alike, share a candidate, and are of different classes.';
const BY_TRUTH = 'Shown to judge a run; true labels never influence one.';

export function mount({element}) {
  const lead = h('p.lead', {id: 'home-lead', 'aria-live': 'polite'});
  const cards = h('div.five', {id: 'home-cards'});
  const closed = createOwnCopy('home-closed', 'bring your own images');
  const doors = h('div.two-doors', {});
  const page = h('div.home-page.main', {}, h('h1', {}, SENTENCE), lead, cards, doors, closed);
  fill(element.querySelector('.mount'), page);

  async function draw() {
    const {standing} = state;
    const isKnown = standing && standing.name === state.dataset;
    fill(doors, ...doorsOf());
    if (!isKnown) {
      fill(lead, waitingWords());
      fill(cards, ...(current() ? KEYS.map(key => h('article.step-card.waiting', {}, h('h2', {}, TITLES[key]))) : []));
      page.dataset.shown = current() ? '' : 'nothing';
      return;
    }
    await Promise.all([load(standing.data.sprite), load(standing.pairs?.sprite)]);
    if (standing !== state.standing) return;
    const step = nextStep('home');
    fill(lead, step?.says || '');
    fill(cards, ...KEYS.map(key => card(key, standing, step)));
    readConfused(standing);
    page.dataset.shown = `${standing.name} ${standing.next}`;
  }

  /** What a run mixes up takes a moment where nobody has looked at it yet; the other cards are there before. */
  async function readConfused({run}) {
    if (!run?.is_ready || confused.has(run.id)) return;
    const found = await read(`/diagnosis/${run.id}/overview`).catch(() => null);
    confused.set(run.id, found?.pairs.slice(0, 3) || []);
    draw();
  }

  on('standing dataset datasets jobs readOnly started', () => {
    if (state.ready) draw();
  });
  if (state.ready) draw();
}

function waitingWords() {
  const opening = state.jobs.find(job => job.kind === 'open-sample' && isActive(job));
  if (opening) return `Opening the sample: ${opening.message || 'a few seconds, once'}.`;
  return current()
    ? 'Loading where the work stands...'
    : 'This project holds no dataset yet. Bring your own, or run the studio without a project to see the sample.';
}

/** The two ways in: the sample, which needs nothing, and one's own images. */
function doorsOf() {
  const sample = state.datasets.find(data => data.name === SAMPLE) || state.datasets.find(data => data.name === 'sample');
  return [
    h(
      'section.door',
      {},
      h(
        'div.grow',
        {},
        h('h2', {}, 'Try the sample, two minutes'),
        h('p', {}, 'A pair that looks alike, the map of a run, five answers by key, before and after. The foot of each page leads on.')
      ),
      h('button.btn', {type: 'button', id: 'home-sample', disabled: !sample, on: {click: () => beginGuide(sample.name)}}, 'Start')
    ),
    h(
      'section.door',
      {},
      h(
        'div.grow',
        {},
        h('h2', {}, 'Bring your own'),
        h(
          'p',
          {},
          'A folder or zip of images, with a line each: ',
          h('code', {}, 'leaf_01.png,oak|elm'),
          " (file, candidates), or annotators' votes."
        )
      ),
      h(
        'button.btn.act',
        {
          type: 'button',
          id: 'home-import',
          hidden: state.readOnly,
          on: {
            click: () => {
              open('dataset');
              openDrawer('dataset-import');
            },
          },
        },
        'Import'
      )
    ),
  ];
}

const KEYS = ['data', 'pairs', 'train', 'diagnose', 'fix'];
const TITLES = {data: 'Data', pairs: 'Look-alikes', train: 'Train', diagnose: 'Diagnose', fix: 'Fix'};
const CARD_OF = {
  synthesize: 'data',
  'look-alikes': 'pairs',
  train: 'train',
  retrain: 'train',
  diagnose: 'diagnose',
  compare: 'diagnose',
  look: 'diagnose',
  fix: 'fix',
};

/** A card: its state, a picture, one number, what it means, and one button. */
function card(key, standing, step) {
  const {state: word, number, says, button, picture} = PARTS[key](standing);
  const isNext = step?.run && CARD_OF[step.key] === key;
  const {title, run} = isNext ? step : button || {};
  return h(
    'article.step-card',
    {class: `step-card${isNext ? ' next' : ''}`, data: {card: key}, 'aria-label': TITLES[key]},
    h('div.row', {}, h('h2', {}, TITLES[key]), h('small', {title: word}, word)),
    h('div.view-of', {}, picture || null),
    h('b.one-number', {}, number),
    h('p', {}, ...[says].flat()),
    run
      ? h(
        'button.btn',
        {class: `btn${isNext ? ' primary' : ''}`, type: 'button', id: `home-${key}`, title, on: {click: run}},
        h('span', {}, title)
      )
      : null
  );
}

const go = (title, page) => ({title, run: () => open(page)});
const faces = (sprite, places) => (sprite ? places.map(at => thumbnail(sprite, at)) : null);

const PARTS = {
  data({data, changes, version}) {
    return {
      state: changes ? `v${version} + ${counted(changes, 'change')}` : `v${version}`,
      number: counted(data.n, data.has_images ? 'image' : 'sample'),
      says: [
        `${counted(data.k, 'class', 'classes')}, ${data.mean_candidates} `,
        term('candidates', CANDIDATES),
        data.has_images ? ' an image.' : ' a sample.',
      ],
      button: changes ? {title: 'Show the changes', run: () => openChanges(version)} : go('Browse', 'dataset'),
      picture: faces(
        data.sprite,
        data.rows.map((_, at) => at)
      ),
    };
  },
  pairs({pairs}) {
    if (!pairs)
      return {
        state: 'not searched',
        number: '–',
        says: ['No ', term('entangled', ENTANGLED), ' pairs were searched for yet.'],
        button: state.readOnly ? null : stepNamed('look-alikes'),
      };
    const [a, b] = pairs.names;
    return {
      state: `by v${pairs.version}`,
      number: counted(pairs.n, 'pair'),
      says: [term('Entangled', ENTANGLED), `: ${counted(pairs.n_instances, 'image is', 'images are')} in one.`],
      button: go(a ? `${a} or ${b}?` : 'Open the pairs', 'pairs'),
      picture: pairs.first ? [...faces(pairs.sprite, [0, 1]), h('small', {}, pairs.first.similarity.toFixed(3))] : null,
    };
  },
  train({run}) {
    if (!run)
      return {
        state: 'no run yet',
        number: '–',
        says: 'A run learns from the candidate sets and shows what it cannot tell apart.',
        button: go('Open', 'train'),
      };
    const isJudged = run.test_accuracy !== null;
    return {
      state: run.changes ? `before ${counted(run.changes, 'change')}` : `on v${run.version}`,
      number: isJudged
        ? share(run.test_accuracy)
        : run.set_likelihood === null || run.set_likelihood === undefined
          ? 'trained'
          : run.set_likelihood.toFixed(3),
      says: [
        `${run.name}, trained on v${run.version}. `,
        ...(isJudged
          ? ['Test accuracy, ', term('uses true labels', BY_TRUTH), '.']
          : ['How well it explains the sets held out; 0 is best.']),
      ],
      button: go('Open the run', 'train'),
    };
  },
  diagnose({run}) {
    if (!run) return {state: 'needs a run', number: '–', says: 'What a run confuses, on a map and in numbers.'};
    if (!run.is_ready)
      return {
        state: 'not diagnosed yet',
        number: '–',
        says: `${run.name} has not been diagnosed yet.`,
        button: state.readOnly ? null : stepNamed('diagnose'),
      };
    const pairs = confused.get(run.id);
    if (!pairs) return {state: run.name, number: 'diagnosed', says: 'Loading the classes it mixes up most...', button: stepNamed('look')};
    const [first] = pairs;
    return {
      state: run.name,
      number: first ? first.names.join(' · ') : 'nothing confused',
      says: first ? 'The two classes it mixes up most.' : 'No classes are mixed up.',
      button: stepNamed('look'),
      picture: confusedBars(pairs),
    };
  },
  fix({answers, run}) {
    const n = answers.suspects;
    return {
      state: answers.n ? counted(answers.n, 'answer') : 'no answers yet',
      number: n === null ? '–' : `${count(n)} to ask`,
      says:
        n === null
          ? 'One question after the other, answered by one or two keys.'
          : `Suspects that nobody has answered yet${run ? `, by ${run.name}` : ''}.`,
      button: go('Annotate', 'annotate'),
    };
  },
};

/** The pairs of classes mixed up most, each with a bar. */
function confusedBars(pairs) {
  const most = Math.max(...pairs.map(each => each.weight), 1e-9);
  return h(
    'ul.mini-bars',
    {},
    ...pairs.map(each =>
      h(
        'li',
        {},
        h('span', {title: each.names.join(' · ')}, each.names.join(' · ')),
        h('i', {style: {width: percent(each.weight / most).replace(' ', '')}, 'aria-hidden': 'true'})
      )
    )
  );
}
