// Classes renamed, merged, removed: what is to happen, how many samples it touches, then one step of undo.

import {h, fill, turns} from './dom.js';
import {colour} from './chips.js';
import {sheet} from './dialogs.js';

const KINDS = [['rename-class', 'Rename it'], ['merge-class', 'Merge it into another'], ['remove-class', 'Remove it from every set']];

/** `preview(wanted)` tells what would follow, `act(wanted)` does it and resolves to whether it was done. */
export function classSheet(ctx, preview, act) {
  return sheet('Classes', async body => {
    const {names, classes, merged, removed} = ctx();
    const options = () => classes.map(index => h('option', {value: index}, names[index]));
    const which = h('select', {id: 'class-which'}, ...options());
    const what = h('select', {id: 'class-what'}, ...KINDS.map(([value, text]) => h('option', {value}, text)));
    const name = h('input.field', {type: 'text', id: 'class-name', maxlength: 200, autocomplete: 'off', spellcheck: 'false'});
    const into = h('select', {id: 'class-into'});
    const says = h('p.class-says', {id: 'class-says', role: 'status'});
    const go = h('button.btn.primary', {type: 'submit', id: 'class-do', disabled: true}, 'Rename');
    const line = (text, field) => h('label.class-line', {}, h('span', {}, text), field);
    const nameLine = line('New name', name), intoLine = line('Into', into);
    const turn = turns();

    const wanted = () => ({
      kind: what.value,
      arguments: {
        class: +which.value,
        ...(what.value === 'rename-class' ? {name: name.value} : what.value === 'merge-class' ? {into: +into.value} : {}),
      },
    });

    async function look() {
      const isNewest = turn();
      go.disabled = true;
      if (what.value === 'rename-class' && [names[+which.value], ''].includes(name.value.trim())) {
        says.className = 'class-says';
        says.textContent = 'Type another name.';
        return;
      }
      if (what.value === 'merge-class' && into.value === '') {
        says.className = 'class-says';
        says.textContent = 'Choose the class that takes its place.';
        return;
      }
      const answer = await preview(wanted());
      if (!isNewest()) return;
      says.className = answer.error ? 'class-says warn' : 'class-says';
      says.textContent = answer.error || answer.says;
      go.disabled = !!answer.error;
    }

    function draw() {
      nameLine.hidden = what.value !== 'rename-class';
      intoLine.hidden = what.value !== 'merge-class';
      go.textContent = {'rename-class': 'Rename', 'merge-class': 'Merge', 'remove-class': 'Remove'}[what.value];
      name.value = names[+which.value];
      const chosen = into.value;
      fill(into, h('option', {value: ''}, 'Choose a class'), ...options().filter(option => option.value !== which.value));
      into.value = chosen === which.value ? '' : chosen;
      look();
    }

    which.addEventListener('change', draw);
    what.addEventListener('change', draw);
    into.addEventListener('change', look);
    name.addEventListener('input', look);
    const form = h('form.class-form', {on: {submit: async event => {
      event.preventDefault();
      if (go.disabled) return;
      go.disabled = true;
      if (await act(wanted())) body.closest('dialog').close(); else look();
    }}}, line('Class', which), line('What shall happen', what), nameLine, intoLine, says,
    h('div.row', {}, go, h('span.quiet-text', {}, 'One step of undo takes it back.')));
    const gone = [
      ...merged.map(([one, other]) => `${names[one]} was merged into ${names[other]}`),
      ...removed.map(index => `${names[index]} was removed`),
    ];
    fill(body, form,
      h('p.class-list', {'aria-label': 'Classes now'}, ...classes.map(index => h('span.pill', {},
        h('i.square', {style: {'--k': colour(index)}}),
        names[index]))),
      gone.length ? h('ul.plain', {'aria-label': 'What became of the others'}, ...gone.map(text => h('li', {}, text))) : null);
    draw();
    which.focus();
  });
}
