/** Says how far a long run is, on standard error: in place on a terminal, else a line now and then. */
export class Progress {
  readonly #total: number;
  readonly #startedAt = performance.now();
  #done = 0;
  #shownAt = Number.NEGATIVE_INFINITY;

  /** @param total all there is to do, in any unit. */
  constructor(total: number) {
    this.#total = total;
  }

  /** Takes note that `amount` more has been done; `what` says of what. */
  advance(amount: number, what: string): void {
    this.#done += amount;
    const now = performance.now();
    const terminal = process.stderr.isTTY;
    if (now - this.#shownAt < (terminal ? 200 : 10_000)) return;
    this.#shownAt = now;
    const elapsed = (now - this.#startedAt) / 1000;
    const left = (elapsed * (this.#total - this.#done)) / this.#done;
    const line = `${what}; ${elapsed.toFixed(0)} s, about ${left.toFixed(0)} s left`;
    process.stderr.write(terminal ? `\r\u001b[K${line}` : `${line}\n`);
  }

  /** Clears the line. */
  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  }
}
