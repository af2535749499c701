import { Duration } from 'aws-cdk-lib';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as sns from 'aws-cdk-lib/aws-sns';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { deadLetterAlarm } from './dead-letter-alarm.ts';
import type { IWorkerQueue } from './worker-queue.ts';

/** SQS's own, for queues that name none. */
const VISIBILITY_TIMEOUT = Duration.seconds(30);

/** Options of {@link ExistingQueue}. */
export interface ExistingQueueProps {
  /** Queue that both services consume, standard or FIFO. */
  readonly queue: sqs.IQueue;

  /**
   * The queue's dead-letter queue, and the deliveries after which a message goes there.
   *
   * @default - that of a queue that is made in the same CDK app; an imported one is taken to have none
   */
  readonly deadLetterQueue?: sqs.DeadLetterQueue;

  /**
   * The queue's visibility timeout: the time for which a received message stays hidden. Workers renew their leases by it.
   *
   * @default - that of a queue that is made in the same CDK app; of an imported one it must be given
   */
  readonly visibilityTimeout?: Duration;

  /**
   * New dead letters from one minute to the next that raise the alarm.
   *
   * @default - 1
   */
  readonly alarmThreshold?: number;

  /**
   * Told of new dead letters. The topic must let CloudWatch publish.
   *
   * @default - nobody; the controller acts on the alarm all the same
   */
  readonly alarmTopic?: sns.ITopic;
}

/**
 * A queue that is there already, with what a release needs to know of it. Nothing of the queue is changed. Where it has a
 * dead-letter queue, this makes an alarm on new dead letters.
 */
export class ExistingQueue extends Construct implements IWorkerQueue {
  readonly queue: sqs.IQueue;
  readonly deadLetterQueue?: sqs.IQueue;
  readonly deadLetterAlarm?: cloudwatch.IAlarm;
  readonly visibilityTimeout: Duration;
  readonly maxReceiveCount?: number;

  constructor(scope: Construct, id: string, props: ExistingQueueProps) {
    super(scope, id);
    const { queue } = props;
    this.queue = queue;
    this.visibilityTimeout = props.visibilityTimeout ?? visibilityTimeoutOf(queue);
    const deadLetters =
      props.deadLetterQueue ?? (queue instanceof sqs.Queue ? queue.deadLetterQueue : undefined);
    if (deadLetters === undefined) return;
    this.deadLetterQueue = deadLetters.queue;
    this.maxReceiveCount = deadLetters.maxReceiveCount;
    this.deadLetterAlarm = deadLetterAlarm(this, deadLetters.queue, props);
  }
}

function visibilityTimeoutOf(queue: sqs.IQueue): Duration {
  const made = queue.node.defaultChild;
  if (!(made instanceof sqs.CfnQueue)) {
    throw new Error(
      `visibilityTimeout is missing: CDK does not know that of the imported queue ${queue.node.path}, and workers renew their leases by it. "aws sqs get-queue-attributes --attribute-names VisibilityTimeout" says it`,
    );
  }
  return made.visibilityTimeout === undefined ? VISIBILITY_TIMEOUT : Duration.seconds(made.visibilityTimeout);
}
