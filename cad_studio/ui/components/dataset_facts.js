// What a dataset is, in a list of facts, and what a check of the stored files found.

import {h, fill, count, counted, percent} from './dom.js';
import {current, state} from './store.js';
import {olderWords, openChanges, versionWords} from './versions.js';

const CHECK = 'The database, every stored file and every log of the whole project, against what was written';
const MOST_PROBLEMS = 20;
const MOST_NAMED = 4;

const line = (name, value, title) => h('div.fact', {title}, h('span', {}, name), h('b', {}, value));

/** Names, the first few of them shown and all of them in the title. */
const named = (title, each, words) => (each.length
  ? line(title,
    each.map(one => one.name).slice(0, MOST_NAMED).join(', ') + (each.length > MOST_NAMED ? ' …' : ''),
    each.map(words).join(', '))
  : null);

/** How the current version came about. */
function originOf({made_by: by, made_with: made, source}) {
  if (by === 'votes') return `from votes, threshold ${+(100 * made.threshold).toFixed(1)} %`;
  if (by !== 'synthesize') return `imported from ${source.split('/').pop()}`;
  const sized = made.calibration ? `, found for a mean size of ${made.calibration.mean_size}` : '';
  const by_whom = `annotator ${made.annotator} at ${percent(made.annotator_accuracy)}`;
  return `synthesized: rate ${made.rate}, seed ${made.seed}, ${by_whom}${sized}`;
}

function contentOf(about) {
  const [height, width, channels] = about.image_size || [];
  if (height) return `${height} × ${width} px ${channels === 1 ? 'grey' : 'RGB'}`;
  return about.kind === 'features' ? `vectors of ${counted(about.n_dims, 'number')}` : 'files as imported';
}

function changesOf(about) {
  if (!current().changes) return null;
  const show = h('button.link', {type: 'button', on: {click: () => openChanges(about.version_number)}}, 'Show them');
  return h('p.warn', {id: 'dataset-older'}, `Figures and filters ${olderWords(about.version_number)}. `, show);
}

function truthOf(about) {
  const share = about.truth_known ? percent(about.truth_in_candidates / about.truth_known) : null;
  const about_it = 'Share of the samples with a known true label whose set holds it';
  return line(share === null ? 'Truth in the set' : 'Truth in the set (uses true labels)', share ?? 'truth not known', about_it);
}

function warningsOf(about) {
  const distractor = about.worst_distractor?.warning;
  return [
    distractor && h('p.warn', {id: 'dataset-distractor-warning', title: 'Uses true labels'}, distractor),
    about.note && h('p.warn', {id: 'dataset-note'}, about.note),
    about.singletons === about.n && h('p.warn', {}, 'Only labelled: every set has one candidate. Synthesize sets to make it ambiguous.'),
  ];
}

/** Facts that own their element; `onRemove()` and `onCheck()` are asked for below them. */
export function createFacts({onRemove, onCheck}) {
  const element = h('section.panel-part');
  const act = (id, text, click, title) => h('button.link.act', {type: 'button', id, title, on: {click}}, text);
  return {
    element,
    show(about) {
      const made = `Made by ${about.made_by}, ${about.created_at.slice(0, 10)}; content ${about.version}`;
      fill(element,
        h('div.row', {}, h('h2.grow', {title: about.name}, about.name), h('span.num', {title: made}, versionWords(current()))),
        changesOf(about),
        line('Mean candidates', about.mean_candidates.toFixed(2), 'Mean number of candidates in a set'),
        line('Singletons', count(about.singletons), 'Samples with one candidate'),
        line('Full sets', count(about.full), 'Samples that hold every class'),
        line('Classes', count(about.k)),
        line(about.kind === 'features' ? 'Content' : 'Images', contentOf(about)),
        about.votes ? line('Votes', count(about.votes)) : null,
        named('Fields', about.fields, each => `${each.name} (${each.kind})`),
        named('Tags', about.tags, each => `${each.name}: ${count(each.n)}`),
        truthOf(about),
        h('p.quiet-text', {title: about.source}, originOf(about)),
        ...warningsOf(about),
        h('div.row.acts', {}, act('dataset-remove', 'Remove this dataset', onRemove),
          act('project-check', 'Check the stored files', onCheck, CHECK)));
    },
  };
}

/** What the last check of the stored files found; `draw()` looks for one among the jobs. */
export function createChecked() {
  const element = h('section.panel-part', {id: 'project-checked', 'aria-live': 'polite', hidden: true});
  const problem = each => h('p.warn', {title: each.file}, `${each.affects.join(' and ')}: the file ${each.problem}. ${each.advice}`);
  return {
    element,
    draw() {
      const last = state.jobs.find(job => job.kind === 'verify' && job.status === 'done');
      element.hidden = !last;
      if (!last) return;
      const {is_whole: isWhole, problems, n_blobs: n, orphans} = last.result;
      fill(element,
        h('h2', {}, isWhole ? `All ${count(n)} stored files are whole` : `${counted(problems.length, 'problem')} with the stored files`),
        ...problems.slice(0, MOST_PROBLEMS).map(problem),
        problems.length > MOST_PROBLEMS ? h('p.quiet-text', {}, 'The rest: python -m cad_studio verify.') : null,
        orphans
          ? h('p.quiet-text', {}, `${counted(orphans, 'file')} that no record names; python -m cad_studio repair sets them aside.`)
          : null);
    },
  };
}
