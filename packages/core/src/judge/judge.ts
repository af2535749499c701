import { type Block, blockProblem, type Cell } from './block.ts';
import { Certifications } from './certification.ts';
import { type Comparison, Comparisons } from './comparison.ts';
import { Concerns } from './concerns.ts';
import { Counters } from './counters.ts';
import { count, failuresOf, totalOf } from './counts.ts';
import { CrashLoop } from './crashes.ts';
import { Difference } from './difference.ts';
import { effectsOf } from './effect.ts';
import { type Evidence, type MetricEvidence, metricWeights, type Verdict } from './evidence.ts';
import { GrossFailures } from './gross.ts';
import { Heterogeneity } from './heterogeneity.ts';
import { binsPerOctave } from './histogram.ts';
import {
  isDryRun,
  type JudgedMetric,
  type JudgePolicy,
  judgedMetrics,
  slownessToleranceBins,
} from './judge-policy.ts';
import { QUANTILE_WEIGHTS, type SlowBins, Slower, slowBins } from './latency.ts';
import { Levels } from './levels.ts';
import { Lives } from './lives.ts';
import { exp, ln } from './numerics.ts';
import { Pool } from './pool.ts';
import { projected } from './projection.ts';
import { duration } from './required-sample.ts';
import { Shortfall } from './shortfall.ts';
import { Stream } from './stream.ts';
import { Tallies } from './tallies.ts';
import { type Situation, verdictOf } from './verdict.ts';
import { warmUpMsOf } from './warm-up.ts';
import { latencyWords, part, throughputWords, times } from './words.ts';

/** Judges one release, block after block; what it has observed it never takes back. */
export interface Judge {
  /**
   * Takes the next block, in order.
   *
   * @returns why the block cannot be judged and was left out, or undefined when it was taken.
   */
  observe(block: Block): string | undefined;
  /** Takes the lines of the canary's tasks since the last block, a cell each: the next block has them again, added up. */
  glance(latest: readonly Cell[], nowMs: number): void;
  /** What the blocks so far say at `nowMs`; asking changes nothing and may be done as often as one likes. */
  verdict(nowMs: number): Verdict;
  /** When the evidence against the canary first sufficed, whatever the verdict makes of it; cheap to ask. */
  readonly failedAtMs: number | undefined;
  /** Whether every required metric is certified by what has been seen; cheap to ask. */
  readonly isCertified: boolean;
}

/** What there is to judge. */
export interface Seen {
  /** Stable alone, before the canary was steady: says what is usual. */
  readonly past: readonly Block[];
  /** All that is on record of the first half hour of stable's tasks: says how much they differ, however early it is. */
  readonly starts?: readonly Cell[];
  readonly blocks: Iterable<Block>;
  /** Lines of the canary's tasks since the last block, a cell each. */
  readonly latest?: readonly Cell[];
}

/**
 * A judge for a release whose canary reached steady state at `startedAtMs`.
 *
 * Nothing but the policy and the blocks enters: the same blocks in the same order give the same digits on every
 * platform, so a controller may keep no state and replay a release from its log.
 */
export function createJudge(
  policy: JudgePolicy,
  startedAtMs: number,
  { past, starts = [] }: Pick<Seen, 'past' | 'starts'>,
): Judge {
  return new ReleaseJudge(policy, startedAtMs, past, starts);
}

/** What was seen says at `nowMs` of a release that reached steady state at `startedAtMs`. */
export function judgeBlocks(policy: JudgePolicy, startedAtMs: number, seen: Seen, nowMs: number): Verdict {
  const judge = createJudge(policy, startedAtMs, seen);
  for (const block of seen.blocks) judge.observe(block);
  judge.glance(seen.latest ?? [], nowMs);
  return judge.verdict(nowMs);
}

/** Latency is compared over intervals of 15 s, throughput and counters over 30 s: in five a task wavers. */
const LATENCY_SPAN_MS = 15_000;
const AMOUNTS_SPAN_MS = 30_000;

/** Part of latency's stake on what is blatantly slower; it has no tolerance wider than the usual. */
const BLATANT = 0.25;

/** Factors of latency that stable's own tasks may make necessary to tolerate, in bins beyond the usual tolerance. */
const MORE_BINS = [0, 1, 2, 3, 5, 8, 12, 18];

/** How many times as many messages a warm task of stable may finish, where the canary has as many as it can take. */
const THROUGHPUT = 1.5;

/** A difference of failure rates of so small a part of the margin is nobody's reason to roll back. */
const NEGLIGIBLE_PART = 1 / 40;

/** So many standard deviations of the tasks' spread lie within what is tolerated. */
const SPREAD_TIMES = 2.33;

class ReleaseJudge implements Judge {
  readonly #policy: JudgePolicy;
  readonly #startedAtMs: number;
  readonly #warmUpMs: number;
  readonly #slow: SlowBins | undefined;
  readonly #messages: Stream;
  readonly #durations: Stream;
  readonly #amounts: Stream;
  readonly #failures = new Difference({ canary: failuresOf, baseline: failuresOf });
  readonly #gross = new GrossFailures();
  readonly #latency: Levels<Slower> | undefined;
  /** The median every five seconds: what is blatantly slower need not wait for longer intervals. */
  readonly #blatant: Slower | undefined;
  readonly #crashLoop = new CrashLoop();
  readonly #lives = new Lives(this.#crashLoop);
  readonly #throughput = new Shortfall(
    ({ finished, saturated }) => (saturated ? finished : undefined),
    ({ finished }) => finished,
    THROUGHPUT,
  );
  readonly #counters: Counters;
  readonly #concerns: Concerns;
  readonly #heterogeneity = new Heterogeneity();
  readonly #certifications: Certifications;
  readonly #stable = { units: 0, failed: 0 };
  readonly #tallies = new Tallies();
  #blocks = 0;
  #leftOut = 0;
  #problem: string | undefined;
  #untilMs: number;
  #failed: { readonly atMs: number; readonly evidence: Evidence } | undefined;

  constructor(policy: JudgePolicy, startedAtMs: number, past: readonly Block[], starts: readonly Cell[]) {
    this.#policy = policy;
    this.#startedAtMs = startedAtMs;
    this.#untilMs = startedAtMs;
    this.#warmUpMs = warmUpMsOf(policy, past);
    const streams = [0, LATENCY_SPAN_MS, AMOUNTS_SPAN_MS].map((spanMs) => {
      return new Stream(
        new Comparisons(startedAtMs, policy.deadlineMs, this.#warmUpMs),
        new Pool(spanMs, spanMs !== AMOUNTS_SPAN_MS),
      );
    });
    [this.#messages, this.#durations, this.#amounts] = streams as [Stream, Stream, Stream];
    this.#heterogeneity.observe(starts.filter(({ ageMs }) => ageMs >= this.#warmUpMs));
    const cells: Cell[] = [];
    for (const block of past) {
      for (const stream of streams) stream.comparisons.learn(block);
      const warm = block.stable.filter(({ ageMs }) => ageMs >= this.#warmUpMs);
      this.#learnOf(warm);
      cells.push(...warm);
    }
    this.#failures.learn(cells);
    this.#slow = slowBins(cells);
    const slow = this.#slow;
    const tolerance = slownessToleranceBins(policy);
    this.#latency =
      slow &&
      new Levels(
        MORE_BINS.map((more) => tolerance + more),
        (bins) => new Slower(slow, bins, cells, QUANTILE_WEIGHTS),
      );
    this.#blatant = slow && new Slower(slow, tolerance, cells, [1]);
    this.#concerns = new Concerns(cells);
    this.#certifications = new Certifications(policy, slow);
    this.#counters = new Counters(policy.counters);
  }

  observe(block: Block): string | undefined {
    this.#problem = blockProblem(block) ?? this.#orderProblem(block);
    if (this.#problem !== undefined) return this.#problem;
    this.#blocks += 1;
    this.#untilMs = block.toMs;
    this.#tallies.count(block);
    this.#observeCrashes(block);
    const compared = this.#messages.next(block);
    // Also not while stable is in trouble itself: this block has told by now.
    if (!this.#messages.comparisons.isDisturbed(block.fromMs)) this.#gross.observe(block.canary);
    if (compared === 'left out') this.#leftOut += 1;
    else if (compared !== undefined) this.#compare(compared);
    const durations = this.#durations.next(block);
    if (typeof durations === 'object') {
      this.#latency?.observe(durations);
      if (durations.warm) this.#certifications.observeDurations(durations);
    }
    const amounts = this.#amounts.next(block);
    if (typeof amounts === 'object' && amounts.warm) {
      this.#throughput.observe(amounts);
      this.#counters.observe(amounts);
    }
    this.#failIfSure(block.toMs);
    return undefined;
  }

  glance(latest: readonly Cell[], nowMs: number): void {
    if (latest.length === 0 || this.#messages.comparisons.isDisturbed(nowMs)) return;
    const broken = this.#staked('broken') * this.#gross.with(latest);
    if (this.#failed === undefined && broken >= 1 / this.#policy.alpha) {
      for (const cell of latest) count(this.#tallies.canary, failuresOf(cell));
      this.#gross.observe(latest);
      this.#failed = { atMs: nowMs, evidence: this.#evidence() };
    }
  }

  verdict(nowMs: number): Verdict {
    const situation: Situation = {
      policy: this.#policy,
      startedAtMs: this.#startedAtMs,
      nowMs,
      evidence: this.#evidence(),
      failed: this.#failed,
      isCertified: this.isCertified,
      warmUpMs: this.#warmUpMs,
      problem: this.#problem,
      lastUnitAtMs: this.#tallies.lastUnitAtMs,
      baselineUnitsSinceCanary: this.#tallies.baselineUnitsSinceCanary,
      canaryUnitsSinceBaseline: this.#tallies.canaryUnitsSinceBaseline,
    };
    return verdictOf(situation);
  }

  get failedAtMs(): number | undefined {
    return this.#failed?.atMs;
  }

  get isCertified(): boolean {
    return this.#certifications.evidence(this.#heterogeneity).every(({ certified }) => certified);
  }

  /** Blocks come in order and cover each moment once: a repeated block would count its messages twice. */
  #orderProblem({ fromMs }: Block): string | undefined {
    if (fromMs < this.#startedAtMs) {
      return `the block begins at ${fromMs}, before the canary was steady at ${this.#startedAtMs}`;
    }
    return fromMs < this.#untilMs
      ? `the block begins at ${fromMs}, but all until ${this.#untilMs} has been judged already: it was given twice, or overlaps`
      : undefined;
  }

  #observeCrashes(block: Block): void {
    this.#lives.observe(block);
    const { crashes, toMs } = block;
    if (crashes !== undefined) this.#crashLoop.observe(crashes.canary, crashes.stable, this.#elapsed(toMs));
  }

  #compare(comparison: Comparison): void {
    this.#failures.observe(comparison);
    this.#blatant?.observe(comparison);
    this.#concerns.observe(comparison);
    if (!comparison.warm) return;
    this.#certifications.observe(comparison);
    this.#learnOf(comparison.baselines[0] ?? []);
  }

  #learnOf(stable: readonly Cell[]): void {
    this.#heterogeneity.observe(stable);
    count(this.#stable, totalOf(stable, failuresOf));
  }

  #elapsed(toMs: number): number {
    return Math.min(1, (toMs - this.#startedAtMs) / this.#policy.deadlineMs);
  }

  #failIfSure(atMs: number): void {
    if (this.#failed === undefined && this.#total(this.#spread) >= 1 / this.#policy.alpha) {
      this.#failed = { atMs, evidence: this.#evidence() };
    }
  }

  /** How much the odds of a good canary may differ from stable's: as its tasks do, and as what is negligible makes them. */
  get #spread(): number {
    const { taskSpread, margin } = this.#policy;
    const rate = (this.#stable.failed + 0.5) / (this.#stable.units + 100);
    const more = Math.min(0.9, rate + margin * NEGLIGIBLE_PART);
    const negligible = ln(more / (1 - more)) - ln(rate / (1 - rate));
    return Math.max(taskSpread, negligible / SPREAD_TIMES, this.#heterogeneity.rateSpread);
  }

  #eValue(metric: JudgedMetric, spread: number, slowness: number): number {
    switch (metric) {
      case 'failures':
        return this.#failures.value(spread);
      case 'broken':
        return this.#gross.value;
      case 'latency': {
        if (this.#latency === undefined) return 1;
        const needed = slownessToleranceBins(this.#policy) + slowness - 0.5;
        const tolerance = this.#latency.atLeast(needed);
        // Where stable's tasks differ by more than any tolerance, a slow canary proves nothing.
        if (tolerance === undefined) return 1;
        const blatant = slowness > 0.5 ? 1 : (this.#blatant?.value ?? 1);
        return (1 - BLATANT) * this.#latency.at(tolerance).value + BLATANT * blatant;
      }
      case 'crashes':
        return this.#crashLoop.value;
      case 'throughput':
        return this.#throughput.value;
      case 'counters':
        return this.#counters.value;
    }
  }

  /** The part of the stake on a metric: none where it only says what it would have done. */
  #staked(metric: JudgedMetric): number {
    return isDryRun(this.#policy, metric) && this.#policy.dryRun !== true ? 0 : metricWeights[metric];
  }

  #total(spread: number, slowness = this.#heterogeneity.slownessBins): number {
    let sum = 0;
    for (const metric of judgedMetrics) {
      const weight = this.#staked(metric);
      if (weight > 0) sum += weight * this.#eValue(metric, spread, slowness);
    }
    return sum;
  }

  #evidence(): Evidence {
    const { canary, baseline, retriedCanary, retriedBaseline } = this.#tallies;
    const spread = this.#spread;
    const slowness = this.#heterogeneity.slownessBins;
    const total = this.#total(spread, slowness);
    const certification = this.#certifications.evidence(this.#heterogeneity);
    const expected = projected(this.#policy, total, certification, this.#untilMs - this.#startedAtMs);
    return {
      untilMs: this.#untilMs,
      canary: { ...canary },
      baseline: { ...baseline },
      retried: { canary: { ...retriedCanary }, baseline: { ...retriedBaseline } },
      total,
      totalNeeded: 1 / this.#policy.alpha,
      metrics: judgedMetrics.map((metric) => this.#metric(metric, this.#eValue(metric, spread, slowness))),
      certification,
      effects: effectsOf(this.#messages.compared, this.#durations.compared, this.#slow),
      concerns: this.#concerns.concerns(1 / this.#policy.alpha),
      stableTasks: {
        tasks: this.#heterogeneity.failureRateSpread.tasks,
        spread: this.#heterogeneity.rateSpread,
        spreadUsed: spread,
        slowest: exp((slowness * Math.LN2) / binsPerOctave),
        totalIfAlike: this.#total(Math.min(spread, this.#policy.taskSpread), 0),
      },
      ...(expected && { projected: expected }),
      blocks: this.#blocks,
      blocksLeftOut: this.#leftOut,
    };
  }

  #metric(metric: JudgedMetric, eValue: number): MetricEvidence {
    const words = this.#words(metric);
    return {
      metric,
      eValue,
      weight: metricWeights[metric],
      measured: words !== undefined,
      dryRun: isDryRun(this.#policy, metric),
      counts: words ?? 'not measured',
    };
  }

  /** What was seen of a metric; undefined where it was not measured. */
  #words(metric: JudgedMetric): string | undefined {
    const { canary, baseline, crashes, measured } = this.#tallies;
    switch (metric) {
      case 'failures':
      case 'broken':
        return canary.units + baseline.units === 0
          ? undefined
          : `the canary failed ${part(canary)} on first attempts, the baseline ${part(baseline)}`;
      case 'latency':
        return this.#latency === undefined || !measured.durations
          ? undefined
          : latencyWords(this.#durations.compared, this.#slow![1]!);
      case 'crashes':
        return measured.crashes
          ? `the canary's tasks crashed ${times(crashes.canary)} while they ran for ${duration(1000 * crashes.canarySeconds)} together, stable's ${times(crashes.stable)} in ${duration(1000 * crashes.stableSeconds)}`
          : undefined;
      case 'throughput':
        return measured.saturated ? throughputWords(this.#amounts.compared) : undefined;
      case 'counters':
        return this.#counters.words;
    }
  }
}
