import { type Clock, pause } from '../clock.ts';
import type { LoopLag } from '../loop-lag.ts';
import type { Metrics } from './metrics.ts';
import type { OutcomeBook } from './outcome-book.ts';
import { nextReportMs, REPORT_MS } from './rhythm.ts';

export interface ReporterParts {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly book: OutcomeBook;
  readonly lag: LoopLag;
}

/** Writes outcome lines from the start of the worker until it is stopped, at the times of {@link nextReportMs}. */
export class Reporter {
  readonly #parts: ReporterParts;
  readonly #stopped = new AbortController();

  constructor(parts: ReporterParts) {
    this.#parts = parts;
  }

  start(): void {
    const { metrics, book } = this.#parts;
    metrics.start(book.serverNowMs());
    void this.#report();
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** Writes the last line. */
  finish(): void {
    const { metrics, book } = this.#parts;
    metrics.flush(book.serverNowMs(), book.open.size, true);
  }

  async #report(): Promise<void> {
    const { clock, metrics, book, lag } = this.#parts;
    const startedAtMs = clock.nowMs();
    for (;;) {
      const nowMs = book.serverNowMs();
      const endMs = nextReportMs(nowMs, clock.nowMs() - startedAtMs, metrics.lastMs);
      await pause(clock, endMs - nowMs, this.#stopped.signal);
      if (this.#stopped.signal.aborted) return;
      metrics.flush(endMs, book.open.size);
      if (endMs % REPORT_MS === 0) lag.resetMax();
    }
  }
}
