import { sleep } from '@queue-canary/engine';
import type { Context } from '../context.ts';
import { explain } from '../user-error.ts';

/** A steady stream of messages, sent until it is stopped. */
export interface Traffic {
  /** Messages that SQS accepted so far. */
  readonly sent: () => number;
  /** Why sending failed, if it did; the stream goes on after a failure. */
  readonly problems: readonly string[];
  stop(): Promise<void>;
}

/** Sends `rate` messages per second, five batches a second, numbered from 1. */
export function startTraffic({ clients, clock }: Context, queueUrl: string, rate: number): Traffic {
  const ending = new AbortController();
  const problems: string[] = [];
  let sent = 0;
  const run = async () => {
    const startedAtMs = clock.nowMs();
    while (!ending.signal.aborted) {
      const due = Math.floor(((clock.nowMs() - startedAtMs) / 1000) * rate);
      while (sent < due && !ending.signal.aborted) {
        const size = Math.min(10, due - sent);
        try {
          const { Failed = [] } = await clients.sqs.sendMessageBatch({
            QueueUrl: queueUrl,
            Entries: Array.from({ length: size }, (_, index) => ({
              Id: String(index),
              MessageBody: JSON.stringify({ order: sent + index + 1 }),
            })),
          });
          sent += size - Failed.length;
          for (const { Code, Message } of Failed) problems.push(`${Code}: ${Message}`);
        } catch (error) {
          problems.push(explain(error));
          await sleep(clock, 500, ending.signal);
        }
      }
      await sleep(clock, 200, ending.signal);
    }
  };
  const running = run();
  return {
    sent: () => sent,
    problems,
    async stop() {
      ending.abort();
      await running;
    },
  };
}
