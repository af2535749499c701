import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VirtualClock } from './virtual-clock.ts';

test('a timer that re-arms itself fires at every one of its times within one advance', async () => {
  const clock = new VirtualClock(0);
  const firedAt: number[] = [];
  const arm = () =>
    clock.setTimer(60_000, () => {
      firedAt.push(clock.nowMs());
      arm();
    });
  arm();
  await clock.advanceBy(300_000);
  expect(firedAt).toEqual([60_000, 120_000, 180_000, 240_000, 300_000]);
});

test('timers run in order of due time, and those due together in order of arming', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 40 }), async (delays) => {
      const clock = new VirtualClock(0);
      const fired: Array<[due: number, index: number]> = [];
      for (const [index, delay] of delays.entries())
        clock.setTimer(delay, () => fired.push([clock.nowMs(), index]));
      await clock.advanceBy(50);
      const expected = delays.map((delay, index): [number, number] => [delay, index]);
      expected.sort(([a, i], [b, j]) => a - b || i - j);
      expect(fired).toEqual(expected);
    }),
    { numRuns: 50 },
  );
});

test('a cancelled timer never fires, even when cancelled by one that is due at the same time', async () => {
  const clock = new VirtualClock(0);
  const fired: string[] = [];
  clock.setTimer(10, () => {
    fired.push('first');
    second.cancel();
  });
  const second = clock.setTimer(10, () => fired.push('second'));
  await clock.advanceBy(20);
  expect(fired).toEqual(['first']);
});

test('work that a timer starts settles before time goes on', async () => {
  const clock = new VirtualClock(0);
  const seen: number[] = [];
  clock.setTimer(10, () => {
    void Promise.resolve().then(() => seen.push(clock.nowMs()));
  });
  clock.setTimer(11, () => seen.push(-1));
  await clock.advanceBy(20);
  expect(seen).toEqual([10, -1]);
});

test('waiting for what never happens ends with an error', async () => {
  const clock = new VirtualClock(0);
  await expect(clock.advanceUntil(() => false, 1000)).rejects.toThrow('did not hold within 1000 ms');
});

test('time stands still while something real is under way', async () => {
  let isBusy = true;
  const clock = new VirtualClock(0, () => isBusy);
  const seen: number[] = [];
  clock.setTimer(10, () => {
    isBusy = true;
    setImmediate(() => {
      seen.push(clock.nowMs());
      isBusy = false;
    });
  });
  clock.setTimer(11, () => seen.push(-1));
  isBusy = false;
  await clock.advanceBy(20);
  expect(seen).toEqual([10, -1]);
});

test('as much time passes as work needs, and what came of it is given', async () => {
  const clock = new VirtualClock(0);
  const work = new Promise((resolve) => clock.setTimer(30, () => resolve('done')));
  expect([await clock.outlast(work), clock.nowMs()]).toEqual(['done', 30]);
  await expect(clock.outlast(Promise.reject(new Error('failed')))).rejects.toThrow('failed');
});

test('time moves by whole milliseconds, and no timer is early', async () => {
  const clock = new VirtualClock(0);
  const seen: number[] = [];
  clock.setTimer(1.5, () => seen.push(clock.nowMs(), clock.uptimeMs()));
  await clock.advanceBy(4.5);
  expect([...seen, clock.nowMs()]).toEqual([2, 2, 5]);
});
