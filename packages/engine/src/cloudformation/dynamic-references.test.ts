import { expect, test } from 'vitest';
import type { SecretPlace } from '../secret-place.ts';
import { resolveDynamicReferences } from './dynamic-references.ts';

const read = {
  parameter: async (name: string) => `<${name}>`,
  secret: async ({ secretId, key, stage, versionId }: SecretPlace) =>
    key === 'none' ? undefined : [secretId, key, stage, versionId].join('|'),
};

test('references are replaced wherever they stand, also with a version and next to other text', async () => {
  const value = { a: ['x{{resolve:ssm:/p}}y{{resolve:ssm:q:3}}', 1, true], b: { c: '{{resolve:ssm:a/b}}' } };
  expect(await resolveDynamicReferences(value, read)).toEqual({
    a: ['x</p>y<q:3>', 1, true],
    b: { c: '<a/b>' },
  });
});

const ARN = 'arn:aws:secretsmanager:us-east-1:000000000000:secret:s-AbCdEf';

test.each([
  ['{{resolve:secretsmanager:s}}', 's|||'],
  ['{{resolve:secretsmanager:s:SecretString}}', 's|||'],
  ['{{resolve:secretsmanager:s:SecretString:k}}', 's|k||'],
  [`{{resolve:secretsmanager:${ARN}:SecretString:k::}}`, `${ARN}|k||`],
  [`{{resolve:secretsmanager:${ARN}::k:AWSPREVIOUS}}`, `${ARN}|k|AWSPREVIOUS|`],
  ['{{resolve:secretsmanager:s:SecretString:::id}}', 's|||id'],
])('%s reads a secret', async (reference, value) => {
  expect(await resolveDynamicReferences(reference, read)).toBe(value);
});

test.each([
  [
    '{{resolve:ssm-secure:p:1}}',
    "reads from ssm-secure, which none of the local engine's resources may take",
  ],
  ['{{resolve:secretsmanager:}}', 'Incorrect format'],
  ['{{resolve:secretsmanager:s:Other}}', 'Incorrect format'],
  ['{{resolve:secretsmanager:s:SecretString:k:stage:version}}', 'Incorrect format'],
  ['{{resolve:secretsmanager:s:SecretString:none}}', 'Could not find a value associated with JSONKey'],
  ['{{resolve:vault:s}}', 'Incorrect format is used in the following dynamic reference: {{resolve:vault:s}}'],
  ['{{resolve:ssm:}}', 'Incorrect format is used in the following dynamic reference: {{resolve:ssm:}}'],
])('%s is refused', async (reference, message) => {
  await expect(resolveDynamicReferences(reference, read)).rejects.toThrow(message);
});
