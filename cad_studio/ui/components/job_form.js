// A form that starts a job: it slides in from the right, and its fields are those the studio describes.

import {h, fill} from './dom.js';
import {addDrawer, closeDrawers} from './drawers.js';
import {changedValues, createField, createGroup, showField} from './form.js';
import {read, started} from './store.js';
import {answering} from './studio.js';

/**
 * Make one. `name` is that of its description; `start(values)` asks the studio with the fields that were changed and
 * answers {job} or {error}; `arrange(fields by name)` gives the elements before the buttons, by default all fields,
 * those that are rarely needed folded; `onStarted(fields by name)` is told of a job that was started.
 */
export function createJobForm({id, name, title, says, button, start, arrange = inOrder, onStarted = _fields => {}}) {
  let fields = null;
  const body = h('div.train-form');
  const problem = h('p.field-error', {id: `${name}-problem`, role: 'alert', hidden: true});
  const go = h('button.btn.primary', {type: 'button', id: `${name}-start`, on: {click: () => send(start, taken)}}, button);
  const close = h('button.btn', {type: 'button', id: `${name}-close`, on: {click: closeDrawers}}, 'Close');
  const element = h('section.drawer', {id, role: 'dialog', 'aria-modal': 'true', 'aria-label': title},
    h('h1', {}, title), h('p.quiet-text', {}, says), body, problem, h('div.row', {}, go, close));

  function tellProblem(error) {
    problem.hidden = !error;
    problem.textContent = error ? error.message : '';
    if (error?.field) showField(error.field);
  }

  /** Ask the studio with what the form holds; `then(answer)` where it does not refuse. Waits for a studio that is away. */
  async function send(ask, then) {
    tellProblem(null);
    go.disabled = true;
    try {
      const values = changedValues([...(fields?.values() || [])]);
      await answering();
      const answer = await ask(values);
      if (answer.error) throw new Error(answer.error);
      then(answer);
    } catch (error) { tellProblem(error); } finally { go.disabled = false; }
  }

  function taken({job}) {
    onStarted(fields);
    started(job);
  }

  addDrawer(element, async () => {
    if (fields) return;
    let found;
    try { found = await read(`/forms/${name}`); } catch (error) { tellProblem(error); return; }
    fields = new Map(found.fields.map(about => [about.name, createField(about, {prefix: name, onChange: () => tellProblem(null)})]));
    fill(body, ...arrange(fields, found.fields));
  });
  return {send};
}

function inOrder(fields, described) {
  const rare = described.filter(about => about.advanced).map(about => fields.get(about.name));
  const usual = [...fields.values()].filter(field => !rare.includes(field));
  return [...usual.map(field => field.element), rare.length ? createGroup('More', rare).element : null];
}
