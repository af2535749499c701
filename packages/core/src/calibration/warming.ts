import { binsPerOctave, lastBin } from '../judge/histogram.ts';
import { type JudgePolicy, slownessToleranceBins } from '../judge/judge-policy.ts';
import type { Line } from '../measurement/line.ts';
import { startsMs } from '../measurement/measurement.ts';

/** How new tasks behave until they are warm. */
export interface Warming {
  /** Number of task starts in the log. */
  readonly starts: number;
  /** The age from which on new tasks fail no more, and take no longer, than they do later. */
  readonly warmAfterMs: number;
  /** Whether they are not warm even at the oldest age that was examined. */
  readonly isLater: boolean;
  /** Of messages that finished before that age; absent where tasks are warm from the start. And of those after. */
  readonly young?: Manner;
  readonly warm: Manner;
}

/** How tasks of an age work. */
export interface Manner {
  readonly failureRate: number;
  readonly medianMs: number | undefined;
}

/** Where ages are parted, seconds. Behind the last one, up to {@link startsMs}, tasks are taken for warm. */
const AGES_S = [5, 10, 15, 20, 30, 45, 60, 75, 90, 120, 150, 180, 240, 300, 420, 600, 900];

/** What a task counts as warm with: so many times the warm ones' failures, or so small a part of the margin more. */
const FAILURES_TIMES = 1.5;
const NEGLIGIBLE_PART = 1 / 40;

/** Standard errors beyond which more failures are no chance. */
const SURELY = 3;

/** Fewer durations do not tell the median. */
const DURATIONS_MIN = 30;

/** Learns from first minutes of tasks how long they take to be warm. */
export class Warmings {
  readonly #ages = Array.from({ length: AGES_S.length + 1 }, () => new Age());
  #starts = 0;

  /** Takes the first half hour of one task; one that lived too shortly says nothing of how it would have become. */
  observe(lines: readonly Line[]): void {
    const [last] = lines.slice(-1);
    if (last === undefined || last.toMs - last.startedAt < startsMs - SHORTER_MS) return;
    this.#starts += 1;
    for (const line of lines) {
      const ageS = ((line.fromMs + line.toMs) / 2 - line.startedAt) / 1000;
      const at = AGES_S.findIndex((end) => ageS < end);
      this.#ages.at(at)!.add(line, this.#starts);
    }
  }

  /**
   * Undefined where no start is on record.
   *
   * @param clumping how many messages fail together.
   */
  result(policy: JudgePolicy, clumping: number): Warming | undefined {
    if (this.#starts === 0) return undefined;
    const ages = this.#ages.slice(0, -1);
    const warm = this.#ages.at(-1)!;
    const last = ages.findLastIndex((age) => age.isColdBeside(warm, policy, this.#starts, clumping));
    const young = new Age();
    for (const age of ages.slice(0, last + 1)) young.addAll(age);
    const settled = new Age();
    for (const age of this.#ages.slice(last + 1)) settled.addAll(age);
    return {
      starts: this.#starts,
      warmAfterMs: (AGES_S[last] ?? 0) * 1000,
      isLater: last === ages.length - 1,
      ...(last >= 0 && { young: young.manner }),
      warm: settled.manner,
    };
  }
}

/** A start is on record whole when at least all but so much of {@link startsMs} is. */
const SHORTER_MS = 5 * 60_000;

/** What tasks of an age did, all starts together. */
class Age {
  readonly #durations = new Float64Array(lastBin + 1);
  readonly #failing = new Set<number>();
  #units = 0;
  #failed = 0;

  add({ finished, failed, durations }: Line, start: number): void {
    this.#units += finished;
    this.#failed += failed;
    if (failed > 0) this.#failing.add(start);
    for (const [bin, count] of durations) this.#durations[bin]! += count;
  }

  addAll(other: Age): void {
    this.#units += other.#units;
    this.#failed += other.#failed;
    for (const [bin, count] of other.#durations.entries()) this.#durations[bin]! += count;
  }

  get manner(): Manner {
    const bin = this.#median?.bin;
    return {
      failureRate: this.#units === 0 ? 0 : this.#failed / this.#units,
      medianMs: bin === undefined ? undefined : 2 ** ((bin + 0.5) / binsPerOctave),
    };
  }

  isColdBeside(warm: Age, policy: JudgePolicy, starts: number, clumping: number): boolean {
    const rate = warm.manner.failureRate;
    const tolerated = this.#units * Math.max(FAILURES_TIMES * rate, rate + NEGLIGIBLE_PART * policy.margin);
    // What failed on one task alone was a moment's trouble, not its age.
    const isCommon = this.#failing.size >= Math.min(2, starts);
    if (isCommon && this.#failed > tolerated + SURELY * Math.sqrt(clumping * tolerated)) return true;
    const [own, others] = [this.#median, warm.#median];
    if (own === undefined || others === undefined) return false;
    // Half of what the judge tolerates: what is left of being new must not use it up.
    return own.bin > others.bin + slownessToleranceBins(policy) / 2 + SURELY * own.standardError;
  }

  get #median(): { readonly bin: number; readonly standardError: number } | undefined {
    let [total, sum, squares] = [0, 0, 0];
    for (const [bin, count] of this.#durations.entries()) {
      total += count;
      sum += bin * count;
      squares += bin * bin * count;
    }
    if (total < DURATIONS_MIN) return undefined;
    let count = 0;
    const bin = this.#durations.findIndex((each) => {
      count += each;
      return count >= total / 2;
    });
    const variance = Math.max(0, squares / total - (sum / total) ** 2);
    return { bin, standardError: MEDIANS_TIMES * Math.sqrt(variance / total) };
  }
}

/** By how much a median wavers more than a mean. */
const MEDIANS_TIMES = 1.25;
