import { expect, test } from 'vitest';
import { VirtualClock } from '../test/support/virtual-clock.ts';
import { TaskProtection } from './task-protection.ts';

function protection(set?: (enabled: boolean) => Promise<void>, random = 1) {
  const clock = new VirtualClock(0);
  const calls: Array<[enabled: boolean, atMs: number]> = [];
  const errors: string[] = [];
  const own = new TaskProtection({
    clock,
    maximumMs: 10 * 60_000,
    restMs: 30_000,
    idleMs: 30_000,
    random: () => random,
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

test('protection is renewed at half its time while there is work, until it has lasted its time', async () => {
  const { clock, calls, own } = protection();
  own.busy();
  await clock.advance(60 * 60_000);
  expect(calls).toEqual([
    [true, 0],
    [true, 300_000],
  ]);
});

test('a task that was protected for its time rests, so that work ends, and is protected again only afterwards', async () => {
  const { clock, calls, own } = protection();
  own.busy();
  await clock.advance(10 * 60_000 - 1);
  expect(own.rest()).toBeUndefined();
  await clock.advance(1);
  const rest = own.rest();
  let rested = false;
  void rest?.then(() => {
    rested = true;
  });
  // What an open poll still brought.
  own.busy();
  await clock.advance(5_000);
  own.idle();
  await clock.advance(30_000);
  expect(calls.at(-1)).toEqual([false, 635_000]);
  await clock.advance(29_999);
  expect(rested).toBe(false);
  await clock.advance(1);
  expect(rested).toBe(true);
  expect(own.rest()).toBeUndefined();
  own.busy();
  await clock.settle();
  expect(calls.at(-1)).toEqual([true, 665_000]);
});

test('tasks that begin together do not rest together', async () => {
  const { clock, own } = protection(undefined, 0);
  own.busy();
  await clock.advance(5 * 60_000);
  expect(own.rest()).toBeInstanceOf(Promise);
});

test('a task that is idle before its time need not rest', async () => {
  const { clock, own } = protection();
  own.busy();
  own.idle();
  await clock.advance(60 * 60_000);
  expect(own.rest()).toBeUndefined();
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
