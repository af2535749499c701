/** Waits until nothing is in progress: no handler runs, and nothing is on its way to SQS. */
export class Quiet {
  readonly #isQuiet: () => boolean;
  readonly #onQuiet: () => void;
  #waiting: Array<() => void> = [];

  constructor(isQuiet: () => boolean, onQuiet: () => void) {
    this.#isQuiet = isQuiet;
    this.#onQuiet = onQuiet;
  }

  /** Resolves as soon as it is quiet. */
  reached(): Promise<void> {
    if (this.#isQuiet()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Something has ended. */
  check(): void {
    if (!this.#isQuiet()) return;
    this.#onQuiet();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
