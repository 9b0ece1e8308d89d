// The left column: who annotates, which queue, how far it is, and what was done last.

import {h, fill, count, counted} from './dom.js';

/**
 * Owns its element. `draw({overview, queue, who, session})` paints it; `onName(name)`,
 * `onQueue(id)`, `onOrder(name)`, `onOverlap(n)` and `onShow(rows, queue, position)` are told of
 * choices, `doors` are the buttons of the dialogs.
 */
export function createSide({onName, onQueue, onOrder, onOverlap, onShow, doors, all}) {
  const name = h('input.field', {
    type: 'text', id: 'annotate-who', 'aria-label': 'Your name', maxlength: 60, autocomplete: 'off',
    on: {change: () => onName(name.value)},
  });
  const role = h('span.num', {id: 'annotate-role'});
  const picker = h('select', {id: 'annotate-queue', 'aria-label': 'Queue', on: {change: () => {
    const [kind, value] = picker.value.split(':');
    if (kind === 'queue') onQueue(+value); else onOrder(value);
  }}});
  const says = h('p.quiet-text');
  const done = h('b', {id: 'annotate-done'});
  const rest = h('span.num');
  const bar = h('div.progress', {
    role: 'progressbar', 'aria-label': 'Done of this queue', 'aria-valuemin': 0, 'aria-valuemax': 100,
  }, h('i'));
  const overlap = h('input.field', {
    type: 'number', min: 1, max: 20, id: 'annotate-overlap', 'aria-label': 'Annotators per item',
    on: {change: () => onOverlap(Math.max(1, Math.min(20, +overlap.value || 1)))},
  });
  const overlapRow = h('label.row', {title: 'How many annotators see each item'}, h('span.grow', {}, 'Annotators per item'), overlap);
  const facts = h('div.facts');
  const recent = h('ul.recent', {'aria-label': 'Your last actions'});
  const element = h('aside.side', {},
    h('section.panel-part', {}, h('div.row', {}, h('h2.grow', {}, 'Annotator'), role), name),
    h('section.panel-part', {}, h('h2', {}, 'Queue'), picker, says,
      h('div.row.done', {}, done, h('span.grow'), rest), bar, overlapRow, all),
    h('section.panel-part', {}, h('h2', {}, 'This dataset'), facts, h('div.row.doors', {}, ...doors)),
    h('section.panel-part.fill', {}, h('h2', {}, 'Your last actions'), recent));

  return {
    element,
    draw({overview, queue, who, session, canAct}) {
      name.value = who;
      name.disabled = overview.login !== null;
      name.title = overview.login === null ? 'The name your decisions are kept under' : 'The name you logged in with';
      role.textContent = {viewer: 'may look', annotator: 'may annotate', owner: 'owner'}[overview.role];
      const open = overview.queues;
      const listed = overview.orders.filter(order => !order.needs_rows && !open.some(each => each.order === order.name));
      fill(picker, queue ? null : h('option', {value: 'none:'}, 'Choose a queue'),
        open.length ? h('optgroup', {label: 'Open'}, ...open.map(each => h('option', {value: `queue:${each.id}`}, each.title))) : null,
        listed.length
          ? h('optgroup', {label: 'Start'}, ...listed.map(order => h('option', {value: `order:${order.name}`}, order.title)))
          : null);
      picker.value = queue ? `queue:${queue.id}` : 'none:';
      picker.disabled = !canAct;
      says.textContent = queue
        ? `${queue.says}${queue.settings?.features ? ` By ${queue.settings.features} features.` : ''}`
        : 'A queue hands out one item after the other, to each annotator another.';
      const total = queue ? queue.items : 0;
      const share = total ? (queue.done + queue.passed) / total : 0;
      done.textContent = queue ? `${count(queue.done)} done` : '';
      rest.textContent = queue
        ? `${queue.passed ? `${count(queue.passed)} skipped · ` : ''}${count(Math.max(0, total - queue.done - queue.passed))} `
          + `ahead${queue.is_complete ? '' : ', more follow'}`
        : '';
      bar.firstChild.style.width = `${Math.round(share * 100)}%`;
      bar.setAttribute('aria-valuenow', Math.round(share * 100));
      overlapRow.hidden = !queue || overview.role !== 'owner';
      overlap.value = queue ? queue.overlap : 1;
      const minutes = session.seconds / 60;
      fill(facts,
        fact('Samples changed', count(overview.changed), 'Samples whose set annotators have spoken about'),
        fact('Actions', `${count(overview.head)} by ${counted(overview.people.length, 'annotator')}`, 'In the log of this dataset'),
        fact('Contradictions', count(overview.contradict), 'Samples where annotators exclude each other; nothing is overwritten'),
        fact('This session',
          session.n ? `${count(session.n)} · ${(session.n / Math.max(minutes, 1 / 60)).toFixed(0)} a minute` : 'nothing yet',
          'Decisions since the page was opened'));
    },
    recent(list) {
      fill(recent, ...list.map(each => h('li', {class: each.undone ? 'undone' : '', data: {state: each.state}},
        h('button.quiet', {type: 'button', on: {click: () => onShow(each)}},
          h('span.grow', {}, each.words),
          h('small', {}, each.undone ? 'undone' : each.state)))),
      list.length ? null : h('li.quiet-text', {}, 'What you decide appears here, and can be undone step by step.'));
    },
  };
}

function fact(words, value, title) {
  return h('div.fact', {title}, h('span', {}, words), h('b', {}, value));
}
