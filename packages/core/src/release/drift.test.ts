import { describe, expect, test } from 'vitest';
import { digestOf, imageOf, SimulatedWorld } from '../../test/simulated-world.ts';
import { type Track, tracks } from '../contract.ts';
import { defaultReleasePolicy } from '../policy/policy.ts';
import { known } from './observed.ts';
import type { Phase } from './phase.ts';
import { plan } from './plan.ts';

const policy = {
  ...defaultReleasePolicy,
  bakeMs: 120_000,
  watchMs: 120_000,
  onNewerCommit: 'wait' as const,
};

function adopted(): SimulatedWorld {
  const world = new SimulatedWorld(policy);
  world.wake();
  world.pass(60_000);
  return world;
}

function awaitingApproval(world: SimulatedWorld, version: string): string {
  const id = world.push(version);
  expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: id } });
  return id;
}

function succeeded(version: string): SimulatedWorld {
  const world = adopted();
  awaitingApproval(world, version);
  world.approve();
  expect(world.settle().phase).toBe('succeeded');
  return world;
}

/** Worlds in which no release is under way; what CloudFormation has registered itself runs `v1`. */
const situations: Readonly<Record<string, () => { world: SimulatedWorld; phase: Phase; good: string }>> = {
  'a release has succeeded': () => ({ world: succeeded('v2'), phase: 'succeeded', good: 'v2' }),
  'a release was rolled back': () => {
    const world = succeeded('v2');
    awaitingApproval(world, 'bad');
    world.ruin();
    world.settle();
    return { world, phase: 'rolledBack', good: 'v2' };
  },
  'a release was aborted': () => {
    const world = succeeded('v2');
    awaitingApproval(world, 'unwanted');
    world.reject();
    world.settle();
    return { world, phase: 'aborted', good: 'v2' };
  },
  'only an initial last good release is known': () => {
    const world = adopted();
    // A revision that CloudFormation has registered with another image than the recorded one.
    world.image = imageOf('v0');
    return { world, phase: 'idle', good: 'v1' };
  },
};

/** After so long what AWS answers about a change can be told from old answers. */
const settledMs = 15_000;

/** Somebody changes the tracks: CloudFormation deploys the revisions that it has registered. */
function changeFromOutside(world: SimulatedWorld, changed: readonly Track[]): void {
  for (const track of changed) {
    if (world.image === imageOf('v0')) world.changeConfiguration([track]);
    else world.updateService(track);
  }
  world.pass(settledMs);
}

const both: readonly (readonly Track[])[] = [['canary'], ['stable'], ['canary', 'stable']];
const cases = Object.keys(situations).flatMap((situation) =>
  both.map((changed) => [situation, changed.join(' and '), changed] as const),
);

function finish(world: SimulatedWorld, changed: readonly Track[] = tracks): void {
  world.pass(settledMs);
  for (const track of changed) world.finishRollout(track);
}

function expectGood(world: SimulatedWorld, good: string): void {
  expect({ canary: world.digestOn('canary'), stable: world.digestOn('stable') }).toEqual({
    canary: digestOf(good),
    stable: digestOf(good),
  });
  expect(world.isSteady('canary') && world.isSteady('stable')).toBe(true);
  expect(world.gate.enabled).toBe(true);
  expect(world.violations).toEqual([]);
}

describe.each(cases)('when %s and %s is changed from outside', (situation, _named, changed) => {
  const start = () => situations[situation]!();

  test('waits for the deployment, restores the last good release and reports it once', () => {
    const { world, phase, good } = start();
    expect(world.wake().phase).toBe(phase);
    const told = world.notifications.length;
    changeFromOutside(world, changed);
    const waiting = world.wake();
    expect(waiting.phase).toBe('drifted');
    expect(waiting.effects.map(({ kind }) => kind)).toEqual(['closeCanaryStage']);
    expect(waiting.reasons.join()).toMatch(/is being brought to .* instead of the last good release/);
    finish(world);
    const seen = world.wake();
    expect(seen.phase).toBe('drifted');
    for (const track of changed) {
      expect(seen.reasons.join()).toMatch(
        new RegExp(
          `${track} runs .* instead of the last good release: it was changed from outside, for example by a stack update.* returns to ${imageOf(good)}`,
        ),
      );
      expect(world.digestOn(track)).toBe(digestOf(good));
    }
    expect(world.wake()).toMatchObject({ phase: 'drifted', effects: [] });
    const settled = world.settle();
    expect(settled.phase).toBe(phase);
    expect(settled.reasons.join()).toContain('it was restored at');
    expect(world.notifications.slice(told)).toEqual([
      `${changed.join(' and ')} changed from outside: being restored`,
    ]);
    expectGood(world, good);
  });

  test('reports the next change again', () => {
    const { world, good } = start();
    const told = world.notifications.length;
    for (let time = 0; time < 5; time += 1) {
      changeFromOutside(world, changed);
      finish(world);
      world.settle();
    }
    expect(world.notifications.slice(told)).toHaveLength(5);
    expectGood(world, good);
  });

  const moments: readonly (readonly [string, (world: SimulatedWorld) => void])[] = [
    ['before the change is seen', () => {}],
    ['while the deployment is under way', (world) => world.wake()],
    [
      'before it is restored',
      (world) => {
        finish(world);
        // The controller dies after it has written what it saw.
        world.applyAll(world.plan().effects.slice(0, 1));
      },
    ],
    [
      'while it is being restored',
      (world) => {
        finish(world);
        world.wake();
      },
    ],
    [
      'when it was restored',
      (world) => {
        finish(world);
        world.wake();
        finish(world);
        world.wake();
      },
    ],
  ];

  test.each(moments)('lets the release that starts %s come to its end', (_moment, reach) => {
    const { world, good } = start();
    changeFromOutside(world, changed);
    reach(world);
    const id = world.push('v3');
    for (let i = 0; i < 4; i += 1) world.advance();
    const late = world.plan().effects;
    expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: id } });
    world.applyAll(late);
    world.approve();
    expect(world.settle().phase).toBe('succeeded');
    expectGood(world, 'v3');
    expect(good).not.toBe('v3');
  });

  test.each(moments)('lets the release that starts %s be rolled back', (_moment, reach) => {
    const { world, good } = start();
    changeFromOutside(world, changed);
    reach(world);
    awaitingApproval(world, 'worse');
    world.requestRollback();
    expect(world.settle().phase).toBe('rolledBack');
    expectGood(world, good);
  });
});

describe('when stable is changed from outside during a release', () => {
  test('is restored while the release waits for its approval, and the release goes on', () => {
    const world = succeeded('v2');
    const id = awaitingApproval(world, 'v3');
    const told = world.notifications.length;
    changeFromOutside(world, ['stable']);
    expect(world.wake().reasons.join()).toMatch(/stable is being brought to .* instead of the last good/);
    world.finishRollout('stable');
    expect(world.wake().phase).toBe('awaitingApproval');
    expect(world.digestOn('stable')).toBe(digestOf('v2'));
    expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: id } });
    expect(world.notifications.slice(told)).toEqual(['stable changed from outside: being restored']);
    world.approve();
    expect(world.settle().phase).toBe('succeeded');
    expectGood(world, 'v3');
  });
});

describe('the configuration of a stack update', () => {
  test('is kept when the image that came with it is not', () => {
    const world = succeeded('v2');
    world.image = imageOf('v1');
    world.changeConfiguration();
    finish(world);
    world.settle();
    expectGood(world, 'v2');
    for (const track of tracks) expect(world.configurationOn(track)).toBe(world.configurationOfStack(track));
    const { lastGood } = world.record();
    expect(lastGood).toMatchObject({
      canaryTaskDefinitionArn: world.services.canary.primary.taskDefinitionArn,
      stableTaskDefinitionArn: world.services.stable.primary.taskDefinitionArn,
    });
  });
});

describe('a restoration that does not hold', () => {
  test('is tried three times, and then left to a person', () => {
    const world = succeeded('v2');
    world.updateService('stable');
    finish(world);
    const told = world.notifications.length;
    for (let time = 0; time < 3; time += 1) {
      expect(world.wake().phase).toBe('drifted');
      world.failRollout('stable', false);
      finish(world);
    }
    const halted = world.wake();
    expect(halted.phase).toBe('halted');
    expect(halted.reasons.join()).toContain('It is left as it is');
    expect(world.gate.enabled).toBe(true);
    world.wake();
    world.pass(180_000);
    world.wake();
    expect(world.notifications.slice(told)).toEqual([
      ...Array.from({ length: 3 }, () => 'stable changed from outside: being restored'),
      'Releases are halted: a person must act',
    ]);
    expect(world.wake()).toMatchObject({ phase: 'halted', effects: [] });
    awaitingApproval(world, 'v3');
    world.approve();
    expect(world.settle().phase).toBe('succeeded');
    expectGood(world, 'v3');
  });
});

describe('a stage that a person rolls back in the console', () => {
  test('is left to finish, and then restored', () => {
    const world = succeeded('v2');
    world.updateService('stable');
    finish(world);
    const observed = world.observe();
    if (!observed.pipeline.known) throw new Error('the world hides its pipeline');
    const { executions, actions } = observed.pipeline.value;
    const deploying = {
      executionId: 'by hand',
      stage: 'Stable',
      action: 'DeployStable',
      startedAt: world.now - settledMs,
      updatedAt: world.now - settledMs,
    };
    const seen = (status: 'InProgress' | 'Succeeded') =>
      plan(
        {
          ...observed,
          pipeline: known({
            ...(observed.pipeline.known && observed.pipeline.value),
            name: 'pipeline',
            stages: [],
            executions: [
              { id: 'by hand', status, startedAt: world.now, updatedAt: world.now },
              ...executions,
            ],
            actions: [{ ...deploying, status }, ...actions],
          }),
        },
        policy,
        world.now,
      );
    expect(seen('InProgress')).toMatchObject({ phase: 'drifted', effects: [] });
    expect(seen('Succeeded').effects.map(({ kind }) => kind)).toEqual([
      'recordDrift',
      'notify',
      'restoreService',
    ]);
  });
});

describe('a first release that came to the canary before the first look', () => {
  const first = (version: string, approval: 'manual' | 'automatic' = 'manual') => {
    const world = new SimulatedWorld({ ...policy, approval });
    world.push(version);
    world.advance();
    world.advance();
    world.finishRollout('canary');
    world.lookedSinceCanary = true;
    world.advance();
    return world;
  };

  test('has the image that the services were created with to return to', () => {
    const world = first('bad');
    world.wake();
    expect(world.record().lastGood).toMatchObject({ executionId: 'initial', imageDigest: digestOf('v1') });
    world.requestRollback();
    expect(world.settle().phase).toBe('rolledBack');
    expectGood(world, 'v1');
    expect(world.record().lastGood).toHaveProperty('canaryTaskDefinitionArn');
  });

  test('has it also when it has failed by then', () => {
    const world = new SimulatedWorld(policy);
    world.push('bad');
    world.advance();
    world.advance();
    world.failRollout('canary', false);
    world.lookedSinceCanary = true;
    world.advance();
    expect(world.settle().phase).toBe('rolledBack');
    expectGood(world, 'v1');
  });

  test('passes as unchanged, without waiting for the deadline, when it is that image', () => {
    const world = first('v1', 'automatic');
    world.wake();
    world.pass(policy.bakeMs);
    world.callJobs();
    expect(world.record().verdict).toMatchObject({ kind: 'pass', code: 'unchanged' });
    expect(world.settle().phase).toBe('succeeded');
    expectGood(world, 'v1');
  });
});
