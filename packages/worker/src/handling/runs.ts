import type { Clock, Timer } from '../clock.ts';
import type { Delivery } from '../message/delivery.ts';
import type { AbortCause } from '../message/handler.ts';
import type { Metrics } from '../reporting/metrics.ts';
import { Run } from './run.ts';

export interface RunsParts {
  readonly clock: Clock;
  readonly handlerTimeoutMs: number;
  readonly abortGraceMs: number;
  readonly metrics: Metrics;
  /** The time on SQS's clock. */
  readonly serverNowMs: () => number;
  /** A run took longer than its timeout; its signal aborts next. */
  readonly onTimeout: (run: Run) => void;
  /** A run did not settle in the grace after its signal aborted. */
  readonly onStuck: (run: Run) => void;
}

/** The handlers that run. Says when one takes too long, and when it ignores its abort signal as well. */
export class Runs {
  readonly #parts: RunsParts;
  readonly #running = new Set<Run>();
  /** In the order in which they began; all have the same timeout, so the first is the next to be due. */
  readonly #inTime = new Set<Run>();
  #timer: Timer | undefined;
  #stuck = 0;

  constructor(parts: RunsParts) {
    this.#parts = parts;
  }

  /** All that run, stuck ones included. */
  get size(): number {
    return this.#running.size;
  }

  /** Handlers that ignored their abort signal and still run. */
  get stuck(): number {
    return this.#stuck;
  }

  begin(deliveries: readonly Delivery[]): Run {
    const { clock, handlerTimeoutMs, serverNowMs, metrics } = this.#parts;
    const nowMs = clock.nowMs();
    const run = new Run(deliveries, nowMs, handlerTimeoutMs, serverNowMs(), metrics.countOwn);
    for (const delivery of deliveries) delivery.beganAtMs = nowMs;
    this.#running.add(run);
    this.#inTime.add(run);
    this.#timer ??= this.#timerFor(run);
    return run;
  }

  /** A handler has settled. */
  end(run: Run): void {
    const { clock, metrics } = this.#parts;
    this.#running.delete(run);
    this.#inTime.delete(run);
    run.grace?.cancel();
    if (run.stuck) this.#stuck--;
    const nowMs = clock.nowMs();
    for (const delivery of run.deliveries) delivery.settledAtMs = nowMs;
    if (!run.timedOut) metrics.value('ProcessingTimeMs', nowMs - run.startedAtMs);
  }

  /** Asks the handlers of a message, or all, to stop. */
  abort(cause: AbortCause, delivery?: Delivery): void {
    for (const run of this.#running) {
      if (delivery === undefined || run.deliveries.includes(delivery)) run.abort(cause);
    }
  }

  /** Stops watching; returns the messages whose handlers still run. */
  close(): readonly Delivery[] {
    this.#inTime.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const run of this.#running) run.grace?.cancel();
    return [...this.#running].flatMap(({ deliveries }) => deliveries);
  }

  #timerFor(run: Run): Timer {
    const { clock } = this.#parts;
    return clock.setTimer(run.timeoutAtMs - clock.nowMs(), () => this.#tick());
  }

  #tick(): void {
    this.#timer = undefined;
    const nowMs = this.#parts.clock.nowMs();
    for (const run of this.#inTime) {
      if (run.timeoutAtMs > nowMs) {
        this.#timer ??= this.#timerFor(run);
        return;
      }
      this.#inTime.delete(run);
      this.#timeOut(run);
    }
  }

  #timeOut(run: Run): void {
    const { clock, abortGraceMs, metrics, onTimeout } = this.#parts;
    run.timedOut = true;
    metrics.value('ProcessingTimeMs', clock.nowMs() - run.startedAtMs);
    onTimeout(run);
    run.abort('timeout');
    run.grace = clock.setTimer(abortGraceMs, () => this.#giveUpOn(run));
  }

  #giveUpOn(run: Run): void {
    run.stuck = true;
    this.#stuck++;
    this.#parts.onStuck(run);
  }
}
