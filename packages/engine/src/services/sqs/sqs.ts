import type { Engine, Service } from '../../dispatch/service.ts';
import { messageOperations } from './message-operations.ts';
import { queueOperations } from './queue-operations.ts';
import { Queues } from './queues.ts';

/**
 * Amazon SQS: standard and FIFO queues. Acknowledged sends, receives and deletes survive `kill -9`; leases are
 * kept over a restart.
 *
 * Not as on AWS: standard queues never deliver twice on their own, `DeleteQueue` and `PurgeQueue` take effect
 * at once and a deleted queue's name is free at once, and `ReceiveRequestAttemptId` is accepted but a retried receive is
 * a receive of its own.
 */
export function createSqs(engine: Engine): Service<'sqs'> {
  const queues = new Queues(engine);
  return {
    name: 'sqs',
    operations: {
      ...queueOperations(engine, queues),
      ...messageOperations(engine, queues),
    },
    resourcePolicy: (arn) => queues.byArn(arn)?.settings.policy,
    start: () => queues.open(),
    stop: async () => queues.close(),
  };
}
