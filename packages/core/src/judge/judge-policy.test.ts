import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  defaultJudgePolicy,
  isDryRun,
  judgedMetrics,
  parseJudgePolicy,
  shortestBakeMs,
  slownessToleranceBins,
} from './judge-policy.ts';

function problemsOf(document: unknown): string[] {
  const result = parseJudgePolicy(document);
  return result.ok ? [] : result.problems.map(({ message }) => message);
}

describe('the policy of the judge', () => {
  test('has defaults that are themselves possible', () => {
    expect(parseJudgePolicy({})).toEqual({ ok: true, policy: defaultJudgePolicy });
    expect(parseJudgePolicy(defaultJudgePolicy)).toEqual({ ok: true, policy: defaultJudgePolicy });
  });

  test.each([
    { margin: 0.005, required: ['latency'] },
    { counters: { sold: { worse: 'less', tolerance: 0.25 }, retries: { worse: 'more', tolerance: 10 } } },
    { counters: {} },
    { dryRun: true },
    { dryRun: ['latency', 'throughput'] },
    { dryRun: [] },
    { required: ['latency', 'failures'] },
    { warmUpMs: 0, bakeMsMin: 0, visibilityTimeoutMs: 0 },
  ])('takes %j and defaults for the rest', (document) => {
    expect(parseJudgePolicy(document)).toEqual({ ok: true, policy: { ...defaultJudgePolicy, ...document } });
  });

  test.each([
    ['alpha', 0, 'a probability from 0.000001 to 0.2, not 0'],
    ['alpha', 1, 'not 1'],
    ['alpha', Number.NaN, 'not NaN'],
    ['beta', '0.05', 'a probability from 0.000001 to 0.5, not "0.05"'],
    ['margin', 0, 'a difference of failure rates from 0.0001 to 0.5, not 0'],
    ['margin', 2, 'not 2'],
    ['latencyMargin', 0, 'a difference of rates from 0.001 to 0.5, not 0'],
    ['slower', 0.01, 'a part from 0.1 to 10, not 0.01'],
    ['taskSpread', 0, 'a standard deviation from 0.01 to 3, not 0'],
    ['messagesMin', 0, '1 or more, not 0'],
    ['messagesMin', 2.5, 'a whole number of messages'],
    [
      'deadlineMs',
      Number.POSITIVE_INFINITY,
      'between 0 and 43200000 ms (twelve hours), in whole milliseconds',
    ],
    ['bakeMsMin', -1, 'not -1'],
    ['visibilityTimeoutMs', 86_400_001, 'not 86400001'],
    ['warmUpMs', '3 min', 'not "3 min"'],
    ['silenceMs', null, 'not null'],
    ['required', [], 'not []; a pass needs at least one'],
    ['required', ['failures', 'failures'], 'each once'],
    ['required', ['errors'], 'not ["errors"]'],
    ['required', 'failures', 'must list "failures", "latency" or both'],
    ['counters', [], 'an object of counters by name, not []'],
    ['counters', null, 'an object of counters by name, not null'],
    [
      'counters',
      { sold: { worse: 'fewer', tolerance: 0.2 } },
      'must give "sold" as {"worse": "less" or "more"',
    ],
    ['counters', { sold: { worse: 'less' } }, 'a part from 0.01 to 10'],
    ['counters', { sold: { worse: 'less', tolerance: 0 } }, 'not {"worse":"less","tolerance":0}'],
    ['counters', { good: { worse: 'more', tolerance: 1 }, sold: null }, 'must give "sold"'],
    [
      'dryRun',
      'yes',
      'must be true, false or a list of failures, broken, latency, crashes, throughput, counters, not "yes"',
    ],
    ['dryRun', ['errors'], 'not ["errors"]'],
    ['alfa', 0.01, 'is not a setting of the judge; remove it or use one of alpha, beta'],
    ['unitsMin', 30, 'is not a setting of the judge'],
  ])('refuses %s = %j and says what is possible', (setting, value, words) => {
    const result = parseJudgePolicy({ [setting]: value });
    expect(result).toMatchObject({ ok: false, problems: [{ setting }] });
    const problems = problemsOf({ [setting]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`"${setting}"`);
    expect(problems[0]).toContain(words);
  });

  test('refuses times that contradict each other', () => {
    expect(problemsOf({ bakeMsMin: 179_999 })).toEqual([
      '"bakeMsMin" must be at least warmUpMs, 180000 ms, not 179999: a canary would be passed before it is warm; bake longer, or set the time that a task takes to be warm',
    ]);
    expect(problemsOf({ warmUpMs: 600_000 })[0]).toContain('at least warmUpMs, 600000 ms');
    expect(problemsOf({ warmUpMs: 10_000, bakeMsMin: 10_000 })).toEqual([]);
    expect(problemsOf({ deadlineMs: 180_000 })[0]).toContain('later than the shortest bake, 180000 ms');
    expect(problemsOf({ visibilityTimeoutMs: 7_200_000 })[0]).toContain('could never pass');
    expect(problemsOf({ silenceMs: 4999 })[0]).toContain('at least 5000');
    expect(problemsOf({ silenceMs: 5000 })).toEqual([]);
  });

  test('names every problem at once and never throws', () => {
    expect(problemsOf({ alpha: 2, beta: -1, colour: 'red' })).toHaveLength(3);
    expect(problemsOf({ bakeMsMin: 0, silenceMs: 0 })).toHaveLength(2);
    for (const document of [null, [], 'alpha', 3]) {
      expect(problemsOf(document)[0]).toContain("the judge's policy must be a JSON object, not");
    }
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withObjectString: true }), (anything) => {
        expect(parseJudgePolicy(anything)).toHaveProperty('ok');
        for (const setting of ['alpha', 'required', 'counters', 'dryRun', 'deadlineMs']) {
          expect(parseJudgePolicy({ [setting]: anything })).toHaveProperty('ok');
        }
        expect(parseJudgePolicy({ counters: { sold: anything } })).toHaveProperty('ok');
      }),
    );
  });
});

describe('what follows from a policy', () => {
  test('is a bake of at least the visibility timeout', () => {
    expect(shortestBakeMs(defaultJudgePolicy)).toBe(180_000);
    expect(shortestBakeMs({ ...defaultJudgePolicy, visibilityTimeoutMs: 900_000 })).toBe(900_000);
  });

  test('is a tolerance for slowness of about half of what is bad, and of one bin at least', () => {
    const factor = (slower: number) => 2 ** (slownessToleranceBins({ ...defaultJudgePolicy, slower }) / 16);
    expect(factor(0.5)).toBeGreaterThan(1.15);
    expect(factor(0.5)).toBeLessThan(1.35);
    expect(factor(2)).toBeGreaterThan(1.5);
    expect(factor(2)).toBeLessThan(2.2);
    expect(slownessToleranceBins({ ...defaultJudgePolicy, slower: 0.0001 })).toBe(1);
  });

  test('is which metrics are in dry run', () => {
    const dry = (dryRun: typeof defaultJudgePolicy.dryRun) => {
      return judgedMetrics.filter((metric) => isDryRun({ ...defaultJudgePolicy, dryRun }, metric));
    };
    expect(dry(false)).toEqual([]);
    expect(dry(true)).toEqual(judgedMetrics);
    expect(dry(['crashes'])).toEqual(['crashes']);
  });
});
