import type { Track } from '../contract.ts';
import type { ReleaseRecord, RollbackRequest } from './record.ts';
import type { StackUpdate } from './stack-update.ts';

/**
 * One thing to do to the world. Each is idempotent and names the release (or the state) that it is meant
 * for, so that a late or repeated execution finds nothing to do or a conflict, never another release.
 *
 * The record writes are barriers: they come first in a plan, and when one does not succeed nothing after it
 * is done. So a rollback is durable before anything is touched, and a job is completed only after its
 * release is recorded. All other effects of a plan are independent of each other.
 */
export type Effect =
  | RecordWrite
  /** Writes down that a person wants a release to be rolled back: whichever look sees it decides so. */
  | { readonly kind: 'requestRollback'; readonly request: RollbackRequest }
  /** Writes the image that new task definitions of the template use. */
  | { readonly kind: 'recordImage'; readonly imageUri: string }
  /**
   * Answers the pending approval for the judge, whose pass the policy takes for an answer; the token makes it
   * conditional. Under no other policy does the controller answer approvals, and it has no permission to.
   */
  | {
      readonly kind: 'grantApproval';
      readonly executionId: string;
      readonly stage: string;
      readonly action: string;
      readonly token: string;
      readonly reason: string;
    }
  /** Stops the execution at once. What its actions have started, an ECS deployment above all, goes on. */
  | { readonly kind: 'stopExecution'; readonly executionId: string; readonly reason: string }
  /**
   * Deploys the last good image, superseding whatever deployment is under way. The configuration stays as the
   * service has it, since that is CloudFormation's and not a release's.
   */
  | {
      readonly kind: 'restoreService';
      readonly executionId: string;
      readonly track: Track;
      readonly imageUri: string;
      /** The revision that ran this image last; not deployed where its configuration is not the service's any more. */
      readonly taskDefinitionArn?: string;
      /** What the service was seen to deploy; if that has changed, look again instead. */
      readonly observedTaskDefinitionArn: string;
      /** Deploys it again although the service names it already, because that deployment failed. */
      readonly forceNew: boolean;
    }
  /** Brings a service that has no task to its size, and lets Application Auto Scaling size it from then on. */
  | { readonly kind: 'startService'; readonly executionId: string; readonly track: Track }
  /** Keeps newer executions in front of the canary while a release is under way. */
  | { readonly kind: 'closeCanaryStage'; readonly executionId: string; readonly reason: string }
  /** Lets the newest waiting execution reach the canary. */
  | { readonly kind: 'openCanaryStage' }
  | {
      readonly kind: 'completeJob';
      readonly jobId: string;
      readonly executionId: string;
      /** Output variables of the action, for the configuration of later ones. */
      readonly outputs?: Readonly<Record<string, string>>;
    }
  /** Asks CodePipeline to call again, in about 30 seconds. */
  | { readonly kind: 'continueJob'; readonly jobId: string }
  | { readonly kind: 'failJob'; readonly jobId: string; readonly reason: string }
  /** Answers CloudFormation, which goes on with the stack update or rolls it back; and then remembers `next` of it. */
  | {
      readonly kind: 'answerStackUpdate';
      readonly update: StackUpdate;
      readonly success: boolean;
      readonly reason: string;
      /** @default - nothing: the canary is free again */
      readonly next?: StackUpdate;
    }
  /** The canary is free of a stack update again. */
  | { readonly kind: 'forgetStackUpdate'; readonly update: StackUpdate }
  | { readonly kind: 'notify'; readonly subject: string; readonly message: string };

/** A conditional write of the record: it takes place only at the parameter version that was observed. */
export interface RecordWrite {
  readonly kind:
    | 'recordLastGood'
    | 'recordDecision'
    | 'recordRestored'
    | 'recordBaseline'
    | 'recordVerdict'
    | 'recordDrift'
    | 'recordHalt';
  /** The release that it is about; of a halt without one, the last good one's. */
  readonly executionId: string;
  readonly next: ReleaseRecord;
  readonly ifVersion: number;
}

/** Whether nothing after this effect may be done unless it succeeded. */
export function isBarrier(effect: Effect): effect is RecordWrite {
  return (
    effect.kind === 'recordLastGood' ||
    effect.kind === 'recordDecision' ||
    effect.kind === 'recordRestored' ||
    effect.kind === 'recordBaseline' ||
    effect.kind === 'recordVerdict' ||
    effect.kind === 'recordDrift' ||
    effect.kind === 'recordHalt'
  );
}
