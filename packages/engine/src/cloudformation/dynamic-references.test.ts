import { expect, test } from 'vitest';
import { resolveDynamicReferences } from './dynamic-references.ts';

const read = async (name: string) => `<${name}>`;

test('references are replaced wherever they stand, also with a version and next to other text', async () => {
  const value = { a: ['x{{resolve:ssm:/p}}y{{resolve:ssm:q:3}}', 1, true], b: { c: '{{resolve:ssm:a/b}}' } };
  expect(await resolveDynamicReferences(value, read)).toEqual({
    a: ['x</p>y<q:3>', 1, true],
    b: { c: '<a/b>' },
  });
});

test.each([
  ['{{resolve:ssm-secure:p:1}}', 'reads from ssm-secure, which the local engine does not keep'],
  ['{{resolve:secretsmanager:s}}', 'reads from secretsmanager, which the local engine does not keep'],
  ['{{resolve:vault:s}}', 'Incorrect format is used in the following dynamic reference: {{resolve:vault:s}}'],
  ['{{resolve:ssm:}}', 'Incorrect format is used in the following dynamic reference: {{resolve:ssm:}}'],
])('%s is refused', async (reference, message) => {
  await expect(resolveDynamicReferences(reference, read)).rejects.toThrow(message);
});
