import { type Block, blockProblem, type Counts, type StratumCounts, stratumName } from './block.ts';
import { CrashLoop } from './crash-loop.ts';
import { DeadLetters } from './dead-letters.ts';
import {
  type CertificationEvidence,
  type Evidence,
  type JudgedMetric,
  type MetricEvidence,
  metricWeights,
  type Verdict,
} from './evidence.ts';
import { ExcessFailures, type ExcessStratum, newExcessStratum } from './excess.ts';
import type { CertifiedMetric, JudgePolicy } from './judge-policy.ts';
import { SlowerUnits } from './latency.ts';
import { NonInferiority } from './non-inferiority.ts';
import { percent } from './required-sample.ts';
import { Stall } from './stall.ts';
import { type Situation, verdictOf } from './verdict.ts';

/** Judges one release, block after block; what it has observed it never takes back. */
export interface Judge {
  /**
   * Takes the next block, in the order of their ends.
   *
   * @returns why the block cannot be judged and was left out, or undefined when it was taken.
   */
  observe(block: Block): string | undefined;
  /** What the blocks so far say at `nowMs`; asking changes nothing and may be done as often as one likes. */
  verdict(nowMs: number): Verdict;
  /** When the evidence against the canary first sufficed, whatever the verdict makes of it; cheap to ask. */
  readonly failedAtMs: number | undefined;
  /** When the last required metric was certified, whatever else a pass needs; cheap to ask. */
  readonly certifiedAtMs: number | undefined;
}

/**
 * A judge for a release whose canary reached steady state at `startedAtMs`.
 *
 * Nothing but the policy and the blocks enters: the same blocks in the same order give the same digits on every
 * platform, so a controller may keep no state and replay a release from its metrics.
 */
export function createJudge(policy: JudgePolicy, startedAtMs: number): Judge {
  return new ReleaseJudge(policy, startedAtMs);
}

/** What `blocks` say at `nowMs` of a release that reached steady state at `startedAtMs`. */
export function judgeBlocks(
  policy: JudgePolicy,
  startedAtMs: number,
  blocks: Iterable<Block>,
  nowMs: number,
): Verdict {
  const judge = createJudge(policy, startedAtMs);
  for (const block of blocks) judge.observe(block);
  return judge.verdict(nowMs);
}

interface Tally {
  units: number;
  failed: number;
}

interface StratumTally {
  readonly stratum: Pick<StratumCounts, 'attempt' | 'messageType'>;
  readonly canary: Tally;
  readonly baseline: Tally;
  readonly excess: ExcessStratum;
  untilMs: number;
  /** Which block it was last looked for in. */
  lookedAt: number;
}

/** Strata by receive count, of one message type. */
type ByAttempt = (StratumTally | undefined)[];

interface Certification {
  readonly metric: CertifiedMetric;
  readonly margin: number;
  readonly process: NonInferiority;
  certifiedAtMs: number | undefined;
}

/** A task of the stable service compared with all others. */
interface StableTask {
  readonly process: ExcessFailures;
  readonly excess: ExcessStratum;
}

class ReleaseJudge implements Judge {
  readonly #policy: JudgePolicy;
  readonly #startedAtMs: number;
  readonly #failures: ExcessFailures;
  readonly #latency: SlowerUnits;
  readonly #stall: Stall;
  readonly #crashLoop = new CrashLoop();
  readonly #deadLetters = new DeadLetters();
  readonly #certifications: readonly Certification[];
  readonly #stableTasks = new Map<string, StableTask>();
  readonly #strata: StratumTally[] = [];
  readonly #untyped: ByAttempt = [undefined, undefined, undefined, undefined];
  readonly #typed = new Map<string, ByAttempt>();
  readonly #measured: Record<JudgedMetric, boolean> = {
    failures: false,
    latency: false,
    stall: false,
    crashes: false,
    deadLetters: false,
  };
  readonly #slow = { canary: tally(), baseline: tally() };
  readonly #receives = { canary: 0, baseline: 0 };
  readonly #crashes = { count: 0, taskSeconds: 0 };
  readonly #dead = { letters: 0, receives: 0, canaryReceives: 0 };
  #blocks = 0;
  #looks = 0;
  #blocksUnusable = 0;
  #problem: string | undefined;
  #untilMs: number;
  #lastUnitAtMs: number | undefined;
  #baselineUnitsSinceCanary = 0;
  #canaryUnitsSinceBaseline = 0;
  #failed: { readonly atMs: number; readonly evidence: Evidence } | undefined;

  constructor(policy: JudgePolicy, startedAtMs: number) {
    this.#policy = policy;
    this.#startedAtMs = startedAtMs;
    this.#untilMs = startedAtMs;
    this.#failures = new ExcessFailures(policy.oddsRatioTolerance);
    this.#latency = new SlowerUnits(policy.oddsRatioTolerance);
    this.#stall = new Stall(policy.shareMin);
    this.#certifications = policy.required.map((metric) => {
      const margin = metric === 'failures' ? policy.delta : policy.latencyDelta;
      return { metric, margin, process: new NonInferiority(margin), certifiedAtMs: undefined };
    });
  }

  observe(block: Block): string | undefined {
    this.#problem = blockProblem(block) ?? this.#orderProblem(block);
    if (this.#problem !== undefined) {
      this.#blocksUnusable += 1;
      return this.#problem;
    }
    this.#blocks += 1;
    this.#untilMs = block.toMs;
    const horizonMs = this.#policy.deadlineMs;
    const elapsed = Math.min(1, (block.toMs - this.#startedAtMs) / horizonMs);
    this.#observeOutcomes(block, elapsed);
    this.#observeLatency(block, elapsed);
    if (block.receives !== undefined) {
      this.#measured.stall = true;
      this.#receives.canary += block.receives.canary;
      this.#receives.baseline += block.receives.baseline;
      this.#stall.observe(block.receives, elapsed);
    }
    if (block.crashes !== undefined) {
      this.#measured.crashes = true;
      this.#crashes.count += block.crashes.count;
      this.#crashes.taskSeconds += block.crashes.taskSeconds;
      this.#crashLoop.observe(block.crashes, elapsed);
    }
    this.#compareStableTasks(block, elapsed);
    this.#certify(block.toMs);
    if (this.#failed === undefined && this.#total() >= 1 / this.#policy.alpha) {
      this.#failed = { atMs: block.toMs, evidence: this.#evidence() };
    }
    return undefined;
  }

  verdict(nowMs: number): Verdict {
    const evidence = this.#evidence();
    const situation: Situation = {
      policy: this.#policy,
      startedAtMs: this.#startedAtMs,
      nowMs,
      evidence,
      failed: this.#failed,
      certifiedAtMs: this.certifiedAtMs,
      problem: this.#problem,
      lastUnitAtMs: this.#lastUnitAtMs,
      baselineUnitsSinceCanary: this.#baselineUnitsSinceCanary,
      canaryUnitsSinceBaseline: this.#canaryUnitsSinceBaseline,
    };
    return verdictOf(situation);
  }

  get failedAtMs(): number | undefined {
    return this.#failed?.atMs;
  }

  get certifiedAtMs(): number | undefined {
    let latest = this.#startedAtMs;
    for (const { certifiedAtMs } of this.#certifications) {
      if (certifiedAtMs === undefined) return undefined;
      latest = Math.max(latest, certifiedAtMs);
    }
    return latest;
  }

  /** Blocks come in order and cover each moment of a stratum once: a repeated block would count its units twice. */
  #orderProblem({ fromMs, toMs, strata }: Block): string | undefined {
    if (fromMs < this.#startedAtMs) {
      return `the block begins at ${fromMs}, before the canary was steady at ${this.#startedAtMs}`;
    }
    if (toMs < this.#untilMs) {
      return `the block ends at ${toMs}, before the one already judged that ends at ${this.#untilMs}`;
    }
    this.#looks += 1;
    const added: string[] = [];
    for (const stratum of strata) {
      const known = this.#known(stratum);
      const name = known === undefined ? stratumName(stratum) : '';
      if (known !== undefined ? known.lookedAt === this.#looks : added.includes(name)) {
        return `the block has ${stratumName(stratum)} twice: add their counts up`;
      }
      if (known === undefined) {
        added.push(name);
      } else if (fromMs < known.untilMs) {
        return `the block begins at ${fromMs}, but ${stratumName(stratum)} are already judged until ${known.untilMs}: it was given twice, or overlaps`;
      } else {
        known.lookedAt = this.#looks;
      }
    }
    return undefined;
  }

  #observeOutcomes({ fromMs, toMs, strata, deadLetters }: Block, elapsed: number): void {
    if (deadLetters !== undefined) {
      this.#measured.deadLetters = true;
      for (const { receives, canaryReceives } of deadLetters) {
        this.#dead.letters += 1;
        this.#dead.receives += receives;
        this.#dead.canaryReceives += canaryReceives;
      }
      this.#deadLetters.observe(deadLetters, elapsed);
    }
    for (const stratum of strata) {
      const { canary, baseline, attempt } = stratum;
      const known = this.#known(stratum) ?? this.#addStratum(stratum);
      this.#failures.observe(known.excess, canary, baseline, fromMs, toMs, elapsed);
      this.#deadLetters.received(canary.units, canary.units + baseline.units);
      known.untilMs = toMs;
      count(known.canary, canary);
      count(known.baseline, baseline);
      if (attempt === 1) {
        for (const { metric, process } of this.#certifications) {
          if (metric === 'failures') {
            process.add(fromMs, canary.units, canary.failed, baseline.units, baseline.failed);
          }
        }
      }
      if (canary.units + baseline.units === 0) continue;
      this.#measured.failures = true;
      this.#lastUnitAtMs = toMs;
      this.#baselineUnitsSinceCanary = canary.units > 0 ? 0 : this.#baselineUnitsSinceCanary + baseline.units;
      this.#canaryUnitsSinceBaseline = baseline.units > 0 ? 0 : this.#canaryUnitsSinceBaseline + canary.units;
    }
  }

  #observeLatency({ fromMs, toMs, latency }: Block, elapsed: number): void {
    if (latency === undefined || fromMs < this.#startedAtMs + this.#policy.warmUpMs) return;
    this.#measured.latency = true;
    const { canary, baseline } = latency.p90;
    count(this.#slow.canary, canary);
    count(this.#slow.baseline, baseline);
    this.#latency.observe(latency, fromMs, toMs, elapsed);
    for (const { metric, process } of this.#certifications) {
      if (metric === 'latency') {
        process.add(fromMs, canary.units, canary.failed, baseline.units, baseline.failed);
      }
    }
  }

  /** Each task of the stable service against all others, as if it were the canary. */
  #compareStableTasks({ fromMs, toMs, stableTasks }: Block, elapsed: number): void {
    if (stableTasks === undefined) return;
    const all = tally();
    for (const task of stableTasks) count(all, task);
    for (const { task, units, failed } of stableTasks) {
      let known = this.#stableTasks.get(task);
      if (known === undefined) {
        known = { process: new ExcessFailures(1), excess: newExcessStratum() };
        this.#stableTasks.set(task, known);
      }
      const others = { units: all.units - units, failed: all.failed - failed };
      known.process.observe(known.excess, { units, failed }, others, fromMs, toMs, elapsed);
    }
  }

  #certify(toMs: number): void {
    if (toMs > this.#startedAtMs + this.#policy.deadlineMs) return;
    for (const certification of this.#certifications) {
      certification.process.settle(toMs);
      if (certification.process.value >= 1 / this.#policy.beta) certification.certifiedAtMs ??= toMs;
    }
  }

  #known({ attempt, messageType }: StratumCounts): StratumTally | undefined {
    return messageType === undefined ? this.#untyped[attempt] : this.#typed.get(messageType)?.[attempt];
  }

  #addStratum({ attempt, messageType }: StratumCounts): StratumTally {
    const added: StratumTally = {
      stratum: messageType === undefined ? { attempt } : { attempt, messageType },
      canary: tally(),
      baseline: tally(),
      excess: newExcessStratum(),
      untilMs: this.#startedAtMs,
      lookedAt: this.#looks,
    };
    this.#strata.push(added);
    let attempts = this.#untyped;
    if (messageType !== undefined) {
      attempts = this.#typed.get(messageType) ?? [];
      this.#typed.set(messageType, attempts);
    }
    attempts[attempt] = added;
    return added;
  }

  #total(): number {
    return (
      metricWeights.failures * this.#failures.value +
      metricWeights.latency * this.#latency.value +
      metricWeights.stall * this.#stall.value +
      metricWeights.crashes * this.#crashLoop.value +
      metricWeights.deadLetters * this.#deadLetters.value
    );
  }

  #evidence(): Evidence {
    const { alpha, beta } = this.#policy;
    const first = { canary: tally(), baseline: tally() };
    const strata: StratumCounts[] = [];
    for (const { stratum, canary, baseline } of this.#strata) {
      strata.push({ ...stratum, canary: { ...canary }, baseline: { ...baseline } });
      if (stratum.attempt !== 1) continue;
      count(first.canary, canary);
      count(first.baseline, baseline);
    }
    const stableTasks = this.#stableTaskEvidence();
    return {
      untilMs: this.#untilMs,
      ...first,
      strata,
      total: this.#total(),
      totalNeeded: 1 / alpha,
      metrics: [
        this.#metric('failures', this.#failures.value, failureWords(first, strata)),
        this.#metric(
          'latency',
          this.#latency.value,
          `beyond the baseline's past p90 were ${part(this.#slow.canary)} on the canary, ${part(this.#slow.baseline)} on the baseline`,
        ),
        this.#metric(
          'stall',
          this.#stall.value,
          `the canary took ${this.#receives.canary} of ${this.#receives.canary + this.#receives.baseline} receives, where at least ${percent(this.#policy.shareMin)} was due`,
        ),
        this.#metric(
          'crashes',
          this.#crashLoop.value,
          `canary tasks crashed ${this.#crashes.count} times in ${Math.round(this.#crashes.taskSeconds)} task-seconds`,
        ),
        this.#metric(
          'deadLetters',
          this.#deadLetters.value,
          `of ${this.#dead.receives} receives of ${this.#dead.letters} dead letters the canary had ${this.#dead.canaryReceives}`,
        ),
      ],
      certification: this.#certifications.map(
        ({ metric, margin, process, certifiedAtMs }): CertificationEvidence => ({
          metric,
          margin,
          eValue: process.value,
          eValueNeeded: 1 / beta,
          certified: certifiedAtMs !== undefined,
        }),
      ),
      ...(stableTasks === undefined ? {} : { stableTasks }),
      blocks: this.#blocks,
      blocksUnusable: this.#blocksUnusable,
    };
  }

  #metric(metric: JudgedMetric, eValue: number, counts: string): MetricEvidence {
    const measured = this.#measured[metric];
    return {
      metric,
      eValue,
      weight: metricWeights[metric],
      measured,
      counts: measured ? counts : 'not measured',
    };
  }

  #stableTaskEvidence(): Evidence['stableTasks'] {
    let worst: { task: string; eValue: number } | undefined;
    for (const [task, { process }] of this.#stableTasks) {
      if (worst === undefined || process.value > worst.eValue) worst = { task, eValue: process.value };
    }
    if (worst === undefined) return undefined;
    const tasks = this.#stableTasks.size;
    return { tasks, ...worst, eValueNeeded: tasks / this.#policy.alpha };
  }
}

function tally(): Tally {
  return { units: 0, failed: 0 };
}

function count(into: Tally, { units, failed }: Counts): void {
  into.units += units;
  into.failed += failed;
}

function part({ units, failed }: Counts): string {
  return units === 0 ? 'none of 0 units' : `${failed} of ${units} units (${percent(failed / units)})`;
}

/** First attempts of both tracks, and the retries that failed if any did. */
function failureWords(
  first: { readonly canary: Counts; readonly baseline: Counts },
  strata: readonly StratumCounts[],
): string {
  const words = [
    `the canary failed ${part(first.canary)} on first attempts, the baseline ${part(first.baseline)}`,
  ];
  for (const stratum of strata) {
    if (stratum.attempt === 1 || stratum.canary.failed + stratum.baseline.failed === 0) continue;
    words.push(`${stratumName(stratum)}: ${part(stratum.canary)} and ${part(stratum.baseline)}`);
  }
  return words.join('; ');
}
