import { describe, expect, test } from 'vitest';
import { type RandomTask, randomLines, sequence } from '../../test/random-lines.ts';
import { defaultJudgePolicy, type JudgePolicy } from '../judge/judge-policy.ts';
import {
  type Calibration,
  type CalibrationProgress,
  type CalibrationResult,
  calibrate,
} from './calibration.ts';
import { History } from './history.ts';
import { renderCalibration } from './render.ts';

const ZERO = 1_800_000_000_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Releases of ten minutes, so that two hours hold many. */
const policy: JudgePolicy = {
  ...defaultJudgePolicy,
  warmUpMs: MINUTE_MS,
  bakeMsMin: 3 * MINUTE_MS,
  deadlineMs: 10 * MINUTE_MS,
};

type Task = Partial<RandomTask> & { readonly task: string };

/** What tasks reported over some hours. Those of which nothing else is said ran all the time and are alike. */
function historyOf(hours: number, tasks: readonly Task[]): History {
  const history = new History(ZERO, ZERO + hours * HOUR_MS);
  const random = sequence(1);
  const usual = {
    startedAt: ZERO - HOUR_MS,
    untilMs: ZERO + (hours + 1) * HOUR_MS,
    perSecond: 3,
    failing: 0.01,
  };
  for (const task of tasks) {
    for (const line of randomLines({ ...usual, ...task }, random)) history.add(line);
  }
  return history;
}

function three(each: (task: string) => Partial<RandomTask> = () => ({})): Task[] {
  return ['a', 'b', 'c'].map((task) => ({ task, ...each(task) }));
}

/** Tasks that start while others are warm, and live for half an hour. */
function starts(each: Partial<RandomTask>): Task[] {
  return [15, 40].map((minute) => {
    const startedAt = ZERO + minute * MINUTE_MS + 777;
    return { task: `new-${minute}`, startedAt, untilMs: startedAt + 31 * MINUTE_MS, ...each };
  });
}

function resultOf(history: History, by: JudgePolicy = policy): CalibrationResult {
  const run = calibrate(history, by);
  for (;;) {
    const step = run.next();
    if (step.done === true) return step.value;
  }
}

function calibrationOf(history: History, by: JudgePolicy = policy): Calibration {
  const result = resultOf(history, by);
  if (!result.ok) throw new Error(result.missing);
  return result.calibration;
}

/** The value that is recommended for each setting. */
function settingsOf({ recommendations }: Calibration): Record<string, unknown> {
  return Object.fromEntries(recommendations.map(({ setting, value }) => [setting, value]));
}

/** The report as one text, which is at most 80 columns wide. */
function reportOf(calibration: Calibration): string {
  const lines = renderCalibration(calibration, policy);
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  return lines.join('\n');
}

describe('a calibration', () => {
  test('fails no task that is like the others, and recommends nothing', () => {
    const calibration = calibrationOf(historyOf(2, three()));
    expect(calibration).toMatchObject({
      outcomes: { together: { releases: 33, failed: 0, failedRateUpTo: expect.closeTo(0.13, 3) } },
      byMetric: [],
      failed: [],
      recommendations: [],
      history: { tasks: 3, tasksKept: 3, tasksAtOnce: 3 },
      learnt: {
        differences: { rateSpread: 0 },
        traffic: { messagesPerSecond: expect.closeTo(9, 0), failureRate: expect.closeTo(0.01, 2) },
        certification: { margin: 0.02, canaryShare: 0.25, messagesPerSecond: expect.closeTo(12, 0) },
      },
    });
    const { passed, medianMsToPass } = calibration.outcomes.together;
    expect(passed).toBeGreaterThan(25);
    expect(medianMsToPass).toBeGreaterThanOrEqual(policy.bakeMsMin);
    expect(calibration.learnt.traffic.clumping).toBeLessThan(1.3);
    expect(calibration.recommended).toBeUndefined();
    expect(calibration.missing).toEqual([
      'To be sure of a rate of 1 % takes 459 releases of which none fails; there are 33. Wait for 25.9 h, or look back further with --days.',
      'No task started in these days, so how long one takes to be warm is not known. The next deployment shows it.',
    ]);
    const report = reportOf(calibration);
    expect(report).toMatch(/a task in mid-life +33 +0 +13 % +\d+ +\d /);
    expect(report).toContain("tasks' rates differ by no more than chance");
    expect(report).toContain('what was seen does not argue against the settings');
  });

  test('recommends a spread that fits where tasks fail at different rates for good', () => {
    const rates = new Map(Object.entries({ a: 0.01, b: 0.02, c: 0.06 }));
    const calibration = calibrationOf(
      historyOf(
        3,
        three((task) => ({ failing: rates.get(task)! })),
      ),
    );
    const { rateSpread, worst } = calibration.learnt.differences;
    expect(worst).toMatchObject({ task: 'c', times: expect.closeTo(4, 0) });
    const { taskSpread } = settingsOf(calibration);
    expect(taskSpread).toBeGreaterThanOrEqual(rateSpread);
    expect(calibration.recommended).toMatchObject({ policy: { taskSpread }, failed: { stillFailed: 0 } });
    const report = reportOf(calibration);
    expect(report).toMatch(/task c fails [34][.\d]* times as often/);
    expect(report).toMatch(/-c taskSpread=[\d.]+/);
  });

  test('recommends a longer warm-up where new tasks fail until they are old enough, and a bake that is as long', () => {
    const failing = (ageMs: number) => (ageMs < 4 * MINUTE_MS ? 0.1 : 0.01);
    const calibration = calibrationOf(historyOf(1.3, [...three(), ...starts({ failing })]));
    expect(calibration.outcomes.start.releases).toBe(4);
    expect(calibration.outcomes.start.failed).toBeGreaterThan(0);
    expect(calibration.learnt.warming).toMatchObject({ starts: 2, warmAfterMs: 4 * MINUTE_MS });
    expect(settingsOf(calibration)).toEqual({ warmUpSeconds: 240, bakeMinutes: 4 });
    expect(calibration.recommended!.failed.stillFailed).toBe(0);
    expect(calibration.missing.join()).not.toContain('No task started');
    expect(reportOf(calibration)).toContain('deploy pipeline -c warmUpSeconds=240 -c bakeMinutes=4');
    expect(reportOf(calibration)).toMatch(/after 4 min, seen in 2 starts; until then tasks fail \d+[\d.]* %/);
  });

  test('recommends a longer warm-up where new tasks are slow', () => {
    const takesMs = (ageMs: number) => 50 * (1 + Math.exp(-ageMs / (2 * MINUTE_MS)));
    const { warmUpSeconds } = settingsOf(calibrationOf(historyOf(1.3, [...three(), ...starts({ takesMs })])));
    expect(warmUpSeconds).toBeGreaterThanOrEqual(150);
    expect(warmUpSeconds).toBeLessThanOrEqual(420);
  });

  test('takes failures that come together for no sign of youth', () => {
    const together = 10;
    const calibration = calibrationOf(
      historyOf(1.3, [...three(() => ({ together })), ...starts({ together })]),
    );
    expect(calibration.learnt.traffic.clumping).toBeGreaterThan(5);
    expect(calibration.learnt.warming).toMatchObject({ warmAfterMs: 0 });
  });

  test('tolerates a task that is somewhat slower than the others', () => {
    const calibration = calibrationOf(
      historyOf(
        2,
        three((task) => (task === 'b' ? { takesMs: 85 } : {})),
      ),
    );
    expect(calibration.byMetric).toEqual([
      { metric: 'latency', failed: 11, rateUpTo: expect.closeTo(0.55, 2) },
    ]);
    expect(new Set(calibration.failed.map(({ task }) => task))).toEqual(new Set(['b']));
    expect(calibration.learnt.differences.slowest).toMatchObject({
      task: 'b',
      times: expect.closeTo(1.7, 1),
    });
    const { slower } = settingsOf(calibration);
    expect(slower).toBeGreaterThan(1);
    expect(slower).toBeLessThanOrEqual(2);
    expect(calibration.recommended!.failed).toEqual({ tried: 11, stillFailed: 0 });
    expect(reportOf(calibration)).toContain('Of the 11 that were failed 0 still would be.');
  });

  test('only looks at latency where a task is so slow that no tolerance would leave anything to find', () => {
    const calibration = calibrationOf(
      historyOf(
        1.5,
        three((task) => (task === 'b' ? { takesMs: 300 } : {})),
      ),
    );
    expect(settingsOf(calibration)).toEqual({ dryRun: ['latency'] });
    expect(calibration.recommended!.failed.stillFailed).toBe(0);
    expect(reportOf(calibration)).toContain('-c dryRun=latency');
  });

  test('recommends a margin that can be certified where messages are rare', () => {
    const calibration = calibrationOf(
      historyOf(
        2,
        three(() => ({ perSecond: 0.3 })),
      ),
    );
    expect(calibration.byCode).toContainEqual({ code: 'deadline', releases: expect.any(Number) });
    const { margin } = settingsOf(calibration);
    expect(margin).toBeGreaterThan(policy.margin);
    expect(calibration.learnt.certification.durationMs).toBeGreaterThan(policy.deadlineMs);
    const { tried, passed } = calibration.recommended!.undecided;
    expect(passed).toBeGreaterThan(tried / 2);
  });

  test('says what a judge in dry run would do, and what its metrics in dry run would have failed', () => {
    const history = historyOf(
      0.75,
      three((task) => (task === 'b' ? { takesMs: 150 } : {})),
    );
    const live = calibrationOf(history);
    expect(live.outcomes.together.failed).toBeGreaterThan(0);
    expect(calibrationOf(history, { ...policy, dryRun: true }).outcomes).toEqual(live.outcomes);
    const some = calibrationOf(history, { ...policy, dryRun: ['latency'] });
    expect(some).toMatchObject({
      outcomes: { together: { failed: 0 } },
      byDryRun: [{ metric: 'latency', releases: live.outcomes.together.failed }],
    });
    expect(reportOf(some)).toMatch(/Dry run +would have failed \d+ on latency/);
  });

  test('compares tasks of one version only, also where another one replaced it', () => {
    const changeMs = ZERO + HOUR_MS;
    const before = three(() => ({ untilMs: changeMs + MINUTE_MS }));
    const after = three((task) => ({
      task: `new-${task}`,
      startedAt: changeMs,
      revision: 'r2',
      failing: 0.08,
    }));
    const { outcomes } = calibrationOf(historyOf(2, [...before, ...after]));
    expect(outcomes).toMatchObject({ task: { failed: 0 }, start: { releases: 6, failed: 0 } });
    expect(outcomes.task.releases).toBeGreaterThan(20);
  });

  test('reports how far it has come, release by release', () => {
    const steps: CalibrationProgress[] = [...calibrate(historyOf(0.5, three()), policy)];
    expect(steps).toHaveLength(6);
    expect(steps[0]).toEqual({ doing: 'replaying', done: 1, total: 6 });
    expect(steps.at(-1)).toEqual({ doing: 'replaying', done: 6, total: 6 });
  });
});

describe('too little history', () => {
  const soon = Array.from({ length: 36 }, (_, index) => {
    const startedAt = ZERO + Math.floor(index / 3) * 5 * MINUTE_MS;
    return { task: `t${index}`, startedAt, untilMs: startedAt + 5 * MINUTE_MS };
  });

  test.each<readonly [string, () => History, RegExp]>([
    ['without any line', () => historyOf(1, []), /holds no outcome lines of stable's tasks/],
    ['of two tasks', () => historyOf(1, three().slice(1)), /2\.0 ran at once, and it takes three/],
    ['that is short', () => historyOf(0.2, three()), /are 12 min of lines.* takes 17 min; wait for 5 min/],
    ['of tasks that end soon', () => historyOf(1, soon), /no task ran for 6 min on end alongside two others/],
  ])('%s is said, with what to do', (_what, history, message) => {
    expect(resultOf(history())).toEqual({ ok: false, missing: expect.stringMatching(message) });
  });
});
