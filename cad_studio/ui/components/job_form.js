// A form that starts a job: it slides in from the right, and its fields are those the studio describes.

import {h, fill} from './dom.js';
import {addDrawer, closeDrawers} from './drawers.js';
import {changedValues, createField, createGroup, showField} from './form.js';
import {on, read, started} from './store.js';
import {answering} from './studio.js';

/**
 * Make one. `name` is that of its description; `title()` what it is called now; `start(values)` takes the fields that were
 * changed, and all else as it is at the click, and gives what asks the studio with them for {job} or {error};
 * `arrange(fields by name, those that are rarely needed, folded)` gives the elements before the buttons, by default in
 * order; `onEdit()` is told of each change, and `onStarted(fields, values)` of a job that was started with some values.
 */
export function createJobForm({
  id, name, title, says, button, start, arrange = inOrder, onEdit = () => {}, onStarted = (_fields, _values) => {},
}) {
  let fields = null, more = null, isAsking = false, nEdits = 0;
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

  /**
   * Ask the studio, one thing at a time, with what the form holds; waits for a studio that is away. An answer about what is
   * no longer in the form is passed over where that `isLook`. Gives whether it was asked and answered.
   */
  async function send(by, ask, then, isLook = false) {
    if (isAsking) return false;
    if (!fields) { prepare(); return false; }  // nothing is started that was not seen
    isAsking = true;  // a disabled button would lose the focus
    by.setAttribute('aria-busy', 'true');
    tellProblem(null);
    const asked = nEdits;
    const isOver = () => isLook && asked !== nEdits;
    try {
      const values = changedValues([...fields.values()]);
      const request = ask(values);
      await answering();
      const answer = await request();
      if (isOver()) return true;
      if (answer.error) throw new Error(answer.error);
      then(answer, values);
    } catch (error) { if (!isOver()) tellProblem(error); } finally {
      isAsking = false;
      by.removeAttribute('aria-busy');
    }
    return true;
  }

  function taken({job}, values) {
    onStarted(fields, values);
    closeDrawers(element);
    started(job);
  }

  function edited() {
    nEdits += 1;
    tellProblem(null);
    more?.note();
    onEdit();
  }

  /** Make the fields, unless they are there; whether they are. */
  async function prepare() {
    retitle();
    if (fields) return true;
    let found;
    try { found = await read(`/forms/${name}`); } catch (error) { tellProblem(error); return false; }
    tellProblem(null);
    fields = new Map(found.fields.map(about => [about.name, createField(about, {prefix: name, onChange: edited})]));
    const rare = found.fields.filter(about => about.advanced).map(about => fields.get(about.name));
    if (rare.length) more = createGroup('More', rare);
    fill(body, ...arrange(fields, more?.element));
    return true;
  }

  addDrawer(element, prepare);
  on('dataset', retitle);
  return {send, edited};
}

/** All fields in the order of their description. */
function inOrder(fields, _more) { return [...fields.values()].map(field => field.element); }
