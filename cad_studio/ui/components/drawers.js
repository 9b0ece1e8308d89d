// Forms that slide in from the right: dialogs that keep the focus and give it back.

const FIRST = 'textarea, input:not([type=file]), select, button';

let opener = null;
const drawers = new Map();  // id -> {element, prepare}
const awaited = new Map();  // id -> what to do when that drawer is there

const isSeen = element => !!element && element.isConnected && element.offsetParent !== null;
const reachable = drawer =>
  [...drawer.querySelectorAll('button, input, textarea, select, a[href], summary, [tabindex="0"]')].filter(
    each => !each.disabled && isSeen(each) && each.tabIndex >= 0
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

/** Close a form, or whichever is open; what opened it has the focus again, or the link of the page. */
export function closeDrawers(only = null) {
  const open = [...document.querySelectorAll('.drawer.open')].filter(each => !only || each === only);
  if (!open.length) return;
  const hadFocus = open.some(drawer => drawer.contains(document.activeElement));
  for (const drawer of open) drawer.classList.remove('open');
  if (hadFocus) (isSeen(opener) ? opener : document.querySelector('[id^=page-link-][aria-current=page]'))?.focus();
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
