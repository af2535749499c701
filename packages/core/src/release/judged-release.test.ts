import { describe, expect, it } from 'vitest';
import { digestOf, SimulatedWorld } from '../../test/simulated-world.ts';
import { type Approval, defaultReleasePolicy } from '../policy/policy.ts';
import { known, unknown } from './observed.ts';
import { plan } from './plan.ts';

const bakeMs = 60_000;
const good = { canary: { firstUnits: 12, receives: 12 }, stable: { firstUnits: 38, receives: 38 } };
const failing = { canary: { firstUnits: 12, firstUnitsFailed: 3, receives: 12 }, stable: good.stable };
/** Both tracks fail a fifth of what they take. */
const poisoned = {
  canary: { firstUnits: 12, firstUnitsFailed: 2, receives: 12, failed: 2 },
  stable: { firstUnits: 38, firstUnitsFailed: 8, receives: 38, failed: 8 },
};

/** A release of v2, over v1, whose canary is steady and whose judge waits for its job's answer. */
function judging(approval: Approval): { readonly world: SimulatedWorld; readonly id: string } {
  const world = new SimulatedWorld({
    ...defaultReleasePolicy,
    approval,
    bakeMs,
    watchMs: 60_000,
    judge: { ...defaultReleasePolicy.judge, bakeMsMin: bakeMs },
  });
  world.wake();
  world.pass(60_000);
  const id = world.push('v2');
  world.advance();
  world.advance();
  world.wake();
  world.finishRollout('canary');
  world.advance();
  expect(world.wake().phase).toBe('baking');
  return { world, id };
}

/** Time passes in which both tracks report, and CodePipeline calls the controller. */
function observed(world: SimulatedWorld, ms: number, each: Parameters<SimulatedWorld['report']>[0]): void {
  world.pass(ms);
  world.report(each);
  world.callJobs();
}

function expectBothOn(world: SimulatedWorld, version: string): void {
  expect([world.digestOn('canary'), world.digestOn('stable')]).toEqual([
    digestOf(version),
    digestOf(version),
  ]);
  expect(world.violations).toEqual([]);
}

describe('an automatic release', () => {
  it('promotes itself once the judge has passed it and it has baked', () => {
    const { world, id } = judging('automatic');
    observed(world, bakeMs - 5_000, good);
    expect(world.openJobs.size).toBe(1);
    observed(world, 30_000, good);
    expect(world.record().verdict).toMatchObject({ executionId: id, kind: 'pass', canaryFailed: 0 });
    expect(world.plan().effects).toContainEqual(expect.objectContaining({ kind: 'grantApproval' }));
    expect(world.settle().phase).toBe('succeeded');
    expectBothOn(world, 'v2');
  });

  it('is rolled back by the judge before its job is answered, and the record says why', () => {
    const { world, id } = judging('automatic');
    observed(world, 15_000, failing);
    expect(world.record().decision).toMatchObject({ executionId: id, kind: 'rollback', by: 'judge' });
    expect(world.record().decision?.reason).toMatch(/^Fail, on failures: the canary failed 6 of 24 units/);
    expect(world.record().verdict).toMatchObject({ kind: 'fail', canaryUnits: 24, canaryFailed: 6 });
    expect(world.jobResults).toEqual([`${id} Failed`]);
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  it('is rolled back by an ordinary wake as well', () => {
    const { world } = judging('automatic');
    world.pass(15_000);
    world.report(failing);
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  it('asks a person when the judge cannot decide by the deadline', () => {
    const { world } = judging('automatic');
    const few = { canary: { firstUnits: 1 }, stable: { firstUnits: 3 } };
    observed(world, 50 * 60_000, { canary: {}, stable: few.stable });
    expect(world.wake().phase).toBe('baking');
    observed(world, 11 * 60_000, { canary: {}, stable: few.stable });
    expect(world.record().verdict).toMatchObject({ kind: 'inconclusive', code: 'canary-silent' });
    const { phase, effects, reasons } = world.wake();
    expect(phase).toBe('awaitingApproval');
    expect(effects).toEqual([]);
    expect(reasons).toContain('a person decides whether to promote');
    world.approve();
    expect(world.settle().phase).toBe('succeeded');
  });

  it('asks a person when nothing could be measured by the deadline', () => {
    const { world } = judging('automatic');
    world.outcomes = unknown('the metrics cannot be read');
    world.pass(61 * 60_000);
    world.callJobs();
    const { phase, reasons } = world.wake();
    expect(phase).toBe('awaitingApproval');
    expect(reasons).toContain('not measured: the metrics cannot be read');
  });

  it('is judged on while a person is awaited', () => {
    const { world } = judging('automatic');
    observed(world, 61 * 60_000, { canary: {}, stable: { firstUnits: 1 } });
    expect(world.wake().phase).toBe('awaitingApproval');
    world.pass(60_000);
    world.report(failing);
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.settle().phase).toBe('rolledBack');
  });

  it('is judged on in the watch after the promotion, against stable before it', () => {
    const { world } = judging('automatic');
    observed(world, 180_000, good);
    world.wake();
    world.finishRollout('stable');
    world.advance();
    const promotedAt = world.now;
    world.pass(30_000);
    world.report({ canary: { firstUnits: 12 }, stable: { firstUnits: 38 } });
    if (!world.outcomes.known || world.outcomes.value === undefined) throw new Error('nothing was reported');
    const { stable } = world.outcomes.value;
    const buckets = new Map(stable.buckets);
    for (const [start, bucket] of buckets) {
      if (start >= promotedAt) buckets.set(start, { ...bucket, firstUnitsFailed: 20 });
    }
    world.outcomes = {
      ...world.outcomes,
      value: { ...world.outcomes.value, stable: { ...stable, buckets } },
    };
    world.callJobs();
    expect(world.record().decision?.by).toBe('judge');
    expect(world.record().decision?.reason).toMatch(/^After the promotion/);
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  it('does not take its own promotion for a regression', () => {
    const { world, id } = judging('automatic');
    observed(world, 180_000, good);
    world.wake();
    world.finishRollout('stable');
    world.advance();
    for (let look = 0; look < 20; look += 1) observed(world, 5_000, good);
    expect(world.status(id)).toBe('Succeeded');
    expectBothOn(world, 'v2');
  });
});

describe('an execution that is retried', () => {
  it('is not taken for unchanged once another release has used the canary, and promotes nothing', () => {
    const { world, id } = judging('automatic');
    observed(world, 180_000, good);
    expect(world.record().verdict?.kind).toBe('pass');
    world.reject();
    expect(world.settle().phase).toBe('aborted');
    const next = world.push('v3');
    world.advance();
    world.advance();
    world.wake();
    world.failRollout('canary', false);
    world.advance();
    expect(world.settle().phase).toBe('rolledBack');
    expect(world.record().decision?.executionId).toBe(next);
    // The older execution is the latest one in its stage still, so CodePipeline lets a person retry it.
    world.retry(id);
    world.outcomes = known(undefined);
    world.settle();
    expect(world.status(id)).toBe('Failed');
    expect(world.runs.filter(({ action }) => action === 'DeployStable')).toEqual([]);
    expect(world.runs.at(-1)?.summary).toMatch(new RegExp(`execution ${next} has used the canary since`));
    expectBothOn(world, 'v1');
  });
});

describe('a pass', () => {
  it('promotes nothing while neither alarms nor dead letters can be read', () => {
    const { world } = judging('automatic');
    observed(world, 180_000, good);
    expect(world.record().verdict?.kind).toBe('pass');
    world.alarmsReadable = false;
    expect(world.wake()).toMatchObject({ phase: 'awaitingApproval', effects: [] });
    world.alarmsReadable = true;
    expect(world.wake().effects).toMatchObject([{ kind: 'grantApproval' }]);
  });

  it('promotes although a newer commit waits, which would otherwise never end where commits are frequent', () => {
    const { world, id } = judging('automatic');
    world.push('v3');
    world.advance();
    world.advance();
    observed(world, 180_000, good);
    expect(world.record().verdict?.kind).toBe('pass');
    world.wake();
    expect(world.status(id)).toBe('InProgress');
    expect(world.runs.at(-1)).toMatchObject({ executionId: id, action: 'DeployStable' });
  });

  it('of a release that a person promotes is superseded by a newer commit', () => {
    const { world, id } = judging('automatic-then-manual');
    world.push('v3');
    world.advance();
    world.advance();
    observed(world, 180_000, good);
    world.wake();
    expect(world.record().decision).toMatchObject({ executionId: id, by: 'newerCommit' });
  });

  it('answers no approval but its own', () => {
    const { world } = judging('automatic');
    observed(world, 180_000, good);
    const seen = world.observe();
    if (!seen.pipeline.known || seen.pipeline.value.approval === undefined) throw new Error('no approval');
    const { value } = seen.pipeline;
    const { approval } = seen.pipeline.value;
    const asked = (changed: object) => ({
      ...seen,
      pipeline: known({ ...value, approval: { ...approval, ...changed } }),
    });
    expect(plan(asked({}), world.policy, world.now).effects).toHaveLength(1);
    expect(plan(asked({ action: 'SecurityReview' }), world.policy, world.now).effects).toEqual([]);
    expect(plan(asked({ executionId: 'another' }), world.policy, world.now).effects).toEqual([]);
  });

  it('that did not last until the job was answered is not what promotes', () => {
    const { world, id } = judging('automatic');
    world.pass(180_000);
    world.report(good);
    world.wake();
    expect(world.record().verdict).toMatchObject({ executionId: id, kind: 'pass' });
    // The job is called only after the deadline, and by then nothing can be measured.
    world.outcomes = unknown('the metrics cannot be read');
    world.pass(60 * 60_000);
    world.callJobs();
    expect(world.record()).not.toHaveProperty('verdict');
    expect(world.settle().phase).toBe('awaitingApproval');
  });
});

describe('a release of the image that both services run already', () => {
  it('passes at once: there is nothing to judge', () => {
    const world = new SimulatedWorld({
      ...defaultReleasePolicy,
      approval: 'automatic',
      bakeMs: 0,
      watchMs: 0,
    });
    world.wake();
    world.push('v1');
    expect(world.settle().phase).toBe('succeeded');
    expect(world.record().verdict).toMatchObject({ kind: 'pass', code: 'unchanged' });
    expectBothOn(world, 'v1');
  });
});

describe('automatic-then-manual', () => {
  it('asks a person after a pass, and promotes nothing by itself', () => {
    const { world } = judging('automatic-then-manual');
    observed(world, 120_000, good);
    expect(world.record().verdict?.kind).toBe('pass');
    expect(world.wake()).toMatchObject({ phase: 'awaitingApproval', effects: [] });
    expect(world.settle().phase).toBe('awaitingApproval');
  });

  it('is rolled back by the judge', () => {
    const { world } = judging('automatic-then-manual');
    observed(world, 15_000, failing);
    expect(world.record().decision?.by).toBe('judge');
  });
});

describe('a manual release', () => {
  it('goes to a person after the bake, whatever the judge says, with the verdict in the message', () => {
    const { world } = judging('manual');
    observed(world, bakeMs - 5_000, failing);
    expect(world.openJobs.size).toBe(1);
    world.pass(5_000);
    world.report(failing);
    const [jobId] = world.openJobs.keys();
    const { effects } = world.plan({ id: jobId ?? '' });
    const completion = effects.find(({ kind }) => kind === 'completeJob');
    expect(completion).toMatchObject({
      outputs: {
        Verdict: 'fail',
        Message: expect.stringMatching(/^Fail, on failures: .* Approve to release it .*; reject to return/),
      },
    });
    world.callJobs();
    expect(world.settle().phase).toBe('awaitingApproval');
  });

  it('keeps the message within what an approval takes, whatever AWS has said', () => {
    const { world } = judging('manual');
    world.outcomes = unknown(`the metrics cannot be read: ${'x'.repeat(2000)}`);
    world.pass(bakeMs);
    const [jobId] = world.openJobs.keys();
    const completion = world.plan({ id: jobId ?? '' }).effects.find(({ kind }) => kind === 'completeJob');
    const { Message = '' } = (completion?.kind === 'completeJob' && completion.outputs) || {};
    expect(Message).toHaveLength(1000);
    expect(Message).toMatch(/ reject to return the canary to the last good release\.$/);
  });

  it('says so in the message when nothing could be judged', () => {
    const { world } = judging('manual');
    world.outcomes = unknown('the metrics cannot be read');
    world.pass(bakeMs);
    const [jobId] = world.openJobs.keys();
    expect(world.plan({ id: jobId ?? '' }).effects).toContainEqual(
      expect.objectContaining({
        outputs: {
          Verdict: 'error',
          Message: expect.stringMatching(/^Unable to judge: the metrics cannot be read\. Approve/),
        },
      }),
    );
  });
});

describe('dead letters', () => {
  it('are not held against a release while stable fails as much', () => {
    const { world } = judging('automatic');
    observed(world, 20_000, poisoned);
    world.deadLetter(6);
    world.setAlarm('ALARM');
    const { phase, reasons } = world.wake();
    expect(phase).toBe('baking');
    expect(reasons.join('\n')).toMatch(
      /6 messages reached the dead-letter queue .* stable fails such messages/,
    );
  });

  it('end it when stable does not', () => {
    const { world } = judging('automatic');
    observed(world, 20_000, good);
    world.deadLetter(1);
    expect(world.wake().phase).toBe('baking');
    world.pass(20_000);
    world.report(good);
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.record().decision).toMatchObject({ by: 'health' });
  });

  it('wait a moment for the reports of those who failed them', () => {
    const { world } = judging('automatic');
    observed(world, 20_000, good);
    world.deadLetter(3);
    world.setAlarm('ALARM');
    const { phase, reasons } = world.wake();
    expect(phase).toBe('baking');
    expect(reasons.join('\n')).toMatch(/waiting for the workers' reports/);
    world.pass(10_000);
    world.report(poisoned);
    expect(world.wake().phase).toBe('baking');
    world.pass(60_000);
    world.report(poisoned);
    expect(world.wake().phase).toBe('baking');
  });

  describe('while the canary is still being deployed', () => {
    function deploying(): SimulatedWorld {
      const { world } = judging('automatic');
      observed(world, 180_000, good);
      world.settle();
      world.push('v3');
      world.advance();
      world.advance();
      expect(world.wake().phase).toBe('deploying');
      return world;
    }

    it('are not held against it when stable fails as much', () => {
      const world = deploying();
      world.pass(20_000);
      world.report(poisoned);
      world.deadLetter(6);
      const { phase, reasons } = world.wake();
      expect(phase).toBe('deploying');
      expect(reasons.join('\n')).toMatch(/stable fails such messages/);
    });

    it('end it when stable does not, after a moment for the reports', () => {
      const world = deploying();
      world.pass(20_000);
      world.report(good);
      world.deadLetter(1);
      expect(world.wake().phase).toBe('deploying');
      world.pass(20_000);
      world.report(good);
      expect(world.wake().phase).toBe('rollingBack');
    });
  });

  it('end it at once when the workers emit nothing', () => {
    const { world } = judging('automatic');
    observed(world, 20_000, {});
    world.deadLetter(1);
    expect(world.wake().phase).toBe('rollingBack');
  });

  it('end it at once when the canary emits nothing while stable fails messages', () => {
    const { world } = judging('automatic');
    observed(world, 60_000, { stable: poisoned.stable });
    world.deadLetter(1);
    expect(world.wake().phase).toBe('rollingBack');
  });

  it('that stable fails as well do not end it because one look could not read the metrics', () => {
    const { world } = judging('automatic');
    observed(world, 30_000, poisoned);
    world.deadLetter(4);
    expect(world.wake().phase).toBe('baking');
    world.outcomes = unknown('the metrics cannot be read');
    expect(world.wake().phase).toBe('baking');
    world.pass(10_000);
    world.report(poisoned);
    expect(world.wake().phase).toBe('baking');
    expect(world.record().baseline).not.toHaveProperty('deadLettersSeenAt');
  });

  it('end it when the metrics stay unreadable', () => {
    const { world } = judging('automatic');
    observed(world, 30_000, good);
    world.outcomes = unknown('the metrics cannot be read');
    world.deadLetter(1);
    expect(world.wake().phase).toBe('baking');
    world.pass(15_000);
    expect(world.wake().phase).toBe('rollingBack');
  });

  it('wait for the first reports of a canary that has just become steady', () => {
    const { world } = judging('automatic');
    world.report({ canary: {}, stable: {} });
    world.deadLetter(2);
    expect(world.wake().phase).toBe('baking');
    observed(world, 10_000, poisoned);
    expect(world.wake().phase).toBe('baking');
  });

  it('are not held against a release while stable fails as much, however rarely messages come', () => {
    const { world } = judging('automatic');
    world.pass(300_000);
    world.report({ canary: {}, stable: {} });
    const { outcomes } = world;
    if (!outcomes.known || outcomes.value === undefined) throw new Error('nothing was reported');
    const [first = 0] = outcomes.value.stable.buckets.keys();
    const { stable } = outcomes.value;
    const buckets = new Map(stable.buckets);
    // Stable tried it three times in all, and then nothing came for minutes.
    for (const at of [first, first + 30_000, first + 60_000]) {
      buckets.set(at, { ...buckets.get(at)!, firstUnits: 1, firstUnitsFailed: 1, failed: 1 });
    }
    world.outcomes = { ...outcomes, value: { ...outcomes.value, stable: { ...stable, buckets } } };
    world.deadLetter(1);
    const { phase, verdict } = world.wake();
    expect([phase, verdict?.code]).toEqual(['baking', 'no-data']);
  });

  it('wait for their reports each time anew', () => {
    const { world } = judging('automatic');
    observed(world, 30_000, good);
    world.deadLetter(2);
    world.wake();
    observed(world, 10_000, poisoned);
    expect(world.wake().phase).toBe('baking');
    world.pass(60_000);
    world.report(poisoned);
    world.deadLetter(1000);
    expect(world.wake().phase).toBe('baking');
    world.pass(20_000);
    expect(world.wake().phase).toBe('rollingBack');
  });

  it('that were put up with before the promotion are not held against it afterwards, but new ones are', () => {
    const { world, id } = judging('automatic');
    observed(world, 30_000, poisoned);
    world.deadLetter(4);
    world.setAlarm('ALARM');
    world.wake();
    observed(world, 400_000, poisoned);
    expect(world.record().verdict).toMatchObject({ executionId: id, kind: 'pass' });
    world.wake();
    world.wake();
    expect(world.record().baseline?.deadLettersAccepted).toBe(4);
    world.finishRollout('stable');
    world.advance();
    expect(world.wake().phase).toBe('promoting');
    world.deadLetter(1);
    expect(world.wake().phase).toBe('rollingBack');
  });
});
