import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ANY, matches, type Pattern, readPattern } from './pattern.ts';

/** Says by trying every split what a pattern means; exponential, so for short texts only. */
function meaning(pattern: Pattern, text: string): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return text === '';
  if (typeof first === 'string') return text[0] === first && meaning(rest, text.slice(1));
  const stands = text !== '' && text[0] !== first.except;
  if (!first.many) return stands && meaning(rest, text.slice(1));
  return meaning(rest, text) || (stands && meaning(pattern, text.slice(1)));
}

describe('wildcards of policies', () => {
  test('mean what trying every split says', () => {
    const token = fc.constantFrom<string | object>(
      'a',
      ':',
      ANY,
      { many: false },
      { many: true, except: ':' },
      { many: false, except: ':' },
    ) as fc.Arbitrary<Pattern[number]>;
    const text = fc.array(fc.constantFrom('a', 'b', ':'), { maxLength: 8 }).map((all) => all.join(''));
    fc.assert(
      fc.property(fc.array(token, { maxLength: 6 }), text, (pattern, given) => {
        expect(matches(pattern, given)).toBe(meaning(pattern, given));
      }),
    );
  });

  test('match literally what they do not mean', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const plain = text.replace(/[*?]/g, '');
        expect(matches(readPattern(plain), plain)).toBe(true);
      }),
    );
    expect(matches(readPattern('a.c'), 'abc')).toBe(false);
    expect(matches(readPattern('a*c'), 'a(b)\nc')).toBe(true);
    expect(matches(readPattern('a?c'), 'a😀c')).toBe(true);
  });

  test('take no longer for many stars than for few', () => {
    const pattern = readPattern(`${'*a'.repeat(24)}*b`);
    expect(matches(pattern, 'a'.repeat(5_000))).toBe(false);
    expect(matches(pattern, `${'a'.repeat(5_000)}b`)).toBe(true);
  });
});
