// A group of runs that differ in a few settings: mean and spread over its seeds, a line a choice.

import {h, table} from './dom.js';
import {ORACLE} from './train_words.js';

const MOST_DIGITS = 3;

const settingsOf = over => Object.entries(over).map(([name, value]) => `${name} ${value}`).join(', ') || 'all';

/** A mean and its spread over seeds, as the columns of the runs write the figure itself. */
function spread(told, {unit}) {
  if (!told) return '';
  const [factor, digits, sign] = unit === 'number' ? [1, MOST_DIGITS, ''] : [100, 1, ' %'];
  const sd = told.sd === null ? '' : ` ± ${(factor * told.sd).toFixed(digits)}`;
  return `${(factor * told.mean).toFixed(digits)}${sd}${sign}`;
}

/** The table of a group; null where nothing of it is finished. */
export function groupTable(group, figures) {
  const shown = figures.filter(each => each.head && group.choices.some(choice => choice.figures[each.key]));
  if (!shown.length) return h('p.quiet-text', {}, `No run of ${group.group} is finished yet.`);
  const head = each => h('span', {title: [each.about, each.oracle ? ORACLE : ''].filter(Boolean).join('. ')},
    each.head, each.oracle ? h('span.tag', {}, 'uses true labels') : null);
  const row = choice => h('tr', {},
    h('td', {}, settingsOf(choice.over)),
    h('td.number', {}, `${choice.n} / ${choice.n_runs}`),
    ...shown.map(each => h('td.number', {}, spread(choice.figures[each.key], each))));
  const body = h('tbody', {}, ...group.choices.map(row));
  return h('section', {id: 'run-group', data: {group: group.group}},
    h('p.quiet-text', {}, 'Mean and standard deviation over the finished runs of each choice of settings.'),
    h('div.scroll', {}, table(['Settings', 'Finished', ...shown.map(head)], body)));
}
