// Find a class by typing; arrows and Enter choose, Escape leaves.

import {h, fill} from './dom.js';
import {colour} from './chips.js';

/**
 * A small window over the page. `ask({title, note, classes, names, unknown})` resolves to a class index,
 * to 'unknown' where that is offered, or to null.
 */
export function createSearch(prefix = 'annotate') {
  const title = h('h2');
  const note = h('p.quiet-text');
  const input = h('input.field', {
    type: 'text', role: 'combobox', 'aria-expanded': 'true', 'aria-controls': `${prefix}-found`, 'aria-label': 'Class',
    autocomplete: 'off', spellcheck: 'false', placeholder: 'Type a class',
  });
  const list = h('ul.found', {id: `${prefix}-found`, role: 'listbox'});
  const element = h('dialog.sheet.search', {'aria-label': 'Choose a class'}, title, note, input, list);
  let asked = null;
  let choices = [];
  let at = 0;

  function draw() {
    const text = input.value.trim().toLowerCase();
    const hits = asked.classes.map(index => [index, asked.names[index].toLowerCase()])
      .filter(([, name]) => name.includes(text)).sort((a, b) => Number(b[1].startsWith(text)) - Number(a[1].startsWith(text)));
    choices = hits.slice(0, 200).map(([index]) => index);
    if (asked.unknown && !text) choices.unshift('unknown');
    at = Math.min(at, Math.max(0, choices.length - 1));
    fill(list,
      ...choices.map((choice, place) => h('li', {
        role: 'option', id: `${prefix}-found-${place}`, 'aria-selected': String(place === at), on: {click: () => end(choice)},
      },
        choice === 'unknown' ? asked.unknown : [h('i.square', {style: {'--k': colour(choice)}}), asked.names[choice]])),
      choices.length ? null : h('li.quiet-text', {}, 'No class has this in its name.'));
    input.setAttribute('aria-activedescendant', `${prefix}-found-${at}`);
    list.children[at]?.scrollIntoView?.({block: 'nearest'});
  }

  function end(choice) {
    const {resolve} = asked;
    element.close();
    asked = null;
    resolve(choice);
  }

  input.addEventListener('input', () => { at = 0; draw(); });
  input.addEventListener('keydown', event => {
    const by = {ArrowDown: 1, ArrowUp: -1}[event.key];
    if (by) { event.preventDefault(); at = Math.min(choices.length - 1, Math.max(0, at + by)); draw(); }
    if (event.key === 'Enter') { event.preventDefault(); if (choices.length) end(choices[at]); }
  });
  element.addEventListener('close', () => { if (asked) { asked.resolve(null); asked = null; } });

  return {
    element,
    ask(question) {
      return new Promise(resolve => {
        asked = {...question, resolve};
        at = 0;
        title.textContent = question.title;
        note.textContent = question.note || '';
        input.value = '';
        draw();
        element.showModal();
        input.focus();
      });
    },
  };
}
