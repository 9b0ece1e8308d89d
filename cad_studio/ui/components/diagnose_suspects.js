// The suspects view: samples to look at again, ranked, each with its reason in words.

import {h, fill, count, counted, empty, percent, toast} from './dom.js';
import {squares} from './chips.js';
import {load, thumbnail} from './sprite.js';
import {WORST} from './steps.js';
import {olderWords} from './versions.js';
import {annotate, current, isActive, read, refresh, state, tell} from './store.js';

const KINDS = {
  outside: ['Truth outside the set', 'A model that never saw the sample expects a class that is no candidate.'],
  swapped: ['Swapped with a look-alike', 'The run takes each of two look-alikes for what the other probably is.'],
  duplicate: ['Near-duplicates', 'Almost the same picture, but different candidate sets.'],
  'never-believed': ['Candidate never believed', 'A candidate the run never gave any belief, nor does a model that never saw the sample.'],
  outlier: ['Outliers', 'Far from every other sample in feature space.'],
};

/** @param {Diagnosed} shared */
export function createSuspectsView(shared) {
  const kinds = h('div.kinds', {role: 'tablist', 'aria-label': 'Kinds of suspects'});
  const about = h('p.quiet-text', {});
  const list = h('div.suspects', {});
  const more = h('button.btn', {type: 'button', on: {click: () => grow()}}, 'More');
  const all = h('button.btn', {
    type: 'button', id: 'suspects-select',
    on: {click: () => found && shared.select(found.rows, KINDS[found.kind][0].toLowerCase())},
  }, 'Select all of this kind');
  const worst = h('button.btn.primary.act', {type: 'button', id: 'suspects-worst', on: {click: fixWorst}});
  const again = h('button.btn.act', {type: 'button', id: 'suspects-find', on: {click: begin}}, 'Find suspects');
  const told = h('span.quiet-text', {'aria-live': 'polite'});
  const nothing = empty('No suspects searched for yet',
    'The training samples are judged by models that never saw them, and the beliefs of this run are read; no true label is used. It '
      + 'takes half a minute on the sample and a few minutes on 60,000 samples, in the background.',
    again, told);
  const filled = h('div.suspects-found', {}, h('div.row', {}, kinds, all, worst), about, h('div.scroll', {}, list, more));
  const element = h('div.suspects-view', {}, nothing, filled);
  let found = null;
  let kind = null;
  let shownFor = '';
  let shownRun = null;

  async function draw(anew = false) {
    if (element.hidden || !shared.about) return;
    const key = `${shared.token()}-${current()?.version}-${current()?.changes}`;
    if (key === shownFor && !anew) return;
    if (shownRun !== shared.chosen.run) kind = null;
    [shownFor, shownRun] = [key, shared.chosen.run];
    await show(kind);
  }

  async function show(wanted) {
    try {
      const page = await read(`${shared.base()}/suspects`, {kind: wanted, split: shared.about.split});
      if (page.known) await load(page.sprite);
      found = page.known ? page : null;
      kind = page.kind || null;
      drawPage(page);
    } catch (error) { tell(error); }
  }

  function drawPage(page) {
    all.hidden = !page.listed;
    more.hidden = true;
    nothing.hidden = page.known;
    filled.hidden = !page.known;
    tellJob();
    worst.hidden = !page.listed || (state.readOnly && !state.isClosed);
    if (!page.known) { fill(list); element.dataset.shown = 'none'; return; }
    worst.textContent = `Fix the worst ${Math.min(WORST, page.listed)}`;
    fill(kinds, ...Object.entries(KINDS).map(([key, [title]]) => h('button.btn', {
      type: 'button', role: 'tab', data: {kind: key}, 'aria-selected': String(key === page.kind),
      'aria-pressed': String(key === page.kind), on: {click: () => show(key)},
    }, title, h('span.num', {}, count(page.counts[key])))));
    fill(about, aboutWords(page));
    fill(list);
    if (page.is_weak) fill(list, h('p.hint.warn', {id: 'suspects-weak'}, weakWords(page.judge)));
    else if (!page.listed) fill(list, h('p.quiet-text.hint', {}, 'No suspect of this kind.'));
    append(page);
    element.dataset.shown = `${page.kind}-${page.listed}`;
  }

  function append(page) {
    let at = 0;
    const names = shared.names;
    list.append(...page.suspects.map(each => {
      const own = thumbnail(page.sprite, at++);
      const other = each.other === null ? null : thumbnail(page.sprite, at++);
      return h('button.suspect', {
        type: 'button', data: {row: each.row},
        on: {click: () => (each.other === null ? shared.openInstance(each.row) : shared.openPair(each.row, each.other))},
      },
        h('span.faces', {}, own, other),
        h('span.text', {},
          h('span.row', {},
            h('b.id', {}, each.id),
            squares(each.candidates, names, 12),
            h('small.held', {}, namesOf(each.candidates, names))),
          h('span.reason', {}, each.reason)));
    }));
    const shown = list.querySelectorAll('.suspect').length;
    more.hidden = shown >= page.listed;
  }

  function fixWorst() {
    const rows = found.rows.slice(0, WORST);
    annotate({rows, title: `The worst ${rows.length}: ${KINDS[found.kind][0].toLowerCase()}`, run: found.by_run ?? shared.chosen.run});
  }

  async function grow() {
    try {
      const page = await read(`${shared.base()}/suspects`, {
        kind, split: shared.about.split, offset: list.querySelectorAll('.suspect').length,
      });
      await load(page.sprite);
      append(page);
    } catch (error) { tell(error); }
  }

  async function begin() {
    try {
      await shared.ask('find_suspects', {name: state.dataset, run: shared.chosen.run});
      toast('The search waits for its turn; this list fills by itself.');
      refresh();
    } catch (error) { tell(error); }
  }

  function tellJob() {
    const job = state.jobs.find(each => each.kind === 'suspects' && each.run === shared.chosen.run && isActive(each));
    told.textContent = job ? `${job.message || 'Waits for its turn'} · ${percent(job.fraction)}` : '';
    again.disabled = !!job;
  }

  return {
    element, draw: () => draw(),
    jobs: tellJob,
    jobEnded(job) { if (job.kind === 'suspects') draw(true); },
  };
}

/** What a list rests on: how many of what, how good the judge is, and what is older than the sets are now. */
function aboutWords(page) {
  const part = page.listed < page.counts[page.kind]
    ? `The first ${count(page.listed)} of ${count(page.counts[page.kind])} are listed.`
    : '';
  const older = olderWords(page.found_on);
  return [
    KINDS[page.kind][1],
    part,
    `${counted(page.n, 'training sample')} judged by ${page.features} features; no true label was used.`,
    judgeWords(page.judge),
    page.answered ? `${counted(page.answered, 'answered one')} left the list.` : '',
    older ? `The list is ${older}.` : '',
  ].filter(Boolean).join(' ');
}

const judgeWords = judge => `Of samples it never saw, the judge puts its first class inside the set for ${percent(judge.inside)}; a `
  + `guess would for ${percent(judge.chance)}.`;

const weakWords = judge => 'The judge is too weak on this data to accuse a sample: its first class is inside the set for '
  + `${percent(judge.inside)} of the samples it never saw, `
  + `and a guess would be for ${percent(judge.chance)}. Other features, such as torchvision:resnet18, or more samples may help.`;

const namesOf = (candidates, names) =>
  candidates.slice(0, 4).map(index => names[index]).join(', ') + (candidates.length > 4 ? ` and ${candidates.length - 4} more` : '');
