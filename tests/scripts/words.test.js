import assert from 'node:assert/strict';
import process from 'node:process';
import {test} from 'node:test';
globalThis.process = process;
await import('./browser.js');
const components = '../../cad_studio/ui/components';
const {readNumber, words, typed} = await import(`${components}/form.js`);
const {ticks, logTicks} = await import(`${components}/curves.js`);
const {colour} = await import(`${components}/chips.js`);
const {count, counted, firstSigns, percent, turns} = await import(`${components}/dom.js`);
const {duration, figureAt, figureWord, loss, megabytes, share} = await import(`${components}/train_words.js`);
const {differenceText, isBetter} = await import(`${components}/diagnose_words.js`);

test('a number field says what is wrong with what was typed', () => {
  const about = {name: 'batch_size', type: 'int', minimum: 1, maximum: 64};
  assert.deepEqual(readNumber(' 32 ', about), {value: 32});
  assert.deepEqual(readNumber('0,5', {name: 'rate', type: 'float'}), {value: 0.5});
  assert.deepEqual(readNumber('', {...about, optional: true}), {value: null});
  for (const [text, part] of [['', 'is empty'], ['x', 'expected a number'], ['1.5', 'whole number'], ['0', 'the least is 1'], ['65', 'the most is 64']])
    assert.match(readNumber(text, about).error, new RegExp(`Batch size.*${part}`));
  assert.equal(words('batch_size'), 'Batch size');
  assert.equal(typed(null), '');
});

test('splits are given in per cent that make a whole, each once', async () => {
  const {readShares} = await import(`${components}/dataset_division.js`);
  assert.deepEqual(readShares('train 80, test 20 %'), {train: 0.8, test: 0.2});
  assert.deepEqual(readShares('constructor=25, val: 75'), {constructor: 0.25, val: 0.75});
  for (const [text, part] of [['train', 'its per cent'], ['train 80', '80 % together'], ['train 50, train 50', 'train is named twice']])
    assert.throws(() => readShares(text), new RegExp(part));
});

test('a size is never told as nothing', () => {
  assert.deepEqual([1, 900, 6_300, 150_000, 2e8].map(megabytes), ['1 kB', '1 kB', '7 kB', '0.1 MB', '200 MB']);
});

test('a name is cut between signs as a reader counts them, never within an emoji', () => {
  assert.equal(firstSigns('apple', 3), 'app');
  assert.equal(firstSigns('🍎🍏 apple', 3), '🍎🍏 ');
  assert.equal(firstSigns('👨‍👩‍👧‍👦 family', 1), '👨‍👩‍👧‍👦');
  assert.equal(firstSigns('של', 3), 'של');
});

test('an answer that a later question overtook is known as such, whichever comes first', async () => {
  const turn = turns();
  const shown = [];
  const ask = async (text, answer) => { const isNewest = turn(); await answer; if (isNewest()) shown.push(text); };
  let late;
  const first = ask('first', new Promise(done => { late = done; }));
  await ask('second', null);
  late();
  await first;
  assert.deepEqual(shown, ['second']);
});

test('steps of a scale are round, rising and inside', () => {
  for (const [low, high] of [[0, 1], [0.2, 0.31], [-3, 40], [1, 1e6]]) {
    const found = ticks(low, high, 5);
    assert.ok(found.length >= 2 && found.length <= 11, `${low} to ${high}: ${found}`);
    for (const each of found) assert.ok(each >= low - 1e-9 && each <= high + 1e-9);
  }
  assert.deepEqual(ticks(0, 1, 5).map(each => +each.toFixed(6)), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(logTicks(1, 100).map(each => +each.toFixed(6)), [1, 2, 5, 10, 20, 50, 100]);
  assert.deepEqual(logTicks(1, 1e5).map(Math.log10).map(Math.round), [0, 1, 2, 3, 4, 5]);
});

test('classes have colours of their own', () => {
  const all = Array.from({length: 100}, (_, index) => colour(index));
  assert.equal(new Set(all).size, 100);
  assert.equal(all[3], 'var(--c3)');
});

test('shares never claim all or none', () => {
  assert.equal(percent(1), '100 %');
  assert.match(percent(0.9999), /^99\.99/);
  assert.equal(percent(0.00004), '0.004 %');
  assert.equal(percent(0.5), '50 %');
  assert.deepEqual([0.101, 0.104, 0.899, 0.335, 0.6649].map(percent), ['10 %', '10 %', '90 %', '34 %', '66 %']);
  assert.match(percent(1 - 1e-7), /^99\.999 %$/);
  assert.equal(count(12345), '12,345');
  assert.equal(counted(1, 'class', 'classes'), '1 class');
  assert.equal(counted(2, 'class', 'classes'), '2 classes');
});

test('times and losses are short', () => {
  assert.deepEqual([8.2, 45, 360, 4800, null].map(duration), ['8.2 s', '45 s', '6 min', '80 min', '']);
  assert.deepEqual([0, 0.0123, 2.314, 1.2e-5, null].map(loss), ['0', '0.0123', '2.31', '1.2e-5', '']);
  assert.equal(share(0.8312), '83.1 %');
});

test('figures are called what the one table calls them', () => {
  for (const each of globalThis.cadTables.figures) assert.equal(figureAt(each.column).key, each.key);
  assert.equal(figureWord('covering_rate'), 'covering rate');
  assert.equal(figureWord('oracle/entangled/0.01/swap_rate'), 'swapped');
  assert.equal(figureWord('losses/cam_loss'), 'cam loss');
});

test('a difference is better or worse by what the figure says', () => {
  assert.equal(isBetter(0.1, {better: 1}), isBetter(-0.1, {better: -1}));
  assert.notEqual(isBetter(0.1, {better: 1}), isBetter(-0.1, {better: 1}));
  assert.match(differenceText(0.021, 'share'), /2\.1/);
});
