import { describe, expect, test } from 'vitest';
import { cell, judged } from '../../test/judge-scenes.ts';
import { addedNamed, named } from './named.ts';
import { Pool } from './pool.ts';

const plus = (a: number, b: number) => a + b;
const strange = ['constructor', 'toString', '__proto__'];

describe('amounts by name', () => {
  test('are nothing where there are none, also of what every object has', () => {
    for (const name of strange) expect(named({}, name)).toBeUndefined();
    expect(named(undefined, 'a')).toBeUndefined();
    expect(named({ a: 3 }, 'a')).toBe(3);
  });

  test('are added name by name, whatever the names are', () => {
    for (const name of strange) {
      const one = Object.fromEntries([[name, 1]]);
      const two = Object.fromEntries([
        [name, 2],
        ['other', 5],
      ]);
      const sum = addedNamed(one, two, plus);
      expect([named(sum, name), named(sum, 'other')]).toEqual([3, 5]);
    }
  });

  test('survive the pool', () => {
    const errors = Object.fromEntries(strange.map((name) => [name, 1]));
    const block = (fromMs: number) => ({
      fromMs,
      toMs: fromMs + 5000,
      canary: [cell({ finished: 8, failed: 3, errors })],
      stable: [],
      starts: [],
    });
    const pool = new Pool(0);
    expect(pool.add(block(0))).toBeUndefined();
    const pooled = pool.add(block(5000))!.canary[0]!.errors;
    for (const name of strange) expect(named(pooled, name)).toBe(2);
  });

  test('do not stop the judge when the canary alone has types and errors of such names', () => {
    const failing = { failed: 1, errors: { constructor: 1 }, types: { constructor: [3, 1] as const } };
    const fine = { errors: {}, types: { order: [3, 0] as const } };
    const verdict = judged({
      blocks: 5,
      canary: () => ({ rest: () => failing }),
      stable: () => ({ rest: () => fine }),
    });
    expect(verdict.evidence.total).toBeGreaterThan(0);
  });
});
