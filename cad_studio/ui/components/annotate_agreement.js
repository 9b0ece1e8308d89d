// How far the annotators agree, and how reliable each is, in a window.

import {h, fill, count, counted, percent, table} from './dom.js';
import {sheet} from './dialogs.js';
import {read} from './store.js';

const MOST_PEOPLE = 100;
const MOST_NAMED = 12;
const tenth = share => `${(100 * share).toFixed(1)} %`;
const number = value => (value === null ? '–' : value.toFixed(3));

/** How far the annotators agree, and the queue of what they dispute. */
export function agreementSheet(ctx, openDisputed) {
  return sheet('Agreement', async body => {
    const {dataset, names} = ctx();
    const found = await read(`/annotate/${encodeURIComponent(dataset)}/agreement`);
    const go = `Go through ${counted(found.disputed, 'disputed sample')}`;
    fill(body,
      figures(found),
      h('p.quiet-text', {}, found.items
        ? `${counted(found.items, 'sample')} with two votes or more; ${count(found.disputed)} disputed.`
        : 'No sample has two votes yet. Set "Annotators per item" to 2 or more, or import votes.'),
      found.class_pairs.length ? classPairs(found.class_pairs, names) : null,
      found.consensus.people.length ? quality(dataset, found.consensus) : null,
      found.people.length ? h('ul.plain', {}, ...found.people.slice(0, MOST_NAMED).map(personLine)) : null,
      h('div.row', {}, h('button.btn.primary', {type: 'button', disabled: !found.disputed, on: {click: openDisputed}}, go)));
  });
}

function figures(found) {
  const figure = (words, value, title) => h('div.figure', {title}, h('span.grow', {}, words), h('b', {}, value));
  return h('div.figures.three', {},
    figure('Votes', count(found.votes), 'Decisions for one class, and imported votes'),
    figure('Agree', found.raw === null ? '–' : percent(found.raw), 'Share of couples of votes on the same sample that say the same'),
    figure("Krippendorff's alpha", number(found.alpha), '1 is full agreement, 0 is chance, below 0 is worse than chance'));
}

function classPairs(pairs, names) {
  const row = pair => h('tr', {},
    h('td', {}, pair.classes.map(index => names[index]).join(' and ')),
    h('td.number', {}, count(pair.confused)),
    h('td.number', {}, count(pair.items)),
    h('td.number', {}, percent(pair.raw)),
    h('td.number', {}, number(pair.alpha)));
  return h('div.scroll', {}, table(['Classes', 'Confused', 'Samples', 'Agree', 'Alpha'], h('tbody', {}, ...pairs.map(row))));
}

function personLine(each) {
  const agrees = each.raw === null ? '' : `, agrees with others ${percent(each.raw)}`;
  return h('li.row', {}, h('span.grow', {}, each.who), h('span.num', {}, counted(each.votes, 'vote') + agrees));
}

/** How often each annotator is right by the consensus of all, judged as the user chooses. */
function quality(dataset, first) {
  if (!first.people.some(each => each.accuracy !== null)) return null;
  const shown = h('div', {'aria-live': 'polite'}, ...qualityTable(first));
  const choice = h('select', {id: 'agreement-by'},
    h('option', {value: 'dawid-skene'}, 'the votes (Dawid-Skene)'),
    h('option', {value: 'crowdlab'}, 'votes and images (CROWDLAB)'));
  choice.addEventListener('change', async () => {
    const by = choice.value;
    fill(shown, h('p.quiet-text', {}, 'Asking a classifier about each sample with votes...'));
    try {
      const found = await read(`/annotate/${encodeURIComponent(dataset)}/agreement`, {by});
      if (choice.value === by) fill(shown, ...qualityTable(found.consensus));
    } catch (error) {
      if (choice.value === by) fill(shown, h('p.field-error', {role: 'alert'}, error.message));
    }
  });
  return h('section', {id: 'agreement-quality'}, h('h2', {title: 'No true label is used'}, 'How often each annotator is right'),
    h('label.row', {}, 'Judged by', choice), shown);
}

/** The judged annotators, the best first, with 95 % intervals. */
function qualityTable({by, features, people, samples, sure}) {
  const known = people.filter(each => each.accuracy !== null).slice(0, MOST_PEOPLE);
  const isRated = by === 'crowdlab';
  const heads = ['Annotator', 'Right', '95 % interval', h('span.sr', {}, 'Interval drawn'), 'Votes'];
  if (isRated) heads.push(h('span', {title: "CROWDLAB's: confidence in what they say, and how often they say what most say"}, 'Rating'));
  const voice = isRated ? `, and a classifier over ${features} is one voice more` : '';
  const more = people.length - known.length;
  return [
    h('p.quiet-text', {}, `By the consensus of all, in which good annotators count more${voice}. `
      + `It is sure (95 % or more) of ${count(sure)} of ${counted(samples, 'sample')}.`),
    h('div.scroll', {}, table(heads, h('tbody', {}, ...known.map(each => qualityRow(each, isRated))))),
    more ? h('p.quiet-text', {}, `${counted(more, 'annotator')} more: python -m cad_studio annotate agreement.`) : null,
  ];
}

function qualityRow(each, isRated) {
  const drawn = h('span.interval', {'aria-hidden': 'true'},
    h('i', {style: {left: `${100 * each.low}%`, width: `${100 * (each.high - each.low)}%`}}),
    h('b', {style: {left: `${100 * each.accuracy}%`}}));
  return h('tr', {data: {who: each.who}},
    h('td', {}, each.who),
    h('td.number', {}, tenth(each.accuracy)),
    h('td.number', {}, `${tenth(each.low)} to ${tenth(each.high)}`),
    h('td', {}, drawn),
    h('td.number', {}, count(each.n_votes)),
    isRated ? h('td.number', {}, number(each.rating)) : null);
}
