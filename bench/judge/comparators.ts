import type { Slice } from './trace.ts';

/** What others do today, on the same trace: told of each minute, says when it rolls back. */
export interface Comparator {
  readonly name: string;
  minute(minute: Minute): void;
  /** When it has rolled the release back, with its own delays. */
  readonly decidedAtMs: number | undefined;
}

/** One minute of a release, in messages. */
export interface Minute {
  endsAtMs: number;
  canary: number;
  canaryFailed: number;
  baseline: number;
  baselineFailed: number;
  deadAfterOne: number;
  deadAfterThree: number;
}

const MINUTE_MS = 60_000;

/** Adds slices up to minutes and tells the comparators of each. */
export class Minutes {
  readonly #comparators: readonly Comparator[];
  readonly #messagesPerUnit: number;
  #minute: Minute = emptyMinute(MINUTE_MS);

  constructor(comparators: readonly Comparator[], messagesPerUnit: number) {
    this.#comparators = comparators;
    this.#messagesPerUnit = messagesPerUnit;
  }

  /** Takes a slice; whether it ended a minute. */
  add(slice: Slice): boolean {
    const minute = this.#minute;
    const messages = this.#messagesPerUnit;
    for (const counts of [slice.first, slice.second, slice.third]) {
      minute.canary += messages * counts.canaryUnits;
      minute.canaryFailed += messages * counts.canaryFailed;
      minute.baseline += messages * counts.baselineUnits;
      minute.baselineFailed += messages * counts.baselineFailed;
    }
    minute.deadAfterOne += messages * slice.deadAfterOne;
    minute.deadAfterThree += messages * slice.deadAfterThree.length;
    if (slice.toMs < minute.endsAtMs) return false;
    for (const comparator of this.#comparators) {
      if (comparator.decidedAtMs === undefined) comparator.minute(minute);
    }
    this.#minute = emptyMinute(minute.endsAtMs + MINUTE_MS);
    return true;
  }
}

function emptyMinute(endsAtMs: number): Minute {
  return {
    endsAtMs,
    canary: 0,
    canaryFailed: 0,
    baseline: 0,
    baselineFailed: 0,
    deadAfterOne: 0,
    deadAfterThree: 0,
  };
}

export function comparators(): Comparator[] {
  return [new DeadLetterAlarm(1), new DeadLetterAlarm(3), new FixedThreshold(), new Kayenta()];
}

/** The reference sample: ten dead letters, visibility 300 s; the metric comes a minute late. */
class DeadLetterAlarm implements Comparator {
  readonly name: string;
  decidedAtMs: number | undefined;
  readonly #maxReceives: 1 | 3;
  #dead = 0;

  constructor(maxReceives: 1 | 3) {
    this.#maxReceives = maxReceives;
    this.name = `DLQ>=10, ${maxReceives} receive${maxReceives === 1 ? '' : 's'}`;
  }

  minute(minute: Minute): void {
    this.#dead += this.#maxReceives === 1 ? minute.deadAfterOne : minute.deadAfterThree;
    if (this.#dead >= 10) this.decidedAtMs = minute.endsAtMs + MINUTE_MS;
  }
}

/** Argo and Flagger style: the canary's error rate above 5 % in three consecutive minutes. */
class FixedThreshold implements Comparator {
  readonly name = 'error rate > 5 %';
  decidedAtMs: number | undefined;
  #minutes = 0;

  minute({ endsAtMs, canary, canaryFailed }: Minute): void {
    this.#minutes = canary > 0 && canaryFailed / canary > 0.05 ? this.#minutes + 1 : 0;
    if (this.#minutes === 3) this.decidedAtMs = endsAtMs;
  }
}

/**
 * Kayenta's NetflixACAJudge: Mann-Whitney on error rates by minute, every five minutes over all so far. Fails
 * when the 98 % interval of the shift lies above a quarter of the Hodges-Lehmann estimate.
 */
class Kayenta implements Comparator {
  readonly name = 'Kayenta';
  decidedAtMs: number | undefined;
  readonly #canary: number[] = [];
  readonly #baseline: number[] = [];
  #minutes = 0;

  minute({ endsAtMs, canary, canaryFailed, baseline, baselineFailed }: Minute): void {
    this.#minutes += 1;
    if (canary > 0) this.#canary.push(canaryFailed / canary);
    if (baseline > 0) this.#baseline.push(baselineFailed / baseline);
    if (this.#minutes % 5 === 0 && this.#isHigh()) this.decidedAtMs = endsAtMs;
  }

  #isHigh(): boolean {
    const [m, n] = [this.#canary.length, this.#baseline.length];
    if (m === 0 || n === 0 || this.#canary.every((rate) => rate === 0)) return false;
    const shifts = new Float64Array(m * n);
    let at = 0;
    let notAbove = 0;
    for (const high of this.#canary) {
      for (const low of this.#baseline) {
        shifts[at] = high - low;
        at += 1;
        if (high <= low) notAbove += 1;
      }
    }
    const middle = (m * n) / 2;
    const below = Math.max(0, Math.floor(middle - 2.326 * Math.sqrt((m * n * (m + n + 1)) / 12)));
    // The lower end of the interval is not above 0: no need to sort for it.
    if (notAbove > below) return false;
    shifts.sort();
    const estimate = (shifts[Math.ceil(middle) - 1]! + shifts[Math.floor(middle)]!) / 2;
    const lower = shifts[below]!;
    return lower > 0.25 * Math.abs(estimate);
  }
}
