import { expect, test } from 'vitest';
import { formatOutput } from './output.ts';

test.each([
  ['one', 'one'],
  [null, 'None'],
  [true, 'True'],
  [['a', 'b'], 'a\tb'],
  [
    [
      ['a', 1],
      ['b', 2],
    ],
    'a\t1\nb\t2',
  ],
  [{ b: 1, a: 'x' }, 'x\t1'],
  [{ list: [{ b: 2, a: 1 }, { a: 3 }], name: 'n' }, 'n\nLIST\t1\t2\nLIST\t3\t'],
  [{ images: [{ digest: 'd', tags: ['v1', 'v2'] }] }, 'IMAGES\td\nTAGS\tv1\nTAGS\tv2'],
  [[], ''],
])('%j as text', (data, expected) => {
  expect(formatOutput(data, 'text')).toBe(expected);
});

test('JSON is indented by four', () => {
  expect(formatOutput({ a: [1] }, 'json')).toBe('{\n    "a": [\n        1\n    ]\n}');
  expect(formatOutput(undefined, 'json')).toBe('null');
});
