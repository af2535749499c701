import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { largestMeanError } from './judge/exactness.ts';
import { runTasks } from './judge/pool.ts';
import { Progress } from './judge/progress.ts';
import type { Release } from './judge/release.ts';
import { print } from './judge/report.ts';
import { SavedTasks } from './judge/saved.ts';
import { type Group, IN_FULL, type Sizes, type Study, seedOf, studies, WHOLE } from './judge/studies.ts';
import { badSummary, goodSummary, promotionSummary, rolledBackAtMost } from './judge/summaries.ts';
import { FALSE_ROLLBACKS_MAX, targets } from './judge/targets.ts';
import { measureThroughput } from './judge/throughput.ts';
import type { Task } from './judge/work.ts';
import type { World } from './judge/world.ts';

/**
 * `npm run bench:judge [-- --quick] [--json] [--seed N] [--releases N] [--bad N] [--threads N] [--resume FILE]
 * [--only TEXT]`: the judge and what others do, on the same simulated releases of an hour into the worlds of
 * judge/scenarios.ts. False rollbacks of good releases, time and messages until a bad one is found, false promotions,
 * speed. Asserts nothing.
 *
 * A world in which few good releases are rolled back is left after the first look; the others are simulated on, and the
 * bounds allow for the looks. `--releases N` takes N good releases in every world instead.
 *
 * The same seed gives the same releases on any number of threads. With `--resume`, what is finished is kept in the file,
 * and a run that was stopped goes on from there. `--only` takes the worlds whose name contains the text.
 */
const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    releases: { type: 'string' },
    bad: { type: 'string' },
    threads: { type: 'string', default: String(availableParallelism()) },
    resume: { type: 'string' },
    only: { type: 'string', default: '' },
  },
});

const SEED = Number(options.seed);
const FEW = options.quick ? '60' : undefined;
const GOOD = options.releases ?? FEW;
const BAD = options.bad ?? GOOD;
const SIZES: Sizes = {
  good: GOOD === undefined ? WHOLE.good : [Number(GOOD)],
  bad: BAD === undefined ? WHOLE.bad : Number(BAD),
};
const THREADS = Number(options.threads);
const counts = [...SIZES.good, SIZES.bad, THREADS];
if (![SEED, ...counts].every((n) => Number.isSafeInteger(n) && n >= 0) || counts.includes(0)) {
  console.error(
    '--seed, --releases, --bad and --threads must be whole numbers, all but the first at least 1',
  );
  process.exit(2);
}

/** Releases that one thread simulates at a time. */
const CHUNK = 100;

const startedAt = performance.now();
const all = studies(SIZES, options.quick, options.only);
if (all.length === 0) {
  console.error(
    `--only "${options.only}": no world's name contains it; they are in bench/judge/scenarios.ts`,
  );
  process.exit(2);
}
const throughput = options.only === '' ? measureThroughput(SEED, options.quick ? 5 : 15) : [];

const saved = new SavedTasks(options.resume);
const releasesOf: Release[][] = all.map(() => []);
for (const look of SIZES.good.keys()) await simulateUntil(look);

/** Simulates what a look at the results needs, in the worlds that earlier looks have not settled. */
async function simulateUntil(look: number): Promise<void> {
  const tasks = all.flatMap((study, index) => {
    const to = study.looks[look];
    return to === undefined || isSettled(study, releasesOf[index]!) ? [] : chunks(study, index, to);
  });
  const known = tasks.map(({ task }) => saved.find(task));
  /** Cheap worlds first: a run that is stopped has then finished as many as it could. */
  const open = [...tasks.keys()]
    .filter((task) => known[task] === undefined)
    .sort((a, b) => all[tasks[a]!.index]!.cost - all[tasks[b]!.index]!.cost);
  const progress = new Progress(open.reduce((sum, task) => sum + tasks[task]!.cost, 0));
  const results = await runTasks(
    open.map((task) => tasks[task]!.task),
    THREADS,
    (done, releases) => {
      const { index, task, cost } = tasks[open[done]!]!;
      saved.add(task, releases);
      const { group, world, looks } = all[index]!;
      const what = `${group}: ${world.name}, ${world.messagesPerSecond} msg/s, release ${task.to} of ${looks[look]}`;
      progress.advance(cost, what);
    },
  );
  progress.end();
  for (const [done, task] of open.entries()) known[task] = results[done]!;
  for (const [task, { index }] of tasks.entries()) releasesOf[index]!.push(...known[task]!);
}

/** The study's releases from those that there are, in parts for the threads. */
function chunks(study: Study, index: number, to: number) {
  const { world, until, cost } = study;
  const first = releasesOf[index]!.length;
  return Array.from({ length: Math.ceil((to - first) / CHUNK) }, (_, chunk) => {
    const from = first + chunk * CHUNK;
    const inFull = from < IN_FULL;
    const task: Task = {
      world,
      seed: seedOf(study, SEED),
      from,
      to: Math.min(to, from + CHUNK),
      until,
      inFull,
    };
    return { index, task, cost: cost * (task.to - from) * (inFull ? 2 : 1) };
  });
}

/** Whether the releases so far show that the judge keeps its promise in the world. */
function isSettled({ group, looks }: Study, releases: readonly Release[]): boolean {
  return group === 'good' && rolledBackAtMost(releases, looks.length) <= FALSE_ROLLBACKS_MAX;
}

function each<T>(group: Group, summarise: (world: World, releases: readonly Release[]) => T): T[] {
  return all.flatMap((study, index) =>
    study.group === group ? [summarise(study.world, releasesOf[index]!)] : [],
  );
}

const good = each('good', (world, releases) => goodSummary(world, releases, SIZES.good.length));
const bad = each('bad', badSummary);
const [early, late] = [each('early', badSummary), each('late', badSummary)];
const [marginal, promoted] = [each('marginal', withReleases), each('promoted', withReleases)];
const promotions = marginal.map(({ world, releases }, index) =>
  promotionSummary(world, releases, promoted[index]!.releases),
);
const meanError = largestMeanError(24);
const report = {
  seed: SEED,
  quick: options.quick,
  sizes: SIZES,
  good,
  bad,
  late: late.map((begun, index) => ({ early: early[index]!, late: begun })),
  promotions,
  meanError,
  throughput,
  targets: targets({ good, bad, promotions, meanError }),
  tookSeconds: (performance.now() - startedAt) / 1000,
};

function withReleases(world: World, releases: readonly Release[]) {
  return { world, releases };
}

if (options.json) console.log(JSON.stringify(report, null, 2));
else print(report);
