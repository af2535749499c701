import {
  formatStackUpdates,
  parseStackUpdates,
  replaced,
  type StackUpdate,
  type StackUpdates,
} from '@queue-canary/core';
import { answerTo } from '../stack-update-answer.ts';
import { UserError } from '../user-error.ts';

/** A question of CloudFormation about a custom resource: the part that is read here. */
interface Question {
  readonly RequestType: 'Create' | 'Update' | 'Delete';
  readonly RequestId: string;
  readonly ResponseURL: string;
  readonly StackId: string;
  readonly LogicalResourceId: string;
  readonly PhysicalResourceId?: string;
  readonly ResourceProperties: { readonly Step?: string; readonly TaskDefinition?: string };
}

export interface CheckpointOptions {
  /** Status of a stack, as CloudFormation names it. */
  readonly statusOf: (stackId: string) => Promise<string>;
  /** The text that the controller reads. */
  readonly recall: () => Promise<string>;
  /** Writes it. */
  readonly remember: (text: string) => Promise<void>;
  readonly put: (url: string, body: Uint8Array<ArrayBuffer>) => Promise<Response>;
  /** Now, epoch milliseconds. */
  readonly nowMs: () => number;
}

/**
 * The checkpoints of a stack update as a function of CloudFormation's questions: an update waits for the controller, who
 * reads what is remembered here. It is a function of its own, since the controller depends on the services that wait.
 *
 * Lambda hands a question over at least once: one that is known already changes nothing.
 *
 * What makes or deletes the resource waits for nobody. Nor does a rollback: it must not fail.
 */
export function createCheckpoint(options: CheckpointOptions): (event: unknown) => Promise<void> {
  const { statusOf, recall, remember, put, nowMs } = options;
  return async (event) => {
    const question = event as Question;
    const { Step: step, TaskDefinition: taskDefinitionArn } = question.ResourceProperties;
    if ((step !== 'hold' && step !== 'verdict') || taskDefinitionArn === undefined) {
      throw new UserError('InvalidRequest', 'only the stack itself asks here; deploy it again');
    }
    const update: StackUpdate = {
      step,
      requestId: question.RequestId,
      stackId: question.StackId,
      logicalResourceId: question.LogicalResourceId,
      physicalResourceId: question.PhysicalResourceId ?? question.LogicalResourceId,
      responseUrl: question.ResponseURL,
      taskDefinitionArn,
      askedAt: new Date(nowMs()).toISOString(),
    };
    const waits =
      question.RequestType === 'Update' && !(await statusOf(question.StackId)).includes('ROLLBACK');
    if (waits) {
      const parsed = parseStackUpdates(await recall());
      const before: StackUpdates = parsed.ok ? parsed : { earlier: [] };
      if ([...before.earlier, before.update?.requestId].includes(update.requestId)) return;
      return remember(formatStackUpdates(replaced(before, update)));
    }
    await answerTo(update, { success: true, reason: 'nothing waits' }, put);
  };
}
