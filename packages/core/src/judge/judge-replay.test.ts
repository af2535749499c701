import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { block, cell, cells, judged, played, START, STEP, times } from '../../test/judge-scenes.ts';
import type { Block, Cell } from './block.ts';
import { createJudge, judgeBlocks } from './judge.ts';
import { defaultJudgePolicy, type JudgePolicy } from './judge-policy.ts';

const policy: JudgePolicy = { ...defaultJudgePolicy, counters: { sold: { worse: 'less', tolerance: 0.2 } } };

const counts = fc
  .integer({ min: 0, max: 9 })
  .chain((finished) =>
    fc.record({ finished: fc.constant(finished), failed: fc.integer({ min: 0, max: finished }) }),
  );
const anyCell = fc
  .record({
    task: fc.constantFrom('a', 'b', 'c'),
    ageMs: fc.constantFrom(10_000, 100_000, 200_000, 9_000_000),
    counts,
    saturated: fc.boolean(),
    durations: fc.option(fc.tuple(fc.integer({ min: 80, max: 140 }), fc.integer({ min: 1, max: 9 }))),
    error: fc.option(fc.constantFrom('Timeout', 'TypeError')),
    sold: fc.option(fc.nat(5)),
  })
  .map(
    ({ task, ageMs, counts: { finished, failed }, saturated, durations, error, sold }): Cell => ({
      ...cell({ task, ageMs, finished, failed, saturated }),
      ...(durations && { durations: [durations] }),
      ...(error && { errors: { [error]: failed } }),
      ...(sold !== null && { counters: { sold } }),
    }),
  );
const track = fc.uniqueArray(anyCell, { maxLength: 3, selector: ({ task }) => task });
const crashes = fc.record({ count: fc.nat(1), taskSeconds: fc.nat(15) });
const contents = fc.array(
  fc.record(
    { canary: track, stable: track, starts: track, crashes: fc.record({ canary: crashes, stable: crashes }) },
    { requiredKeys: ['canary', 'stable', 'starts'] },
  ),
  { maxLength: 60 },
);

/** Stable's past and the blocks of a release that may be anything. */
const anything = fc.tuple(contents, contents).map(([before, since]) => ({
  past: before.map(({ stable }, index) => block(index - before.length, { canary: [], stable })),
  blocks: since.map((content, index) => block(index, content)),
}));

describe('a replay', () => {
  test('gives the same digits, however often one has looked in between', () => {
    fc.assert(
      fc.property(anything, ({ past, blocks }) => {
        const nowMs = START + blocks.length * STEP;
        const judge = createJudge(policy, START, { past });
        for (const each of blocks) {
          judge.observe(each);
          judge.verdict(each.toMs);
          judge.verdict(each.toMs + 100_000);
        }
        const verdict = judge.verdict(nowMs);
        expect(judge.verdict(nowMs)).toEqual(verdict);
        expect(judgeBlocks(policy, START, { past, blocks }, nowMs)).toEqual(verdict);
        expect(judge.failedAtMs).toBe(verdict.kind === 'fail' ? verdict.decidedAtMs : undefined);
      }),
      { numRuns: 40 },
    );
  });

  test('has evidence that is a number whatever was seen', () => {
    fc.assert(
      fc.property(anything, ({ past, blocks }) => {
        const { evidence } = judgeBlocks(policy, START, { past, blocks }, START + blocks.length * STEP);
        const values = [
          evidence.total,
          ...evidence.metrics.map(({ eValue }) => eValue),
          ...evidence.certification.map(({ eValue }) => eValue),
          ...Object.values(evidence.stableTasks),
        ];
        expect(values.every((value) => value >= 0 && value < Number.POSITIVE_INFINITY)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test('goes on where it was, block after block', () => {
    const { past, blocks } = played({ blocks: 100 });
    const judge = createJudge(defaultJudgePolicy, START, { past });
    for (const [index, each] of blocks.entries()) {
      expect(judge.observe(each)).toBeUndefined();
      if (index % 33 !== 0) continue;
      const seen = { past, blocks: blocks.slice(0, index + 1) };
      expect(judge.verdict(each.toMs)).toEqual(judgeBlocks(defaultJudgePolicy, START, seen, each.toMs));
    }
    expect(judge.isCertified).toBe(true);
    expect(judge.failedAtMs).toBeUndefined();
  });
});

describe('a block that cannot be judged', () => {
  const after = START + 80 * STEP;

  function steady() {
    const { past, blocks } = played({ blocks: 80 });
    const judge = createJudge(defaultJudgePolicy, START, { past });
    for (const each of blocks) judge.observe(each);
    return judge;
  }

  test.each<[string, Block, string]>([
    ['counts that cannot be', block(80, { canary: [cell({ finished: -1 })] }), 'a counter went backwards'],
    ['a time before the start', block(-1), `before the canary was steady at ${START}`],
    ['a time that was judged', block(79), 'it was given twice, or overlaps'],
    ['a time that overlaps', { ...block(80), fromMs: after - 1 }, 'it was given twice, or overlaps'],
  ])('says so and is left out: %s', (_, bad, words) => {
    const judge = steady();
    const before = judge.verdict(after);
    expect(before.kind).toBe('pass');
    expect(judge.observe(bad)).toContain(words);
    const verdict = judge.verdict(after);
    expect(verdict).toMatchObject({ kind: 'error', code: 'unusable-block', settled: false });
    expect(verdict.summary).toMatch(/^Unable to judge: the latest block cannot be judged: /);
    expect(verdict.summary).toContain(words);
    expect(verdict.evidence).toEqual(before.evidence);
  });

  test('is forgotten with the next good one', () => {
    const judge = steady();
    judge.observe(block(79));
    expect(judge.observe(block(80, { stable: cells(3) }))).toBeUndefined();
    expect(judge.verdict(after + STEP).kind).toBe('pass');
  });

  test('does not stop a rollback', () => {
    const { past, blocks } = played({ blocks: 20, canary: () => ({ failing: 0.5 }) });
    const judge = createJudge(defaultJudgePolicy, START, { past });
    for (const each of blocks) judge.observe(each);
    judge.observe(block(0));
    expect(judge.verdict(START + 20 * STEP).kind).toBe('fail');
  });

  test('may leave a gap in time', () => {
    const { past, blocks } = played({ blocks: 120 });
    const judge = createJudge(defaultJudgePolicy, START, { past });
    for (const each of blocks.filter((_, index) => index < 40 || index > 50))
      expect(judge.observe(each)).toBeUndefined();
    expect(judge.verdict(START + 120 * STEP).kind).toBe('pass');
  });
});

describe('a glance at lines before their block is complete', () => {
  const line = (failed: number): Cell => cell({ task: 'canary 0', ageMs: 20_000, finished: failed, failed });

  test('fails a canary that has never succeeded after a handful of failures', () => {
    const judge = createJudge(defaultJudgePolicy, START, { past: [] });
    const latest: Cell[] = [];
    const found = times(10, (second) => {
      latest.push(line(1));
      judge.glance(latest, START + second * 1000);
      return judge.failedAtMs !== undefined;
    }).indexOf(true);
    expect(found).toBeGreaterThanOrEqual(3);
    expect(found).toBeLessThanOrEqual(5);
    const verdict = judge.verdict(START + 6000);
    expect(verdict).toMatchObject({ kind: 'fail', drivenBy: 'broken', decidedAtMs: START + found * 1000 });
    expect(verdict.evidence.canary).toEqual({ units: found + 1, failed: found + 1 });
  });

  test('does not fail it for the same failures in one line, which one reset connection may cause', () => {
    for (const failed of [6, 600]) {
      const judge = createJudge(defaultJudgePolicy, START, { past: [] });
      judge.glance([line(failed)], START + 1000);
      expect(judge.failedAtMs).toBeUndefined();
    }
  });

  test('adds nothing: the block that follows has the same lines', () => {
    const { past, blocks } = played({ blocks: 60, canary: () => ({ failing: 0.03 }) });
    const [looks, waits] = [
      createJudge(defaultJudgePolicy, START, { past }),
      createJudge(defaultJudgePolicy, START, { past }),
    ];
    for (const each of blocks) {
      looks.glance([line(1), line(1)], each.fromMs + 2000);
      for (const judge of [looks, waits]) judge.observe(each);
    }
    expect(looks.verdict(START + 60 * STEP)).toEqual(waits.verdict(START + 60 * STEP));
  });

  test('counts with what the blocks before it had', () => {
    const { past, blocks } = played({ blocks: 1, canary: () => ({ messages: 2, failing: 1 }) });
    const seen = { past, blocks, latest: times(4, () => line(1)) };
    expect(judgeBlocks(defaultJudgePolicy, START, seen, START + STEP + 3000).kind).toBe('fail');
    expect(
      judgeBlocks(defaultJudgePolicy, START, { ...seen, latest: [] }, START + STEP + 3000).kind,
    ).not.toBe('fail');
  });

  test('is not taken while stable is disturbed, nor in dry run of it', () => {
    const disturbed = times(3, (index) => block(index - 3, { canary: [], stable: cells(3, { failed: 9 }) }));
    const six = times(6, () => line(1));
    const during = { past: disturbed, blocks: [], latest: six };
    expect(judgeBlocks(defaultJudgePolicy, START, during, START + 3000).kind).not.toBe('fail');
    const dry = { ...defaultJudgePolicy, dryRun: ['broken'] as const };
    expect(judgeBlocks(dry, START, { ...during, past: [] }, START + 3000).kind).not.toBe('fail');
  });
});

describe('a disturbance of stable', () => {
  test('is no reason to fail a canary that begins in it, however much it fails', () => {
    const down = (index: number) => (index < 10 ? { failing: 1 } : {});
    const since = (index: number) => (index < -3 ? {} : down(index));
    expect(judged({ blocks: 10, canary: down, stable: since }).kind).not.toBe('fail');
    expect(judged({ blocks: 10, canary: down }).kind).toBe('fail');
  });

  const outage = (index: number) => (index >= 30 && index < 40 ? { failing: 0.9 } : {});

  test('is no reason to fail a canary that it hits as well, even a little later', () => {
    const later = (index: number) => outage(index - 6);
    const verdict = judged({ blocks: 120, canary: later, stable: outage });
    expect(verdict.kind).toBe('pass');
    expect(verdict.evidence.blocksLeftOut).toBeGreaterThanOrEqual(18 + 9);
    expect(judged({ blocks: 120, canary: later }).kind).toBe('fail');
  });
});
