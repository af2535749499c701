import { parseArgs } from 'node:util';
import { DisturbedApplication } from '../packages/core/test/disturbed-application.ts';
import { upperBound } from './judge/statistics.ts';
import { percent } from './judge/table.ts';

/**
 * `npm run bench:virtual-releases [-- --releases N] [-- --seed N]`: good versions, one after the other, in a simulated
 * application, in virtual time: the controller's own plan and judge, on a simulated pipeline, services and log. Poison comes in
 * bursts, people look into the dead-letter queue, stack updates change stable, and AWS's answers are up to 15 s old. Twenty releases
 * follow a day of such traffic, then comes another application. Exit status 1 when anything but the judge ended one.
 *
 * `bench:releases` does the same on the whole system, in the engine's fast time, at about 80 s a release.
 */
const { values: options } = parseArgs({
  options: { releases: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
});

const [RELEASES, SEED] = [Number(options.releases), Number(options.seed)];
if (![RELEASES, SEED].every((n) => Number.isSafeInteger(n) && n > 0)) {
  console.error('--releases and --seed must be whole numbers from 1 on');
  process.exit(2);
}

const PER_APPLICATION = 20;

const ends = new Map<string, number>();
for (let done = 0; done < RELEASES; ) {
  const application = new DisturbedApplication(SEED + done / PER_APPLICATION);
  application.passDay();
  for (let release = 0; release < PER_APPLICATION && done < RELEASES; release += 1) {
    const end = application.release(`v${release + 2}`);
    ends.set(end, (ends.get(end) ?? 0) + 1);
    done += 1;
    console.error(`${done}/${RELEASES}  ${end}`);
  }
}

const succeeded = ends.get('succeeded') ?? 0;
const judge = ends.get('judge') ?? 0;
const others = RELEASES - succeeded - judge;
const atMost = (count: number) =>
  `at most ${percent(upperBound(count, RELEASES))} of such releases, with 99 % confidence`;
console.log(`good releases          ${RELEASES}, seed ${SEED}
not promoted           ${RELEASES - succeeded}; ${atMost(RELEASES - succeeded)}
of these, by judge     ${judge}
by anything else       ${others}; ${atMost(others)}${others === 0 ? '' : `: ${JSON.stringify(Object.fromEntries(ends))}`}`);
process.exitCode = others > 0 ? 1 : 0;
