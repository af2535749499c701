import { sleep } from '@queue-canary/engine';
import { answerApproval } from '../commands/release.ts';
import type { DemoRun, Story } from './demo-run.ts';
import { bothSteadyOn, failingHandler, onOneImage, runningCommits } from './judged-story.ts';

/**
 * A person promotes, and dead letters roll back: a good version 2, then a version 3 that fails every
 * message.
 *
 * No watch, because it is a demonstration, and a short bake: the sample's tasks are warm within a quarter of a minute.
 * Two deliveries instead of three, because a message that the canary fails is retried mostly by stable: with
 * three, few reach the dead-letter queue. A whole vCPU per task, because the limit is real here and a quarter of
 * one makes Node start slowly.
 */
export const approvedStory: Story = {
  cdkContext: [
    'approval=manual',
    'bakeMinutes=0.25',
    'watchMinutes=0',
    'warmUpSeconds=15',
    'maxReceiveCount=2',
    'cpu=1024',
    'memoryMiB=2048',
  ],
  aimMs: 120_000,
  async play(run) {
    await releaseOne(run);
    await releaseTwo(run);
    await releaseThree(run);
  },
};

/** The pipeline's own first execution, which AWS starts when the pipeline is created. */
async function releaseOne(run: DemoRun): Promise<void> {
  run.line('release of version 1: the pipeline starts by itself when it is created');
  const release = run.watch.release('1');
  await release.until(({ view }) => view.approvalPending, 'version 1 to wait for approval');
  await answerApproval(run.context, 'Approved', { summary: 'first version' });
  const end = await release.end();
  run.add(release);
  run.check(
    'version 1 is on both services',
    end.view.phase === 'succeeded' && onOneImage(end),
    runningCommits(end),
  );
}

async function releaseTwo(run: DemoRun): Promise<void> {
  const { watch } = run;
  const { clock } = run.context;
  run.line('commit of version 2, a good one');
  const pushedAt = clock.nowMs();
  await run.commit('2', 'Version 2: a good change', (source) => source);
  const release = watch.release('2');
  await release.until(
    () => (watch.tally.get('canary', '2')?.succeeded ?? 0) > 0,
    'the canary to process messages with version 2',
  );
  const firstAt = watch.tally.get('canary', '2')?.firstAt ?? clock.nowMs();
  run.figure('commit to canary processing', firstAt - pushedAt, 10_000);
  await release.until(({ view }) => view.approvalPending, 'version 2 to wait for approval');
  const before = watch.tally.get('canary', '2')!.succeeded;
  await release.until(
    () => watch.tally.get('canary', '2')!.succeeded >= before + run.rate / 2,
    'the canary to process more messages',
  );
  const canary = watch.tally.get('canary', '2')!.succeeded;
  run.check(
    'while approval is pending the canary runs version 2 and stable version 1',
    canary > 0 && watch.tally.get('stable', '2') === undefined,
    `canary processed ${canary} messages with version 2, stable none`,
  );
  run.line(`  approving version 2: the canary has processed ${canary} messages with it`);
  const approvedAt = clock.nowMs();
  await answerApproval(run.context, 'Approved', { summary: 'the canary looks good' });
  await release.until((status) => bothSteadyOn(status, release.commit()), 'both services to run version 2');
  run.figure('approval to both services on the new version', clock.nowMs() - approvedAt, 10_000);
  const end = await release.end();
  run.add(release);
  // The workers write their metrics every five seconds, so this may be seen only when the release is over.
  await watch.until(
    () => (watch.tally.get('stable', '2')?.succeeded ?? 0) > 0,
    'stable to process messages with version 2',
  );
  run.check(
    'version 2 was promoted to both services',
    end.view.phase === 'succeeded' && onOneImage(end),
    runningCommits(end),
  );
}

async function releaseThree(run: DemoRun): Promise<void> {
  const { watch } = run;
  const { clock } = run.context;
  run.line('commit of version 3, whose handler fails on real messages');
  const lastGood = (await watch.look()).view.lastGood?.imageDigest;
  await run.commit('3', 'Version 3: a bad change', failingHandler('true'));
  const release = watch.release('3');
  await release.until(() => (watch.tally.get('canary', '3')?.failed ?? 0) > 0, 'version 3 to fail messages');
  run.line('  version 3 fails messages; nobody intervenes');
  await release.until(
    (status) => status.view.phase === 'rolledBack' && status.view.tracks.every(({ steady }) => steady),
    'both services to be restored',
  );
  const firstFailedAt = watch.tally.get('canary', '3')?.firstFailedAt ?? 0;
  run.figure('first failed message to both services restored', clock.nowMs() - firstFailedAt, 20_000);
  const end = await release.end();
  run.add(release);
  const { tracks, alarms } = end.view;
  run.check(
    'version 3 was rolled back by itself and both services run version 2',
    end.view.phase === 'rolledBack' &&
      tracks.length === 2 &&
      tracks.every(({ imageDigest }) => imageDigest === lastGood),
    end.view.reasons.join('; '),
  );
  run.check(
    'the dead-letter alarm went off and EventBridge invoked the controller',
    await alarmReachedController(run),
    alarms.map(({ name }) => name).join(', '),
  );
  run.check('stable never ran version 3', watch.tally.get('stable', '3') === undefined, '');
}

/**
 * Whether the alarm went off and EventBridge invoked the controller for it, now or as soon as its late metrics have
 * arrived: the controller sees the dead letters itself before.
 */
async function alarmReachedController({ context, outputs }: DemoRun): Promise<boolean> {
  const { clock, signal, clients } = context;
  const limit = clock.nowMs() + 30_000;
  while (clock.nowMs() < limit && !signal.aborted) {
    const { events = [] } = await clients.logs.filterLogEvents({
      logGroupName: outputs.ControllerLogGroupName,
      filterPattern: '"aws.cloudwatch: CloudWatch Alarm State Change"',
    });
    if (events.length > 0) return true;
    await sleep(clock, 500, signal);
  }
  return false;
}
