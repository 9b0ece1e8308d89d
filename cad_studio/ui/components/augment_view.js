// One sample and its candidates: what each augmentation makes of it, and whether that helps.

import {h, fill, counted} from './dom.js';
import {colour} from './chips.js';

const titles = {cam: 'Activation map'};

/** Learn what editors are called: title by name. */
export const learnTitles = editors => Object.assign(titles, editors);

export const titleOf = way => titles[way] || way;

/** The ways that are known, the map first. */
export const waysKnown = () => Object.keys(titles);

/** 0.6412 -> "64 %"; small ones keep a digit. */
export const chance = value => (value === null || value === undefined ? '–'
  : value >= 0.0995 || value === 0 ? `${Math.round(100 * value)} %`
  : `${(100 * value).toFixed(1)} %`);

/** What a model says of an edit, in three lines that keep their height. */
export function evidence({before, after, top, similarity, label, names}) {
  const judged = after !== null && after !== undefined;
  const reached = judged && top === label;
  const rises = judged && after > before;
  return h('span.evidence', {data: {reached: judged ? String(reached) : ''}},
    h('span.num', {title: judged ? 'Probability of this class, in the source and in the edit' : 'No run has judged it'},
      judged ? [chance(before), ` ${rises ? '↗' : '↘'} `, h('b', {}, chance(after))] : 'not judged'),
    h('span.verdict', {title: judged ? `The most probable class of the edit is ${names[top]}` : null},
      judged ? (reached ? '✓ reached' : `sees ${names[top]}`) : ' '),
    h('span.num', {title: 'Correlation of the pixels with those of the source: 1 for a copy, 0 for noise'},
      `like ${similarity.toFixed(2)}`));
}

/** A view of one sample that owns its element; `onGuide(label)` is called when a column is chosen. */
export function createSampleView({letter = '', onGuide = null}) {
  const element = h('section.augmented', {'aria-label': letter ? `Sample ${letter}` : 'Sample'});

  return {
    element,
    /** `sample` as the server gives it; `guide` is the class it is edited towards in a pair. */
    show(sample, {names, guide = null, heat = true, ways}) {
      element.dataset.row = sample.row;
      element.style.setProperty('--columns', Math.max(sample.labels.length, 1));
      const small = 'pixelated';
      const picture = (url, text) => h('img.augment-picture', {
        src: url, alt: text, draggable: 'false',
        on: {load: event => { event.target.style.imageRendering = event.target.naturalWidth < 128 ? small : 'auto'; }},
      });
      const source = h('div.augment-source', {},
        h('div.row', {}, letter ? h('b', {}, letter) : null, h('span.id', {title: sample.id}, sample.id)),
        picture(sample.source, `Sample ${letter} ${sample.id}`),
        h('small', {}, `${counted(sample.labels.length + sample.n_left_out, 'candidate')} · ${sample.split}`));
      const heads = sample.labels.map(label => h(onGuide ? 'button.augment-head' : 'div.augment-head', {
        type: onGuide ? 'button' : null, data: {label}, 'aria-pressed': onGuide ? String(label === guide) : null,
        style: {'--k': colour(label)},
        title: onGuide ? `Edit ${letter} towards ${names[label]} in the pair` : names[label],
        on: onGuide ? {click: () => onGuide(label)} : {},
      }, h('i.square', {'aria-hidden': 'true'}), h('span.name', {dir: 'auto'}, names[label]),
      h('span.num', {title: 'Probability by the run that judges'}, sample.before ? chance(sample.before[label]) : '')));
      const rows = ways.filter(way => sample.views[way]).map(way => h('div.augment-row', {data: {way}},
        h('h2.way-name', {}, titleOf(way)), ...sample.labels.map(label => cell(way, label))));
      fill(element, source, h('div.augment-table', {role: 'group', 'aria-label': `Candidates of ${sample.id}`},
        h('div.augment-row.heads', {}, h('span', {}), ...heads),
        ...rows));

      function cell(way, label) {
        const view = sample.views[way][label];
        if (!view) return h('div.augment-cell.gone', {}, h('small', {}, 'no edit'));
        const layer = way === 'cam' && heat && sample.heat
          ? h('img.heat', {src: sample.heat[label], alt: '', 'aria-hidden': 'true'})
          : null;
        return h('div.augment-cell', {data: {label, way}, class: `augment-cell${label === guide ? ' guide' : ''}`},
          h('span.stack', {}, picture(layer ? sample.source : view.image, `${titleOf(way)} towards ${names[label]}`), layer),
          evidence({before: sample.before?.[label], after: view.after, top: view.top, similarity: view.similarity, label, names}));
      }
    },
  };
}

/** Why some augmentations have nothing to show, and what to do; `makers` can do it now, by `onMake(way)`. */
export function missingNotes(missing, ways, makers = [], onMake = null) {
  const told = ways.filter(way => missing[way]);
  return h('div.augment-missing', {hidden: !told.length}, ...told.map(way => h('p.quiet-text', {data: {way}},
    h('b', {}, `${titleOf(way)}. `), missing[way],
    makers.includes(way) ? h('button.btn.act', {type: 'button', on: {click: () => onMake(way)}}, 'Make them now') : null)));
}

/** The distance of a pair before and after, by each augmentation. */
export function pairLine(pair, names, ways) {
  if (!pair) return h('p.quiet-text', {}, 'The distance of the two is shown once a run can judge.');
  const [a, b] = pair.guides;
  const named = label => (label === null ? 'nothing, it has no candidates' : names[label]);
  const gains = ways.filter(way => pair.after[way] !== undefined).map(way => {
    const gained = pair.after[way] - pair.before;
    return h('span.pill', {data: {way}, title: 'Distance of the two in the features of the run, 0 to 2; more is further apart'},
      `${titleOf(way)} `,
      h('b', {}, pair.after[way].toFixed(2)),
      h('span', {class: gained >= 0 ? 'good' : 'warn'},
        `${gained >= 0 ? '+' : '−'}${Math.abs(gained).toFixed(2)} ${gained >= 0 ? 'further' : 'closer'}`));
  });
  return h('div.augment-pair', {id: 'augment-pair'},
    h('span', {}, 'A as ', h('b', {}, named(a)), ', B as ', h('b', {}, named(b)), ':'),
    h('span.pill', {}, 'distance before ', h('b', {}, pair.before.toFixed(2))),
    ...gains);
}
