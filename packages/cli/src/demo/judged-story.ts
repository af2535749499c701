import type { ReleaseStatus } from '../commands/release.ts';
import type { DemoRun, Story } from './demo-run.ts';

/**
 * The judge promotes and rolls back, and nobody is asked: a good version 2, in spite of poison; a good version 3, whose
 * tasks are slow and fail a little in their first seconds; a version 4 that fails one message in ten; a version 5 that
 * is merely slow; a version 6 that fails everything, at ten messages per second.
 *
 * No watch, because it is a demonstration, and a short bake: the sample's tasks are warm within a quarter of a minute, and
 * what no version can process is a dead letter half a minute after it was sent, so that the judge has seen both tracks
 * fail it before the release leaves them. The error rates and the margin are the defaults.
 * Version 4 fails at random: messages that it always failed would now and then be received by the canary alone, and the
 * dead letter would end the release before the judge does. A whole vCPU per task, because the
 * limit is real here and a quarter of one makes Node start slowly.
 */
export const judgedStory: Story = {
  cdkContext: [
    'approval=automatic',
    'bakeMinutes=0.75',
    'watchMinutes=0',
    'warmUpSeconds=15',
    'maxReceiveCount=5',
    'cpu=1024',
    'memoryMiB=2048',
  ],
  aimMs: 300_000,
  async play(run) {
    await firstRelease(run);
    await goodRelease(run);
    await coldRelease(run);
    await badRelease(run, {
      version: '4',
      what: 'fails one message in ten',
      change: failingHandler("(await import('node:crypto')).randomInt(10) === 0"),
    });
    await badRelease(run, {
      version: '5',
      what: 'is merely slow',
      change: changedHandler("await (await import('node:timers/promises')).scheduler.wait(250);"),
      drivenBy: 'latency',
    });
    run.traffic.setRate(10);
    await badRelease(run, {
      version: '6',
      what: 'fails every message, at 10 messages per second',
      change: failingHandler('true'),
      canaryFailuresMax: 20,
      judgedWithinMs: 10_000,
    });
  },
};

/** The pipeline's own first execution, which AWS starts when the pipeline is created. */
export async function firstRelease(run: DemoRun): Promise<void> {
  run.line('release of version 1: the pipeline starts by itself when it is created');
  const release = run.watch.release('1');
  const end = await release.end();
  run.add(release);
  run.check(
    'version 1 is on both services',
    end.view.phase === 'succeeded' && onOneImage(end),
    runningCommits(end),
  );
}

/** How many messages of a burst are poison. */
const BURST = 12;

async function goodRelease(run: DemoRun): Promise<void> {
  const { watch, traffic } = run;
  const { clock } = run.context;
  run.line('commit of version 2, a good one');
  const pushedAt = clock.nowMs();
  await run.commit('2', 'Version 2: a good change', (source) => source);
  const release = watch.release('2');
  await release.until(({ view }) => view.phase === 'baking', 'version 2 to bake on the canary');
  const steadyAt = clock.nowMs();
  run.line(`  a burst of ${BURST} messages that no version can process`);
  traffic.poison(BURST);
  await release.until(
    ({ view }) => view.phase === 'promoting' || view.phase === 'succeeded',
    'the judge to pass version 2',
  );
  const passedAt = clock.nowMs();
  run.figure('canary steady to promotion by the judge, with a burst of poison', passedAt - steadyAt, 60_000);
  run.check(
    'until then stable ran version 1',
    watch.tally.get('stable', '2') === undefined,
    'stable processed nothing with version 2',
  );
  const firstAt = watch.tally.get('canary', '2')?.firstAt;
  if (firstAt !== undefined) run.figure('commit to canary processing', firstAt - pushedAt, 10_000);
  const end = await release.end();
  run.figure('pass to both services on the new version', clock.nowMs() - passedAt, 10_000);
  const { decidedBy } = run.add(release);
  run.check(
    'version 2 promoted itself on a pass, and poison did not roll it back',
    end.view.phase === 'succeeded' && decidedBy === 'judge' && onOneImage(end),
    `${traffic.counts().poison} poison messages, ${end.view.release?.deadLetters ?? 0} of them dead-lettered by the canary by then`,
  );
}

/** How long a task of version 3 is cold. */
const COLD_SECONDS = 8;

/** Slow and failing a little for the first seconds of a task, as while caches fill and connections are made. */
async function coldRelease(run: DemoRun): Promise<void> {
  const { watch } = run;
  run.line(`commit of version 3, a good one whose tasks are cold for ${COLD_SECONDS} s`);
  await run.commit(
    '3',
    'Version 3: a good change, slow to start',
    changedHandler(
      `if (process.uptime() < ${COLD_SECONDS}) {
    await (await import('node:timers/promises')).scheduler.wait(50);
    if (createHash('sha256').update(body).digest().readUInt16BE() % 25 === 0) throw new Error('not connected yet');
  }`,
    ),
  );
  const release = watch.release('3');
  const end = await release.end();
  const { decidedBy, canaryFailures = 0 } = run.add(release);
  run.check(
    'version 3 promoted itself, although its tasks were cold at first',
    end.view.phase === 'succeeded' && decidedBy === 'judge' && onOneImage(end),
    `the canary failed ${canaryFailures} messages, and ${watch.tally.get('canary', '3')?.failed ?? 0} with those of its first seconds`,
  );
}

interface BadRelease {
  readonly version: string;
  readonly what: string;
  readonly change: (source: string) => string;
  /** The metric on which the judge must fail it; any, where it is left out. */
  readonly drivenBy?: 'latency';
  readonly canaryFailuresMax?: number;
  readonly judgedWithinMs?: number;
}

async function badRelease(run: DemoRun, bad: BadRelease): Promise<void> {
  const { watch } = run;
  const { clock } = run.context;
  const { version, what } = bad;
  run.line(`commit of version ${version}, which ${what}`);
  const before = (await watch.look()).view;
  await run.commit(version, `Version ${version}: a bad change`, bad.change);
  const release = watch.release(version);
  // A version that fails everything may be found before anyone has seen it bake.
  await release.until(({ view }) => view.phase !== 'deploying', `version ${version} to bake on the canary`);
  const steadyAt = clock.nowMs();
  const { view } = await release.until(
    (status) => status.view.phase === 'rolledBack' && status.view.tracks.every(({ steady }) => steady),
    'both services to be restored',
  );
  const restoredAt = clock.nowMs();
  await release.end();
  const { canaryFailures = 0, decidedBy, evidence = '' } = run.add(release);
  const decidedAt = Date.parse(view.decision?.decidedAt ?? '');
  const failedAt = watch.tally.get('canary', version)?.firstFailedAt ?? steadyAt;
  run.figure(
    `version ${version}: first failure or steady canary to the judge's verdict`,
    decidedAt - Math.min(failedAt, steadyAt),
    bad.judgedWithinMs ?? 60_000,
  );
  run.figure(`version ${version}: verdict to both services restored`, restoredAt - decidedAt, 10_000);
  run.check(
    `version ${version} was rolled back by the judge${bad.drivenBy === undefined ? '' : ` on ${bad.drivenBy}`}`,
    decidedBy === 'judge' &&
      evidence.startsWith(`Fail, on ${bad.drivenBy ?? ''}`) &&
      view.tracks.length === 2 &&
      view.tracks.every(({ imageDigest }) => imageDigest === before.lastGood?.imageDigest),
    evidence,
  );
  // Chance decides whether a message that the canary fails comes back to it each time, so this is no check.
  run.count(
    `version ${version}: dead letters until both services were restored`,
    (view.deadLetterDepth ?? 0) - (before.deadLetterDepth ?? 0),
    0,
  );
  if (bad.canaryFailuresMax !== undefined) {
    run.count(
      `version ${version}: failures of the canary until the verdict`,
      canaryFailures,
      bad.canaryFailuresMax,
    );
  }
  run.check(`stable never ran version ${version}`, watch.tally.get('stable', version) === undefined, '');
}

/** The sample's handler with a statement before everything else. */
function changedHandler(statement: string): (source: string) => string {
  return (source) =>
    source.replace(
      /(export async function handle\(body: string\): Promise<void> \{\n)/,
      `$1  ${statement}\n`,
    );
}

/** The sample's handler, failing on messages for which `condition` holds. */
export function failingHandler(condition: string): (source: string) => string {
  return changedHandler(`if (${condition}) throw new Error('the order has no customer');`);
}

/** Commits on both tracks, for people. */
export function runningCommits({ view }: ReleaseStatus): string {
  return view.tracks.map(({ track, commit }) => `${track} ${commit?.slice(0, 8) ?? '?'}`).join(', ');
}

/** Whether both services run the same image. */
export function onOneImage({ view }: ReleaseStatus): boolean {
  const [first, second] = view.tracks;
  return first !== undefined && second !== undefined && first.imageDigest === second.imageDigest;
}

/** Whether both services are steady on a commit. */
export function bothSteadyOn({ view }: ReleaseStatus, commit: string): boolean {
  return view.tracks.length === 2 && view.tracks.every((track) => track.steady && track.commit === commit);
}
