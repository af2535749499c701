import { sleep } from '@queue-canary/engine';
import type { Context } from '../context.ts';
import { pipelineOutputs } from '../stacks.ts';
import { CliError } from '../user-error.ts';

export interface SendOptions {
  readonly count: number;
  /** Messages per second; as fast as possible when 0. */
  readonly rate: number;
  /** Body of each message; `{n}` stands for its number, counted from 1. */
  readonly body: string;
}

/** What SQS accepts in one batch, all bodies together. */
const BATCH_BYTES = 1_048_576;

/** Sends messages to the queue in batches and returns how many SQS accepted. */
export async function send(context: Context, options: SendOptions): Promise<number> {
  const { clients, terminal, clock, signal } = context;
  const { QueueUrl } = await pipelineOutputs(clients.cloudformation, context.app);
  const startedAtMs = clock.nowMs();
  const bodyOf = (n: number) => options.body.replaceAll('{n}', String(n));
  const largestBytes = Buffer.byteLength(bodyOf(options.count));
  let sent = 0;
  while (sent < options.count && !signal.aborted) {
    const size = Math.min(
      10,
      options.count - sent,
      options.rate > 0 ? Math.max(1, Math.ceil(options.rate / 5)) : 10,
      Math.max(1, Math.floor(BATCH_BYTES / Math.max(1, largestBytes))),
    );
    const { Failed } = await clients.sqs.sendMessageBatch({
      QueueUrl,
      Entries: Array.from({ length: size }, (_, index) => ({
        Id: String(index),
        MessageBody: bodyOf(sent + index + 1),
      })),
    });
    if (Failed && Failed.length > 0) {
      throw new CliError(
        `SQS refused ${Failed.length} messages after ${sent}: ${Failed[0]?.Code}: ${Failed[0]?.Message}`,
      );
    }
    sent += size;
    terminal.live(`  sent ${sent} of ${options.count}`);
    if (options.rate > 0) {
      await sleep(clock, startedAtMs + (sent / options.rate) * 1000 - clock.nowMs(), signal);
    }
  }
  return sent;
}
