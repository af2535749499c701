import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { policySettings } from '../packages/core/src/index.ts';
import { PROPERTIES_FILE, renderProperties } from './policy-pages.ts';

test('the properties of the constructs are those of the table of settings', () => {
  expect(readFileSync(PROPERTIES_FILE, 'utf8')).toBe(renderProperties());
});

test.each([...policySettings])('%s has a default that it takes', (_, { kind, default: value }) => {
  expect(kind.check(value)).toBeUndefined();
});
