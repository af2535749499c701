import { textOf } from '../errors.ts';

const NAME = /^[A-Za-z0-9 _.:-]{1,64}$/;

/** Names that a worker may count under in all its life: they are for figures that a team watches, not for data. */
const NAMES_MAX = 20;

/** The counters of the handler's author. A mistake throws inside the handler that makes it. */
export class OwnCounters {
  readonly #names = new Set<string>();
  readonly #counts = new Map<string, number>();

  /** Not a method: handlers take it out of their context. */
  readonly count = (name: string, by = 1): void => {
    if (typeof name !== 'string' || !NAME.test(name)) {
      throw new TypeError(
        `count: a name has 1 to 64 letters, digits, spaces and characters of _.:-, and "${textOf(name)}" does not`,
      );
    }
    const sum = (this.#counts.get(name) ?? 0) + by;
    if (!Number.isFinite(sum)) {
      throw new RangeError(`count: "${name}" can be raised by a finite number, not by ${textOf(by)}`);
    }
    if (!this.#names.has(name) && this.#names.size >= NAMES_MAX) {
      throw new RangeError(
        `count: a worker counts under at most ${NAMES_MAX} names, and "${name}" is one more`,
      );
    }
    this.#names.add(name);
    this.#counts.set(name, sum);
  };

  /** The counts since the last call. */
  take(): Readonly<Record<string, number>> {
    const counts = Object.fromEntries(this.#counts);
    this.#counts.clear();
    return counts;
  }
}
