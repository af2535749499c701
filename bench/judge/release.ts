import type { Block } from '../../packages/core/src/judge/block.ts';
import { createJudge, type Judge } from '../../packages/core/src/judge/judge.ts';
import type { JudgePolicy } from '../../packages/core/src/judge/judge-policy.ts';
import { reportMs } from '../../packages/core/src/measurement/line.ts';
import { defaultReleasePolicy } from '../../packages/core/src/policy/policy.ts';
import type { Comparator } from './comparator.ts';
import { comparators } from './comparators.ts';
import { Fleet, HORIZON_MS } from './fleet.ts';
import { Random } from './random.ts';
import type { World } from './world.ts';

/** When a release was rolled back, and what it had cost by then. */
export interface Detection {
  readonly atMs: number;
  /** Messages that the canary's version had spoilt. */
  readonly harmed: number;
}

/** One simulated release; what is absent did not happen within the hour, or was not asked for. */
export interface Release {
  /** Rolled back by the judge. */
  readonly judge?: Detection;
  /** When the judge would have passed it. */
  readonly passedAtMs?: number;
  /** What the judge was concerned about when it failed the release, or held back its pass. */
  readonly concern?: string;
  /** What the comparators did, in their order. */
  readonly comparators?: readonly (Detection | null)[];
}

/**
 * How a release is run. `whole`: judged for the whole hour. `decided`: until the judge and the comparators have rolled
 * it back. `promoted`: until the judge has certified it or rolled it back.
 */
export interface Run {
  readonly until: 'whole' | 'decided' | 'promoted';
  /** Whether the comparators judge it too, and the judge is asked for a pass. */
  readonly inFull: boolean;
}

/** The default policy's bake, after which a release may pass. */
export const BAKE_MS = defaultReleasePolicy.bakeMs;

/** A pass that was held back is asked for again after this time, as often as the controller looks. */
const ASK_AGAIN_MS = 60_000;

export function policyOf({ counter }: Pick<World, 'counter'>): JudgePolicy {
  const policy = { ...defaultReleasePolicy.judge, deadlineMs: HORIZON_MS };
  return counter === undefined ? policy : { ...policy, counters: { done: counter } };
}

export function runRelease(world: World, seed: number, run: Run): Release {
  const fleet = new Fleet(world, new Random(seed));
  const judge = createJudge(policyOf(world), 0, fleet);
  if (run.until === 'promoted') return promote(judge, fleet);
  const others = run.inFull ? new Others(fleet.past) : undefined;
  const passes = run.inFull ? new Passes(judge) : undefined;
  let failed: Detection | undefined;
  for (let block = fleet.next(); block !== undefined; block = fleet.next()) {
    if (failed === undefined) {
      failed = observe(judge, fleet, block);
      passes?.ask(block.toMs, failed !== undefined);
    }
    others?.observe(block, fleet);
    if (failed !== undefined && (others === undefined || others.haveDecided(block.toMs))) break;
  }
  return {
    ...(failed && { judge: failed }),
    ...passes?.outcome,
    ...(others && { comparators: others.detections }),
  };
}

/** Until the first moment at which it would be promoted. */
function promote(judge: Judge, fleet: Fleet): Release {
  const passes = new Passes(judge);
  for (let block = fleet.next(); block !== undefined; block = fleet.next()) {
    const failed = observe(judge, fleet, block);
    if (failed !== undefined) return { judge: failed };
    passes.ask(block.toMs, false);
    if (passes.outcome.passedAtMs !== undefined) return passes.outcome;
  }
  return {};
}

/** Shows the judge a block as it comes: the lines of young tasks first. */
function observe(judge: Judge, fleet: Fleet, block: Block): Detection | undefined {
  for (const { atMs, lines, harmed } of fleet.glances()) {
    judge.glance(lines, atMs);
    if (judge.failedAtMs !== undefined) return { atMs, harmed };
  }
  const problem = judge.observe(block);
  if (problem !== undefined) throw new Error(problem);
  return judge.failedAtMs === undefined ? undefined : { atMs: block.toMs, harmed: fleet.harmed };
}

/** Asks the judge for a pass as soon as one may come. */
class Passes {
  readonly #judge: Judge;
  #passedAtMs: number | undefined;
  #concern: string | undefined;
  #askMs = BAKE_MS;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  get outcome(): Pick<Release, 'passedAtMs' | 'concern'> {
    return {
      ...(this.#passedAtMs !== undefined && { passedAtMs: this.#passedAtMs }),
      ...(this.#concern !== undefined && { concern: this.#concern }),
    };
  }

  ask(nowMs: number, hasFailed: boolean): void {
    // A verdict takes as long as hundreds of blocks, so only those are asked for that can be new.
    const mayPass = this.#passedAtMs === undefined && nowMs >= this.#askMs && this.#judge.isCertified;
    if (!hasFailed && !mayPass) return;
    const { kind, evidence } = this.#judge.verdict(nowMs);
    if (kind === 'pass') this.#passedAtMs = nowMs;
    else this.#concern ??= evidence.concerns[0]?.about;
    this.#askMs = nowMs + ASK_AGAIN_MS;
  }
}

/** The comparators, and what the release had cost at each moment. */
class Others {
  readonly #comparators: readonly Comparator[];
  readonly #harmed: number[] = [];

  constructor(past: readonly Block[]) {
    this.#comparators = comparators(past);
  }

  observe(block: Block, fleet: Fleet): void {
    for (const each of this.#comparators) if (each.decidedAtMs === undefined) each.observe(block);
    this.#harmed.push(fleet.harmed);
  }

  /** Whether each has rolled back by then, its delays included. */
  haveDecided(nowMs: number): boolean {
    return this.#comparators.every(({ decidedAtMs }) => decidedAtMs !== undefined && decidedAtMs <= nowMs);
  }

  get detections(): (Detection | null)[] {
    return this.#comparators.map(({ decidedAtMs }) => {
      if (decidedAtMs === undefined || decidedAtMs > HORIZON_MS) return null;
      return { atMs: decidedAtMs, harmed: this.#harmed[Math.ceil(decidedAtMs / reportMs) - 1]! };
    });
  }
}
