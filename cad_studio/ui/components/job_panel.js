// The chosen run: what it is doing, its figures and curves, and what can be done with it.

import {h, fill, count, toast} from './dom.js';
import {createCharts} from './run_charts.js';
import {createDetails} from './run_details.js';
import {openEditor} from './run_row.js';
import {olderWords} from './versions.js';
import {isActive, state} from './store.js';
import {ORACLE, canResume, duration, share, statusWord, sureness} from './train_words.js';


/** A panel that owns its element; `act(name, value)` asks the server and reloads, `take(run)` fills the form. */
export function createRunPanel({act, take, describes, onLog}) {
  const title = h('h1', {id: 'run-name'});
  const rename = h('button.quiet.act', {
    type: 'button', id: 'run-rename',
    on: {click: () => openEditor(title, run.name, 'Name', name => act('rename', {run: run.id, name}))},
  }, 'Rename', h('kbd', {}, 'e'));
  const chip = h('span.pill.state', {id: 'run-status', 'aria-live': 'polite'}, h('i.pulse'), h('span'));
  const pills = h('div.pills');
  const stop = h('button.btn.act', {type: 'button', id: 'run-stop', on: {click: () => stopRun()}}, 'Stop', h('kbd', {}, 's'));
  const resume = h('button.btn.primary.act', {type: 'button', id: 'run-resume', on: {click: () => resumeRun()}},
    'Resume', h('kbd', {}, 'r'));
  const bar = h('div.progress', {role: 'progressbar', 'aria-label': 'Progress', 'aria-valuemin': '0', 'aria-valuemax': '100'}, h('i'));
  const line = h('p.progress-line', {id: 'run-progress'});
  const left = h('span.num', {id: 'run-left'});
  const trouble = h('p.trouble', {id: 'run-error', role: 'status', hidden: true});
  // the confidence stands beside the approximated accuracy
  const told = window.cadTables.figures.filter(each => each.is_shown && each.key !== 'mean_confidence');
  const values = told.map(({key: name, title: label, oracle, about: hint}) => {
    const value = h('b', {data: {figure: name}});
    const small = h('small', {});
    const element = h('div.figure', {title: oracle ? `${hint}. ${ORACLE}` : hint},
      h('span.row', {}, h('span.grow', {}, label)),
      h('span.row', {}, value, small, oracle ? h('span.tag.by', {}, 'uses true labels') : null));
    return {name, value, small, element};
  });
  const charts = createCharts();
  const details = createDetails({act, take, describes, onLog});
  const element = h('section.run-panel', {'aria-label': 'Chosen run'},
    h('div.tools', {}, title, rename, chip, pills, h('span.grow'), stop, resume),
    h('div.run-progress', {}, bar, h('div.row', {}, line, h('span.grow'), left)), trouble,
    h('div.figures', {}, ...values.map(each => each.element)), charts.element, details.element);
  let run = null;

  async function stopRun() { if (isActive(run) && !stop.disabled) await act('stop', {job: run.job}); }
  async function resumeRun() { if (canResume(run) && !resume.disabled) await act('resume', {job: run.job}); }

  function drawHead() {
    if (!title.querySelector('input')) title.textContent = run.name;
    title.title = run.note || run.name;
    chip.dataset.status = run.status;
    chip.lastChild.textContent = statusWord(run.status);
    const pill = (text, hint = '') => h('span.pill', {title: hint || null}, text);
    const wanted = JSON.stringify([run.method, run.backbone, run.dataset, run.is_stale, run.seed, run.start]);
    if (pills.dataset.shown !== wanted) {
      pills.dataset.shown = wanted;
      fill(pills,
        pill(`${run.method} · ${run.backbone}`),
        pill(`${run.dataset} v${run.data_number ?? '?'}`, 'The dataset and the version of its sets'),
        pill(`${run.start} start · seed ${run.seed}`),
        run.is_bundled ? pill('comes with the sample', 'It was trained, diagnosed and laid out before; nothing was trained here') : null,
        run.is_stale
          ? h('span.pill.warn', {title: 'The candidate sets have changed since; this run learned from those of its time'},
            (run.dataset === state.dataset && olderWords(run.data_number)) || 'older sets')
          : null);
    }
    stop.hidden = !isActive(run);
    stop.firstChild.textContent = run.status === 'stopping' ? 'Stop now' : run.status === 'queued' ? 'Take off the queue' : 'Stop';
    stop.title = run.status === 'stopping'
      ? 'End its process at once; it goes on from its last checkpoint'
      : 'It stops within a step and can be resumed';
    resume.hidden = !canResume(run);
    resume.title = 'Go on from the last checkpoint';
  }

  function drawProgress() {
    const done = run.status === 'done' ? 1 : run.status === 'packed' ? 0 : run.fraction ?? run.epochs_done / run.epochs;
    bar.firstChild.style.width = `${(100 * done).toFixed(1)}%`;
    bar.setAttribute('aria-valuenow', Math.round(100 * done));
    bar.dataset.status = run.status;
    const epochs = `${count(run.epochs_done)} of ${count(run.epochs)} epochs`;
    const message = run.status === 'running' && run.message ? ` · ${run.message}` : '';
    line.textContent = run.status === 'queued' ? `Waits for its turn · ${epochs}`
      : run.status === 'packed' ? 'Packed to be trained on another machine; its result can be taken back'
      : epochs + message;
    const pace = run.samples_per_second ? `${count(Math.round(run.samples_per_second))} samples/s` : '';
    const isTimed = run.status === 'running' && run.seconds_left !== null && run.seconds_left !== undefined;
    const time = isTimed ? `${duration(run.seconds_left)} left`
      : run.seconds ? `${duration(run.seconds)} so far`
      : '';
    left.textContent = [pace, run.status === 'done' && run.seconds ? `took ${duration(run.seconds)}` : time].filter(Boolean).join(' · ');
    trouble.hidden = !run.error || isActive(run) || run.status === 'done';
    trouble.textContent = trouble.hidden ? '' : run.error;
  }

  function drawFigures() {
    for (const {name, value, small} of values) {
      value.textContent = share(run[name]) || '–';
      small.textContent = name === 'approximated_accuracy' ? sureness(run) : '';
    }
  }

  return {
    element, charts,
    /** Draw a run: a row of the table or everything known of it. */
    show(given) {
      const isNew = given.id !== run?.id;
      run = isNew ? given : {...run, ...given};
      element.dataset.run = run.id;
      element.dataset.status = run.status;
      if (isNew) title.textContent = run.name;
      drawHead();
      drawProgress();
      drawFigures();
      details.show(run, isNew);
    },
    run: () => run,
    forget() { run = null; },
    log: details.log, wantsLog: details.wantsLog,
    stop: stopRun, resume: resumeRun, rename: () => { if (!rename.disabled) rename.click(); },
  };
}

/** A toast with a way back. */
export function undoable(text, undo) {
  toast(text, 'note', true);
  const note = document.querySelector('.cad-toast');
  const back = h('button', {type: 'button', id: 'toast-undo', class: 'quiet', on: {click: () => { note.remove(); undo(); }}}, 'Undo');
  note.insertBefore(back, note.lastChild);
  setTimeout(() => note.remove(), 12000);
}
