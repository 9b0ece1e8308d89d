// A comment on the sample that is shown: Enter saves it, Escape leaves it.

import {h, toast} from './dom.js';

const MOST = 10000;

/** Owns its element; `onSave(text)` is told of a comment. */
export function createNote(onSave) {
  const note = h('textarea.field', {
    id: 'annotate-note', rows: 2, 'aria-label': 'Comment',
    placeholder: 'Comment on this sample; Enter saves, Shift and Enter makes a new line',
  });
  const element = h('div.note-box', {hidden: true},
    note,
    h('button.btn.primary', {type: 'button', id: 'annotate-note-save', on: {click: save}}, 'Save comment'),
    h('button.btn', {type: 'button', on: {click: close}}, 'Leave', h('kbd', {}, 'esc')));

  function save() {
    const text = note.value.trim();
    if (!text) return;
    if (text.length > MOST) {
      toast(`The comment has ${text.length} characters; the most is ${MOST}. Shorten it, or keep the long text elsewhere.`, 'error');
      return;
    }
    close();
    onSave(text);
  }

  function close() {
    note.value = '';
    note.blur();
    element.hidden = true;
  }

  note.addEventListener('keydown', event => {
    if (event.key === 'Enter' && !event.shiftKey) { event.preventDefault(); save(); }
    if (event.key === 'Escape') close();
  });

  return {element, close, open() { element.hidden = false; note.focus(); }};
}
