import { expect, test } from 'vitest';
import { World } from '../../test/support/world.ts';

test('the age of a message is measured on the clock of SQS', async () => {
  const world = new World();
  const ages: number[] = [];
  const tenMinutes = 600_000;
  const transport = {
    ...world.queue,
    receiveMessage: world.queue.receiveMessage,
    clockOffsetMs: tenMinutes,
    close: () => undefined,
    deleteMessageBatch: world.queue.deleteMessageBatch,
    changeMessageVisibilityBatch: world.queue.changeMessageVisibilityBatch,
    sendMessage: world.queue.sendMessage,
  };
  const worker = world.run({
    transport,
    handler: async (_body, _message, { ageMs }) => {
      ages.push(ageMs);
    },
  });
  // Sent now, by a clock that is ten minutes ahead of the worker's.
  Object.assign(world.queue.put('a'), { sentAtMs: world.clock.nowMs() + tenMinutes });
  await world.clock.until(() => ages.length === 1 || world.queue.undeleted.length === 0);
  await world.drain(worker);
  expect(Math.abs(ages[0]!)).toBeLessThan(1_000);
  expect(world.values('QueueAgeMs')).toEqual([expect.closeTo(ages[0]!, 0)]);
  const metadata = world.log.flatMap(({ _aws }) =>
    _aws === undefined ? [] : [_aws as { Timestamp: number }],
  );
  expect(metadata[0]!.Timestamp - world.clock.nowMs()).toBeGreaterThan(tenMinutes - 10_000);
});
