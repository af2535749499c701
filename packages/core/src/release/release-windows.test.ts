import { expect, test } from 'vitest';
import { adopted, awaitingApproval, policy } from '../../test/release-stages.ts';
import { digestOf, SimulatedWorld } from '../../test/simulated-world.ts';

const DAY_MS = 24 * 60 * 60_000;

/** A window of the hours before noon, at times that begin at midnight of UTC. */
const windows = { releaseWindows: ['Mon-Sun 00:00-12:00 UTC'] };

function until(world: SimulatedWorld, hour: number): void {
  const ofDay = world.now % DAY_MS;
  world.pass((hour * 60 * 60_000 - ofDay + DAY_MS) % DAY_MS);
}

test('a release waits in front of the canary until a window opens', () => {
  const world = adopted(windows);
  until(world, 13);
  expect(world.wake().reasons).toContain(
    'the next release waits for a release window: Mon-Sun 00:00-12:00 UTC',
  );
  const id = world.push('v2');
  for (let step = 0; step < 4; step += 1) world.advance();
  world.wake();
  expect(world.activeReleases()).toEqual([]);
  expect(world.digestOn('canary')).toBe(digestOf('v1'));
  until(world, 1);
  expect(world.settle()).toMatchObject({ phase: 'awaitingApproval', release: { executionId: id } });
});

test('a release that has begun goes on after its window has closed, and the next one waits', () => {
  const world = adopted(windows);
  until(world, 1);
  world.wake();
  const id = awaitingApproval(world, 'v2');
  until(world, 13);
  world.approve();
  expect(world.settle()).toMatchObject({ phase: 'succeeded', release: { executionId: id } });
  world.push('v3');
  for (let step = 0; step < 4; step += 1) world.advance();
  world.wake();
  expect(world.activeReleases()).toEqual([]);
});

test('a release is rolled back at any time', () => {
  const world = adopted(windows);
  until(world, 1);
  world.wake();
  awaitingApproval(world, 'v2');
  until(world, 13);
  world.reject();
  world.settle();
  expect(world.digestOn('canary')).toBe(digestOf('v1'));
});

test('the first release of all waits for no window', () => {
  const world = new SimulatedWorld(
    { ...policy, releaseWindows: ['Mon 00:00-00:01 UTC'] },
    20 * 60_000,
    false,
  );
  until(world, 13);
  world.push('v1');
  for (let step = 0; step < 4; step += 1) world.advance();
  world.wake();
  expect(world.activeReleases()).toHaveLength(1);
});
