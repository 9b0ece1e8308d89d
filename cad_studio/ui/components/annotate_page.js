// The Annotate page: one question at a time, answered by one or two keys, saved before it says so.

import {h, fill, counted, toast} from './dom.js';
import {agreementSheet} from './annotate_agreement.js';
import {createAnswers} from './annotate_answers.js';
import {createBar} from './annotate_bar.js';
import {bulkSheet} from './annotate_bulk.js';
import {byDigit, createCard} from './annotate_card.js';
import {classSheet} from './annotate_classes.js';
import {createDecisions} from './annotate_decisions.js';
import {createDesk} from './annotate_desk.js';
import {exportSheet} from './annotate_export.js';
import {historySheet} from './annotate_history.js';
import {keyOf, keysDialog, listen, shownKey} from './annotate_keys.js';
import {createLens} from './annotate_lens.js';
import {createLive} from './annotate_live.js';
import {createMany} from './annotate_many.js';
import {createNote} from './annotate_note.js';
import {createOpening} from './annotate_opening.js';
import {createSearch} from './annotate_search.js';
import {createSide} from './annotate_side.js';
import {createSaved, createStage} from './annotate_stage.js';
import {createTrail} from './annotate_trail.js';
import {createTrial} from './annotate_trial.js';
import {imageOf} from './picture.js';
import {change, current, on, onJobEnd, open, read, refresh, state, tell} from './store.js';
import {untilAnswered} from './studio.js';

const OPENING = new Set(['comment', 'none', 'add', 'find']);
const COUNTED_AFTER = 800;
const LONGEST_SECONDS = 3600;
const LONGEST_COUNTED = 120;

const classesOf = found => JSON.stringify([found.class_names, found.merged, found.removed]);

export function mount({element, server}) {
  const desk = createDesk(server);
  const page = h('div.page.annotate-page');
  const main = h('section.main', {});
  const place = element.querySelector('.mount');
  const search = createSearch();
  const later = {};  // parts that know each other: what is called before they are all there is called by its name

  desk.trail = createTrail({
    take: async (queue, n) => (desk.isTrial() ? desk.tried : untilAnswered(() => desk.ask('take', {queue, count: n}))),
    hasUnsaved: () => desk.decisions.pending, settled: () => desk.decisions.settled(),
    image: row => imageOf(state.dataset, current().version, row),
    onShow: () => later.shown(), onQueue: () => later.side.draw(), onEnd: hadSome => later.opening.finished(hadSome),
    onWait: words => { later.opening.waits(words); refresh(); }, onRefusal: words => toast(words, 'error'),
  });
  const loading = createLoading(desk, page, later);
  desk.trial = createTrial({path: desk.path, onRecent: list => later.side.recent(list), onSteps: loading.steps});
  const stored = createDecisions({
    server, ctx: () => ({dataset: state.dataset, who: desk.who, overview: desk.overview}),
    onSaved: given => { saved.show(given); loading.drawSteps(); }, onRecent: list => later.side.recent(list), onRows: loading.takeOver,
    onClasses: () => { refresh(); loading.reload(); }, onRefusal: loading.refused,
    onSteps: steps => { loading.steps(steps); loading.countSoon(); live.saved(); },
  });
  desk.decisions = new Proxy(stored, {get: (_, name) => (desk.isTrial() ? desk.trial.decisions : stored)[name]});

  const live = createLive({
    ask: ({since, idle}) => read(`${desk.path()}/live`, {who: desk.who, idle: idle ? 1 : 0, ...(since === undefined ? {} : {since})}),
    onRenewed: () => { if (desk.showModel) later.model.suggest(); },
  });
  const saved = createSaved(page, desk, () => desk.decisions.retry());
  const viewer = createViewer(desk, later, loading);
  const lens = createLens(viewer.element.querySelector('.cards'));
  const bar = createBar(command => later.commands[command]());
  const all = h('button.btn', {type: 'button', id: 'annotate-bulk', hidden: true, on: {click: () => sheets.bulk.open()}},
    'Change all of them at once');
  const notes = createNote(text => later.comment(text));
  later.bar = bar;
  later.stage = createStage({page, main, desk, viewer, bar, notes, live, saved, all});
  bar.actions.append(lens.tools);
  later.opening = createOpening({desk, stage: later.stage, page, live, bar, drawSide: () => later.side.draw()});
  later.many = createMany({desk, place, taken: loading.takeOver, again: async () => { await loading.reload(); loading.paint(); }});
  const sheets = createSheets({desk, server, later, loading, place});
  later.side = createColumn({desk, later, sheets, all, loading});
  later.model = createModel(desk, loading.paint);
  const answers = createAnswers(answering(desk, {search, loading, later}));
  later.comment = text => comment(desk, answers, text);
  later.answers = answers;
  later.commands = {...answers.commands, ...lens.commands, ...createCommands({desk, bar, notes, paint: loading.paint, model: later.model})};

  later.side.element.prepend(desk.trial.panel);
  fill(page, later.side.element, main);
  fill(place, page, search.element, ...sheets.elements);
  listenToKeys(page, desk, later);
  follow(desk, page, loading, later.opening);
  if (state.ready) loading.reload();
}

/** What the page reads of the dataset, and how what it shows is drawn anew. */
function createLoading(desk, page, later) {
  let generation = 0, counting = 0, reads = 0;

  async function reload() {
    const data = current();
    const mine = ++generation;
    if (!data) { desk.overview = null; later.side.draw(); later.opening.none(); return; }
    try {
      const found = await read(desk.path(), {who: desk.who});
      if (mine !== generation) return;
      await opened(data, found);
      later.side.draw();
      drawSteps();
    } catch (error) { tell(error); }
  }

  async function opened(data, found) {
    const {trail} = desk;
    const isFirst = !desk.overview || page.dataset.dataset !== data.name;
    const isOther = !isFirst && classesOf(desk.overview) !== classesOf(found);
    desk.overview = found;
    if (found.login) desk.who = found.login;
    page.dataset.dataset = data.name;
    page.classList.toggle('on-trial', desk.isTrial());
    if (isFirst) {
      trail.begin(null);
      desk.decisions.open(data.name);
      await later.opening.arrive();
    } else if (isOther && trail.queue) await later.opening.startQueue(trail.queue.id, trail.queue);
  }

  function paint(isNew = false) {
    if (!desk.card()) return;
    later.stage.paint(isNew);
    drawSteps();
  }

  function drawSteps() {
    const {overview, decisions} = desk;
    if (overview) later.bar.steps({canAct: desk.canAct(), undoes: overview.undo, redoes: overview.redo, pending: decisions.pending});
  }

  return {
    reload, paint, drawSteps,
    steps(steps) { Object.assign(desk.overview, steps); drawSteps(); },
    /** The counts of the dataset, read again once the keys rest. */
    countSoon() {
      clearTimeout(counting);
      const take = ({changed, contradict, people}) => {
        if (!desk.overview) return;
        Object.assign(desk.overview, {changed, contradict, people});
        later.side.draw();
      };
      counting = setTimeout(() => {
        refresh();
        const mine = ++reads;  // an earlier answer may come later
        read(desk.path(), {who: desk.who}).then(found => { if (mine === reads) take(found); }, () => {});
      }, COUNTED_AFTER);
    },
    /** What the studio says holds of some rows now. */
    takeOver(rows) {
      let touched = false;
      for (const each of desk.trail.cards()) for (const one of each.sides) {
        const now = rows[one.row];
        if (!now || now.last < one.last) continue;
        Object.assign(one, now);
        if (each === desk.card()) touched = true;
        if (each.sides.length === 2) each.shared = each.sides[0].candidates.filter(index => each.sides[1].candidates.includes(index));
      }
      if (touched && !desk.decisions.pending) paint();
    },
    /** What was not accepted is told, with the way back; the card on the screen stays where it is. */
    refused({trailAt}, words) {
      toast(words, 'error', trailAt !== undefined);
      if (trailAt === undefined) return;
      desk.trail.refuse(trailAt);
      const note = document.querySelector('.cad-toast');
      const back = () => { note.remove(); desk.trail.goTo(trailAt); };
      note.lastChild.before(h('button.quiet', {type: 'button', id: 'annotate-back', on: {click: back}}, 'Go back to it'));
      if (desk.trail.at() === trailAt) paint();
    },
  };
}

/** The samples of the question; what is done on one is done by keys too. */
function createViewer(desk, later, loading) {
  const turned = run => to => { desk.side = to; run(); };
  return createCard({
    onPick: (...given) => later.answers.pick(...given),
    onSide: turned(() => loading.paint()),
    onAdd: turned(() => later.answers.addClass()),
    onFind: turned(() => later.commands.find()),
    onNeighbour: row => { open('dataset'); change({instance: row}); },
  });
}

/** What opens over the page. */
function createSheets({desk, server, later, loading, place}) {
  const {preview, act, restore} = later.many;
  const keys = keysDialog(() => {
    for (const mark of place.querySelectorAll('kbd[data-command]')) mark.textContent = shownKey(keyOf(mark.dataset.command));
    loading.paint();
  });
  const history = historySheet(desk.ctx, restore);
  const agreement = agreementSheet(desk.ctx, () => { agreement.close(); later.opening.startOrder('disagreement'); });
  const bulk = bulkSheet(desk.ctx, preview, wanted => act(wanted, `${wanted.kind} on`));
  const classes = classSheet(desk.ctx, preview, wanted => act(wanted, wanted.kind.replace('-', ' a ') + ':'));
  const exports = exportSheet(() => ({...desk.ctx(), dressed: desk.decisions.dressed}), server, done => {
    loading.takeOver(done.rows);
    desk.decisions.note(done, `${counted(done.changed, 'correction')} taken over`);
    loading.reload();
  });
  return {
    keys, history, agreement, bulk, classes, exports,
    elements: [keys, ...[history, agreement, bulk, classes, exports].map(each => each.element)],
  };
}

/** The column beside the question; `draw()` shows how things stand. */
function createColumn({desk, later, sheets, all, loading}) {
  // They are about the dataset: before it is read there is nothing to show in them.
  const door = (id, text, run) => h('button.btn', {type: 'button', id, disabled: true, on: {click: run}}, text);
  const keys = h('button.btn', {type: 'button', id: 'annotate-keys', on: {click: () => sheets.keys.showModal()}}, 'Keys');
  const classes = door('annotate-classes', 'Classes', () => sheets.classes.open());
  const doors = [
    door('annotate-history', 'History', () => sheets.history.open()),
    door('annotate-agreement', 'Agreement', () => sheets.agreement.open()),
    door('annotate-export', 'Export and import', () => sheets.exports.open()), classes, keys,
  ];
  const {opening, many} = later;
  const column = createSide({
    all, doors, onName: rename, onShow: showRecent, onQueue: id => opening.startQueue(id), onOrder: order => opening.startOrder(order),
    onOverlap: async overlap => { await many.setOverlap(overlap); draw(); },
  });

  function draw() {
    const {overview, trail, who, session} = desk;
    for (const each of doors) each.disabled = !overview && each !== keys;
    if (!overview) return;
    const queues = desk.isTrial() ? (trail.queue ? [trail.queue] : []) : overview.queues;
    column.draw({overview: {...overview, queues, orders: desk.orders()}, queue: trail.queue, who, session, canAct: desk.canAct()});
    classes.hidden = overview.role !== 'owner';
  }

  async function rename(name) {
    if (!name.trim()) { draw(); return; }
    await desk.decisions.settled();
    if (desk.trail.queue) desk.ask('release', {queue: desk.trail.queue.id});
    desk.who = name.trim();
    localStorage.setItem('cad-annotator', desk.who);
    desk.overview = null;
    loading.reload();
  }

  async function showRecent(each) {
    const known = desk.trail.cards().findIndex(one => one.rows.join() === each.rows.join());
    if (known >= 0) { desk.trail.goTo(known); return; }
    try {
      desk.trail.insert(await read(`${desk.path()}/card`, {rows: each.rows.join(','), who: desk.who}));
    } catch (error) { tell(error); }
  }

  return {element: column.element, recent: column.recent, draw};
}

/** What neighbours and the newest run make of the samples, where that is asked for. */
function createModel(desk, paint) {
  async function suggest() {
    const now = desk.card();
    if (!now) return;
    try {
      const found = await Promise.all(now.sides.map(each => read(`${desk.path()}/suggestions/${each.row}`, {who: desk.who})));
      if (desk.card() !== now) return;
      desk.belief = Object.fromEntries(now.sides.map((each, at) => [each.row, found[at]]));
      paint();
    } catch (error) { desk.showModel = false; tell(error); }
  }
  return {suggest};
}

/** What answers need to know of the page. */
function answering(desk, {search, loading, later}) {
  later.shown = () => {
    Object.assign(desk, {picks: [null, null], side: 0, belief: {}});
    loading.paint(true);
    if (desk.showModel) later.model.suggest();
  };
  const shownOf = row => {
    const known = desk.showModel && desk.belief[row];
    return known ? {neighbours: known.belief, ...(known.model ? {model: known.model} : {})} : {};
  };
  return {
    card: desk.card, canAct: desk.canAct, search, decisions: desk.decisions, paint: loading.paint, step: desk.trail.step,
    queueOf: () => desk.trail.queue, namesOf: () => desk.overview.class_names, classesOf: () => desk.overview.classes,
    sideOf: () => desk.side, turn: to => { desk.side = to; }, picksOf: () => desk.picks, trailAt: () => desk.trail.at(),
    seconds: () => Math.min(LONGEST_SECONDS, (performance.now() - desk.shownAt) / 1000), shownOf,
    onDecision: (kind, seconds) => {
      desk.session = {n: desk.session.n + 1, seconds: desk.session.seconds + Math.min(LONGEST_COUNTED, seconds)};
      if (kind !== 'skip') change({answered: state.answered + 1});
    },
    onChange: () => later.side.draw(),
  };
}

function comment(desk, answers, text) {
  const now = desk.card();
  if (!now) return;
  const one = now.sides[desk.side];
  one.comments.push({who: desk.who, at: new Date().toISOString(), text});
  answers.decide('comment', [one.row], {text}, 'commented', {}, false);
}

/** Commands that are no answers; each says whether it took the key. */
function createCommands({desk, bar, notes, paint, model}) {
  const {trail} = desk;
  const taken = run => () => { run(); return true; };
  return {
    comment: () => { if (!desk.card() || !desk.canAct()) return false; notes.open(); return true; },
    undo: taken(() => {
      if (bar.undo.disabled) return;
      const to = desk.decisions.undo();
      if (to !== null) trail.goTo(to);
    }),
    redo: taken(() => { if (!bar.redo.disabled) desk.decisions.redo(); }),
    model: taken(() => { desk.showModel = !desk.showModel; if (desk.showModel) model.suggest(); else paint(); }),
    next: taken(() => trail.step(1)),
    previous: taken(() => { if (trail.at() > 0) trail.step(-1); }),
    side: taken(() => { if (desk.card()?.sides.length === 2) { desk.side = 1 - desk.side; paint(); } }),
    escape: taken(() => { desk.picks = [null, null]; paint(); }),
  };
}

function listenToKeys(page, desk, later) {
  const {trail} = desk;
  const byCommand = command => !!later.commands[command] && trail.inTurn(later.commands[command], OPENING.has(command));
  listen(page, byCommand, (number, {shiftKey}) => {
    trail.inTurn(() => {
      const now = desk.card();
      const found = now && byDigit(now, number);
      if (found) later.answers.pick(found[0], found[1], shiftKey);
    });
    return !!desk.card();
  });
}

/** What other pages, other windows and jobs change. */
function follow(desk, page, loading, opening) {
  const {trail} = desk;
  on('dataset datasets readOnly started annotate', changed => {
    const data = current();
    if (changed.includes('annotate') && state.annotate) { page.dataset.dataset = ''; loading.reload(); return; }
    if (changed.includes('dataset')) trail.begin(null);
    const key = data ? `${data.name} ${data.version}` : 'none';
    if (key !== page.dataset.key) { page.dataset.key = key; loading.reload(); }
  });
  on('queue', () => {
    if (state.page !== 'annotate' || !desk.overview || desk.isTrial() || state.queue === (trail.queue?.id ?? null)) return;
    if (state.queue !== null) opening.startQueue(state.queue); else opening.leave();  // Back or Forward
  });
  onJobEnd(job => { if (job.kind === 'prepare-queue' && trail.queue && trail.isWaiting) opening.startQueue(trail.queue.id); });
}
