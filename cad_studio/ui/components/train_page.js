// The Train page: a form for new runs, the chosen run with its curves, the queue, and all runs.

import {h, fill, empty, toast} from './dom.js';
import {createRunPanel, undoable} from './job_panel.js';
import {createQueue} from './queue.js';
import {Columns} from './run_charts.js';
import {createRunsTable} from './runs_table.js';
import {createTrainForm} from './train_form.js';
import {bindKeys, change, current, isActive, isAtWork, on, onJobEnd, open, read, refresh, state, tell} from './store.js';

const EVERY = 1000;
const EVERY_OF_MANY = 2000;  // drawing many curves anew is most of what following costs
const MANY = 5;
const PALETTE = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const MOST_COMPARED = 40;

export function mount({element, server}) {
  /** Call a function of the server; its error is thrown in its words. */
  async function ask(name, value) {
    const answer = await server[name](value);
    if (answer.error) throw new Error(answer.error);
    return answer;
  }

  /** Do something to a run or job, say what came of it, and read anew. */
  async function act(name, value) {
    try {
      await ask(name, value);
      if (name === 'remove') {
        const gone = runs.find(run => run.id === value.run);
        undoable(`${gone?.name || 'The run'} is in the trash.`, () => act('restore', {run: value.run}));
        if (chosen === value.run) pick(table.beside(value.run, 1) ?? table.beside(value.run, -1));
        compared.delete(value.run);
      }
      if (name === 'restore') { toast('The run is back.'); if (!table.isTrash()) pick(value.run); }
      if (name === 'push') toast('The upload waits for its turn; the header shows how far it is.');
      if (name === 'resume') { complete.delete(chosen); }
      if (['stop', 'resume', 'move', 'push'].includes(name)) refresh();
      await loadRuns();
    } catch (error) { tell(error); }
  }

  const form = createTrainForm({
    ask, onStarted: run => { toast('The run is in the queue.'); chosen = run; refresh(); loadRuns().then(() => pick(run)); },
    onPacked: run => { complete.delete(run); loadRuns().then(() => pick(run)); },
  });
  const panel = createRunPanel({act, take: run => form.take(run), describes: form.describes, onLog: () => kick()});
  const queue = createQueue({act});
  const table = createRunsTable({onPick: pick, onTick: tick, act, onTrash: () => loadRuns(), colourOf});
  const nothing = h('div.nothing');
  const keys = h('label.keys', {title: 'Single keys act on the page; turn them off if they get in the way of your tools'},
    h('input', {
      type: 'checkbox', id: 'train-keys',
      on: {change: event => { change({keys: event.target.checked}); localStorage.setItem('cad-keys', state.keys ? 'on' : 'off'); }},
    }),
    'Single keys',
    h('span.num', {}, h('kbd', {}, 'j'), ' ', h('kbd', {}, 'k'), ' runs · ', h('kbd', {}, 'x'), ' compare'));
  keys.querySelector('input').checked = state.keys;
  table.element.querySelector('.tools').append(keys);
  const main = h('section.main', {}, nothing, panel.element, table.element, queue.element);
  const page = h('div.page.train-page', {}, h('h1.sr', {}, 'Train'), form.element, main);
  fill(element.querySelector('.mount'), page);

  let runs = [], groups = [];
  let trash = {n: 0, bytes: 0};
  let known = false;
  let chosen = null;
  let asked = state.run;
  const compared = new Set();
  const colours = new Map();
  const columns = new Columns();
  const complete = new Set();
  let timer = 0;
  let isReading = false;
  let isDue = false;
  let atWork = '';

  const isSeen = () => element.offsetParent !== null && !document.hidden;
  const shownRuns = () => [chosen, ...compared].filter((id, at, all) => id !== null && all.indexOf(id) === at);

  function colourOf(id) {
    if (!compared.size) return null;
    if (id === chosen) return 'var(--accent)';
    return compared.has(id) ? colours.get(id) : null;
  }

  async function loadRuns() {
    try {
      const found = await read('/training/runs', {removed: table.isTrash() ? 1 : null});
      const before = new Map(runs.map(run => [run.id, run.status]));
      for (const run of found.runs) if (isActive(run) || before.get(run.id) !== run.status) complete.delete(run.id);
      if (!table.isTrash()) runs = found.runs;
      known = true;
      trash = found.trash;
      groups = found.groups;
      table.show(found.runs, trash, groups);
      settle();
      kick();
    } catch (error) { tell(error); }
  }

  /** After the list has changed: the chosen run is one that is there, or a word says that none is. */
  function settle() {
    const ids = runs.map(run => run.id);
    if (asked === 'new') asked = null;
    if (typeof asked === 'number' && !ids.includes(asked)) {
      toast(`Run ${asked} in this address is not in the project.`, 'error');
      asked = null;
    } else if (typeof asked === 'number') { chosen = asked; asked = null; }
    if (chosen !== null && !ids.includes(chosen)) chosen = null;
    const own = runs.filter(run => run.dataset === state.dataset);
    if (chosen === null) chosen = (own.find(isActive) ?? own[0])?.id ?? null;
    for (const id of compared) if (!ids.includes(id)) compared.delete(id);
    drawChosen();
  }

  function drawChosen() {
    const run = runs.find(each => each.id === chosen);
    panel.element.hidden = !run;
    nothing.hidden = !!run;
    table.element.hidden = !runs.length && !trash.n && !table.isTrash();
    if (run) panel.show(run); else { panel.forget(); drawNothing(); }
    table.select(chosen, compared);
    drawCurves();
    if (state.page === 'train' && asked === null) change({run: chosen ?? 'new'});
    page.dataset.shown = known ? String(chosen ?? 'nothing') : '';
  }

  function drawNothing() {
    if (!known) { fill(nothing, empty('Loading runs...', '')); return; }
    fill(nothing, current()
      ? empty(runs.length ? `No run on ${state.dataset} yet` : 'No run yet',
        'Choose a preset on the left and start. The run trains in the background: its curves appear here, and it goes on when you '
          + 'close the page.',
        h('button.btn', {type: 'button', id: 'train-quick', on: {click: () => form.quickLook()}}, 'Fill the form for a quick look'))
      : empty('A run needs a dataset', 'Import one on the Dataset page.', h('button.btn.primary', {
        type: 'button', on: {click: () => open('dataset')},
      }, 'Go to Dataset')));
  }

  function drawCurves() {
    const list = shownRuns().map(id => {
      const run = runs.find(each => each.id === id);
      return {id, name: run?.name || '', colour: colourOf(id) || 'var(--accent)', live: isActive(run)};
    });
    panel.charts.show(list, columns);
  }

  function pick(id) {
    if (table.isTrash() || id === chosen) { if (id === chosen) kick(); return; }
    chosen = id;
    drawChosen();
    table.reveal();
    kick();
  }

  function tick(id, isOn) {
    if (isOn && compared.size >= MOST_COMPARED) {
      toast(`At most ${MOST_COMPARED} runs are laid over each other.`, 'error');
      table.select(chosen, compared);
      return;
    }
    if (isOn) {
      const used = new Set([...compared].map(each => colours.get(each)));
      const free = PALETTE.map(at => `var(--c${at})`).find(each => !used.has(each)) || `hsl(${(id * 137.5) % 360} 48% 56%)`;
      colours.set(id, free);
      compared.add(id);
    } else compared.delete(id);
    table.select(chosen, compared);
    drawCurves();
    kick();
  }

  // Reading: all that may have changed in one answer, every second or two while something runs and is seen.
  function wanted() {
    const running = runs.filter(run => isAtWork(run)).map(run => run.id);
    return [...new Set([...shownRuns(), ...running])].filter(id => !complete.has(id));
  }

  async function follow() {
    clearTimeout(timer);
    if (!isSeen()) { state.isFollowed = false; return; }
    if (isReading || !known) { isDue = isReading; return; }
    isReading = true;
    isDue = false;
    let more = false;
    let wait = shownRuns().length < MANY ? EVERY : EVERY_OF_MANY;
    try {
      const ids = wanted();
      const found = await read('/training/follow', {runs: ids.map(id => `${id}:${columns.last(id)}`).join(), log: panel.wantsLog()});
      let isNew = false;
      for (const id of ids) {
        const run = found.runs[id];
        if (!run) continue;
        isNew = columns.add(id, found.reports[id]) || isNew;
        if (!isActive(run)) complete.add(id);
        const at = runs.findIndex(each => each.id === id);
        if (at >= 0) runs[at] = {...runs[at], ...run};
        table.patch(run);
        if (id === chosen) panel.show(run);
      }
      if (isNew) drawCurves();
      more = panel.log(found.log);
      queue.show(found.queue);
      const now = found.queue.map(job => `${job.id}${job.status}`).join();
      if (state.isFollowed && now !== atWork) refresh();
      atWork = now;
      page.dataset.followed = String(+(page.dataset.followed || 0) + 1);
    } catch (error) { tell(error); wait = 8000; }
    isReading = false;
    state.isFollowed = isSeen() && runs.some(run => isAtWork(run));
    if (isDue || more) timer = setTimeout(follow, 60);
    else if (state.isFollowed) timer = setTimeout(follow, wait);
  }

  const kick = () => { if (isSeen()) { clearTimeout(timer); timer = setTimeout(follow, 0); } };

  let jobs = '';
  on('jobs started', () => {
    // which jobs there are and how they stand; their progress is followed by itself
    const now = state.jobs.map(job => `${job.id}${job.status}`).join();
    if (now === jobs) return;
    jobs = now;
    if (known && isSeen()) loadRuns();
  });
  on('dataset started datasets', changed => {
    if (state.ready && page.offsetParent !== null) form.load();
    if (!known) return;
    const isOfOther = changed.includes('dataset') && runs.find(run => run.id === chosen)?.dataset !== state.dataset;
    if (isOfOther) { chosen = null; compared.clear(); settle(); kick(); } else if (!runs.length) drawNothing();
  });
  on('readOnly started', () => { if (known && !table.isTrash()) { table.show(runs, trash, groups); drawChosen(); } });
  onJobEnd(job => { if (job.kind === 'push' && job.result?.address) toast(`The model is at ${job.result.address}`, 'note', true); });

  document.addEventListener('visibilitychange', kick);
  on('run', () => {
    if (!known || state.run === null || state.run === (chosen ?? 'new')) return;
    asked = state.run;  // Back, Forward, or another page chose it
    if (runs.some(run => run.id === asked)) settle(); else loadRuns();
    kick();
  });
  new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) return;
    form.shown();
    loadRuns();
    if (known && state.page === 'train') change({run: chosen ?? 'new'});
  }).observe(element);

  const step = by => { const id = table.beside(chosen, by); if (id !== null) pick(id); };
  bindKeys(page, {
    j: () => step(1), k: () => step(-1), s: () => panel.stop(), r: () => panel.resume(), e: () => panel.rename(),
    l: () => panel.charts.toggleLog(),
    x: () => { if (chosen !== null) tick(chosen, !compared.has(chosen)); },
  });
  drawNothing();
  panel.element.hidden = true;
  table.element.hidden = true;
  if (state.ready) form.load();
}
