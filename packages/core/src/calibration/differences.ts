import type { Cell } from '../judge/block.ts';
import { binsPerOctave } from '../judge/histogram.ts';
import { reportMs } from '../measurement/line.ts';
import type { Release } from './releases.ts';
import type { Scene } from './scene.ts';

/** By how much tasks of one version differ permanently, not by chance or for a moment. */
export interface TaskDifferences {
  /**
   * Standard deviation of the logarithm of a task's failure rate alongside the others'; 0 where they may be alike.
   * `taskSpread` of the policy must be at least this.
   */
  readonly rateSpread: number;
  /** The task that certainly fails more often than the others, and how many times as often. */
  readonly worst?: { readonly task: string; readonly times: number };
  /** The task that certainly takes longer than the others, and how many times as long. */
  readonly slowest?: { readonly task: string; readonly times: number; readonly bins: number };
}

/** What tasks did in one half of a window: in what differs in both halves alike, chance and moments cancel out. */
interface Half {
  units: number;
  failed: number;
  durations: number;
  bins: number;
}

/** Compared with the others: what of a task's failures theirs do not explain, and by how many bins it is slower. */
interface Apart {
  readonly expected: number;
  readonly more: number;
  readonly slower: number | undefined;
}

/** Standard errors by which tasks must differ beyond chance, and by which the one of many that stands out most must. */
const SURELY = 3;
const SURELY_ONE = 4;

/** Fewer durations do not tell how slow a task is. */
const DURATIONS_MIN = 30;

/** Fewer comparisons do not tell how much they vary. */
const COMPARISONS_MIN = 6;

/** A task that is slower by less than a bin, 4 %, is nobody's concern. */
const NOTABLE_BINS = 1;

/** Learns how much stable's tasks differ while they run alongside each other. */
export class Differences {
  #product = 0;
  #squares = 0;
  #scale = 0;
  readonly #failures = new Map<string, { failed: number; expected: number; variance: number }>();
  readonly #slowness = new Map<string, number[]>();

  /** Takes a window: the tasks of its releases, each alongside the others of its revision, once they are warm. */
  observe(scene: Scene, releases: readonly Release[], warmUpMs: number): void {
    const from = Math.min(...releases.map(({ fromMs }) => fromMs)) / reportMs - scene.first;
    const middle = Math.floor((from + scene.end - scene.first) / 2);
    const halves = new Map<string, readonly [Half, Half]>();
    for (const [task, cells] of scene.cells) {
      const warm = (cell: Cell | undefined): cell is Cell => cell !== undefined && cell.ageMs >= warmUpMs;
      const half = (begin: number, end?: number) => halfOf(cells.slice(begin, end).filter(warm));
      halves.set(task, [half(from, middle), half(middle)]);
    }
    let product = 0;
    for (const { task, others } of releases) {
      const own = halves.get(task);
      if (own === undefined) continue;
      const theirs = others.map((other) => halves.get(other)).filter((known) => known !== undefined);
      const first = apart(own[0], sumOf(theirs.map(([half]) => half)));
      const second = apart(own[1], sumOf(theirs.map(([, half]) => half)));
      product += first.more * second.more;
      this.#scale += first.expected * second.expected;
      this.#addFailures(task, first, second);
      const slowness = this.#slowness.get(task) ?? [];
      this.#slowness.set(task, slowness);
      for (const { slower } of [first, second]) if (slower !== undefined) slowness.push(slower);
    }
    // What one task fails more, the others fail less: only windows are independent of each other.
    this.#product += product;
    this.#squares += product * product;
  }

  get result(): TaskDifferences {
    const isSure = this.#product > SURELY * Math.sqrt(this.#squares);
    const worst = this.#worst();
    const slowest = this.#slowest();
    return {
      rateSpread: isSure && this.#scale > 0 ? Math.sqrt(this.#product / this.#scale) : 0,
      ...(worst && { worst }),
      ...(slowest && { slowest }),
    };
  }

  #addFailures(task: string, first: Apart, second: Apart): void {
    const known = this.#failures.get(task) ?? { failed: 0, expected: 0, variance: 0 };
    this.#failures.set(task, known);
    for (const { more, expected } of [first, second]) {
      known.failed += expected + more;
      known.expected += expected;
      // Of few failures that come in clumps, chance is more than Poisson's.
      known.variance += Math.max(expected, more * more);
    }
  }

  #worst(): TaskDifferences['worst'] {
    let worst: { readonly task: string; readonly times: number } | undefined;
    for (const [task, { failed, expected, variance }] of this.#failures) {
      if (expected === 0 || failed - expected <= SURELY_ONE * Math.sqrt(variance)) continue;
      if (failed / expected > (worst?.times ?? 1)) worst = { task, times: failed / expected };
    }
    return worst;
  }

  #slowest(): TaskDifferences['slowest'] {
    let slowest: { readonly task: string; readonly bins: number } | undefined;
    for (const [task, all] of this.#slowness) {
      if (all.length < COMPARISONS_MIN) continue;
      const mean = all.reduce((sum, each) => sum + each, 0) / all.length;
      const variance = all.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (all.length - 1);
      if (mean < NOTABLE_BINS || mean <= SURELY_ONE * Math.sqrt(variance / all.length)) continue;
      if (mean > (slowest?.bins ?? 0)) slowest = { task, bins: mean };
    }
    return slowest && { ...slowest, times: 2 ** (slowest.bins / binsPerOctave) };
  }
}

function halfOf(cells: readonly Cell[]): Half {
  const half: Half = { units: 0, failed: 0, durations: 0, bins: 0 };
  for (const { finished, failed, durations = [] } of cells) {
    half.units += finished;
    half.failed += failed;
    for (const [bin, count] of durations) {
      half.durations += count;
      half.bins += bin * count;
    }
  }
  return half;
}

function sumOf(halves: readonly Half[]): Half {
  const sum: Half = { units: 0, failed: 0, durations: 0, bins: 0 };
  for (const { units, failed, durations, bins } of halves) {
    sum.units += units;
    sum.failed += failed;
    sum.durations += durations;
    sum.bins += bins;
  }
  return sum;
}

function apart(own: Half, others: Half): Apart {
  const expected = others.units === 0 ? 0 : (own.units * others.failed) / others.units;
  const isMeasured = Math.min(own.durations, others.durations) >= DURATIONS_MIN;
  return {
    expected,
    more: others.units === 0 ? 0 : own.failed - expected,
    slower: isMeasured ? own.bins / own.durations - others.bins / others.durations : undefined,
  };
}
