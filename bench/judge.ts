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
import { mean, quantile, upperBound } from './judge/statistics.ts';
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
const NULL_RELEASES = Number(options.releases ?? (options.quick ? 470 : 10_000));
const BAD_RELEASES = Number(options.releases ?? (options.quick ? 100 : 2000));
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
const throughput = measureThroughput(SEED, options.quick ? 9 : 31);

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
  const units = mean(
    releases.flatMap((release) => (release.judge === undefined ? [] : [release.judge.units])),
  );
  const bound = Math.log(100) / regressionRate(scenario.canaryRate, scenario.baselineRate, SHARE);
  return {
    name: scenario.name,
    scenario,
    judge,
    units,
    bound,
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
  const units = mean(passed.map((result) => result.units));
  return {
    name: scenario.name,
    passed: passed.length / good.length,
    units,
    bound,
    sampleToBound: passed.length === good.length ? units / bound : Number.NaN,
    falsePromotions: falsely / NULL_RELEASES,
    upper: upperBound(falsely, NULL_RELEASES),
  };
});

const meanError = largestMeanError(24);
const tookSeconds = (performance.now() - startedAt) / 1000;
progress('');

interface Target {
  readonly number: string;
  readonly target: string;
  readonly measured: string;
  readonly met: boolean;
}

const cell = (canaryRate: number, baselineRate = 0.001) =>
  regressions.filter(
    ({ scenario }) =>
      scenario.canaryRate === canaryRate &&
      scenario.baselineRate === baselineRate &&
      scenario.unitsPerSecond === 10,
  );
const all = cell(1)[0]!.judge;
const falseRollbacks = nulls.reduce((sum, { rollbacks }) => sum + rollbacks[0]!, 0);
const worstNull = nulls.reduce((worst, scenario) => (scenario.upper > worst.upper ? scenario : worst));
const sampled = regressions.filter(({ sampleToBound }) => Number.isFinite(sampleToBound));
const worstSample = (some: typeof sampled) =>
  some.reduce((worst, scenario) => (scenario.sampleToBound > worst.sampleToBound ? scenario : worst));
const partly = worstSample(sampled.filter(({ scenario }) => scenario.canaryRate <= 0.1));
const wholly = worstSample(sampled.filter(({ scenario }) => scenario.canaryRate === 1));
const worstLate = late.reduce((worst, scenario) => (scenario.ratio > worst.ratio ? scenario : worst));
const worstPromotion = certifications.reduce((worst, each) => (each.upper > worst.upper ? each : worst));
const promoted = certifications.filter(({ sampleToBound }) => Number.isFinite(sampleToBound));
const slowest = promoted.reduce((worst, each) => (each.sampleToBound > worst.sampleToBound ? each : worst));

const targets: Target[] = [
  {
    number: '1',
    target: 'false rollback <= 1 % in every null scenario (upper 99 % bound)',
    measured: `${percent(worstNull.upper)} on ${worstNull.releases} releases, ${worstNull.name}`,
    met: worstNull.upper <= 0.01,
  },
  {
    number: '1',
    target: 'the same, over all null scenarios together',
    measured: `${percent(upperBound(falseRollbacks, nulls.length * NULL_RELEASES))}, ${falseRollbacks} of ${nulls.length * NULL_RELEASES} releases`,
    met: upperBound(falseRollbacks, nulls.length * NULL_RELEASES) <= 0.01,
  },
  {
    number: '2',
    target: '100 %: canary failures <= 8 in the mean, <= 16 at p99 (10 msg/s)',
    measured: `${count(all.meanHarmed)}, ${count(all.p99Harmed)}`,
    met: all.meanHarmed <= 8 && all.p99Harmed <= 16,
  },
  ...[0.1, 0.02].map((rate): Target => {
    const judge = cell(rate)[0]!.judge;
    return {
      number: '2',
      target: `${rate * 100} % (baseline 0.1 %): canary failures <= 10 in the mean (10 msg/s)`,
      measured: count(judge.meanHarmed),
      met: judge.meanHarmed <= 10,
    };
  }),
  {
    number: '3',
    target: 'sample <= 2.0x its bound up to 10 %',
    measured: `${ratio(partly.sampleToBound)} at most, ${partly.name}`,
    met: partly.sampleToBound <= 2,
  },
  {
    number: '3',
    target: 'sample <= 3.0x its bound at 100 %',
    measured: `${ratio(wholly.sampleToBound)} at most, ${wholly.name}`,
    met: wholly.sampleToBound <= 3,
  },
  {
    number: '4',
    target: 'a regression at 30 min harms <= 2x what one at once harms',
    measured: `${ratio(worstLate.ratio)} at most, ${worstLate.name}`,
    met: worstLate.ratio <= 2,
  },
  {
    number: '5',
    target: 'false promotion <= 5 % at delta (upper 99 % bound)',
    measured: `${percent(worstPromotion.upper)} at most, ${worstPromotion.name}`,
    met: worstPromotion.upper <= 0.05,
  },
  {
    number: '5',
    target: 'promotion sample <= 1.25x its bound at 10 msg/s',
    measured: `${ratio(slowest.sampleToBound)} at most, ${slowest.name}`,
    met: slowest.sampleToBound <= 1.25,
  },
  {
    number: '6',
    target: '|E0[e] - 1| <= 1e-12 over every block of up to 24 units',
    measured: meanError.toExponential(1),
    met: meanError <= 1e-12,
  },
  ...throughput.map(
    ({ name, blocksPerSecond }): Target => ({
      number: '8',
      target: `one million blocks judged per second: ${name}`,
      measured: `${Math.round(blocksPerSecond / 1000)} thousand`,
      met: blocksPerSecond >= 1e6,
    }),
  ),
];

/** Whether a comparator also rolls back more than one in a hundred good releases at this baseline and rate. */
function isBlind(method: number, { baselineRate, unitsPerSecond }: Scenario): boolean {
  return nulls.some(
    ({ scenario, releases, rollbacks }) =>
      scenario.baselineRate === baselineRate &&
      scenario.canaryRate === baselineRate &&
      scenario.unitsPerSecond === unitsPerSecond &&
      scenario.share === SHARE &&
      scenario.bursts !== true &&
      rollbacks[method + 1]! > releases / 100,
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
    'Targets',
    ['target', 'measured', ''],
    targets.map(({ number, target, measured, met }) => [
      `${number}. ${target}`,
      measured,
      met ? 'met' : 'NOT MET',
    ]),
  );
  console.log(`\n${tookSeconds.toFixed(0)} s`);
}
