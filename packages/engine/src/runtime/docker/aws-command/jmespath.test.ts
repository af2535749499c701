import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UserError } from '../../../errors.ts';
import { query } from './jmespath.ts';

const data = {
  Account: '1',
  empty: [],
  nothing: null,
  images: [
    { digest: 'a', tags: ['v1', 'latest'], size: 3, at: '2024-01-02' },
    { digest: 'b', tags: [], size: 1, at: '2024-01-03' },
    { digest: 'c', tags: ['v2'], size: 2, at: '2024-01-01' },
  ],
  stages: [{ actions: [{ n: 1 }, { n: 2 }] }, { actions: [{ n: 3 }] }],
  'a-b': { deep: { list: [1, 2, 3, 4] } },
};

test.each([
  ['Account', '1'],
  ['images[0].digest', 'a'],
  ['images[-1].tags[0]', 'v2'],
  ['images[9].digest', null],
  ['nope.deep[0]', null],
  ['images[*].digest', ['a', 'b', 'c']],
  ['images[].tags[]', ['v1', 'latest', 'v2']],
  ['images[].tags[0]', ['v1', 'v2']],
  ['images[*].tags[] | [0]', 'v1'],
  ["images[?digest=='b'].size", [1]],
  ["images[?digest=='b'].size | [0]", 1],
  ['images[?size>`1` && size<=`2`].digest', ['c']],
  ["images[?contains(tags, 'v1')].digest | [0]", 'a'],
  ["images[?!(digest=='a' || digest=='b')].digest", ['c']],
  ['images[?starts_with(at, `2024-01-0`)] | length(@)', 3],
  ['sort_by(images, &at)[-1].digest', 'b'],
  ['sort_by(images,& size)[*].digest', ['b', 'c', 'a']],
  ['max_by(images, &size).digest', 'a'],
  ['length(images)', 3],
  ['`{"a": 1, "b": [2]}` == `{"b": [2], "a": 1}`', true],
  ['`{"a": 1}` == `{"a": 1, "b": null}`', false],
  ['`{"a": {"b": 1, "c": 2}}` != `{"a": {"c": 2, "b": 1}}`', false],
  ['`[1, 2]` == `[2, 1]`', false],
  ['`{"0": 1}` == `[1]`', false],
  ["`1` == '1'", false],
  ['nothing == nope', true],
  ['reverse(images)[0].digest', 'c'],
  ["join(',', images[].digest)", 'a,b,c'],
  ['images[1:].digest', ['b', 'c']],
  ['images[:-1].digest', ['a', 'b']],
  ['images[::-1].digest', ['c', 'b', 'a']],
  ['images[0].[digest,size]', ['a', 3]],
  [
    'images[*].[digest, tags[0]]',
    [
      ['a', 'v1'],
      ['b', null],
      ['c', 'v2'],
    ],
  ],
  ['images[0].{D: digest, "S": size}', { D: 'a', S: 3 }],
  ['stages[].actions[].n', [1, 2, 3]],
  ['stages[*].actions[*].n', [[1, 2], [3]]],
  ['stages[0].actions[?n==`2`] | [0].n', 2],
  ['"a-b".deep.list[1:3]', [2, 3]],
  ['"a-b".*.list[]', [1, 2, 3, 4]],
  ["nothing || 'default'", 'default'],
  ['empty && Account', []],
  ['not_null(nothing, Account)', '1'],
  ['[Account, nope]', ['1', null]],
  ['to_string(images[0].size)', '3'],
  ['keys(images[0])', ['digest', 'tags', 'size', 'at']],
  ['@.Account', '1'],
])('%s', (text, expected) => {
  expect(query(text, data)).toEqual(expected);
});

test.each(['images[', 'a..b', 'a b', "'open", '`', 'images[?a', '{a}', '', 'unknown(a)', 'a[b]', '#'])(
  '%s is refused',
  (text) => {
    expect(() => query(text, data)).toThrow(/^--query: /);
  },
);

test('whatever is asked, the answer is a value or an error that the user can act on', () => {
  const word = fc.constantFrom(
    'a',
    '.',
    '[',
    ']',
    '[]',
    '[?',
    '*',
    '0',
    '-1',
    ':',
    '|',
    '||',
    '&',
    '(',
    ')',
    "'x'",
    '`1`',
    '@',
    '==',
    ',',
    '{',
    '}',
    '!',
    ' ',
  );
  fc.assert(
    fc.property(fc.array(word), (words) => {
      try {
        query(words.join(''), { a: [{ a: 1 }] });
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
      }
    }),
  );
});
