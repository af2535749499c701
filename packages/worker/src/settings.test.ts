import { expect, test } from 'vitest';
import { World } from '../test/support/world.ts';
import { UserError, type WorkerTuning } from './index.ts';

test.each<[WorkerTuning & { maxReceiveCount?: number }, RegExp]>([
  [{ concurrency: 0 }, /concurrency must be a whole number from 1/],
  [{ waitSeconds: 21 }, /waitSeconds must be a whole number from 0 to 20, not 21/],
  [{ visibilitySeconds: Number.NaN }, /visibilitySeconds must be .* not NaN/],
  [{ receiveMax: 11 }, /receiveMax/],
  [{ maxReceiveCount: 0 }, /maxReceiveCount must be a whole number from 1 to 1000, not 0/],
  [{ visibilitySeconds: 2, lingerMs: 1_000 }, /lingerMs must be less than half of the visibility/],
  [{ visibilitySeconds: 10, renewEverySeconds: 10 }, /renewEverySeconds must be less than visibilitySeconds/],
])('a worker with %j does not start', (tuning, message) => {
  const world = new World();
  expect(() => world.worker({ ...tuning, handler: async () => undefined })).toThrow(message);
});

test('one error lists all problems of the options', () => {
  const world = new World();
  const build = () =>
    world.worker({
      concurrency: 1.5,
      identity: { app: '', track: 'canary', revision: 'abc' },
      parking: { deadLetterQueueUrl: `${world.queue.url}.fifo` },
    });
  expect(build).toThrow(UserError);
  expect(build).toThrow(/of the same type.*identity.app.*exactly one of handler.*concurrency/);
});
