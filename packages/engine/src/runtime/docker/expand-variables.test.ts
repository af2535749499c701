import fc from 'fast-check';
import { expect, test } from 'vitest';
import { expandVariables } from './expand-variables.ts';

const variables = { A: 'one', EMPTY: '', N1_x: 'two words' };

test.each([
  ['$A', 'one'],
  [`\${A}b$Ab`, 'oneb'],
  [`x\${N1_x}y`, 'xtwo wordsy'],
  [`$UNSET-\${UNSET}`, '-'],
  [`\${EMPTY:-default} \${A:-default}`, 'default one'],
  [`\${A:+set}\${EMPTY:+set}`, 'set'],
  [`\${UNSET:-\${A:-x}}`, 'one'],
  [`\\$A \\\${A}`, `$A \${A}`],
  ['\'$A\' "$A"', '$A one'],
  ['"a \\"b\\" \\n"', 'a "b" \\n'],
  ['5$ and $', '5$ and $'],
])('%s becomes %s', (text, expected) => {
  expect(expandVariables(text, variables)).toBe(expected);
});

test.each([`\${A#prefix}`, `\${A:0:1}`, `\${A`, `\${}`, `\${!A}`])('%s is refused, not passed on', (text) => {
  expect(() => expandVariables(text, variables)).toThrow(/not a form of variable/);
});

test('text without special characters stays as it is, whatever the variables are called', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[^$\\'"]*$/), fc.dictionary(fc.string(), fc.string()), (text, any) => {
      expect(expandVariables(text, any)).toBe(text);
    }),
  );
});

test('the value of a variable is never expanded again', () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      expect(expandVariables(`<\${V}>`, { V: value, A: 'no' })).toBe(`<${value}>`);
    }),
  );
});
