// What came of an import, a synthesis or an export, above the samples until it is closed.

import {h, count, counted, percent} from './dom.js';
import {address} from './store.js';
import {megabytes} from './train_words.js';

const close = (element, text) => h('button.quiet', {type: 'button', on: {click: () => element().replaceChildren()}}, text);

/** The report of a job that has ended, to be put into `place`; null of one that has none. */
export function reportOf(job, place) {
  if (job.status !== 'done') return null;
  if (job.kind === 'export') return exportReport(job, close(place, 'Close'));
  if (!job.result) return null;
  if (job.kind === 'synthesize') return synthesisReport(job.result, close(place, 'Close report'));
  return job.kind === 'import' ? importReport(job.result, close(place, 'Close report')) : null;
}

function exportReport(job, closing) {
  const {name, rows, bytes, out} = job.result;
  const href = address(`/jobs/${job.id}/file`);
  return h('section.report', {'aria-label': 'Export', data: {name}},
    h('div.row', {}, h('h2.grow', {}, `${counted(rows, 'sample')} of ${name} are in ${out.split('/').pop()}`),
      h('a.btn.primary', {id: 'export-download', href, download: ''}, `Download ${megabytes(bytes)}`), closing));
}

function synthesisReport(result, closing) {
  const {calibration: found, worst_distractor: worst} = result;
  const facts = [
    `Annotator ${result.annotator}`, counted(result.annotator_epochs, 'epoch'),
    `accuracy ${percent(result.annotator_accuracy)} (uses true labels)`, `rate ${result.rate}`, `seed ${result.seed}`,
  ].join(', ');
  const calibrated = found ? ` Found for a mean size of ${found.mean_size}: ${found.found.join(' and ')};`
    + ` expected ${found.expected_size.toFixed(2)}, tolerance ${found.tolerance}.` : '';
  const title = `${result.name} v${result.version_number}: ${result.mean_candidates.toFixed(2)} candidates a sample`;
  return h('section.report', {'aria-label': 'Synthesis report', data: {name: result.name}},
    h('div.row', {}, h('h2.grow', {}, title), closing),
    h('p.quiet-text', {}, `${facts}.${calibrated}`),
    h('p', {}, `The most frequent distractor of a class is in ${percent(worst.mean)} of its sets, averaged over classes; `
      + `${percent(worst.carrying)} of the samples carry one that at least ${Math.round(100 * worst.threshold)} % of their class `
      + 'carry (uses true labels).'),
    worst.warning ? h('p.warn', {}, worst.warning) : null);
}

function importReport(result, closing) {
  const lines = result.report.findings.filter(finding => finding.count);
  const leftOut = result.left_out_count ? `, ${count(result.left_out_count)} left out` : '';
  const finding = ({count: n, title, message}) => h('li', {}, h('b', {}, count(n)), ` ${title}`, h('small', {}, ` first: ${message}`));
  return h('section.report', {'aria-label': 'Import report', data: {name: result.name}},
    h('div.row', {}, h('h2.grow', {}, `${count(result.n)} samples imported as ${result.name}${leftOut}`),
      h('span.next-of-import', {data: {name: result.name}}), closing),
    h('ul', {'aria-label': 'How the source was read'}, ...(result.understood || []).map(line => h('li', {}, line))),
    lines.length ? h('ul', {}, ...lines.map(finding))
      : h('p.quiet-text', {}, 'Nothing remarkable: no empty, full or single-candidate sets, no duplicates.'),
    result.left_out_count
      ? h('details', {}, h('summary', {}, 'Samples left out'), h('ul', {}, ...result.left_out.map(text => h('li', {}, text)))) : null);
}
