// The columns of the table of runs. Those of figures come from the studio's own list of them.

import {count, percent} from './dom.js';
import {duration, moment, share, statusWord, sureness} from './train_words.js';

const dataOf = run => `${run.dataset} v${run.data_number ?? '?'}`;

const FIRST = [
  {key: 'name', title: 'Run', text: run => run.name},
  {
    key: 'data', title: 'Data', text: dataOf,
    hint: run => `${dataOf(run)}. ${run.is_stale ? 'The sets have changed since' : 'The sets as they are now'}`,
  },
  {
    key: 'method', title: 'Method', text: run => run.method,
    hint: run => `${run.method} on ${run.backbone}, ${run.start} start, seed ${run.seed}`,
  },
  {
    key: 'status', title: 'Status',
    text: run => (run.status === 'running' && run.fraction ? percent(run.fraction) : statusWord(run.status)),
  },
  {key: 'epochs_done', title: 'Epochs', number: true, text: run => `${run.epochs_done} / ${run.epochs}`},
];
const LAST = [
  {key: 'seconds', title: 'Time', number: true, text: run => duration(run.seconds)},
  {
    key: 'samples_per_second', title: 'Samples/s', number: true, wide: true,
    text: run => (run.samples_per_second ? count(Math.round(run.samples_per_second)) : ''),
  },
  {key: 'created_at', title: 'Started', number: true, wide: true, text: run => moment(run.created_at)},
  {key: 'note', title: 'Note', text: run => run.note},
];

/** What a run's figure says; beside the approximated accuracy stands how sure the run is. */
function figureText({key, unit}, run) {
  const value = run[key];
  if (unit === 'number') return value === null || value === undefined ? '' : value.toFixed(3);
  if (key !== 'approximated_accuracy') return share(value);
  return [share(value), sureness(run).replace('confidence ', '')].filter(Boolean).join(' ');
}

/** The columns, each {key, title, text(run)}, and maybe `number`, `wide`, `oracle`, `about`, `hint(run)`. */
export const columnsOf = figures => [
  ...FIRST,
  ...figures.filter(each => each.head).map(each => ({
    key: each.key, title: each.head, number: true, oracle: each.oracle, about: each.about,
    text: run => figureText(each, run),
  })),
  ...LAST,
];
