import { describe, expect, test } from 'vitest';
import { cell, judged, type Scene, START, STEP, times, type Work } from '../../test/judge-scenes.ts';
import type { Cell } from './block.ts';
import { judgeBlocks } from './judge.ts';
import { defaultJudgePolicy, type JudgePolicy } from './judge-policy.ts';

const good: Scene = { blocks: 80 };

/** The index of the first block after which the release is passed, or failed. */
function decidedAfter(scene: Scene, policy: Partial<JudgePolicy> = {}): number | undefined {
  const { decidedAtMs } = judged(scene, policy);
  return decidedAtMs === undefined ? undefined : (decidedAtMs - START) / STEP;
}

describe('a good canary', () => {
  test('passes', () => {
    const verdict = judged(good);
    expect(verdict).toMatchObject({ kind: 'pass', code: 'certified', settled: true });
    expect(verdict.evidence.total).toBeLessThan(2);
  });

  test.each(times(12, (seed) => seed))('passes with other dice: %i', (seed) => {
    expect(judged({ blocks: 240, seed }).kind).toBe('pass');
  });

  test('passes alongside a single task of stable, and alongside many', () => {
    expect(judged({ ...good, stableTasks: 1 }).kind).toBe('pass');
    expect(judged({ ...good, stableTasks: 12 }).kind).toBe('pass');
  });

  test('passes not before it has been observed for as long as the policy asks', () => {
    const policy = { bakeMsMin: 390_000 };
    const early = judged({ blocks: 77 }, policy);
    expect(early).toMatchObject({ kind: 'inconclusive', code: 'undecided', settled: false });
    expect(early.statements).toContain('The canary has been observed for 7 min of at least 7 min.');
    expect(judged({ blocks: 78 }, policy).kind).toBe('pass');
  });

  test('passes not before the visibility timeout, even where the policy would bake shorter', () => {
    const policy = { visibilityTimeoutMs: 390_000 };
    expect(judged({ blocks: 77 }, policy).kind).toBe('inconclusive');
    expect(judged({ blocks: 78 }, policy).kind).toBe('pass');
  });

  test('passes not before a task is warm, which takes longer where work does', () => {
    const slow = () => ({ medianMs: 60_000 });
    const verdict = judged({ blocks: 60, canary: slow, stable: slow });
    expect(verdict.kind).toBe('inconclusive');
    expect(verdict.statements.join(' ')).toMatch(/a task counts as warm only after \d+ min/);
    expect(judged({ blocks: 160, canary: slow, stable: slow }).kind).toBe('pass');
  });

  test('passes not before each track has finished as many messages as the policy asks', () => {
    expect(judged(good, { messagesMin: 1601 })).toMatchObject({ kind: 'inconclusive', code: 'undecided' });
    expect(judged(good, { messagesMin: 1600 }).kind).toBe('pass');
  });

  test('passes not before the margin is certified, for each required metric', () => {
    expect(judged(good, { margin: 0.002 }).kind).toBe('inconclusive');
    const policy = { required: ['failures', 'latency'] as const };
    expect(judged(good, policy)).toMatchObject({
      kind: 'inconclusive',
      evidence: { certification: [{ certified: true }, { certified: false }] },
    });
    expect(judged({ blocks: 600 }, policy).kind).toBe('pass');
    const unmeasured = judged({ blocks: 600, past: 0 }, policy);
    expect(unmeasured).toMatchObject({
      kind: 'inconclusive',
      evidence: { certification: [{ certified: true }, { certified: false, eValue: 1 }] },
    });
  });

  test('passes later where failures come in clumps', () => {
    const alone = (index: number): Work => ({ rest: () => ({ failed: index % 8 === 0 ? 1 : 0 }) });
    const clumped = (index: number): Work => ({ rest: () => ({ failed: index % 40 === 0 ? 5 : 0 }) });
    const natsOf = (stable: (index: number) => Work) => {
      const verdict = judged({ ...good, canary: () => ({ failing: 0 }), stable });
      return Math.log(verdict.evidence.certification[0]!.eValue);
    };
    expect(natsOf(alone)).toBeGreaterThan(5);
    expect(natsOf(clumped)).toBeLessThan(natsOf(alone) / 2);
  });
});

describe('a bad canary', () => {
  test('fails on failures when it fails more than stable', () => {
    expect(judged({ ...good, canary: () => ({ failing: 0.08 }) })).toMatchObject({
      kind: 'fail',
      drivenBy: 'failures',
    });
    expect(judged({ blocks: 240, canary: () => ({ failing: 0.05 }) }).kind).toBe('fail');
  });

  test('fails on failing nearly everything after a handful of messages', () => {
    const verdict = judged({ blocks: 3, canary: () => ({ messages: 3, failing: 1 }) });
    expect(verdict).toMatchObject({ kind: 'fail', drivenBy: 'broken' });
    expect(verdict.evidence.canary).toEqual({ units: 6, failed: 6 });
    expect(judged({ blocks: 3, canaryAgeMs: 0, canary: () => ({ messages: 3, failing: 1 }) }).kind).toBe(
      'fail',
    );
  });

  test('fails on latency when it is slower', () => {
    expect(judged({ ...good, canary: () => ({ medianMs: 170 }) })).toMatchObject({
      kind: 'fail',
      drivenBy: 'latency',
    });
    expect(judged({ ...good, canary: () => ({ medianMs: 105 }) }).kind).toBe('pass');
  });

  test('fails on crashes when its tasks crash and those of stable do not', () => {
    const every = (blocks: number, track: 'canary' | 'stable') => (index: number) => {
      const crashed = index % blocks === blocks - 1 ? 1 : 0;
      return {
        crashes: {
          canary: { count: track === 'canary' ? crashed : 0, taskSeconds: 5 },
          stable: { count: track === 'stable' ? crashed : 0, taskSeconds: 15 },
        },
      };
    };
    expect(judged({ ...good, rest: every(8, 'canary') })).toMatchObject({
      kind: 'fail',
      drivenBy: 'crashes',
    });
    expect(judged({ ...good, rest: every(8, 'stable') }).kind).toBe('pass');
  });

  test('fails on crashes sooner when its tasks die before they have succeeded once', () => {
    const dying = (alive: boolean): Scene => ({
      blocks: 80,
      canary: (index) => ({
        failing: 0,
        rest: () => (index % 8 === 7 ? { task: `canary ${index}`, finished: 1, failed: alive ? 0 : 1 } : {}),
      }),
      rest: (index) => ({
        crashes: {
          canary: { count: index % 8 === 7 ? 1 : 0, taskSeconds: 5 },
          stable: { count: 0, taskSeconds: 15 },
        },
      }),
    });
    const stillborn = judged(dying(false));
    expect(stillborn).toMatchObject({ kind: 'fail', drivenBy: 'crashes' });
    expect(stillborn.decidedAtMs).toBeLessThan(judged(dying(true)).decidedAtMs!);
  });

  test('fails on throughput when it does less than stable although it has its hands full, and only then', () => {
    const half = (saturated: boolean) => () => ({ messages: 10, rest: () => ({ saturated }) });
    expect(judged({ ...good, canary: half(true) })).toMatchObject({
      kind: 'fail',
      drivenBy: 'throughput',
    });
    expect(judged({ ...good, canary: half(true) }, { dryRun: ['throughput'] }).kind).not.toBe('fail');
    expect(judged({ ...good, canary: half(false) }).kind).not.toBe('fail');
  });

  test("fails on counters when it counts less, or more, of the team's own than stable", () => {
    const counting = (part: number) => () => ({
      rest: ({ finished }: { finished: number }) => ({ counters: { sold: finished * part } }),
    });
    const judgedBy = (worse: 'less' | 'more', part: number) => {
      const policy = { counters: { sold: { worse, tolerance: 0.25 } } };
      return judged({ ...good, canary: counting(part), stable: counting(1) }, policy);
    };
    expect(judgedBy('less', 0.5)).toMatchObject({ kind: 'fail', drivenBy: 'counters' });
    expect(judgedBy('more', 2)).toMatchObject({ kind: 'fail', drivenBy: 'counters' });
    for (const verdict of [
      judgedBy('less', 2),
      judgedBy('more', 0.5),
      judgedBy('less', 0.9),
      judgedBy('more', 1.1),
    ]) {
      expect(verdict.kind).toBe('pass');
    }
  });

  test('fails for good, whatever comes later', () => {
    const scene: Scene = { blocks: 500, canary: (index) => ({ failing: index < 20 ? 0.3 : 0 }) };
    const verdict = judged(scene);
    expect(verdict).toMatchObject({ kind: 'fail', settled: true });
    expect(verdict.decidedAtMs).toBeLessThanOrEqual(START + 20 * STEP);
    expect(verdict.evidence.untilMs).toBe(verdict.decidedAtMs);
    expect(verdict.evidence.total).toBeGreaterThanOrEqual(verdict.evidence.totalNeeded);
  });

  test('fails also after a pass, and after the deadline', () => {
    const late: Scene = { blocks: 120, canary: (index) => ({ failing: index < 80 ? 0.01 : 0.5 }) };
    expect(judged({ ...late, blocks: 80 }).kind).toBe('pass');
    expect(judged(late).kind).toBe('fail');
    expect(judged(late, { deadlineMs: 300_000, margin: 0.001 }).kind).toBe('fail');
  });

  test('fails where thousands of messages a second fail', () => {
    const many = (): Work => ({
      messages: 100,
      failing: 0.001,
      rest: () => ({ finished: 1000, received: 1000 }),
    });
    const failing = (): Work => ({
      ...many(),
      rest: () => ({ finished: 1000, received: 1000, failed: 300 }),
    });
    expect(judged({ blocks: 20, canary: failing, stable: many })).toMatchObject({
      kind: 'fail',
      drivenBy: 'failures',
    });
  });
});

describe('a young canary', () => {
  /** New tasks fail a fifth of their messages at first, and take twice as long. */
  const cold = (_: number, ageMs: number): Work => {
    const left = Math.exp(-ageMs / 60_000);
    return { failing: 0.01 + 0.2 * left, medianMs: 100 * (1 + left) };
  };
  const young: Scene = { blocks: 80, canaryAgeMs: 30_000, canary: cold, stable: cold };

  test('is not failed for being cold where it is known how stable began', () => {
    for (const seed of times(10, (index) => index)) {
      expect(judged({ ...young, seed, blocks: 140, starts: true }).kind).toBe('pass');
    }
  });

  test('would be failed if it were compared with warm tasks', () => {
    expect(judged(young, { warmUpMs: 0 }).kind).toBe('fail');
  });

  test('is not compared until it is warm where nobody knows how stable began', () => {
    const verdict = judged({ ...young, blocks: 29 });
    expect(verdict.kind).toBe('inconclusive');
    expect(verdict.evidence).toMatchObject({ blocks: 29, blocksLeftOut: 29 });
    expect(judged({ ...young, blocks: 140 }).kind).toBe('pass');
  });

  test('is certified on nothing while it is young, nor judged by what it does in a time', () => {
    const busy = (messages: number) => (): Work => ({
      messages,
      failing: 0,
      rest: () => ({ saturated: true }),
    });
    const scene = { ...young, blocks: 28, canary: busy(10), stable: busy(40), starts: true };
    const evidenceAt = (canaryAgeMs: number) => {
      const { evidence } = judged({ ...scene, canaryAgeMs }, { required: ['failures', 'latency'] });
      const throughput = evidence.metrics.find(({ metric }) => metric === 'throughput')!;
      return [...evidence.certification, throughput].map(({ eValue }) => eValue);
    };
    expect(evidenceAt(30_000)).toEqual([1, 1, 1]);
    const [failures, latency, throughput] = evidenceAt(600_000);
    expect(failures).toBeGreaterThan(2);
    expect(latency).not.toBe(1);
    expect(throughput).toBeGreaterThan(10);
  });

  test('is failed while it is young where being new does not explain what it fails', () => {
    const worse = (_: number, ageMs: number): Work => ({ ...cold(_, ageMs), failing: 0.6 });
    const found = decidedAfter({ ...young, canary: worse, starts: true });
    expect(found).toBeLessThan(30);
  });

  test('is not failed while it is young for what hits both tracks now', () => {
    const outage = (index: number, ageMs: number): Work => {
      return index >= 5 && index < 15 ? { ...cold(index, ageMs), failing: 0.4 } : cold(index, ageMs);
    };
    const scene: Scene = {
      ...young,
      canary: outage,
      stable: (index, ageMs) => (ageMs > 600_000 ? outage : cold)(index, ageMs),
    };
    expect(judged({ ...scene, starts: true }).kind).not.toBe('fail');
  });
});

describe('equal tasks of stable that differ', () => {
  const rates = [0.02, 0.02, 0.02, 0.14];
  const scene: Scene = {
    blocks: 60,
    stableTasks: 4,
    canary: () => ({ messages: 40, failing: 0.35 }),
    stable: (_, __, task) => ({ messages: 40, failing: rates[task]! }),
  };

  test('leave a canary inconclusive that would be failed if they were alike', () => {
    expect(judged({ ...scene, stable: () => ({ messages: 40, failing: 0.05 }) }).kind).toBe('fail');
    const verdict = judged(scene);
    expect(verdict).toMatchObject({ kind: 'inconclusive', code: 'stable-differs', settled: false });
    const { stableTasks, total, totalNeeded } = verdict.evidence;
    expect(stableTasks.tasks).toBe(4);
    expect(stableTasks.spreadUsed).toBe(stableTasks.spread);
    expect(total).toBeLessThan(totalNeeded);
    expect(stableTasks.totalIfAlike).toBeGreaterThan(totalNeeded);
    expect(verdict.summary).toMatch(
      /^Inconclusive: the canary looks worse than stable \(the evidence would be .+ to 1 if tasks were alike, and 100 to 1 decides\), but stable's own 4 tasks fail at rates that differ by a factor of [\d.]+ from task to task, so one canary task cannot tell the version from its host; start a fresh canary task, or decide\.$/,
    );
  });

  test('are known from their first half hour, however early it is', () => {
    const starts = rates.map((rate, task) => {
      return cell({ task: `stable ${task}`, ageMs: 900_000, finished: 5000, failed: 5000 * rate });
    });
    const spreadOf = (known: readonly Cell[]) => {
      const seen = { past: [], starts: known, blocks: [] };
      return judgeBlocks(defaultJudgePolicy, START, seen, START).evidence.stableTasks.spread;
    };
    expect(spreadOf([])).toBe(0);
    expect(spreadOf(starts)).toBeGreaterThan(1);
    expect(spreadOf(starts.map((each) => ({ ...each, ageMs: 60_000 })))).toBe(0);
  });

  test('do not excuse a canary that is far worse than any of them', () => {
    expect(judged({ ...scene, canary: () => ({ messages: 40, failing: 0.9 }) }).kind).toBe('fail');
  });

  test('make a slower canary inconclusive where one of them is as slow', () => {
    const medians = [80, 80, 80, 160];
    const slow: Scene = {
      blocks: 120,
      stableTasks: 4,
      canary: () => ({ medianMs: 200 }),
      stable: (_, __, task) => ({ medianMs: medians[task]! }),
    };
    expect(judged({ ...slow, stable: () => ({ medianMs: 100 }) })).toMatchObject({
      kind: 'fail',
      drivenBy: 'latency',
    });
    expect(judged(slow).kind).not.toBe('fail');
    expect(judged(slow).evidence.stableTasks.slowest).toBeGreaterThan(1.4);
  });

  test('make a pass need more, for a task may be luckier than its version', () => {
    const lucky: Scene = { ...scene, blocks: 120, canary: () => ({ messages: 40, failing: 0.02 }) };
    expect(judged({ ...lucky, stable: () => ({ messages: 40, failing: 0.05 }) }).kind).toBe('pass');
    expect(judged(lucky).kind).toBe('inconclusive');
  });
});
