// The slices view: a run's figures for each value of a field, and the way into one of them.

import {h, fill, count} from './dom.js';
import {conditionText} from './dataset_fields.js';
import {read, tell} from './store.js';
import {ORACLE} from './train_words.js';

const share = value => (value === null ? 'n/a' : `${(100 * value).toFixed(1)} %`);

/**
 * `about` tells which fields there are; `onSlice(condition)` narrows the whole page to one value.
 * @param {Diagnosed} shared
 * @param {any} [onSlice]
 */
export function createSlicesView(shared, onSlice) {
  const field = h('select', {id: 'slices-field', 'aria-label': 'Field', on: {change: () => draw(true)}});
  const table = h('table.plain', {id: 'slices-table'});
  const about = h('p.quiet-text', {});
  const by = h('div.row', {}, h('span.quiet-text', {}, 'By'), field);
  const element = h('div.slices-view', {}, by, h('section.scroll', {}, table, about));
  let shownFor = '';

  function fields(described) {
    const names = [
      ...described.fields.filter(each => each.kind !== 'text').map(each => each.name),
      ...(described.tags.length ? ['tag'] : []),
    ];
    const before = field.value;
    fill(field, ...names.map(name => h('option', {value: name}, name === 'tag' ? 'Tag' : name)));
    if (names.includes(before)) field.value = before;
    return names;
  }

  async function draw(anew = false) {
    if (element.hidden || !shared.about) return;
    const names = fields(shared.fields);
    by.hidden = !names.length;
    if (!names.length) {
      fill(table);
      about.textContent = 'This dataset has no fields: further columns of a table that is imported become fields, and tags are put '
        + 'on the Dataset page.';
      element.dataset.shown = 'none';
      return;
    }
    const base = shared.about.split.split('?')[0];
    const key = `${shared.token()}-${field.value}-${base}`;
    if (key === shownFor && !anew) return;
    try {
      const found = await read(`${shared.base()}/slices`, {field: field.value, split: base});
      shownFor = key;
      drawTable(found);
      element.dataset.shown = `${found.field}-${found.split}`;
    } catch (error) { tell(error); }
  }

  function drawTable({field: name, split, slices, by_truth: byTruth}) {
    const accuracy = ['Accuracy', h('span.tag', {title: ORACLE}, 'uses true labels')];
    const titles = ['Samples', ...(byTruth ? [accuracy] : []), 'Answer is a candidate', 'Confidence', 'Suspects'];
    fill(table, h('thead', {}, h('tr', {}, h('th', {}, name === 'tag' ? 'Tag' : name), ...titles.map(text => h('th.number', {}, text)))),
      h('tbody', {}, ...slices.map(each => h('tr', {data: {value: each.value}},
        h('td', {},
          each.condition === null
            ? each.value
            : h('button.link', {
              type: 'button', dir: 'auto', title: `${each.value}. Show everything on this page for these samples alone`,
              on: {click: () => onSlice(each.condition)},
            }, each.value)),
        h('td.number', {}, count(each.n)),
        byTruth ? h('td.number', {title: `of ${count(each.n_known)} with a known true label`}, share(each.accuracy)) : null,
        h('td.number', {}, share(each.covering_rate)),
        h('td.number', {}, share(each.confidence)),
        h('td.number', {}, each.suspects === null ? '' : count(each.suspects))))));
    about.textContent = `Samples of ${split}; suspects are counted among all samples of a value. Numbers and dates are put into `
      + 'bins of about as many samples each. Click a value to narrow the matrices, the classes and the suspects to it.';
  }

  return {element, draw: () => draw()};
}

/** The choice of one slice for the whole page: every value of every field with few of them. */
export function sliceOptions({fields, tags}) {
  const options = [h('option', {value: ''}, 'every value')];
  for (const each of fields) {
    if (!each.values.length || each.kind === 'text') continue;
    options.push(h('optgroup', {label: each.name}, ...each.values.slice(0, 50).map(([value, n]) =>
      h('option', {value: `${each.name}=${value}`}, `${value} · ${count(n)}`))));
  }
  if (tags.length) {
    options.push(h('optgroup', {label: 'Tag'}, ...tags.map(({name, n}) =>
      h('option', {value: `tag=${name}`}, `${name} · ${count(n)}`))));
  }
  return options;
}

/** An option for a condition that is not listed, such as a range. */
export const conditionOption = condition => h('option', {value: condition}, conditionText(condition));
