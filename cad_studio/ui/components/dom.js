// Small tools for building elements. Text from data only ever becomes text nodes or attributes.

/**
 * Make an element: h('button.primary', {type: 'button', on: {click}}, 'Next', h('kbd', {}, 'j')).
 * Null, undefined and false children and attributes are left out.
 */
export function h(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const element = document.createElement(name || 'div');
  if (classes.length) element.className = classes.join(' ');
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === 'on') for (const [event, run] of Object.entries(value)) element.addEventListener(event, run);
    else if (key === 'style') for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    else if (key === 'data') Object.assign(element.dataset, value);
    else if (key === 'value') element.value = value;
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

/** Put children into an element in place of what it held; null and false ones are left out. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
}

const whole = new Intl.NumberFormat('en-US');

/** 12345 -> "12,345". */
export const count = number => whole.format(number);

/** A count and its noun: "1 pair", "2 pairs". */
export const counted = (number, one, many = one + 's') => `${count(number)} ${number === 1 ? one : many}`;

const signs = new Intl.Segmenter();

/** The first characters of a text as a reader counts them: an emoji of several code points is one. */
export const firstSigns = (text, n) => [...signs.segment(text)].slice(0, n).map(each => each.segment).join('');

/** 0.9612 -> "96.1 %"; close to the ends it keeps the digits that matter. */
export function percent(share) {
  if (share === 0 || share === 1) return `${share * 100} %`;
  const distance = Math.min(share, 1 - share);
  const digits = distance >= 0.1 ? 0 : Math.min(3, Math.max(1, Math.ceil(-Math.log10(distance)) - 1));
  const factor = 10 ** digits;
  // nearly all is never shown as all, nor hardly any as none
  const rounded = Math.min(100 - 1 / factor, Math.max(1 / factor, Math.round(share * 100 * factor) / factor));
  return `${rounded.toFixed(digits)} %`;
}

/** A function that runs only when it has not been called again for some milliseconds. */
export function debounced(run, milliseconds) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...args), milliseconds);
  };
}

/** Let a button with a key say something, whole in its title where it is cut. */
export function says(button, text) {
  button.firstChild.textContent = text;
  button.firstChild.title = text;
}

/** Begin a turn of asking with each call; what it gives tells whether that turn is still the newest one.
 *  An answer that was overtaken by a later question is not shown. */
export function turns() {
  let newest = 0;
  return () => {
    const mine = ++newest;
    return () => mine === newest;
  };
}

/** What stands where content will be: what is missing and what to do next. */
export function empty(title, text, ...actions) {
  return h('div.empty', {}, h('h2', {}, title), h('p', {}, text), actions.length ? h('div.row', {}, ...actions) : null);
}

/** A table: heads (texts or elements) over a `tbody`; `isNumber(at)`: whether a column holds numbers. */
export function table(heads, body, isNumber = _at => false) {
  const cells = heads.map((head, at) => h('th', {class: isNumber(at) ? 'number' : null}, head));
  return h('table.runs', {}, h('thead', {}, h('tr', {}, ...cells)), body);
}

/**
 * Tell the user in passing, where the next step stands, so that nothing is covered; errors stay
 * longer, and those that must be read stay until closed.
 */
export function toast(text, kind = 'note', stays = false) {
  const old = document.querySelector('.cad-toast');
  if (old) old.remove();
  const note = h('div.cad-toast', {role: kind === 'error' ? 'alert' : 'status', data: {kind}}, text,
    h('button.quiet', {type: 'button', 'aria-label': 'Close', on: {click: () => note.remove()}}, 'Close'));
  (document.querySelector('#way .told') || document.body).append(note);
  if (!stays) setTimeout(() => note.remove(), kind === 'error' ? 12000 : 4000);
}
