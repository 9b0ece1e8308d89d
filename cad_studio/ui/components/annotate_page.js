// The Annotate page: one question at a time, answered by one or two keys, saved before it says so.

import {h, fill, count, counted, toast} from './dom.js';
import {createAnswers} from './annotate_answers.js';
import {createBar} from './annotate_bar.js';
import {byDigit, createCard} from './annotate_card.js';
import {classSheet} from './annotate_classes.js';
import * as blank from './annotate_empty.js';
import {createDecisions} from './annotate_decisions.js';
import {createLive} from './annotate_live.js';
import {keyOf, keysDialog, listen, shownKey} from './annotate_keys.js';
import {agreementSheet, bulkSheet, historySheet, sure} from './annotate_panels.js';
import {createLens} from './annotate_lens.js';
import {createNote} from './annotate_note.js';
import {createSearch} from './annotate_search.js';
import {createSide} from './annotate_side.js';
import {createTrail} from './annotate_trail.js';
import {createTrial} from './annotate_trial.js';
import {exportSheet} from './annotate_export.js';
import {imageOf} from './picture.js';
import {change, current, on, onJobEnd, open, read, refresh, state, tell} from './store.js';
import {untilAnswered} from './studio.js';
import {createWordsSuggest} from './words_suggest.js';

const OPENING = new Set(['comment', 'none', 'add', 'find']);

export function mount({element, server}) {
  let overview = null;
  let who = localStorage.getItem('cad-annotator') || 'me';
  let belief = {};
  let showModel = false;
  let picks = [null, null];
  let side = 0;
  let shownAt = 0;
  let session = {n: 0, seconds: 0};
  let generation = 0;

  const path = () => `/annotate/${encodeURIComponent(state.dataset)}`;
  const isTrial = () => !!overview && overview.role === 'viewer' && overview.on_trial.length > 0;
  const canAct = () => !!overview && (overview.role !== 'viewer' || isTrial());
  const card = () => trail.card();
  const ctx = () => ({dataset: state.dataset, names: overview.class_names, classes: overview.classes, merged: overview.merged, removed: overview.removed, role: overview.role, queue: trail.queue});

  const trail = createTrail({
    take: async (queue, count) => (isTrial() ? tried : untilAnswered(() => ask('take', {queue, count}))), hasUnsaved: () => decisions.pending, settled: () => decisions.settled(), image: row => imageOf(state.dataset, current().version, row),
    onShow: () => { picks = [null, null]; side = 0; belief = {}; paint(true); if (showModel) suggest(); },
    onQueue: () => drawSide(), onEnd: finished, onWait: words => { bare('Annotate', blank.waiting(words)); page.dataset.shown = 'waiting'; refresh(); }, onRefusal: words => toast(words, 'error'),
  });
  const trial = createTrial({path, onRecent: list => aside.recent(list), onSteps: steps => { Object.assign(overview, steps); drawSteps(); }});
  let tried = null;  // the cards of a trial, all at once
  const stored = createDecisions({
    server, ctx: () => ({dataset: state.dataset, who, overview}),
    onSaved: showSaved, onRecent: list => aside.recent(list), onRows: takeOver, onClasses: () => { refresh(); reload(); },
    onRefusal: refused,
    onSteps: steps => { Object.assign(overview, steps); drawSteps(); countSoon(); live.saved(); },
  });

  const live = createLive({
    ask: ({since, idle}) => read(`${path()}/live`, {who, idle: idle ? 1 : 0, ...(since === undefined ? {} : {since})}),
    onRenewed: () => { if (showModel) suggest(); },
  });

  const decisions = new Proxy(stored, {get: (_, name) => (isTrial() ? trial.decisions : stored)[name]});

  const title = h('h1', {id: 'annotate-title', 'aria-live': 'polite'});
  const pills = h('div.pills');
  const saved = h('span.saved', {id: 'annotate-saved', role: 'status'});
  const search = createSearch();
  const viewer = createCard({onPick: (...given) => answers.pick(...given), onSide: to => { side = to; paint(); }, onAdd: to => { side = to; answers.addClass(); }, onFind: to => { side = to; commands.find(); }, onNeighbour: row => { open('dataset'); change({instance: row}); }});
  const lens = createLens(viewer.element.querySelector('.cards'));
  const bar = createBar(command => commands[command]());
  const all = h('button.btn', {type: 'button', id: 'annotate-bulk', hidden: true, on: {click: () => bulk.open()}}, 'Change all of them at once');
  const why = h('p.why');
  const notes = createNote(text => {
    const now = card();
    if (!now) return;
    now.sides[side].comments.push({who, at: new Date().toISOString(), text});
    answers.decide('comment', [now.sides[side].row], {text}, 'commented', {}, false);
  });
  const keys = keysDialog(() => { for (const mark of element.querySelectorAll('kbd[data-command]')) mark.textContent = shownKey(keyOf(mark.dataset.command)); if (card()) paint(); });
  const history = historySheet(ctx, restoreTo);
  const agreement = agreementSheet(ctx, () => { agreement.close(); startOrder('disagreement'); });
  const bulk = bulkSheet(ctx, wanted => ask('preview', manyOf(wanted)), wanted => doMany(wanted, `${wanted.kind} on`));
  const classes = classSheet(ctx, wanted => ask('preview', manyOf(wanted)), wanted => doMany(wanted, wanted.kind.replace('-', ' a ') + ':'));
  const exports = exportSheet(() => ({...ctx(), dressed: decisions.dressed}), server, done => { takeOver(done.rows); decisions.note(done, `${counted(done.changed, 'correction')} taken over`); reload(); });
  const door = (id, text, run) => h('button.btn', {type: 'button', id, on: {click: run}}, text);
  const classDoor = door('annotate-classes', 'Classes', () => classes.open());
  const aside = createSide({onName: rename, onQueue: id => startQueue(id), onOrder: startOrder, onOverlap: setOverlap, onShow: showRecent, all,
    doors: [door('annotate-history', 'History', () => history.open()), door('annotate-agreement', 'Agreement', () => agreement.open()), door('annotate-export', 'Export and import', () => exports.open()), classDoor, door('annotate-keys', 'Keys', () => keys.showModal())]});
  const main = h('section.main', {});
  aside.element.prepend(trial.panel);
  const page = h('div.page.annotate-page', {}, aside.element, main);
  fill(element.querySelector('.mount'), page, search.element, keys, history.element, agreement.element, bulk.element, classes.element, exports.element);
  const byWords = createWordsSuggest('annotate');
  const parts = [h('div.tools', {}, title, pills, h('span.grow'), ...bar.tools, saved), viewer.element, why, byWords.element, live.element];
  viewer.element.querySelector('.cards').after(bar.actions, notes.element);
  bar.actions.append(lens.tools);

  const ask = (what, wanted) => server[what]({dataset: state.dataset, who, ...wanted});

  // ---- opening ----
  async function reload() {
    const data = current();
    generation++;
    if (!data) { overview = null; bare('', blank.noDataset()); page.dataset.shown = 'nothing'; return; }
    const mine = generation;
    try {
      const found = await read(path(), {who});
      if (mine !== generation) return;
      const first = !overview || page.dataset.dataset !== data.name;
      const isOther = !first && classesOf(overview) !== classesOf(found);
      overview = found;
      if (found.login) who = found.login;
      page.dataset.dataset = data.name;
      page.classList.toggle('on-trial', isTrial());
      if (first) { trail.begin(null); decisions.open(data.name); await arrive(); } else if (isOther && trail.queue) await startQueue(trail.queue.id, trail.queue);
      drawSide(); drawSteps();
    } catch (error) { tell(error); }
  }

  /** What was not accepted is told, with the way back; the card on the screen stays where it is. */
  function refused({trailAt}, words) {
    toast(words, 'error', trailAt !== undefined);
    if (trailAt === undefined) return;
    trail.refuse(trailAt);
    const note = document.querySelector('.cad-toast');
    note.lastChild.before(h('button.quiet', {type: 'button', id: 'annotate-back', on: {click: () => { note.remove(); trail.goTo(trailAt); }}}, 'Go back to it'));
    if (trail.at() === trailAt) paint();
  }

  const classesOf = found => JSON.stringify([found.class_names, found.merged, found.removed]);

  /** What the address asks for: rows, a selection, or a queue. */
  async function arrive() {
    const wanted = state.annotate || {};
    if (!canAct()) { choose(); return; }
    if (isTrial() && (wanted.rows || wanted.order)) { change({annotate: null}); await startTrial({order: wanted.order, rows: wanted.rows, title: wanted.title || 'Linked samples'}); return; }
    if (isTrial()) { change({annotate: null, queue: null}); choose(); return; }
    if (wanted.rows || wanted.filter || wanted.cell) {
      const {title: name, source, ...what} = wanted;
      const made = await ask('select', {...what, title: name || (wanted.rows ? counted(wanted.rows.length, 'linked sample') : 'Samples of another page'), source: source || 'rows'});
      change({annotate: null});
      if (made.error) { toast(made.error, 'error'); choose(); return; }
      await startOrder(made.order, {selection: made.selection});
    } else if (wanted.selection) {
      change({annotate: null});
      await startOrder(wanted.order || 'selection', {selection: wanted.selection});
    } else if (wanted.order) {
      change({annotate: null});
      await startOrder(wanted.order);
    } else if (state.queue) await startQueue(state.queue);
    else choose();
  }

  function bare(heading, ...content) {
    page.classList.toggle('bare', !overview);
    fill(main, h('div.tools', {}, h('h1', {}, heading), h('span.grow'), saved), ...content);
  }

  function choose() {
    bare('Annotate', blank.chooser({...overview, queues: isTrial() ? [] : overview.queues, orders: overview.orders.filter(each => !isTrial() || overview.on_trial.includes(each.name)), canAct: canAct(), onOrder: startOrder}));
    page.dataset.shown = 'chooser';
  }

  /** A queue that only this window knows. */
  async function startTrial(wanted) {
    bare('Filling the queue', blank.filling());
    try { tried = await trial.begin(wanted); } catch (error) { tell(error); choose(); return; }
    await startQueue(tried.queue.id, tried.queue);
  }

  async function startOrder(order, settings = {}) {
    if (isTrial()) { await startTrial({order, title: overview.orders.find(each => each.name === order).title}); return; }
    bare('Filling the queue', blank.filling());
    const answer = await untilAnswered(() => ask('open_queue', {order, settings}));
    if (answer.error) { toast(answer.error, 'error'); choose(); return; }
    await startQueue(answer.queue.id, answer.queue);
  }

  async function startQueue(id, known = null) {
    trail.begin(known || overview.queues.find(each => each.id === id) || {id, title: '', says: '', items: 0, done: 0, passed: 0, overlap: 1, settings: {}});
    if (!isTrial()) change({queue: id});
    bare('Filling the queue', blank.filling());
    drawSide();
    await trail.step(1);
    live.begin();
    // the next keys are meant for the card, wherever the queue was chosen
    if (page.offsetParent !== null && !document.querySelector('dialog[open], .drawer.open')) { main.tabIndex = -1; main.focus({preventScroll: true}); }
    if (!isTrial()) overview = {...overview, ...(await read(path(), {who}).catch(() => ({})))};
    drawSide();
  }

  function finished(hadSome) {
    const onOther = () => { trail.begin(null); change({queue: null}); choose(); drawSide(); };
    bare('Nothing is left here', blank.ended({queue: trail.queue, isTrial: isTrial(), hadSome, nDecided: session.n, onOther, onBack: () => trail.step(-1)}), h('div.actions', {}, bar.undo, bar.redo));
    page.dataset.shown = 'done';
  }

  function paint(isNew = false) {
    const now = card();
    if (!now) return;
    if (main.firstChild !== parts[0]) { fill(main, ...parts); bar.actions.querySelector('.sep').after(bar.undo, bar.redo); parts[0].append(saved); }
    const names = overview.class_names;
    const isPair = now.sides.length === 2;
    viewer.show({dataset: state.dataset, version: current().version, card: now, names, picks, side, canAct: canAct(), addKey: shownKey(keyOf('add')), findKey: shownKey(keyOf('find')),
      belief: showModel ? now.sides.map(each => belief[each.row]?.belief) : null, models: showModel ? now.sides.map(each => belief[each.row]?.model) : null});
    byWords.show(state.dataset, now.sides[side].row, names);
    const [a, b] = now.classes || [];
    title.textContent = isPair ? (now.classes ? `${names[a]} or ${names[b]}?` : 'Which is which?') : now.sides[0].candidates.length === 1 ? `${names[now.sides[0].candidates[0]]}` : 'Which one is it?';
    const pill = (text, hint, kind = '') => h('span.pill' + kind, {title: hint}, text);
    fill(pills, now.position === null ? null : pill(`item ${count(now.position + 1)}`, 'Its place in the queue never changes'),
      now.decided ? pill(now.decided, 'Your decision on it', '.good') : null,
      now.sides.some(each => each.contradicts) ? pill('contradiction', 'Annotators exclude each other here; everything they said is kept', '.warn') : null);
    all.hidden = !trail.queue?.settings?.selection;
    bar.draw({card: now, names, side, isFirst: trail.at() <= 0, canAct: canAct(), showModel});
    why.textContent = now.why ? `Why this one: ${now.why}` : `Sample ${now.sides.map(each => each.id).join(' and ')}.`;
    page.dataset.shown = `${now.rows.join('-')}`;
    page.dataset.at = trail.at();
    if (isNew) { shownAt = performance.now(); notes.close(); }
    drawSteps();
  }

  function drawSteps() {
    if (!overview) return;
    bar.steps({canAct: canAct(), undoes: overview.undo, redoes: overview.redo, pending: decisions.pending});
  }

  /** The counts of the dataset, read again once the keys rest. */
  let counting = 0;
  function countSoon() {
    clearTimeout(counting);
    counting = setTimeout(() => { refresh(); read(path(), {who}).then(({changed, contradict, people}) => { if (overview) { Object.assign(overview, {changed, contradict, people}); drawSide(); } }, () => {}); }, 800);
  }

  function showSaved({unsaved, trouble, savedAt}) {
    if (isTrial()) { fill(saved, 'not stored'); return; }
    saved.dataset.state = trouble ? 'trouble' : unsaved ? 'saving' : 'saved';
    fill(saved, trouble ? `Not saved yet: ${trouble}` : unsaved ? `Saving ${count(unsaved)}…` : savedAt ? '✓ saved' : '✓ all saved',
      trouble ? h('button.quiet', {type: 'button', on: {click: () => decisions.retry()}}, 'Try again') : null);
    saved.title = savedAt ? `Last saved at ${new Date(savedAt).toLocaleTimeString()}` : '';
    page.dataset.unsaved = unsaved;
    if (overview) drawSteps();
  }

  /** What the studio says holds of some rows now. */
  function takeOver(rows) {
    let touched = false;
    for (const each of trail.cards()) for (const one of each.sides) {
      const now = rows[one.row];
      if (!now || now.last < one.last) continue;
      Object.assign(one, now);
      if (each === card()) touched = true;
      if (each.sides.length === 2) each.shared = each.sides[0].candidates.filter(index => each.sides[1].candidates.includes(index));
    }
    if (touched && !decisions.pending) paint();
  }

  // ---- deciding ----
  const answers = createAnswers({
    card, canAct, search, decisions, paint, step: trail.step, queueOf: () => trail.queue, namesOf: () => overview.class_names, classesOf: () => overview.classes,
    sideOf: () => side, turn: to => { side = to; }, picksOf: () => picks, trailAt: () => trail.at(),
    seconds: () => Math.min(3600, (performance.now() - shownAt) / 1000), shownOf: row => (showModel && belief[row] ? {neighbours: belief[row].belief, ...(belief[row].model ? {model: belief[row].model} : {})} : {}),
    onDecision: (_kind, seconds) => { session = {n: session.n + 1, seconds: session.seconds + Math.min(120, seconds)}; }, onChange: () => drawSide(),
  });

  const commands = {
    ...answers.commands,
    ...lens.commands,
    comment: () => { if (!card() || !canAct()) return false; notes.open(); return true; },
    undo: () => { if (bar.undo.disabled) return true; const to = decisions.undo(); if (to !== null) trail.goTo(to); return true; },
    redo: () => { if (!bar.redo.disabled) decisions.redo(); return true; },
    model: () => { showModel = !showModel; if (showModel) suggest(); else paint(); return true; },
    next: () => { trail.step(1); return true; },
    previous: () => { if (trail.at() > 0) trail.step(-1); return true; },
    side: () => { const now = card(); if (now?.sides.length === 2) { side = 1 - side; paint(); } return true; },
    escape: () => { picks = [null, null]; paint(); return true; },
  };

  async function suggest() {
    const now = card();
    if (!now) return;
    try {
      const found = await Promise.all(now.sides.map(each => read(`${path()}/suggestions/${each.row}`, {who})));
      if (card() !== now) return;
      belief = Object.fromEntries(now.sides.map((each, place) => [each.row, found[place]]));
      paint();
    } catch (error) { showModel = false; tell(error); }
  }

  // ---- around it ----
  function drawSide() { if (overview) { aside.draw({overview: isTrial() ? {...overview, queues: trail.queue ? [trail.queue] : [], orders: overview.orders.filter(each => overview.on_trial.includes(each.name))} : overview, queue: trail.queue, who, session, canAct: canAct()}); classDoor.hidden = overview.role !== 'owner'; } }

  async function rename(name) {
    if (!name.trim()) { drawSide(); return; }
    await decisions.settled();
    if (trail.queue) ask('release', {queue: trail.queue.id});
    who = name.trim();
    localStorage.setItem('cad-annotator', who);
    overview = null;
    reload();
  }

  async function setOverlap(overlap) {
    const {queue} = trail;
    const answer = await ask('overlap', {queue: queue.id, overlap});
    if (answer.error) toast(answer.error, 'error'); else { queue.overlap = overlap; trail.askAgain(); toast(`Each item now goes to ${counted(overlap, 'annotator')}.`); }
    drawSide();
  }

  async function showRecent(each) {
    const known = trail.cards().findIndex(one => one.rows.join() === each.rows.join());
    if (known >= 0) { trail.goTo(known); return; }
    try {
      trail.insert(await read(`${path()}/card`, {rows: each.rows.join(','), who}));
    } catch (error) { tell(error); }
  }

  /** An action on all samples of the selection, or on a class. */
  const manyOf = ({kind, arguments: given, queue}) => ({...(queue ? {selection: queue.settings.selection} : {}), action: decisions.dressed({kind, arguments: given})});
  async function doMany(wanted, words) {
    await decisions.settled();
    const answer = await ask('bulk', manyOf(wanted));
    if (answer.error) { toast(answer.error, 'error'); return false; }
    toast(`${counted(answer.changed, 'sample')} changed. One undo takes it back.`);
    takeOver(answer.rows);
    decisions.note(answer, `${words} ${counted(answer.changed, 'sample')}`);
    if (answer.classes) refresh();
    await reload();
    paint();
    return true;
  }

  async function restoreTo(number, panel) {
    await decisions.settled();
    if (!await sure(element.querySelector('.mount'), 'Bring back earlier sets?', number ? `All sets become what they were after action ${count(number)}. It is a new action: nothing is deleted, and one undo takes it back.` : 'All sets become what was imported. It is a new action: nothing is deleted, and one undo takes it back.', 'Bring back')) return;
    const answer = await ask('restore', {number, action: decisions.dressed({kind: 'restore'})});
    if (answer.error) { toast(answer.error, 'error'); return; }
    panel.close();
    toast(`${counted(answer.changed, 'sample')} brought back.`);
    takeOver(answer.rows); decisions.note(answer, number ? `back to action ${count(number)}` : 'back to the imported sets');
    await reload();
    paint();
  }

  listen(page, command => !!commands[command] && trail.inTurn(commands[command], OPENING.has(command)), (number, {shiftKey}) => {
    trail.inTurn(() => {
      const now = card();
      const found = now && byDigit(now, number);
      if (found) answers.pick(found[0], found[1], shiftKey);
    });
    return !!card();
  });
  on('dataset datasets readOnly started annotate', changed => {
    const data = current();
    if (changed.includes('annotate') && state.annotate) { page.dataset.dataset = ''; reload(); return; }
    if (changed.includes('dataset')) trail.begin(null);
    const key = data ? `${data.name} ${data.version}` : 'none';
    if (key !== page.dataset.key) { page.dataset.key = key; reload(); }
  });
  on('queue', () => {
    if (state.page !== 'annotate' || !overview || isTrial() || state.queue === (trail.queue?.id ?? null)) return;
    if (state.queue !== null) startQueue(state.queue); else { trail.begin(null); choose(); drawSide(); }  // Back or Forward
  });
  onJobEnd(job => { if (job.kind === 'prepare-queue' && trail.queue && trail.isWaiting) startQueue(trail.queue.id); });
  if (state.ready) reload();
}
