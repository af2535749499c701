import { comparatorNames } from './comparators.ts';
import { lowerBound } from './statistics.ts';
import type { Sizes } from './studies.ts';
import type { BadSummary, GoodSummary, Method, PromotionSummary } from './summaries.ts';
import { count, percent, printTable, ratio, seconds } from './table.ts';
import type { Target } from './targets.ts';
import type { Throughput } from './throughput.ts';
import type { World } from './world.ts';

/** All that a run has found out. */
export interface Report {
  readonly seed: number;
  readonly sizes: Sizes;
  readonly good: readonly GoodSummary[];
  readonly bad: readonly BadSummary[];
  readonly late: readonly { readonly early: BadSummary; readonly late: BadSummary }[];
  readonly promotions: readonly PromotionSummary[];
  readonly meanError: number;
  readonly throughput: readonly Throughput[];
  readonly targets: readonly Target[];
  readonly tookSeconds: number;
}

export function print(report: Report): void {
  const { seed, sizes, good, bad, late, promotions, throughput, targets, tookSeconds } = report;
  console.log(
    `judge: default policy (alpha 1 %, beta 5 %, margin 2 points, bake 10 min), releases of one hour, seed ${seed}; ${sizes.good.join(' or ')} good releases in a world, ${sizes.bad} bad ones`,
  );
  printGood(good);
  printBad(bad, good);
  printLate(late, good);
  printPromotions(promotions);
  printTable(
    'Speed, by processor time of one core: a release of an hour, 4 tasks',
    ['blocks', 'blocks/s, median', 'best'],
    throughput.map(({ name, blocksPerSecond, best }) => [name, thousands(blocksPerSecond), thousands(best)]),
  );
  printTable(
    'Targets, at 10 msg/s where it matters (99 % bounds in brackets)',
    ['target', 'measured', ''],
    targets.map(({ target, measured, status }) => [target, measured, status]),
  );
  console.log(`\n${tookSeconds.toFixed(0)} s`);
}

function printGood(good: readonly GoodSummary[]): void {
  printTable(
    'Good releases: part rolled back within the hour, and what else became of them under the judge; next to it, part that each comparator rolls back',
    [
      'world',
      'msg/s',
      'releases',
      'rolled back',
      'upper 99 %',
      'passed at 10 min',
      'later',
      'undecided',
      ...comparatorNames,
    ],
    good.map((each) => [
      each.world.name,
      String(each.world.messagesPerSecond),
      String(each.releases),
      percent(each.rolledBack / each.releases),
      percent(each.upper),
      percent(each.passedAtBake, 0),
      percent(each.passedLater, 0),
      percent(each.inconclusive, 0),
      ...each.comparators.map((hits) => percent(hits / each.releasesInFull, 1)),
    ]),
  );
}

function printBad(bad: readonly BadSummary[], good: readonly GoodSummary[]): void {
  printTable(
    'Bad releases, under the judge: part found, messages harmed until then, part that would have passed, part with a concern',
    ['world', 'msg/s', 'in 5 min', '10 min', 'the hour', 'mean time', 'harmed', 'p99', 'passed', 'concern'],
    bad.map(({ world, judge, passed, concerns }) => [
      world.name,
      String(world.messagesPerSecond),
      percent(judge.within5, 0),
      percent(judge.within10, 0),
      percent(judge.found, 0),
      seconds(judge.meanMs),
      count(judge.meanHarmed),
      count(judge.p99Harmed),
      percent(passed, 0),
      concerns.map(({ about, part }) => `${about} ${percent(part, 0)}`).join(', '),
    ]),
  );
  printTable(
    `The same compared with the comparators: mean time / messages harmed (part found within the hour); * sooner than the judge; ${MARKS}`,
    ['world', 'msg/s', 'judge', ...comparatorNames],
    bad.map((summary) => [
      summary.world.name,
      String(summary.world.messagesPerSecond),
      comparison(summary.judge, summary.judge),
      ...compared(summary, good),
    ]),
  );
}

function printLate(late: Report['late'], good: readonly GoodSummary[]): void {
  printTable(
    `Regressions that begin at 30 min, 10 msg/s: mean time from then / messages harmed (part found, part rolled back before, while still good); ${MARKS}`,
    ['world', 'judge', 'harmed if bad at once', 'ratio', ...comparatorNames],
    late.map(({ early, late: begun }) => [
      begun.world.name,
      comparison(begun.judge, begun.judge),
      count(early.judge.meanHarmed),
      ratio(begun.judge.meanHarmed / early.judge.meanHarmed),
      ...compared(begun, good),
    ]),
  );
}

function printPromotions(promotions: readonly PromotionSummary[]): void {
  printTable(
    'Promotion within the hour: versions that are worse by exactly the margin, and good ones; no method that passes good ones at 10 min can pass fewer than "unseen"',
    ['world', 'msg/s', 'worse passed', '99 % bounds', 'unseen', 'rolled back', 'good passed', 'median time'],
    promotions.map((each) => [
      each.world.name,
      String(each.world.messagesPerSecond),
      percent(each.promoted / each.releases),
      `${percent(each.lower)} to ${percent(each.upper)}`,
      each.unseen === undefined ? '' : percent(each.unseen),
      percent(each.rolledBack, 0),
      percent(each.goodPassed, 0),
      seconds(each.goodMedianMs),
    ]),
  );
}

const MARKS =
  '! surely rolls back more than 1 % of good releases too, where all else is plain; ~ in another world at this rate';

/** What the comparators did, marked where they were sooner and where they cannot be trusted. */
function compared({ world, judge, comparators }: BadSummary, good: readonly GoodSummary[]): string[] {
  return comparators.map((other, index) => `${comparison(other, judge)}${blindness(index, world, good)}`);
}

function blindness(comparator: number, world: World, good: readonly GoodSummary[]): string {
  const blindIn = good.filter(({ world: { messagesPerSecond }, comparators, releasesInFull }) => {
    const hits = comparators[comparator]!;
    return messagesPerSecond === world.messagesPerSecond && lowerBound(hits, releasesInFull) > 0.01;
  });
  const isSame = ({ name, failureRate }: World) =>
    name.startsWith('plain') && failureRate === world.failureRate;
  if (blindIn.some((each) => isSame(each.world))) return ' !';
  return blindIn.length > 0 ? ' ~' : '';
}

/** Time and messages harmed until found; marked where that was as sure as the judge and sooner. */
function comparison(other: Method, judge: Method): string {
  const before = other.before > 0.005 ? `, ${percent(other.before, 0)} before` : '';
  if (other.found === 0) return `never${before}`;
  const part = other.found < 1 || before !== '' ? ` (${percent(other.found, 0)}${before})` : '';
  const sooner = other.found >= judge.found && other.meanMs < judge.meanMs;
  return `${seconds(other.meanMs)} / ${count(other.meanHarmed)}${part}${sooner ? ' *' : ''}`;
}

const thousands = (value: number): string => Math.round(value).toLocaleString('en');
