import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import type { Table } from '../../state/state.ts';
import type { EventDestinations } from './event-destinations.ts';
import type { StoredFunction } from './function-definition.ts';
import type { Invoker } from './invoker.ts';

/** An event that a function was given and has not dealt with yet. */
export interface AsyncEvent {
  readonly functionName: string;
  readonly version: string;
  readonly requestId: string;
  readonly payload: string;
  readonly attempts: number;
  /** Attempts that found no room; they count for nothing but the pause. */
  readonly throttles: number;
  readonly queuedAtMs: number;
  readonly dueAtMs: number;
}

/** How a function's asynchronous events are treated. */
export interface AsyncPolicy {
  readonly retryAttemptsMax: number;
  readonly ageSecondsMax: number;
}

const LONGEST_THROTTLE_PAUSE_MS = 5 * 60_000;

/**
 * Lambda's queue of asynchronous events: durable, in no particular order, each at least once.
 *
 * An event whose function fails is tried again after one and after two minutes (`--pace` divides these);
 * one that finds no room, with growing pauses until it is too old. Then it goes to the function's dead-letter
 * queue and failure destination. An event that was being worked on when the engine was killed runs again.
 */
export class AsyncInvocations {
  readonly #engine: Engine;
  readonly #invoker: Invoker;
  readonly #destinations: EventDestinations;
  readonly #lookUp: (
    functionName: string,
    version: string,
  ) => { fn: StoredFunction; policy: AsyncPolicy; limit: number | undefined } | undefined;
  readonly #table: Table<AsyncEvent>;
  readonly #timers = new Map<string, Timer>();
  readonly #underway = new Set<Promise<void>>();
  #sequence = 0;
  #running = false;

  constructor(
    engine: Engine,
    parts: {
      invoker: Invoker;
      destinations: EventDestinations;
      lookUp: (
        functionName: string,
        version: string,
      ) => { fn: StoredFunction; policy: AsyncPolicy; limit: number | undefined } | undefined;
    },
  ) {
    this.#engine = engine;
    this.#invoker = parts.invoker;
    this.#destinations = parts.destinations;
    this.#lookUp = parts.lookUp;
    this.#table = engine.state.table<AsyncEvent>('lambda.async-events');
    for (const key of this.#table.keys()) this.#sequence = Math.max(this.#sequence, Number(key));
  }

  add(functionName: string, version: string, requestId: string, payload: string): void {
    const nowMs = this.#engine.clock.nowMs();
    const key = String(++this.#sequence);
    this.#table.put(key, {
      functionName,
      version,
      requestId,
      payload,
      attempts: 0,
      throttles: 0,
      queuedAtMs: nowMs,
      dueAtMs: nowMs,
    });
    this.#schedule(key, 0);
  }

  start(): void {
    this.#running = true;
    const nowMs = this.#engine.clock.nowMs();
    for (const [key, { dueAtMs }] of this.#table.entries()) this.#schedule(key, dueAtMs - nowMs);
  }

  /** Takes up no more events. What is being worked on stays in the queue unless it ends in time. */
  stop(): void {
    this.#running = false;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  /** Resolves when nothing is being worked on any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#underway);
  }

  #schedule(key: string, delayMs: number): void {
    if (!this.#running) return;
    const timer = this.#engine.clock.setTimer(delayMs, () => {
      this.#timers.delete(key);
      const attempt = this.#attempt(key).finally(() => this.#underway.delete(attempt));
      this.#underway.add(attempt);
    });
    this.#timers.set(key, timer);
  }

  async #attempt(key: string): Promise<void> {
    const event = this.#table.get(key);
    if (!event) return;
    const found = this.#lookUp(event.functionName, event.version);
    if (!found) {
      this.#engine.journal.append('lambda', 'event.dropped', {
        functionName: event.functionName,
        requestId: event.requestId,
        why: 'the function was deleted',
      });
      this.#table.delete(key);
      return;
    }
    const { fn, policy, limit } = found;
    const { requestId, payload } = event;
    const outcome = await this.#invoker.run(fn, { requestId, payload, type: 'Event' }, limit);
    // Stopping kills the process: the event stays in the queue and runs again.
    if (!this.#running) return;
    if (outcome.kind === 'success') {
      await this.#destinations.succeeded(fn, event, outcome.payload);
      this.#table.delete(key);
      return;
    }
    const throttled = outcome.kind === 'throttled';
    const attempts = event.attempts + (throttled ? 0 : 1);
    const throttles = throttled ? event.throttles + 1 : 0;
    const pauseMs = throttled
      ? Math.min(LONGEST_THROTTLE_PAUSE_MS, 1000 * 2 ** event.throttles)
      : attempts * this.#engine.pace.ms('lambda-retry');
    const dueAtMs = this.#engine.clock.nowMs() + pauseMs;
    const tooOld = dueAtMs - event.queuedAtMs > policy.ageSecondsMax * 1000;
    if (tooOld || (!throttled && attempts > policy.retryAttemptsMax)) {
      await this.#destinations.failed(
        fn,
        { ...event, attempts },
        {
          condition: tooOld ? 'EventAgeExceeded' : 'RetriesExhausted',
          payload: outcome.kind === 'error' ? outcome.payload : undefined,
        },
      );
      this.#table.delete(key);
      return;
    }
    this.#table.put(key, { ...event, attempts, throttles, dueAtMs });
    this.#schedule(key, pauseMs);
  }
}
