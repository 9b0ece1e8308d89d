import assert from 'node:assert/strict';
import process from 'node:process';
import {test} from 'node:test';
globalThis.process = process;
await import('./browser.js');
const components = '../../cad_studio/ui/components';
const {NONE, colouringBy, cutColumns} = await import(`${components}/map_colours.js`);
const {columnsOf} = await import(`${components}/runs_columns.js`);
const {sortedRuns} = await import(`${components}/runs_table.js`);

test('runs are sorted by a column, and what is not known comes last either way', () => {
  const runs = [{id: 1, name: 'b', test_accuracy: 0.5}, {id: 2, name: 'a', test_accuracy: null}, {id: 3, name: 'c', test_accuracy: 0.9}];
  const by = (key, falling) => sortedRuns(runs, {key, falling}).map(each => each.id);
  assert.deepEqual(by('test_accuracy', true), [3, 1, 2]);
  assert.deepEqual(by('test_accuracy', false), [1, 3, 2]);
  assert.deepEqual(by('name', false), [2, 1, 3]);
  assert.deepEqual(by('created_at', true), [3, 2, 1]);
});

test('each figure that has a head is a column of the table of runs', () => {
  const figures = globalThis.cadTables.figures;
  const columns = columnsOf(figures);
  for (const each of figures.filter(one => one.head)) {
    const column = columns.find(one => one.key === each.key);
    assert.equal(column.title, each.head);
    assert.equal(column.oracle, each.oracle);
    assert.equal(column.text({[each.key]: null}), '');
  }
  const text = key => columns.find(one => one.key === key).text({[key]: 0.8312, mean_confidence: 0.62});
  assert.equal(text('test_accuracy'), '83.1 %');
  assert.equal(text('set_likelihood'), '0.831');
  assert.equal(text('approximated_accuracy'), '83.1 % at .62');
});

test('a map takes the columns as they lie in memory', () => {
  const wide = [[1, 2], [3, 4], [NONE, 6], [7, 8]].flat();
  const narrow = [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]].flat();
  const body = new Uint8Array([...new Uint8Array(Uint16Array.from(wide).buffer), ...narrow]).buffer;
  const found = cutColumns(body, 2);
  assert.deepEqual([...found.best, ...found.truth, ...found.size], [1, 2, NONE, 6, 7, 8]);
  assert.deepEqual([...found.right, ...found.change], [0, 1, 10, 11]);
});

test('each colouring has a tone and words for every value it gives', () => {
  const tone = label => `#${label}`;
  const cases = [
    [{key: 'best'}, Uint16Array.from([4, 4, 1, NONE])],
    [{key: 'size'}, Uint16Array.from([1, 3, 30, 0])],
    [{key: 'believed'}, Uint8Array.from([0, 128, 255, 51])],
    [{key: 'right', values: ['not known', 'wrong', 'right']}, Uint8Array.from([0, 1, 2, 2])],
    [{key: 'field:camera', values: ['north', 'none']}, Uint8Array.from([0, 1, 1, 0])],
  ];
  for (const [mode, source] of cases) {
    const {values, legend} = colouringBy(mode, source, ['a', 'b', 'c', 'd', 'e'], tone);
    assert.equal(values.length, 4);
    for (const value of values) assert.ok(legend[value]?.tone && typeof legend[value].text === 'string', mode.key);
  }
  assert.deepEqual([...colouringBy(cases[0][0], cases[0][1], ['a', 'b', 'c', 'd', 'e'], tone).values], [1, 1, 0, 2]);
});
