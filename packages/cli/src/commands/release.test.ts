import { describe, expect, test } from 'vitest';
import { watchPauseMs } from './release.ts';

describe('release watch', () => {
  test('looks on AWS as rarely as the controller while a release is judged, and every five seconds otherwise', () => {
    expect(watchPauseMs('aws', { nextWakeMs: 42_000 })).toBe(42_000);
    expect([watchPauseMs('aws', { nextWakeMs: 300 }), watchPauseMs('aws', {})]).toEqual([5000, 5000]);
  });

  test('looks at an engine each second', () => {
    expect(watchPauseMs('local', { nextWakeMs: 42_000 })).toBe(1000);
  });
});
