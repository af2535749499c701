import {
  currentRelease,
  isActive,
  type Job,
  type Journey,
  journeyOfUpdate,
  known,
  type Measurement,
  measuredFrom,
  type Observed,
  type PipelineState,
  type Reading,
  type RecordReading,
  reportMs,
  type SeenStackUpdate,
  type ServiceState,
  type Track,
  unknown,
  unreadOf,
} from '@queue-canary/core';
import type { Gateways, TaskLog } from './gateways.ts';
import { sampleOf } from './stable-sample.ts';
import { messageOf } from './thrown.ts';

/** Looks at everything that a decision depends on. */
export type Observer = (nowMs: number, job?: Job) => Promise<Observed>;

/**
 * An observer over the given gateways.
 *
 * What cannot be read is reported as unknown with its cause; it never fails the whole look, since a missing
 * metric must not keep a rollback from going on.
 */
export function observerOver(gateways: Gateways): Observer {
  return async (nowMs, job) => {
    // First: what it says has happened to the services must be in what they say.
    const pipeline = await reading('the pipeline', () => gateways.pipeline.read());
    const [canary, stable, alarms, deadLetters, record, image] = await Promise.all([
      reading('the canary service', () => gateways.services.read('canary')),
      reading('the stable service', () => gateways.services.read('stable')),
      reading('the alarms', () => gateways.alarms.read()),
      reading('the depth of the dead-letter queue', () => gateways.deadLetters.depth()),
      reading('the release record', () => gateways.record.read()),
      reading('the image parameter', () => gateways.record.readImage()),
    ]);
    const stackUpdate =
      gateways.stackUpdates &&
      (await reading('the stack update', () => seenStackUpdate(gateways, canary, record)));
    const measured = judgedRelease(pipeline, canary, stackUpdate);
    const outcomes = await reading('the outcomes of the workers', () =>
      measure(gateways, measured, { canary, stable }, nowMs),
    );
    return {
      pipeline,
      canary,
      stable,
      alarms,
      deadLetters,
      record,
      outcomes,
      image,
      imageRepository: gateways.imageRepository,
      ...(stackUpdate && { stackUpdate }),
      ...(job && { job }),
    };
  };
}

/** What is judged: a stack update that waits for its verdict, or the current release. */
function judgedRelease(
  pipeline: Reading<PipelineState>,
  canary: Reading<ServiceState>,
  stackUpdate: Reading<SeenStackUpdate | undefined> | undefined,
): Journey | undefined {
  const update = stackUpdate?.known ? stackUpdate.value?.update : undefined;
  if (update?.step === 'verdict' && update.answeredAt === undefined && canary.known) {
    return journeyOfUpdate(update, canary.value);
  }
  return pipeline.known ? currentRelease(pipeline.value) : undefined;
}

async function seenStackUpdate(
  { stackUpdates, services }: Gateways,
  canary: Reading<ServiceState>,
  record: Reading<RecordReading>,
): Promise<SeenStackUpdate | undefined> {
  const update = await stackUpdates?.read();
  if (update === undefined) return undefined;
  const good = record.known ? record.value.record.lastGood?.canaryTaskDefinitionArn : undefined;
  const isGood = async (taskDefinitionArn: string) =>
    good !== undefined && (await services.sameConfiguration(taskDefinitionArn, good));
  return {
    update,
    changesConfiguration: !(await isGood(update.taskDefinitionArn)),
    canaryIsChanged: canary.known && !(await isGood(canary.value.primary.taskDefinitionArn)),
  };
}

/** What both tracks did alongside each other, from the beginning of the canary's deployment on. */
async function measure(
  gateways: Gateways,
  release: Journey | undefined,
  services: Readonly<Record<Track, Reading<ServiceState>>>,
  nowMs: number,
): Promise<Measurement | undefined> {
  if (release === undefined || !isActive(release.execution)) return undefined;
  const fromMs = measuredFrom(release);
  const [canaryLog, stableLog, canaryTasks, stableTasks] = await Promise.all([
    logOf(gateways, services.canary),
    logOf(gateways, services.stable),
    gateways.services.tasks('canary'),
    gateways.services.tasks('stable'),
  ]);
  const sample = sampleOf(stableTasks, fromMs);
  const unread = unreadOf(release, nowMs);
  const { canary, stable, ...others } = await gateways.outcomes.read({
    fromMs,
    nowMs,
    logs: { canary: canaryLog, stable: stableLog },
    ...(unread && { unread }),
    ...(sample && { stableTasks: sample.ids }),
    ...(release.stable && { promotedAt: release.stable.startedAt }),
  });
  return {
    fromMs,
    toMs: Math.floor(nowMs / reportMs) * reportMs,
    canary: { lines: canary, tasks: canaryTasks },
    stable: { lines: stable, tasks: stableTasks },
    ...(unread && { unread }),
    ...others,
    ...(sample && { stableSample: sample.size }),
  };
}

/** A release changes a task definition's image and nothing else, so the deployed one says where all tasks log. */
async function logOf(gateways: Gateways, service: Reading<ServiceState>): Promise<TaskLog> {
  if (!service.known) throw new Error(service.problem);
  return gateways.services.log(service.value.primary.taskDefinitionArn);
}

async function reading<T>(what: string, read: () => Promise<T>): Promise<Reading<T>> {
  try {
    return known(await read());
  } catch (error) {
    return unknown(`${what} cannot be read: ${messageOf(error)}`);
  }
}
