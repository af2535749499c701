import { type JudgePolicy, shortestBakeMs } from '../judge/judge-policy.ts';
import { reportMs } from '../measurement/line.ts';
import { pastMs, startsMs } from '../measurement/measurement.ts';
import { type History, hashOf, type Life } from './history.ts';

/** A release that never was: one of stable's tasks plays the canary, and others are stable. */
export interface Release {
  /** `task`: a warm task in the middle of its life. `start`: one that has just started, as a canary has. */
  readonly kind: 'task' | 'start';
  readonly task: string;
  readonly revision: string;
  /** Tasks that are stable, also those that were it until shortly before. */
  readonly others: readonly string[];
  /** From when on it is judged, and until when it can be; on the clock's intervals. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** How old its task is when the judging begins. */
  readonly ageMs: number;
  /** Whether a warm task runs alongside it at first: until its own is warm, the judge compares with those as well. */
  readonly besideWarm: boolean;
}

/** Releases of one time, which are made of the same lines. */
export interface Window {
  readonly kind: Release['kind'];
  /** From the past that the judge is shown on. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly lives: readonly Life[];
  readonly releases: readonly Release[];
  /** Lives whose first minutes are shown to the judge: its control while the canary is young. */
  readonly controls: readonly Life[];
}

/** Why releases cannot be made of a history, alongside how long it is. */
export interface Possible {
  readonly windows: readonly Window[];
  /** Tasks that ran at once, on average. */
  readonly tasksAtOnce: number;
  /** Starts that are on record. */
  readonly starts: number;
}

/** What a release needs at least; a task that ends earlier says too little. */
export const leastMs = (policy: JudgePolicy): number =>
  Math.min(policy.deadlineMs, 2 * shortestBakeMs(policy));

/** More releases say little more, and take long. */
const TASK_RELEASES_MAX = 600;
const STARTS_MAX = 100;

/** So many tasks say how equal tasks differ as well as all. */
const OTHERS_MAX = 30;

/** Of so many tasks the first minutes are a control, as in a release. */
const CONTROLS_MAX = 8;

/** Ages at which the judging of a task that has just started begins: at once, and when ECS calls it steady. */
const START_AGES_MS = [0, 40_000];

/** So long after a release has begun the others must be there. */
const BEGINNING_MS = 60_000;

/** All releases that a history can be made into, or an even choice of them where they are very many. */
export function releasesIn(history: History, policy: JudgePolicy): Possible {
  const lives = history.lives();
  const covered = history.covered;
  if (covered === undefined) return { windows: [], tasksAtOnce: 0, starts: 0 };
  const byHash = [...lives].sort((a, b) => hashOf(a.task) - hashOf(b.task));
  const whole = { policy, fromMs: covered.fromMs, untilMs: aligned(covered.toMs), lives: byHash };
  const starts = lives.filter(
    ({ fromItsStart, startedAt }) => fromItsStart && startedAt - pastMs >= covered.fromMs,
  );
  return {
    windows: [
      ...taskWindows(whole),
      ...even(starts, STARTS_MAX).flatMap((life) => startWindow(whole, life) ?? []),
    ],
    tasksAtOnce: atOnce(lives, covered.toMs - covered.fromMs),
    starts: starts.length,
  };
}

/** What releases are made of. */
interface Whole {
  readonly policy: JudgePolicy;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly lives: readonly Life[];
}

/** One window after the other, in each of which each task that was warm plays the canary. */
function taskWindows(whole: Whole): Window[] {
  const { lives, fromMs, untilMs } = whole;
  const { deadlineMs, warmUpMs } = whole.policy;
  const all: Release[] = [];
  for (let at = aligned(fromMs + pastMs + reportMs); at < untilMs; at += deadlineMs) {
    for (const life of lives) {
      if (life.fromMs > at || life.startedAt > at - warmUpMs) continue;
      const others = lives.filter(({ revision }) => revision === life.revision);
      all.push(...releaseOf(whole, 'task', life, others, at));
    }
  }
  const chosen = Map.groupBy(even(all, TASK_RELEASES_MAX), (release) => release.fromMs);
  return [...chosen].map(([at, releases]) =>
    windowOf(lives, releases, at, at + deadlineMs, (its) => controlsAmong(its, at)),
  );
}

/** Both releases that begin when a task started. */
function startWindow(whole: Whole, life: Life): Window | undefined {
  const { lives } = whole;
  const releases = START_AGES_MS.flatMap((ageMs) =>
    releaseOf(whole, 'start', life, lives, aligned(life.startedAt + ageMs + reportMs - 1)),
  );
  const [first] = releases;
  if (first === undefined) return undefined;
  const end = releases.at(-1)!.fromMs + whole.policy.deadlineMs;
  return windowOf(lives, releases, aligned(life.startedAt), end, () => controlsFor(life, lives, end));
}

function releaseOf(
  { policy, untilMs }: Whole,
  kind: Release['kind'],
  life: Life,
  candidates: readonly Life[],
  fromMs: number,
): Release[] {
  const others = candidates
    .filter(
      ({ task, ...its }) =>
        task !== life.task && its.fromMs <= fromMs + BEGINNING_MS && its.toMs > fromMs - pastMs,
    )
    .slice(0, OTHERS_MAX);
  const ends = others.map(({ toMs }) => toMs).sort((a, b) => b - a);
  const end = aligned(Math.min(fromMs + policy.deadlineMs, untilMs, life.toMs, ends[1] ?? 0));
  if (end < fromMs + leastMs(policy)) return [];
  return [
    {
      kind,
      task: life.task,
      revision: life.revision,
      others: [...new Set(others.map(({ task }) => task))],
      fromMs,
      untilMs: end,
      ageMs: Math.max(0, fromMs - life.startedAt),
      besideWarm: others.some(
        ({ startedAt, toMs }) => startedAt <= fromMs - policy.warmUpMs && toMs >= fromMs + BEGINNING_MS,
      ),
    },
  ];
}

function windowOf(
  all: readonly Life[],
  releases: readonly Release[],
  beginsMs: number,
  toMs: number,
  controlsOf: (lives: readonly Life[]) => readonly Life[],
): Window {
  const { kind } = releases[0]!;
  const fromMs = beginsMs - pastMs;
  const needed = new Set(releases.flatMap(({ task, others }) => [task, ...others]));
  const lives = all.filter((life) => needed.has(life.task) && life.fromMs < toMs && life.toMs > fromMs);
  return { kind, fromMs, toMs, lives, releases, controls: controlsOf(lives) };
}

/** The youngest of those that run, as in a release. */
function controlsAmong(lives: readonly Life[], atMs: number): Life[] {
  return lives
    .filter(({ fromItsStart, startedAt }) => fromItsStart && startedAt < atMs)
    .sort((a, b) => b.startedAt - a.startedAt)
    .slice(0, CONTROLS_MAX);
}

/**
 * The nearest starts of other tasks: those of other times first. Those that started together are each other's control
 * only where there is no other, since a canary starts alone.
 */
function controlsFor(life: Life, lives: readonly Life[], untilMs: number): Life[] {
  const distance = ({ startedAt }: Life) => Math.abs(startedAt - life.startedAt);
  const isNow = ({ startedAt }: Life) =>
    startedAt + startsMs > life.startedAt - pastMs && startedAt < untilMs ? 1 : 0;
  return lives
    .filter(({ task, fromItsStart }) => fromItsStart && task !== life.task)
    .sort((a, b) => isNow(a) - isNow(b) || distance(a) - distance(b))
    .slice(0, CONTROLS_MAX);
}

function atOnce(lives: readonly Life[], coveredMs: number): number {
  return lives.reduce((sum, { fromMs, toMs }) => sum + (toMs - fromMs), 0) / coveredMs;
}

/** So many of a list, evenly spread; all where they are fewer. */
export function even<T>(list: readonly T[], most: number): readonly T[] {
  if (list.length <= most) return list;
  return Array.from({ length: most }, (_, index) => list[Math.floor((index * list.length) / most)]!);
}

function aligned(ms: number): number {
  return Math.floor(ms / reportMs) * reportMs;
}
