// The texts that editors are given for the classes: a table with versions.

import {h, fill, empty} from './dom.js';
import {fillOptions} from './form.js';
import {read, state, tell} from './store.js';
import {moment} from './train_words.js';

/** A table that owns its element; `ask(name, value)` calls the server, onSaved() after a change. */
export function createPrompts({ask, onSaved}) {
  const template = h('input.entry.long', {
    id: 'prompt-template', type: 'text', spellcheck: 'false', 'aria-label': 'Template', disabled: true, on: {input: typed},
  });
  const versions = h('select', {
    id: 'prompt-versions', 'aria-label': 'Versions', on: {change: () => { if (versions.value) restore(+versions.value); }},
  });
  const save = h('button.btn.primary.act', {type: 'button', id: 'prompt-save', on: {click: store}}, 'Save as a new version');
  const problem = h('p.field-error', {id: 'prompt-problem', role: 'alert', hidden: true});
  const rows = h('tbody');
  const table = h('div.scroll.prompts', {}, h('table.runs', {},
    h('thead', {}, h('tr', {}, h('th', {}, 'Class'), h('th', {}, 'Description'), h('th', {}, 'Prompt'))),
    rows));
  const body = h('div.gallery-body', {},
    h('div.tools', {}, h('label', {for: 'prompt-template'}, 'Template'), template, h('span.grow'), versions, save),
    h('p.quiet-text', {},
      '{class} and {description} are filled in. The bare class name is the paper’s way; detailed descriptions gained it 6.8 '
        + 'points on Oxford-IIIT Pet. The in-domain editor reads no text. Changing a prompt makes the edits of that class stale, '
        + 'and only those are made again.'),
    problem, table);
  const element = h('section.gallery-part', {'aria-label': 'Prompts'}, body);
  let shownOf = '';  // the dataset whose texts are in the table
  let unsaved = '';  // the dataset whose texts were changed and not saved yet

  const fields = () => [...rows.querySelectorAll('input')];
  const texts = () => Object.fromEntries(fields().map(field => [field.dataset.name, field.value]));

  function typed() {
    unsaved = state.dataset;
    preview();
  }

  function preview() {
    for (const field of fields()) {
      const text = template.value.replaceAll('{class}', field.dataset.name).replaceAll('{description}', field.value.trim());
      field.closest('tr').querySelector('.prompt').textContent = text.replace(/\s+/g, ' ').replace(/^[ ,;:-]+|[ ,;:-]+$/g, '')
        || field.dataset.name;
    }
  }

  function draw(found) {
    shownOf = state.dataset;
    template.disabled = false;
    unsaved = '';
    template.value = found.template;
    fillOptions(versions, [
      ['', found.number ? `version ${found.number}` : 'not edited yet'],
      ...found.versions.slice(1).map(each => [String(each.number), `back to version ${each.number}, ${moment(each.created_at)}`]),
    ]);
    fill(rows, ...found.rows.map(row => h('tr', {}, h('td', {}, row.name),
      h('td', {}, h('input.entry.long', {
        type: 'text', data: {name: row.name}, value: row.description, maxlength: '10000', placeholder: 'what it looks like',
        'aria-label': `Description of ${row.name}`, on: {input: typed},
      })),
      h('td.prompt-cell', {},
        h('span.prompt', {}, row.prompt),
        row.is_cut ? h('span.warn', {title: 'The text encoder reads about 60 words'}, ' · its end is not read') : null))));
    problem.hidden = true;
    element.dataset.version = found.number;
  }

  async function store() { await change('save', {dataset: state.dataset, template: template.value, descriptions: texts()}); }
  async function restore(number) { await change('restore', {dataset: state.dataset, number}); }
  async function change(name, value) {
    try {
      draw(await ask(name, value));
      onSaved();
    } catch (error) {
      problem.hidden = false;
      problem.textContent = error.message;
      versions.value = '';
    }
  }

  return {
    element,
    async load() {
      element.classList.toggle('read-only', state.readOnly);
      const {dataset} = state;
      if (shownOf !== dataset) {  // what is typed now would belong to another table
        template.disabled = true;
        fill(rows);
      }
      try {
        const found = await read(`/augment/${encodeURIComponent(state.dataset)}/prompts`);
        if (dataset === state.dataset && unsaved !== dataset) draw(found);
      } catch (error) { if (shownOf !== dataset) fill(rows, empty('No prompts', error.message)); tell(error); }
    },
  };
}
