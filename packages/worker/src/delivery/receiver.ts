import { type BackoffShape, backoffMs, type Random } from '../backoff.ts';
import { type Clock, pause } from '../clock.ts';
import { asFault, SqsFault, type SqsMessage, type Transport } from '../transport/transport.ts';
import type { Permits } from './permits.ts';

export interface ReceiverParts {
  readonly queueUrl: string;
  readonly transport: Pick<Transport, 'receiveMessage'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly permits: Permits;
  readonly pollers: number;
  readonly receiveMax: number;
  readonly waitSeconds: number;
  readonly visibilitySeconds: number;
  /** A promise for the time from which on more may be received; nothing when that is now. */
  readonly room: () => Promise<void> | undefined;
  /** Takes over messages that were asked for at a time, and the permits that were reserved for them. */
  readonly onMessages: (messages: readonly SqsMessage[], permits: number, askedAtMs: number) => void;
  /** A receive was answered and brought nothing. */
  readonly onEmpty: () => void;
  readonly onFault: (fault: SqsFault, retryInMs: number) => void;
}

const ERROR_BACKOFF: BackoffShape = { firstMs: 500, maxMs: 20_000 };
const EMPTY_BACKOFF: BackoffShape = { firstMs: 100, maxMs: 1_000 };
const SYSTEM_ATTRIBUTES = ['All'];
const MESSAGE_ATTRIBUTES = ['All'];

/**
 * Asks SQS for as many messages as there are free permits, again as soon as one is free: one slow message never
 * holds the others back.
 *
 * Every failed receive is followed by a pause that grows and is jittered, whatever the error is, and so is
 * every empty reply that came without the wait that was asked for. A receiver that is stopped lets its open
 * polls return, because SQS may already have leased messages to them.
 */
export class Receiver {
  readonly #parts: ReceiverParts;
  readonly #stopping = new AbortController();
  readonly #stopped = new Promise<void>((resolve) => {
    this.#stopping.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  readonly #abandoned = new AbortController();
  #pollers: Promise<unknown> = Promise.resolve();
  #faultsInARow = 0;
  #lastReplyAtMs: number | undefined;
  #open = 0;
  #openSinceMs = 0;
  #pollingMs = 0;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
  }

  /** Failed receives since the last that was answered. */
  get faultsInARow(): number {
    return this.#faultsInARow;
  }

  get lastReplyAtMs(): number | undefined {
    return this.#lastReplyAtMs;
  }

  /**
   * How long the worker has asked for messages since this was last called, milliseconds: so long it had room for more. The
   * pause after a failed receive counts as well.
   */
  takePollingMs(): number {
    if (this.#open > 0) this.#addPolling();
    const ms = this.#pollingMs;
    this.#pollingMs = 0;
    return Math.round(ms);
  }

  start(): void {
    this.#pollers = Promise.all(Array.from({ length: this.#parts.pollers }, () => this.#poll()));
  }

  /** Asks for nothing more; resolves when the open polls have returned. */
  stop(): Promise<unknown> {
    this.#stopping.abort();
    this.#parts.permits.close();
    return this.#pollers;
  }

  /** Cuts open polls off, for want of time. */
  abandon(): void {
    this.#abandoned.abort();
  }

  async #poll(): Promise<void> {
    const { clock, permits, random, receiveMax, room } = this.#parts;
    let emptyInARow = 0;
    for (;;) {
      const crowded = room();
      if (crowded !== undefined) await Promise.race([crowded, this.#stopped]);
      const granted = await permits.reserve(receiveMax);
      if (granted === 0) return;
      const startedAtMs = clock.nowMs();
      if (this.#open === 0) this.#openSinceMs = startedAtMs;
      this.#open += 1;
      const messages = await this.#receive(granted);
      this.#open -= 1;
      if (this.#open === 0) this.#addPolling();
      if (messages === undefined || messages.length === 0) permits.release(granted);
      else this.#parts.onMessages(messages, granted, startedAtMs);
      if (messages?.length === 0) this.#parts.onEmpty();
      if (messages === undefined || messages.length > 0) emptyInARow = 0;
      else if (
        clock.nowMs() - startedAtMs < (this.#parts.waitSeconds * 1000) / 2 ||
        this.#parts.waitSeconds === 0
      ) {
        emptyInARow++;
        await pause(clock, backoffMs(EMPTY_BACKOFF, emptyInARow, random), this.#stopping.signal);
      } else emptyInARow = 0;
      if (this.#stopping.signal.aborted) return;
    }
  }

  /** Messages, or `undefined` after a failure and its pause. */
  async #receive(max: number): Promise<readonly SqsMessage[] | undefined> {
    const { clock, random, queueUrl, transport, visibilitySeconds, waitSeconds } = this.#parts;
    try {
      const { Messages } = await transport.receiveMessage(
        {
          QueueUrl: queueUrl,
          MaxNumberOfMessages: max,
          WaitTimeSeconds: waitSeconds,
          VisibilityTimeout: visibilitySeconds,
          MessageSystemAttributeNames: SYSTEM_ATTRIBUTES,
          MessageAttributeNames: MESSAGE_ATTRIBUTES,
        },
        this.#abandoned.signal,
      );
      const messages = messagesOf(Messages);
      this.#faultsInARow = 0;
      this.#lastReplyAtMs = clock.nowMs();
      return messages;
    } catch (error) {
      if (this.#abandoned.signal.aborted) return undefined;
      this.#faultsInARow++;
      const retryInMs = backoffMs(ERROR_BACKOFF, this.#faultsInARow, random);
      this.#parts.onFault(asFault(error), Math.round(retryInMs));
      await pause(clock, retryInMs, this.#stopping.signal);
      return undefined;
    }
  }

  #addPolling(): void {
    const nowMs = this.#parts.clock.nowMs();
    this.#pollingMs += Math.max(0, nowMs - this.#openSinceMs);
    this.#openSinceMs = nowMs;
  }
}

/** The messages of a reply. A server that stands in for SQS may send something else, which is a fault of its own. */
function messagesOf(value: unknown): readonly SqsMessage[] {
  const messages = value ?? [];
  const isMessage = (message: unknown) => typeof message === 'object' && message !== null;
  if (Array.isArray(messages) && messages.every(isMessage)) return messages;
  throw new SqsFault('MalformedReply', 'the reply to ReceiveMessage has no list of messages');
}
