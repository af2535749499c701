import { describe, expect, test } from 'vitest';
import {
  adopted,
  awaitingApproval,
  expectBothOn,
  onCanary,
  onStable,
  succeeded,
} from '../../test/release-stages.ts';
import { digestOf, type SimulatedWorld } from '../../test/simulated-world.ts';

describe('a release that ends by itself or by a person', () => {
  test.each([
    ['a rejection', (world: SimulatedWorld) => world.reject(), 'aborted'],
    [
      'a stop in the console during approval',
      (world: SimulatedWorld) => world.stopByPerson(world.activeReleases()[0]!),
      'aborted',
    ],
    ['a rollback through the controller', (world: SimulatedWorld) => world.requestRollback(), 'rolledBack'],
  ])('restores both services after %s', (_what, end, phase) => {
    const world = adopted();
    awaitingApproval(world, 'v2');
    end(world);
    expect(world.settle().phase).toBe(phase);
    expectBothOn(world, 'v1');
  });

  test.each([
    ['canary', true],
    ['canary', false],
  ] as const)(
    'restores both services when the %s deployment fails (circuit breaker goes back: %s)',
    (track, goesBack) => {
      const world = adopted();
      onCanary(world, 'v2');
      world.failRollout(track, goesBack);
      world.advance();
      expect(world.settle().phase).toBe('rolledBack');
      expectBothOn(world, 'v1');
    },
  );

  test.each([true, false])(
    'restores both services when the stable deployment fails (circuit breaker goes back: %s)',
    (goesBack) => {
      const world = adopted();
      const id = onStable(world, 'v2');
      world.failRollout('stable', goesBack);
      world.advance();
      expect(world.status(id)).toBe('InProgress');
      const settled = world.settle();
      expect(settled.phase).toBe('rolledBack');
      expect(settled.reasons[0]).toContain('stable cannot start the candidate');
      expect(world.status(id)).toBe('Stopped');
      expectBothOn(world, 'v1');
    },
  );

  test.each([true, false])(
    'restores both services when a person stops the promotion (abandon: %s)',
    (abandon) => {
      const world = adopted();
      const id = onStable(world, 'v2');
      world.stopByPerson(id, abandon);
      expect(world.settle().phase).toBe('rolledBack');
      expect(world.status(id)).toBe('Stopped');
      expectBothOn(world, 'v1');
    },
  );

  test('is restored at once when a person stops it and CodePipeline waits for its actions', () => {
    const world = adopted();
    const id = onStable(world, 'v2');
    world.stopByPerson(id, false);
    expect(world.status(id)).toBe('Stopping');
    expect(world.wake().phase).toBe('rollingBack');
    expect(world.digestOn('stable')).toBe(digestOf('v1'));
  });

  test('is reported to people even when ECS has restored the service by itself', () => {
    const world = adopted();
    const id = onCanary(world, 'v2');
    world.failRollout('canary', true);
    world.finishRollout('canary');
    world.advance();
    world.settle();
    expect(world.record().decision).toMatchObject({ executionId: id, by: 'pipeline' });
    expect(world.notifications).toHaveLength(2);
  });

  test('is never promoted by a retry once its end was decided', () => {
    const world = adopted();
    const id = onStable(world, 'bad');
    world.ruin();
    world.settle();
    world.retry(id);
    expect(world.status(id)).toBe('InProgress');
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  test('is restored again when the circuit breaker undoes the restoration', () => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    world.ruin();
    world.wake();
    world.failRollout('canary', true);
    expect(world.digestOn('canary')).toBe(digestOf('bad'));
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  test('stays ended when a task comes and goes after both services were restored', () => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    world.ruin();
    expect(world.settle().phase).toBe('rolledBack');
    world.services.stable.running -= 1;
    expect(world.wake()).toMatchObject({ phase: 'rolledBack', effects: [] });
  });

  test('deploys the recorded version again when its deployment failed', () => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    world.ruin();
    world.wake();
    world.failRollout('canary', false);
    expect(world.wake().effects).toContainEqual(
      expect.objectContaining({ kind: 'restoreService', track: 'canary', forceNew: true }),
    );
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
  });

  test('gets its image back when the recorded task definition has been deregistered', () => {
    const world = adopted();
    awaitingApproval(world, 'bad');
    const { lastGood } = world.record();
    world.taskDefinitions.get(lastGood!.canaryTaskDefinitionArn!)!.active = false;
    world.ruin();
    expect(world.settle().phase).toBe('rolledBack');
    expectBothOn(world, 'v1');
    expect(world.record().lastGood).toMatchObject({
      canaryTaskDefinitionArn: world.services.canary.primary.taskDefinitionArn,
    });
  });
});

describe('a rollback that a person asks for', () => {
  test('is refused for an execution that is not the current release', () => {
    const world = adopted();
    awaitingApproval(world, 'v2');
    expect(world.requestRollback('another')).toBe(false);
    expect(world.wake().phase).toBe('awaitingApproval');
  });

  test('is refused after success, since nothing better is recorded', () => {
    const world = adopted();
    const id = succeeded(world, 'v2');
    expect(world.requestRollback(id)).toBe(false);
    expect(world.wake()).toMatchObject({ phase: 'succeeded', effects: [] });
  });

  test('is refused before any release', () => {
    expect(adopted().requestRollback()).toBe(false);
  });

  test('changes nothing the second time', () => {
    const world = adopted();
    awaitingApproval(world, 'v2');
    world.requestRollback();
    const version = world.recordVersion;
    expect(world.requestRollback()).toBe(true);
    expect(world.recordVersion).toBe(version);
  });
});
