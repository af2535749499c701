/** Longer names are cut. */
const NAME_LENGTH_MAX = 64;

const OTHER = 'other';

/** Counts by names that the handler chooses. So that no version makes lines grow, further names share one count. */
export class NamedCounts<Count> {
  readonly #namesMax: number;
  readonly #zero: Count;
  readonly #counts = new Map<string, Count>();

  constructor(namesMax: number, zero: Count) {
    this.#namesMax = namesMax;
    this.#zero = zero;
  }

  add(name: string, plus: (count: Count) => Count): void {
    const cut = name.slice(0, NAME_LENGTH_MAX);
    const key = this.#counts.has(cut) || this.#counts.size < this.#namesMax ? cut : OTHER;
    this.#counts.set(key, plus(this.#counts.get(key) ?? this.#zero));
  }

  /** The counts since the last call. */
  take(): Readonly<Record<string, Count>> {
    const counts = Object.fromEntries(this.#counts);
    this.#counts.clear();
    return counts;
  }
}
