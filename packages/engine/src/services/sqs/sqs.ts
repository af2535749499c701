import type { Engine, Service } from '../../dispatch/service.ts';
import { messageOperations } from './message-operations.ts';
import { moveOperations } from './move-operations.ts';
import { MoveTasks } from './move-tasks.ts';
import { permissionOperations } from './permission-operations.ts';
import { QueueMetrics } from './queue-metrics.ts';
import { queueOperations } from './queue-operations.ts';
import { Queues } from './queues.ts';
import { tagOperations } from './tag-operations.ts';

/**
 * Amazon SQS: standard and FIFO queues. Acknowledged sends, receives and deletes survive `kill -9`; leases are
 * kept over a restart.
 *
 * Not as on AWS: standard queues never deliver twice on their own; `DeleteQueue` and `PurgeQueue` take effect
 * at once, and a deleted queue's name is free at once; `ReceiveRequestAttemptId` is accepted, but a retried
 * receive is a receive of its own; KMS keys are recorded, nothing is encrypted.
 */
export function createSqs(engine: Engine): Service<'sqs'> {
  const queues = new Queues(engine);
  const tasks = new MoveTasks(engine, queues);
  const metrics = new QueueMetrics(engine, queues);
  return {
    name: 'sqs',
    operations: {
      ...queueOperations(engine, queues),
      ...tagOperations(queues),
      ...permissionOperations(engine, queues),
      ...messageOperations(engine, queues),
      ...moveOperations(queues, tasks),
    },
    resourcePolicy: (arn) => queues.byArn(arn)?.settings.policy,
    resourceTags: (arn) => queues.byArn(arn)?.record.tags,
    start: () => {
      queues.open();
      tasks.open();
      metrics.start();
    },
    stop: async () => {
      await metrics.stop();
      tasks.close();
      queues.close();
    },
  };
}
