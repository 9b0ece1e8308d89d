// What is folded under the curves of a run: its log, settings, and model.

import {h, fill} from './dom.js';
import {words, typed} from './form.js';
import {address, read, tell} from './store.js';
import {megabytes, moment} from './train_words.js';

const LONGEST_LOG = 200_000;

/** Disclosures that own their element; one is open at a time, in a place of constant height. */
export function createDetails({act, take, describes, onLog}) {
  const place = h('div.detail', {hidden: true, tabindex: '0'});
  const tabs = [['log', 'Log'], ['settings', 'Settings and environment'], ['model', 'Model']].map(([name, text]) =>
    h('button.btn', {type: 'button', id: `run-${name}`, data: {name}, 'aria-expanded': 'false', on: {click: () => toggle(name)}}, text));
  const again = h('button.btn', {
    type: 'button', id: 'run-take', title: 'Fill the form with the settings of this run', on: {click: () => take(run)},
  }, 'Same settings in the form');
  const element = h('div.details', {}, h('div.actions', {}, ...tabs, h('span.grow'), again), place);
  const text = h('pre.log', {id: 'run-log-text', role: 'log', 'aria-label': 'Log'});
  let run = null;
  let opened = null;
  let from = 0;
  let drawn = '';

  function toggle(name) {
    opened = opened === name ? null : name;
    for (const tab of tabs) {
      const mine = tab.dataset.name === opened;
      tab.setAttribute('aria-expanded', String(mine));
      tab.setAttribute('aria-pressed', String(mine));
    }
    place.hidden = opened === null;
    drawn = '';
    draw();
    if (opened === 'log') onLog();
  }

  function draw() {
    if (!opened || !run) return;
    if (opened === 'log') { if (place.firstChild !== text) fill(place, text); return; }
    const key = `${opened} ${run.id} ${opened === 'model' ? run.model_bytes : JSON.stringify([run.environment, !!run.config])}`;
    if (key === drawn) return;
    drawn = key;
    if (opened === 'settings') drawSettings(); else drawModel();
  }

  function drawSettings() {
    if (!run.config) { fill(place, h('p.quiet-text', {}, 'Reading settings…')); return; }
    const about = describes(run);
    const list = (title, values, defaults) => h('section', {},
      h('h2', {}, title),
      h('dl', {}, ...Object.entries(values).flatMap(([name, value]) => {
        const usual = defaults?.find(each => each.name === name);
        const changed = usual && usual.default !== value;
        return [
          h('dt', {title: usual?.help || null}, words(name)),
          h('dd', {
            class: changed ? 'is-changed' : '', title: changed ? `The default is ${typed(usual.default) || 'empty'}` : null,
          }, typed(value) || 'by itself'),
        ];
      })));
    fill(place, h('div.lists', {}, list('Loop', run.config, about?.config), list('Method', run.settings, about?.settings),
      list('Data and environment', {
        dataset: run.dataset, data_version: `v${run.data_number ?? '?'} (${run.data_version})`, features: run.features,
        started: moment(run.created_at), ...run.environment,
      })));
  }

  async function drawModel() {
    const asked = run.id;
    if (!run.model_bytes) {
      fill(place, h('p.quiet-text', {}, 'There is no model yet. It is written after the first epoch and follows the best one.'));
      return;
    }
    let usage;
    try { usage = await read(`/training/runs/${asked}/usage`); } catch (error) { tell(error); return; }
    if (run.id !== asked || opened !== 'model') return;
    const repo = h('input.entry', {
      id: 'run-repo', type: 'text', autocomplete: 'off', spellcheck: 'false', placeholder: 'owner/name',
      'aria-label': 'Repository on the Hugging Face Hub',
    });
    const secret = h('input', {id: 'run-private', type: 'checkbox'});
    secret.checked = true;
    const push = h('button.btn', {type: 'button', id: 'run-push',
      on: {click: () => act('push', {run: asked, repo: repo.value.trim(), private: secret.checked})}}, 'Push to the Hub');
    fill(place, h('div.lists.two', {},
      h('section', {},
        h('h2', {}, 'Take it away'),
        h('p.quiet-text', {}, 'One safetensors file that holds the weights, the network and how images are prepared.'),
        h('div.actions', {}, h('a.btn.primary', {
          id: 'run-download', href: address(`/training/runs/${asked}/model`), download: '',
        }, `Download ${megabytes(run.model_bytes)}`)),
        h('p.quiet-text', {}, 'Load it in Python:'), h('pre', {id: 'run-usage'}, usage.text)),
      h('section.act', {},
        h('h2', {}, 'Share it'),
        h('p.quiet-text', {},
          'Uploads the model and its card to huggingface.co, with the login of the machine the studio runs on. Nothing is sent '
            + 'before you press the button.'),
        h('div.actions', {}, repo, h('label.keys', {}, secret, 'Private'), push))));
  }

  return {
    element,
    show(given, isNew) {
      run = given;
      again.disabled = !run.config;
      if (isNew) { from = 0; drawn = ''; text.textContent = ''; if (opened === 'log') onLog(); }
      draw();
    },
    /** What of the log is wanted: `job:byte`, or null while it is folded. */
    wantsLog: () => (opened === 'log' && run?.job ? `${run.job}:${from}` : null),
    /** Add what was read; whether there may be more at once. */
    log(found) {
      if (!found || found.job !== run?.job || found.next === from) {
        if (!text.textContent && opened === 'log') text.textContent = run?.job
          ? 'Nothing is written yet.'
          : 'This run was trained elsewhere; its log is there.';
        return false;
      }
      const atEnd = place.scrollTop + place.clientHeight >= place.scrollHeight - 24;
      const whole = (from === 0 ? '' : text.textContent) + found.text;
      text.textContent = whole.slice(-LONGEST_LOG);
      from = found.next;
      if (atEnd) place.scrollTop = place.scrollHeight;
      return true;
    },
  };
}
