// A form that starts a job: it slides in from the right, and its fields are those the studio describes.

import {h, fill} from './dom.js';
import {addDrawer, closeDrawers} from './drawers.js';
import {changedValues, createField, createGroup, showField} from './form.js';
import {on, read, started} from './store.js';
import {answering} from './studio.js';

/**
 * Make one. `name` is that of its description; `title()` what it is called now; `start(values)` asks the studio with the
 * fields that were changed and answers {job} or {error}; `arrange(fields by name, those that are rarely needed, folded)`
 * gives the elements before the buttons, by default in order; `onEdit()` is told of each change, and
 * `onStarted(fields, values)` of a job that was started with some values.
 */
export function createJobForm({
  id, name, title, says, button, start, arrange = inOrder, onEdit = () => {}, onStarted = (_fields, _values) => {},
}) {
  let fields = null, more = null, isAsking = false;
  const head = h('h1', {id: `${id}-title`});
  const body = h('div.train-form');
  const problem = h('p.field-error', {id: `${name}-problem`, role: 'alert', hidden: true});
  const go = h('button.btn.primary', {type: 'button', id: `${name}-start`, on: {click: () => send(go, start, taken)}}, button);
  const close = h('button.btn', {type: 'button', id: `${name}-close`, on: {click: () => closeDrawers()}}, 'Close');
  const element = h('section.drawer', {id, role: 'dialog', 'aria-modal': 'true', 'aria-labelledby': head.id},
    head, h('p.quiet-text', {}, says), body, problem, h('div.row', {}, go, close));
  const retitle = () => { head.textContent = title(); };

  function tellProblem(error) {
    problem.hidden = !error;
    problem.textContent = error ? error.message : '';
    if (error?.field) showField(error.field);
  }

  /** Ask the studio, one thing at a time, with what the form holds; waits for a studio that is away. */
  async function send(by, ask, then) {
    if (!fields || isAsking) return;
    isAsking = true;  // a disabled button would lose the focus
    by.setAttribute('aria-busy', 'true');
    tellProblem(null);
    try {
      const values = changedValues([...fields.values()]);
      await answering();
      const answer = await ask(values);
      if (answer.error) throw new Error(answer.error);
      then(answer, values);
    } catch (error) { tellProblem(error); } finally {
      isAsking = false;
      by.removeAttribute('aria-busy');
    }
  }

  function taken({job}, values) {
    onStarted(fields, values);
    closeDrawers(element);
    started(job);
  }

  function edited() {
    tellProblem(null);
    more?.note();
    onEdit();
  }

  addDrawer(element, async () => {
    retitle();
    if (fields) return;
    let found;
    try { found = await read(`/forms/${name}`); } catch (error) { tellProblem(error); return; }
    fields = new Map(found.fields.map(about => [about.name, createField(about, {prefix: name, onChange: edited})]));
    const rare = found.fields.filter(about => about.advanced).map(about => fields.get(about.name));
    if (rare.length) more = createGroup('More', rare);
    fill(body, ...arrange(fields, more?.element));
  });
  on('dataset', retitle);
  return {send, edited};
}

/** All fields in the order of their description. */
function inOrder(fields, _more) { return [...fields.values()].map(field => field.element); }
