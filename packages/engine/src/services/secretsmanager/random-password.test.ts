import { expect, test } from 'vitest';
import { ByteIds } from '../../ids.ts';
import { randomPassword } from './random-password.ts';

const ids = ByteIds.seeded(1);

test.each([
  [{}, /^[!-~]{32}$/],
  [{ PasswordLength: 4 }, /^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[^\w]|.*_).{4}$/],
  [{ ExcludePunctuation: true, ExcludeNumbers: true, ExcludeUppercase: true }, /^[a-z]{32}$/],
  [{ ExcludeLowercase: true, ExcludeUppercase: true, ExcludeCharacters: '0123"\'' }, /^[^a-zA-Z0-3"']{32}$/],
  [{ IncludeSpace: true, PasswordLength: 5 }, / /],
])('a password with %o', (wanted, pattern) => {
  for (let count = 0; count < 50; count++) expect(randomPassword(ids, wanted)).toMatch(pattern);
});

test.each([
  [{ PasswordLength: 3 }, /too short/],
  [{ PasswordLength: 0 }, /PasswordLength: 0/],
  [{ PasswordLength: 4097 }, /PasswordLength: 4097/],
])('no password with %o', (wanted, message) => {
  expect(() => randomPassword(ids, wanted)).toThrow(message);
});
