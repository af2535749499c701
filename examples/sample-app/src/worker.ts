import { type BatchOutcome, eventLine, outcomeLine } from './outcome-log.ts';
import type { Delivery, Queue, Refused } from './queue.ts';
import type { Settings } from './settings.ts';

/** What a worker is made of. */
export interface WorkerParts {
  readonly settings: Settings;
  readonly queue: Queue;
  /** Processes one message; throws when it cannot. */
  readonly handle: (body: string) => Promise<void>;
  /** Version of the handler, for the log. */
  readonly version: string;
  /** Milliseconds since 1970, with fractions. */
  readonly now: () => number;
  /** Resolves after a time, at once when the signal aborts. */
  readonly pause: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly log: (line: string) => void;
}

/**
 * How long messages in work may take once the worker was told to stop. With the deletes after it, the
 * worker is gone within five seconds.
 */
const drainMs = 4_000;

const firstBackoffMs = 500;
const longestBackoffMs = 10_000;

/**
 * Receives up to ten messages, handles them at once, deletes those that succeeded and gives the others
 * back, until it is stopped.
 */
export class Worker {
  readonly #parts: WorkerParts;
  readonly #stopping = new AbortController();
  readonly #identity;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    const { app, track, revision } = parts.settings;
    this.#identity = { app, track, revision, version: parts.version };
  }

  /** Takes no more messages; {@link run} returns when those in work are finished or out of time. */
  stop(): void {
    this.#stopping.abort();
  }

  /** Works until stopped. Errors of the queue are logged and retried with growing pauses. */
  async run(): Promise<void> {
    this.#event('info', 'started');
    let backoffMs = firstBackoffMs;
    while (!this.#stopping.signal.aborted) {
      let deliveries: readonly Delivery[];
      try {
        deliveries = await this.#parts.queue.receive();
        backoffMs = firstBackoffMs;
      } catch (error) {
        this.#event('error', 'receive failed', { error: messageOf(error), retryInMs: backoffMs });
        await this.#parts.pause(backoffMs, this.#stopping.signal);
        backoffMs = Math.min(backoffMs * 2, longestBackoffMs);
        continue;
      }
      if (deliveries.length === 0) continue;
      // Also what arrives after the stop, within the time for draining: giving it back would use up one of
      // the deliveries after which the queue takes it for dead.
      await this.#process(deliveries);
    }
    this.#event('info', 'stopped');
  }

  async #process(deliveries: readonly Delivery[]): Promise<void> {
    const done: Delivery[] = [];
    const failed: Delivery[] = [];
    const processingTimesMs: number[] = [];
    const work = deliveries.map(async (delivery) => {
      const startedAt = this.#parts.now();
      try {
        await this.#parts.handle(delivery.body);
        done.push(delivery);
      } catch (error) {
        failed.push(delivery);
        const { messageId, receiveCount } = delivery;
        this.#event('error', 'message failed', { messageId, receiveCount, error: messageOf(error) });
      }
      processingTimesMs.push(this.#parts.now() - startedAt);
    });
    const outOfTime = new AbortController();
    await Promise.race([Promise.all(work), this.#drained(outOfTime.signal)]);
    outOfTime.abort();

    // What still runs keeps its lease: another worker must not start on it meanwhile.
    const finished = { done: [...done], failed: [...failed], processingTimesMs: [...processingTimesMs] };
    const [undeleted] = await Promise.all([
      this.#delete(finished.done),
      this.#giveBack(finished.failed, this.#parts.settings.retryDelaySeconds),
    ]);
    this.#outcome({
      received: deliveries.length,
      succeeded: finished.done.length - undeleted,
      failed: finished.failed.length,
      processingTimesMs: finished.processingTimesMs,
    });
  }

  /** Resolves when the worker was stopped and the time for draining is over, or when the signal aborts. */
  async #drained(signal: AbortSignal): Promise<void> {
    const stopping = this.#stopping.signal;
    if (!stopping.aborted) {
      await new Promise<void>((resolve) => {
        stopping.addEventListener('abort', () => resolve(), { once: true, signal });
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    if (!signal.aborted) await this.#parts.pause(drainMs, signal);
  }

  /** Deletes messages and returns how many are still there; those will be delivered again. */
  async #delete(deliveries: readonly Delivery[]): Promise<number> {
    return this.#settle('delete', deliveries, () => this.#parts.queue.delete(deliveries));
  }

  async #giveBack(deliveries: readonly Delivery[], delaySeconds: number): Promise<void> {
    await this.#settle('give back', deliveries, () => this.#parts.queue.giveBack(deliveries, delaySeconds));
  }

  async #settle(
    what: string,
    deliveries: readonly Delivery[],
    call: () => Promise<Refused>,
  ): Promise<number> {
    try {
      const refused = await call();
      for (const [{ messageId }, error] of refused) {
        this.#event('error', `${what} failed`, { messageId, error });
      }
      return refused.size;
    } catch (error) {
      this.#event('error', `${what} failed`, { messages: deliveries.length, error: messageOf(error) });
      return deliveries.length;
    }
  }

  #outcome(outcome: BatchOutcome): void {
    this.#parts.log(outcomeLine(this.#identity, this.#parts.now(), outcome));
  }

  #event(level: 'info' | 'error', event: string, fields?: Readonly<Record<string, string | number>>): void {
    this.#parts.log(eventLine(this.#identity, level, event, fields));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
