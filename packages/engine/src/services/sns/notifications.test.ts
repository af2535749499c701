import { describe, expect, test } from 'vitest';
import type { Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import { MemoryEngine } from '../test/memory-engine.ts';
import { createSns } from './sns.ts';

const FUNCTION = 'arn:aws:lambda:us-east-1:111122223333:function:watcher';
const TOPIC = 'arn:aws:sns:us-east-1:111122223333:releases';

class World extends MemoryEngine {
  readonly invoked: Array<{ principal: Principal; event: Record<string, unknown> }> = [];
  /** What the function answers with, one fault for each attempt; then it accepts. */
  readonly faults: AwsFault[] = [];

  static async create(options: ConstructorParameters<typeof MemoryEngine>[0] = {}): Promise<World> {
    const world = new World(options);
    const lambda: Service<'lambda'> = {
      name: 'lambda',
      operations: {
        Invoke: {
          actions: () => ['lambda:InvokeFunction'],
          resources: ({ FunctionName }) => [FunctionName ?? ''],
          journaled: false,
          run: ({ Payload }, { principal }) => {
            const fault = world.faults.shift();
            if (fault) throw fault;
            const event = JSON.parse(Buffer.from(Payload as Uint8Array).toString());
            world.invoked.push({ principal, event });
            return { StatusCode: 202 };
          },
        },
      },
      resourcePolicy: () =>
        JSON.stringify({
          Version: '2012-10-17',
          Statement: {
            Effect: 'Allow',
            Principal: { Service: 'sns.amazonaws.com' },
            Action: 'lambda:InvokeFunction',
            Resource: FUNCTION,
            Condition: { ArnLike: { 'aws:SourceArn': TOPIC } },
          },
        }),
    };
    await world.add(() => lambda);
    await world.add(createSns);
    if (!options.state) {
      await world.call('sns', 'CreateTopic', { Name: 'releases' });
      await world.call('sns', 'Subscribe', { TopicArn: TOPIC, Protocol: 'lambda', Endpoint: FUNCTION });
    }
    return world;
  }

  publish(Message: string) {
    return this.call('sns', 'Publish', { TopicArn: TOPIC, Message });
  }
}

describe('a function', () => {
  test('gets the record that Lambda functions know, from the topic', async () => {
    const world = await World.create();
    const { MessageId } = await world.publish('version 2 waits');
    await world.pass(1);
    expect(world.invoked).toMatchObject([
      {
        principal: { arn: 'sns.amazonaws.com', sourceArn: TOPIC },
        event: {
          Records: [
            {
              EventSource: 'aws:sns',
              EventVersion: '1.0',
              EventSubscriptionArn: expect.stringMatching(`^${TOPIC}:`),
              Sns: {
                Type: 'Notification',
                MessageId,
                TopicArn: TOPIC,
                Subject: null,
                Message: 'version 2 waits',
                Timestamp: '2026-01-01T00:00:00.000Z',
                MessageAttributes: {},
              },
            },
          ],
        },
      },
    ]);
  });

  test('that fails for a while gets its message later', async () => {
    const world = await World.create();
    world.faults.push(
      new AwsFault('ServiceException', 'broken', 500),
      new AwsFault('TooManyRequestsException', 'Rate Exceeded.', 429),
    );
    await world.publish('patience');
    await world.pass(2.5);
    expect(world.invoked).toEqual([]);
    await world.pass(1);
    expect(world.invoked).toHaveLength(1);
  });

  test('that is gone is not tried again', async () => {
    const world = await World.create();
    world.faults.push(new AwsFault('ResourceNotFoundException', 'Function not found', 404));
    await world.publish('too late');
    await world.pass(60);
    expect(world.invoked).toEqual([]);
    expect(world.entries('notification.lost').map(({ detail }) => detail)).toMatchObject([
      { endpoint: FUNCTION, code: 'ResourceNotFoundException' },
    ]);
  });
});

test('a message that was accepted but not delivered yet is delivered by the next engine', async () => {
  const first = await World.create();
  await first.publish('survivor');
  await first.stop();
  const second = await World.create({ state: first.state, clock: first.clock });
  await second.pass(1);
  expect(first.invoked).toEqual([]);
  expect(second.invoked).toHaveLength(1);
});

test('a subscription that ended gets nothing more', async () => {
  const world = await World.create();
  const { Subscriptions } = await world.call('sns', 'ListSubscriptions', {});
  await world.call('sns', 'Unsubscribe', { SubscriptionArn: Subscriptions![0]!.SubscriptionArn! });
  await world.publish('nobody hears');
  await world.pass(1);
  expect(world.invoked).toEqual([]);
});
