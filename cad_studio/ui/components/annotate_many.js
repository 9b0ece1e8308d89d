// What is done to many samples at once: an action on a selection or a class, and earlier sets brought back.

import {count, counted, toast} from './dom.js';
import {sure} from './dialogs.js';
import {refresh} from './store.js';

/** `taken(rows)` is told what holds of rows now, `again()` reads the page anew; `place` holds the question. */
export function createMany({desk, place, taken, again}) {
  const wantedOf = ({kind, arguments: given, queue}) => ({
    ...(queue ? {selection: queue.settings.selection} : {}),
    action: desk.decisions.dressed({kind, arguments: given}),
  });

  async function restored(number, panel) {
    const of = number ? `All sets become what they were after action ${count(number)}.` : 'All sets become what was imported.';
    const text = `${of} It is a new action: nothing is deleted, and one undo takes it back.`;
    await desk.decisions.settled();
    if (!await sure(place, 'Bring back earlier sets?', text, 'Bring back')) return;
    const answer = await desk.ask('restore', {number, action: desk.decisions.dressed({kind: 'restore'})});
    if (answer.error) { toast(answer.error, 'error'); return; }
    panel.close();
    toast(`${counted(answer.changed, 'sample')} brought back.`);
    taken(answer.rows);
    desk.decisions.note(answer, number ? `back to action ${count(number)}` : 'back to the imported sets');
    await again();
  }

  return {
    preview: wanted => desk.ask('preview', wantedOf(wanted)),
    /** Do it; what the list of actions says of it begins with `words`. */
    async act(wanted, words) {
      await desk.decisions.settled();
      const answer = await desk.ask('bulk', wantedOf(wanted));
      if (answer.error) { toast(answer.error, 'error'); return false; }
      toast(`${counted(answer.changed, 'sample')} changed. One undo takes it back.`);
      taken(answer.rows);
      desk.decisions.note(answer, `${words} ${counted(answer.changed, 'sample')}`);
      if (answer.classes) refresh();
      await again();
      return true;
    },
    restore: restored,
    async setOverlap(overlap) {
      const {queue} = desk.trail;
      const answer = await desk.ask('overlap', {queue: queue.id, overlap});
      if (answer.error) { toast(answer.error, 'error'); return; }
      queue.overlap = overlap;
      desk.trail.askAgain();
      toast(`Each item now goes to ${counted(overlap, 'annotator')}.`);
    },
  };
}
