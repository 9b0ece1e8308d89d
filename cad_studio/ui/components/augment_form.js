// The left side of the Augmentations page: how to look, and which edits to make.

import {h, fill, count, debounced} from './dom.js';
import {changedValues, createField, createGroup, fillOptions, showField} from './form.js';
import {createOwnCopy} from './own_copy.js';
import {onJobEnd, isActive, state} from './store.js';
import {duration, megabytes, share} from './train_words.js';


/** A slider with its value beside it; `onMove()` while it moves, at most every 40 ms. */
function slider(id, label, {minimum, maximum, step, value, help, onMove}) {
  const moved = debounced(onMove, 40);
  const shown = h('output.num', {for: id});
  const input = h('input', {
    type: 'range', id, min: minimum, max: maximum, step, value: String(value), title: help,
    on: {input: () => { paint(); moved(); }},
  });
  const paint = () => { shown.textContent = (+input.value).toFixed(step < 1 ? 2 : 0); };
  paint();
  return {
    element: h('div.setting.slide', {}, h('label', {for: id, title: help}, label), shown, input), read: () => +input.value,
    set(to) { input.value = String(to); paint(); },
  };
}

/** A form that owns its element; onLook() when something to look at has changed. */
export function createAugmentForm({ask, onLook, onRun}) {
  const run = h('select', {id: 'augment-run', on: {change: () => onRun()}});
  const runHelp = h('p.help');
  const cam = h('select', {id: 'augment-cam', on: {change: () => onLook(false)}},
    h('option', {value: 'contrast'}, 'contrast'),
    h('option', {value: 'plain'}, 'plain'));
  const fillPick = h('select', {id: 'augment-fill', on: {change: () => onLook(false)}},
    h('option', {value: 'zero'}, 'to black'),
    h('option', {value: 'mean'}, 'to mean colour'));
  const heat = h('input', {type: 'checkbox', id: 'augment-heat', on: {change: () => onLook(null)}});
  heat.checked = true;
  const epsilon = slider('augment-epsilon', 'What is left (ε)', {
    minimum: 0, maximum: 1, step: 0.01, value: 0.5,
    help: 'Brightness left where nothing speaks for the class: 1 changes nothing', onMove: () => onLook(false),
  });
  const strength = slider('augment-strength', 'Strength', {
    minimum: 0, maximum: 1, step: 0.01, value: 0.8,
    help: 'How far the image is dissolved before it is drawn again: 0 changes nothing, 1 keeps nothing',
    onMove: () => onLook(true),
  });
  const guidance = slider('augment-guidance', 'Guidance', {
    minimum: 0, maximum: 15, step: 0.5, value: 6, help: 'Pull towards the class', onMove: () => onLook(true),
  });
  const model = h('p.help', {id: 'augment-model'});

  const editor = h('select', {id: 'augment-editor', on: {change: () => { drawEditor(); forget(); }}});
  const editorHelp = h('p.help', {id: 'augment-missing'});
  const wanted = h('div.groups');
  const own = h('div.groups');
  const estimate = h('p.estimate.none', {id: 'augment-estimate', 'aria-live': 'polite'},
    'Measure to see how many, how long and how large.');
  const measure = h('button.btn.act', {type: 'button', id: 'augment-measure', on: {click: () => start('measure')}}, 'Measure');
  const problem = h('p.field-error', {id: 'augment-problem', role: 'alert', hidden: true});
  const make = h('button.btn.primary.act', {type: 'button', id: 'augment-make', on: {click: () => start('make')}}, 'Make edits');
  const only = h('button.btn.act', {type: 'button', id: 'augment-only', on: {click: () => start('make', true)}}, 'Only of what is shown');
  const progress = h('div.run-progress', {hidden: true},
    h('div.progress', {data: {status: 'running'}, role: 'progressbar', 'aria-label': 'Progress'}, h('i')),
    h('p.progress-line', {id: 'augment-progress'}));
  const closed = createOwnCopy('augment-closed', 'make edits');
  const line = (label, input, ...rest) => h('div.setting', {}, h('label', {for: input.id}, label), input, ...rest);
  const form = h('form.train-form', {'aria-label': 'Look and make', on: {submit: event => event.preventDefault()}},
    h('h2', {}, 'Look'), line('Judged by', run, runHelp),
    line('Heat map', heat, h('p.help', {}, 'Over the image, key ', h('kbd', {}, 'h'))),
    line('Map', cam), line('Rest fades', fillPick), epsilon.element,
    h('h2', {}, 'In-domain diffusion'), strength.element, guidance.element, model,
    h('h2', {}, 'Make edits for training'), line('Editor', editor, editorHelp), wanted, own);
  const foot = h('div.train-foot', {}, progress, h('div.row', {}, estimate, measure), problem, closed, h('div.row', {}, make, only));
  const element = h('aside.side.train-side', {}, h('div.form-scroll', {}, form), foot);
  let offers = null;
  let budget = [];
  let settings = [];
  let waitsFor = null;
  let fadesFor = null;
  let rowsShown = () => [];

  const chosen = () => offers?.editors.find(each => each.name === editor.value);

  function drawEditor() {
    const about = chosen();
    editorHelp.textContent = about?.missing || '';
    editorHelp.classList.toggle('warn', !!about?.missing);
    // the sliders say how an editor trained here is set; the rest of its settings are here
    const hidden = about?.is_trained_here ? ['strength', 'guidance', 'model', 'device'] : ['device'];
    settings = (about?.settings || []).filter(each => !hidden.includes(each.name)).map(each =>
      createField(each, {prefix: 'augment-set', onChange: forget}));
    fill(own, settings.length ? createGroup(`${about.title}: settings`, settings).element : null);
  }

  function forget() { estimate.textContent = 'Measure to see how many, how long and how large.'; estimate.className = 'estimate none'; }

  function request(onlyShown) {
    const values = {dataset: state.dataset, editor: editor.value, budget: changedValues(budget), settings: changedValues(settings)};
    if (chosen()?.is_trained_here) Object.assign(values.settings, {strength: strength.read(), guidance: guidance.read()});
    if (run.value) values.run = +run.value;
    if (onlyShown) { values.rows = rowsShown(); values.budget = {}; }
    return values;
  }

  async function start(what, onlyShown = false) {
    problem.hidden = true;
    try {
      const answer = await ask(what, request(onlyShown));
      waitsFor = {job: answer.job, what};
      if (what === 'measure') { estimate.textContent = 'Measuring…'; estimate.className = 'estimate none'; }
    } catch (error) {
      problem.hidden = false;
      problem.textContent = error.message;
      if (error.field) showField(error.field);
    }
  }

  onJobEnd(job => {
    if (waitsFor?.job !== job.id) return;
    if (waitsFor.what === 'measure' && job.status === 'done') {
      const found = job.result;
      estimate.className = 'estimate';
      fill(estimate,
        h('b', {},
          found.to_make || found.left
            ? `${count(found.to_make)} edits, about ${duration(found.seconds)}, ${megabytes(found.bytes)}`
            : 'All of them are there already'),
        `${found.edits_per_second ? `${found.edits_per_second} a second, ` : ''}${count(found.reused)} there `
          + `already${found.left ? `, ${count(found.left)} more beyond the time` : ''}`);
    } else if (job.status === 'failed') { problem.hidden = false; problem.textContent = job.error; forget(); }
    else if (waitsFor.what === 'make' && job.status === 'done') {
      const found = job.result;
      estimate.className = 'estimate';
      fill(estimate,
        h('b', {}, `${count(found.made)} made, ${count(found.reused)} reused${found.failed ? `, ${count(found.failed)} failed` : ''}`),
        found.reached_class === null
          ? found.notes.join(' ')
          : `${share(found.reached_class)} reached their class, ${duration(found.seconds)}`);
    } else forget();
    waitsFor = null;
  });

  return {
    element, heat,
    values: () => ({
      run: run.value || null, cam: cam.value, fill: fillPick.value, epsilon: epsilon.read(), strength: strength.read(),
      guidance: guidance.read(),
    }),
    run: () => (run.value ? +run.value : null),
    /** Make the edits of what is shown by an editor, as the form sets it. */
    makeShown(name) {
      if (editor.value !== name) { editor.value = name; drawEditor(); forget(); }
      return start('make', true);
    },
    /** What can be chosen; `rows()` gives the samples that are shown. */
    show(found, rows) {
      // what training takes for images of this size; another dataset begins anew
      if (fadesFor !== state.dataset && found.epsilon !== null) { epsilon.set(found.epsilon); fadesFor = state.dataset; }
      offers = found;
      rowsShown = rows;
      fillOptions(run, found.judges.length
        ? found.judges.map(each =>
          [String(each.id), `${each.name}${each.approximated_accuracy ? ` · ${share(each.approximated_accuracy)}` : ''}`])
        : [['', 'no run yet']]);
      run.disabled = !found.judges.length;
      runHelp.textContent = found.judges.length
        ? 'A run trained on candidates; its maps and its evidence are shown. The figure is its approximated accuracy.'
        : 'Maps and evidence need a run whose network reads the images. Train one on the Train page; the method proden with a '
          + 'propagated start does well in minutes.';
      const inDomain = found.editors.find(each => each.is_trained_here);
      model.textContent = inDomain?.model ? `By ${inDomain.model}.` : inDomain?.missing || '';
      fillOptions(editor, found.editors.map(each => [each.name, each.title]));
      if (!budget.length) {
        budget = found.budget.map(about => createField(about, {prefix: 'augment-budget', onChange: forget}));
        fill(wanted, createGroup('Which edits', budget).element);
        wanted.firstChild.open = true;
      }
      if (!settings.length || !chosen()?.settings.some(each => each.name === settings[0]?.name)) drawEditor();
      editorHelp.textContent = chosen()?.missing || '';
      for (const each of [measure, make, only]) each.disabled = !found.has_images;
    },
    /** How far the job is that makes edits or an editor. */
    follow() {
      const job = state.jobs.find(each => ['augment', 'edit-model', 'judge-edits', 'estimate-edits'].includes(each.kind) && isActive(each));
      progress.hidden = !job;
      if (!job) return;
      progress.querySelector('i').style.width = `${(100 * job.fraction).toFixed(1)}%`;
      progress.querySelector('p').textContent = job.status === 'queued'
        ? `${job.title}: waits for its turn`
        : `${job.title}: ${job.message}`;
    },
  };
}
