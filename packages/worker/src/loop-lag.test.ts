import { expect, test } from 'vitest';
import { VirtualClock } from '../test/support/virtual-clock.ts';
import { LoopLag } from './loop-lag.ts';

function started() {
  const clock = new VirtualClock(0);
  const samples: number[] = [];
  const lag = new LoopLag(clock, (lagMs) => samples.push(lagMs));
  lag.start();
  return { clock, lag, samples };
}

test('a loop that is free has no lag', async () => {
  const { clock, lag, samples } = started();
  await clock.advance(2_000);
  expect(samples).toEqual([0, 0, 0, 0]);
  expect([lag.maxMs, lag.blockedMs()]).toEqual([0, 0]);
});

test('a block is seen while its timer is overdue, and just after it ran', async () => {
  const { clock, lag, samples } = started();
  clock.block(3_500);
  // It may have begun up to a whole sample before the timer was due.
  expect(lag.blockedMs()).toBe(3_500);
  await clock.advance(0);
  expect(samples).toEqual([3_000]);
  expect(lag.blockedMs()).toBe(3_500);
  await clock.advance(100);
  expect(lag.blockedMs()).toBe(0);
});

test('the imprecision of a timer is not a block', async () => {
  const { clock, lag, samples } = started();
  clock.block(599);
  expect(lag.blockedMs()).toBe(0);
  await clock.advance(0);
  expect(samples).toEqual([99]);
  expect(lag.blockedMs()).toBe(0);
});

test('the longest lag is kept until it is reset', async () => {
  const { clock, lag } = started();
  clock.block(1_500);
  await clock.advance(5_000);
  expect(lag.maxMs).toBe(1_000);
  lag.resetMax();
  await clock.advance(5_000);
  expect(lag.maxMs).toBe(0);
});

test('a stopped measurement takes no more samples', async () => {
  const { clock, lag, samples } = started();
  lag.stop();
  await clock.advance(5_000);
  expect(samples).toEqual([]);
});
