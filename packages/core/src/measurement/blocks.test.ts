import { describe, expect, it } from 'vitest';
import { createJudge, judgeBlocks } from '../judge/judge.ts';
import { defaultJudgePolicy } from '../judge/judge-policy.ts';
import { blocksFrom } from './blocks.ts';
import type { Bucket, Measurement, TaskLife, TrackMeasurement } from './measurement.ts';

const start = Date.UTC(2026, 0, 1);
const policy = { ...defaultJudgePolicy, bakeMsMin: 0, visibilityTimeoutMs: 0 };

const quiet: Bucket = {
  reports: 1,
  receives: 10,
  firstUnits: 10,
  firstUnitsFailed: 0,
  retriedUnits: 0,
  retriedUnitsFailed: 0,
  received: 10,
  ended: 10,
  failed: 0,
  inFlight: 0,
};

const running: TaskLife = { startedAt: start - 600_000 };

/** A track whose buckets differ from a quiet one as given; `undefined` is a bucket without reports. */
function track(
  buckets: readonly (Partial<Bucket> | undefined)[],
  tasks: readonly TaskLife[] = [running],
): TrackMeasurement {
  return {
    tasks,
    buckets: new Map(
      buckets.flatMap((bucket, index) =>
        bucket === undefined ? [] : [[start + index * 5_000, { ...quiet, ...bucket }]],
      ),
    ),
  };
}

function measured(canary: TrackMeasurement, stable: TrackMeasurement, buckets: number): Measurement {
  return { bucketMs: 5_000, fromMs: start, toMs: start + (buckets - 1) * 5_000, canary, stable };
}

const many = (count: number, bucket: Partial<Bucket> = {}) => Array.from({ length: count }, () => bucket);
const none = (count: number) => Array.from({ length: count }, () => undefined);
const after = (buckets: number) => start + buckets * 5_000;

describe('blocks', () => {
  it('hold what both tracks did in the same five seconds', () => {
    const canary = track([
      { firstUnits: 4, firstUnitsFailed: 1, retriedUnits: 2, retriedUnitsFailed: 1, receives: 5 },
    ]);
    const { blocks } = blocksFrom(measured(canary, track([{}]), 1), after(1));
    expect(blocks).toEqual([
      {
        fromMs: start,
        toMs: start + 5_000,
        strata: [
          { attempt: 1, canary: { units: 4, failed: 1 }, baseline: { units: 10, failed: 0 } },
          { attempt: 2, canary: { units: 2, failed: 1 }, baseline: { units: 0, failed: 0 } },
        ],
        receives: { canary: 5, baseline: 10 },
        crashes: { count: 0, taskSeconds: 5 },
      },
    ]);
  });

  it('count durations beyond the thresholds', () => {
    const durations = { count: 10, beyond: { p50: 5, p90: 1, p99: 0 } };
    const measurement = {
      ...measured(track([{ durations }]), track([{}]), 1),
      thresholds: { p50: 10, p90: 20, p99: 30 },
    };
    expect(blocksFrom(measurement, after(1)).blocks[0]?.latency?.p50).toEqual({
      canary: { units: 10, failed: 5 },
      baseline: { units: 0, failed: 0 },
    });
  });

  it('wait for a bucket to end, and for lines that tasks must have written', () => {
    const measurement = measured(track(many(3)), track([{}, undefined, {}]), 3);
    expect(blocksFrom(measurement, after(1) - 1).blocks).toHaveLength(0);
    expect(blocksFrom(measurement, after(1)).blocks).toHaveLength(1);
    expect(blocksFrom(measurement, after(3)).blocks).toHaveLength(1);
    expect(blocksFrom(measurement, after(2) + 15_000).blocks).toHaveLength(3);
  });

  it('do not wait for tasks that have just begun or are stopping', () => {
    const starting = { startedAt: start - 1_000 };
    const stopping = { startedAt: start - 600_000, stoppingAt: start + 1_000, stoppedAt: start + 2_000 };
    const stable = track([{}], [running, starting, stopping]);
    expect(blocksFrom(measured(track([{}]), stable, 1), after(1)).blocks).toHaveLength(1);
  });

  it('say nothing of receives while a track has not reported', () => {
    const measurement = measured(track([undefined]), track([{}]), 1);
    const [block] = blocksFrom(measurement, after(1) + 15_000).blocks;
    expect(block).not.toHaveProperty('receives');
  });

  it('leave out an interval whose lines were delivered twice', () => {
    const twice = { reports: 2, firstUnits: 20, firstUnitsFailed: 8 };
    const { blocks, notes } = blocksFrom(measured(track([{}, twice, {}]), track(many(3)), 3), after(3));
    expect(blocks.map(({ fromMs }) => fromMs - start)).toEqual([0, 10_000]);
    expect(notes).toEqual([expect.stringMatching(/^in 1 of 3 intervals .* delivered twice/)]);
  });

  it('do not take the last line of a stopping task for a repetition', () => {
    const stopping = { startedAt: start - 600_000, stoppingAt: start + 1_000, stoppedAt: start + 3_000 };
    const stable = track([{ reports: 3 }], [running, stopping]);
    expect(blocksFrom(measured(track([{}]), stable, 1), after(1)).notes).toEqual([]);
  });

  it('count a task that died with messages against its track, once that is sure', () => {
    const died = { received: 10, ended: 7, inFlight: 0, reports: 1 };
    const dead = { startedAt: start - 600_000, stoppedAt: start + 6_000, crash: 'exit code 137' };
    const canary = track([{}, died, {}, {}, {}, {}], [running, dead]);
    const { blocks } = blocksFrom(measured(canary, track(many(6)), 6), after(6) + 15_000);
    expect(blocks.map(({ strata }) => strata[0]?.canary)).toEqual([
      ...Array.from({ length: 4 }, () => ({ units: 10, failed: 0 })),
      // However many it had in hand: they all failed of the same cause.
      { units: 11, failed: 1 },
      { units: 10, failed: 0 },
    ]);
  });

  it('do not take lines that are lost or late for messages that died', () => {
    const lost = { received: 10, ended: 2, inFlight: 0 };
    const { blocks } = blocksFrom(measured(track([{}, lost, ...many(8)]), track(many(10)), 10), after(10));
    expect(blocks.map(({ strata }) => strata[0]?.canary.failed)).toEqual(none(10).map(() => 0));
    // One of two tasks has messages in hand all the time, and its lines of the last 50 seconds are late.
    const both = { reports: 2, inFlight: 12 };
    const canary = track([...many(4, both), ...many(10, { inFlight: 2 })], [running, running]);
    const later = blocksFrom(measured(canary, track(many(14)), 14), after(14) + 15_000);
    expect(later.blocks.map(({ strata }) => strata[0]?.canary.failed)).toEqual(none(14).map(() => 0));
  });

  it('do not look for messages that died in minutes, whose messages in hand are a sum over twelve reports', () => {
    const minute = (inFlight: number) => ({ ...quiet, reports: 12, inFlight });
    const dead = { startedAt: start - 600_000, stoppedAt: start + 90_000 };
    const canary = {
      tasks: [running, dead],
      buckets: new Map(
        [0, 1, 2, 3, 4, 5].map((index) => [start + index * 60_000, minute(index < 2 ? 60 : 0)]),
      ),
    };
    const measurement = {
      bucketMs: 60_000,
      fromMs: start,
      toMs: start + 300_000,
      canary,
      stable: { ...canary, tasks: [running] },
    };
    const { blocks } = blocksFrom(measurement, start + 400_000);
    expect(blocks.map(({ strata }) => strata[0]?.canary.failed)).toEqual(none(6).map(() => 0));
  });

  it('leave doubled lines out for as long as a release lasts', () => {
    const twice = many(720, { reports: 2 });
    const { blocks, repeated } = blocksFrom(measured(track(twice), track(many(720)), 720), after(720));
    expect([blocks.length, repeated]).toEqual([0, 720]);
  });

  it('judge what is older than ECS remembers tasks, when nothing else was doubled', () => {
    const canary = track([...many(10, { reports: 2 }), ...many(710)]);
    const { blocks } = blocksFrom(measured(canary, track(many(720)), 720), after(720));
    expect(blocks).toHaveLength(720);
  });

  it('do not count messages in hand, late lines, or what was in hand before', () => {
    const held = { received: 10, ended: 5, inFlight: 5 };
    const given = { received: 10, ended: 15, inFlight: 0 };
    const late = { received: 10, ended: 8, inFlight: 0 };
    const made = { received: 10, ended: 12, inFlight: 0 };
    const before = { received: 0, ended: 9, inFlight: 1 };
    const canary = track([
      before,
      { received: 0, ended: 1, inFlight: 0 },
      held,
      given,
      late,
      made,
      {},
      {},
      {},
    ]);
    const { blocks } = blocksFrom(measured(canary, track(many(9)), 9), after(9));
    expect(blocks.map(({ strata }) => strata[0]?.canary.failed)).toEqual(none(9).map(() => 0));
  });

  it('count tasks of the canary that exited by themselves, and the time that its tasks ran', () => {
    const crashed = { startedAt: start + 1_000, stoppedAt: start + 4_000, crash: 'exit code 1' };
    const stopped = { startedAt: start - 60_000, stoppingAt: start + 1_000, stoppedAt: start + 2_000 };
    const { blocks } = blocksFrom(
      measured(track([{}], [crashed, stopped]), track([{}]), 1),
      after(1) + 15_000,
    );
    expect(blocks[0]?.crashes).toEqual({ count: 1, taskSeconds: 5 });
  });
});

describe('what the judge says', () => {
  const verdict = (measurement: Measurement, nowMs: number) =>
    judgeBlocks(policy, start, blocksFrom(measurement, nowMs).blocks, nowMs);

  it('of a canary that emits nothing: no data, never a pass', () => {
    const measurement = measured(track(none(120)), track(many(120)), 120);
    expect(verdict(measurement, after(120))).toMatchObject({
      kind: 'inconclusive',
      code: 'canary-silent',
      summary: expect.stringMatching(/no data from the canary: it has emitted nothing/),
    });
  });

  it('of a silent baseline: nothing to compare with', () => {
    const measurement = measured(track(many(120)), track(none(120)), 120);
    expect(verdict(measurement, after(120))).toMatchObject({ kind: 'inconclusive', code: 'baseline-silent' });
  });

  it('of two silent tracks: no data', () => {
    const nothing = measured(track(none(40)), track(none(40)), 40);
    expect(verdict(nothing, after(40))).toMatchObject({
      kind: 'inconclusive',
      code: 'no-data',
      summary: expect.stringMatching(/no data/),
    });
  });

  it('of a counter that goes backwards: that it cannot judge that', () => {
    const measurement = measured(track([{}, { firstUnits: -3 }]), track(many(2)), 2);
    expect(verdict(measurement, after(2))).toMatchObject({
      kind: 'error',
      code: 'unusable-block',
      summary: expect.stringMatching(/counter went backwards/),
    });
  });

  it('of lines that all come twice: no data, whatever they say', () => {
    const twice = many(40, { reports: 2, firstUnits: 20, firstUnitsFailed: 20 });
    const measurement = measured(track(twice), track(many(40)), 40);
    const { kind } = verdict(measurement, after(40));
    expect(kind).toBe('error');
  });

  it('of a version that dies with what it takes, over and over: fail', () => {
    const dying = many(12, { received: 5, ended: 0, firstUnits: 0, inFlight: 0 });
    const tasks = Array.from({ length: 4 }, (_, index) => ({
      startedAt: start + index * 15_000,
      stoppedAt: start + index * 15_000 + 10_000,
      crash: 'exit code 1',
    }));
    const measurement = measured(track(dying, tasks), track(many(12)), 12);
    expect(verdict(measurement, after(12))).toMatchObject({ kind: 'fail' });
    const judge = createJudge(policy, start);
    for (const block of blocksFrom(measurement, after(12)).blocks) judge.observe(block);
    expect(judge.failedAtMs).toBeLessThanOrEqual(after(8));
  });
});
