// What sits in the sets of each class: the most frequent distractor where true labels are known,
// else what is held together most often, which is not the same.

import {h, fill, counted} from './dom.js';

const SHOWN = 12;
const percent = share => `${(100 * share).toFixed(1)} %`;

/** Which table is shown, in words and rows [class, other, shares...], the largest share first. */
export function distractorTable({worst_distractor: worst, held_together: together}) {
  const found = worst || together;
  const rows = found.classes.filter(row => row.share !== null).sort((a, b) => b.share - a.share);
  return worst ? {
    title: 'Most frequent distractor', hint: 'uses true labels', columns: ['Class', 'Distractor', 'In its sets'],
    rows: rows.map(row => [row.class, row.distractor, row.share]),
    text: rows.length
      ? `${percent(worst.carrying)} of the samples carry one that at least ${Math.round(100 * worst.threshold)} % of their class carry.`
      : 'No set holds more than the true label.',
    limit: worst.threshold,
  } : {
    title: 'Held together most often', hint: 'by the sets alone', columns: ['Class', 'Other', 'Other in its sets', 'It in the other\'s'],
    rows: rows.map(row => [row.class, row.other, row.share, row.back]),
    text: rows.length ? together.about : 'No set holds two classes.', limit: 1,
  };
}

/** A panel that owns its element; onPair(name, other) opens the samples that hold both. */
export function createDistractors(onPair) {
  const title = h('h2.grow', {});
  const hint = h('span.num', {});
  const table = h('table.plain.distractors', {id: 'dataset-distractors'});
  const text = h('p.quiet-text', {});
  const element = h('section.panel-part', {}, h('div.row', {}, title, hint), table, text);
  return {
    element,
    show(about) {
      const shown = distractorTable(about);
      title.textContent = shown.title;
      hint.textContent = shown.hint;
      const left = shown.rows.length - SHOWN;
      text.textContent = (left > 0 ? `${counted(left, 'more class', 'more classes')}: describe --json lists all. ` : '') + shown.text;
      table.hidden = !shown.rows.length;
      fill(table,
        h('thead', {}, h('tr', {}, ...shown.columns.map((name, at) => h('th', {class: at > 1 ? 'number' : ''}, name)))),
        h('tbody', {}, ...shown.rows.slice(0, SHOWN).map(([name, other, ...shares]) => h('tr', {},
          h('td', {}, h('button.link-cell', {
            type: 'button', dir: 'auto', title: `Samples whose set holds ${name} and ${other}`, on: {click: () => onPair(name, other)},
          }, name)),
          h('td', {dir: 'auto', title: other}, other),
          ...shares.map(share => h('td', {class: `number${share > shown.limit ? ' warn' : ''}`}, percent(share)))))));
    },
  };
}
