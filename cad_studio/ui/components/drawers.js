// Forms that slide in from the right: dialogs that keep the focus and give it back.

import {gradio} from './studio.js';

const FIRST = 'textarea, input:not([role=combobox]), button'; // a dropdown would open over the form
const LONGEST_MS = 60000;
const LOOK_MS = 50;

let opener = null;

const reachable = drawer =>
  [...drawer.querySelectorAll('button, input, textarea, select, a[href], summary, [tabindex="0"]')].filter(
    each => !each.disabled && each.offsetParent !== null && each.tabIndex >= 0
  );

/** A form with its fields, which Gradio makes one after the other; null when they do not come. */
async function built(id) {
  gradio();
  for (let waited = 0; waited < LONGEST_MS; waited += LOOK_MS) {
    const drawer = document.getElementById(id);
    const isSeen = !document.getElementById('stage'); // what is hidden takes no focus
    if (isSeen && drawer?.querySelector('textarea, input') && drawer.querySelector('button')) return drawer;
    await new Promise(done => setTimeout(done, LOOK_MS));
  }
  return null;
}

/** Open a form; focus goes to its first field. */
export async function openDrawer(id) {
  closeDrawers();
  const drawer = await built(id);
  if (!drawer) return;
  opener = document.activeElement;
  drawer.setAttribute('role', 'dialog');
  drawer.setAttribute('aria-modal', 'true');
  drawer.setAttribute('aria-label', drawer.querySelector('h2')?.textContent || id);
  drawer.classList.add('open');
  drawer.querySelector(FIRST).focus();
}

/** Close whichever form is open; what opened it has the focus again. */
export function closeDrawers() {
  const open = document.querySelectorAll('.drawer.open');
  if (!open.length) return;
  const hadFocus = [...open].some(drawer => drawer.contains(document.activeElement));
  for (const drawer of open) drawer.classList.remove('open');
  if (hadFocus) opener?.focus();
  opener = null;
}

document.addEventListener('keydown', event => {
  const drawer = document.querySelector('.drawer.open');
  if (!drawer) return;
  if (event.key === 'Escape') {
    closeDrawers();
    return;
  }
  if (event.key !== 'Tab') return;
  const all = reachable(drawer);
  const ends = event.shiftKey ? [all[0], all[all.length - 1]] : [all[all.length - 1], all[0]];
  if (drawer.contains(document.activeElement) && document.activeElement !== ends[0]) return;
  event.preventDefault();
  ends[1]?.focus();
});
