import { stages } from '../contract.ts';
import type { Effect } from './effect.ts';
import { isActive, type Journey } from './journey.ts';
import type { Job } from './observed.ts';
import type { Plan } from './phase.ts';
import type { World } from './world.ts';

/** The job that this wake has to answer, if it is the given action's of the current release. */
export function jobOf(world: World, release: Journey, step: 'judge' | 'record'): Job | undefined {
  const { job } = world.observed;
  if (job === undefined || (job.executionId ?? release.execution.id) !== release.execution.id)
    return undefined;
  return job.action === undefined || job.action === stages[step].action ? job : undefined;
}

/** A job that nobody answers keeps its pipeline action waiting until it times out: every one gets an answer. */
export function answeringJob(world: World, planned: Plan): Plan {
  const { job } = world.observed;
  if (job === undefined || planned.effects.some((effect) => 'jobId' in effect)) return planned;
  return { ...planned, effects: [...planned.effects, answerOther(world, job)] };
}

/** The answer to a job whose release is not the current one or not at its end. */
function answerOther(world: World, job: Job): Effect {
  const { executionId } = job;
  if (executionId === undefined) return again(job);
  if (world.record.lastGood?.executionId === executionId) return complete(job, executionId);
  const execution = world.pipeline.executions.find((candidate) => candidate.id === executionId);
  if (execution !== undefined && isActive(execution)) return again(job);
  return { kind: 'failJob', jobId: job.id, reason: `execution ${executionId} has already ended` };
}

export function again(job: Job): Effect {
  return { kind: 'continueJob', jobId: job.id };
}

export function complete(job: Job, executionId: string): Extract<Effect, { kind: 'completeJob' }> {
  return { kind: 'completeJob', jobId: job.id, executionId };
}
