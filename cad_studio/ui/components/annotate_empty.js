// What stands on the Annotate page where no sample is: which queue to start, waiting, and the end.

import {h, counted, empty} from './dom.js';
import {open} from './store.js';

/** What pays most on new data; an order by disagreement has nothing to go by there. */
const FIRST = ['expected-gain', 'entangled', 'least-certain', 'random'];

/** The orders to start; `onOrder(name)` is told of one. */
export function chooser({orders, queues, canAct, onOrder}) {
  const place = order => { const at = FIRST.indexOf(order.name); return at < 0 ? FIRST.length : at; };
  const offered = orders.filter(order => !order.needs_rows).sort((a, b) => place(a) - place(b));
  return h('div.chooser', {}, h('h2', {}, 'Choose an order'),
    canAct ? null : h('p.warn', {}, 'Here you may only look. Log in, or ask an owner for the role annotator.'),
    h('div.orders', {}, ...offered.map(order => h('button.order', {
      type: 'button', id: `order-${order.name}`, disabled: !canAct, on: {click: () => onOrder(order.name)},
    }, h('b', {}, order.title), h('span', {}, order.says)))),
    h('p.quiet-text', {},
      queues.length
        ? 'A queue that was begun goes on where it was: choose it on the left.'
        : 'Filters, matrix cells and selections of other pages open here with "Annotate these".'));
}

export const filling = () => h('div.skeleton.tall');

export const waiting = words => (words
  ? empty('Working out the confidence', words)
  : empty('Finding neighbours', 'This queue looks at the neighbours of every sample, which takes a while the first time. It opens '
    + 'by itself when they are found.'));

export const noDataset = () => empty('This project holds no dataset',
  'Import one on the Dataset page; its samples are annotated here.',
  h('button.btn.primary', {type: 'button', on: {click: () => open('dataset')}}, 'Go to Dataset'));

/** The end of a queue; `onOther()` chooses another, `onBack()` shows the last sample again. */
export function ended({queue, isTrial, hadSome, nDecided, onOther, onBack}) {
  const agrees = queue?.order === 'disagreement' && !hadSome;
  return empty(queue?.is_complete || hadSome ? 'This queue is done for now' : 'This queue is empty',
    agrees ? 'The annotators agree on everything so far.'
      : `You decided ${counted(nDecided, 'item')}` + (isTrial
        ? '; on the left you see what they would be worth. In a copy of your own the queue goes on.'
        : ' in this session. Train again to see what it was worth, or choose another queue.'),
    isTrial
      ? null
      : h('button.btn.primary', {type: 'button', id: 'annotate-to-train', on: {click: () => open('train')}}, 'Train on the new sets'),
    h('button.btn', {type: 'button', on: {click: onOther}}, 'Choose another queue'),
    hadSome ? h('button.btn', {type: 'button', on: {click: onBack}}, 'Back to the last') : null);
}
