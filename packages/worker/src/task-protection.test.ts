import { expect, test } from 'vitest';
import { VirtualClock } from '../test/support/virtual-clock.ts';
import { Gate, World } from '../test/support/world.ts';
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
  // A message that an open poll still brought.
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

test('when the messages are done the last line is written, and then protection is dropped', async () => {
  const world = new World();
  const gate = new Gate();
  const order: string[] = [];
  const worker = world.run({
    waitSeconds: 1,
    handler: gate.handle,
    metricSink: (line) => {
      const { Succeeded } = JSON.parse(line) as { Succeeded: number };
      if (Succeeded > 0) order.push(`${Succeeded} succeeded`);
    },
    taskProtection: {
      endpoint: {
        set: async (enabled) => {
          order.push(`${enabled ? 'protected' : 'unprotected'}, ${world.queue.undeleted.length} left`);
        },
      },
    },
  });
  world.queue.put('a');
  await world.clock.advance(100);
  const drained = worker.drain('SIGTERM');
  gate.finish('a');
  await world.clock.advance(1_000);
  await drained;
  expect(order).toEqual(['protected, 1 left', '1 succeeded', 'unprotected, 0 left']);
});

test('a task under constant load lets go of its protection before a deployment gives up, and then goes on', async () => {
  const world = new World();
  const changes: Array<[enabled: boolean, atMs: number, undeleted: number]> = [];
  const startedAtMs = world.clock.nowMs();
  let handled = 0;
  world.run({
    waitSeconds: 1,
    concurrency: 1,
    handler: async () => {
      handled += 1;
      world.queue.put('next');
      await new Promise<void>((resolve) => world.clock.setTimer(10_000, resolve));
    },
    taskProtection: {
      maximumMinutes: 10,
      endpoint: {
        set: async (enabled) => {
          changes.push([enabled, world.clock.nowMs() - startedAtMs, handled]);
        },
      },
    },
  });
  world.queue.put('first');
  await world.clock.advance(15 * 60_000);
  const [, renewed, dropped, again] = changes;
  expect(renewed?.[0]).toBe(true);
  expect(dropped?.[0]).toBe(false);
  expect(dropped?.[1]).toBeLessThan(15 * 60_000);
  // Nothing is taken while it rests. Then it is protected for the next message, and goes on.
  expect(again?.[0]).toBe(true);
  expect(again?.[1]).toBeGreaterThanOrEqual(Number(dropped?.[1]) + 30_000);
  expect(again?.[2]).toBe(Number(dropped?.[2]) + 1);
  expect(handled).toBeGreaterThan(Number(again?.[2]));
});

test('a handler that may take longer than the protection lasts is refused', () => {
  const endpoint = { set: async () => undefined };
  const definition = { handler: async () => undefined, handlerTimeoutMs: 120_000 };
  expect(() =>
    new World().worker({ ...definition, taskProtection: { endpoint, maximumMinutes: 1 } }),
  ).toThrow('handlerTimeoutMs must not exceed the 1 minutes for which the task may be protected');
});

test('an agent that never answers does not keep the task from ending in time', async () => {
  const world = new World();
  const worker = world.run({
    stopTimeoutMs: 10_000,
    handler: async () => undefined,
    taskProtection: { endpoint: { set: () => new Promise(() => undefined) } },
  });
  world.queue.put('a');
  await world.clock.advance(1_000);
  expect((await world.drain(worker)).durationMs).toBeLessThan(10_000);
});
