import { describe, expect, test } from 'vitest';
import { adopted, awaitingApproval, expectBothOn, onStable, policy } from '../../test/release-stages.ts';
import { digestOf } from '../../test/simulated-world.ts';
import { known } from './observed.ts';
import { plan } from './plan.ts';

describe('a newer commit', () => {
  test('supersedes a release that waits for approval, which is restored before the newer one begins', () => {
    const world = adopted();
    const older = awaitingApproval(world, 'v2');
    const newer = world.push('v3');
    world.advance();
    world.advance();
    expect(world.wake().reasons[0]).toContain(`a newer commit is ready for the canary (execution ${newer}`);
    expect(world.status(older)).toBe('Stopped');
    expect(world.digestOn('canary')).toBe(digestOf('v1'));
    expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: newer } });
    expect(world.digestOn('canary')).toBe(digestOf('v3'));
    expect(world.digestOn('stable')).toBe(digestOf('v1'));
    expect(world.record().decision).toMatchObject({ executionId: older, kind: 'abort', by: 'newerCommit' });
  });

  test('waits in front of the canary under the policy that says so', () => {
    const world = adopted({ onNewerCommit: 'wait' });
    const older = awaitingApproval(world, 'v2');
    const newer = world.push('v3');
    expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: older } });
    expect(world.digestOn('canary')).toBe(digestOf('v2'));
    world.approve();
    expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: newer } });
    expect(world.record().lastGood?.executionId).toBe(older);
  });

  test('never disturbs a promotion', () => {
    const world = adopted();
    const older = onStable(world, 'v2');
    const newer = world.push('v3');
    world.advance();
    world.advance();
    world.wake();
    expect(world.activeReleases()).toEqual([older]);
    expect(world.settle()).toMatchObject({ release: { executionId: newer } });
    expect(world.status(older)).toBe('Succeeded');
  });

  test('waits until a rollback has reached a steady state', () => {
    const world = adopted({ onNewerCommit: 'wait' });
    onStable(world, 'bad');
    world.ruin();
    world.push('v3');
    world.wake();
    for (let i = 0; i < 4; i += 1) {
      world.advance();
      world.wake();
    }
    expect(world.activeReleases()).toEqual([]);
    world.pass(15_000);
    world.finishRollout('stable');
    world.finishRollout('canary');
    world.wake();
    world.wake();
    expect(world.activeReleases()).toHaveLength(1);
  });

  test('is ended when a person lets it past a release that is being promoted, and nothing untested stays', () => {
    const world = adopted();
    const older = onStable(world, 'v2');
    const newer = world.push('v3');
    world.advance();
    world.advance();
    world.gate = { enabled: true };
    world.advance();
    expect(world.activeReleases()).toContain(newer);
    world.pass(15_000);
    world.wake();
    expect(world.status(newer)).toBe('Stopped');
    expect(world.settle().phase).toBe('aborted');
    expect(world.status(older)).not.toBe('Succeeded');
    expectBothOn(world, 'v1');
  });

  test('cannot slip in when a release is ended at the first look', () => {
    const world = adopted();
    const bad = world.push('bad');
    world.advance();
    world.advance();
    world.push('v3');
    world.pass(200_000);
    world.ruin();
    for (let i = 0; i < 3; i += 1) world.advance();
    world.wake();
    expect(world.status(bad)).toBe('Stopped');
    expect(world.activeReleases()).toEqual([]);
    expect(world.digestOn('canary')).toBe(digestOf('v1'));
  });

  test('replaces a waiting release when a person lets it in', () => {
    const world = adopted({ onNewerCommit: 'wait' });
    const older = awaitingApproval(world, 'v2');
    const newer = world.push('v3');
    world.advance();
    world.advance();
    world.gate = { enabled: true };
    world.advance();
    expect(world.activeReleases()).toEqual([older, newer]);
    world.pass(15_000);
    expect(world.wake()).toMatchObject({ phase: 'deploying', release: { executionId: newer } });
    expect(world.status(older)).toBe('Stopped');
    expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: newer } });
  });

  test('leaves no canary behind when it was let in and then stopped', () => {
    const world = adopted({ onNewerCommit: 'wait' });
    const older = awaitingApproval(world, 'v2');
    const newer = world.push('v3');
    world.advance();
    world.advance();
    world.gate = { enabled: true };
    world.advance();
    world.stopByPerson(newer);
    world.settle();
    expect(world.status(older)).toBe('Stopped');
    expectBothOn(world, 'v1');
  });

  test('does not keep stable on a bad version whose rollback it has overtaken', () => {
    const world = adopted();
    onStable(world, 'bad');
    world.finishRollout('stable');
    world.ruin();
    const { effects } = world.plan();
    world.push('v3');
    world.advance();
    world.advance();
    world.gate = { enabled: true };
    world.applyAll(effects.filter(({ kind }) => kind === 'recordDecision' || kind === 'stopExecution'));
    world.pass(15_000);
    world.advance();
    world.wake();
    expect(world.digestOn('stable')).toBe(digestOf('v1'));
    expect(world.violations).toEqual([]);
  });

  test('is stopped itself when it waits for approval, and so is the release that is being promoted', () => {
    const world = adopted();
    const older = onStable(world, 'v2');
    const newer = world.push('v3');
    world.advance();
    world.advance();
    world.gate = { enabled: true };
    world.advance();
    world.lookedSinceCanary = true;
    world.finishRollout('canary');
    world.advance();
    // Somebody else has answered the judge's job.
    for (const jobId of world.openJobs.keys())
      world.apply({ kind: 'completeJob', jobId, executionId: newer });
    world.pass(15_000);
    world.wake();
    expect(world.status(older)).toBe('Stopped');
    expect(world.status(newer)).toBe('Stopped');
    world.settle();
    expectBothOn(world, 'v1');
  });

  test.each([
    ['its action is not listed yet', (_stage: string) => true],
    ['the pipeline was read a moment before it entered', (stage: string) => stage !== 'Canary'],
  ])('is not undone as residue of the release before it when %s', (_when, shows) => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    world.reject();
    expect(world.settle().phase).toBe('aborted');
    const newer = world.push('v3');
    world.advance();
    world.advance();
    expect(world.digestOn('canary')).toBe(digestOf('v3'));
    const observed = world.observe();
    if (!observed.pipeline.known) throw new Error('the world hides its pipeline');
    const { stages, actions, ...pipeline } = observed.pipeline.value;
    const lagging = known({
      ...pipeline,
      actions: actions.filter((run) => run.executionId !== newer || run.stage !== 'Canary'),
      stages: stages.map((stage) => {
        const { latestExecutionId: _, ...rest } = stage;
        return shows(stage.name) ? stage : rest;
      }),
    });
    const { effects } = plan({ ...observed, pipeline: lagging }, policy, world.now);
    expect(effects).toEqual([]);
    expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: newer } });
  });

  test('is what supersedes: an older execution that was retried only waits', () => {
    const world = adopted();
    const older = world.push('v2');
    world.advance();
    world.stopByPerson(older);
    world.pass(1000);
    const newer = awaitingApproval(world, 'v3');
    world.retry(older);
    world.advance();
    world.advance();
    expect(world.wake()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: newer } });
  });

  test('leaves alone a transition that a person disabled', () => {
    const world = adopted();
    world.gate = { enabled: false, reason: 'freeze until Monday' };
    world.push('v2');
    world.settle();
    expect(world.gate).toEqual({ enabled: false, reason: 'freeze until Monday' });
  });
});
