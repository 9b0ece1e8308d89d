// Annotations out to other tools, and corrected files back in, after a look at the difference.

import {h, fill, count, counted, toast, turns} from './dom.js';
import {address, onJobEnd, read, refresh} from './store.js';

/** What a file of answers says beside sets: statements by annotator, contradictions, what does not count. */
function answersOf(answer) {
  if (answer.statements === undefined) return [];
  const people = Object.entries(answer.people).map(([who, n]) => `${who} (${count(n)})`).join(', ');
  return [
    h('p', {}, `${counted(answer.statements, 'statement')}${people ? ` by ${people}` : ''}.`,
      answer.contradictions
        ? ` On ${counted(answer.contradictions, 'sample')} annotators contradict each other; every class they said stays a candidate.`
        : ''),
    ...answer.left_out.map(line => h('p.quiet-text', {}, `Left out: ${line}`)),
  ];
}

/** One sample's statements in words. */
const saidBy = each => Object.entries(each.said).map(([who, classes]) => `${who}: ${classes.join(' or ')}`).join('; ')
  + (each.contradicts ? ' (contradiction)' : '');

/** The way out and back in. `ctx()` gives {dataset, role, queue}; `onChange()` is told of a re-import. */
export function exportSheet(ctx, server, onChange) {
  const body = h('div.body');
  const element = h('dialog.sheet', {'aria-label': 'In and out'},
    h('div.row', {},
      h('h1.grow', {}, 'In and out'),
      h('button.quiet', {type: 'button', on: {click: () => element.close()}}, 'Close', h('kbd', {}, 'esc'))),
    body);
  let mine = null;
  let download = null;

  function draw() {
    const {role, queue} = ctx();
    const format = h('select', {id: 'annotate-format', 'aria-label': 'Format'},
      ...window.cadTables.exports.map(({name, title}) => h('option', {value: name}, title)));
    const part = h('select', {id: 'annotate-part', 'aria-label': 'Which samples'},
      h('option', {value: 'all'}, 'All samples'),
      h('option', {value: 'changed'}, 'Only changed samples'),
      queue?.settings?.selection ? h('option', {value: 'selection'}, `Exactly: ${queue.title}`) : null);
    const says = h('p.quiet-text', {}, window.cadTables.exports[0].says);
    format.addEventListener('change', () => { says.textContent = window.cadTables.exports.find(each => each.name === format.value).says; });
    const make = h('button.btn.primary', {type: 'button', id: 'annotate-make', disabled: role !== 'owner', on: {click: async () => {
      const answer = await server.export({
        dataset: ctx().dataset, format: format.value, only_changed: part.value === 'changed',
        selection: part.value === 'selection' ? queue.settings.selection : null,
      });
      if (answer.error) { toast(answer.error, 'error'); return; }
      mine = answer.job;
      fill(download, 'Writing the file…');
      refresh();
    }}}, 'Make the file');
    download = h('span', {id: 'annotate-file', role: 'status'}, role === 'owner' ? '' : 'Only an owner makes files.');
    const file = h('input', {
      type: 'file', id: 'annotate-correct', accept: '.csv,.json,.jsonl', disabled: role !== 'owner',
      'aria-label': 'Corrected file', on: {change: () => look(file.files[0])},
    });
    const found = h('div', {id: 'annotate-difference', role: 'status'});

    const turn = turns();
    async function look(chosen) {
      if (!chosen) return;
      const isNewest = turn();
      const sent = {dataset: ctx().dataset, file_name: chosen.name, text: await chosen.text()};
      const answer = await server.difference(sent);
      if (!isNewest()) return;
      if (answer.error) { fill(found, h('p.warn', {}, answer.error)); return; }
      const take = h('button.btn.primary', {type: 'button', id: 'annotate-take-over', disabled: !answer.changed, on: {click: async () => {
        take.disabled = true;
        const done = await server.correct({...sent, action: ctx().dressed({kind: 'correct'})});
        if (done.error) { toast(done.error, 'error'); return; }
        toast(`${counted(done.changed, 'sample')} taken over. One undo takes it back.`);
        element.close();
        onChange(done);
      }}}, `Take over ${counted(answer.changed, 'sample')}`);
      fill(found, h('p', {}, `${count(answer.changed)} of ${counted(answer.n_rows, 'sample')} would change.`,
        answer.unknown ? ` ${counted(answer.unknown, 'id')} not in this dataset (first: ${answer.unknown_first}).` : ''),
      ...answersOf(answer),
      h('div.row', {}, take, answer.changed ? h('span.quiet-text', {}, 'One action, one step of undo.') : null),
      h('ul.plain', {}, ...answer.changes.map(each => h('li.row', {},
        h('span.id', {}, each.id),
        h('span', {}, `${each.before.join(', ') || 'none'} → ${each.after.join(', ')}`),
        each.said ? h('span.quiet-text', {}, saidBy(each)) : null))),
      answer.changed > answer.changes.length ? h('p.quiet-text', {}, `and ${count(answer.changed - answer.changes.length)} more`) : null);
    }

    fill(body, h('h2', {}, 'Out'), h('div.row', {}, format, part, make), says, download,
      h('h2', {}, 'Back in'),
      h('p.quiet-text', {},
        'CSV with id and candidates, JSON lines, or Label Studio JSON, whose answers become statements of those who gave them. What '
          + 'differs is shown first; it becomes one action that can be undone.'),
      file, found);
  }

  onJobEnd(async job => {
    if (job.id !== mine || !download) return;
    if (job.status !== 'done') { fill(download, job.error || 'The file was not made.'); return; }
    const full = await read(`/jobs/${job.id}`).catch(() => job);
    fill(download, h('a.btn', {href: address(`/jobs/${job.id}/file`), download: '', id: 'annotate-download'},
      `Download ${String(full.result?.out || '').split('/').pop() || 'the file'}`));
  });

  return {element, open() { draw(); element.showModal(); }};
}
