import type { OperationTable } from '../../dispatch/service.ts';
import { parseBoundedJson } from '../../document-bounds.ts';
import { AwsFault } from '../../errors.ts';
import { invalid } from './message-content.ts';
import { MOVED_PER_SECOND_MAX, type MoveTask, type MoveTasks } from './move-tasks.ts';
import type { Queue } from './queue.ts';
import type { Queues } from './queues.ts';

/** Moving messages out of a dead-letter queue. AWS has no filter here: all or none. */
export function moveOperations(queues: Queues, tasks: MoveTasks) {
  const find = (arn: string | undefined, parameter: string): Queue => {
    const queue = queues.byArn(arn ?? '');
    if (queue) return queue;
    throw new AwsFault(
      'ResourceNotFoundException',
      `The resource that you specified for the ${parameter} parameter doesn't exist.`,
      404,
    );
  };

  return {
    StartMessageMoveTask: {
      resources: (input) => [input.SourceArn ?? '*'],
      // AWS asks for all of these on the source; sqs:SendMessage on the destination is not checked here.
      actions: () => [
        'sqs:StartMessageMoveTask',
        'sqs:ReceiveMessage',
        'sqs:DeleteMessage',
        'sqs:GetQueueAttributes',
      ],
      run: (input) => {
        const source = find(input.SourceArn, 'SourceArn');
        const destination =
          input.DestinationArn === undefined ? undefined : find(input.DestinationArn, 'DestinationArn');
        if (queues.sourcesOf(source).length === 0) {
          throw invalid('Source queue must be configured as a Dead Letter Queue.');
        }
        if (destination && (destination.fifo !== source.fifo || destination === source)) {
          throw invalid('The destination must be another queue, of the same type as the source.');
        }
        const perSecond = input.MaxNumberOfMessagesPerSecond;
        if (
          perSecond !== undefined &&
          !(Number.isInteger(perSecond) && perSecond >= 1 && perSecond <= MOVED_PER_SECOND_MAX)
        ) {
          throw invalid(
            `Value ${perSecond} for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: Must be an integer from 1 to ${MOVED_PER_SECOND_MAX}.`,
          );
        }
        if (tasks.of(source.arn).some(({ status }) => status === 'RUNNING')) {
          throw invalid(
            'There is already a task running. Only one active task is allowed for a source queue arn at a given time.',
          );
        }
        const task = tasks.begin({
          sourceArn: source.arn,
          destinationArn: destination?.arn,
          perSecond,
          toMove: source.counts().visible,
        });
        return { TaskHandle: handleOf(task) };
      },
    },
    ListMessageMoveTasks: {
      resources: (input) => [input.SourceArn ?? '*'],
      run: (input) => {
        const source = find(input.SourceArn, 'SourceArn');
        const most = input.MaxResults ?? 1;
        if (!(Number.isInteger(most) && most >= 1 && most <= 10)) {
          throw invalid(
            `Value ${most} for parameter MaxResults is invalid. Reason: Must be an integer from 1 to 10.`,
          );
        }
        return { Results: tasks.of(source.arn).slice(0, most).map(describe) };
      },
    },
    CancelMessageMoveTask: {
      resources: (input) => [readHandle(input.TaskHandle).sourceArn],
      run: (input) => {
        const task = tasks.get(readHandle(input.TaskHandle).taskId);
        if (!task) throw new AwsFault('ResourceNotFoundException', 'Task does not exist.', 404);
        if (task.status !== 'RUNNING') throw invalid('Only active tasks can be cancelled.');
        return { ApproximateNumberOfMessagesMoved: tasks.cancel(task).moved };
      },
    },
  } satisfies OperationTable<'sqs'>;
}

function describe(task: MoveTask) {
  return {
    TaskHandle: task.status === 'RUNNING' ? handleOf(task) : undefined,
    Status: task.status,
    SourceArn: task.sourceArn,
    DestinationArn: task.destinationArn,
    MaxNumberOfMessagesPerSecond: task.perSecond,
    ApproximateNumberOfMessagesMoved: task.moved,
    ApproximateNumberOfMessagesToMove: task.toMove,
    FailureReason: task.failureReason,
    StartedTimestamp: task.startedAtMs,
  };
}

function handleOf(task: MoveTask): string {
  return Buffer.from(JSON.stringify({ taskId: task.id, sourceArn: task.sourceArn })).toString('base64');
}

function readHandle(handle: string | undefined): { taskId: string; sourceArn: string } {
  try {
    const { taskId, sourceArn } = parseBoundedJson(
      Buffer.from(handle ?? '', 'base64').toString('utf8'),
    ) as Record<string, unknown>;
    if (typeof taskId === 'string' && typeof sourceArn === 'string') return { taskId, sourceArn };
  } catch {
    // Not JSON: reported below like any other text that is not a handle.
  }
  throw invalid('Value for parameter TaskHandle is invalid.');
}
