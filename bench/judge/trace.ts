import { Binomial, type Random } from './random.ts';

/** How a simulated release behaves. Rates are per unit: a message, or a batch of ten where `batches` is set. */
export interface Scenario {
  readonly name: string;
  readonly unitsPerSecond: number;
  readonly baselineRate: number;
  readonly canaryRate: number;
  /** When the canary begins to fail at its rate; until then it fails like the baseline. */
  readonly onsetMs?: number;
  /** The canary's part of the units; drifting moves it between 15 and 35 % over twenty minutes. */
  readonly share: number | 'drifting';
  /** Six bursts an hour, 20 s each, in which one message in five is poison for any version. */
  readonly bursts?: boolean;
  /** A unit is a batch of ten messages that fail together. */
  readonly batches?: boolean;
  /** Block as CloudWatch gives it, one every 5 s, instead of every 16 units. */
  readonly buckets?: boolean;
}

export interface TrackCounts {
  canaryUnits: number;
  canaryFailed: number;
  baselineUnits: number;
  baselineFailed: number;
}

export interface DeadLetter {
  readonly receives: number;
  readonly canaryReceives: number;
}

/** What happened in a few seconds of a simulated release; one object is used again for each. */
export interface Slice {
  fromMs: number;
  toMs: number;
  readonly first: TrackCounts;
  readonly second: TrackCounts;
  readonly third: TrackCounts;
  readonly p50: TrackCounts;
  readonly p90: TrackCounts;
  readonly p99: TrackCounts;
  /** Units that failed because of the version, on the canary. */
  harmed: number;
  /** Units that come to the dead-letter queue with at most one receive, and with at most three. */
  deadAfterOne: number;
  deadAfterThree: DeadLetter[];
  crashes: number;
  taskSeconds: number;
}

export const HORIZON_MS = 60 * 60_000;
const VISIBILITY_MS = 300_000;
const BUCKET_MS = 5000;
const BLOCK_UNITS = 16;
const BURST_MS = 20_000;
const BURST_EVERY_MS = 600_000;
const CANARY_TASKS = 2;
const CRASHES_PER_TASK_HOUR = 1 / 6;

/** Failed units that become visible again, or dead, at the same time with the same history. */
interface Returning {
  readonly atMs: number;
  readonly attempt: 1 | 2 | 3;
  readonly poison: boolean;
  readonly canaryReceives: number;
  readonly units: number;
}

export const noCounts = (): TrackCounts => ({
  canaryUnits: 0,
  canaryFailed: 0,
  baselineUnits: 0,
  baselineFailed: 0,
});

/** One release of a scenario, slice by slice. */
export class Trace {
  readonly slice: Slice = {
    fromMs: 0,
    toMs: 0,
    first: noCounts(),
    second: noCounts(),
    third: noCounts(),
    p50: noCounts(),
    p90: noCounts(),
    p99: noCounts(),
    harmed: 0,
    deadAfterOne: 0,
    deadAfterThree: [],
    crashes: 0,
    taskSeconds: 0,
  };
  /** Whether slower units are drawn too. */
  latency = true;
  /** Whether slices may be five seconds long because nobody looks at blocks any more. */
  coarse = false;
  readonly #scenario: Scenario;
  readonly #random: Random;
  readonly #returning: Returning[] = [];
  #returned = 0;
  readonly #baseline: Binomial;
  readonly #canary: Binomial;
  readonly #burst: Binomial;
  readonly #shares: Binomial[];
  readonly #half: Binomial;
  readonly #fifth: Binomial;
  readonly #tenth: Binomial;

  constructor(scenario: Scenario, random: Random) {
    this.#scenario = scenario;
    this.#random = random;
    this.#baseline = new Binomial(random, scenario.baselineRate);
    this.#canary = new Binomial(random, scenario.canaryRate);
    this.#burst = new Binomial(random, 0.2);
    this.#half = new Binomial(random, 0.5);
    this.#fifth = new Binomial(random, 0.2);
    this.#tenth = new Binomial(random, 0.1);
    this.#shares =
      scenario.share === 'drifting'
        ? Array.from({ length: 21 }, (_, step) => new Binomial(random, 0.15 + 0.01 * step))
        : [new Binomial(random, scenario.share)];
  }

  /** Moves on by a slice; false at the end of the horizon. */
  next(): boolean {
    const slice = this.slice;
    if (slice.toMs >= HORIZON_MS) return false;
    const { unitsPerSecond, buckets } = this.#scenario;
    const blockMs = Math.min(BUCKET_MS, (BLOCK_UNITS / unitsPerSecond) * 1000);
    const durationMs = buckets || this.coarse ? BUCKET_MS : blockMs;
    slice.fromMs = slice.toMs;
    slice.toMs += durationMs;
    const shares = this.#sharesAt(slice.fromMs);
    const canary = this.#harms() ? this.#canary : this.#baseline;
    slice.harmed = 0;
    slice.deadAfterOne = 0;
    if (slice.deadAfterThree.length > 0) slice.deadAfterThree = [];
    const units = Math.round((unitsPerSecond * durationMs) / 1000);
    const first = slice.first;
    first.canaryUnits = shares.draw(units);
    first.baselineUnits = units - first.canaryUnits;
    const bursting =
      this.#scenario.bursts === true && (slice.fromMs + BURST_EVERY_MS / 2) % BURST_EVERY_MS < BURST_MS;
    const poisonCanary = bursting ? this.#burst.draw(first.canaryUnits) : 0;
    const poisonBaseline = bursting ? this.#burst.draw(first.baselineUnits) : 0;
    const plainCanary = canary.draw(first.canaryUnits - poisonCanary);
    const plainBaseline = this.#baseline.draw(first.baselineUnits - poisonBaseline);
    first.canaryFailed = poisonCanary + plainCanary;
    first.baselineFailed = poisonBaseline + plainBaseline;
    if (this.#harms()) slice.harmed += plainCanary;
    this.#return(1, true, 1, poisonCanary);
    this.#return(1, true, 0, poisonBaseline);
    this.#return(1, false, 1, plainCanary);
    this.#return(1, false, 0, plainBaseline);
    clear(slice.second);
    clear(slice.third);
    this.#receiveAgain(canary, shares);
    if (this.latency) this.#drawLatency();
    slice.taskSeconds = (CANARY_TASKS * durationMs) / 1000;
    slice.crashes = this.#random.uniform() < (slice.taskSeconds / 3600) * CRASHES_PER_TASK_HOUR ? 1 : 0;
    return true;
  }

  #harms(): boolean {
    return this.slice.fromMs >= (this.#scenario.onsetMs ?? 0);
  }

  #sharesAt(atMs: number): Binomial {
    if (this.#shares.length === 1) return this.#shares[0]!;
    const phase = (atMs % 1_200_000) / 1_200_000;
    return this.#shares[Math.round(20 * (phase < 0.5 ? 2 * phase : 2 - 2 * phase))]!;
  }

  #return(attempt: 1 | 2 | 3, poison: boolean, canaryReceives: number, units: number): void {
    if (units === 0) return;
    this.#returning.push({ atMs: this.slice.toMs + VISIBILITY_MS, attempt, poison, canaryReceives, units });
  }

  #receiveAgain(canary: Binomial, shares: Binomial): void {
    const slice = this.slice;
    for (;;) {
      const group = this.#returning[this.#returned];
      if (group === undefined || group.atMs > slice.toMs) return;
      this.#returned += 1;
      const { attempt, poison, canaryReceives, units } = group;
      if (attempt === 1) slice.deadAfterOne += units;
      if (attempt === 3) {
        for (let n = 0; n < units; n += 1) slice.deadAfterThree.push({ receives: 3, canaryReceives });
        continue;
      }
      const counts = attempt === 1 ? slice.second : slice.third;
      const next = attempt === 1 ? 2 : 3;
      const onCanary = shares.draw(units);
      const onBaseline = units - onCanary;
      const canaryFailed = poison ? onCanary : canary.draw(onCanary);
      const baselineFailed = poison ? onBaseline : this.#baseline.draw(onBaseline);
      counts.canaryUnits += onCanary;
      counts.canaryFailed += canaryFailed;
      counts.baselineUnits += onBaseline;
      counts.baselineFailed += baselineFailed;
      if (!poison && this.#harms()) slice.harmed += canaryFailed;
      this.#return(next, poison, canaryReceives + 1, canaryFailed);
      this.#return(next, poison, canaryReceives, baselineFailed);
    }
  }

  #drawLatency(): void {
    const { first, p50, p90, p99 } = this.slice;
    for (const counts of [p50, p90, p99]) {
      counts.canaryUnits = first.canaryUnits;
      counts.baselineUnits = first.baselineUnits;
    }
    p50.canaryFailed = this.#half.draw(first.canaryUnits);
    p90.canaryFailed = this.#fifth.draw(p50.canaryFailed);
    p99.canaryFailed = this.#tenth.draw(p90.canaryFailed);
    p50.baselineFailed = this.#half.draw(first.baselineUnits);
    p90.baselineFailed = this.#fifth.draw(p50.baselineFailed);
    p99.baselineFailed = this.#tenth.draw(p90.baselineFailed);
  }
}

function clear(counts: TrackCounts): void {
  counts.canaryUnits = 0;
  counts.canaryFailed = 0;
  counts.baselineUnits = 0;
  counts.baselineFailed = 0;
}
