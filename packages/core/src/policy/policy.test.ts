import { describe, expect, test } from 'vitest';
import { defaultReleasePolicy, longestObservationMs, parsePolicy } from './policy.ts';

const hourMs = 60 * 60_000;

describe('parsePolicy', () => {
  test('takes the defaults for what is left out', () => {
    expect(parsePolicy({})).toEqual({ ok: true, policy: defaultReleasePolicy });
    expect(parsePolicy({ bakeMs: 180_000, onNewerCommit: 'wait' })).toEqual({
      ok: true,
      policy: {
        ...defaultReleasePolicy,
        bakeMs: 180_000,
        onNewerCommit: 'wait',
        judge: { ...defaultReleasePolicy.judge, bakeMsMin: 180_000 },
      },
    });
  });

  test('lets the judge bake as long as the release does, and decide later than that', () => {
    const result = parsePolicy({ approval: 'automatic', bakeMs: 3 * hourMs, judge: { margin: 0.01 } });
    expect(result).toMatchObject({
      ok: true,
      policy: { judge: { margin: 0.01, bakeMsMin: 3 * hourMs, deadlineMs: 6 * hourMs } },
    });
  });

  test.each([
    [{ bakeMs: 7 * hourMs }, 12],
    [{ judge: { visibilityTimeoutMs: 2 * hourMs } }, 4],
    [{ bakeMs: 7 * hourMs, judge: { deadlineMs: 8 * hourMs } }, 8],
  ])('lets the judge of %j decide within %i hours', (document, hours) => {
    expect(parsePolicy(document)).toMatchObject({
      ok: true,
      policy: { judge: { deadlineMs: hours * hourMs } },
    });
  });

  test('takes everything that the judge can be told', () => {
    const judge = {
      alpha: 0.02,
      beta: 0.1,
      margin: 0.01,
      latencyMargin: 0.1,
      slower: 0.25,
      taskSpread: 0.4,
      required: ['failures', 'latency'],
      messagesMin: 100,
      visibilityTimeoutMs: 60_000,
      deadlineMs: hourMs / 2,
      warmUpMs: 0,
      silenceMs: 30_000,
      counters: {
        'orders booked': { worse: 'less', tolerance: 0.25 },
        retries: { worse: 'more', tolerance: 1 },
      },
      dryRun: ['latency', 'throughput'],
    };
    expect(parsePolicy({ bakeMs: 0, judge })).toMatchObject({ ok: true, policy: { judge } });
    expect(parsePolicy({ judge: { dryRun: true } })).toMatchObject({
      ok: true,
      policy: { judge: { dryRun: true } },
    });
  });

  test('refuses a bake during which no task becomes warm, and says what to do', () => {
    const message =
      '"bakeMs" must be at least judge.warmUpMs, 180000 ms, not 15000 ms: a canary would be promoted before it is warm; bake longer, or set judge.warmUpMs to what a task takes to be warm';
    expect(parsePolicy({ bakeMs: 15_000 })).toEqual({
      ok: false,
      problems: [{ setting: 'bakeMs', message }],
    });
    expect(parsePolicy({ judge: { warmUpMs: hourMs } })).toMatchObject({
      ok: false,
      problems: [{ setting: 'bakeMs', message: expect.stringContaining('3600000 ms, not 600000 ms') }],
    });
    expect(parsePolicy({ bakeMs: 15_000, judge: { warmUpMs: 15_000 } }).ok).toBe(true);
  });

  test.each([
    [{ alpha: 0 }, 'judge.alpha', /^"judge.alpha" must be a probability/],
    [{ beta: 2 }, 'judge.beta', /^"judge.beta" must be a probability/],
    [{ margin: -0.02 }, 'judge.margin', /^"judge.margin" must be a difference/],
    [{ slower: 0 }, 'judge.slower', /^"judge.slower" must be a part from 0.1 to 10, not 0/],
    [{ taskSpread: '1' }, 'judge.taskSpread', /^"judge.taskSpread" must be .* not "1"/],
    [{ messagesMin: 0.5 }, 'judge.messagesMin', /^"judge.messagesMin" must be a whole number of messages/],
    [{ dryRun: ['speed'] }, 'judge.dryRun', /^"judge.dryRun" must be true, false or a list of failures, /],
    [
      { deadlineMs: 60_000 },
      'judge.deadlineMs',
      /^"judge.deadlineMs" must be later .*\(the longer of bakeMs and judge.visibilityTimeoutMs\).*could never pass/,
    ],
    [
      { deadlineMs: 12 * hourMs + 1 },
      'judge.deadlineMs',
      /^"judge.deadlineMs" must be between 0 and 43200000 ms \(twelve hours\), in whole milliseconds, not 43200001$/,
    ],
    [{ deadlineMs: 48 * hourMs }, 'judge.deadlineMs', /between 0 and 43200000 ms/],
    [{ visibilityTimeoutMs: 12 * hourMs }, 'judge.deadlineMs', /must be later than the shortest bake/],
    [{ bakeMsMin: 5 }, 'judge.bakeMsMin', /set by "bakeMs"/],
    [{ gamma: 1 }, 'judge.gamma', /^"judge.gamma" is not a setting of the judge; .* alpha, beta, /],
    [5, 'judge', /must be a JSON object/],
    [null, 'judge', /must be a JSON object/],
    [[], 'judge', /must be a JSON object/],
  ])('refuses %j for the judge', (judge, setting, message) => {
    expect(parsePolicy({ judge })).toEqual({
      ok: false,
      problems: [{ setting, message: expect.stringMatching(message) }],
    });
  });

  test.each([
    [5, /^"judge.counters" must be an object of counters by name, not 5/],
    [
      { booked: { worse: 'fewer', tolerance: 0.2 } },
      /^"judge.counters" must give "booked" as .*"less" or "more"/,
    ],
    [{ booked: { worse: 'less' } }, /^"judge.counters" must give "booked" as .*"tolerance"/],
    [{ booked: { worse: 'less', tolerance: 11 } }, /a part from 0.01 to 10/],
    [
      { booked: { worse: 'less', tolerance: 0.2, min: 3 } },
      /must give "booked" worse and tolerance only, not "min"/,
    ],
    [
      { 'orders,booked': { worse: 'less', tolerance: 0.2 } },
      /^"judge.counters" must have names of .* as the worker does, not "orders,booked"/,
    ],
    [
      Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`c${n}`, { worse: 'less', tolerance: 0.2 }])),
      /^"judge.counters" must be at most 20, .* not 21/,
    ],
  ])('refuses %j as counters', (counters, message) => {
    expect(parsePolicy({ judge: { counters } })).toEqual({
      ok: false,
      problems: [{ setting: 'judge.counters', message: expect.stringMatching(message) }],
    });
  });

  test.each(['delta', 'latencyDelta', 'oddsRatioTolerance', 'shareMin', 'unitsMin'])(
    'refuses %s, which an earlier version was told',
    (setting) => {
      expect(parsePolicy({ judge: { [setting]: 0.1 } })).toMatchObject({
        ok: false,
        problems: [{ setting: `judge.${setting}` }],
      });
    },
  );

  test.each([
    ['bakeMs', -1],
    ['bakeMs', 1.5],
    ['bakeMs', '10'],
    ['watchMs', Number.NaN],
    ['watchMs', longestObservationMs + 1],
    ['approval', 'nobody'],
    ['onNewerCommit', 'queue'],
    ['alarmThreshold', 0],
    ['alarmThreshold', null],
  ])('refuses %s %j and says what it must be', (setting, value) => {
    expect(parsePolicy({ [setting]: value })).toEqual({
      ok: false,
      problems: [{ setting, message: expect.stringMatching(new RegExp(`^"${setting}" must be `)) }],
    });
  });

  test('refuses a setting that it does not know, instead of promoting under rules it does not understand', () => {
    const result = parsePolicy({ alpha: 0.01 });
    expect(result).toMatchObject({ ok: false, problems: [{ setting: 'alpha' }] });
  });

  test.each([[null], [[]], ['{}'], [undefined], [5]])('refuses %j as a document', (document) => {
    expect(parsePolicy(document)).toMatchObject({ ok: false, problems: [{ setting: '' }] });
  });

  test('names every problem at once', () => {
    const result = parsePolicy({ bakeMs: -1, watchMs: -1, other: 1 });
    expect(result.ok ? [] : result.problems.map(({ setting }) => setting)).toEqual([
      'bakeMs',
      'watchMs',
      'other',
    ]);
  });
});
