import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultJudgePolicy, parseJudgePolicy } from './judge-policy.ts';

function problemsOf(document: unknown): string[] {
  const result = parseJudgePolicy(document);
  return result.ok ? [] : result.problems.map(({ message }) => message);
}

describe('the policy of the judge', () => {
  it('has defaults that are themselves possible', () => {
    expect(parseJudgePolicy({})).toEqual({ ok: true, policy: defaultJudgePolicy });
    expect(parseJudgePolicy(defaultJudgePolicy)).toEqual({ ok: true, policy: defaultJudgePolicy });
    expect(parseJudgePolicy({ delta: 0.005, required: ['latency'] })).toMatchObject({
      ok: true,
      policy: { delta: 0.005, required: ['latency'], alpha: 0.01 },
    });
  });

  it.each([
    ['alpha', 0, 'probability'],
    ['alpha', 1, 'from 0.000001 to 0.2, not 1'],
    ['alpha', Number.NaN, 'not NaN'],
    ['beta', '0.05', 'not "0.05"'],
    ['delta', 0, 'difference of failure rates'],
    ['delta', 2, 'from 0.0001 to 0.5, not 2'],
    ['oddsRatioTolerance', 0.5, 'ratio of odds from 1'],
    ['shareMin', 1, 'not 1'],
    ['unitsMin', 0, '1 or more, not 0'],
    ['unitsMin', 2.5, 'whole number of units'],
    ['deadlineMs', Number.POSITIVE_INFINITY, 'whole number of milliseconds'],
    ['bakeMsMin', -1, 'not -1'],
    ['required', [], 'at least one'],
    ['required', ['failures', 'failures'], 'each once'],
    ['required', ['errors'], 'not ["errors"]'],
    ['alfa', 0.01, 'is not a setting of the judge; remove it or use one of alpha, beta'],
  ])('refuses %s = %s and says what is possible', (setting, value, words) => {
    const problems = problemsOf({ [setting]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`"${setting}"`);
    expect(problems[0]).toContain(words);
  });

  it('refuses times that contradict each other', () => {
    expect(problemsOf({ deadlineMs: 30_000 })[0]).toContain('later than the shortest bake, 30000 ms');
    expect(problemsOf({ visibilityTimeoutMs: 7_200_000 })[0]).toContain('could never pass');
    expect(problemsOf({ silenceMs: 1000 })[0]).toContain('at least 5000');
    expect(problemsOf({ required: ['latency'], warmUpMs: 3_600_000 })[0]).toContain('never be certified');
  });

  it('names every problem at once and never throws', () => {
    expect(problemsOf({ alpha: 2, beta: -1, colour: 'red' })).toHaveLength(3);
    expect(problemsOf(null)[0]).toContain('must be a JSON object, not null');
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withObjectString: true }), (anything) => {
        expect(parseJudgePolicy(anything)).toHaveProperty('ok');
        expect(parseJudgePolicy({ alpha: anything })).toHaveProperty('ok');
      }),
    );
  });
});
