import { stages } from '../contract.ts';
import { followImage, lastGoodFrom, writeRecord } from './bookkeeping.ts';
import type { Effect } from './effect.ts';
import { starts } from './first-release.ts';
import type { Health } from './health.ts';
import { again, complete, jobOf } from './jobs.ts';
import type { Journey } from './journey.ts';
import { nextLookMs, remaining } from './next-look.ts';
import type { Job } from './observed.ts';
import { unasked } from './waits.ts';
import { commitText, onOneImage, progress, shortId, type World } from './world.ts';

interface Watch {
  readonly good: boolean;
  readonly effects: readonly Effect[];
  readonly nextWakeMs?: number;
  readonly reasons: readonly string[];
}

/** The end of a promotion: both services steady on the candidate, and the watch period over. */
export function planWatch(world: World, release: Journey, since: number, health: Health): Watch {
  const { policy, nowMs, record } = world;
  const job = jobOf(world, release, 'record');
  const reasons: string[] = [];
  const arrived = starts(world, release).length > 0 ? undefined : onOneImage(world);
  const lookMs = nextLookMs(nowMs, release, since);
  if (arrived === undefined)
    reasons.push('the services are not steady on the candidate yet', ...progress(world));
  const watchedAt = since + policy.watchMs;
  if (arrived === undefined && nowMs >= watchedAt + steadyWithinMs && job !== undefined) {
    return askForCapacity(world, release, job, reasons);
  }
  if (arrived !== undefined) reasons.push(...unasked(world, stages.record.action, watchedAt));
  if (nowMs < watchedAt) reasons.push(`both services are watched for ${remaining(watchedAt - nowMs)} more`);
  if (
    arrived === undefined ||
    nowMs < watchedAt ||
    health.unmeasured.length > 0 ||
    health.deadLettersPending ||
    job === undefined
  ) {
    return {
      good: false,
      effects: job === undefined ? [] : [again(job)],
      nextWakeMs: nowMs < watchedAt ? Math.min(lookMs, watchedAt - nowMs) : lookMs,
      reasons,
    };
  }
  const { execution } = release;
  const lastGood = lastGoodFrom(world, arrived, execution.id, execution.commit);
  return {
    good: true,
    effects: [
      writeRecord(world, 'recordLastGood', execution.id, { ...record, lastGood }),
      ...followImage(world, lastGood),
      {
        kind: 'notify',
        subject: `Release ${shortId(execution.id)} succeeded`,
        message: `Both services run ${lastGood.imageUri}${commitText(execution.commit)}. It is the last good release now.`,
      },
      complete(job, execution.id),
    ],
    reasons: ['both services are steady on the candidate and the watch period is over'],
  };
}

/**
 * How long after the watch both services may take to be steady. CodePipeline fails the action after 24 hours in all, and
 * its failure would roll back a release for a shortage of capacity.
 * https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html
 */
const steadyWithinMs = 2 * 60 * 60_000;

/**
 * Ends the pipeline's wait for services that do not become steady, and asks a person. Nothing speaks against the
 * release, so it is not rolled back; it is recorded as good when both services are steady after all.
 */
function askForCapacity(world: World, release: Journey, job: Job, reasons: readonly string[]): Watch {
  const { id, commit } = release.execution;
  const { lastGood } = world.record;
  return {
    good: false,
    effects: [
      {
        kind: 'notify',
        subject: `Release ${shortId(id)} needs you: its services are not steady`,
        message: `Release ${id}${commitText(commit)} runs on both services, but they have not become steady since its watch: ${progress(world).join('; ')}. Nothing was found wrong with the release, and it is not rolled back. See why ECS cannot place the tasks. When both services are steady, it is recorded as the last good release; until then that is ${lastGood?.imageUri ?? 'none'}.`,
      },
      complete(job, id),
    ],
    reasons: [...reasons, 'a person must see to it: the services have not become steady in time'],
  };
}
