import { describe, expect, test } from 'vitest';
import {
  adopted,
  awaitingApproval,
  expectBothOn,
  onCanary,
  onStable,
  policy,
  succeeded,
  watched,
} from '../../test/release-stages.ts';
import { deploymentTimeoutMs, digestOf, imageOf, SimulatedWorld } from '../../test/simulated-world.ts';

describe('a bad release', () => {
  test('is stopped while its canary is being deployed', () => {
    const world = adopted();
    const id = onCanary(world, 'bad');
    world.ruin();
    world.wake();
    expect(world.status(id)).toBe('Stopped');
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  test('is stopped while it waits for approval, and only the canary is touched', () => {
    const world = adopted();
    const stableBefore = world.services.stable.primary;
    const id = awaitingApproval(world, 'bad');
    world.ruin();
    const { effects } = world.wake();
    expect(effects.map(({ kind }) => kind)).toEqual([
      'recordDecision',
      'notify',
      'stopExecution',
      'restoreService',
    ]);
    expect(world.status(id)).toBe('Stopped');
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
    expect(world.services.stable.primary).toBe(stableBefore);
  });

  test('is found by what it dead-lettered before its canary deployment was retried', () => {
    const world = adopted();
    const id = world.push('bad');
    world.advance();
    world.advance();
    world.pass(1000);
    world.deadLetterOn('canary', 1);
    world.failRollout('canary', false);
    // The controller was away all this time.
    world.lookedSinceCanary = true;
    world.pass(deploymentTimeoutMs);
    world.advance();
    expect(world.status(id)).toBe('Failed');
    world.pass(200_000);
    world.retry(id);
    expect(world.wake().phase).toBe('deploying');
    world.pass(60_000);
    expect(world.wake()).toMatchObject({ phase: 'rollingBack', release: { executionId: id } });
    expect(world.record().decision?.by).toBe('health');
  });

  test('is not restored before the older deployment has lost its tasks', () => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    world.ruin();
    world.wake();
    const { canary } = world.services;
    canary.primary.rolloutState = 'COMPLETED';
    world.pass(15_000);
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.record().decision?.restoredAt).toBeUndefined();
    canary.others = [];
    expect(world.wake().phase).toBe('rolledBack');
    expect(world.record().decision?.restoredAt).toBeDefined();
  });

  test('is undone on both services while stable is being deployed, although ECS goes on after the stop', () => {
    const world = adopted();
    const id = onStable(world, 'bad');
    world.ruin();
    const { effects } = world.plan();
    const stop = effects.filter(({ kind }) => kind === 'recordDecision' || kind === 'stopExecution');
    world.applyAll(stop);
    expect(world.status(id)).toBe('Stopped');
    expect(world.digestOn('stable')).toBe(digestOf('bad'));
    world.finishRollout('stable');
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  test('is undone on both services in its watch period, and its job fails', () => {
    const world = adopted();
    const id = watched(world, 'bad');
    world.ruin();
    world.callJobs();
    expect(world.jobResults.at(-1)).toBe(`${id} Failed`);
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
    expect(world.image).toBe(imageOf('v1'));
  });

  test('is undone in its watch period by an ordinary wake as well', () => {
    const world = adopted();
    const id = watched(world, 'bad');
    world.ruin();
    world.wake();
    expect(world.status(id)).toBe('Stopped');
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  test('is found although dead letters of an earlier release lie in the queue', () => {
    const world = adopted();
    awaitingApproval(world, 'bad1');
    world.deadLetter(20);
    world.ruin();
    world.settle();
    awaitingApproval(world, 'bad2');
    world.ruin();
    const { reasons } = world.wake();
    expect(reasons[0]).toBe(
      '1 message reached the dead-letter queue since the canary deployment began (0 allowed)',
    );
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  test('is found although a purge hides its dead letters', () => {
    const world = adopted();
    world.deadLetter(10);
    awaitingApproval(world, 'bad');
    world.ruin();
    world.deadLetters = 0;
    expect(world.settle().phase).toBe('rolledBack');
  });

  test('goes on being rolled back when its dead letters cannot be seen any more', () => {
    const world = adopted();
    onStable(world, 'bad');
    world.ruin();
    const { effects } = world.plan();
    world.applyAll(effects.slice(0, 1));
    world.outcomesProblem = 'the log cannot be read';
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  test('is not touched before the decision is durable', () => {
    const world = adopted();
    const id = awaitingApproval(world, 'bad');
    world.ruin();
    const { effects } = world.plan();
    world.recordVersion += 1;
    expect(world.applyAll(effects)).toEqual(['conflict', 'skipped', 'skipped', 'skipped']);
    expect(world.status(id)).toBe('InProgress');
    expect(world.digestOn('canary')).toBe(digestOf('bad'));
    expect(world.settle().phase).toBe('rolledBack');
  });

  test('notifies people once that it is rolled back and once that both services are restored', () => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    world.ruin();
    world.settle();
    world.settle();
    expect(world.notifications).toHaveLength(2);
  });

  test('stays within the policy with as many dead letters as it allows', () => {
    const world = adopted({ alarmThreshold: 3 });
    awaitingApproval(world, 'v2');
    world.pass(1000);
    world.deadLetterOn('canary', 2);
    expect(world.settle().phase).toBe('awaitingApproval');
    world.deadLetterOn('canary', 1);
    expect(world.settle().phase).toBe('rolledBack');
  });
});

describe('a dead letter of the canary', () => {
  test('hits the release under test when the newest execution is still building', () => {
    const world = adopted({ onNewerCommit: 'wait' });
    const bad = awaitingApproval(world, 'bad');
    const newer = world.push('v3');
    world.ruin();
    world.wake();
    expect(world.status(bad)).toBe('Stopped');
    expect(world.status(newer)).toBe('InProgress');
    expect(world.settle().phase).toBe('awaitingApproval');
    expect(world.digestOn('canary')).toBe(digestOf('v3'));
  });
});

describe('the alarm of the dead-letter queue', () => {
  test('fails no release by itself', () => {
    const world = adopted();
    awaitingApproval(world, 'v2');
    world.setAlarm('ALARM');
    const { phase, reasons } = world.settle();
    expect(phase).toBe('awaitingApproval');
    expect(reasons.join('\n')).toMatch(/alarm dead-letters went off during the release/);
  });

  test('fails no release when it has been in ALARM since an earlier one', () => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    world.setAlarm('ALARM');
    world.deadLetter(20);
    world.ruin();
    world.settle();
    succeeded(world, 'v2');
    expectBothOn(world, 'v2');
  });

  test('rolls nothing back after success', () => {
    const world = adopted();
    succeeded(world, 'v2');
    world.setAlarm('ALARM');
    world.deadLetter(5);
    const after = world.wake();
    expect(after).toMatchObject({ phase: 'succeeded', effects: [] });
    expect(after.reasons).toContain(
      'alarm dead-letters is in ALARM, but no release is under way: nothing is rolled back',
    );
  });
});

describe('the very first release without a last good one', () => {
  test('is ended and halted without touching the services', () => {
    const world = new SimulatedWorld(policy);
    world.services.stable.running = 2;
    const id = awaitingApproval(world, 'bad');
    const canary = world.services.canary.primary;
    world.ruin();
    const halted = world.wake();
    expect(halted.phase).toBe('halted');
    expect(halted.reasons.join()).toContain('there is no last good release to return to');
    expect(world.status(id)).toBe('Stopped');
    expect(world.settle().phase).toBe('halted');
    expect(world.services.canary.primary).toBe(canary);
    expect(world.violations).toEqual([]);
  });

  test('makes way for a fix, which becomes the first last good release', () => {
    const world = new SimulatedWorld(policy);
    world.services.stable.running = 2;
    awaitingApproval(world, 'bad');
    world.ruin();
    world.settle();
    world.services.stable.running = 3;
    succeeded(world, 'v2');
    expectBothOn(world, 'v2');
  });
});
