import type { Block } from '../../packages/core/src/judge/block.ts';
import { Before } from './before.ts';
import type { Comparator } from './comparator.ts';

export const comparatorNames = ['before', 'DLQ >= 10', 'error rate > 5 %', 'Kayenta'];

/** The judge as it was before, and what others do today. */
export function comparators(past: readonly Block[]): Comparator[] {
  return [new Before(past), ...[new DeadLetterAlarm(), new FixedThreshold(), new Kayenta()].map(byMinute)];
}

/** One minute of a release, in messages. */
interface Minute {
  readonly endsAtMs: number;
  canary: number;
  canaryFailed: number;
  stable: number;
  stableFailed: number;
}

interface Method {
  readonly name: string;
  minute(minute: Minute): void;
  readonly decidedAtMs: number | undefined;
}

const MINUTE_MS = 60_000;

/** Adds blocks up to minutes. */
function byMinute(method: Method): Comparator {
  const next = (endsAtMs: number): Minute => {
    return { endsAtMs, canary: 0, canaryFailed: 0, stable: 0, stableFailed: 0 };
  };
  let minute = next(MINUTE_MS);
  return {
    name: method.name,
    observe({ toMs, canary, stable }) {
      for (const { finished, failed } of canary) {
        minute.canary += finished;
        minute.canaryFailed += failed;
      }
      for (const { finished, failed } of stable) {
        minute.stable += finished;
        minute.stableFailed += failed;
      }
      if (toMs < minute.endsAtMs) return;
      if (method.decidedAtMs === undefined) method.minute(minute);
      minute = next(minute.endsAtMs + MINUTE_MS);
    },
    get decidedAtMs() {
      return method.decidedAtMs;
    },
  };
}

/**
 * The reference sample: a message is dead after one receive, when its visibility timeout of five minutes is over. Ten
 * within five minutes raise the alarm, a minute late, as the metric is.
 */
class DeadLetterAlarm implements Method {
  readonly name = 'DLQ >= 10';
  decidedAtMs: number | undefined;
  readonly #failed: number[] = [];

  minute({ endsAtMs, canaryFailed, stableFailed }: Minute): void {
    this.#failed.push(canaryFailed + stableFailed);
    if (this.#failed.length > 5) this.#failed.shift();
    if (this.#failed.reduce((sum, each) => sum + each) >= 10) this.decidedAtMs = endsAtMs + 6 * MINUTE_MS;
  }
}

/** Argo and Flagger style: the canary's error rate above 5 % in three consecutive minutes. */
class FixedThreshold implements Method {
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
class Kayenta implements Method {
  readonly name = 'Kayenta';
  decidedAtMs: number | undefined;
  readonly #canary: number[] = [];
  readonly #stable: number[] = [];
  #minutes = 0;

  minute({ endsAtMs, canary, canaryFailed, stable, stableFailed }: Minute): void {
    this.#minutes += 1;
    if (canary > 0) this.#canary.push(canaryFailed / canary);
    if (stable > 0) this.#stable.push(stableFailed / stable);
    if (this.#minutes % 5 === 0 && this.#isHigh()) this.decidedAtMs = endsAtMs;
  }

  #isHigh(): boolean {
    const [m, n] = [this.#canary.length, this.#stable.length];
    if (m === 0 || n === 0 || this.#canary.every((rate) => rate === 0)) return false;
    const shifts = new Float64Array(m * n);
    let at = 0;
    let notAbove = 0;
    for (const high of this.#canary) {
      for (const low of this.#stable) {
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
