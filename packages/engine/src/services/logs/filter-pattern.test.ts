import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseFilterPattern } from './filter-pattern.ts';

const matches = (pattern: string, message: string) => parseFilterPattern(pattern)(message);
const word = fc.stringMatching(/^[A-Za-z0-9_]{1,8}$/);

describe('terms', () => {
  test.each([
    ['', 'anything', true],
    ['ERROR', '[ERROR 400] bad request', true],
    ['ERROR', '[error 400] bad request', false],
    ['ERROR Timeout', 'ERROR: Timeout', true],
    ['ERROR Timeout', 'ERROR: refused', false],
    ['"bad request"', 'ERROR bad request', true],
    ['"bad request"', 'ERROR request bad', false],
    ['"say \\"no\\""', 'they say "no" again', true],
    ['?ERROR ?WARN', 'WARN low', true],
    ['?ERROR ?WARN', 'INFO fine', false],
    ['ERROR -retry', 'ERROR gone', true],
    ['ERROR -retry', 'ERROR will retry', false],
    ['-"will retry"', 'ERROR will retry', false],
    ['ERROR ?WARN', 'ERROR alone', true],
    ['ERROR ?WARN', 'WARN alone', false],
  ])('%s on %s is %s', (pattern, message, expected) => {
    expect(matches(pattern, message)).toBe(expected);
  });

  test('all required ones must be in the message, in any order', () => {
    fc.assert(
      fc.property(fc.uniqueArray(word, { minLength: 1, maxLength: 5 }), fc.array(word), (terms, others) => {
        const message = [...others, ...terms].reverse().join(' ');
        expect(matches(terms.join(' '), message)).toBe(true);
        expect(matches(`${terms.join(' ')} -${terms[0]}`, message)).toBe(false);
      }),
    );
  });
});

describe('JSON patterns', () => {
  const line = JSON.stringify({
    level: 'error',
    status: 404,
    took: 12.5,
    zero: 0,
    gone: null,
    ok: true,
    empty: '',
    user: { name: 'Ann Lee', roles: ['reader', 'admin'], 'last-seen': 3 },
  });

  test.each([
    ['{ $.level = error }', true],
    ['{ $.level = "error" }', true],
    ['{ $.level = "err*" }', true],
    ['{ $.level = "*rr*r" }', true],
    ['{ $.level = "e*x*r" }', false],
    ['{ $.level = "warn" }', false],
    ['{ $.level != "warn" }', true],
    ['{ $.level != "error" }', false],
    ['{ $.missing != "x" }', false],
    ['{ $.status = 404 }', true],
    ['{ $.status = 4.04e2 }', true],
    ['{ $.status = 4* }', true],
    ['{ $.status = 5* }', false],
    ['{ $.status >= 404 && $.status < 500 }', true],
    ['{ $.took > 12.5 }', false],
    ['{ $.took <= 12.5 }', true],
    ['{ $.level > 1 }', false],
    ['{ $.zero = * }', true],
    ['{$.empty=*}', true],
    ['{ $.gone = "*" }', true],
    ['{ $.missing = * }', false],
    ['{ $.gone IS NULL }', true],
    ['{ $.missing IS NULL }', false],
    ['{ $.ok IS TRUE }', true],
    ['{ $.ok IS FALSE }', false],
    ['{ $.missing NOT EXISTS }', true],
    ['{ $.gone NOT EXISTS }', false],
    ['{ $.user.name = "Ann Lee" }', true],
    ['{ $.user.roles[1] = admin }', true],
    ['{ $.user.last-seen = 3 }', true],
    ['{ $.user[\'name\'] = "Ann*" }', true],
    ['{ $.status = 500 || $.level = error && $.ok IS TRUE }', true],
    ['{ ($.status = 500 || $.level = error) && $.ok IS FALSE }', false],
  ])('%s is %s', (pattern, expected) => {
    expect(matches(pattern, line)).toBe(expected);
  });

  test('never match what is not a JSON object', () => {
    for (const message of ['plain', '{"a":1', '[{"a":1}]', '"{}"', '7']) {
      expect(matches('{ $.a NOT EXISTS }', message)).toBe(false);
    }
  });

  test('the two comparisons of a number exclude each other and cover every number', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (value, limit) => {
        const message = JSON.stringify({ value });
        expect(matches(`{ $.value < ${limit} }`, message)).toBe(value < limit);
        expect(matches(`{ $.value >= ${limit} }`, message)).toBe(value >= limit);
        expect(matches(`{ $.value = ${limit} }`, message)).toBe(value === limit);
      }),
    );
  });

  test('any text equals itself, and no longer one', () => {
    const text = fc
      .string({ minLength: 1 })
      .filter((value) => !value.includes('*') && !value.startsWith('%'));
    fc.assert(
      fc.property(text, text, (value, more) => {
        const quoted = `"${value.replace(/["\\]/g, '\\$&')}"`;
        expect(matches(`{ $.value = ${quoted} }`, JSON.stringify({ value }))).toBe(true);
        expect(matches(`{ $.value = ${quoted} }`, JSON.stringify({ value: value + more }))).toBe(false);
      }),
    );
  });
});

describe('refused patterns', () => {
  test.each([
    ['[ip, user, code=4*]', 'space-delimited'],
    ['%[45]xx%', 'regular expressions'],
    ['{ $.a = %x.*% }', 'regular expressions'],
    ['foo.bar', 'double quotes'],
    ['"open', 'double quotes'],
    ['{ $.a = "x"', 'expected "}"'],
    ['{ $.a = "x" } trailing', 'expected the end'],
    ['{ $.a = }', 'needs a number, a word or a string'],
    ['{ $.a > high }', 'not a number'],
    ['{ $.a IS MISSING }', 'none of IS NULL'],
    ['{ $.items[*].a = 1 }', 'selector $.items[*].a'],
    ['{ a = 1 }', 'begins with a selector'],
    ['{ }', 'begins with a selector'],
    ['{ $.a = 1 & $.b = 2 }', 'cannot be read'],
    ['x'.repeat(1025), 'longer than 1024'],
  ])('%s', (pattern, why) => {
    expect(() => parseFilterPattern(pattern)).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterException',
        message: expect.stringContaining(why) as string,
      }),
    );
  });

  test('a text is either a pattern or refused as one, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `{ $.a ${text} }`),
        ),
        (text) => {
          try {
            expect(typeof parseFilterPattern(text)('{"a":1}')).toBe('boolean');
          } catch (error) {
            expect(error).toMatchObject({ code: 'InvalidParameterException' });
          }
        },
      ),
    );
  });
});
