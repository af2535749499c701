import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { largestMeanError } from './judge/exactness.ts';
import { runTasks } from './judge/pool.ts';
import { Progress } from './judge/progress.ts';
import { SavedTasks } from './judge/saved.ts';
import { certificationScenarios } from './judge/scenarios.ts';
import { comparatorNames, type Release } from './judge/simulation.ts';
import { lowerBound } from './judge/statistics.ts';
import {
  type BadReleases,
  badReleases,
  certifiedReleases,
  type Group,
  goodReleases,
  type Method,
  studies,
} from './judge/studies.ts';
import { count, percent, printTable, ratio, seconds } from './judge/table.ts';
import { targets } from './judge/targets.ts';
import { measureThroughput } from './judge/throughput.ts';
import type { Scenario } from './judge/trace.ts';
import type { Task } from './judge/work.ts';

/**
 * `npm run bench:judge [-- --quick] [--json] [--seed N] [--releases N] [--threads N] [--resume FILE]`: the judge
 * beside three ways of today on the same simulated releases of an hour: false rollbacks, time and messages until
 * a bad version is found, samples against their bounds, certification, speed. Cells that a comparator wins are
 * marked, not hidden. Asserts nothing. The same seed gives the same releases on any number of threads. With
 * `--resume`, what is finished is kept in the file, and a run that was stopped goes on from there.
 */
const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    releases: { type: 'string' },
    threads: { type: 'string', default: String(availableParallelism()) },
    resume: { type: 'string' },
  },
});

const SEED = Number(options.seed);
const SIZES = {
  good: Number(options.releases ?? (options.quick ? 250 : 10_000)),
  bad: Number(options.releases ?? (options.quick ? 80 : 2000)),
};
const THREADS = Number(options.threads);
if (
  ![SEED, SIZES.good, THREADS].every((n) => Number.isSafeInteger(n) && n >= 0) ||
  SIZES.good === 0 ||
  THREADS === 0
) {
  console.error('--seed, --releases and --threads must be whole numbers, the last two at least 1');
  process.exit(2);
}

/** Releases that one thread simulates at a time. */
const CHUNK = 250;

const startedAt = performance.now();
const throughput = measureThroughput(SEED, options.quick ? 15 : 41);

const all = studies(SIZES, options.quick);
const tasks = all.flatMap((study, index) =>
  Array.from({ length: Math.ceil(study.releases / CHUNK) }, (_, chunk) => {
    const from = chunk * CHUNK;
    const to = Math.min(study.releases, from + CHUNK);
    const seed = Math.imul(SEED, 0x9e3779b1) + study.number * 1_000_003;
    const task: Task = { scenario: study.scenario, seed, from, to, aim: study.aim };
    return { index, task, cost: study.cost * (to - from) };
  }),
);
const costOf = ({ index }: { readonly index: number }) => all[index]!.cost;
const saved = new SavedTasks(options.resume);
const known = tasks.map(({ task }) => saved.find(task));
/** Cheap ones first: a run that is stopped has then finished as many scenarios as it could. */
const open = tasks.filter((_, index) => known[index] === undefined).sort((a, b) => costOf(a) - costOf(b));
const progress = new Progress(open.reduce((sum, { cost }) => sum + cost, 0));
const results = await runTasks(
  open.map(({ task }) => task),
  THREADS,
  (done, releases) => {
    const { index, task, cost } = open[done]!;
    saved.add(task, releases);
    const study = all[index]!;
    const what = `scenario ${index + 1} of ${all.length} (${study.group}: ${study.scenario.name}), release ${task.to} of ${study.releases}`;
    progress.advance(cost, what);
  },
);
progress.end();

const releasesOf: Release[][] = all.map(() => []);
for (const [task, each] of tasks.entries()) {
  releasesOf[each.index]!.push(...(known[task] ?? results[open.indexOf(each)]!));
}

function each<T>(group: Group, summarise: (scenario: Scenario, releases: readonly Release[]) => T): T[] {
  return all.flatMap((study, index) =>
    study.group === group ? [summarise(study.scenario, releasesOf[index]!)] : [],
  );
}

const nulls = each('null', goodReleases);
const regressions = each('regression', badReleases);
const disturbed = each('disturbed', badReleases);
const early = each('early', badReleases);
const late = each('late', badReleases).map((begun, index) => {
  const once = early[index]!.judge.meanHarmed;
  return { ...begun, atOnce: once, ratio: begun.judge.meanHarmed / once };
});
const [good, worse] = [each('good', (_, releases) => releases), each('worse', (_, releases) => releases)];
const certifications = certificationScenarios().map(({ delta, scenario }, index) =>
  certifiedReleases(scenario, delta, good[index]!, worse[index]!),
);
const meanError = largestMeanError(24);
const verdicts = targets({ nulls, regressions, late, certifications, meanError, throughput });
const bad: readonly BadReleases[] = [...regressions, ...disturbed, ...late];
const lost = bad.flatMap((study) =>
  study.comparators.flatMap((other, method) => {
    if (!wins(other, study.judge)) return [];
    const { name, scenario, judge } = study;
    return [{ name, comparator: comparatorNames[method]!, blind: isBlind(method, scenario), other, judge }];
  }),
);
const tookSeconds = (performance.now() - startedAt) / 1000;

/** Whether a comparator finds as many, and sooner. */
function wins(other: Method, judge: Method): boolean {
  return other.found > 0 && other.found >= judge.found && other.meanMs < judge.meanMs;
}

/** Whether a comparator surely rolls back more than one in a hundred good releases at this baseline and rate. */
function isBlind(method: number, { baselineRate, unitsPerSecond }: Scenario): boolean {
  return nulls.some(
    ({ scenario, releases, rollbacks }) =>
      scenario.baselineRate === baselineRate &&
      scenario.canaryRate === baselineRate &&
      scenario.unitsPerSecond === unitsPerSecond &&
      typeof scenario.share === 'number' &&
      scenario.bursts !== true &&
      lowerBound(rollbacks[method + 1]!, releases) > 0.01,
  );
}

/** Time and failures until found; marked where that was as sure as the judge and sooner. */
function comparison(other: Method, judge: Method, blind = false): string {
  const before = other.before > 0.005 ? `, ${percent(other.before, 0)} before` : '';
  const mark = blind ? ' !' : '';
  if (other.found === 0) return `never${before}${mark}`;
  const part = other.found < 1 || before !== '' ? ` (${percent(other.found, 0)}${before})` : '';
  return `${seconds(other.meanMs)} / ${count(other.meanHarmed)}${part}${wins(other, judge) ? ' *' : ''}${mark}`;
}

const compared = ({ scenario, judge, comparators }: BadReleases) =>
  comparators.map((other, method) => comparison(other, judge, isBlind(method, scenario)));

if (options.json) {
  const report = { seed: SEED, quick: options.quick, sizes: SIZES, comparatorNames, nulls, regressions };
  const rest = {
    disturbed,
    late,
    certifications,
    throughput,
    meanError,
    targets: verdicts,
    lost,
    tookSeconds,
  };
  console.log(JSON.stringify({ ...report, ...rest }, null, 2));
} else {
  console.log(
    `judge: alpha 1 %, beta 5 %, releases of one hour, canary share 25 %, seed ${SEED}; ${SIZES.good} good and ${SIZES.bad} bad releases a scenario`,
  );
  printTable(
    'Good releases rolled back',
    ['scenario', 'judge', 'upper 99 %', ...comparatorNames],
    nulls.map(({ name, releases, rollbacks, upper }) => [
      name,
      percent(rollbacks[0]! / releases),
      percent(upper),
      ...rollbacks.slice(1).map((hits) => percent(hits / releases, 1)),
    ]),
  );
  printTable(
    'Bad releases: mean time / units that the canary failed until rolled back (part found); * sooner than the judge, ! also rolls back good releases at this rate',
    ['baseline -> canary', 'judge', 'failures p99', 'sample', 'bound', 'ratio', ...comparatorNames],
    [...regressions, ...disturbed].map((study) => [
      study.name,
      comparison(study.judge, study.judge),
      count(study.judge.p99Harmed),
      count(study.units),
      count(study.bound),
      ratio(study.sampleToBound),
      ...compared(study),
    ]),
  );
  printTable(
    'Regressions that begin at 30 min, 10 msg/s: mean time from then / units failed (part found, part rolled back before, still good)',
    ['baseline -> canary', 'judge', 'failed if bad at once', 'ratio', ...comparatorNames],
    late.map((study) => [
      study.name,
      comparison(study.judge, study.judge),
      count(study.atOnce),
      ratio(study.ratio),
      ...compared(study),
    ]),
  );
  printTable(
    'Promotion within the hour at 10 msg/s',
    ['baseline', 'good passed', 'sample', 'bound', 'ratio', 'worse by the margin passed', 'upper 99 %'],
    certifications.map(({ name, passed, units, bound, sampleToBound, falsePromotions, upper }) => [
      name,
      percent(passed, 0),
      count(units),
      count(bound),
      ratio(sampleToBound),
      percent(falsePromotions),
      percent(upper),
    ]),
  );
  printTable(
    'Speed, by processor time of one core',
    ['blocks of 16 units', 'blocks/s, median', 'best'],
    throughput.map(({ name, blocksPerSecond, best }) => [
      name,
      Math.round(blocksPerSecond).toLocaleString('en'),
      Math.round(best).toLocaleString('en'),
    ]),
  );
  printTable(
    `Cells lost to a comparator: ${lost.length} of ${bad.length * comparatorNames.length}; ! it also rolls back good releases at this rate`,
    ['baseline -> canary', 'comparator', 'its time / failures', 'the judge'],
    lost.map(({ name, comparator, blind, other, judge }) => [
      name,
      `${comparator}${blind ? ' !' : ''}`,
      `${seconds(other.meanMs)} / ${count(other.meanHarmed)}`,
      `${seconds(judge.meanMs)} / ${count(judge.meanHarmed)}`,
    ]),
  );
  printTable(
    'Targets (99 % bounds in brackets; speed by the fastest round)',
    ['target', 'measured', ''],
    verdicts.map(({ number, target, measured, status }) => [`${number}. ${target}`, measured, status]),
  );
  console.log(`\n${tookSeconds.toFixed(0)} s`);
}
