import { describe, expect, test } from 'vitest';
import { bakeMs, broken, failing, good, judgedMs, judging, observed } from '../../test/judged-world.ts';
import { digestOf, SimulatedWorld } from '../../test/simulated-world.ts';
import { defaultReleasePolicy } from '../policy/policy.ts';
import { known } from './observed.ts';
import { plan } from './plan.ts';

function expectBothOn(world: SimulatedWorld, version: string): void {
  expect([world.digestOn('canary'), world.digestOn('stable')]).toEqual([
    digestOf(version),
    digestOf(version),
  ]);
  expect(world.violations).toEqual([]);
}

describe('an automatic release', () => {
  test('promotes itself once the judge has passed it and it has baked', () => {
    const { world, id } = judging('automatic');
    observed(world, bakeMs - 5_000, good);
    expect(world.openJobs.size).toBe(1);
    observed(world, 60_000, good);
    expect(world.record().verdict).toMatchObject({ executionId: id, kind: 'pass', canaryFailed: 0 });
    expect(world.plan().effects).toContainEqual(expect.objectContaining({ kind: 'grantApproval' }));
    expect(world.settle().phase).toBe('succeeded');
    expectBothOn(world, 'v2');
  });

  test('is rolled back by the judge before its job is answered, and the record says why', () => {
    const { world, id } = judging('automatic');
    observed(world, 60_000, failing);
    expect(world.record().decision).toMatchObject({ executionId: id, kind: 'rollback', by: 'judge' });
    const { decision, verdict } = world.record();
    const counted = decision?.reason.match(/^Fail, on failures: the canary failed (\d+) of (\d+) messages/);
    const [failed, units] = counted?.slice(1).map(Number) ?? [];
    expect(verdict).toMatchObject({ kind: 'fail', canaryUnits: units, canaryFailed: failed });
    expect(failed! / units!).toBeCloseTo(0.25, 1);
    expect(world.jobResults).toEqual([`${id} Failed`]);
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  test('that fails everything is rolled back within seconds, before the first interval is over', () => {
    const { world } = judging('automatic');
    world.pass(4_000);
    world.report(broken);
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.record().decision?.reason).toMatch(/^Fail, on failing nearly everything: the canary failed/);
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  test('is rolled back by an ordinary wake as well', () => {
    const { world } = judging('automatic');
    world.pass(60_000);
    world.report(failing);
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  test('asks a person when the judge cannot decide by the deadline', () => {
    const { world } = judging('automatic');
    const few = { perSecond: 0.2 };
    observed(world, 50 * 60_000, { canary: {}, stable: few });
    expect(world.wake().phase).toBe('baking');
    observed(world, 11 * 60_000, { canary: {}, stable: few });
    expect(world.record().verdict).toMatchObject({ kind: 'inconclusive', code: 'canary-silent' });
    const { phase, effects, reasons } = world.wake();
    expect(phase).toBe('awaitingApproval');
    expect(effects).toEqual([]);
    expect(reasons).toContain('a person decides whether to promote');
    world.approve();
    expect(world.settle().phase).toBe('succeeded');
  });

  test('asks a person when nothing could be measured by the deadline', () => {
    const { world } = judging('automatic');
    world.outcomesProblem = 'the log cannot be read';
    world.pass(71 * 60_000);
    world.callJobs();
    const { phase, reasons } = world.wake();
    expect(phase).toBe('awaitingApproval');
    expect(reasons).toContain('not measured: the log cannot be read');
  });

  test('is not decided by a look that could not read the log, at the deadline', () => {
    const { world } = judging('automatic');
    observed(world, judgedMs, { canary: {}, stable: { perSecond: 0.1 } });
    world.outcomesProblem = 'Rate exceeded';
    world.pass(56 * 60_000);
    world.callJobs();
    expect(world.wake().phase).toBe('baking');
    world.outcomesProblem = undefined;
    world.report({ canary: {}, stable: { perSecond: 0.1 } });
    world.callJobs();
    expect(world.record().verdict).toMatchObject({ kind: 'inconclusive' });
    expect(world.wake().phase).toBe('awaitingApproval');
  });

  test('is looked at after each report at first, and then more rarely, so that many share what AWS allows', () => {
    const { world } = judging('automatic');
    world.outcomesProblem = 'the log cannot be read';
    const looks: number[] = [];
    const startedAt = world.now;
    while (world.now - startedAt < 55 * 60_000) {
      const waitMs = world.plan().nextWakeMs ?? Number.NaN;
      looks.push(waitMs);
      world.pass(waitMs);
    }
    expect(Math.max(...looks.slice(0, 5))).toBeLessThanOrEqual(5_000);
    expect(Math.max(...looks)).toBeLessThanOrEqual(60_000);
    expect(looks.length).toBeLessThan(130);
  });

  test('is judged on while a person is awaited', () => {
    const { world } = judging('automatic');
    observed(world, 61 * 60_000, { canary: {}, stable: { perSecond: 0.1 } });
    expect(world.wake().phase).toBe('awaitingApproval');
    world.pass(60_000);
    world.report(failing);
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.settle().phase).toBe('rolledBack');
  });
});

describe('an execution that is retried', () => {
  test('is not taken for unchanged once another release has used the canary, and promotes nothing', () => {
    const { world, id } = judging('automatic');
    observed(world, judgedMs, good);
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
    world.settle();
    expect(world.status(id)).toBe('Stopped');
    expect(world.runs.filter(({ action }) => action === 'DeployStable')).toEqual([]);
    expect(world.executions.find((each) => each.id === id)?.stopReason).toContain(
      `execution ${next} has used the canary since`,
    );
    expectBothOn(world, 'v1');
  });
});

describe('a pass', () => {
  test('promotes nothing while neither alarms nor dead letters can be read', () => {
    const { world } = judging('automatic');
    observed(world, judgedMs, good);
    expect(world.record().verdict?.kind).toBe('pass');
    world.alarmsReadable = false;
    expect(world.wake()).toMatchObject({ phase: 'awaitingApproval', effects: [] });
    world.alarmsReadable = true;
    expect(world.wake().effects).toMatchObject([{ kind: 'grantApproval' }]);
  });

  test('promotes although a newer commit waits, which would otherwise never end where commits are frequent', () => {
    const { world, id } = judging('automatic');
    world.push('v3');
    world.advance();
    world.advance();
    observed(world, judgedMs, good);
    expect(world.record().verdict?.kind).toBe('pass');
    world.wake();
    expect(world.status(id)).toBe('InProgress');
    expect(world.runs.at(-1)).toMatchObject({ executionId: id, action: 'DeployStable' });
  });

  test('of a release that a person promotes is superseded by a newer commit', () => {
    const { world, id } = judging('automatic-then-manual');
    world.push('v3');
    world.advance();
    world.advance();
    observed(world, judgedMs, good);
    world.wake();
    expect(world.record().decision).toMatchObject({ executionId: id, by: 'newerCommit' });
  });

  test('answers no approval but its own', () => {
    const { world } = judging('automatic');
    observed(world, judgedMs, good);
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

  test('that did not last until the job was answered is not what promotes', () => {
    const { world, id } = judging('automatic');
    world.pass(judgedMs);
    world.report(good);
    world.wake();
    expect(world.record().verdict).toMatchObject({ executionId: id, kind: 'pass' });
    // The job is called only after the deadline, and by then nothing can be measured.
    world.outcomesProblem = 'the log cannot be read';
    world.pass(70 * 60_000);
    world.callJobs();
    expect(world.record()).not.toHaveProperty('verdict');
    expect(world.settle().phase).toBe('awaitingApproval');
  });
});

describe('a release of the image that both services run already', () => {
  test('passes at once: there is nothing to judge', () => {
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
  test('asks a person after a pass, and promotes nothing by itself', () => {
    const { world } = judging('automatic-then-manual');
    observed(world, judgedMs, good);
    expect(world.record().verdict?.kind).toBe('pass');
    expect(world.wake()).toMatchObject({ phase: 'awaitingApproval', effects: [] });
    expect(world.settle().phase).toBe('awaitingApproval');
  });

  test('is rolled back by the judge', () => {
    const { world } = judging('automatic-then-manual');
    observed(world, 60_000, failing);
    expect(world.record().decision?.by).toBe('judge');
  });
});

describe('a manual release', () => {
  test('goes to a person after the bake, whatever the judge says, with the verdict in the message', () => {
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

  test('keeps the message within what an approval takes, whatever AWS has said', () => {
    const { world } = judging('manual');
    world.outcomesProblem = `the log cannot be read: ${'x'.repeat(2000)}`;
    world.pass(bakeMs + 10 * 60_000);
    const [jobId] = world.openJobs.keys();
    const completion = world.plan({ id: jobId ?? '' }).effects.find(({ kind }) => kind === 'completeJob');
    const { Message = '' } = (completion?.kind === 'completeJob' && completion.outputs) || {};
    expect(Message).toHaveLength(1000);
    expect(Message).toMatch(/ reject to return the canary to the last good release\.$/);
  });

  test('is not answered by a look that could not read the log, at the end of the bake', () => {
    const { world } = judging('manual');
    world.report(good);
    world.outcomesProblem = 'Rate exceeded';
    world.pass(bakeMs);
    world.callJobs();
    expect(world.wake().phase).toBe('baking');
    world.outcomesProblem = undefined;
    world.report(good);
    world.callJobs();
    expect(world.wake().phase).toBe('awaitingApproval');
    expect(world.record().verdict?.kind).not.toBe('error');
  });

  test('says so in the message when nothing could be judged', () => {
    const { world } = judging('manual');
    world.outcomesProblem = 'the log cannot be read';
    world.pass(bakeMs + 10 * 60_000);
    const [jobId] = world.openJobs.keys();
    expect(world.plan({ id: jobId ?? '' }).effects).toContainEqual(
      expect.objectContaining({
        outputs: {
          Verdict: 'error',
          Message: expect.stringMatching(/^Unable to judge: the log cannot be read\. Approve/),
        },
      }),
    );
  });
});
