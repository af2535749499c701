/** Units that a track finished, and how many of them failed. */
export interface Counts {
  readonly units: number;
  readonly failed: number;
}

/** Both tracks over the same interval. */
export interface Margins {
  readonly canary: Counts;
  readonly baseline: Counts;
}

/** Receive counts that are compared with each other: first attempts, second, and all later ones. */
export type Attempt = 1 | 2 | 3;

/**
 * Units that may be compared: the same message type, where the worker names one, and the same receive count.
 * A message that failed once is likelier to fail again, and the tracks need not see retries in equal parts.
 */
export interface StratumCounts extends Margins {
  readonly attempt: Attempt;
  readonly messageType?: string;
}

/** Units slower than the baseline's own past quantiles, timeouts counting as slowest; `failed` means slower. */
export interface LatencyCounts {
  readonly p50: Margins;
  readonly p90: Margins;
  readonly p99: Margins;
}

/**
 * What both tracks did over one interval: 16 units or 5 s, whichever comes first; on CloudWatch one 5 s bucket.
 *
 * A *unit* is one receive batch where the batch size exceeds 1 (failed if any of its messages failed), else
 * one message: messages of a batch fail together, and counting them one by one rolls good releases back.
 * Signals that were not measured are left out; zero means measured and none.
 */
export interface Block {
  readonly fromMs: number;
  readonly toMs: number;
  readonly strata: readonly StratumCounts[];
  readonly latency?: LatencyCounts;
  /**
   * Receives that returned messages, by track. Leave out while the queue is empty and while a track's count is
   * unknown: a canary whose metrics are late is not a canary that has stalled.
   */
  readonly receives?: { readonly canary: number; readonly baseline: number };
  /** Canary tasks that stopped by themselves, and the time that canary tasks ran; not scheduler, Spot or deployment stops. */
  readonly crashes?: { readonly count: number; readonly taskSeconds: number };
  /** Messages that reached the dead-letter queue: how often each was received, and how often by the canary. */
  readonly deadLetters?: readonly { readonly receives: number; readonly canaryReceives: number }[];
  /** Outcomes of each task of the stable service, for telling whether equal tasks behave equally. */
  readonly stableTasks?: readonly ({ readonly task: string } & Counts)[];
}

/** Why a block cannot be judged, in words; undefined when it can. */
export function blockProblem(block: Block): string | undefined {
  const { fromMs, toMs } = block;
  if (!Number.isFinite(fromMs) || !Number.isFinite(toMs) || toMs < fromMs) {
    return `a block must end when it begins or later, not run from ${fromMs} to ${toMs}`;
  }
  for (const stratum of block.strata) {
    const problem = marginsProblem(stratum);
    if (problem !== undefined) return `outcomes of ${stratumName(stratum)}: ${problem}`;
  }
  const { latency, receives, crashes } = block;
  if (latency !== undefined) {
    const problem = marginsProblem(latency.p50) ?? marginsProblem(latency.p90) ?? marginsProblem(latency.p99);
    if (problem !== undefined) return `latency: ${problem}`;
  }
  if (receives !== undefined && !(isCount(receives.canary) && isCount(receives.baseline))) {
    return `receives must be counts, not ${receives.canary} and ${receives.baseline}`;
  }
  if (
    crashes !== undefined &&
    !(isCount(crashes.count) && crashes.taskSeconds >= 0 && Number.isFinite(crashes.taskSeconds))
  ) {
    return `crashes must be a count over a time, not ${crashes.count} in ${crashes.taskSeconds} task-seconds`;
  }
  for (const { receives: all, canaryReceives } of block.deadLetters ?? []) {
    if (!isCount(all) || !isCount(canaryReceives) || canaryReceives > all) {
      return `a dead letter cannot have ${canaryReceives} of ${all} receives by the canary`;
    }
  }
  for (const { task, units, failed } of block.stableTasks ?? []) {
    const problem = countsProblem('task', units, failed);
    if (problem !== undefined) return `stable task ${task}: ${problem}`;
  }
  return undefined;
}

/** A stratum's name in messages, also its identity. */
export function stratumName({
  attempt,
  messageType,
}: Pick<StratumCounts, 'attempt' | 'messageType'>): string {
  return messageType === undefined ? ATTEMPTS[attempt] : `${ATTEMPTS[attempt]} of "${messageType}"`;
}

const ATTEMPTS: Readonly<Record<Attempt, string>> = {
  1: 'first attempts',
  2: 'second attempts',
  3: 'later attempts',
};

function marginsProblem({ canary, baseline }: Margins): string | undefined {
  return (
    countsProblem('canary', canary.units, canary.failed) ??
    countsProblem('baseline', baseline.units, baseline.failed)
  );
}

function countsProblem(track: string, units: number, failed: number): string | undefined {
  if (!isCount(units) || !isCount(failed)) {
    return `the ${track}'s counts must be whole numbers, 0 or more, not ${failed} of ${units}; a count below 0 means that a counter went backwards`;
  }
  return failed > units ? `the ${track} cannot have failed ${failed} of ${units} units` : undefined;
}

function isCount(value: number): boolean {
  return (value | 0) === value ? value >= 0 : Number.isSafeInteger(value) && value >= 0;
}
