// How the figures of runs are written.

/** Seconds -> "8.2 s", "45 s", "6 min", "1 h 20 min". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return '';
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 89.5) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`;
}

/** 0.8312 -> "83.1 %"; null -> "". */
export const share = value => (value === null || value === undefined ? '' : `${(100 * value).toFixed(1)} %`);

/** How sure a run is, which belongs beside every approximated accuracy: "at confidence .62". */
export const sureness = run => (run.mean_confidence === null || run.mean_confidence === undefined
  ? ''
  : `at confidence ${run.mean_confidence.toFixed(2).replace(/^0/, '')}`);

/** A loss, short: 0.0123, 2.31, 1.2e-5. */
export function loss(value) {
  if (value === null || value === undefined) return '';
  if (value === 0) return '0';
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e4 ? value.toExponential(1) : String(+value.toPrecision(3));
}

/** Bytes -> "12.3 MB". */
export const megabytes = bytes => (bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`);

/** "2024-05-01T10:20:30Z" -> "1 May, 12:20", in the visitor's time. */
export function moment(text) {
  if (!text) return '';
  return new Date(text).toLocaleString('en-GB', {day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit'});
}

export const canResume = run => ['interrupted', 'failed', 'cancelled'].includes(run?.status) && run.job !== null;

const STATUS = {
  queued: 'waiting', running: 'running', stopping: 'stopping', done: 'done', failed: 'failed', cancelled: 'stopped',
  interrupted: 'interrupted', packed: 'packed',
};
export const statusWord = status => STATUS[status] || status;

export const ORACLE = 'Uses true labels. Shown to judge a run; they never influence one.';

/** Names of figures that are no rows of a run, as the page says them. */
const OTHERS = {
  epochs_in_force: 'epochs in force', instance_accuracy: 'instances right', pair_accuracy: 'pairs right', swap_rate: 'swapped',
};

/** What is known of a figure by its column of the epochs. */
export const figureAt = column => window.cadTables.figures.find(each => each.column === column);

export function figureWord(name) {
  const last = name.startsWith('oracle/entangled/') ? name.split('/').pop() : name;
  return figureAt(last)?.short || OTHERS[last] || last.replace(/^losses\//, '').replace(/_/g, ' ');
}
