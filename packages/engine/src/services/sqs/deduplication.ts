import type { MessageStore } from './message-store.ts';

const REMEMBERED_MS = 300_000;

/** A message as the answer to its duplicates. */
export interface Known {
  readonly messageId: string;
  readonly seq: number;
}

/** The deduplication ids of a FIFO queue: each stands for its message for five minutes. */
export class Deduplication {
  readonly #store: MessageStore;
  readonly #key: number;
  #forgottenAtMs = 0;

  constructor(store: MessageStore, key: number) {
    this.#store = store;
    this.#key = key;
  }

  find(scope: string, deduplicationId: string, nowMs: number): Known | undefined {
    return this.#store.duplicate(this.#key, scope, deduplicationId, nowMs);
  }

  remember(scope: string, deduplicationId: string, nowMs: number, message: Known): void {
    if (this.#forgottenAtMs + REMEMBERED_MS <= nowMs) {
      this.#store.forget(this.#key, nowMs);
      this.#forgottenAtMs = nowMs;
    }
    this.#store.remember(this.#key, scope, deduplicationId, nowMs + REMEMBERED_MS, message);
  }

  setBack(byMs: number): void {
    this.#forgottenAtMs -= byMs;
  }
}
