// The figures beside the samples; each opens the samples behind it.

import {h, counted, percent} from './dom.js';
import {createBars} from './bars.js';
import {createDistractors} from './distractors.js';
import {createMatrix} from './matrix.js';
import {read, state, tell} from './store.js';

const MISTAKEN = 'By the sets alone, no true label used. Row: the true class; column: the share of its sets that hold the other class too, '
  + 'estimated. Where that is near 100 %, only the few sets without the other class tell the two apart.';

/** How many classes a matrix shows, where it does not show all. */
const partOf = ({classes, n_classes: all}, whole) => (classes.length < all ? `${classes.length} of ${all}` : whole);

/** Figures that own their elements; `filter(patch)` shows the samples behind one. */
export function createSide(filter) {
  let about = null, together = null, model = null;
  const hold = (a, b) => filter({holds: a === b ? [about.class_names[a]] : [about.class_names[a], about.class_names[b]]});
  const sizes = createBars('Number of candidates', label => filter({size: state.filter.size === label ? null : label}));
  const both = createMatrix('Candidates held together', hold);
  const distractors = createDistractors((name, other) => filter({holds: [name, other]}));
  const mistaken = createMatrix('Mistaken for', hold);
  both.element.id = 'dataset-together';
  mistaken.element.id = 'dataset-mistaken';
  mistaken.element.append(h('p.quiet-text', {id: 'dataset-mistaken-about'}, MISTAKEN));

  function drawSizes() {
    const histogram = about.size_histogram;
    const largest = histogram.reduce((last, value, size) => (value ? size : last), 1);
    const labels = Array.from({length: largest}, (_, at) => String(at + 1));
    sizes.show({
      labels, counts: labels.map(label => histogram[+label]), selected: state.filter.size || null,
      hint: `mean ${about.mean_candidates.toFixed(2)}`, describe: label => counted(+label, 'candidate'),
    });
  }

  function selectedCell() {
    const at = (state.filter.holds || []).map(name => about.class_names.indexOf(name));
    return at.length === 2 ? at : at.length === 1 ? [at[0], at[0]] : null;
  }

  function drawTogether() {
    if (together) both.show({
      ...together, label: partOf(together, ''), names: about.class_names, noun: 'samples hold both', selected: selectedCell(),
    });
  }

  function drawMistaken() {
    if (!model) return;
    const names = about.class_names;
    mistaken.show({
      ...model, counts: model.table, label: partOf(model, 'per cent of the row'), names, diagonal: false, selected: selectedCell(),
      format: value => (value < 0.005 ? '' : String(Math.round(100 * value))),
      words: (a, b, value) => `${names[b]} in ${percent(value)} of the sets of ${names[a]} (estimated)`,
    });
  }

  /** The set model; with many classes it takes seconds, so everything else is drawn before it. */
  async function loadMistaken({name, version}) {
    model = null;
    mistaken.element.hidden = true;
    try {
      const found = await read(`/datasets/${encodeURIComponent(name)}/set-model`);
      if (state.dataset !== name || about?.version !== version) return;
      model = found;
      mistaken.element.hidden = false;
      drawMistaken();
    } catch (error) { tell(error); }
  }

  return {
    elements: [sizes.element, both.element, distractors.element, mistaken.element],
    show(found, matrix) {
      about = found;
      together = matrix;
      drawSizes();
      distractors.show(about);
      drawTogether();
      loadMistaken(about);
    },
    /** Mark what the filter is. */
    mark() { drawSizes(); drawTogether(); drawMistaken(); },
  };
}
