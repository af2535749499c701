import { describe, expect, test } from 'vitest';
import { page, pager } from './paging.ts';

const invalid = () => new Error('no such page');

describe('pages', () => {
  test('hold everything once, in order, and the last one has no token', () => {
    const first = page([1, 2, 3, 4], undefined, 3, invalid);
    expect(first.items).toEqual([1, 2, 3]);
    expect(page([1, 2, 3, 4], first.next, 3, invalid)).toEqual({ items: [4], next: undefined });
  });

  test.each(['3', 'nonsense', Buffer.from('after-x').toString('base64url')])(
    'of an unknown token %s are refused',
    (token) => {
      expect(() => page([1], token, 1, invalid)).toThrow('no such page');
    },
  );
});

test.each([
  [undefined, 2],
  [0, 1],
  [3, 3],
  [9, 4],
])('a pager asked for %s items gives %i', (maxResults, size) => {
  const list = pager({ largest: 4, usual: 2, invalidToken: invalid });
  const { items, nextToken } = list([1, 2, 3, 4, 5, 6], { maxResults });
  expect(items).toHaveLength(size);
  expect(list([1, 2, 3, 4, 5, 6], { maxResults, nextToken }).items[0]).toBe(size + 1);
});
