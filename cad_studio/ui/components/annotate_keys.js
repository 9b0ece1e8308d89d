// Which key does what on the Annotate page; every one can be changed, and all can be switched off.

import {h, fill} from './dom.js';
import {change, state} from './store.js';

/** Name of each command, its first key, and what it does. */
export const COMMANDS = [
  ['accept', 'Enter', 'Pair: A is the first class, B the second'],
  ['reverse', 'x', 'Pair: the other way round; of two decided samples, swap the labels'],
  ['same', 's', 'Pair: same class, keep what both sets hold'],
  ['none', 'n', 'None of these: the set is wrong'],
  ['find', 'i', 'Choose a candidate by name; with more than ten, the way to all of them'],
  ['add', '/', 'Add a class by search'],
  ['skip', 'l', 'Leave it to someone else'],
  ['flag', 'f', 'Flag, or take the flag away'],
  ['comment', 'c', 'Comment'],
  ['undo', 'u', 'Undo'],
  ['redo', 'r', 'Redo'],
  ['model', 'm', 'Show what the neighbours and the newest model suggest'],
  ['next', 'j', 'Next, without deciding'],
  ['previous', 'k', 'Previous'],
  ['side', 'b', 'Pair: the other side, for adding and flagging'],
  ['closer', '+', 'Zoom in; the arrow keys then move the part that is seen'],
  ['further', '-', 'Zoom out'],
  ['brighter', 'w', 'Brighter'],
  ['darker', 'q', 'Darker'],
  ['sharper', 'e', 'More contrast'],
  ['flatter', 'd', 'Less contrast'],
  ['plain', 'z', 'The image as it is'],
];

const place = 'cad-annotate-keys';
let own = {};
try { own = JSON.parse(localStorage.getItem(place) || '{}'); } catch { own = {}; }

/** The key of a command now. */
export const keyOf = command => own[command] ?? COMMANDS.find(each => each[0] === command)[1];

/** A key as it is printed. */
export const shownKey = key =>
  ({Enter: '↵', ' ': 'space', ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓'}[key] || key);

/** Run `run(command, event)` for command keys and `digit(number, event)` for 1 to 9 and 0 (as 10). */
export function listen(element, run, digit) {
  document.addEventListener('keydown', event => {
    if (!state.keys || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest('input:not([type=checkbox]), textarea, select, [contenteditable=true], .drawer, dialog')) return;
    if (!element.isConnected || element.offsetParent === null) return;
    const found = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
    if (found) { if (!event.repeat && digit(+found[1] || 10, event)) event.preventDefault(); return; }
    if (event.key === 'Enter' && event.target.closest('button, a, summary') && keyOf('accept') === 'Enter') return;
    const command = COMMANDS.find(([name]) => keyOf(name) === event.key)?.[0] || (event.key === 'Escape' ? 'escape' : null);
    if (command && run(command, event)) event.preventDefault();
  });
}

/** The list of keys, each to be changed; `onChange()` when one was. */
export function keysDialog(onChange) {
  const list = h('ul.key-list');
  const words = h('p.quiet-text', {role: 'status'},
    'Digits: the candidate with that number, 0 the tenth. Shift and a digit: add or remove that candidate.');
  const dialog = h('dialog.sheet', {'aria-label': 'Keys'},
    h('div.row', {},
      h('h1.grow', {}, 'Keys'),
      h('button.quiet', {type: 'button', on: {click: () => dialog.close()}}, 'Close', h('kbd', {}, 'esc'))),
    h('label.keys', {}, h('input', {type: 'checkbox', id: 'annotate-keys-on', on: {change: event => {
      change({keys: event.target.checked}); localStorage.setItem('cad-keys', state.keys ? 'on' : 'off'); onChange();
    }}}), 'Single keys act on the page'),
    words, list,
    h('div.row', {}, h('button.btn', {type: 'button', on: {click: () => { own = {}; save(); }}}, 'Back to the first keys')));

  function save() {
    localStorage.setItem(place, JSON.stringify(own));
    draw();
    onChange();
  }

  function draw() {
    dialog.querySelector('#annotate-keys-on').checked = state.keys;
    fill(list, ...COMMANDS.map(([name, , says]) => h('li.row', {}, h('span.grow', {}, says), h('kbd', {}, shownKey(keyOf(name))),
      h('button.quiet', {
        type: 'button', 'aria-label': `Change the key for: ${says}`, on: {click: event => catchKey(name, event.target)},
      }, 'Change'))));
  }

  function catchKey(name, button) {
    words.textContent = 'Press the new key; Escape leaves it as it is.';
    const take = event => {
      event.preventDefault();
      event.stopPropagation();
      if (['Shift', 'Control', 'Alt', 'Meta'].includes(event.key)) return;
      dialog.removeEventListener('keydown', take, true);
      if (event.key === 'Escape' || event.key === 'Tab') { words.textContent = 'Left as it was.'; return; }
      const other = COMMANDS.find(([each]) => each !== name && keyOf(each) === event.key);
      if (other || /^\d$/.test(event.key)) {
        words.textContent = other ? `${shownKey(event.key)} is taken by: ${other[2]}.` : 'Digits choose candidates.';
        return;
      }
      own[name] = event.key;
      words.textContent = `Now ${shownKey(event.key)}.`;
      save();
      [...list.children][COMMANDS.findIndex(each => each[0] === name)].querySelector('button').focus();
    };
    button.blur();
    dialog.setAttribute('tabindex', '-1');
    dialog.focus();
    dialog.addEventListener('keydown', take, true);
  }

  draw();
  return dialog;
}
