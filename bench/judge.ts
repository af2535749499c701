import { parseArgs } from 'node:util';
import { nonInferiorityRate } from '../packages/core/src/judge/non-inferiority.ts';
import { regressionRate } from '../packages/core/src/judge/required-sample.ts';
import { largestMeanError } from './judge/exactness.ts';
import {
  certificationScenarios,
  disturbedScenarios,
  lateScenarios,
  nullScenarios,
  regressionScenarios,
} from './judge/scenarios.ts';
import { comparatorNames, type Detection, runCertification, runRelease } from './judge/simulation.ts';
import { lowerBound, mean, quantile, standardError, upperBound } from './judge/statistics.ts';
import { count, percent, printTable, ratio, seconds } from './judge/table.ts';
import { measureThroughput } from './judge/throughput.ts';
import type { Scenario } from './judge/trace.ts';

/**
 * `npm run bench:judge [-- --quick] [-- --json] [-- --seed N] [-- --releases N]`: the judge beside three ways of
 * today on the same simulated releases of an hour: false rollbacks, time and messages until a bad version is
 * found, samples against their bounds, certification, speed. Cells that a comparator wins are marked, not
 * hidden. Asserts nothing.
 */
const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    releases: { type: 'string' },
  },
});

const SEED = Number(options.seed);
const NULL_RELEASES = Number(options.releases ?? (options.quick ? 250 : 10_000));
const BAD_RELEASES = Number(options.releases ?? (options.quick ? 80 : 2000));
if (
  ![SEED, NULL_RELEASES, BAD_RELEASES].every((n) => Number.isSafeInteger(n) && n >= 0) ||
  NULL_RELEASES === 0
) {
  console.error('--seed and --releases must be whole numbers, --releases at least 1');
  process.exit(2);
}
const SHARE = 0.25;

const startedAt = performance.now();
const progress = (what: string) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${what}`);
};

/** The seed of a scenario's n-th release: every method, and every run with this seed, sees the same one. */
const seedOf = (scenario: number, release: number) =>
  Math.imul(SEED, 0x9e3779b1) + scenario * 1_000_003 + release;

interface Method {
  readonly found: number;
  readonly meanMs: number;
  readonly meanHarmed: number;
  readonly p99Harmed: number;
}

function methodOf(detections: readonly (Detection | undefined)[]): Method {
  const found = detections.filter((detection) => detection !== undefined);
  const harmed = found.map((detection) => detection.harmed);
  return {
    found: found.length / detections.length,
    meanMs: mean(found.map(({ atMs }) => atMs)),
    meanHarmed: mean(harmed),
    p99Harmed: harmed.length === 0 ? Number.NaN : quantile(harmed, 0.99),
  };
}

progress('speed');
const throughput = measureThroughput(SEED, options.quick ? 15 : 41);

/** False rollbacks of each method, the judge first. */
const nulls = nullScenarios(options.quick).map((scenario, index) => {
  progress(`null ${scenario.name}`);
  const rollbacks = [0, ...comparatorNames.map(() => 0)];
  for (let release = 0; release < NULL_RELEASES; release += 1) {
    const result = runRelease(scenario, seedOf(index, release), true);
    for (const [method, detection] of [result.judge, ...result.comparators].entries()) {
      if (detection !== undefined) rollbacks[method]! += 1;
    }
  }
  return {
    name: scenario.name,
    scenario,
    releases: NULL_RELEASES,
    rollbacks,
    upper: upperBound(rollbacks[0]!, NULL_RELEASES),
  };
});

function detect(scenario: Scenario, index: number) {
  progress(`regression ${scenario.name}`);
  const releases = Array.from({ length: BAD_RELEASES }, (_, release) =>
    runRelease(scenario, seedOf(100 + index, release), true),
  );
  const judge = methodOf(releases.map((release) => release.judge));
  const taken = releases.flatMap((release) => (release.judge === undefined ? [] : [release.judge.units]));
  const units = mean(taken);
  const bound = Math.log(100) / regressionRate(scenario.canaryRate, scenario.baselineRate, SHARE);
  return {
    name: scenario.name,
    scenario,
    judge,
    units,
    bound,
    standardError: standardError(taken) / bound,
    sampleToBound:
      judge.found === 1 && scenario.share === SHARE && !scenario.bursts ? units / bound : Number.NaN,
    comparators: comparatorNames.map((_, method) =>
      methodOf(releases.map((release) => release.comparators[method])),
    ),
  };
}

const regressions = regressionScenarios().map(detect);
const disturbed = disturbedScenarios().map((scenario, index) => detect(scenario, 100 + index));

const late = lateScenarios().map(({ early, late: begun }, index) => {
  progress(`late ${early.name}`);
  const runs = Math.ceil(BAD_RELEASES / 2);
  const harmed = [early, begun].map((scenario) => {
    const onsetMs = scenario.onsetMs ?? 0;
    const results = Array.from({ length: runs }, (_, release) =>
      runRelease(scenario, seedOf(300 + index, release), false),
    );
    const found = results.flatMap(({ judge }) =>
      judge === undefined || judge.atMs <= onsetMs ? [] : [judge],
    );
    return { found: found.length / runs, harmed: mean(found.map((judge) => judge.harmed)) };
  });
  return {
    name: early.name,
    early: harmed[0]!,
    late: harmed[1]!,
    ratio: harmed[1]!.harmed / harmed[0]!.harmed,
  };
});

const certifications = certificationScenarios().map(({ delta, scenario }, index) => {
  progress(`certification ${scenario.name}`);
  const good = Array.from({ length: Math.ceil(BAD_RELEASES / 2) }, (_, release) =>
    runCertification(scenario, seedOf(500 + index, release), delta),
  );
  const worse = { ...scenario, canaryRate: scenario.baselineRate + delta };
  const bad = Array.from({ length: NULL_RELEASES }, (_, release) =>
    runCertification(worse, seedOf(600 + index, release), delta),
  );
  const passed = good.filter((result) => result !== undefined);
  const falsely = bad.filter((result) => result !== undefined).length;
  const bound = Math.log(20) / nonInferiorityRate(scenario.baselineRate, delta, SHARE);
  const samples = passed.map((result) => result.units);
  const units = mean(samples);
  return {
    name: scenario.name,
    passed: passed.length / good.length,
    units,
    bound,
    standardError: standardError(samples) / bound,
    sampleToBound: passed.length === good.length ? units / bound : Number.NaN,
    falsePromotions: falsely / NULL_RELEASES,
    lower: lowerBound(falsely, NULL_RELEASES),
    upper: upperBound(falsely, NULL_RELEASES),
  };
});

const meanError = largestMeanError(24);
const tookSeconds = (performance.now() - startedAt) / 1000;
progress('');

/** Whether a target is met, as far as this many releases can tell: `unclear` where the 99 % bounds straddle it. */
type Status = 'met' | 'NOT MET' | 'unclear';

interface Target {
  readonly number: string;
  readonly target: string;
  readonly measured: string;
  readonly status: Status;
}

/** An estimate with its 99 % bounds. */
interface Estimate {
  readonly name: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Judges the worst of several estimates against a limit that all must keep. */
function atMost(
  number: string,
  target: string,
  limit: number,
  estimates: readonly Estimate[],
  show: (value: number) => string,
): Target {
  const worst = estimates.reduce((worse, each) => (each.value > worse.value ? each : worse));
  const broken = estimates.some(({ low }) => low > limit);
  const kept = estimates.every(({ high }) => high <= limit);
  const bounds = worst.low === worst.high ? '' : ` (${show(worst.low)} to ${show(worst.high)})`;
  return {
    number,
    target,
    measured: `${show(worst.value)}${bounds}${worst.name === '' ? '' : `, ${worst.name}`}`,
    status: broken ? 'NOT MET' : kept ? 'met' : 'unclear',
  };
}

const exactly = (name: string, value: number): Estimate => ({ name, value, low: value, high: value });

const withError = (name: string, value: number, error: number): Estimate => ({
  name,
  value,
  low: value - 2.326 * error,
  high: value + 2.326 * error,
});

const rate = (name: string, hits: number, trials: number): Estimate => ({
  name,
  value: hits / trials,
  low: lowerBound(hits, trials),
  high: upperBound(hits, trials),
});

const judgeAt = (canaryRate: number) =>
  regressions.find(
    ({ scenario }) =>
      scenario.canaryRate === canaryRate && scenario.baselineRate === 0.001 && scenario.unitsPerSecond === 10,
  )!.judge;

const falseRollbacks = nulls.reduce((sum, { rollbacks }) => sum + rollbacks[0]!, 0);
const samples = regressions
  .filter(({ sampleToBound }) => Number.isFinite(sampleToBound))
  .map((each) => ({ ...each, estimate: withError(each.name, each.sampleToBound, each.standardError) }));
const partly = samples.filter(({ scenario }) => scenario.canaryRate <= 0.1).map(({ estimate }) => estimate);
const wholly = samples.filter(({ scenario }) => scenario.canaryRate === 1).map(({ estimate }) => estimate);

const targets: Target[] = [
  atMost(
    '1',
    'false rollbacks <= 1 % in every null scenario',
    0.01,
    nulls.map(({ name, rollbacks, releases }) => rate(name, rollbacks[0]!, releases)),
    percent,
  ),
  atMost(
    '1',
    'false rollbacks <= 1 % over all null scenarios',
    0.01,
    [rate('', falseRollbacks, nulls.length * NULL_RELEASES)],
    percent,
  ),
  atMost('2', '100 %: failures <= 8 in the mean', 8, [exactly('10 msg/s', judgeAt(1).meanHarmed)], count),
  atMost('2', '100 %: failures <= 16 at p99', 16, [exactly('10 msg/s', judgeAt(1).p99Harmed)], count),
  atMost('2', '10 %: failures <= 10 in the mean', 10, [exactly('10 msg/s', judgeAt(0.1).meanHarmed)], count),
  atMost('2', '2 %: failures <= 10 in the mean', 10, [exactly('10 msg/s', judgeAt(0.02).meanHarmed)], count),
  atMost('3', 'sample <= 2.0x its bound up to 10 %', 2, partly, ratio),
  atMost('3', 'sample <= 3.0x its bound at 100 %', 3, wholly, ratio),
  atMost(
    '4',
    'a regression at 30 min harms <= 2x one at once',
    2,
    late.map(({ name, ratio: times }) => exactly(name, times)),
    ratio,
  ),
  atMost(
    '5',
    'false promotions <= 5 % at the margin',
    0.05,
    certifications.map(({ name, falsePromotions, lower, upper }) => ({
      name,
      value: falsePromotions,
      low: lower,
      high: upper,
    })),
    percent,
  ),
  atMost(
    '5',
    'promotion sample <= 1.25x its bound, 10 msg/s',
    1.25,
    certifications
      .filter(({ sampleToBound }) => Number.isFinite(sampleToBound))
      .map(({ name, sampleToBound, standardError: error }) => withError(name, sampleToBound, error)),
    ratio,
  ),
  atMost(
    '6',
    '|E0[e] - 1| <= 1e-12, all blocks of up to 24 units',
    1e-12,
    [exactly('', meanError)],
    (value) => value.toExponential(1),
  ),
  ...throughput.map(
    ({ name, blocksPerSecond }): Target => ({
      number: '8',
      target: `one million blocks judged per second: ${name}`,
      measured: `${Math.round(blocksPerSecond / 1000)} thousand`,
      status: blocksPerSecond >= 1e6 ? 'met' : 'NOT MET',
    }),
  ),
];

/** Whether a comparator surely rolls back more than one in a hundred good releases at this baseline and rate. */
function isBlind(method: number, { baselineRate, unitsPerSecond }: Scenario): boolean {
  return nulls.some(
    ({ scenario, releases, rollbacks }) =>
      scenario.baselineRate === baselineRate &&
      scenario.canaryRate === baselineRate &&
      scenario.unitsPerSecond === unitsPerSecond &&
      scenario.share === SHARE &&
      scenario.bursts !== true &&
      lowerBound(rollbacks[method + 1]!, releases) > 0.01,
  );
}

/** Time and failures until found; marked where that was as sure as the judge and sooner. */
function comparison(other: Method, judge: Method, blind = false): string {
  if (other.found === 0) return 'never';
  const part = other.found < 1 ? ` (${percent(other.found, 0)})` : '';
  const wins = other.found >= judge.found && other.meanMs < judge.meanMs;
  return `${seconds(other.meanMs)} / ${count(other.meanHarmed)}${part}${wins ? ' *' : ''}${blind ? ' !' : ''}`;
}

if (options.json) {
  const report = { seed: SEED, quick: options.quick, comparatorNames, nulls, regressions, disturbed, late };
  console.log(
    JSON.stringify({ ...report, certifications, throughput, meanError, targets, tookSeconds }, null, 2),
  );
} else {
  console.log(
    `judge: alpha 1 %, beta 5 %, releases of one hour, canary share 25 %, seed ${SEED}; ${NULL_RELEASES} good and ${BAD_RELEASES} bad releases a scenario`,
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
    [...regressions, ...disturbed].map(
      ({ name, scenario, judge, units, bound, sampleToBound, comparators }) => [
        name,
        comparison(judge, judge),
        count(judge.p99Harmed),
        count(units),
        count(bound),
        ratio(sampleToBound),
        ...comparators.map((other, method) => comparison(other, judge, isBlind(method, scenario))),
      ],
    ),
  );
  printTable(
    'Regressions that begin at 30 min: units failed until found, 10 msg/s',
    ['baseline -> canary', 'at once', 'at 30 min', 'ratio', 'found'],
    late.map(({ name, early, late: begun, ratio: times }) => [
      name,
      count(early.harmed),
      count(begun.harmed),
      ratio(times),
      percent(Math.min(early.found, begun.found), 0),
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
    'Targets (99 % bounds in brackets)',
    ['target', 'measured', ''],
    targets.map(({ number, target, measured, status }) => [`${number}. ${target}`, measured, status]),
  );
  console.log(`\n${tookSeconds.toFixed(0)} s`);
}
