// What each augmentation makes of a sample, candidate by candidate: read when it is scrolled into view.

import {h, fill, counted} from './dom.js';
import {chance, learnTitles, missingNotes, titleOf, waysKnown} from './augment_view.js';
import {colour} from './chips.js';
import {change, current, open, read, state} from './store.js';

const PAGE = 'augment';

/**
 * A part of the inspector that owns its element; show([row]) or show([i, j]) says of whom.
 * @param {Diagnosed} shared
 */
export function createEdits(shared) {
  const body = h('div.edits-body', {});
  const link = h('button.btn', {
    type: 'button', id: 'inspector-augment', on: {click: () => { change({augment: rows.join('-')}); open(PAGE); }},
  }, 'On the Augmentations page');
  const element = h('section.edits', {'aria-label': 'Activation maps and edits'},
    h('h2', {}, 'Activation maps and edits by this run'),
    body, link);
  let rows = [];
  let isDue = false;
  let asking = null;

  new IntersectionObserver(([entry]) => { if (entry.isIntersecting && isDue) load(); }, {rootMargin: '0px 0px 120px 0px'}).observe(element);

  async function load() {
    isDue = false;
    asking = new AbortController();
    const {signal} = asking;
    try {
      const found = await read(`/augment/${encodeURIComponent(state.dataset)}/look`, {rows: rows.join(), run: shared.chosen.run}, signal);
      if (!signal.aborted) draw(found);
    } catch (error) {
      if (error.name !== 'AbortError') fill(body, h('p.warn', {}, error.message));
    }
    element.dataset.shown = rows.join('-');
  }

  function draw(found) {
    learnTitles(found.editors);
    const ways = waysKnown().filter(way => found.samples.some(sample => sample.views[way] && Object.keys(sample.views[way]).length));
    fill(body, ...found.samples.map((sample, at) => table(sample, ways, found.samples.length > 1 ? 'AB'[at] : '')),
      ways.length
        ? h('p.quiet-text', {},
          'Warm: what speaks for the class. Under a picture the probability of the class by this run, ✓ where it is the most '
            + 'probable one.')
        : null,
      missingNotes(found.missing, waysKnown()));
  }

  function table(sample, ways, letter) {
    if (!sample.labels.length) return h('p.quiet-text', {},
      `${sample.id} has no candidate. Give it one on the Annotate page; each candidate then has a map and edits.`);
    const labels = sample.before ? [...sample.labels].sort((a, b) => sample.before[b] - sample.before[a]) : sample.labels;
    return h('div.ways', {style: {'--ways': ways.length}, role: 'table', 'aria-label': `Augmentations of ${sample.id}`},
      h('div.ways-row', {role: 'row'},
        h('small', {role: 'columnheader'}, letter ? `${letter}: ${sample.id}` : 'Candidate'),
        ...ways.map(way => h('small', {role: 'columnheader'}, titleOf(way)))),
      ...labels.map(label => h('div.ways-row', {role: 'row', data: {label}},
        h('span.name', {role: 'rowheader', style: {'--k': colour(label)}},
          h('i.square', {'aria-hidden': 'true'}),
          h('span', {}, shared.names[label], sample.before ? h('small', {}, `${chance(sample.before[label])} as it is`) : null)),
        ...ways.map(way => cell(sample, way, label)))),
      sample.n_left_out ? h('small.quiet-text', {}, `${counted(sample.n_left_out, 'candidate')} more on the Augmentations page`) : null);
  }

  function cell(sample, way, label) {
    const view = sample.views[way]?.[label];
    if (!view) return h('span.way', {role: 'cell'}, h('small', {}, 'none'));
    const heat = way === 'cam' && sample.heat?.[label];
    const seen = view.top === label ? 'most probable' : `seen as ${shared.names[view.top]}`;
    const text = `${titleOf(way)} towards ${shared.names[label]}` + (view.after === null ? '' : `: ${chance(view.after)}, ${seen}`);
    return h('span.way', {role: 'cell', title: text},
      h('span.stack', {},
        h('img', {src: heat ? sample.source : view.image, alt: text}),
        heat ? h('img.heat', {src: heat, alt: '', 'aria-hidden': 'true'}) : null),
      view.after === null ? null : h('small', {}, view.top === label ? '✓ ' : '', chance(view.after)));
  }

  return {
    element,
    show(wanted) {
      asking?.abort();
      rows = wanted;
      isDue = true;
      element.hidden = current()?.kind !== 'images';
      fill(body, h('p.quiet-text', {}, 'One moment: the run looks at the sample.'));
      delete element.dataset.shown;
      // An element that stays in view tells its observer nothing.
      requestAnimationFrame(() => { if (isDue && isInView()) load(); });
    },
  };

  function isInView() {
    const box = element.getBoundingClientRect();
    const frame = element.parentElement?.getBoundingClientRect();
    return box.height > 0 && frame && box.top < frame.bottom + 120 && box.bottom > frame.top;
  }
}
