import { expect, test } from 'vitest';
import { always, TroubledOperations } from '../../test/support/faults.ts';
import { World } from '../../test/support/world.ts';
import type { Outcome } from '../index.ts';

test('parked poison goes to the dead letters with the version that failed it, and is deleted', async () => {
  const world = new World();
  const deadLetterQueueUrl = `${world.queue.url}-dead`;
  const worker = world.run({
    parking: { deadLetterQueueUrl },
    handler: async (): Promise<Outcome> => ({ kind: 'poison', reason: 'bad', error: new RangeError('x') }),
  });
  world.queue.put('a', { attributes: { own: { DataType: 'String', StringValue: 'kept' } } });
  await world.clock.until(() => world.queue.undeleted.length === 0);
  await world.drain(worker);
  expect(world.queue.deadLetters).toEqual([
    {
      QueueUrl: deadLetterQueueUrl,
      MessageBody: 'a',
      MessageAttributes: {
        own: { DataType: 'String', StringValue: 'kept' },
        'x-failed-revision': { DataType: 'String', StringValue: 'abc' },
        'x-failed-track': { DataType: 'String', StringValue: 'canary' },
        'x-error-class': { DataType: 'String', StringValue: 'RangeError' },
        'x-receive-count': { DataType: 'Number', StringValue: '1' },
      },
    },
  ]);
  expect(world.endings()).toEqual({ Poisoned: 1 });
});

test('poison that cannot be parked is not deleted', async () => {
  const world = new World();
  const operations = new TroubledOperations(world.queue, world.clock, always('sendMessage', 'denied'));
  const worker = world.run(
    {
      parking: { deadLetterQueueUrl: `${world.queue.url}-dead` },
      retryFirstSeconds: 60,
      handler: async (): Promise<Outcome> => ({ kind: 'poison', reason: 'bad' }),
    },
    operations,
  );
  world.queue.put('a');
  await world.clock.advance(500);
  await world.drain(worker);
  expect(world.queue.undeleted).toHaveLength(1);
  expect(world.events('sqs call failed')).toMatchObject([{ operation: 'park', attribution: 'version' }]);
});

test('poison with no room for more attributes is left to the redrive policy', async () => {
  const world = new World();
  const worker = world.run({
    parking: { deadLetterQueueUrl: `${world.queue.url}-dead` },
    retryFirstSeconds: 60,
    handler: async (): Promise<Outcome> => ({ kind: 'poison', reason: 'bad' }),
  });
  const own = Array.from(
    { length: 7 },
    (_, n) => [`a${n}`, { DataType: 'String', StringValue: 'v' }] as const,
  );
  world.queue.put('a', { attributes: Object.fromEntries(own) });
  await world.clock.advance(500);
  await world.drain(worker);
  expect(world.queue.deadLetters).toEqual([]);
  expect(world.queue.undeleted).toHaveLength(1);
  expect(world.events('not parked')).toHaveLength(1);
});
