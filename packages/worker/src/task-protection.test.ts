import { expect, test } from 'vitest';
import { VirtualClock } from '../test/support/virtual-clock.ts';
import { TaskProtection } from './task-protection.ts';

function protection(set?: (enabled: boolean) => Promise<void>) {
  const clock = new VirtualClock(0);
  const calls: Array<[enabled: boolean, atMs: number]> = [];
  const errors: string[] = [];
  const own = new TaskProtection({
    clock,
    expiresInMinutes: 10,
    idleMs: 30_000,
    onError: (text) => errors.push(text),
    endpoint: {
      set: (enabled) => {
        calls.push([enabled, clock.nowMs()]);
        return set?.(enabled) ?? Promise.resolve();
      },
    },
  });
  return { clock, calls, errors, own };
}

test('a task is protected once for work that keeps coming, and until it has been idle for a while', async () => {
  const { clock, calls, own } = protection();
  own.busy();
  await clock.advance(10_000);
  own.idle();
  await clock.advance(29_000);
  own.busy();
  await clock.advance(10_000);
  own.idle();
  await clock.advance(30_000);
  expect(calls).toEqual([
    [true, 0],
    [false, 79_000],
  ]);
});

test('protection is renewed at half its time while there is work', async () => {
  const { clock, calls, own } = protection();
  own.busy();
  await clock.advance(10 * 60_000);
  expect(calls).toEqual([
    [true, 0],
    [true, 300_000],
    [true, 600_000],
  ]);
});

test('dropping it waits for the agent, and nothing is renewed afterwards', async () => {
  const { clock, calls, own } = protection();
  own.busy();
  await own.drop();
  await clock.advance(60 * 60_000);
  expect(calls.map(([enabled]) => enabled)).toEqual([true, false]);
  await own.drop();
  expect(calls).toHaveLength(2);
});

test('an agent that refuses is reported and does not stop the work', async () => {
  const { clock, errors, own } = protection(() => Promise.reject(new Error('the ECS agent answered 400')));
  own.busy();
  await clock.settle();
  expect(errors).toEqual(['the ECS agent answered 400']);
  await own.drop();
  expect(errors).toHaveLength(2);
});
