// Forms that slide in from the right: dialogs that keep the focus and give it back.

let opener = null;

const reachable = drawer =>
  [...drawer.querySelectorAll('button, input, textarea, select, a[href], summary, [tabindex="0"]')].filter(
    each => !each.disabled && each.offsetParent !== null && each.tabIndex >= 0
  );

/** Open a form; focus goes to its first field. */
export function openDrawer(id) {
  closeDrawers();
  const drawer = document.getElementById(id);
  if (!drawer) return;
  opener = document.activeElement;
  drawer.setAttribute('role', 'dialog');
  drawer.setAttribute('aria-modal', 'true');
  drawer.setAttribute('aria-label', drawer.querySelector('h2')?.textContent || id);
  drawer.classList.add('open');
  drawer.querySelector('textarea, input:not([role=combobox]), button')?.focus(); // a dropdown would open over the form
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
