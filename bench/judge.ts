import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { largestMeanError } from './judge/exactness.ts';
import { runTasks } from './judge/pool.ts';
import { Progress } from './judge/progress.ts';
import type { Release } from './judge/release.ts';
import { print } from './judge/report.ts';
import { SavedTasks } from './judge/saved.ts';
import { type Group, IN_FULL, seedOf, studies } from './judge/studies.ts';
import { badSummary, goodSummary, promotionSummary } from './judge/summaries.ts';
import { targets } from './judge/targets.ts';
import { measureThroughput } from './judge/throughput.ts';
import type { Task } from './judge/work.ts';
import type { World } from './judge/world.ts';

/**
 * `npm run bench:judge [-- --quick] [--json] [--seed N] [--releases N] [--bad N] [--threads N] [--resume FILE]
 * [--only TEXT]`: the judge and what others do, on the same simulated releases of an hour into the worlds of
 * judge/scenarios.ts. False rollbacks of good releases, time and messages until a bad one is found, false promotions,
 * speed. Asserts nothing.
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
const SIZES = {
  good: Number(options.releases ?? (options.quick ? 60 : 10_000)),
  timed: Number(options.releases ?? (options.quick ? 60 : 2000)),
  bad: Number(options.bad ?? options.releases ?? (options.quick ? 60 : 2000)),
};
const THREADS = Number(options.threads);
if (
  ![SEED, ...Object.values(SIZES), THREADS].every((n) => Number.isSafeInteger(n) && n >= 0) ||
  Object.values(SIZES).includes(0) ||
  THREADS === 0
) {
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

const tasks = all.flatMap((study, index) =>
  Array.from({ length: Math.ceil(study.releases / CHUNK) }, (_, chunk) => {
    const from = chunk * CHUNK;
    const to = Math.min(study.releases, from + CHUNK);
    const { world, until } = study;
    const task: Task = { world, seed: seedOf(study, SEED), from, to, until, inFull: from < IN_FULL };
    return { index, task, cost: study.cost * (to - from) * (task.inFull ? 2 : 1) };
  }),
);
const saved = new SavedTasks(options.resume);
const known = tasks.map(({ task }) => saved.find(task));
/** Cheap worlds first: a run that is stopped has then finished as many as it could. */
const open = tasks
  .filter((_, index) => known[index] === undefined)
  .sort((a, b) => all[a.index]!.cost - all[b.index]!.cost);
const progress = new Progress(open.reduce((sum, { cost }) => sum + cost, 0));
const results = await runTasks(
  open.map(({ task }) => task),
  THREADS,
  (done, releases) => {
    const { index, task, cost } = open[done]!;
    saved.add(task, releases);
    const { group, world, releases: wanted } = all[index]!;
    const what = `${group}: ${world.name}, ${world.messagesPerSecond} msg/s, release ${task.to} of ${wanted}`;
    progress.advance(cost, what);
  },
);
progress.end();

const position = new Map(open.map((each, index) => [each, index]));
const releasesOf: Release[][] = all.map(() => []);
for (const [index, task] of tasks.entries()) {
  releasesOf[task.index]!.push(...(known[index] ?? results[position.get(task)!]!));
}

function each<T>(group: Group, summarise: (world: World, releases: readonly Release[]) => T): T[] {
  return all.flatMap((study, index) =>
    study.group === group ? [summarise(study.world, releasesOf[index]!)] : [],
  );
}

const good = each('good', goodSummary);
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
