import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import { InvariantError } from '../errors.ts';
import { Permits } from './permits.ts';

/** Reservations as they are granted. */
function reserve(permits: Permits, most: number, granted: number[]): void {
  void permits.reserve(most).then((count) => granted.push(count));
}

test('a full reservation is granted at once, and never more than there are', async () => {
  const clock = new VirtualClock();
  const permits = new Permits(15, clock, 2);
  const granted: number[] = [];
  reserve(permits, 10, granted);
  reserve(permits, 10, granted);
  await clock.settle();
  expect(granted).toEqual([10]);
  await clock.advance(2);
  expect(granted).toEqual([10, 5]);
  expect(permits.taken).toBe(15);
});

test('a reservation waits briefly for a full receive, and then takes what there is', async () => {
  const clock = new VirtualClock();
  const permits = new Permits(10, clock, 2);
  const granted: number[] = [];
  reserve(permits, 10, granted);
  await clock.settle();
  reserve(permits, 10, granted);
  permits.release(3);
  await clock.advance(1);
  expect(granted).toEqual([10]);
  permits.release(4);
  await clock.advance(1);
  expect(granted).toEqual([10, 7]);
  reserve(permits, 10, granted);
  permits.release(10);
  await clock.settle();
  expect(granted).toEqual([10, 7, 10]);
});

test('returning more than was taken is an error', () => {
  const permits = new Permits(3, new VirtualClock(), 0);
  expect(() => permits.release(1)).toThrow(InvariantError);
  expect(() => permits.release(-1)).toThrow(InvariantError);
});

test('closing ends every reservation with nothing, and granted permits may still be returned', async () => {
  const clock = new VirtualClock();
  const permits = new Permits(2, clock, 2);
  const granted: number[] = [];
  for (let index = 0; index < 3; index++) reserve(permits, 2, granted);
  await clock.settle();
  permits.close();
  reserve(permits, 2, granted);
  await clock.settle();
  expect(granted).toEqual([2, 0, 0, 0]);
  permits.release(2);
  expect(permits.taken).toBe(0);
});

test('whatever is reserved and returned, no permit leaks, and never too many are granted', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 30 }),
      fc.array(
        fc.oneof(
          fc.record({ kind: fc.constant('reserve' as const), most: fc.integer({ min: 1, max: 10 }) }),
          fc.record({ kind: fc.constant('return' as const), most: fc.integer({ min: 1, max: 10 }) }),
          fc.record({ kind: fc.constant('wait' as const), most: fc.integer({ min: 0, max: 5 }) }),
        ),
        { maxLength: 60 },
      ),
      async (capacity, steps) => {
        const clock = new VirtualClock();
        const permits = new Permits(capacity, clock, 2);
        let out = 0;
        let asked = 0;
        let answered = 0;
        for (const { kind, most } of steps) {
          if (kind === 'reserve') {
            asked++;
            void permits.reserve(most).then((count) => {
              expect(count).toBeGreaterThanOrEqual(1);
              expect(count).toBeLessThanOrEqual(most);
              out += count;
              answered++;
            });
          } else if (kind === 'return') {
            const back = Math.min(most, out);
            out -= back;
            permits.release(back);
          } else await clock.advance(most);
          await clock.settle();
          expect(permits.taken).toBe(out);
          expect(out).toBeLessThanOrEqual(capacity);
        }
        while (answered < asked) {
          permits.release(out);
          out = 0;
          await clock.advance(2);
        }
        permits.release(out);
        expect(permits.taken).toBe(0);
      },
    ),
  );
});
