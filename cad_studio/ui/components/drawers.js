// Forms that slide in from the right: dialogs that keep the focus and give it back.

const FIRST = 'textarea, input:not([type=file]), select, button';

let opener = null;
const drawers = new Map();  // id -> {element, prepare}
const awaited = new Map();  // id -> what to do when that drawer is there

const reachable = drawer =>
  [...drawer.querySelectorAll('button, input, textarea, select, a[href], summary, [tabindex="0"]')].filter(
    each => !each.disabled && each.offsetParent !== null && each.tabIndex >= 0
  );

/** Let a form be opened by the id of its element; `prepare()` makes its fields, once it is opened. */
export function addDrawer(element, prepare) {
  drawers.set(element.id, {element, prepare});
  document.body.append(element);
  awaited.get(element.id)?.();
}

/** Open a form, also one whose page is still to be drawn; focus goes to its first field. */
export async function openDrawer(id) {
  closeDrawers();
  if (!drawers.has(id)) await new Promise(done => awaited.set(id, done));
  const {element, prepare} = drawers.get(id);
  opener = document.activeElement;
  element.classList.add('open');
  await prepare();
  if (element.classList.contains('open')) element.querySelector(FIRST).focus();
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
