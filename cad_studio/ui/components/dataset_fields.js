// Fields and tags on the Dataset page: a condition of the filter, and tags put on what is filtered.

import {h, fill, count, counted} from './dom.js';

const MOST_LISTED = 200;

/** `camera=north` in words. */
export const conditionText = condition => {
  const at = condition.indexOf('=');
  const [name, value] = [condition.slice(0, at), condition.slice(at + 1)];
  return value ? `${name} ${value.includes('..') ? value.replace('..', ' to ') : `is ${value}`}` : `no ${name}`;
};

/** A field, and its value or range; `onAdd(condition)` is told of what was chosen. */
export function createFieldFilter(onAdd) {
  const field = h('select', {id: 'dataset-field', 'aria-label': 'Field', on: {change: drawValues}});
  const value = h('select', {id: 'dataset-value', 'aria-label': 'Value', on: {change: () => { if (value.value) onAdd(value.value); }}});
  const range = h('input.field', {
    type: 'text', id: 'dataset-range', 'aria-label': 'Value or range',
    on: {change: () => { if (range.value.trim()) onAdd(`${field.value}=${range.value.trim()}`); range.value = ''; }},
  });
  const element = h('span.fields', {hidden: true}, field, value, range);
  let known = [];

  function drawValues() {
    const chosen = known.find(each => each.name === field.value);
    value.hidden = !chosen || !chosen.values.length;
    range.hidden = !chosen || !!chosen.values.length;
    if (!chosen) return;
    range.placeholder = `${chosen.low}..${chosen.high}`;
    range.title = `${chosen.name}: a value, or a range such as ${chosen.low}..${chosen.high}; ..${chosen.high} has no lower end`;
    fill(value,
      h('option', {value: ''}, `Any ${chosen.name}`),
      ...chosen.values.slice(0, MOST_LISTED).map(([text, n]) => h('option', {value: `${chosen.name}=${text}`}, `${text} · ${count(n)}`)),
      chosen.missing ? h('option', {value: `${chosen.name}=`}, `none · ${count(chosen.missing)}`) : null);
  }

  return {
    element,
    show(about) {
      known = about.fields.map(each => ({...each, missing: about.n - each.known}));
      if (about.tags.length) known.push({name: 'tag', values: about.tags.map(each => [each.name, each.n]), missing: 0});
      element.hidden = !known.length;
      const before = field.value;
      fill(field,
        h('option', {value: ''}, 'Any field'),
        ...known.map(each => h('option', {value: each.name}, each.name === 'tag' ? 'Tag' : each.name)));
      field.value = known.some(each => each.name === before) ? before : '';
      drawValues();
    },
    /** After a condition was added the list stands at "any" again. */
    reset() { value.value = ''; },
  };
}

/** What one sample has: a line for each field, and its tags. */
export function ownFields({fields, tags}) {
  const lines = Object.entries(fields || {});
  if (!lines.length && !tags?.length) return null;
  return h('section', {'aria-label': 'Fields'},
    ...lines.map(([name, value]) => h('div.fact', {}, h('span', {}, name), h('b', {title: String(value)}, String(value)))),
    tags?.length ? h('div.pills', {}, ...tags.map(tag => h('span.pill', {}, tag))) : null);
}

/** Put a tag on the samples of a filter, or take it off. `act({tag, off})` answers {changed} or {error}. */
export function tagDialog(act) {
  const name = h('input.field', {type: 'text', id: 'dataset-tag-name', maxlength: 60, 'aria-label': 'Tag', list: 'dataset-tag-known'});
  const known = h('datalist', {id: 'dataset-tag-known'});
  const about = h('p', {});
  const says = h('p.warn', {role: 'status', hidden: true});
  const run = async off => {
    const answer = await act({tag: name.value, off});
    says.hidden = !answer.error;
    says.textContent = answer.error || '';
    if (!answer.error) element.close();
  };
  const element = h('dialog.sheet.small', {'aria-label': 'Tag samples'}, h('h1', {}, 'Tag samples'), about, name, known, says,
    h('div.row', {}, h('button.btn', {type: 'button', on: {click: () => element.close()}}, 'Cancel'), h('span.grow'),
      h('button.btn', {type: 'button', id: 'dataset-tag-off', on: {click: () => run(true)}}, 'Take the tag off'),
      h('button.btn.primary', {type: 'button', id: 'dataset-tag-on', on: {click: () => run(false)}}, 'Put the tag on')));
  return {element, open(n, tags) {
    about.textContent = `${counted(n, 'sample')} of this filter. One undo takes it back.`;
    fill(known, ...tags.map(each => h('option', {value: each.name})));
    says.hidden = true;
    element.showModal();
  }};
}
