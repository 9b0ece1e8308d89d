// Settings as fields, built from the description of a settings dataclass.

import {h, fill} from './dom.js';

/** batch_size -> "Batch size". */
export const words = name => { const text = name.replace(/_/g, ' '); return text[0].toUpperCase() + text.slice(1); };

/** A default or a stored value as it would be typed. */
export const typed = value => (value === null || value === undefined ? '' : String(value));

/** What a number field holds: {value}, or {error} in words; null where empty is allowed. */
export function readNumber(text, {name, label = words(name), type, optional = false, minimum = null, maximum = null}) {
  const clean = text.trim().replace(',', '.');
  if (!clean) return optional ? {value: null} : {error: `${label} is empty; expected a number.`};
  const value = Number(clean);
  if (!Number.isFinite(value)) return {error: `${label} is "${text.trim()}"; expected a number.`};
  if (type === 'int' && !Number.isInteger(value)) return {error: `${label} is ${clean}; expected a whole number.`};
  if (minimum !== null && value < minimum) return {error: `${label} is ${clean}; the least is ${typed(minimum)}.`};
  if (maximum !== null && value > maximum) return {error: `${label} is ${clean}; the most is ${typed(maximum)}.`};
  return {value};
}

/**
 * One field that owns its element.
 *
 * `read()` gives {value} or {error}; `set(value)` fills it; `isChanged()` tells it from its default.
 */
export function createField(about, {prefix, onChange, label = about.label, help = about.help}) {
  const id = `${prefix}-${about.name.replace(/_/g, '-')}`;
  const wrong = h('p.field-error', {id: `${id}-error`, role: 'alert', hidden: true});
  const input = inputOf(about, id);
  input.setAttribute('aria-describedby', `${id}-help ${id}-error`);
  const offered = about.suggestions ? h('datalist', {id: `${id}-offered`}, ...about.suggestions.map(value => h('option', {value}))) : null;
  if (offered) input.setAttribute('list', offered.id);
  const hint = h('p.help', {id: `${id}-help`}, help);
  const element = h('div.setting', {data: {setting: about.name}},
    h('label', {for: id}, label, h('i.changed', {title: `Changed; the default is ${typed(about.default) || 'empty'}`})),
    input, offered, hint, wrong);

  function read() {
    if (about.type === 'bool') return {value: input.checked};
    if (about.type === 'choice') return {
      value: input.value === '' && about.optional ? null : about.choices.find(each => String(each) === input.value),
    };
    if (about.type === 'str') return {value: input.value === '' && about.optional ? null : input.value};
    return readNumber(input.value, about);
  }
  const isChanged = () => { const {value, error} = read(); return !!error || value !== (about.default ?? null); };
  function check() {
    const {error} = read();
    wrong.hidden = !error;
    wrong.textContent = error || '';
    input.setAttribute('aria-invalid', String(!!error));
    element.classList.toggle('is-changed', isChanged());
    return error || null;
  }
  function set(value) {
    if (about.type === 'bool') input.checked = !!value; else input.value = typed(value);
    check();
  }
  input.addEventListener('input', () => { check(); onChange(); });
  set(about.default);
  return {name: about.name, element, input, read, set, check, isChanged, reset: () => set(about.default)};
}

function inputOf(about, id) {
  if (about.type === 'bool') return h('input', {type: 'checkbox', id});
  if (about.type === 'choice')
    return h('select', {id},
      about.optional ? h('option', {value: ''}, 'automatic') : null,
      ...about.choices.map(each => h('option', {value: each}, String(each))));
  const numeric = about.type !== 'str';
  return h('input.entry', {type: 'text', id, autocomplete: 'off', spellcheck: 'false', class: `entry ${numeric ? 'number' : ''}`,
    inputmode: numeric ? 'decimal' : null, placeholder: about.optional ? 'automatic' : about.suggestions?.[0]});
}

/** Many fields under one title, folded; those marked advanced are folded once more. */
export function createGroup(title, fields, advanced = _name => false) {
  const tally = h('span.num');
  const rare = fields.filter(field => advanced(field.name));
  const usual = fields.filter(field => !rare.includes(field));
  const element = h('details.group', {}, h('summary', {}, h('span.grow', {}, title), tally),
    ...usual.map(field => field.element),
    rare.length ? h('details.group', {}, h('summary', {}, 'Rarely needed'), ...rare.map(field => field.element)) : null);
  const note = () => {
    const changed = fields.filter(field => field.isChanged()).length;
    tally.textContent = changed ? `${changed} changed` : '';
  };
  note();
  return {title, element, fields, note};
}

/** The changed values of fields by name; throws the first error, with its field as `field`. */
export function changedValues(fields) {
  const values = {};
  for (const field of fields) {
    const {value, error} = field.read();
    if (error) throw Object.assign(new Error(error), {field});
    if (field.isChanged()) values[field.name] = value;
  }
  return values;
}

/** Bring a field to the eye and the hand, opening what it is folded into. */
export function showField(field) {
  field.check();
  for (let at = field.element.parentElement; at; at = at.parentElement) if (at.tagName === 'DETAILS') at.open = true;
  field.input.focus();
}

/** Two or three choices side by side, one pressed. */
export function createSwitch(label, choices, onPick) {
  const buttons = choices.map(([value, text, id]) => h('button.btn', {
    type: 'button', id, data: {value}, 'aria-pressed': 'false', on: {click: () => { show(value); onPick(value); }},
  }, text));
  const element = h('div.switch', {role: 'group', 'aria-label': label}, ...buttons);
  const show = value => { for (const each of buttons) each.setAttribute('aria-pressed', String(each.dataset.value === value)); };
  show(choices[0][0]);
  return {element, show};
}

/** Options of a select anew, keeping what is chosen where it is still there. */
export function fillOptions(select, options) {
  const before = select.value;
  fill(select, ...options.map(([value, text, disabled = false, title = '']) => h('option', {value, disabled, title: title || null}, text)));
  if (options.some(([value]) => value === before)) select.value = before;
}
