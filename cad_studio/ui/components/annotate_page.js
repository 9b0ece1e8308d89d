// The Annotate page: one question at a time, answered by one or two keys, saved before it says so.

import {h, fill, count, counted, empty, toast} from './dom.js';
import {createAnswers} from './annotate_answers.js';
import {byDigit, createCard} from './annotate_card.js';
import {createDecisions} from './annotate_decisions.js';
import {keyOf, keysDialog, listen, shownKey} from './annotate_keys.js';
import {agreementSheet, bulkSheet, historySheet, sure} from './annotate_panels.js';
import {createNote} from './annotate_note.js';
import {createSearch} from './annotate_search.js';
import {createSide} from './annotate_side.js';
import {exportSheet} from './annotate_export.js';
import {imageOf} from './instance.js';
import {load} from './sprite.js';
import {change, current, on, onJobEnd, open, read, refresh, state, tell} from './store.js';

const AHEAD = 8;

export function mount({element, server}) {
  let overview = null;
  let queue = null;
  let who = localStorage.getItem('cad-annotator') || 'me';
  let trail = [];
  let at = -1;
  let belief = {};
  let showModel = false;
  let picks = [null, null];
  let side = 0;
  let more = true;
  let taking = null;
  let shownAt = 0;
  let session = {n: 0, seconds: 0};
  let generation = 0;
  let moving = null;
  let fetching = null;

  const path = () => `/annotate/${encodeURIComponent(state.dataset)}`;
  const canAct = () => !!overview && overview.role !== 'viewer';
  const card = () => trail[at] || null;
  const ctx = () => ({dataset: state.dataset, names: overview.class_names, classes: overview.classes, role: overview.role, queue, dressed: decisions.dressed});

  const decisions = createDecisions({
    server, ctx: () => ({dataset: state.dataset, who, queue, overview}),
    onSaved: showSaved, onRecent: list => aside.recent(list), onRows: takeOver,
    onRefusal: (action, words) => { toast(words, 'error'); if (action.trailAt !== undefined) goTo(action.trailAt); },
    onSteps: steps => { Object.assign(overview, steps); drawSteps(); countSoon(); },
  });

  const title = h('h1', {id: 'annotate-title', 'aria-live': 'polite'});
  const pills = h('div.pills');
  const saved = h('span.saved', {id: 'annotate-saved', role: 'status'});
  const search = createSearch();
  const viewer = createCard({onPick: (...given) => answers.pick(...given), onSide: to => { side = to; paint(); }, onAdd: to => { side = to; answers.addClass(); }, onNeighbour: row => { open('dataset'); change({instance: row}); }});
  const button = (id, command, text, run, kind = '') => h('button.btn', {type: 'button', id: `annotate-${id}`, class: 'btn' + kind, on: {click: run}}, h('span', {}, text), h('kbd', {data: {command}}, shownKey(keyOf(command))));
  const accept = button('accept', 'accept', 'A · B', () => commands.accept(), ' primary');
  const reverse = button('reverse', 'reverse', 'B · A', () => commands.reverse());
  const same = button('same', 'same', 'Same class', () => commands.same());
  const none = button('none', 'none', 'None of these', () => commands.none());
  const skip = button('skip', 'skip', 'Skip', () => commands.skip());
  const flag = button('flag', 'flag', 'Flag', () => commands.flag());
  const comment = button('comment', 'comment', 'Comment', () => commands.comment());
  const undo = button('undo', 'undo', 'Undo', () => commands.undo());
  const redo = button('redo', 'redo', 'Redo', () => commands.redo());
  const model = button('model', 'model', 'Suggest', () => commands.model());
  const previous = button('previous', 'previous', 'Previous', () => commands.previous());
  const next = button('next', 'next', 'Next', () => commands.next());
  const all = h('button.btn', {type: 'button', id: 'annotate-bulk', hidden: true, on: {click: () => bulk.open()}}, 'Change all of them at once');
  const actions = h('div.actions', {}, accept, reverse, same, none, skip, h('span.sep'), undo, redo);
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
  const bulk = bulkSheet(ctx, wanted => ask('preview', bulkOf(wanted)), doBulk);
  const exports = exportSheet(ctx, server, done => { takeOver(done.rows); decisions.note(done, `${counted(done.changed, 'correction')} taken over`); reload(); });
  const door = (id, text, run) => h('button.btn', {type: 'button', id, on: {click: run}}, text);
  const aside = createSide({onName: rename, onQueue: id => startQueue(id), onOrder: startOrder, onOverlap: setOverlap, onShow: showRecent, all,
    doors: [door('annotate-history', 'History', () => history.open()), door('annotate-agreement', 'Agreement', () => agreement.open()), door('annotate-export', 'In and out', () => exports.open()), door('annotate-keys', 'Keys', () => keys.showModal())]});
  const main = h('section.main', {});
  const page = h('div.page.annotate-page', {}, aside.element, main);
  fill(element.querySelector('.mount'), page, search.element, keys, history.element, agreement.element, bulk.element, exports.element);
  const parts = [h('div.tools', {}, title, pills, h('span.grow'), flag, comment, model, previous, next, saved), viewer.element, why];
  viewer.element.querySelector('.cards').after(actions, notes.element);

  const ask = async (what, wanted) => {
    const answer = await server[what]({dataset: state.dataset, who, ...wanted}).catch(() => ({error: 'The studio does not answer. Look whether it still runs.'}));
    return answer || {error: 'The studio gave no answer.'};
  };

  // ---- opening ----
  async function reload() {
    const data = current();
    generation++;
    if (!data) { overview = null; bare(empty('This project holds no dataset', 'Import one on the Dataset page; its samples are annotated here.', h('button.btn.primary', {type: 'button', on: {click: () => open('dataset')}}, 'Go to Dataset'))); return; }
    const mine = generation;
    try {
      const found = await read(path(), {who});
      if (mine !== generation) return;
      const first = !overview || page.dataset.dataset !== data.name;
      overview = found;
      if (found.login) who = found.login;
      page.dataset.dataset = data.name;
      if (first) { queue = null; trail = []; at = -1; decisions.open(data.name); await arrive(); }
      drawSide(); drawSteps();
    } catch (error) { tell(error); }
  }

  /** What the address asks for: rows, a selection, or a queue. */
  async function arrive() {
    const wanted = state.annotate || {};
    if (!canAct()) { chooser(); return; }
    if (wanted.rows || wanted.filter || wanted.cell) {
      const {title: name, source, ...what} = wanted;
      const made = await ask('select', {...what, title: name || counted(wanted.rows.length, 'linked sample'), source: source || 'rows'});
      change({annotate: null});
      if (made.error) { toast(made.error, 'error'); chooser(); return; }
      await startOrder('selection', {selection: made.selection});
    } else if (wanted.selection) {
      change({annotate: null});
      await startOrder(wanted.order || 'selection', {selection: wanted.selection});
    } else if (state.queue) await startQueue(state.queue);
    else chooser();
  }

  function bare(...content) {
    page.classList.toggle('bare', !overview);
    fill(main, h('div.tools', {}, h('h1', {}, overview ? 'Annotate' : ''), h('span.grow'), saved), ...content);
    page.dataset.shown = 'nothing';
  }

  function chooser() {
    const orders = overview.orders.filter(order => !order.needs_rows);
    const stays = canAct() ? null : h('p.warn', {}, 'Here you may only look. Log in, or ask an owner for the role annotator.');
    bare(h('div.chooser', {}, h('h2', {}, 'What shall come first?'), stays,
      h('div.orders', {}, ...orders.map(order => h('button.order', {type: 'button', id: `order-${order.name}`, disabled: !canAct(), on: {click: () => startOrder(order.name)}}, h('b', {}, order.title), h('span', {}, order.says)))),
      overview.queues.length ? h('p.quiet-text', {}, 'A queue that was begun goes on where it was: choose it on the left.') : h('p.quiet-text', {}, 'Filters, matrix cells and selections of other pages open here with "Annotate these".')));
    page.dataset.shown = 'chooser';
  }

  async function startOrder(order, settings = {}) {
    fill(main, h('div.tools', {}, h('h1', {}, 'Filling the queue'), h('span.grow'), saved), h('div.skeleton.tall'));
    const answer = await ask('open_queue', {order, settings});
    if (answer.error) { toast(answer.error, 'error'); chooser(); return; }
    await startQueue(answer.queue.id, answer.queue);
  }

  async function startQueue(id, known = null) {
    queue = known || overview.queues.find(each => each.id === id) || {id, title: '', says: '', items: 0, done: 0, passed: 0, overlap: 1, settings: {}};
    trail = []; at = -1; more = true;
    change({queue: id});
    fill(main, h('div.tools', {}, h('h1', {}, 'Filling the queue'), h('span.grow'), saved), h('div.skeleton.tall'));
    drawSide();
    await decisions.settled();
    await take();
    step(1);
    overview = {...overview, ...(await read(path(), {who}).catch(() => ({})))};
    drawSide();
  }

  async function take() {
    if (taking || !more || !queue) return taking;
    const mine = queue.id;
    taking = (async () => {
      const answer = await ask('take', {queue: mine, count: AHEAD + 2});
      if (!queue || queue.id !== mine) return;
      if (answer.error) { toast(answer.error, 'error'); more = false; return; }
      if (answer.job) { more = false; waiting(); refresh(); return; }
      queue = answer.queue;
      const known = new Set(trail.map(each => each.position));
      const fresh = answer.cards.filter(each => !known.has(each.position));
      more = fresh.length > 0;
      for (const each of fresh) { trail.push(each); prefetch(each); }
      drawSide();
    })();
    try { await taking; } finally { taking = null; }
    return null;
  }

  function waiting() {
    bare(empty('Finding neighbours', 'This queue looks at the neighbours of every sample, which takes a while the first time. It opens by itself when they are found.'));
    page.dataset.shown = 'waiting';
  }

  function prefetch(each) {
    each.ready = Promise.all(each.sides.flatMap(one => {
      const image = new Image();
      image.src = imageOf(state.dataset, current().version, one.row);
      return [image.decode().catch(() => {}), load(one.neighbours?.sprite)];
    }));
  }

  // ---- going through ----
  function goTo(to) {
    if (to < 0 || to >= trail.length) return;
    at = to; picks = [null, null]; side = 0; belief = {};
    paint(true);
    if (trail.length - at <= AHEAD) take();
    if (showModel) suggest();
  }

  /** Keys typed while the next item is on its way wait for it, in their order. */
  function inTurn(run) {
    if (!moving) { run(); return; }
    const mine = moving = moving.then(async () => { run(); await fetching; }).finally(() => { if (moving === mine) moving = null; });
  }

  async function step(by) {
    if (at + by >= trail.length && by > 0) {
      fetching = decisions.settled().then(take);
      if (!moving) { const mine = moving = fetching.finally(() => { if (moving === mine) moving = null; }); }
      const here = fetching;
      await here;
      if (fetching === here) fetching = null;
    }
    if (at + by >= trail.length && by > 0) { if (page.dataset.shown !== 'waiting') finished(); return; }
    goTo(Math.max(0, at + by));
  }

  function finished() {
    at = trail.length;
    fill(main, h('div.tools', {}, h('h1', {}, 'Nothing is left here'), h('span.grow'), saved),
      empty(queue?.is_complete || trail.length ? 'This queue is done for now' : 'Nothing to put forward',
        queue?.order === 'disagreement' && !trail.length ? 'The annotators agree on everything so far.' : `You decided ${counted(session.n, 'item')} in this sitting. Train again to see what it was worth, or choose another queue.`,
        h('button.btn.primary', {type: 'button', id: 'annotate-to-train', on: {click: () => open('train')}}, 'Train on the new sets'), h('button.btn', {type: 'button', on: {click: () => { queue = null; change({queue: null}); chooser(); drawSide(); }}}, 'Choose another queue'),
        trail.length ? h('button.btn', {type: 'button', on: {click: () => step(-1)}}, 'Back to the last') : null), actionsOnly());
    page.dataset.shown = 'done';
  }

  const actionsOnly = () => h('div.actions', {}, undo, redo);

  function paint(isNew = false) {
    const now = card();
    if (!now) return;
    if (main.firstChild !== parts[0]) { fill(main, ...parts); actions.querySelector('.sep').after(undo, redo); parts[0].append(saved); }
    const names = overview.class_names;
    const isPair = now.sides.length === 2;
    viewer.show({dataset: state.dataset, version: current().version, card: now, names, picks, side, canAct: canAct(), addKey: shownKey(keyOf('add')),
      belief: showModel ? now.sides.map(each => belief[each.row]) : null});
    const [a, b] = now.classes || [];
    title.textContent = isPair ? (now.classes ? `${names[a]} or ${names[b]}?` : 'Which is which?') : now.sides[0].candidates.length === 1 ? `${names[now.sides[0].candidates[0]]}` : 'Which one is it?';
    const pill = (text, hint, kind = '') => h('span.pill' + kind, {title: hint}, text);
    fill(pills, now.position === null ? null : pill(`item ${count(now.position + 1)}`, 'Its place in the queue never changes'),
      now.decided ? pill(now.decided, 'Your decision on it', '.good') : null,
      now.sides.some(each => each.contradicts) ? pill('contradiction', 'Annotators exclude each other here; everything they said is kept', '.warn') : null);
    for (const [which, visible] of [[accept, isPair && now.classes], [reverse, isPair], [same, isPair], [none, !isPair], [all, queue?.settings?.selection]]) which.hidden = !visible;
    if (now.classes) { accept.firstChild.textContent = `A ${names[a]} · B ${names[b]}`; reverse.firstChild.textContent = `A ${names[b]} · B ${names[a]}`; } else reverse.firstChild.textContent = 'Swap labels';
    flag.firstChild.textContent = now.sides[side].flagged ? 'Take flag away' : 'Flag';
    model.setAttribute('aria-pressed', String(showModel));
    previous.disabled = at <= 0;
    for (const each of [accept, reverse, same, none, skip, flag, comment]) each.disabled = !canAct() || (each === reverse && !now.classes && now.sides.some(one => one.candidates.length !== 1));
    why.textContent = now.why ? `Why this one: ${now.why}` : `Sample ${now.sides.map(each => each.id).join(' and ')}.`;
    page.dataset.shown = `${now.rows.join('-')}`;
    page.dataset.at = at;
    if (isNew) { shownAt = performance.now(); notes.close(); }
    drawSteps();
  }

  function drawSteps() {
    if (!overview) return;
    const words = step => step ? ` ${step.kind}${step.n_rows > 2 ? ` of ${count(step.n_rows)}` : ''}` : '';
    undo.disabled = !canAct() || !(overview.undo || decisions.pending); redo.disabled = !canAct() || !overview.redo;
    undo.firstChild.textContent = `Undo${words(overview.undo)}`;
    redo.firstChild.textContent = `Redo${words(overview.redo)}`;
  }

  /** The counts of the dataset, read again once the keys rest. */
  let counting = 0;
  function countSoon() {
    clearTimeout(counting);
    counting = setTimeout(() => read(path(), {who}).then(({changed, contradict, people}) => { if (overview) { Object.assign(overview, {changed, contradict, people}); drawSide(); } }, () => {}), 800);
  }

  function showSaved({unsaved, trouble, savedAt}) {
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
    for (const each of trail) for (const one of each.sides) {
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
    card, canAct, search, decisions, paint, step, queueOf: () => queue, namesOf: () => overview.class_names, classesOf: () => overview.classes,
    sideOf: () => side, turn: to => { side = to; }, picksOf: () => picks, trailAt: () => at,
    seconds: () => Math.min(3600, (performance.now() - shownAt) / 1000), shownOf: row => (showModel && belief[row] ? {neighbours: belief[row]} : {}),
    onDecision: (kind, seconds) => { session = {n: session.n + 1, seconds: session.seconds + Math.min(120, seconds)}; }, onChange: () => drawSide(),
  });

  const commands = {
    ...answers.commands,
    comment: () => { if (!card() || !canAct()) return false; notes.open(); return true; },
    undo: () => { if (undo.disabled) return true; const to = decisions.undo(); if (to !== null) goTo(to); return true; },
    redo: () => { if (!redo.disabled) decisions.redo(); return true; },
    model: () => { showModel = !showModel; if (showModel) suggest(); else paint(); return true; },
    next: () => { step(1); return true; },
    previous: () => { if (at > 0) step(-1); return true; },
    side: () => { const now = card(); if (now?.sides.length === 2) { side = 1 - side; paint(); } return true; },
    escape: () => { picks = [null, null]; paint(); return true; },
  };

  async function suggest() {
    const now = card();
    if (!now) return;
    try {
      const found = await Promise.all(now.sides.map(each => read(`${path()}/suggestions/${each.row}`)));
      if (card() !== now) return;
      belief = Object.fromEntries(now.sides.map((each, place) => [each.row, found[place].belief]));
      paint();
    } catch (error) { showModel = false; tell(error); }
  }

  // ---- around it ----
  function drawSide() { if (overview) aside.draw({overview, queue, who, session, canAct: canAct()}); }

  async function rename(name) {
    if (!name.trim()) { drawSide(); return; }
    await decisions.settled();
    if (queue) ask('release', {queue: queue.id});
    who = name.trim();
    localStorage.setItem('cad-annotator', who);
    overview = null;
    reload();
  }

  async function setOverlap(overlap) {
    const answer = await ask('overlap', {queue: queue.id, overlap});
    if (answer.error) toast(answer.error, 'error'); else { queue.overlap = overlap; more = true; toast(`Each item now goes to ${counted(overlap, 'annotator')}.`); }
    drawSide();
  }

  async function showRecent(each) {
    const known = trail.findIndex(one => one.rows.join() === each.rows.join());
    if (known >= 0) { goTo(known); return; }
    try {
      const found = await read(`${path()}/card`, {rows: each.rows.join(','), who});
      prefetch(found);
      trail.splice(at + 1, 0, found);
      goTo(at + 1);
    } catch (error) { tell(error); }
  }

  const bulkOf = wanted => ({selection: wanted.queue.settings.selection, action: decisions.dressed({kind: wanted.kind, arguments: wanted.arguments})});
  async function doBulk(wanted) {
    await decisions.settled();
    const answer = await ask('bulk', bulkOf(wanted));
    if (answer.error) { toast(answer.error, 'error'); return false; }
    toast(`${counted(answer.changed, 'sample')} changed. One undo takes it back.`);
    takeOver(answer.rows);
    decisions.note(answer, `${wanted.kind} on ${counted(answer.changed, 'sample')}`);
    reload(); paint();
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

  listen(page, command => {
    if (!commands[command]) return false;
    if (moving) { inTurn(commands[command]); return true; }
    return commands[command]();
  }, (number, event) => {
    const {shiftKey} = event;
    inTurn(() => {
      const now = card();
      const found = now && byDigit(now, number);
      if (found) answers.pick(found[0], found[1], shiftKey);
    });
    return !!card();
  });
  on('dataset datasets readOnly started annotate', changed => {
    const data = current();
    if (changed.includes('annotate') && state.annotate) { page.dataset.dataset = ''; reload(); return; }
    if (changed.includes('dataset')) queue = null;
    const key = data ? `${data.name} ${data.version}` : 'none';
    if (key !== page.dataset.key) { page.dataset.key = key; reload(); }
  });
  onJobEnd(job => { if (job.kind === 'prepare-queue' && queue && page.dataset.shown === 'waiting') { more = true; startQueue(queue.id); } });
  if (state.ready) reload();
}
