// The right end of the header: which dataset, what is running, and the name on the left.

import {h, fill, count} from './dom.js';
import {send} from './studio.js';
import {choose, current, isActive, isOwn, on, onJobEnd, refresh, root, state} from './store.js';
import {toast} from './dom.js';

export function mount({element, server}) {
  const picker = h('select', {id: 'header-dataset', 'aria-label': 'Dataset', on: {change: () => choose(picker.value)}});
  const facts = h('span.num', {});
  const jobs = h('span.jobs', {'aria-live': 'polite'});
  const closed = h('span.pill', {id: 'header-read-only', hidden: true, title: 'Nothing can be changed here. Run your own copy to import, search or train.'}, 'read-only');
  const person = h('span.person', {});
  fill(element.querySelector('.mount'), 
    h('div.brand', {}, 'CAD ', h('b', {}, 'Studio')),
    h('div.status', {}, jobs, closed, h('label.pill.dataset', {}, picker, facts), person));

  function drawDatasets() {
    fill(picker, ...state.datasets.map(data => h('option', {value: data.name}, data.name)));
    if (!state.datasets.length) fill(picker, h('option', {value: ''}, 'no dataset yet'));
    picker.value = state.dataset || '';
    const data = current();
    facts.textContent = data ? `v${data.version_number} · ${count(data.n)} samples` : '';
    facts.title = data ? `Version ${data.version_number}, content ${data.version}` : '';
    element.dataset.dataset = state.dataset || '';
  }

  function drawJobs() {
    const active = state.jobs.filter(isActive).sort((a, b) => a.position - b.position);
    const job = active.find(each => each.status !== 'queued') || active[0];
    if (!job) { jobs.replaceChildren(); return; }
    const left = timeLeft(job);
    const waiting = active.length - 1;
    fill(jobs, h('span.pill.job', {data: {job: job.id}, title: job.title},
      h('i.pulse', {'aria-hidden': 'true'}),
      h('span.text', {}, `${job.title} · ${job.status === 'queued' ? 'waiting' : job.status === 'stopping' ? 'stopping' : job.message}`),
      h('span.num', {}, job.status === 'running' ? `${Math.round(job.fraction * 100)} %${left}` : ''),
      waiting ? h('span.num', {}, `+${waiting} waiting`) : null,
      state.readOnly ? null : h('button.quiet', {type: 'button', id: 'header-stop', on: {click: () => ask('stop', job)}}, {queued: 'Cancel', running: 'Stop', stopping: 'Stop now'}[job.status])));
  }

  function drawPerson() {
    const out = () => h('button.quiet', {type: 'button', id: 'header-log-out', title: `Logged in as ${state.login}`, on: {click: logOut}}, 'Log out');
    const into = () => h('a', {id: 'header-log-in', href: `${root}/login/huggingface`}, 'Log in with Hugging Face');
    fill(person, state.login ? out() : state.hubLogin ? into() : null);
  }

  async function logOut() {
    try { await send('/logout', {}); location.reload(); } catch (error) { toast(error.message, 'error'); }
  }

  async function ask(what, job) {
    const answer = await server[what]({job: job.id});
    if (answer.error) toast(answer.error, 'error');
    refresh();
  }

  function offerResume(job) {
    toast(`${job.title}: ${job.error}`, 'error', true);
    if (state.readOnly) return;
    const note = document.querySelector('.cad-toast');
    note.lastChild.before(h('button.quiet', {type: 'button', id: 'toast-resume', on: {click: () => { note.remove(); ask('resume', job); }}}, 'Resume'));
  }

  // The scripts of the other pages, once the first page has what it needs: opening one then waits for data alone.
  on('started', () => setTimeout(() => {
    for (const tab of document.querySelectorAll('#pages > .tab-wrapper [role=tab][data-tab-id]')) import(`./${tab.dataset.tabId}_page.js`).catch(() => {});
  }, 1000));
  on('datasets dataset', drawDatasets);
  on('jobs readOnly', drawJobs);
  on('login hubLogin', drawPerson);
  on('readOnly', () => { closed.hidden = !state.readOnly; });
  onJobEnd(job => {
    if (job.status === 'failed') toast(`${job.title}: ${job.error}`, 'error', true);
    if (job.status === 'interrupted') offerResume(job);
    if (job.status === 'cancelled' && job.kind === 'train') toast(`${job.title}: stopped. Resume it on the Train page.`);
    else if (job.status === 'cancelled' && job.kind === 'augment') toast(`${job.title}: stopped. The edits made so far are kept; make edits again to go on.`);
    else if (job.status === 'cancelled' && job.kind === 'edit-model') toast(`${job.title}: stopped. Resume it under Editors on the Augmentations page.`);
    else if (job.status === 'cancelled') toast(`${job.title}: cancelled. Nothing was changed.`);
    if (job.status === 'done' && job.kind === 'verify' && !job.result.is_whole) toast(`${job.title}: not whole; the Dataset page says what is affected.`, 'error', true);
    else if (job.status === 'done' && job.kind !== 'open-sample') toast(`${job.title}: done.`);
    if (job.status === 'done' && job.kind === 'import' && job.result && isOwn(job)) choose(job.result.name);
  });
  drawDatasets();
  refresh();
}

function timeLeft(job) {
  if (job.fraction < 0.05 || !job.started_at) return '';
  const spent = (Date.now() - Date.parse(job.started_at)) / 1000;
  const seconds = spent / job.fraction - spent;
  if (seconds < 3) return '';
  return seconds < 90 ? ` · ${Math.round(seconds)} s left` : ` · ${Math.round(seconds / 60)} min left`;
}
