// The header and the foot of the window: pages, dataset, what is running, and the next step.

import {h, fill, count, counted, toast} from './dom.js';
import {send} from './studio.js';
import {addressOf} from './address.js';
import {choose, current, isActive, isOwn, on, onJobEnd, open, refresh, root, state} from './store.js';
import {lend} from './steps.js';
import {openChanges} from './versions.js';
import {createWay, leaveFree} from './way.js';

export function mount({element, server}) {
  lend(server);
  const way = createWay();
  const {element: nav, draw: drawNav} = createNav();
  const {element: picker, draw: drawDatasets} = createPicker();
  const jobs = h('span.jobs', {'aria-live': 'polite'});
  const closed = h(
    'span.pill',
    {id: 'header-read-only', hidden: true, title: 'Nothing can be changed here. Run your own copy to import, search or train.'},
    'read-only'
  );
  const person = h('span.person', {});
  const bar = h(
    'header.top-bar',
    {},
    h('a.skip', {href: '#', on: {click: skip}}, 'Skip to the page'),
    h('div.brand', {}, 'CAD ', h('b', {}, 'Studio')),
    nav,
    h('div.status', {}, jobs, closed, picker, person)
  );
  fill(element.querySelector('.mount'), bar, way.element);
  leaveFree('--header', bar);
  way.measure();

  function drawJobs() {
    const active = state.jobs.filter(isActive).sort((a, b) => a.position - b.position);
    const job = active.find(each => each.status !== 'queued') || active[0];
    if (!job) {
      jobs.replaceChildren();
      return;
    }
    const left = timeLeft(job);
    const waiting = active.length - 1;
    const says = job.status === 'queued' ? 'waiting' : job.status === 'stopping' ? 'stopping' : job.message;
    fill(
      jobs,
      h(
        'span.pill.job',
        {data: {job: job.id}, title: job.title},
        h('i.pulse', {'aria-hidden': 'true'}),
        h('span.text', {}, `${job.title} · ${says}`),
        h('span.num', {}, job.status === 'running' ? `${Math.round(job.fraction * 100)} %${left}` : ''),
        waiting ? h('span.num', {}, `+${waiting} waiting`) : null,
        state.readOnly
          ? null
          : h(
              'button.quiet',
              {type: 'button', id: 'header-stop', on: {click: () => ask('stop', job)}},
              {queued: 'Cancel', running: 'Stop', stopping: 'Stop now'}[job.status]
            )
      )
    );
  }

  function drawPerson() {
    const out = () => h('button.quiet', {
      type: 'button', id: 'header-log-out', title: `Logged in as ${state.login}`, on: {click: logOut},
    }, 'Log out');
    const into = () => h('a', {id: 'header-log-in', href: `${root}/login/huggingface`}, 'Log in with Hugging Face');
    fill(person, state.login ? out() : state.hubLogin ? into() : null);
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
    note.lastChild.before(
      h(
        'button.quiet',
        {
          type: 'button',
          id: 'toast-resume',
          on: {
            click: () => {
              note.remove();
              ask('resume', job);
            },
          },
        },
        'Resume'
      )
    );
  }

  on('datasets dataset', drawDatasets);
  on('page dataset started filter sheet instance mining pair threshold classes augment run diagnose against view queue', drawNav);
  on('jobs readOnly', drawJobs);
  on('login hubLogin', drawPerson);
  on('readOnly', () => {
    closed.hidden = !state.readOnly;
    document.body.classList.toggle('read-only', state.readOnly);
  });
  onJobEnd(job => {
    tellEnd(job, offerResume);
  });
  drawDatasets();
  drawNav();
  refresh();
}

/** The pages as links: each has an address of its own, to be opened beside or sent to a colleague. */
function createNav() {
  const links = window.cadPages.map(({name, title}) =>
    h('a', {id: `page-link-${name}`, data: {page: name, text: title}, href: '#', on: {click: event => go(event, name)}}, title)
  );
  const element = h('nav.pages', {'aria-label': 'Pages'}, ...links);
  function go(event, name) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a window of its own
    event.preventDefault();
    open(name);
  }
  return {
    element,
    draw() {
      for (const link of links) {
        const isOpen = link.dataset.page === state.page;
        link.href = addressOf(state, link.dataset.page).href;
        if (isOpen && !link.hasAttribute('aria-current')) // once all is drawn: it waits for the layout of the page
          requestAnimationFrame(() => link.scrollIntoView?.({block: 'nearest', inline: 'nearest'}));
        if (isOpen) link.setAttribute('aria-current', 'page');
        else link.removeAttribute('aria-current');
        if (isOpen) document.title = `${link.dataset.text} · CAD Studio`;
      }
    },
  };
}

/** Which dataset, its version, and what annotators changed since. */
function createPicker() {
  const select = h('select', {id: 'header-dataset', 'aria-label': 'Dataset', on: {change: () => choose(select.value)}});
  const facts = h('span.num', {id: 'header-version'});
  const changes = h('button.quiet.since', {
    type: 'button',
    id: 'header-changes',
    hidden: true,
    title: 'Show the samples whose sets were changed since this version',
    on: {click: () => openChanges(current().version_number)},
  });
  const element = h('span.pill.dataset', {}, select, facts, changes);
  return {
    element,
    draw() {
      const opening = state.jobs.some(job => job.kind === 'open-sample' && isActive(job));
      fill(select, ...state.datasets.map(data => h('option', {value: data.name}, data.name)));
      if (!state.datasets.length) fill(select, h('option', {value: ''}, !state.ready || opening ? 'opening the sample' : 'no dataset yet'));
      select.value = state.dataset || '';
      const data = current();
      facts.textContent = data ? `v${data.version_number}` : '';
      facts.title = data ? `Version ${data.version_number}: ${count(data.n)} samples, ${counted(data.k, 'class', 'classes')}` : '';
      changes.hidden = !data?.changes;
      changes.textContent = data?.changes ? `+ ${counted(data.changes, 'change')}` : '';
    },
  };
}

/** The focus goes past the header into the page. */
function skip(event) {
  event.preventDefault();
  const page = document.querySelector(`#stage-${state.page}, #page-${state.page}`);
  const main = page?.querySelector('.main') || page;
  main?.setAttribute('tabindex', '-1');
  main?.focus();
}

async function logOut() {
  try {
    await send('/logout', {});
    location.reload();
  } catch (error) {
    toast(error.message, 'error');
  }
}

/** What a job that has ended says to whoever is here. */
function tellEnd(job, offerResume) {
  const kind = window.cadTables.jobs[job.kind];
  if (job.status === 'failed') toast(`${job.title}: ${job.error}`, 'error', true);
  if (job.status === 'interrupted') offerResume(job);
  if (job.status === 'cancelled') toast(`${job.title}: ${kind.stopped}`);
  if (job.status !== 'done') return;
  if (job.kind === 'verify' && !job.result.is_whole) toast(
    `${job.title}: not whole; the Dataset page says what is affected.`,
    'error', true);
  else if (kind.done) toast(`${job.title}: ${kind.done}`);
  if (job.kind === 'import' && job.result && isOwn(job)) choose(job.result.name);
}

function timeLeft(job) {
  if (job.fraction < 0.05 || !job.started_at) return '';
  const spent = (Date.now() - Date.parse(job.started_at)) / 1000;
  const seconds = spent / job.fraction - spent;
  if (seconds < 3) return '';
  return seconds < 90 ? ` · ${Math.round(seconds)} s left` : ` · ${Math.round(seconds / 60)} min left`;
}
