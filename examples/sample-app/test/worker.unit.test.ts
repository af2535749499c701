import { describe, expect, it } from 'vitest';
import type { Delivery, Queue, Refused } from '../src/queue.ts';
import { Worker, type WorkerParts } from '../src/worker.ts';

const settings = { queueUrl: 'q', app: 'Shop', track: 'canary', revision: 'abc', retryDelaySeconds: 1 };

const delivery = (body: string, receiveCount = 1): Delivery => ({
  messageId: `id-${body}`,
  receiptHandle: `handle-${body}`,
  body,
  receiveCount,
});

/** A queue that hands out prepared batches, then stops the worker, and notes what it is asked to do. */
class ScriptedQueue implements Queue {
  readonly deleted: string[] = [];
  readonly givenBack: [string, number][] = [];
  refuse: (delivery: Delivery) => boolean = () => false;
  onEmpty: () => void = () => undefined;
  readonly #steps: (() => readonly Delivery[])[];

  constructor(...steps: (readonly Delivery[] | Error | (() => readonly Delivery[]))[]) {
    this.#steps = steps.map((step) => {
      if (typeof step === 'function') return step;
      return () => {
        if (step instanceof Error) throw step;
        return step;
      };
    });
  }

  async receive(): Promise<readonly Delivery[]> {
    const step = this.#steps.shift();
    if (step !== undefined) return step();
    this.onEmpty();
    return [];
  }

  async delete(deliveries: readonly Delivery[]): Promise<Refused> {
    const refused = deliveries.filter(this.refuse);
    this.deleted.push(...deliveries.filter((each) => !refused.includes(each)).map((each) => each.body));
    return new Map(refused.map((each) => [each, 'InternalError: try later']));
  }

  async giveBack(deliveries: readonly Delivery[], delaySeconds: number): Promise<Refused> {
    this.givenBack.push(...deliveries.map((each): [string, number] => [each.body, delaySeconds]));
    return new Map();
  }
}

interface Line {
  readonly [field: string]: unknown;
}

async function run(queue: ScriptedQueue, parts: Partial<WorkerParts> = {}) {
  const lines: Line[] = [];
  const pauses: number[] = [];
  let nowMs = 1_000;
  const worker = new Worker({
    settings,
    queue,
    version: '7',
    handle: async (body) => {
      if (body.startsWith('bad')) throw new Error(`cannot do ${body}`);
    },
    now: () => {
      nowMs += 5;
      return nowMs;
    },
    pause: async (ms) => {
      pauses.push(ms);
    },
    log: (line) => lines.push(JSON.parse(line)),
    ...parts,
  });
  queue.onEmpty = () => worker.stop();
  await worker.run();
  return { lines, pauses, outcomes: lines.filter((line) => '_aws' in line) };
}

describe('Worker', () => {
  it('deletes what was handled and gives back what was not, after the retry delay', async () => {
    const queue = new ScriptedQueue([delivery('a'), delivery('bad'), delivery('c')]);
    await run(queue);
    expect(queue.deleted).toEqual(['a', 'c']);
    expect(queue.givenBack).toEqual([['bad', 1]]);
  });

  it('reports one outcome per batch as metrics of its track, with revision and version as fields', async () => {
    const queue = new ScriptedQueue([delivery('a'), delivery('bad'), delivery('c')], [delivery('d')]);
    const { outcomes } = await run(queue);
    expect(outcomes).toHaveLength(2);
    expect(outcomes[0]).toMatchObject({
      App: 'Shop',
      Track: 'canary',
      Revision: 'abc',
      Version: '7',
      Received: 3,
      Succeeded: 2,
      Failed: 1,
      _aws: {
        CloudWatchMetrics: [
          {
            Namespace: 'QueueCanary',
            Dimensions: [['App', 'Track']],
            Metrics: [
              { Name: 'Received', Unit: 'Count' },
              { Name: 'Succeeded', Unit: 'Count' },
              { Name: 'Failed', Unit: 'Count' },
              { Name: 'ProcessingTimeMs', Unit: 'Milliseconds' },
            ],
          },
        ],
      },
    });
    expect(outcomes[0]?.ProcessingTimeMs).toHaveLength(3);
  });

  it('names the message, the track, the revision and the delivery in the log of a failure', async () => {
    const { lines } = await run(new ScriptedQueue([delivery('bad', 2)]));
    expect(lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        messageId: 'id-bad',
        track: 'canary',
        revision: 'abc',
        receiveCount: 2,
        error: 'cannot do bad',
      }),
    );
  });

  it('handles the messages of a batch at the same time', async () => {
    const meet = Promise.withResolvers<void>();
    let arrived = 0;
    const { outcomes } = await run(new ScriptedQueue([delivery('a'), delivery('b')]), {
      handle: async () => {
        arrived += 1;
        if (arrived === 2) meet.resolve();
        await meet.promise;
      },
    });
    expect(outcomes[0]).toMatchObject({ Succeeded: 2 });
  });

  it('counts a message as succeeded only when its delete is confirmed', async () => {
    const queue = new ScriptedQueue([delivery('a'), delivery('b')]);
    queue.refuse = ({ body }) => body === 'b';
    const { outcomes, lines } = await run(queue);
    expect(outcomes[0]).toMatchObject({ Received: 2, Succeeded: 1, Failed: 0 });
    expect(lines).toContainEqual(
      expect.objectContaining({
        event: 'delete failed',
        messageId: 'id-b',
        error: 'InternalError: try later',
      }),
    );
  });

  it('goes on after failing to receive, with growing pauses that a success resets', async () => {
    const down = new Error('connection refused');
    const queue = new ScriptedQueue(down, down, down, down, down, down, [delivery('a')], down);
    const { pauses } = await run(queue);
    expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 500]);
    expect(queue.deleted).toEqual(['a']);
  });

  it('handles what arrives after it was told to stop, since giving it back would cost a delivery', async () => {
    const queue: ScriptedQueue = new ScriptedQueue(() => {
      queue.onEmpty();
      return [delivery('late')];
    });
    const { outcomes } = await run(queue, {
      pause: (_ms, signal) =>
        new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true })),
    });
    expect(queue.deleted).toEqual(['late']);
    expect(queue.givenBack).toEqual([]);
    expect(outcomes).toEqual([expect.objectContaining({ Succeeded: 1 })]);
  });

  it('finishes the messages in work before it stops', async () => {
    const stopped = Promise.withResolvers<void>();
    const queue = new ScriptedQueue([delivery('a')]);
    await run(queue, {
      handle: async () => {
        queue.onEmpty();
        await stopped.promise;
      },
      // The drain time passes only if nothing cuts it short.
      pause: (_ms, signal) =>
        new Promise((resolve) => {
          stopped.resolve();
          signal?.addEventListener('abort', () => resolve(), { once: true });
        }),
    });
    expect(queue.deleted).toEqual(['a']);
  });

  it('keeps the lease of a message that is still in work when the drain time is over', async () => {
    const queue = new ScriptedQueue([delivery('quick'), delivery('stuck')]);
    const pauses: number[] = [];
    const { outcomes } = await run(queue, {
      handle: (body) => {
        queue.onEmpty();
        return body === 'stuck' ? new Promise<never>(() => undefined) : Promise.resolve();
      },
      pause: async (ms) => {
        pauses.push(ms);
      },
    });
    expect(pauses).toEqual([4_000]);
    expect(queue.deleted).toEqual(['quick']);
    expect(queue.givenBack).toEqual([]);
    expect(outcomes[0]).toMatchObject({ Received: 2, Succeeded: 1, Failed: 0 });
  });
});
