import type { Histogram } from '../judge/histogram.ts';
import type { Line } from '../measurement/line.ts';

/** What all lines of one task's life have in common. */
export type Identity = Pick<Line, 'task' | 'track' | 'revision' | 'startedAt'>;

/** Words of a line before its lists. */
const HEAD = 17;

const [SEQUENCE, FROM, TO] = [0, 1, 2];

/** A pair of a bin and a count is one word. */
const BIN_BITS = 9;
const BIN_MASK = (1 << BIN_BITS) - 1;

const wordMax = 2 ** 31 - 1;

/** Error classes, message types and counters by number: the same few come again and again. */
export class Names {
  readonly #names: string[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.#names.length;
      this.#names.push(name);
      this.#numbers.set(name, number);
    }
    return number;
  }

  nameOf(number: number): string {
    return this.#names[number]!;
  }
}

/**
 * The lines of one task's life in a tenth of the memory that objects take: a week of three tasks is 360,000 lines.
 * Whole numbers are kept up to 2^31, and memory to a tenth of a MiB, as workers report it.
 */
export class PackedLines {
  readonly identity: Identity;
  readonly #zeroMs: number;
  readonly #names: Names;
  #words = new Int32Array(256);
  #used = 0;
  #starts: number[] = [];
  #isSorted = true;

  /** @param zeroMs instants are kept as milliseconds from here, some 24 days at most. */
  constructor({ task, track, revision, startedAt }: Identity, zeroMs: number, names: Names) {
    this.identity = { task, track, revision, startedAt };
    this.#zeroMs = zeroMs;
    this.#names = names;
  }

  get length(): number {
    this.#sort();
    return this.#starts.length;
  }

  /** How much memory the lines take, in words of four bytes. */
  get words(): number {
    return this.#words.length;
  }

  add(line: Line): void {
    const { durations, errors, types, counters } = line;
    const [errorNames, typeNames, counterNames] = [
      Object.keys(errors),
      Object.keys(types),
      Object.keys(counters),
    ];
    const lists = durations.length + 2 * errorNames.length + 3 * typeNames.length + 3 * counterNames.length;
    const start = this.#used;
    const words = this.#room(HEAD + lists);
    let at = start;
    const put = (word: number) => {
      words[at] = Math.min(wordMax, word);
      at += 1;
    };
    put(line.sequence);
    put(line.fromMs - this.#zeroMs);
    put(line.toMs - this.#zeroMs);
    put(line.final ? 1 : 0);
    put(line.received);
    put(line.finished);
    put(line.failed);
    put(line.retried);
    put(line.retriedFailed);
    put(line.deadLettered);
    put(line.pollingMs);
    put(line.inFlight);
    put(Math.round(line.memoryMiB * 10));
    put(durations.length);
    put(errorNames.length);
    put(typeNames.length);
    put(counterNames.length);
    for (const [bin, count] of durations) put((Math.min(count, wordMax >> BIN_BITS) << BIN_BITS) | bin);
    for (const name of errorNames) {
      put(this.#names.numberOf(name));
      put(errors[name]!);
    }
    for (const name of typeNames) {
      put(this.#names.numberOf(name));
      put(types[name]![0]);
      put(types[name]![1]);
    }
    for (const name of counterNames) {
      put(this.#names.numberOf(name));
      double[0] = counters[name]!;
      put(halves[0]!);
      put(halves[1]!);
    }
    this.#starts.push(start);
    this.#isSorted = false;
  }

  /** The lines that end after `fromMs` and by `toMs`, in order, each once. */
  between(fromMs: number, toMs: number): Line[] {
    this.#sort();
    const lines: Line[] = [];
    for (let index = this.#firstEndingAfter(fromMs); index < this.#starts.length; index += 1) {
      const start = this.#starts[index]!;
      if (this.#at(start, TO) > toMs) break;
      lines.push(this.#read(start));
    }
    return lines;
  }

  /** Undefined where there are none. */
  get first(): Line | undefined {
    this.#sort();
    const start = this.#starts[0];
    return start === undefined ? undefined : this.#read(start);
  }

  get last(): Line | undefined {
    this.#sort();
    const start = this.#starts.at(-1);
    return start === undefined ? undefined : this.#read(start);
  }

  #read(start: number): Line {
    const words = this.#words;
    let at = start + 3;
    const take = () => {
      const word = words[at]!;
      at += 1;
      return word;
    };
    const fields = {
      ...this.identity,
      sequence: words[start + SEQUENCE]!,
      fromMs: this.#at(start, FROM),
      toMs: this.#at(start, TO),
      final: take() === 1,
      received: take(),
      finished: take(),
      failed: take(),
      retried: take(),
      retriedFailed: take(),
      deadLettered: take(),
      pollingMs: take(),
      inFlight: take(),
      memoryMiB: take() / 10,
    };
    const [durations, errors, types, counters] = [take(), take(), take(), take()];
    const times = <T>(count: number, make: () => T) => Array.from({ length: count }, make);
    const name = () => this.#names.nameOf(take());
    const histogram: Histogram = times(durations, () => {
      const word = take();
      return [word & BIN_MASK, word >>> BIN_BITS] as const;
    });
    return {
      ...fields,
      durations: histogram,
      errors: recordOf(errors, () => [name(), take()]),
      types: recordOf(types, () => [name(), [take(), take()] as const]),
      counters: recordOf(counters, () => {
        const counter = name();
        halves[0] = take();
        halves[1] = take();
        return [counter, double[0]!];
      }),
    };
  }

  #at(start: number, field: typeof FROM | typeof TO): number {
    return this.#zeroMs + this.#words[start + field!]!;
  }

  #firstEndingAfter(ms: number): number {
    let [low, high] = [0, this.#starts.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#at(this.#starts[middle]!, TO) > ms) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** In the order of their numbers. One that came twice is left out once. */
  #sort(): void {
    if (this.#isSorted) return;
    const words = this.#words;
    const number = (start: number) => words[start + SEQUENCE]!;
    this.#starts = this.#starts
      .sort((a, b) => number(a) - number(b) || a - b)
      .filter((start, index, all) => index === 0 || number(start) !== number(all[index - 1]!));
    this.#isSorted = true;
  }

  #room(words: number): Int32Array {
    this.#used += words;
    if (this.#used > this.#words.length) {
      const larger = new Int32Array(Math.max(this.#used, Math.ceil(this.#words.length * 1.5)));
      larger.set(this.#words);
      this.#words = larger;
    }
    return this.#words;
  }
}

/** Reads the two halves of a double, and puts them together again. */
const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);

/** Names come from messages and errors, so one may be `__proto__`. */
function recordOf<T>(count: number, entry: () => readonly [string, T]): Readonly<Record<string, T>> {
  return count === 0 ? {} : Object.fromEntries(Array.from({ length: count }, entry));
}
