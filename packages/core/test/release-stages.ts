import { expect } from 'vitest';
import { defaultReleasePolicy } from '../src/index.ts';
import { digestOf, SimulatedWorld } from './simulated-world.ts';

export const policy = { ...defaultReleasePolicy, bakeMs: 120_000, watchMs: 120_000 };

/** A world whose first image has been adopted as the last good release. */
export function adopted(overrides: Partial<typeof policy> = {}): SimulatedWorld {
  const world = new SimulatedWorld({ ...policy, ...overrides });
  world.wake();
  world.pass(60_000);
  return world;
}

/** A release of `version` that has come as far as its canary deployment. */
export function onCanary(world: SimulatedWorld, version: string): string {
  const id = world.push(version);
  world.advance();
  world.advance();
  world.wake();
  return id;
}

/** A release of `version` that waits for approval. */
export function awaitingApproval(world: SimulatedWorld, version: string): string {
  const id = world.push(version);
  const { phase } = world.settle();
  expect(phase).toBe('awaitingApproval');
  return id;
}

/** A release of `version` whose deployment to stable has begun. */
export function onStable(world: SimulatedWorld, version: string): string {
  const id = awaitingApproval(world, version);
  world.approve();
  expect(world.wake().phase).toBe('promoting');
  expect(world.digestOn('stable')).toBe(digestOf(version));
  return id;
}

/** A release of `version` that has been deployed everywhere and is watched. */
export function watched(world: SimulatedWorld, version: string): string {
  const id = onStable(world, version);
  world.finishRollout('stable');
  world.advance();
  expect(world.openJobs.size).toBe(1);
  return id;
}

export function succeeded(world: SimulatedWorld, version: string): string {
  const id = awaitingApproval(world, version);
  world.approve();
  expect(world.settle().phase).toBe('succeeded');
  return id;
}

export function expectBothOn(world: SimulatedWorld, version: string): void {
  expect({ canary: world.digestOn('canary'), stable: world.digestOn('stable') }).toEqual({
    canary: digestOf(version),
    stable: digestOf(version),
  });
  expect(world.isSteady('canary') && world.isSteady('stable')).toBe(true);
  expect(world.violations).toEqual([]);
}
