import { describe, expect, test } from 'vitest';
import {
  bakeMs,
  concerning,
  differing,
  failing,
  good,
  judgedMs,
  judging,
  observed,
  type Setting,
} from '../../test/judged-world.ts';
import type { TracksWork } from '../../test/simulated-tasks.ts';
import { digestOf } from '../../test/simulated-world.ts';
import type { VerdictCode } from '../judge/evidence.ts';
import type { Approval } from '../policy/policy.ts';

interface Case {
  readonly code: VerdictCode;
  readonly why: string;
  readonly work: TracksWork;
  readonly judge?: Setting['judge'];
  readonly says: RegExp;
}

const cases: readonly Case[] = [
  {
    code: 'concern',
    why: 'the canary fails in its own way',
    work: concerning,
    says: /^Inconclusive: .* errors of class TypeError/,
  },
  {
    code: 'stable-differs',
    why: "stable's tasks differ as much",
    work: differing,
    says: /^Inconclusive: .* stable's own 3 tasks differ in speed/,
  },
  {
    code: 'dry-run',
    why: 'it would pass in a dry run',
    work: good,
    judge: { dryRun: true },
    says: /^Dry run: the judge would have passed the canary/,
  },
  {
    code: 'dry-run',
    why: 'it would fail in a dry run',
    work: failing,
    judge: { dryRun: true },
    says: /^Dry run: the judge would have failed the canary, which would have been rolled back/,
  },
];

const approvals: readonly Approval[] = ['automatic', 'automatic-then-manual', 'manual'];
const everywhere = cases.flatMap((each) => approvals.map((approval) => ({ ...each, approval })));

function begun({ approval, work, judge = {} }: (typeof everywhere)[number]) {
  return judging(approval, {
    before: { stable: work.stable! },
    judge: { ...judge, deadlineMs: 15 * 60_000 },
  });
}

describe.each(everywhere)('when $why, under $approval, a release', (given) => {
  const { code, work, says } = given;

  test('is what a person decides on once it has baked', () => {
    const { world, id } = begun(given);
    observed(world, bakeMs - 5_000, work);
    expect(world.openJobs.size).toBe(1);
    world.pass(judgedMs - bakeMs);
    world.report(work);
    const [job = ''] = world.openJobs.keys();
    const completion = world.plan({ id: job }).effects.find(({ kind }) => kind === 'completeJob');
    expect(completion).toMatchObject({
      outputs: { Verdict: 'inconclusive', Message: expect.stringMatching(says) },
    });
    world.callJobs();
    expect(world.record().verdict).toMatchObject({ executionId: id, kind: 'inconclusive', code });
    expect(world.wake()).toMatchObject({
      phase: 'awaitingApproval',
      effects: [],
      reasons: ['a person decides whether to promote'],
    });
  });

  test('is neither promoted nor rolled back by itself, however long nobody answers', () => {
    const { world } = begun(given);
    observed(world, judgedMs, work);
    observed(world, 15 * 60_000, work);
    expect(world.settle().phase).toBe('awaitingApproval');
    expect(world.record().decision).toBeUndefined();
    expect([world.digestOn('canary'), world.digestOn('stable')]).toEqual([digestOf('v2'), digestOf('v1')]);
  });

  test.each(['approve', 'reject'] as const)('goes where a person sends it: %s', (answer) => {
    const { world } = begun(given);
    observed(world, judgedMs, work);
    world[answer]();
    const version = answer === 'approve' ? 'v2' : 'v1';
    expect(world.settle().phase).toBe(answer === 'approve' ? 'succeeded' : 'aborted');
    expect([world.digestOn('canary'), world.digestOn('stable')]).toEqual([
      digestOf(version),
      digestOf(version),
    ]);
    expect(world.violations).toEqual([]);
  });
});

describe('a release that a person is asked about', () => {
  test('is not promoted when the judge would pass it later', () => {
    const { world } = judging('automatic', { before: { stable: concerning.stable } });
    observed(world, judgedMs, concerning);
    expect(world.record().verdict?.code).toBe('concern');
    observed(world, 5 * 60_000, {
      canary: concerning.canary,
      stable: { perSecond: 20, failing: 0.05, errorClass: 'TypeError' },
    });
    const { phase, effects, verdict } = world.wake();
    expect([phase, effects, verdict?.kind]).toEqual(['awaitingApproval', [], 'pass']);
  });

  test('is rolled back when the judge fails it while it waits', () => {
    const { world } = judging('automatic', { before: { stable: concerning.stable } });
    observed(world, judgedMs, concerning);
    expect(world.wake().phase).toBe('awaitingApproval');
    observed(world, 60_000, { canary: { perSecond: 20, failing: 0.5 }, stable: concerning.stable });
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.record().decision?.by).toBe('judge');
  });

  test('is asked about only at the deadline when it is not certified, since more evidence may still decide', () => {
    const { world } = judging('automatic', { before: { stable: differing.stable } });
    const few = (work: object) => ({ ...work, perSecond: 1 });
    const thin = { canary: few(differing.canary), stable: differing.stable.map(few) };
    observed(world, bakeMs + 30_000, thin);
    expect(world.plan().verdict).toMatchObject({ code: 'stable-differs', settled: false });
    expect(world.openJobs.size).toBe(1);
    observed(world, 20 * 60_000, thin);
    expect(world.record().verdict?.code).toBe('stable-differs');
  });
});
