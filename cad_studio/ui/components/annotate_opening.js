// Into a queue: what the address asks for, an order that is started, a trial, and the end of one.

import {h, counted, toast} from './dom.js';
import * as blank from './annotate_empty.js';
import {change, read, state, tell} from './store.js';
import {untilAnswered} from './studio.js';

/** `stage` shows what stands in place of a card; `drawSide()` draws the column beside it. */
export function createOpening({desk, stage, page, live, bar, drawSide}) {
  const {trail, trial} = desk;

  /** What the address asks for: rows, a selection, or a queue. */
  async function arrive() {
    const wanted = state.annotate || {};
    if (!desk.canAct()) choose();
    else if (desk.isTrial()) await arriveOnTrial(wanted);
    else if (wanted.rows || wanted.filter || wanted.cell) await arriveAtSamples(wanted);
    else if (wanted.selection || wanted.order) {
      change({annotate: null});
      await startOrder(wanted.order || 'selection', wanted.selection ? {selection: wanted.selection} : {});
    } else if (state.queue) await startQueue(state.queue);
    else choose();
  }

  async function arriveOnTrial({rows, order, title}) {
    if (rows || order) {
      change({annotate: null});
      await startTrial({order, rows, title: title || 'Linked samples'});
    } else {
      change({annotate: null, queue: null});
      choose();
    }
  }

  /** Samples that another page, or a link, sends become a selection first. */
  async function arriveAtSamples({title: name, source, ...what}) {
    const title = name || (what.rows ? counted(what.rows.length, 'linked sample') : 'Samples of another page');
    const made = await desk.ask('select', {...what, title, source: source || 'rows'});
    change({annotate: null});
    if (made.error) { toast(made.error, 'error'); choose(); return; }
    await startOrder(made.order, {selection: made.selection});
  }

  function choose() {
    const queues = desk.isTrial() ? [] : desk.overview.queues;
    stage.bare('Annotate', blank.chooser({...desk.overview, queues, orders: desk.orders(), canAct: desk.canAct(), onOrder: startOrder}));
    page.dataset.shown = 'chooser';
  }

  /** A queue that only this window knows. */
  async function startTrial(wanted) {
    stage.bare('Filling the queue', blank.filling());
    try { desk.tried = await trial.begin(wanted); } catch (error) { tell(error); choose(); return; }
    await startQueue(desk.tried.queue.id, desk.tried.queue);
  }

  async function startOrder(order, settings = {}) {
    if (desk.isTrial()) {
      await startTrial({order, title: desk.overview.orders.find(each => each.name === order).title});
      return;
    }
    stage.bare('Filling the queue', blank.filling());
    const answer = await untilAnswered(() => desk.ask('open_queue', {order, settings}));
    if (answer.error) { toast(answer.error, 'error'); choose(); return; }
    await startQueue(answer.queue.id, answer.queue);
  }

  async function startQueue(id, known = null) {
    const unknown = {id, title: '', says: '', items: 0, done: 0, passed: 0, overlap: 1, settings: {}};
    trail.begin(known || desk.overview.queues.find(each => each.id === id) || unknown);
    if (!desk.isTrial()) change({queue: id});
    stage.bare('Filling the queue', blank.filling());
    drawSide();
    await trail.step(1);
    live.begin();
    stage.takeKeys();
    if (!desk.isTrial()) desk.overview = {...desk.overview, ...(await read(desk.path(), {who: desk.who}).catch(() => ({})))};
    drawSide();
  }

  /** No queue, and the orders to choose from. */
  function leave() {
    trail.begin(null);
    choose();
    drawSide();
  }

  return {
    arrive, startOrder, startQueue, leave,
    finished(hadSome) {
      const onOther = () => { trail.begin(null); change({queue: null}); leave(); };
      const told = {queue: trail.queue, isTrial: desk.isTrial(), hadSome, nDecided: desk.session.n};
      stage.bare('Nothing is left here', blank.ended({...told, onOther, onBack: () => trail.step(-1)}),
        h('div.actions', {}, bar.undo, bar.redo));
      page.dataset.shown = 'done';
    },
    waits(words) {
      stage.bare('Annotate', blank.waiting(words));
      page.dataset.shown = 'waiting';
    },
    none() {
      stage.bare('', blank.noDataset());
      page.dataset.shown = 'nothing';
    },
  };
}
