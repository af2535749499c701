import { describe, expect, it } from 'vitest';
import { defaultReleasePolicy, longestObservationMs, parsePolicy } from './policy.ts';

describe('parsePolicy', () => {
  it('takes the defaults for what is left out', () => {
    expect(parsePolicy({})).toEqual({ ok: true, policy: defaultReleasePolicy });
    expect(parsePolicy({ bakeMs: 0, onNewerCommit: 'wait' })).toEqual({
      ok: true,
      policy: {
        ...defaultReleasePolicy,
        bakeMs: 0,
        onNewerCommit: 'wait',
        judge: { ...defaultReleasePolicy.judge, bakeMsMin: 0 },
      },
    });
  });

  it('lets the judge bake as long as the release does, and decide later than that', () => {
    const result = parsePolicy({ approval: 'automatic', bakeMs: 3 * 60 * 60_000, judge: { delta: 0.01 } });
    expect(result).toMatchObject({
      ok: true,
      policy: { judge: { delta: 0.01, bakeMsMin: 3 * 60 * 60_000, deadlineMs: 6 * 60 * 60_000 } },
    });
  });

  it.each([
    [{ alpha: 0 }, 'judge.alpha', /alpha.*probability/],
    [{ beta: 2 }, 'judge.beta', /beta.*probability/],
    [{ delta: -0.02 }, 'judge.delta', /delta.*difference/],
    [{ deadlineMs: 60_000 }, 'judge.deadlineMs', /could never pass/],
    [{ bakeMsMin: 5 }, 'judge.bakeMsMin', /set by "bakeMs"/],
    [{ gamma: 1 }, 'judge.gamma', /not a setting of the judge/],
    [5, 'judge', /must be a JSON object/],
    [null, 'judge', /must be a JSON object/],
  ])('refuses %j for the judge', (judge, setting, message) => {
    expect(parsePolicy({ judge })).toEqual({
      ok: false,
      problems: [{ setting, message: expect.stringMatching(message) }],
    });
  });

  it.each([
    ['bakeMs', -1],
    ['bakeMs', 1.5],
    ['bakeMs', '10'],
    ['watchMs', Number.NaN],
    ['watchMs', longestObservationMs + 1],
    ['approval', 'nobody'],
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
