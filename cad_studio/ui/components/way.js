// The foot of every page: the step that pays most now, or what was told last. It covers nothing.

import {h, fill} from './dom.js';
import {on, open, state} from './store.js';
import {nextStep} from './steps.js';

/** Owns its element; it draws itself when the step or the page is another. */
export function createWay() {
  const says = h('p', {id: 'way-says', 'aria-live': 'polite'});
  const act = h('span', {});
  const told = h('div.told', {});
  const element = h('section.next-foot', {id: 'way', 'aria-label': 'Next step'}, told, h('div.step', {}, says, act));
  let shown = '', room = null;

  function draw() {
    const step = state.page === 'home' ? null : nextStep(state.page);
    const now = JSON.stringify([step?.key, step?.says, step?.title, step?.isQuiet, state.page]);
    if (now === shown) return;
    shown = now;
    says.textContent = step?.says || '';
    fill(act, step?.leave ? h('button.quiet', {type: 'button', id: 'way-leave', on: {click: step.leave}}, 'Leave') : null, buttonOf(step));
    element.dataset.step = step?.key || '';
    room?.expect(Boolean(step) || told.hasChildNodes());
  }

  function buttonOf(step) {
    if (!step) return null;
    if (step.run) {
      const kind = step.isQuiet ? 'button.btn' : 'button.btn.primary';  // something on the page comes before
      return h(kind, {type: 'button', id: 'way-go', title: step.title, on: {click: step.run}}, h('span', {}, step.title));
    }
    const page = step.job && window.cadTables.jobs[step.job.kind]?.page;
    return page && page !== state.page
      ? h('button.btn', {type: 'button', id: 'way-watch', on: {click: () => open(page)}}, 'Watch it')
      : null;
  }

  on('standing page jobs readOnly dataset view against guide started', draw);
  return {
    element,
    /** Once it is in the window: the pages leave room for it. */
    measure() { room = leaveFree('--way', element); },
  };
}

/**
 * A height the pages leave free, as it is now; it grows with zoom and with what is told. All that is shown is styled again
 * when it changes, so who knows that the part comes or goes says so while that is drawn.
 */
export function leaveFree(name, part) {
  let last = 0;
  const set = height => document.documentElement.style.setProperty(name, `${height}px`);
  function measure() {
    const height = Math.ceil(part.getBoundingClientRect().height);
    set(height);
    last = height || last;
  }
  new ResizeObserver(measure).observe(part);
  measure();
  return {expect: isThere => set(isThere ? last : 0)};
}
