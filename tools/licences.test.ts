import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { forbiddenLicences, type Lockfile } from './licences.ts';
import { CHECKOUT } from './packages.ts';

const locked = (license: string | undefined, dev = false): Lockfile => ({
  packages: {
    'packages/core': { version: '0.1.0' },
    'node_modules/a/node_modules/@b/c': {
      version: '1.2.3',
      dev,
      ...(license === undefined ? {} : { license }),
    },
  },
});

test('every dependency is under a permissive licence', () => {
  const lockfile = JSON.parse(readFileSync(`${CHECKOUT}/package-lock.json`, 'utf8')) as Lockfile;
  expect(Object.keys(lockfile.packages).length).toBeGreaterThan(100);
  expect(forbiddenLicences(lockfile)).toEqual([]);
});

test.each(['MIT', '(MIT OR GPL-3.0-or-later)', 'GPL-2.0 OR ISC', 'MIT AND ISC'])(
  '%s is allowed',
  (license) => {
    expect(forbiddenLicences(locked(license))).toEqual([]);
  },
);

test.each(['GPL-3.0', 'MIT AND GPL-3.0', 'SEE LICENSE IN FILE', 'UNLICENSED', 'MPL-2.0', undefined])(
  '%s is not, and the package is named',
  (license) => {
    expect(forbiddenLicences(locked(license))).toEqual([`@b/c 1.2.3: ${license ?? 'no licence'}`]);
  },
);

test('a tool may be under MPL-2.0, since nothing of it is published', () => {
  expect(forbiddenLicences(locked('MPL-2.0', true))).toEqual([]);
  expect(forbiddenLicences(locked('GPL-3.0', true))).toHaveLength(1);
});
