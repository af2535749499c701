import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../clock/virtual-clock.ts';
import { AwsFault } from '../errors.ts';
import { State } from '../state/state.ts';
import { DeliveryQueue } from './delivery-queue.ts';

interface Letter {
  readonly text: string;
}

/** A queue whose receiver answers with one of `faults` for each attempt, and afterwards accepts. */
function world({ faults = [] as Error[], clock = new VirtualClock(), state = new State(':memory:') } = {}) {
  const arrived: string[] = [];
  const lost: Array<{ text: string; attempts: number; code: string }> = [];
  const startMs = clock.nowMs();
  const attemptedAt: number[] = [];
  const queue = new DeliveryQueue<Letter>({ clock, state }, 'letters', {
    deliver: async ({ text }) => {
      attemptedAt.push((clock.nowMs() - startMs) / 1000);
      const fault = faults.shift();
      if (fault) throw fault;
      arrived.push(text);
    },
    pauseMs: (failedBefore) => 1000 * 2 ** failedBefore,
    givesUp: async ({ text, attempts }, { code }, nextAtMs) => {
      if (code === 'Busy' && nextAtMs - startMs < 60_000) return false;
      lost.push({ text, attempts, code });
      return true;
    },
  });
  queue.start();
  return { clock, state, queue, arrived, lost, attemptedAt };
}

const busy = () => new AwsFault('Busy', 'later', 503);

describe('an item', () => {
  test('is tried again after pauses that the carrier chooses, until it arrives', async () => {
    const { clock, queue, arrived, lost, attemptedAt } = world({ faults: [busy(), busy(), busy()] });
    queue.add({ text: 'a' });
    await clock.advanceBy(120_000);
    expect(attemptedAt).toEqual([0, 1, 3, 7]);
    expect(arrived).toEqual(['a']);
    expect(lost).toEqual([]);
  });

  test('is not delivered before its delay is over', async () => {
    const { clock, queue, attemptedAt } = world();
    queue.add({ text: 'a' }, 5000);
    await clock.advanceBy(60_000);
    expect(attemptedAt).toEqual([5]);
  });

  test('is given up when its carrier says so, and not tried again', async () => {
    const { clock, queue, lost, attemptedAt } = world({ faults: [busy(), new AwsFault('Gone', 'gone')] });
    queue.add({ text: 'a' });
    await clock.advanceBy(120_000);
    expect(lost).toEqual([{ text: 'a', attempts: 1, code: 'Gone' }]);
    expect(attemptedAt).toEqual([0, 1]);
  });

  test('that waits does not hold up another', async () => {
    const { clock, queue, arrived } = world({ faults: [busy()] });
    queue.add({ text: 'slow' });
    queue.add({ text: 'quick' });
    await clock.advanceBy(500);
    expect(arrived).toEqual(['quick']);
    await clock.advanceBy(500);
    expect(arrived).toEqual(['quick', 'slow']);
  });
});

test('the next engine goes on with what the last one left, when it is due', async () => {
  const first = world({ faults: [busy(), busy()] });
  first.queue.add({ text: 'a' });
  await first.clock.advanceBy(1500);
  await first.queue.stop();
  await first.clock.advanceBy(60_000);
  expect(first.arrived).toEqual([]);
  const second = world({ state: first.state, clock: first.clock });
  second.queue.add({ text: 'b' });
  await second.clock.advanceBy(0);
  expect(second.arrived).toEqual(['a', 'b']);
});

test('stopping waits for the attempt under way', async () => {
  const clock = new VirtualClock();
  const { promise, resolve } = Promise.withResolvers<void>();
  const order: string[] = [];
  const queue = new DeliveryQueue<Letter>({ clock, state: new State(':memory:') }, 'letters', {
    deliver: () => promise.then(() => void order.push('delivered')),
    pauseMs: () => 1000,
    givesUp: async () => true,
  });
  queue.start();
  queue.add({ text: 'a' });
  await clock.advanceBy(0);
  const stopped = queue.stop().then(() => order.push('stopped'));
  resolve();
  await stopped;
  expect(order).toEqual(['delivered', 'stopped']);
});
