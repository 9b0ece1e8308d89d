// What runs and what waits: the order of the jobs, and buttons to change it.

import {h, fill, percent} from './dom.js';

/** A list that owns its element, hidden while nothing waits; act(name, value) asks the server. */
export function createQueue({act}) {
  const list = h('ol.queue', {id: 'queue'});
  const element = h('section.queue-part', {hidden: true}, h('h2', {}, 'Queue, one job at a time'), list);
  let drawn = '';
  return {
    element,
    /** `jobs`: the running one, then those that wait in their order. */
    show(jobs) {
      const key = JSON.stringify(jobs.map(job => [job.id, job.status, job.title, Math.round(100 * job.fraction)]));
      if (key === drawn) return;
      drawn = key;
      element.hidden = !jobs.some(job => job.status === 'queued');
      const focus = document.activeElement?.closest?.('.queue') ? document.activeElement.dataset : null;
      const waiting = jobs.filter(job => job.status === 'queued');
      fill(list, ...jobs.map(job => {
        const at = waiting.indexOf(job);
        const move = (to, text, off) => h('button.quiet.act', {
          type: 'button', data: {job: job.id, to}, disabled: off, 'aria-label': `${text} ${job.title}`,
          on: {click: () => act('move', {job: job.id, to})},
        }, text);
        return h('li', {data: {job: job.id, status: job.status}},
          h('span.num', {}, at < 0 ? 'now' : `${at + 1}.`),
          h('span.grow.text', {title: job.title}, job.title),
          at < 0
            ? h('span.num', {}, `${job.status === 'stopping' ? 'stopping · ' : ''}${percent(job.fraction)}`)
            : [move('first', 'First', at === 0), move('up', 'Up', at === 0), move('down', 'Down', at === waiting.length - 1)],
          h('button.quiet.act', {type: 'button', data: {job: job.id, to: 'stop'}, on: {click: () => act('stop', {job: job.id})}},
            at < 0 ? (job.status === 'stopping' ? 'Stop now' : 'Stop') : 'Cancel'));
      }));
      if (focus) list.querySelector(`[data-job="${focus.job}"][data-to="${focus.to}"]:not(:disabled)`)?.focus();
    },
  };
}
