import type { Block, Cell } from '../judge/block.ts';
import type { Verdict, VerdictCode } from '../judge/evidence.ts';
import { createJudge } from '../judge/judge.ts';
import { isDryRun, type JudgedMetric, type JudgePolicy, shortestBakeMs } from '../judge/judge-policy.ts';
import { type Start, startsByAge, takeStarts } from '../measurement/blocks.ts';
import { cellOf } from '../measurement/cell.ts';
import { endOf } from '../measurement/course.ts';
import { reportMs } from '../measurement/line.ts';
import { startsMs } from '../measurement/measurement.ts';
import type { History } from './history.ts';
import type { Release, Window } from './releases.ts';
import { cellAt, type Scene } from './scene.ts';

/** What the judge would have said of a release that never was. */
export interface Replayed {
  readonly release: Release;
  /** `failed` when it would have been failed at any time, also after a pass. */
  readonly outcome: 'passed' | 'failed' | 'inconclusive';
  readonly code: VerdictCode;
  readonly summary: string;
  /** What a failed one was failed on. */
  readonly metric?: JudgedMetric;
  /** How long after the beginning it was failed, and first passed. */
  readonly failedAfterMs?: number;
  readonly passedAfterMs?: number;
  /** Metrics in dry run that would have failed it. */
  readonly wouldFail: readonly JudgedMetric[];
}

/** A verdict takes much longer than a block, so a release that is certified but held back is asked about so often. */
const ASK_AGAIN_MS = 60_000;

/** Judges one release from its beginning to its end, as a controller that looks at each block would. */
export function replay(
  policy: JudgePolicy,
  history: History,
  window: Window,
  scene: Scene,
  release: Release,
): Replayed {
  const { fromMs, untilMs } = release;
  // What would be done is the question, so a judge that only says what it would do is taken at its word.
  const judging = policy.dryRun === true ? { ...policy, dryRun: false } : policy;
  const byAge = startsOf(history, window, release);
  const starts = [...byAge.values()].flat().map(({ lines, ageMs }) => cellOf(lines, ageMs));
  const judge = createJudge(judging, fromMs, { past: pastOf(scene, release), starts });
  let passed: { readonly verdict: Verdict; readonly afterMs: number } | undefined;
  const askIfPassed = (atMs: number): void => {
    const verdict = judge.verdict(atMs);
    if (verdict.kind === 'pass') passed = { verdict, afterMs: atMs - fromMs };
  };
  let askAtMs = fromMs + shortestBakeMs(policy);
  for (const block of blocksOf(scene, release, byAge)) {
    judge.observe(block);
    if (judge.failedAtMs !== undefined) break;
    if (passed !== undefined || !judge.isCertified) continue;
    if (block.toMs < askAtMs && block.toMs < untilMs) continue;
    askAtMs = block.toMs + ASK_AGAIN_MS;
    askIfPassed(block.toMs);
  }
  const staysAsItIs = passed !== undefined && judge.failedAtMs === undefined && judging.dryRun === false;
  const verdict = staysAsItIs ? passed!.verdict : judge.verdict(untilMs);
  const failedAtMs = judge.failedAtMs;
  const { code, summary, drivenBy } =
    passed === undefined || failedAtMs !== undefined ? verdict : passed.verdict;
  return {
    release,
    outcome: failedAtMs !== undefined ? 'failed' : passed !== undefined ? 'passed' : 'inconclusive',
    code,
    summary,
    ...(drivenBy && { metric: drivenBy }),
    ...(failedAtMs !== undefined && { failedAfterMs: failedAtMs - fromMs }),
    ...(passed && { passedAfterMs: passed.afterMs }),
    wouldFail: wouldFailOf(judging, verdict),
  };
}

function wouldFailOf(policy: JudgePolicy, { evidence }: Verdict): JudgedMetric[] {
  return evidence.metrics
    .filter(
      ({ metric, weight, eValue }) => isDryRun(policy, metric) && weight * eValue >= evidence.totalNeeded,
    )
    .map(({ metric }) => metric);
}

function pastOf(scene: Scene, release: Release): Block[] {
  const blocks: Block[] = [];
  for (let interval = scene.first; endOf(interval) <= release.fromMs; interval += 1) {
    blocks.push(blockOf(interval, [], stableAt(scene, release, interval), []));
  }
  return blocks;
}

/** First minutes of other tasks, which are the control while the canary is young. */
function startsOf(
  history: History,
  { kind, controls }: Window,
  { task, fromMs }: Release,
): Map<number, Start[]> {
  const lines = controls
    .filter((life) => life.task !== task)
    .flatMap((life) => history.between([life], life.startedAt, life.startedAt + startsMs));
  return startsByAge(lines, kind === 'task' ? fromMs : Number.POSITIVE_INFINITY);
}

function* blocksOf(scene: Scene, release: Release, starts: Map<number, Start[]>): Generator<Block> {
  for (let interval = release.fromMs / reportMs; endOf(interval) <= release.untilMs; interval += 1) {
    const own = cellAt(scene, release.task, interval);
    const canary = own === undefined ? [] : [own];
    yield blockOf(interval, canary, stableAt(scene, release, interval), takeStarts(starts, canary));
  }
}

function stableAt(scene: Scene, { others }: Release, interval: number): Cell[] {
  const cells: Cell[] = [];
  for (const task of others) {
    const cell = cellAt(scene, task, interval);
    if (cell !== undefined) cells.push(cell);
  }
  return cells;
}

/** Nobody knows any more how tasks ended days ago, so crashes are not judged. */
function blockOf(
  interval: number,
  canary: readonly Cell[],
  stable: readonly Cell[],
  starts: readonly Cell[],
): Block {
  return { fromMs: interval * reportMs, toMs: endOf(interval), canary, stable, starts };
}
