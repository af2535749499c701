import { describe, expect, test } from 'vitest';
import { bakeMs, good } from '../../test/judged-world.ts';
import { digestOf, imageOf, SimulatedWorld } from '../../test/simulated-world.ts';
import { type Approval, defaultReleasePolicy } from '../policy/policy.ts';

/** A stack that was deployed before there was an image, and a push. */
function pushed(approval: Approval): { readonly world: SimulatedWorld; readonly id: string } {
  const policy = { ...defaultReleasePolicy, approval, bakeMs, watchMs: 60_000 };
  const world = new SimulatedWorld(policy, 0, false);
  expect(world.wake()).toMatchObject({ phase: 'idle', effects: [] });
  return { world, id: world.push('v1') };
}

/** Its canary's deployment, which is over at once, since there is no task, and then its canary's first task. */
function deployed(approval: Approval): { readonly world: SimulatedWorld; readonly id: string } {
  const { world, id } = pushed(approval);
  world.advance();
  world.advance();
  world.wake();
  world.finishRollout('canary');
  world.advance();
  world.wake();
  return { world, id };
}

/** That task runs, and reports. */
function running(approval: Approval): { readonly world: SimulatedWorld; readonly id: string } {
  const { world, id } = deployed(approval);
  world.finishRollout('canary');
  world.pass(20_000);
  world.report(good);
  return { world, id };
}

describe('the first release of services that were made without an image', () => {
  test('starts the canary, passes with nothing to judge alongside, starts stable and is the last good release', () => {
    const { world, id } = running('automatic');
    expect(world.settle().phase).toBe('succeeded');
    expect(world.services).toMatchObject({
      canary: { desired: 1, running: 1 },
      stable: { desired: 3, running: 3 },
    });
    expect(world.record()).toMatchObject({
      verdict: { kind: 'pass', code: 'first' },
      lastGood: { executionId: id, imageDigest: digestOf('v1') },
    });
    expect(world.image).toBe(imageOf('v1'));
    expect(world.violations).toEqual([]);
  });

  test('asks a person under the manual policy, and explains to them why nothing was compared', () => {
    const { world } = running('manual');
    expect(world.settle().phase).toBe('awaitingApproval');
    expect(world.record().verdict).toMatchObject({ kind: 'pass', code: 'first' });
    expect(world.services.stable.desired).toBe(0);
    world.approve();
    expect(world.settle().phase).toBe('succeeded');
    expect(world.services.stable).toMatchObject({ desired: 3, running: 3 });
  });

  test('starts a service once, and only when its image has been deployed', () => {
    const { world } = pushed('automatic');
    world.advance();
    world.advance();
    expect(world.wake().effects.filter(({ kind }) => kind === 'startService')).toEqual([]);
    world.finishRollout('canary');
    world.advance();
    const started = () => world.wake().effects.filter(({ kind }) => kind === 'startService');
    expect(started()).toEqual([expect.objectContaining({ track: 'canary' })]);
    expect(started()).toEqual([]);
  });

  test('is not passed before its canary runs, and left to a person when that does not come', () => {
    const { world } = deployed('automatic');
    world.pass(bakeMs + 1_000);
    expect(world.callJobs()?.reasons).toContain(
      'the first version is waited for until its canary runs and reports',
    );
    expect(world.openJobs.size).toBe(1);
    world.pass(world.policy.judge.deadlineMs);
    world.callJobs();
    expect(world.record().verdict).not.toMatchObject({ kind: 'pass' });
    expect(world.wake().phase).toBe('awaitingApproval');
  });

  test('is not passed when its canary has crashed, or when it cannot be told', () => {
    for (const fault of ['crash', 'blind'] as const) {
      const { world } = running('automatic');
      if (fault === 'crash') world.tasks.crash('canary', world.now);
      else world.outcomesProblem = 'the log cannot be read';
      world.pass(bakeMs + 1_000);
      world.callJobs();
      expect([fault, world.record().verdict?.kind]).not.toEqual([fault, 'pass']);
    }
  });

  test('that a person rejects leaves nothing to return to, and the next one is the first again', () => {
    const { world } = pushed('manual');
    world.settle();
    world.reject();
    expect(world.settle().phase).toBe('halted');
    const next = world.push('v2');
    expect(world.settle().phase).toBe('awaitingApproval');
    world.approve();
    expect(world.settle().phase).toBe('succeeded');
    expect(world.record().lastGood?.executionId).toBe(next);
    expect(world.violations).toEqual([]);
  });
});
