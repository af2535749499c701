import { parseArgs } from 'node:util';
import { upperBound } from '../bench/judge/statistics.ts';
import { percent } from '../bench/judge/table.ts';
import { type Release, SCENARIOS } from './scenarios.ts';
import { World } from './world.ts';

/**
 * `npm run sim -- [--seeds N] [--first-seed S] [--scenario NAME] [--releases N]`: whole releases in virtual time. Each seed is a
 * world of its own: the engine at AWS's own pace, both stacks from the app's templates, the controller's deployed bundle, the
 * real worker in every task, and traffic. Exit status 1 when a release ended as it must not, or when a message was lost; the
 * judge's errors are counted, and are no failure at the rates that it states.
 */
const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '3' },
    'first-seed': { type: 'string', default: '1' },
    scenario: { type: 'string', default: 'good' },
    releases: { type: 'string', default: '4' },
    rate: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
});

function wholeNumber(name: 'seeds' | 'first-seed' | 'releases' | 'rate'): number {
  const text = options[name];
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  console.error(`--${name} must be a whole number from 1 on, not "${text}"`);
  process.exit(2);
}

const [SEEDS, FIRST, RELEASES, RATE] = [
  wholeNumber('seeds'),
  wholeNumber('first-seed'),
  wholeNumber('releases'),
  wholeNumber('rate'),
];
const scenario = SCENARIOS[options.scenario];
if (scenario === undefined) {
  console.error(
    `there is no scenario "${options.scenario}": use one of ${Object.keys(SCENARIOS).join(', ')}`,
  );
  process.exit(2);
}

/** Lines of the journal that are shown of a world in which something went wrong. */
const JOURNAL_LINES = 50;

const startedMs = performance.now();
const releases: Release[] = [];
const problems: string[] = [];
let virtualMs = 0;
let messages = 0;

for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) await play(seed);
report();

async function play(seed: number): Promise<void> {
  const world = await World.start({ seed, rate: RATE, context: { approval: 'automatic' } });
  const beganMs = world.clock.nowMs();
  const before = problems.length;
  try {
    const first = await world.untilEnd(true);
    if (!first.promoted) problems.push(`seed ${seed}: the first release was not promoted: ${first.reason}`);
    await scenario!.before?.(world);
    for (let number = 1; number <= RELEASES; number += 1) {
      const release = await scenario!.release(world, number);
      releases.push(release);
      progress(seed, number, release);
      if (!release.isRight) {
        problems.push(
          `seed ${seed}: ${release.version.name} ended wrongly, by ${release.by}: ${release.reason}`,
        );
      }
    }
    const { sent, lost } = await world.drain();
    messages += sent;
    if (lost.length > 0)
      problems.push(`seed ${seed}: ${lost.length} messages were lost, such as "${lost[0]}"`);
  } catch (error) {
    problems.push(`seed ${seed}: ${(error as Error).stack}`);
  }
  virtualMs += world.clock.nowMs() - beganMs;
  if (problems.length > before) {
    for (const problem of problems.slice(before)) console.error(problem);
    console.error(`the last ${JOURNAL_LINES} lines of its journal:`);
    for (const { atMs, source, type, detail } of world.engine.journal.read(
      Math.max(0, world.engine.journal.seq - JOURNAL_LINES),
    )) {
      console.error(`  ${new Date(atMs).toISOString()} ${source} ${type} ${JSON.stringify(detail)}`);
    }
    console.error(
      `again: npm run sim -- --scenario ${options.scenario} --first-seed ${seed} --seeds 1 --releases ${RELEASES} --rate ${RATE}`,
    );
  }
  await world.close();
}

function progress(seed: number, number: number, release: Release): void {
  const { version, promoted, by, undecided, tookMs, disturbances } = release;
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  const how = undecided ? 'left to a person' : promoted ? 'promoted' : `rolled back by ${by}`;
  const minutes = `${Math.round(tookMs / 60_000)} min`;
  console.error(
    `${`${seconds} s`.padStart(7)}  seed ${seed}, release ${number}/${RELEASES}  ${version.name.padEnd(8)} ${how.padEnd(22)} ${minutes.padStart(7)}  ${disturbances.join(', ')}`,
  );
}

function report(): void {
  const total = releases.length;
  const rolledBack = releases.filter(({ promoted }) => !promoted);
  const undecided = releases.filter((release) => release.undecided !== undefined);
  const byOthers = rolledBack.filter(({ by }) => by !== 'judge');
  const realMs = performance.now() - startedMs;
  const atMost = (count: number) =>
    `at most ${percent(upperBound(count, total))} of such releases, with 99 % confidence`;
  const result = {
    scenario: options.scenario,
    seeds: [FIRST, FIRST + SEEDS - 1],
    releases: total,
    promoted: total - rolledBack.length,
    rolledBack: rolledBack.length,
    notByJudge: byOthers.length,
    leftToPerson: undecided.length,
    messages,
    virtualHours: virtualMs / 3_600_000,
    timesRealTime: virtualMs / realMs,
    problems,
  };
  if (options.json) console.log(JSON.stringify(result, null, 2));
  else {
    console.log(`
${scenario!.what}
releases          ${total}, seeds ${FIRST} to ${FIRST + SEEDS - 1}
promoted          ${total - rolledBack.length}; ${atMost(total - rolledBack.length)}
rolled back       ${rolledBack.length}; ${atMost(rolledBack.length)}
  not by judge    ${byOthers.length}; ${atMost(byOthers.length)}
left to a person  ${undecided.length}
messages          ${messages}, ${problems.some((problem) => problem.includes('lost')) ? 'NOT ALL ACCOUNTED FOR' : 'all processed or dead-lettered'}
virtual time      ${(virtualMs / 3_600_000).toFixed(1)} hours in ${Math.round(realMs / 1000)} s, ${Math.round(virtualMs / realMs)} times real time
problems          ${problems.length}`);
  }
  process.exitCode = problems.length > 0 ? 1 : 0;
}
