import type { Message } from '@aws-sdk/client-sqs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SqsWorld } from '../../../test/sqs-world.ts';
import type { QueueLedger } from './ledger.ts';

type Step =
  | { readonly do: 'send'; readonly count: number; readonly delay: number; readonly group: number }
  | {
      readonly do: 'receive';
      readonly from: 'orders' | 'dead';
      readonly most: number;
      readonly lease: number;
    }
  | { readonly do: 'poll'; readonly wait: number; readonly leaveEarly: boolean }
  | { readonly do: 'delete' | 'deleteAll'; readonly pick: number }
  | { readonly do: 'extend'; readonly pick: number; readonly lease: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'restart' | 'purge' | 'redrive' };

const pick = fc.nat(1000);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('send' as const),
        count: fc.integer({ min: 1, max: 10 }),
        delay: fc.constantFrom(0, 0, 0, 1, 7),
        group: fc.nat(2),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('receive' as const),
        from: fc.constantFrom('orders' as const, 'orders' as const, 'dead' as const),
        most: fc.integer({ min: 1, max: 10 }),
        lease: fc.constantFrom(0, 1, 5, 30),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('poll' as const),
        wait: fc.integer({ min: 1, max: 20 }),
        leaveEarly: fc.boolean(),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constantFrom('delete' as const, 'deleteAll' as const), pick }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('extend' as const), pick, lease: fc.constantFrom(0, 3, 60) }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('advance' as const),
        ms: fc.constantFrom(1, 999, 1000, 5000, 30_000, 61_000),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constantFrom('restart' as const, 'purge' as const, 'redrive' as const) }),
    },
  ),
  { minLength: 5, maxLength: 40 },
);

interface Held {
  readonly message: Message;
  readonly from: 'orders' | 'dead';
  /** Nobody else may get the message before. */
  untilMs: number;
}

/** A client that knows only what it was told, and what it therefore may expect. */
class Client {
  readonly world: SqsWorld;
  readonly fifo: boolean;
  readonly urls: Record<'orders' | 'dead', string>;
  sent = 0;
  readonly held: Held[] = [];
  /** Messages whose deletion was acknowledged: never to be seen again. */
  readonly gone = new Set<string>();
  /** The message whose deletion was asked for: its group may be given to who waits even before the answer is read. */
  deleting: string | undefined;
  /** Largest body seen of each group, to tell whether a group overtook itself. */
  readonly pending: Array<Promise<void>> = [];

  constructor(world: SqsWorld, fifo: boolean, urls: Record<'orders' | 'dead', string>) {
    this.world = world;
    this.fifo = fifo;
    this.urls = urls;
  }

  took(from: 'orders' | 'dead', messages: readonly Message[], leaseMs: number): void {
    const nowMs = this.world.clock.nowMs();
    const ids = messages.map(({ MessageId }) => MessageId);
    expect(new Set(ids).size).toBe(ids.length);
    const groups = new Map<string, number>();
    for (const message of messages) {
      const id = message.MessageId ?? '';
      expect(this.gone).not.toContain(id);
      for (const other of this.held) {
        if (other.message.MessageId === id) expect(other.untilMs).toBeLessThanOrEqual(nowMs);
      }
      const [group = '', number = ''] = (message.Body ?? '').split('/');
      if (this.fifo) {
        expect(Number(number)).toBeGreaterThan(groups.get(group) ?? -1);
        groups.set(group, Number(number));
        if (from === 'orders') this.#checkGroupIsFree(group, nowMs);
      }
    }
    for (const message of messages) this.held.push({ message, from, untilMs: nowMs + leaseMs });
  }

  #checkGroupIsFree(group: string, nowMs: number): void {
    const inFlight = this.held.filter(
      ({ message, from, untilMs }) =>
        from === 'orders' &&
        untilMs > nowMs &&
        message.Body?.startsWith(`${group}/`) &&
        message.MessageId !== this.deleting &&
        !this.gone.has(message.MessageId ?? ''),
    );
    expect(inFlight).toEqual([]);
  }
}

function balance(ledger: QueueLedger): { in: number; out: number } {
  return {
    in: ledger.sent + ledger.deadLetteredIn + ledger.movedIn,
    out:
      ledger.visible +
      ledger.inFlight +
      ledger.delayed +
      ledger.deleted +
      ledger.deadLetteredOut +
      ledger.movedOut +
      ledger.expired +
      ledger.purged,
  };
}

async function perform(client: Client, step: Step): Promise<void> {
  const { world, urls, fifo } = client;
  switch (step.do) {
    case 'send': {
      await world.call('SendMessageBatch', {
        QueueUrl: urls.orders,
        Entries: Array.from({ length: step.count }, (_, index) => ({
          Id: `e${index}`,
          MessageBody: `${step.group}/${client.sent + index}`,
          ...(fifo
            ? { MessageGroupId: `${step.group}`, MessageDeduplicationId: `${client.sent + index}` }
            : { DelaySeconds: step.delay }),
        })),
      });
      client.sent += step.count;
      return;
    }
    case 'receive': {
      const messages = await world.receive(urls[step.from], {
        MaxNumberOfMessages: step.most,
        VisibilityTimeout: step.lease,
      });
      client.took(step.from, messages, step.lease * 1000);
      return;
    }
    case 'poll': {
      const leaver = new AbortController();
      const polled = world
        .call(
          'ReceiveMessage',
          { QueueUrl: urls.orders, WaitTimeSeconds: step.wait, VisibilityTimeout: 5 },
          leaver.signal,
        )
        .then(({ Messages = [] }) => client.took('orders', Messages, 5000));
      client.pending.push(polled);
      await world.clock.advanceBy(0);
      if (step.leaveEarly) leaver.abort();
      await world.clock.advanceBy(0);
      return;
    }
    case 'delete':
    case 'deleteAll': {
      const some =
        step.do === 'deleteAll' ? [...client.held] : client.held.slice(-1 - (step.pick % 10)).slice(0, 1);
      for (const held of some) {
        const nowMs = world.clock.nowMs();
        const latest = client.held.findLast(({ message }) => message.MessageId === held.message.MessageId);
        client.deleting = held.message.MessageId;
        try {
          await world.remove(urls[held.from], held.message);
        } catch (error) {
          expect(fifo).toBe(true);
          expect(error).toMatchObject({ code: 'InvalidParameterValue' });
          continue;
        } finally {
          client.deleting = undefined;
        }
        if (held === latest && held.untilMs > nowMs) client.gone.add(held.message.MessageId ?? '');
      }
      return;
    }
    case 'extend': {
      const held = client.held[step.pick % (client.held.length || 1)];
      if (!held) return;
      try {
        await world.call('ChangeMessageVisibility', {
          QueueUrl: urls[held.from],
          ReceiptHandle: held.message.ReceiptHandle,
          VisibilityTimeout: step.lease,
        });
        held.untilMs = world.clock.nowMs() + step.lease * 1000;
      } catch (error) {
        expect(error).toMatchObject({
          code: expect.stringMatching(/^(MessageNotInflight|InvalidParameterValue)$/),
        });
      }
      return;
    }
    case 'advance':
      await world.clock.advanceBy(step.ms);
      return;
    case 'restart':
      await world.restart();
      await Promise.all(client.pending);
      return;
    case 'purge':
      await world.call('PurgeQueue', { QueueUrl: urls.dead }).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'PurgeQueueInProgress' });
      });
      return;
    case 'redrive':
      await world
        .call('StartMessageMoveTask', {
          SourceArn: world.arn(fifo ? 'dead.fifo' : 'dead'),
          MaxNumberOfMessagesPerSecond: 3,
        })
        .catch((error: unknown) => {
          expect(error).toMatchObject({ message: expect.stringContaining('already a task') });
        });
      return;
  }
}

/** Takes everything out of both queues and gives the ids of what was there. */
async function drain(client: Client): Promise<number> {
  const { world, urls } = client;
  let drained = 0;
  for (const url of [urls.orders, urls.dead]) {
    for (;;) {
      const messages = await world.receive(url, { MaxNumberOfMessages: 10, VisibilityTimeout: 600 });
      if (messages.length === 0) break;
      for (const message of messages) {
        expect(client.gone).not.toContain(message.MessageId);
        await world.remove(url, message);
        drained++;
      }
    }
  }
  return drained;
}

test.each([
  ['standard', false],
  ['FIFO', true],
])(
  'a %s queue and its dead-letter queue lose and invent nothing, whatever is done in whatever order',
  async (_type, fifo) => {
    await fc.assert(
      fc.asyncProperty(steps, fc.constantFrom('60', '345600'), async (plan, retention) => {
        const world = await SqsWorld.start();
        try {
          const suffix = fifo ? '.fifo' : '';
          const type = fifo ? { FifoQueue: 'true' } : {};
          const dead = await world.queue(`dead${suffix}`, type);
          const orders = await world.queue(`orders${suffix}`, {
            ...type,
            MessageRetentionPeriod: retention,
            ...world.redrive(`dead${suffix}`, 2),
          });
          const client = new Client(world, fifo, { orders, dead });
          for (const step of plan) {
            await perform(client, step);
            const ledgers = [await world.ledger(orders), await world.ledger(dead)] as const;
            for (const ledger of ledgers) {
              expect(balance(ledger).in).toBe(balance(ledger).out);
              expect(Math.min(ledger.visible, ledger.inFlight, ledger.delayed)).toBeGreaterThanOrEqual(0);
            }
            expect(ledgers[0].sent).toBe(client.sent);
            expect(ledgers[0].deadLetteredOut).toBe(ledgers[1].deadLetteredIn);
            expect(ledgers[0].movedIn).toBe(ledgers[1].movedOut);
          }
          await world.clock.advanceBy(120_000);
          await Promise.all(client.pending);
          const before = [await world.ledger(orders), await world.ledger(dead)] as const;
          const left = before.reduce(
            (sum, { visible, inFlight, delayed }) => sum + visible + inFlight + delayed,
            0,
          );
          expect(await drain(client)).toBe(left);
        } finally {
          await world.end();
        }
      }),
      { numRuns: 60 },
    );
  },
);
