import type { Attempt, Block, Margins, StratumCounts } from '../../packages/core/src/judge/block.ts';
import { createJudge } from '../../packages/core/src/judge/judge.ts';
import { defaultJudgePolicy, type JudgePolicy } from '../../packages/core/src/judge/judge-policy.ts';
import { comparators, Minutes } from './comparators.ts';
import { Random } from './random.ts';
import { HORIZON_MS, noCounts, type Scenario, type Slice, Trace, type TrackCounts } from './trace.ts';

/** When a method rolled a release back and what that cost. */
export interface Detection {
  readonly atMs: number;
  /** Units that had failed on the canary because of its version. */
  readonly harmed: number;
}

/** One simulated release under every method; undefined where it was not rolled back within the hour. */
export interface Release {
  readonly judge: (Detection & { readonly units: number }) | undefined;
  readonly comparators: readonly (Detection | undefined)[];
}

export const comparatorNames = comparators().map(({ name }) => name);

const policy: JudgePolicy = { ...defaultJudgePolicy, shareMin: 0.1, deadlineMs: HORIZON_MS, warmUpMs: 0 };

/** Runs one release with all signals until every method has decided or the hour is over. */
export function runRelease(scenario: Scenario, seed: number, withComparators: boolean): Release {
  const trace = new Trace(scenario, new Random(seed));
  const judge = createJudge(policy, 0);
  const builder = new BlockBuilder();
  const others = withComparators ? comparators() : [];
  const minutes = new Minutes(others, scenario.batches === true ? 10 : 1);
  const harmedByMinute: number[] = [];
  let decided: Release['judge'];
  let harmed = 0;
  let units = 0;
  while (trace.next()) {
    const slice = trace.slice;
    harmed += slice.harmed;
    units += slice.first.canaryUnits + slice.first.baselineUnits;
    if (decided === undefined) {
      const problem = judge.observe(builder.block(slice));
      if (problem !== undefined) throw new Error(problem);
      if (judge.failedAtMs !== undefined) {
        decided = { atMs: slice.toMs, harmed, units };
        trace.coarse = true;
        trace.latency = false;
      }
    }
    if (minutes.add(slice)) harmedByMinute.push(harmed);
    if (
      decided !== undefined &&
      others.every(({ decidedAtMs }) => decidedAtMs !== undefined && decidedAtMs <= slice.toMs)
    ) {
      break;
    }
  }
  return {
    judge: decided,
    comparators: others.map(({ decidedAtMs }) =>
      decidedAtMs === undefined
        ? undefined
        : { atMs: decidedAtMs, harmed: harmedByMinute[Math.ceil(decidedAtMs / 60_000) - 1] ?? harmed },
    ),
  };
}

/** When and after how many units a release was certified on failures; undefined if not within the hour. */
export function runCertification(scenario: Scenario, seed: number, delta: number): Release['judge'] {
  const trace = new Trace(scenario, new Random(seed));
  trace.latency = false;
  const judge = createJudge({ ...policy, delta }, 0);
  const builder = new BlockBuilder();
  let harmed = 0;
  let units = 0;
  while (trace.next()) {
    const slice = trace.slice;
    harmed += slice.harmed;
    units += slice.first.canaryUnits + slice.first.baselineUnits;
    judge.observe(builder.block(slice, 'failures'));
    if (judge.failedAtMs !== undefined) return undefined;
    if (judge.certifiedAtMs !== undefined) return { atMs: slice.toMs, harmed, units };
  }
  return undefined;
}

type Signal = 'failures' | 'everything';

/** Makes blocks of slices; retries, being rare, are gathered for five seconds first. */
export class BlockBuilder {
  readonly #second = { counts: noCounts(), sinceMs: 0 };
  readonly #third = { counts: noCounts(), sinceMs: 0 };

  block(slice: Slice, signals: Signal = 'everything'): Block {
    const strata: StratumCounts[] = [{ attempt: 1, ...margins(slice.first) }];
    this.#retries(2, this.#second, slice.second, slice.toMs, strata);
    this.#retries(3, this.#third, slice.third, slice.toMs, strata);
    const block = { fromMs: slice.fromMs, toMs: slice.toMs, strata };
    if (signals === 'failures') return block;
    return {
      ...block,
      latency: { p50: margins(slice.p50), p90: margins(slice.p90), p99: margins(slice.p99) },
      receives: { canary: slice.first.canaryUnits, baseline: slice.first.baselineUnits },
      crashes: { count: slice.crashes, taskSeconds: slice.taskSeconds },
      deadLetters: slice.deadAfterThree,
    };
  }

  #retries(
    attempt: Attempt,
    gathered: { counts: TrackCounts; sinceMs: number },
    counts: TrackCounts,
    toMs: number,
    strata: StratumCounts[],
  ): void {
    const sum = gathered.counts;
    sum.canaryUnits += counts.canaryUnits;
    sum.canaryFailed += counts.canaryFailed;
    sum.baselineUnits += counts.baselineUnits;
    sum.baselineFailed += counts.baselineFailed;
    if (toMs - gathered.sinceMs < 5000) return;
    gathered.sinceMs = toMs;
    if (sum.canaryUnits + sum.baselineUnits === 0) return;
    strata.push({ attempt, ...margins(sum) });
    gathered.counts = noCounts();
  }
}

function margins({ canaryUnits, canaryFailed, baselineUnits, baselineFailed }: TrackCounts): Margins {
  return {
    canary: { units: canaryUnits, failed: canaryFailed },
    baseline: { units: baselineUnits, failed: baselineFailed },
  };
}
