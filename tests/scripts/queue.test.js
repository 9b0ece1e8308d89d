import assert from 'node:assert/strict';
import process from 'node:process';
import {test} from 'node:test';
globalThis.process = process;
await import('./browser.js');
const components = '../../cad_studio/ui/components';
const {createOutbox, freshKey} = await import(`${components}/annotate_outbox.js`);
const {createTrail} = await import(`${components}/annotate_trail.js`);

const turn = () => new Promise(done => setTimeout(done, 0));

/** An outbox over a disk that answers as told; what it said is in `told`. */
function outboxOver(answer) {
  const told = {sent: [], saved: [], refused: [], states: []};
  const outbox = createOutbox({
    send: (_dataset, actions) => { told.sent.push(actions.map(each => each.key)); return Promise.resolve(answer(actions)); },
    onAnswer: action => told.saved.push(action.key),
    onRefusal: (action, words) => told.refused.push([action.key, words]),
    onState: state => told.states.push(state),
  });
  return {outbox, told};
}

test('actions are saved in their order, each once', async () => {
  const {outbox, told} = outboxOver(actions => ({answers: actions.map(() => ({}))}));
  outbox.open('pets');
  for (const key of ['a', 'b', 'c']) outbox.push({key, kind: 'label'});
  assert.equal(outbox.unsaved, 3);
  await outbox.settled();
  assert.deepEqual(told.saved, ['a', 'b', 'c']);
  assert.deepEqual(told.sent.flat(), ['a', 'b', 'c']);
  assert.equal(Object.keys(localStorage).length, 0);
});

test('an undo of what was refused is not sent', async () => {
  const {outbox, told} = outboxOver(actions => ({answers: actions.map(each => (each.key === 'bad' ? {error: 'No such class.'} : {}))}));
  outbox.open('pets');
  outbox.push({key: 'bad', kind: 'label'});
  outbox.push({key: 'back', kind: 'undo', target: 'bad'});
  outbox.push({key: 'good', kind: 'label'});
  await outbox.settled();
  assert.deepEqual(told.refused, [['bad', 'No such class.']]);
  assert.deepEqual(told.saved, ['good']);
});

test('what another window left unsent is sent by the next one, and a failure keeps it', async () => {
  localStorage.setItem('cad-unsaved "pets" gone 0', JSON.stringify([{key: 'old', kind: 'label'}]));
  let isUp = false;
  const {outbox, told} = outboxOver(actions => (isUp ? {answers: actions.map(() => ({}))} : {error: 'The disk is full.'}));
  assert.equal(outbox.open('pets'), 1);
  await turn();
  assert.equal(told.states.at(-1).trouble, 'The disk is full.');
  assert.equal(Object.keys(localStorage).length, 1);
  isUp = true;
  outbox.retry();
  await outbox.settled();
  assert.deepEqual(told.saved, ['old']);
  assert.equal(new Set(Array.from({length: 50}, freshKey)).size, 50);
});

/** A trail through `total` cards, and what it said. */
function trailOf(total, size = 3) {
  const told = {shown: [], ended: [], waits: 0};
  let next = 0;
  const trail = createTrail({
    take: (_queue, _n) => Promise.resolve({queue: {id: 1}, cards: Array.from({length: Math.min(size, total - next)}, () => ({position: next, row: next++, sides: []}))}),
    hasUnsaved: () => false, settled: () => Promise.resolve(), image: row => `/${row}`,
    onShow: card => told.shown.push(card.position), onQueue: () => {}, onEnd: some => told.ended.push(some), onWait: () => { told.waits++; }, onRefusal: words => { throw new Error(words); },
  });
  trail.begin({id: 1});
  return {trail, told};
}

test('a queue is gone through once, card by card, to its end', async () => {
  const {trail, told} = trailOf(5);
  for (let at = 0; at < 6; at++) { await trail.step(1); await turn(); }
  assert.deepEqual(told.shown, [0, 1, 2, 3, 4]);
  assert.deepEqual(told.ended, [true]);
  await trail.step(-1);
  assert.equal(trail.card().position, 4);
});

test('an answer that was refused brings its card back before the end, once', async () => {
  const {trail, told} = trailOf(2);
  await trail.step(1); await trail.step(1); await turn();
  trail.refuse(0);
  await trail.step(1); await turn();
  assert.deepEqual(told.shown, [0, 1, 0]);
  assert.deepEqual(told.ended, []);
});

test('keys typed while the next card is on its way wait for it', async () => {
  const {trail, told} = trailOf(1);
  const arriving = trail.step(1);
  let seen = null;
  trail.inTurn(() => { seen = trail.card()?.position; return true; });
  assert.equal(seen, null);
  await arriving; await turn();
  assert.equal(seen, 0);
  assert.deepEqual(told.shown, [0]);
});
