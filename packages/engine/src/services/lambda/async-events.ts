import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Destinations } from './destinations.ts';
import { errorText, type Invoker } from './invoker.ts';
import type { AsyncEvent, Attempt, LambdaStore } from './store.ts';

const DEFAULT_RETRIES = 2;
const DEFAULT_AGE_SECONDS = 6 * 3600;

/**
 * Part of the events that a function gets once more although it has dealt with them, since Lambda's queue is eventually
 * consistent. AWS says that it happens, and not how often.
 * https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
 */
const REPEATED = 0.001;

/**
 * Lambda's queue of asynchronous events. An event is kept until the function has dealt with it or has failed
 * often enough; one that was being dealt with when the engine died is handed over again, so functions see events
 * at least once, and in no particular order. Events that find no room wait for it; those that fail are tried again after
 * one and two minutes.
 */
export class AsyncEvents {
  readonly #engine: Engine;
  readonly #store: LambdaStore;
  readonly #invoker: Invoker;
  readonly #destinations: Destinations;
  readonly #timers = new Map<string, Timer>();
  readonly #running = new Map<string, Promise<void>>();
  /** Request ids of events without room, by function. */
  readonly #waiting = new Map<string, Set<string>>();
  #stopped = true;

  constructor(engine: Engine, parts: { store: LambdaStore; invoker: Invoker; destinations: Destinations }) {
    this.#engine = engine;
    this.#store = parts.store;
    this.#invoker = parts.invoker;
    this.#destinations = parts.destinations;
    this.#invoker.onRoom((functionName) => this.wake(functionName));
  }

  /** Takes over an event. It is durable once the caller's turn is committed. */
  add(event: Omit<AsyncEvent, 'attempts' | 'dueAtMs'>): void {
    this.#store.events.put(event.requestId, {
      ...event,
      attempts: 0,
      dueAtMs: event.receivedAtMs + this.#waitMs(),
    });
    this.#consider(event.requestId);
  }

  start(): void {
    this.#stopped = false;
    for (const requestId of [...this.#store.events.keys()]) this.#consider(requestId);
  }

  /** Tries events of the function that waited for room. */
  wake(functionName: string): void {
    for (const requestId of [...(this.#waiting.get(functionName) ?? [])]) {
      if (!this.#invoker.hasRoom(functionName)) return;
      this.#consider(requestId);
    }
  }

  /** Ends the waiting; call after the invoker has stopped, which ends the attempts. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    await Promise.all(this.#running.values());
  }

  #consider(requestId: string): void {
    if (this.#stopped || this.#invoker.stopping || this.#running.has(requestId)) return;
    this.#timers.get(requestId)?.cancel();
    this.#timers.delete(requestId);
    const event = this.#store.events.get(requestId);
    if (!event) {
      for (const waiting of this.#waiting.values()) waiting.delete(requestId);
      return;
    }
    const waiting = this.#waitingOf(event.functionName);
    const nowMs = this.#engine.clock.nowMs();
    const expiresAtMs = event.receivedAtMs + this.#maximumAgeMs(event);
    if (nowMs >= expiresAtMs) {
      waiting.delete(requestId);
      this.#begin(event, () => this.#giveUp(event, 'EventAgeExceeded', undefined));
    } else if (nowMs < event.dueAtMs) {
      this.#arm(requestId, Math.min(event.dueAtMs, expiresAtMs) - nowMs);
    } else if (!this.#invoker.hasRoom(event.functionName)) {
      waiting.add(requestId);
      this.#arm(requestId, expiresAtMs - nowMs);
    } else {
      waiting.delete(requestId);
      this.#begin(event, () => this.#attempt(event));
    }
  }

  #arm(requestId: string, delayMs: number): void {
    this.#timers.set(
      requestId,
      this.#engine.clock.setTimer(delayMs, () => this.#consider(requestId)),
    );
  }

  #begin({ requestId }: AsyncEvent, work: () => Promise<void>): void {
    const running = work().finally(() => {
      this.#running.delete(requestId);
      this.#consider(requestId);
    });
    this.#running.set(requestId, running);
  }

  async #attempt(event: AsyncEvent): Promise<void> {
    const attempt = await this.#invoke(event);
    // The stopping engine has ended the function: the next start hands the event over again.
    if (this.#invoker.stopping && attempt.kind !== 'success') return;
    if (!this.#store.events.has(event.requestId)) return;
    if (attempt.kind === 'success') {
      // The highest draws: where tests draw the lowest, so that all is prompt, nothing is repeated for ever.
      if (this.#engine.ids.random() >= 1 - REPEATED) {
        this.#store.events.put(event.requestId, {
          ...event,
          dueAtMs: this.#engine.clock.nowMs() + this.#waitMs(),
        });
        return;
      }
      await this.#destinations.succeeded(event, attempt);
      this.#store.events.delete(event.requestId);
      return;
    }
    const failed = { ...event, attempts: event.attempts + 1 };
    const retries = this.#config(event)?.maximumRetryAttempts ?? DEFAULT_RETRIES;
    if (failed.attempts > retries) {
      await this.#giveUp(failed, 'RetriesExhausted', attempt);
      return;
    }
    const pauseMs = this.#engine.pace.ms('lambda-retry') * failed.attempts;
    this.#store.events.put(event.requestId, { ...failed, dueAtMs: this.#engine.clock.nowMs() + pauseMs });
  }

  async #invoke(event: AsyncEvent): Promise<Attempt> {
    const fn = this.#store.version(event.functionName, event.qualifier, () => this.#engine.ids.random());
    if (!fn)
      return { kind: 'fault', message: `Function not found: ${event.functionName}:${event.qualifier}` };
    try {
      const { kind, payload } = await this.#invoker.run(fn, { ...event, type: 'Event' });
      return { kind, payload, version: fn.version };
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      return { kind: 'fault', message: `${error.code}: ${error.message}` };
    }
  }

  async #giveUp(
    event: AsyncEvent,
    condition: 'RetriesExhausted' | 'EventAgeExceeded',
    attempt: Attempt | undefined,
  ): Promise<void> {
    await this.#destinations.failed(event, condition, attempt);
    this.#engine.journal.append('lambda', 'event.dropped', {
      functionName: event.functionName,
      requestId: event.requestId,
      condition,
      attempts: event.attempts,
      ...(attempt === undefined
        ? {}
        : { error: attempt.kind === 'fault' ? attempt.message : errorText(attempt.payload) }),
    });
    this.#store.events.delete(event.requestId);
  }

  /** How long an event waits in the queue. */
  #waitMs(): number {
    return this.#engine.pace.ms('lambda-event') * this.#engine.ids.random();
  }

  #maximumAgeMs(event: AsyncEvent): number {
    return (this.#config(event)?.maximumEventAgeSeconds ?? DEFAULT_AGE_SECONDS) * 1000;
  }

  #config({ functionName, qualifier }: AsyncEvent) {
    return this.#store.eventConfigs.get(`${functionName}:${qualifier}`);
  }

  #waitingOf(functionName: string): Set<string> {
    const known = this.#waiting.get(functionName);
    if (known) return known;
    const fresh = new Set<string>();
    this.#waiting.set(functionName, fresh);
    return fresh;
  }
}
