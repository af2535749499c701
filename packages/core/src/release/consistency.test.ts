import { describe, expect, test } from 'vitest';
import { type Ages, digestOf, SimulatedWorld } from '../../test/simulated-world.ts';
import { defaultReleasePolicy } from '../policy/policy.ts';

const policy = { ...defaultReleasePolicy, bakeMs: 120_000, watchMs: 120_000, onNewerCommit: 'wait' as const };

/** A world in which `version` is the last good release, and no release is under way. */
function succeeded(version: string): SimulatedWorld {
  const world = new SimulatedWorld(policy);
  world.wake();
  world.pass(60_000);
  awaitingApproval(world, version);
  world.approve();
  expect(world.settle().phase).toBe('succeeded');
  return world;
}

function awaitingApproval(world: SimulatedWorld, version: string): string {
  const id = world.push(version);
  expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: id } });
  return id;
}

/** A release of `version` whose canary deployment has begun two seconds ago. */
function onCanary(world: SimulatedWorld, version: string): string {
  const id = world.push(version);
  world.advance();
  world.pass(5_000);
  world.advance();
  world.pass(2_000);
  return id;
}

/** A look at answers that are so old, some milliseconds after the last. */
function look(world: SimulatedWorld, ages: Ages) {
  world.pass(1_000);
  return world.wake(undefined, ages);
}

const pipeline = (age: number): Ages => ({ stages: age, executions: age, actions: age });

describe('an old answer about the canary', () => {
  test('after a newer one does not mean that ECS went back', () => {
    const world = succeeded('v1');
    const id = onCanary(world, 'v2');
    world.wake();
    expect(world.record().baseline).toMatchObject({ executionId: id, candidateDigest: digestOf('v2') });
    expect(look(world, { canary: 4_000 }).phase).toBe('deploying');
    expect(world.record().decision).toBeUndefined();
    expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: id } });
  });

  test('is an answer all the same when it stays: the canary is not what the release is about', () => {
    const world = succeeded('v1');
    const id = onCanary(world, 'v2');
    world.wake();
    const { canary } = world.services;
    // The old deployment is the primary again, without a word of why.
    world.services.canary = { ...canary, primary: canary.others[0]!, others: [] };
    world.pass(14_000);
    world.wake();
    expect(world.record().decision).toBeUndefined();
    world.pass(1_000);
    world.wake();
    expect(world.record().decision).toMatchObject({ executionId: id, by: 'pipeline' });
  });

  test('that does not show the candidate yet does not mean that it was restored', () => {
    const world = succeeded('v1');
    onCanary(world, 'v2');
    world.requestRollback();
    look(world, { canary: 4_000 });
    const told = world.notifications.length;
    const seen = look(world, { canary: 5_000 });
    expect(seen.phase).toBe('rollingBack');
    expect(world.record().decision).not.toHaveProperty('restoredAt');
    expect(world.gate.enabled).toBe(false);
    world.wake();
    expect(world.digestOn('canary')).toBe(digestOf('v1'));
    expect(world.settle().phase).toBe('rolledBack');
    expect(world.notifications.slice(told).join()).not.toContain('changed from outside');
  });
});

describe('an old answer about the record', () => {
  test('does not make a stop of the controller one of a person', () => {
    const world = succeeded('v1');
    const id = onCanary(world, 'v2');
    world.pass(20_000);
    world.ruin();
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.status(id)).toBe('Stopped');
    world.pass(1_000);
    const seen = world.plan(undefined, { record: 2_000 });
    expect(seen.effects.map(({ kind }) => kind)).not.toContain('recordDecision');
    expect(seen.reasons.join()).toMatch(/was stopped by the controller, and the record does not show why/);
    expect(world.settle().phase).toBe('rolledBack');
    expect(world.record().decision).toMatchObject({ executionId: id, by: 'health' });
  });
});

describe('an old answer about the pipeline', () => {
  test('does not make a change from outside of a canary deployment that it does not show', () => {
    const world = succeeded('v1');
    const id = onCanary(world, 'v2');
    expect(look(world, pipeline(6_000))).toMatchObject({ phase: 'succeeded', effects: [] });
    expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: id } });
  });

  test('does not undo a promotion that it does not show, which is over at once where stable sleeps', () => {
    const world = succeeded('v1');
    Object.assign(world.services.stable, { desired: 0, running: 0 });
    awaitingApproval(world, 'v2');
    world.approve();
    world.pass(1_000);
    world.finishRollout('stable');
    const told = world.notifications.length;
    look(world, pipeline(5_000));
    expect(world.digestOn('stable')).toBe(digestOf('v2'));
    expect(world.record().drift).toBeUndefined();
    expect(world.notifications.slice(told)).toEqual([]);
  });

  test('that still lists the release before as active does not end the next one', () => {
    const world = succeeded('v1');
    awaitingApproval(world, 'v2');
    const next = world.push('v3');
    world.settle();
    world.approve();
    world.finishRollout('stable');
    world.advance();
    world.pass(policy.watchMs);
    world.callJobs();
    world.pass(1_000);
    // It has ended: the next one is let in.
    world.wake();
    const seen = look(world, { executions: 2_500 });
    expect(seen.effects.map(({ kind }) => kind)).toEqual(['closeCanaryStage']);
    expect(seen.reasons.join()).toContain('do not agree');
    expect(world.status(next)).toBe('InProgress');
    expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: next } });
  });

  test('that does not show why it failed is waited for, and not taken for the reason', () => {
    const world = succeeded('v1');
    const id = awaitingApproval(world, 'v2');
    world.reject();
    const seen = look(world, { actions: 2_000 });
    expect(seen).toMatchObject({ phase: 'awaitingApproval', effects: [] });
    expect(world.record().decision).toBeUndefined();
    expect(world.gate.enabled).toBe(false);
    world.wake();
    expect(world.record().decision).toMatchObject({ executionId: id, kind: 'abort', by: 'person' });
  });

  test('does not open the canary stage behind an execution whose deployment it does not show', () => {
    const world = succeeded('v1');
    const id = onCanary(world, 'v2');
    world.wake();
    const seen = look(world, { actions: 4_000 });
    expect(seen.effects).toEqual([]);
    expect(world.gate.enabled).toBe(false);
    expect(world.status(id)).toBe('InProgress');
  });
});

describe('an old answer about a service that was restored', () => {
  test('is not another change from outside', () => {
    const world = succeeded('v2');
    Object.assign(world.services.stable, { desired: 0, running: 0 });
    world.updateService('stable');
    world.finishRollout('stable');
    world.pass(60_000);
    world.wake();
    world.pass(1_000);
    // Without a task the deployment is over at once.
    world.finishRollout('stable');
    world.wake();
    expect(world.record().drift).toHaveProperty('restoredAt');
    const told = world.notifications.length;
    expect(look(world, { stable: 3_000 })).toMatchObject({ phase: 'succeeded', effects: [] });
    expect(world.notifications.slice(told)).toEqual([]);
  });
});
