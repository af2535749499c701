import { type BackoffShape, backoffMs, type Random } from '../backoff.ts';
import type { Clock, Timer } from '../clock.ts';
import { asFault, type BatchOutput, SqsFault } from '../transport/transport.ts';

/** A change of one message that SQS has to confirm. */
export interface BatchEntry {
  readonly receiptHandle: string;
  /** When it has lost its meaning: the lease is over and somebody else may have the message. */
  readonly giveUpAtMs: number;
  /** Attempts so far. */
  attempts: number;
}

export interface BatchSenderParts<E extends BatchEntry> {
  readonly clock: Clock;
  readonly random: Random;
  /** How long an entry waits for others to share its call. */
  readonly lingerMs: number;
  readonly send: (entries: readonly (readonly [id: string, entry: E])[]) => Promise<BatchOutput>;
  /** SQS confirmed the entry, as it was sent at a time. */
  readonly onDone: (entry: E, sentAtMs: number) => void;
  /** It never did; the fault is the last one. */
  readonly onGivenUp: (entry: E, fault: SqsFault) => void;
  /** A call failed as a whole. */
  readonly onFault: (fault: SqsFault) => void;
}

const ENTRIES_MAX = 10;
const RETRY: BackoffShape = { firstMs: 200, maxMs: 5_000 };

/**
 * Sends deletes, or visibility changes, ten in a call or whatever has gathered after a linger.
 *
 * An entry is done only when the reply lists it as successful: a batch call succeeds even if each of its
 * entries failed. Entries that failed are tried again with backoff while their lease lasts, and each at least
 * once, because a handle whose lease has lapsed still deletes until somebody else receives the message.
 */
export class BatchSender<E extends BatchEntry> {
  readonly #parts: BatchSenderParts<E>;
  #waiting: E[] = [];
  /** Entries that are neither done nor given up. */
  readonly #open = new Set<E>();
  readonly #retries = new Map<Timer, readonly E[]>();
  #linger: Timer | undefined;
  #pace: 'linger' | 'hold' | 'urgent' = 'linger';
  #changed: Array<{ readonly max: number; readonly resolve: () => void }> = [];

  constructor(parts: BatchSenderParts<E>) {
    this.#parts = parts;
  }

  /** Entries that are neither done nor given up. */
  get size(): number {
    return this.#open.size;
  }

  /** Takes an entry; `urgent` sends it, and what has gathered, without lingering. */
  add(entry: E, urgent = false): void {
    this.#open.add(entry);
    this.#waiting.push(entry);
    if (this.#pace === 'hold') return;
    if (this.#waiting.length >= ENTRIES_MAX || urgent || this.#pace === 'urgent') this.#sendWaiting();
    else this.#linger ??= this.#parts.clock.setTimer(this.#parts.lingerMs, () => this.#sendWaiting());
  }

  /** From now on everything waits, until {@link hurry}. */
  hold(): void {
    this.#pace = 'hold';
    this.#linger?.cancel();
    this.#linger = undefined;
  }

  /** From now on nothing lingers. */
  hurry(): void {
    this.#pace = 'urgent';
    this.#sendWaiting();
  }

  /** Resolves when at most `max` entries are open. */
  atMost(max: number): Promise<void> {
    if (this.#open.size <= max) return Promise.resolve();
    return new Promise((resolve) => this.#changed.push({ max, resolve }));
  }

  /** Gives up everything that is open, for want of time. */
  giveUpAll(): void {
    this.#linger?.cancel();
    for (const timer of this.#retries.keys()) timer.cancel();
    this.#retries.clear();
    this.#waiting = [];
    const fault = new SqsFault('DrainTimeout', 'not confirmed before the task had to stop');
    for (const entry of [...this.#open]) this.#giveUp(entry, fault);
  }

  #sendWaiting(): void {
    this.#linger?.cancel();
    this.#linger = undefined;
    while (this.#waiting.length > 0) void this.#send(this.#waiting.splice(0, ENTRIES_MAX));
  }

  async #send(entries: readonly E[]): Promise<void> {
    const parts = this.#parts;
    const sentAtMs = parts.clock.nowMs();
    for (const entry of entries) entry.attempts++;
    const confirmed = new Set<string | undefined>();
    const faults = new Map<string | undefined, { readonly fault: SqsFault; readonly final: boolean }>();
    let all: SqsFault | undefined;
    try {
      const { Successful = [], Failed = [] } = await parts.send(
        entries.map((entry, index) => [String(index), entry]),
      );
      for (const { Id } of Successful) confirmed.add(Id);
      for (const { Id, Code = 'UnknownError', Message = '', SenderFault } of Failed) {
        faults.set(Id, {
          fault: new SqsFault(Code, Message, SenderFault === true ? 400 : 500),
          final: SenderFault === true,
        });
      }
    } catch (error) {
      all = asFault(error);
      parts.onFault(all);
    }
    const again: E[] = [];
    const nowMs = parts.clock.nowMs();
    for (const [index, entry] of entries.entries()) {
      if (!this.#open.has(entry)) continue;
      const id = String(index);
      if (confirmed.has(id)) {
        this.#open.delete(entry);
        parts.onDone(entry, sentAtMs);
        continue;
      }
      const failed = faults.get(id);
      const fault = failed?.fault ?? all ?? new SqsFault('Unconfirmed', 'the reply does not mention it', 500);
      if (failed?.final === true || nowMs >= entry.giveUpAtMs) this.#giveUp(entry, fault);
      else again.push(entry);
    }
    if (again.length > 0) this.#retryLater(again);
    this.#notify();
  }

  #retryLater(entries: readonly E[]): void {
    const { clock, random } = this.#parts;
    const attempt = Math.min(...entries.map(({ attempts }) => attempts));
    const timer = clock.setTimer(backoffMs(RETRY, attempt, random), () => {
      this.#retries.delete(timer);
      void this.#send(entries);
    });
    this.#retries.set(timer, entries);
  }

  #giveUp(entry: E, fault: SqsFault): void {
    this.#open.delete(entry);
    this.#parts.onGivenUp(entry, fault);
    this.#notify();
  }

  #notify(): void {
    if (this.#changed.length === 0) return;
    const ready = this.#changed.filter(({ max }) => this.#open.size <= max);
    this.#changed = this.#changed.filter(({ max }) => this.#open.size > max);
    for (const { resolve } of ready) resolve();
  }
}
