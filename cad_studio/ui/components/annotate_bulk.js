// The same change on every sample of a selection, in a window that says first how many it changes.

import {h, fill, turns} from './dom.js';
import {sheet} from './dialogs.js';

const WHAT = {
  add: 'Add a class to every set',
  remove: 'Remove a class from every set',
  set: 'Leave only one class in every set',
  tag: 'Put a tag on every sample',
  untag: 'Take a tag off every sample',
};

/** `ctx()` gives {names, classes, queue}; `preview(wanted)` counts what `act(wanted)` does. */
export function bulkSheet(ctx, preview, act) {
  return sheet('All samples of this selection', async body => {
    const {names, classes, queue} = ctx();
    const options = Object.entries(WHAT).map(([value, text]) => h('option', {value}, text));
    const what = h('select', {id: 'bulk-what', 'aria-label': 'What to do'}, ...options);
    const which = h('select', {id: 'bulk-class', 'aria-label': 'Class'},
      ...classes.map(index => h('option', {value: index}, names[index])));
    const tag = h('input.field', {type: 'text', id: 'bulk-tag', maxlength: 60, 'aria-label': 'Tag', hidden: true});
    const isTag = () => ['tag', 'untag'].includes(what.value);
    const skip = h('input', {type: 'checkbox', id: 'bulk-skip'});
    const words = h('p', {id: 'bulk-says', role: 'status'});
    const go = h('button.btn.primary', {type: 'button', id: 'bulk-do', disabled: true}, 'Do it');
    const ofClass = () => ({class: +which.value, ...(skip.checked ? {skip_last: true} : {})});
    const wanted = () => ({kind: what.value, arguments: isTag() ? {tag: tag.value} : ofClass(), queue});
    const turn = turns();
    async function look() {
      const isNewest = turn();
      which.hidden = isTag();
      tag.hidden = !isTag();
      go.disabled = true;
      if (isTag() && !tag.value.trim()) { words.textContent = ''; return; }
      const answer = await preview(wanted());
      if (!isNewest()) return;
      words.className = answer.error ? 'warn' : '';
      words.textContent = answer.error || answer.says;
      go.disabled = !!answer.error || !answer.changed;
    }
    tag.addEventListener('input', look);
    for (const each of [what, which, skip]) each.addEventListener('change', look);
    go.addEventListener('click', async () => { go.disabled = true; if (await act(wanted())) body.closest('dialog').close(); });
    fill(body, h('div.row', {}, what, which, tag),
      h('label.keys', {}, skip, 'Leave out samples that would lose their last candidate'), words,
      h('div.row', {}, go, h('span.quiet-text', {}, 'One step of undo takes all of it back.')));
    await look();
  });
}
