import { describe, expect, it } from 'vitest';
import { defaultReleasePolicy, longestObservationMs, parsePolicy } from './policy.ts';

describe('parsePolicy', () => {
  it('takes the defaults for what is left out', () => {
    expect(parsePolicy({})).toEqual({ ok: true, policy: defaultReleasePolicy });
    expect(parsePolicy({ bakeMs: 0, onNewerCommit: 'wait' })).toEqual({
      ok: true,
      policy: { ...defaultReleasePolicy, bakeMs: 0, onNewerCommit: 'wait' },
    });
  });

  it.each([
    ['bakeMs', -1],
    ['bakeMs', 1.5],
    ['bakeMs', '10'],
    ['watchMs', Number.NaN],
    ['watchMs', longestObservationMs + 1],
    ['approval', 'automatic'],
    ['onNewerCommit', 'queue'],
    ['deadLettersMax', -1],
    ['deadLettersMax', null],
  ])('refuses %s %j and says what it must be', (setting, value) => {
    expect(parsePolicy({ [setting]: value })).toEqual({
      ok: false,
      problems: [{ setting, message: expect.stringMatching(new RegExp(`^"${setting}" must be `)) }],
    });
  });

  it('refuses a setting that it does not know, instead of promoting under rules it does not understand', () => {
    const result = parsePolicy({ alpha: 0.01 });
    expect(result).toMatchObject({ ok: false, problems: [{ setting: 'alpha' }] });
  });

  it.each([[null], [[]], ['{}'], [undefined], [5]])('refuses %j as a document', (document) => {
    expect(parsePolicy(document)).toMatchObject({ ok: false, problems: [{ setting: '' }] });
  });

  it('names every problem at once', () => {
    const result = parsePolicy({ bakeMs: -1, watchMs: -1, other: 1 });
    expect(result.ok ? [] : result.problems.map(({ setting }) => setting)).toEqual([
      'bakeMs',
      'watchMs',
      'other',
    ]);
  });
});
