import fc from 'fast-check';
import { expect, test } from 'vitest';
import { matchesPieces, matchesWildcard } from './wildcard.ts';

/** The meaning, spelled out: exponential, so for short texts only. */
function means(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  const [first, rest] = [pattern[0], pattern.slice(1)];
  if (first === '*') return means(rest, text) || (text !== '' && means(pattern, text.slice(1)));
  return text !== '' && (first === '?' || first === text[0]) && means(rest, text.slice(1));
}

test('"*" stands for any characters and "?" for one', () => {
  const short = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 7 });
  fc.assert(
    fc.property(short, fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 }), (pattern, text) => {
      expect([pattern, text, matchesWildcard(pattern, text)]).toEqual([pattern, text, means(pattern, text)]);
    }),
    { numRuns: 2_000 },
  );
});

test('a pattern of many stars takes no longer than one of few', () => {
  const text = 'a'.repeat(100_000);
  expect(matchesWildcard(`${'*a'.repeat(1_000)}*b`, text)).toBe(false);
  expect(matchesWildcard(`${'*?a'.repeat(1_000)}*b`, text)).toBe(false);
  expect(matchesPieces(`${'*a'.repeat(1_000)}*`.split('*'), text)).toBe(true);
});
