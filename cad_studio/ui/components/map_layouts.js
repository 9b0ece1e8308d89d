// Which layout of which features a map shows, and how far one is that is being made.

import {h, fill, counted, percent, toast} from './dom.js';
import {isActive, read, readBytes, refresh, state, tell} from './store.js';

const STAGES = {pca: 'principal components', 'umap-part': 'UMAP of a part, the others among their neighbours', umap: 'UMAP'};

/** The job that lays out some features now, if there is one. */
const jobOf = spec => state.jobs.find(job => job.kind === 'map' && job.dataset === state.dataset && job.features === spec && isActive(job));

/**
 * Pickers of features and layout; onFeatures() and onLayout() when others are chosen. Of two maps the
 * first shows the features chosen here, the second those of the run that this one is held against.
 */
export function createLayouts(shared, {onFeatures, onLayout}) {
  const features = h('select', {id: 'map-features', 'aria-label': 'Features', on: {change: () => { wish = null; onFeatures(); }}});
  const layout = h('select', {id: 'map-layout', 'aria-label': 'Layout', on: {change: () => { wish = layout.value; onLayout(); }}},
    h('option', {value: 'pca'}, 'PCA'), h('option', {value: 'umap'}, 'UMAP'));
  const told = h('span.quiet-text.told', {id: 'map-told', 'aria-live': 'polite'});
  let stages = [], wish = null, shownRun = null;

  const specOf = place => (place ? `run:${shared.chosen.against}` : features.value);

  function nameOf(spec) {
    if (spec === `run:${shared.chosen.run}`) return 'Features of this run';
    return spec.startsWith('run:') ? `Features of run ${spec.slice(4)}` : `Features: ${spec}`;
  }

  return {
    elements: [features, layout, told], specOf, jobOf,
    /** The features there are; those that were shown stay, unless they are of a run that is shown no more. */
    offer(run) {
      const wanted = [`run:${run}`, ...shared.maps.filter(each => each !== `run:${run}`)];
      const kept = features.value;
      fill(features, ...wanted.map(each => h('option', {value: each}, nameOf(each))));
      features.value = wanted.includes(kept) && !(kept.startsWith('run:') && shownRun !== run) ? kept : wanted[0];
      shownRun = run;
    },
    /** What there is of a map, with its points unless they are those of `shownKey`. */
    async read(place, shownKey) {
      const spec = specOf(place);
      const found = await read(`/diagnosis/map/${encodeURIComponent(state.dataset)}`, {features: spec});
      if (!place) {
        stages = found.stages;
        const hasUmap = stages.some(stage => stage !== 'pca');
        layout.value = wish === 'pca' || !(hasUmap || (wish === 'umap' && jobOf(spec))) ? 'pca' : 'umap';
      }
      const stage = layout.value === 'pca' ? 'pca' : found.stage;
      const key = `${spec}-${stage}-${found.origin}`;
      const points = `/diagnosis/map/${encodeURIComponent(state.dataset)}/points`;
      return {spec, stage, key, found, body: shownKey === key ? null : await readBytes(points, {features: spec, stage})};
    },
    titleOf(place, {spec, stage, found}) {
      const leftOut = found.left_out ? ` · ${counted(found.left_out, 'sample')} without finite features left out` : '';
      const splits = shared.about?.splits.length > 1 ? ' · all splits' : '';  // whichever the figures are of
      return `${place ? `Run ${shared.chosen.against}` : nameOf(spec)} · ${STAGES[stage]}${splits}${leftOut}`;
    },
    /** Have the layout made that is wished for, of the maps that lack it; `stageOf(place)` is what each shows. */
    async make(places, stageOf) {
      try {
        for (const place of places) {
          const spec = specOf(place);
          const isThere = place ? stageOf(place) === 'umap' : stages.includes('umap');
          if (wish === 'pca' || jobOf(spec) || isThere) continue;
          await shared.ask('lay_out', {name: state.dataset, features: spec});
          toast('UMAP is being laid out; the map changes by itself and keeps your selection.');
        }
        if (wish === 'umap') await refresh();
      } catch (error) { tell(error); wish = null; }
    },
    tellState(places) {
      const job = places.map(place => jobOf(specOf(place))).find(Boolean);
      told.textContent = job ? `UMAP: ${(job.message || 'waits for its turn').toLowerCase()} · ${percent(job.fraction)}` : '';
      told.title = told.textContent;
    },
  };
}
