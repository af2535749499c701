import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Block, Margins } from './block.ts';
import { createJudge, judgeBlocks } from './judge.ts';
import { defaultJudgePolicy, type JudgePolicy } from './judge-policy.ts';

const START = 1_000_000;
const STEP = 1600;

const counts = (
  canaryUnits: number,
  canaryFailed: number,
  baselineUnits: number,
  baselineFailed: number,
): Margins => ({
  canary: { units: canaryUnits, failed: canaryFailed },
  baseline: { units: baselineUnits, failed: baselineFailed },
});

/** The index-th block of 16 first attempts, a quarter of them the canary's. */
function block(index: number, canaryFailed = 0, baselineFailed = 0, rest: Partial<Block> = {}): Block {
  return {
    fromMs: START + index * STEP,
    toMs: START + (index + 1) * STEP,
    strata: [{ attempt: 1, ...counts(4, canaryFailed, 12, baselineFailed) }],
    ...rest,
  };
}

const blocks = (n: number, make: (index: number) => Block = (index) => block(index)) =>
  Array.from({ length: n }, (_, index) => make(index));

/** The verdict when the last block has just ended. */
function verdictAfter(all: readonly Block[], policy: Partial<JudgePolicy> = {}, afterMs = 0) {
  const nowMs = (all.at(-1)?.toMs ?? START) + afterMs;
  return judgeBlocks({ ...defaultJudgePolicy, ...policy }, START, all, nowMs);
}

/** A small generator of its own: tests replay the same trace for ever. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('a verdict', () => {
  it('is a fail on failures within a few blocks of a canary that fails everything', () => {
    const verdict = verdictAfter(blocks(2, (index) => block(index, 4)));
    expect(verdict).toMatchObject({ kind: 'fail', code: 'regression', settled: true, drivenBy: 'failures' });
    expect(verdict.decidedAtMs).toBeLessThanOrEqual(START + 2 * STEP);
    expect(verdict.summary).toMatch(
      /^Fail, on failures: the canary failed [48] of [48] units \(100 %\) on first attempts, the baseline 0 of (12|24) units \(0 %\)\. The evidence against the canary is \d+ to 1, where 100 to 1 decides\.$/,
    );
    expect(verdict.statements[0]).toBe(
      'A version as good as the baseline ever gathers this much evidence against itself in at most 1 % of releases, however often one looks.',
    );
  });

  it('is a pass once the margin, the bake and the units are there, not before', () => {
    const kinds = blocks(60).map((_, index) => verdictAfter(blocks(index + 1)).kind);
    expect(kinds.indexOf('pass')).toBeGreaterThan(18);
    expect(new Set(kinds.slice(0, kinds.indexOf('pass')))).toEqual(new Set(['inconclusive']));
    expect(new Set(kinds.slice(kinds.indexOf('pass')))).toEqual(new Set(['pass']));
    const verdict = verdictAfter(blocks(60));
    expect(verdict).toMatchObject({ code: 'certified', settled: true });
    expect(verdict.summary).toContain('the canary failed 0 of 240 units (0 %) on first attempts');
    expect(verdict.statements[0]).toMatch(
      /^A version that fails 2 % more of its units than the baseline passes in at most 5 % of releases/,
    );
  });

  it('says what a pass still lacks', () => {
    const early = verdictAfter(blocks(10));
    expect(early).toMatchObject({ kind: 'inconclusive', code: 'undecided', settled: false });
    expect(early.statements[0]).toBe('The canary has been observed for 16 s of at least 30 s.');
    expect(early.statements[1]).toMatch(
      /^That the canary does not fail 2 % more of its units than the baseline is shown at [\d.]+ to 1, where 20 to 1 is needed; a good version takes about \d+ s more at 10 units\/s\.$/,
    );
    const rareType = blocks(100, (index) =>
      index === 3
        ? { ...block(index), strata: [{ attempt: 1, messageType: 'refund', ...counts(1, 0, 2, 0) }] }
        : block(index),
    );
    expect(verdictAfter(rareType)).toMatchObject({
      kind: 'inconclusive',
      statements: [
        'Of first attempts of "refund" there are 1 units on the canary and 2 on the baseline; each needs 30.',
      ],
    });
  });

  it('lets the visibility timeout pass, even where the policy would bake shorter', () => {
    const policy = { bakeMsMin: 0, visibilityTimeoutMs: 300_000 };
    expect(verdictAfter(blocks(180), policy).kind).toBe('inconclusive');
    expect(verdictAfter(blocks(188), policy).kind).toBe('pass');
  });

  it('prefers a rollback to a promotion, and never takes it back', () => {
    const good = blocks(60);
    const turned = [...good, ...blocks(4, (index) => block(60 + index, 4))];
    expect(verdictAfter(good).kind).toBe('pass');
    expect(verdictAfter(turned).kind).toBe('fail');
    const recovered = [...turned, ...blocks(2000, (index) => block(64 + index, 0, 1))];
    const verdict = verdictAfter(recovered);
    expect(verdict.kind).toBe('fail');
    expect(verdict.evidence.total).toBeGreaterThanOrEqual(100);
  });

  it('is inconclusive at the deadline, and is not certified after it', () => {
    const policy = { deadlineMs: 60_000, delta: 0.005 };
    const atDeadline = verdictAfter(blocks(38), policy);
    expect(atDeadline).toMatchObject({ kind: 'inconclusive', code: 'deadline', settled: true });
    expect(atDeadline.summary).toContain('a person must decide');
    expect(verdictAfter(blocks(400), policy)).toMatchObject({ kind: 'inconclusive', code: 'deadline' });
    const failing = [...blocks(400), ...blocks(5, (index) => block(400 + index, 4))];
    expect(verdictAfter(failing, policy).kind).toBe('fail');
  });

  it('does not blame the canary for a burst that both tracks share', () => {
    const burst = blocks(60, (index) => (index > 20 && index < 30 ? block(index, 1, 3) : block(index)));
    expect(verdictAfter(burst).kind).not.toBe('fail');
  });

  it('fails a version that is merely slow, on latency, after warm-up', () => {
    const slow = (index: number) =>
      block(index, 0, 0, {
        latency: { p50: counts(4, 4, 12, 6), p90: counts(4, 2, 12, 1), p99: counts(4, 0, 12, 0) },
      });
    expect(verdictAfter(blocks(18, slow)).evidence.metrics[1]).toMatchObject({ measured: false, eValue: 1 });
    const verdict = verdictAfter(blocks(60, slow));
    expect(verdict).toMatchObject({ kind: 'fail', drivenBy: 'latency' });
    expect(verdict.summary).toContain("beyond the baseline's past p90 were");
  });

  it('can ask for latency to be certified too', () => {
    const policy = { required: ['failures', 'latency'] as const };
    const steady = (index: number) =>
      block(index, 0, 0, {
        latency: {
          p50: counts(4, 2, 12, 6),
          p90: counts(4, index % 5 < 2 ? 1 : 0, 12, 1),
          p99: counts(4, 0, 12, 0),
        },
      });
    expect(verdictAfter(blocks(100), policy).kind).toBe('inconclusive');
    const verdict = verdictAfter(blocks(600, steady), policy);
    expect(verdict.kind).toBe('pass');
    expect(verdict.statements[1]).toContain("5 % more of its units beyond the baseline's p90");
  });

  it('fails a canary that takes no part, on the stall', () => {
    const verdict = verdictAfter(
      blocks(30, (index) => ({
        ...block(index),
        strata: [{ attempt: 1, ...counts(0, 0, 16, 0) }],
        receives: { canary: 0, baseline: 16 },
      })),
    );
    expect(verdict).toMatchObject({ kind: 'fail', drivenBy: 'stall' });
    expect(verdict.summary).toContain('the canary took 0 of');
  });

  it('fails a canary that crashes twice within forty task-seconds', () => {
    const crashing = [1, 0, 1].map((count, index) =>
      block(index, 0, 0, { crashes: { count, taskSeconds: 13 } }),
    );
    expect(verdictAfter(crashing)).toMatchObject({ kind: 'fail', drivenBy: 'crashes' });
    expect(verdictAfter(crashing.slice(0, 2)).kind).toBe('inconclusive');
  });

  it('hears dead letters, yet lets poison that any version would fail pass by', () => {
    const dead = (canaryReceives: number) =>
      blocks(40, (index) =>
        block(index, 0, 0, index < 25 ? { deadLetters: [{ receives: 3, canaryReceives }] } : {}),
      );
    expect(verdictAfter(dead(3))).toMatchObject({ kind: 'fail', drivenBy: 'deadLetters' });
    expect(verdictAfter(dead(1)).kind).not.toBe('fail');
  });

  it('is inconclusive while equal tasks of the stable service differ among themselves', () => {
    const uneven = (index: number) =>
      block(index, 4, 4, {
        stableTasks: [
          { task: 'a', units: 4, failed: 4 },
          { task: 'b', units: 4, failed: 0 },
          { task: 'c', units: 4, failed: 0 },
        ],
      });
    const verdict = verdictAfter(blocks(10, uneven));
    expect(verdict).toMatchObject({ kind: 'inconclusive', code: 'stable-differs', settled: false });
    expect(verdict.summary).toContain('task a of the stable service fails more than its equals');
    expect(verdict.evidence.total).toBeGreaterThan(100);
  });

  it('still fails a bad canary while the stable tasks agree', () => {
    const even = (index: number) =>
      block(index, 4, 0, { stableTasks: ['a', 'b', 'c'].map((task) => ({ task, units: 4, failed: 0 })) });
    expect(verdictAfter(blocks(4, even))).toMatchObject({
      kind: 'fail',
      evidence: { stableTasks: { tasks: 3 } },
    });
  });

  it('judges by batch what fails by batch', () => {
    const random = sequence(7);
    const byMessage = createJudge(defaultJudgePolicy, START);
    const byBatch = createJudge(defaultJudgePolicy, START);
    for (let index = 0; index < 2000; index += 1) {
      const canaryUnits = [0, 1, 2, 3].filter(() => random() < 0.5).length;
      const failed = (units: number) => Array.from({ length: units }, random).filter((x) => x < 0.02).length;
      const baselineUnits = 8 - canaryUnits;
      const [c, b] = [failed(canaryUnits), failed(baselineUnits)];
      byBatch.observe({
        ...block(index),
        strata: [{ attempt: 1, ...counts(canaryUnits, c, baselineUnits, b) }],
      });
      byMessage.observe({
        ...block(index),
        strata: [{ attempt: 1, ...counts(10 * canaryUnits, 10 * c, 10 * baselineUnits, 10 * b) }],
      });
    }
    const nowMs = START + 2000 * STEP;
    expect(byMessage.verdict(nowMs).kind).toBe('fail');
    expect(byBatch.verdict(nowMs).kind).toBe('pass');
  });
});

describe('silence', () => {
  it('is no data, then an error, when nothing is measured at all', () => {
    expect(verdictAfter([], {}, 10_000)).toMatchObject({
      kind: 'inconclusive',
      code: 'no-data',
      settled: false,
    });
    const silent = verdictAfter([], {}, 61_000);
    expect(silent).toMatchObject({ kind: 'error', code: 'not-measured' });
    expect(silent.summary).toBe(
      'Unable to judge: no data: nothing has been measured for 61 s; check that metrics arrive.',
    );
    expect(verdictAfter([], {}, 4_000_000)).toMatchObject({ kind: 'error', settled: true });
  });

  it('is no data when the workers emit nothing, and undoes a pass', () => {
    const empty = (index: number) => ({ ...block(index), strata: [] });
    expect(verdictAfter(blocks(50, empty))).toMatchObject({ kind: 'inconclusive', code: 'no-data' });
    const stopped = [...blocks(60), ...blocks(60, (index) => empty(60 + index))];
    const verdict = verdictAfter(stopped);
    expect(verdict).toMatchObject({ kind: 'inconclusive', code: 'no-data' });
    expect(verdict.summary).toContain('neither track has finished a message for 96 s');
    expect(verdictAfter(blocks(60), {}, 61_000)).toMatchObject({ kind: 'error', code: 'not-measured' });
  });

  it('of one track is named and never passes', () => {
    const lone = (canaryUnits: number, baselineUnits: number) => (index: number) => ({
      ...block(index),
      strata: [{ attempt: 1 as const, ...counts(canaryUnits, 0, baselineUnits, 0) }],
    });
    const canarySilent = verdictAfter(blocks(60, lone(0, 16)));
    expect(canarySilent).toMatchObject({ kind: 'inconclusive', code: 'canary-silent' });
    expect(canarySilent.summary).toContain('it has emitted nothing while the baseline finished 960 units');
    const fallenSilent = [...blocks(60), ...blocks(10, (index) => lone(0, 16)(60 + index))];
    expect(verdictAfter(fallenSilent).summary).toContain('it has been silent after 240 units while');
    expect(verdictAfter(blocks(60, lone(16, 0)))).toMatchObject({
      kind: 'inconclusive',
      code: 'baseline-silent',
    });
  });
});

describe('a block that cannot be judged', () => {
  it.each<[string, Partial<Block>, string]>([
    [
      'a counter that went backwards',
      { strata: [{ attempt: 1, ...counts(-3, 0, 12, 0) }] },
      'a counter went backwards',
    ],
    [
      'more failures than units',
      { strata: [{ attempt: 2, ...counts(4, 5, 12, 0) }] },
      'second attempts: the canary cannot have failed 5 of 4',
    ],
    [
      'fractions',
      { strata: [{ attempt: 1, ...counts(4, 0, 1.5, 0) }] },
      "the baseline's counts must be whole numbers",
    ],
    [
      'slow units beyond all units',
      { latency: { p50: counts(1, 0, 1, 0), p90: counts(1, 2, 1, 0), p99: counts(1, 0, 1, 0) } },
      'latency: the canary cannot',
    ],
    ['negative receives', { receives: { canary: -1, baseline: 3 } }, 'receives must be counts'],
    [
      'crashes in no possible time',
      { crashes: { count: 1, taskSeconds: Number.NaN } },
      'in NaN task-seconds',
    ],
    [
      'dead letters received more often than received',
      { deadLetters: [{ receives: 1, canaryReceives: 2 }] },
      '2 of 1 receives',
    ],
    ['impossible tasks', { stableTasks: [{ task: 'a', units: 1, failed: 2 }] }, 'stable task a'],
    [
      'a new stratum twice',
      {
        strata: [
          { attempt: 2, messageType: 'a', ...counts(4, 0, 12, 0) },
          { attempt: 2, messageType: 'a', ...counts(4, 0, 12, 0) },
        ],
      },
      'the block has second attempts of "a" twice',
    ],
    [
      'a stratum twice',
      {
        strata: [
          { attempt: 1, ...counts(4, 0, 12, 0) },
          { attempt: 1, ...counts(4, 0, 12, 0) },
        ],
      },
      'the block has first attempts twice',
    ],
    ['an end before its beginning', { toMs: START }, 'must end when it begins or later'],
    ['a time before the start', { fromMs: START - 1 }, 'before the canary was steady'],
  ])('says so and is left out: %s', (_, change, words) => {
    const judge = createJudge(defaultJudgePolicy, START);
    for (const good of blocks(60)) judge.observe(good);
    const before = judge.verdict(START + 61 * STEP).evidence;
    expect(judge.observe({ ...block(60), ...change })).toContain(words);
    const verdict = judge.verdict(START + 61 * STEP);
    expect(verdict).toMatchObject({ kind: 'error', code: 'unusable-block', settled: false });
    expect(verdict.summary).toContain(words);
    expect(verdict.evidence).toEqual({ ...before, blocksUnusable: 1 });
    expect(judge.observe(block(61))).toBeUndefined();
    expect(judge.verdict(START + 62 * STEP).kind).toBe('pass');
  });

  it('is one given twice, or late', () => {
    const judge = createJudge(defaultJudgePolicy, START);
    judge.observe(block(0));
    judge.observe(block(1));
    expect(judge.observe(block(1))).toContain('given twice, or overlaps');
    expect(judge.observe(block(0))).toContain('before the one already judged');
    expect(judge.verdict(START + 2 * STEP).evidence).toMatchObject({
      canary: { units: 8 },
      blocks: 2,
      blocksUnusable: 2,
    });
  });

  it('does not stop a rollback', () => {
    const judge = createJudge(defaultJudgePolicy, START);
    for (const bad of blocks(4, (index) => block(index, 4))) judge.observe(bad);
    judge.observe({ ...block(4), strata: [{ attempt: 1, ...counts(-1, 0, 0, 0) }] });
    expect(judge.verdict(START + 5 * STEP).kind).toBe('fail');
  });
});

describe('replay', () => {
  const track = fc
    .integer({ min: 0, max: 9 })
    .chain((units) => fc.record({ units: fc.constant(units), failed: fc.integer({ min: 0, max: units }) }));
  const margins = fc.record({ canary: track, baseline: track });
  const random = fc.array(
    fc.record(
      {
        strata: fc.tuple(
          margins.map((counted) => ({ attempt: 1 as const, ...counted })),
          margins.map((counted) => ({ attempt: 2 as const, messageType: 'a', ...counted })),
        ),
        latency: fc.record({ p50: margins, p90: margins, p99: margins }),
        receives: fc.record({ canary: fc.nat(9), baseline: fc.nat(9) }),
        crashes: fc.record({ count: fc.nat(1), taskSeconds: fc.nat(100) }),
      },
      { requiredKeys: ['strata'] },
    ),
    { maxLength: 60 },
  );

  it('gives the same digits however often one looks in between', () => {
    fc.assert(
      fc.property(random, (contents) => {
        const all = contents.map((content, index) => ({ ...block(index), ...content }));
        const nowMs = START + all.length * STEP;
        const judge = createJudge(defaultJudgePolicy, START);
        for (const each of all) {
          judge.observe(each);
          judge.verdict(each.toMs);
        }
        expect(judge.verdict(nowMs)).toEqual(judgeBlocks(defaultJudgePolicy, START, all, nowMs));
      }),
      { numRuns: 50 },
    );
  });

  it('gives the digits that every platform must give', () => {
    const random = sequence(42);
    const all = blocks(300, (index) =>
      block(index, random() < 0.08 ? 1 : 0, random() < 0.1 ? 1 : 0, {
        latency: {
          p50: counts(4, random() < 0.5 ? 2 : 3, 12, 6),
          p90: counts(4, 0, 12, 1),
          p99: counts(4, 0, 12, 0),
        },
        receives: { canary: 4, baseline: 12 },
        crashes: { count: 0, taskSeconds: 3.2 },
      }),
    );
    const { evidence } = verdictAfter(all);
    expect([
      evidence.total,
      ...evidence.metrics.map(({ eValue }) => eValue),
      evidence.certification[0]?.eValue,
    ]).toEqual([
      115.83290628462687, 0.6397403044193165, 768.877932934555, 0.37369232109799716, 0.5019489604618284, 1,
      4.475997116639916,
    ]);
  });
});
