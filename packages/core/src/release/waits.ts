import { holdPrefix, isBeyondWindows } from './gate.ts';
import type { PipelineState } from './observed.ts';
import type { World } from './world.ts';

/** CodePipeline asks the controller again every half minute; after so long without, something is wrong. */
const unansweredMs = 2 * 60_000;

/** Executions in front of stages that a person has closed, and how to let them in. */
export function heldByPeople({ name, stages }: PipelineState): string[] {
  return stages.flatMap((stage) => {
    const { transitionEnabled, transitionDisabledReason: reason, inboundExecutionIds: waiting } = stage;
    if (transitionEnabled || reason?.startsWith(holdPrefix) || waiting.length === 0) return [];
    const why = reason === undefined || reason === '' ? '' : ` ("${reason}")`;
    return [
      `execution ${waiting.join(', ')} waits in front of stage ${stage.name}, whose transition somebody has disabled${why}: aws codepipeline enable-stage-transition --pipeline-name ${name} --stage-name ${stage.name} --transition-type Inbound`,
    ];
  });
}

/** That the next release waits for a window. */
export function heldByWindows(world: World): string[] {
  if (!isBeyondWindows(world)) return [];
  return [`the next release waits for a release window: ${world.policy.releaseWindows.join(', ')}`];
}

/**
 * That an action of the pipeline waits for an answer which the controller would have given, had it been asked.
 *
 * @param since when the answer was there, epoch milliseconds.
 */
export function unasked({ nowMs, observed: { job } }: World, action: string, since: number): string[] {
  const waited = nowMs - since;
  if (job !== undefined || waited < unansweredMs) return [];
  const minutes = Math.floor(waited / 60_000);
  return [
    `the ${action} action has not asked the controller for its answer for ${minutes} min: its job may be lost. See queue-canary logs controller. CodePipeline fails the action 20 min after it last asked; queue-canary rollback ends the release at once`,
  ];
}
