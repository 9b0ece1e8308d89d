// The form of a new run: preset, method, backbone, budget and settings, with what it will take.

import {h, fill, count, counted, debounced, turns} from './dom.js';
import {changedValues, createField, createGroup, createSwitch, fillOptions, readNumber, showField} from './form.js';
import {createOwnCopy} from './own_copy.js';
import {choose, current, isActive, on, onJobEnd, read, state} from './store.js';
import {createElsewhere} from './train_elsewhere.js';
import {duration} from './train_words.js';

/** @type {[string, string[]][]} */
const GROUPS = [
  ['Confidence', ['start', 'uniform_epochs', 'start_epochs', 'refresh_epochs', 'set_model', 'confidence_momentum', 'class_balance']],
  ['Views and optimiser', ['views', 'head_epochs', 'batch_size', 'learning_rate', 'momentum', 'weight_decay', 'seed']],
  ['Selection and saving', ['hold_out', 'judged_average', 'snapshots', 'checkpoint_epochs', 'checkpoint_steps', 'tensorboard']],
];
const BUDGET = ['epochs', 'max_seconds'];
const DRAFT = 'cad-train-draft';

/** Where a method departs from its paper, behind a line of text. */
function departuresOf(about) {
  const row = each => [
    h('dt', {}, each.what),
    h('dd', {}, h('span', {}, 'Paper'), each.paper),
    h('dd', {}, h('span', {}, 'Authors\u2019 code'), each.code),
    h('dd', {}, h('span', {}, 'Here'), each.ours, each.settings.length ? h('code', {}, each.settings.join(', ')) : null),
  ];
  return h('details.departures', {id: 'train-departures'},
    h('summary', {}, 'Paper, authors\u2019 code and this studio compared'),
    h('dl', {}, ...about.departures.flatMap(row)));
}

/**
 * A form that owns its element. `ask(name, value)` calls the server; onStarted(run) after a start, onPacked(run) when a run was
 * packed or is back.
 */
export function createTrainForm({ask, onStarted, onPacked}) {
  const preset = h('select', {id: 'train-preset', on: {change: () => applyPreset(preset.value)}});
  const presetHelp = h('p.help');
  const dataset = h('select', {id: 'train-dataset', on: {change: () => choose(dataset.value)}});
  const datasetHelp = h('p.help');
  const method = h('select', {id: 'train-method', on: {change: () => { drawMethod(); edited(); }}});
  const methodHelp = h('p.help', {id: 'train-paper'});
  const departures = h('div.help');
  const backbone = h('input.entry', {
    id: 'train-backbone', type: 'text', list: 'train-backbones', autocomplete: 'off', spellcheck: 'false',
    on: {input: () => edited()},
  });
  const backbones = h('datalist', {id: 'train-backbones'});
  const features = h('select', {id: 'train-features', on: {change: () => edited()}});
  const runName = h('input.entry', {
    id: 'train-name', type: 'text', autocomplete: 'off', maxlength: '120', placeholder: 'method and number', on: {input: save},
  });
  const budget = createSwitch('Budget',
    [['epochs', 'Epochs', 'train-by-epochs'], ['minutes', 'Minutes', 'train-by-minutes']],
    value => { byTime = value === 'minutes'; drawBudget(); edited(); });
  const amount = h('input.entry.number', {
    id: 'train-minutes', type: 'text', inputmode: 'decimal', 'aria-label': 'Minutes', value: '10', on: {input: () => edited()},
  });
  const budgetFields = h('div');
  const groups = h('div.groups');
  const form = h('form.train-form', {'aria-label': 'New run', on: {submit: event => event.preventDefault()}});
  const estimate = h('p.estimate', {id: 'train-estimate', 'aria-live': 'polite'});
  const measure = h('button.btn.act', {
    type: 'button', id: 'train-measure', title: 'Trains a few steps to see how long the run will take; nothing is kept',
    on: {click: measureNow},
  }, 'Measure');
  const problem = h('p.field-error', {id: 'train-problem', role: 'alert', hidden: true});
  const together = h('input', {type: 'checkbox', id: 'train-together'});
  const onCluster = h('label.keys', {hidden: true, title: 'This machine and all others of CAD_CLUSTER train one network'},
    together, 'On all nodes of the cluster');
  const go = h('button.btn.primary.act', {type: 'button', id: 'train-start', on: {click: start}}, 'Start run');
  const closed = createOwnCopy('train-closed', 'train');
  const notes = h('p.field-note', {id: 'train-notes', role: 'status', hidden: true});
  const elsewhere = createElsewhere({ask, request: () => request(), tellProblem: error => tellProblem(error), onPacked});
  const foot = h('div.train-foot', {}, h('div.row', {}, estimate, measure), notes, problem, closed, onCluster, go, elsewhere);
  const element = h('aside.side.train-side', {}, h('div.form-scroll', {}, form), foot);

  let offers = null;
  let config = new Map();
  let settings = new Map();
  let shownGroups = [];
  let byTime = false;
  let chosenPreset = '';
  let known = null;
  let measuring = null;
  const measured = new Map();

  const line = (label, input, ...rest) => h('div.setting', {}, h('label', {for: input.id}, label), input, ...rest);
  const currentMethod = () => offers?.methods.find(each => each.name === method.value);
  const methodFields = () => settings.get(method.value) || new Map();
  const changedNow = () => { for (const group of shownGroups) group.note(); edited(); };

  function waiting(text) {
    fill(form, h('p.quiet-text', {role: 'status'}, text), ...Array.from({length: 6}, () => h('div.skeleton')));
    foot.hidden = true;
  }

  async function load() {
    const data = current();
    if (!data) {
      fill(form, h('p.quiet-text', {}, 'A run needs a dataset. Import one on the Dataset page.'));
      foot.hidden = true;
      offers = null;
      return;
    }
    if (!offers) waiting('Reading methods…');
    let found;
    try { found = await read('/training/offers', {dataset: data.name}); } catch (error) {
      fill(form, h('p.field-error', {}, error.message), h('button.btn', {type: 'button', on: {click: load}}, 'Try again'));
      return;
    }
    if (found.dataset.name !== state.dataset) return;
    const draft = offers ? toDraft() : readDraft();
    offers = found;
    build();
    if (draft) fromDraft(draft);
    element.dataset.ready = data.name;
    look();
  }

  function build() {
    config = new Map(offers.config.map(about => [about.name, createField(about, {prefix: 'setting', onChange: changedNow})]));
    settings = new Map(offers.methods.map(each => [
      each.name,
      new Map(each.settings.map(about => [about.name, createField(about, {prefix: `setting-${each.name}`, onChange: changedNow})])),
    ]));
    fillOptions(preset, offers.presets.map(each => [each.name, each.name]));
    const begins = chosenPreset ? null : offers.preset;
    chosenPreset = chosenPreset || offers.preset;
    fillOptions(dataset, state.datasets.map(data => [data.name, data.name]));
    onCluster.hidden = !offers.has_cluster;
    dataset.value = offers.dataset.name;
    datasetHelp.textContent = `${counted(offers.dataset.n_train, 'training sample')}, ${count(offers.dataset.n_test)} for testing `
      + `· version ${offers.dataset.version_number}`;
    fillOptions(method, offers.methods.map(each =>
      [each.name, each.available ? each.title : `${each.title} (not for this data)`, !each.available, each.why_not]));
    if (!currentMethod()?.available || !method.dataset.set) { method.value = offers.method; method.dataset.set = 'yes'; }
    fill(backbones, ...offers.backbones.map(name => h('option', {value: name})));
    backbone.value = offers.backbone;
    fillOptions(features, offers.features.map(name => [name, name]));
    fill(form,
      line('Preset', preset, presetHelp), line('Dataset', dataset, datasetHelp), line('Method', method, methodHelp, departures),
      line('Backbone', backbone, backbones, h('p.help', {},
        'The network. Any torchvision classifier can be named, with :pretrained or :pretrained-top, and any vision model of the '
          + 'Hugging Face Hub or a folder as hf:NAME or hf:NAME:top (top trains the last layers alone). features:EXTRACTOR '
          + 'trains a small head on features computed once, in seconds.')),
      h('div.setting.stacked', {}, h('span.label', {}, 'Budget'), budget.element, budgetFields),
      groups, line('Name', runName));
    foot.hidden = false;
    drawMethod();
    drawBudget();
    drawPreset();
    if (begins && begins !== offers.presets[0].name) applyPreset(begins);
  }

  function drawMethod() {
    const about = currentMethod();
    if (!about) return;
    const [text, link] = parted(about.paper);
    fill(methodHelp,
      about.summary ? `${about.summary} ` : '',
      text,
      link ? h('a', {href: link, target: '_blank', rel: 'noreferrer'}, 'Paper') : null,
      about.uses_truth ? h('b.warn', {}, ' Trains on true labels: an upper bound, not a rival.') : null);
    fill(departures, about.departures.length ? departuresOf(about) : null);
    const opened = new Set(shownGroups.filter(group => group.element.open).map(group => group.title));
    const named = /** @type {[string, string[]][]} */ ([
      ...GROUPS.map(([title, names]) => [title, names.filter(name => config.has(name))]),
    ]);
    const placed = new Set([...BUDGET, ...named.flatMap(([, names]) => names)]);
    named.push(['Machine', [...config.keys()].filter(name => !placed.has(name))]);
    const rare = name => offers.config.find(each => each.name === name)?.advanced;
    shownGroups = named.filter(([, names]) => names.length).map(([title, names]) =>
      createGroup(title, names.map(name => config.get(name)), rare));
    const own = [...methodFields().values()];
    if (own.length) shownGroups.splice(1, 0, createGroup(`${about.title}'s own`, own, name =>
      about.settings.find(each => each.name === name)?.advanced));
    shownGroups[0].element.append(line('Neighbours by', features, h('p.help', {},
      'Features of the neighbour graph of a propagated start, and of the entangled test pairs.')));
    for (const group of shownGroups) group.element.open = opened.has(group.title);
    fill(groups, h('h2', {}, 'More settings'), ...shownGroups.map(group => group.element));
  }

  function drawBudget() {
    const epochs = config.get('epochs');
    if (!epochs) return;
    const minutes = h('div.setting', {},
      h('label', {for: 'train-minutes'}, 'Minutes'),
      amount,
      h('p.help', {},
        'The step size falls with time, so the run cannot be repeated exactly. Ends after this or after the epochs, whichever '
          + 'comes first.'));
    fill(budgetFields, byTime ? minutes : null, epochs.element);
    budget.show(byTime ? 'minutes' : 'epochs');
  }

  function drawPreset() {
    const about = offers.presets.find(each => each.name === chosenPreset);
    preset.value = chosenPreset;
    presetHelp.textContent = about?.help || '';
  }

  function applyPreset(name) {
    const about = offers.presets.find(each => each.name === name);
    chosenPreset = name;
    if (about.method && offers.methods.find(each => each.name === about.method)?.available) method.value = about.method;
    backbone.value = about.backbone || offers.backbone;
    put(about.config, about.settings);
  }

  /** Fill all fields: defaults, but for some values. */
  function put(configValues, settingValues) {
    for (const field of config.values()) {
      field.set(field.name in configValues ? configValues[field.name] : descriptionOf(field.name)?.default);
    }
    for (const field of methodFields().values()) if (field.name in settingValues) field.set(settingValues[field.name]); else field.reset();
    const seconds = configValues.max_seconds || 0;
    byTime = seconds > 0;
    if (byTime) amount.value = String(+(seconds / 60).toFixed(2));
    drawMethod();
    drawBudget();
    drawPreset();
    changedNow();
  }
  const descriptionOf = name => offers.config.find(each => each.name === name);

  /** What the fields ask for; throws words, with the field. */
  function request() {
    const asked = changedValues([...config.values()]);
    delete asked.max_seconds;
    if (byTime) {
      const {value, error} = readNumber(amount.value, {name: 'minutes', type: 'float', minimum: 0.01});
      if (error) throw Object.assign(new Error(error), {field: {element: amount, input: amount, check: () => {}}});
      asked.max_seconds = Math.round(value * 60 * 1000) / 1000;
    }
    return {
      dataset: offers.dataset.name, method: method.value, backbone: backbone.value.trim(), features: features.value,
      config: asked, settings: changedValues([...methodFields().values()]), name: runName.value.trim(),
    };
  }

  function tellProblem(error) {
    problem.hidden = !error;
    problem.textContent = error?.message || '';
  }

  async function start() {
    if (go.disabled) return;
    tellProblem(null);
    go.disabled = true;
    try {
      const made = await ask('start', {request: request(), together: Boolean(offers?.has_cluster) && together.checked});
      runName.value = '';
      save();
      onStarted(made.run);
    } catch (error) {
      tellProblem(error);
      if (error.field) showField(error.field);
    } finally { go.disabled = state.readOnly; }
  }

  // What it will take: from an earlier run, from a measurement, or not known yet.
  const equalKey = asked => JSON.stringify({...asked, name: '', config: {...asked.config, epochs: 0, max_seconds: 0, seed: 0}});
  function epochsOf() { const {value} = config.get('epochs').read(); return value; }

  function edited() { tellProblem(null); save(); look(); }

  const turn = turns();
  const look = debounced(async () => {
    const isNewest = turn();
    if (!offers || element.offsetParent === null) return;
    let asked;
    try { asked = request(); } catch (error) { known = null; drawEstimate(error.message); return; }
    try {
      const answer = await ask('known', asked);
      if (!isNewest()) return;
      known = measured.get(equalKey(asked)) || answer.estimate;
      fill(notes, ...answer.notes.map(note => h('span', {}, note)));
      notes.hidden = !answer.notes.length;
      drawEstimate();
    } catch (error) {
      if (!isNewest()) return;
      known = null;
      drawEstimate(error.message);
    }
  }, 300);

  function drawEstimate(words = null) {
    measure.disabled = measuring !== null;
    estimate.classList.toggle('none', !known);
    if (measuring !== null) {
      const job = state.jobs.find(each => each.id === measuring.job);
      const before = state.jobs.filter(each => isActive(each) && each.id < measuring.job).length;
      fill(estimate, job?.status === 'queued' && before
        ? `Measuring waits behind ${counted(before, 'job')}.`
        : `Measuring: ${job?.message || 'starting'}…`);
      return;
    }
    if (words) { fill(estimate, words); return; }
    if (!known) { fill(estimate, 'How long this takes is not known yet.'); return; }
    const epochs = epochsOf();
    const minutes = byTime ? +amount.value * 60 : Infinity;
    const seconds = Math.min(minutes, (known.seconds_setup || 0) + known.seconds_per_epoch * epochs);
    const fits = byTime ? `, ${count(Math.min(epochs, Math.max(1, Math.floor(minutes / known.seconds_per_epoch))))} epochs` : '';
    const facts = [
      `${duration(known.seconds_per_epoch)} an epoch`,
      known.samples_per_second ? `${count(Math.round(known.samples_per_second))} samples/s` : '',
      known.memory_mb ? `${count(Math.round(known.memory_mb))} MB` : '', known.source,
    ].filter(Boolean);
    fill(estimate, h('b', {}, `About ${duration(seconds)}${fits}`), h('small', {}, ` ${facts.join(' · ')}`));
  }

  async function measureNow() {
    tellProblem(null);
    let asked;
    try { asked = request(); } catch (error) { tellProblem(error); if (error.field) showField(error.field); return; }
    try {
      const {job} = await ask('estimate', asked);
      measuring = {job, key: equalKey(asked), epochs: byTime ? 0 : epochsOf()};
      drawEstimate();
    } catch (error) { tellProblem(error); }
  }

  onJobEnd(job => {
    if (job.kind === 'train') look();
    if (job.id !== measuring?.job) return;
    if (job.status === 'done' && job.result) {
      const setup = measuring.epochs ? Math.max(0, job.result.seconds - job.result.seconds_per_epoch * measuring.epochs) : 0;
      measured.set(measuring.key, {...job.result, seconds_setup: setup});
    }
    else if (job.error) tellProblem(new Error(job.error));
    measuring = null;
    look();
  });
  on('jobs', () => { if (measuring !== null) drawEstimate(); });

  function readOnly() {
    go.disabled = state.readOnly;
    if (offers) drawEstimate();
  }
  on('readOnly started', readOnly);
  readOnly();

  // What was typed outlives a reload of the page.
  function toDraft() {
    const texts = fields => Object.fromEntries([...fields.values()].filter(field => field.isChanged()).map(field =>
      [field.name, field.input.type === 'checkbox' ? field.input.checked : field.input.value]));
    return {
      dataset: offers.dataset.name, preset: chosenPreset, method: method.value, backbone: backbone.value, name: runName.value,
      byTime, minutes: amount.value, config: texts(config), settings: texts(methodFields()),
    };
  }
  function fromDraft(draft) {
    const able = offers.methods.find(each => each.name === draft.method)?.available;
    if (able) method.value = draft.method;
    if (offers.presets.some(each => each.name === draft.preset)) chosenPreset = draft.preset;
    if (draft.dataset === offers.dataset.name) backbone.value = draft.backbone;
    runName.value = draft.name;
    amount.value = draft.minutes;
    for (const [name, text] of Object.entries(draft.config)) config.get(name)?.set(text);
    if (able) for (const [name, text] of Object.entries(draft.settings)) methodFields().get(name)?.set(text);
    byTime = draft.byTime;
    drawMethod();
    drawBudget();
    drawPreset();
  }
  function save() { if (offers) localStorage.setItem(DRAFT, JSON.stringify(toDraft())); }
  function readDraft() { try { return JSON.parse(localStorage.getItem(DRAFT)); } catch { return null; } }

  return {
    element, load,
    /** Take over the settings of a run. */
    take(run) {
      if (!offers) return;
      if (run.dataset !== state.dataset) choose(run.dataset);
      method.value = run.method;
      backbone.value = run.backbone;
      features.value = run.features;
      put(run.config, run.settings);
    },
    /** Choose the preset that ends soonest, and point at the button. */
    quickLook() {
      const quick = offers?.presets.find(each => each.name.startsWith('Quick'));
      if (quick) applyPreset(quick.name);
      go.focus();
    },
    /** The description of a run's settings: of the loop and of its method. */
    describes: run =>
      (offers ? {config: offers.config, settings: offers.methods.find(each => each.name === run.method)?.settings || []} : null),
    title: name => offers?.methods.find(each => each.name === name)?.title || name,
    shown() { if (offers) look(); else load(); },
  };
}

/** "Authors, title, 2024, https://x" -> its words and its link. */
function parted(paper) {
  const found = /^(.*?),?\s*(https?:\/\/\S+)$/s.exec(paper || '');
  return found ? [found[1] + '. ', found[2]] : [paper || '', null];
}
