import type { Random } from '../backoff.ts';

/**
 * Values of one metric between two flushes: all of them up to a limit, and beyond it an even random sample, so
 * that a fast worker's log does not grow with its traffic.
 */
export class Samples {
  readonly #limit: number;
  readonly #random: Random;
  #values: number[] = [];
  #seen = 0;

  constructor(limit: number, random: Random) {
    this.#limit = limit;
    this.#random = random;
  }

  add(value: number): void {
    this.#seen++;
    if (this.#values.length < this.#limit) {
      this.#values.push(value);
      return;
    }
    const slot = Math.floor(this.#random() * this.#seen);
    if (slot < this.#limit) this.#values[slot] = value;
  }

  /** The values since the last call, to a hundredth. */
  take(): number[] {
    const values = this.#values.map((value) => Math.round(value * 100) / 100);
    this.#values = [];
    this.#seen = 0;
    return values;
  }
}
