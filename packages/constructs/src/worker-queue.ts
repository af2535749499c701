import { Annotations, Aws, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as sns from 'aws-cdk-lib/aws-sns';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { deadLetterAlarm } from './dead-letter-alarm.ts';
import { type EncryptionProps, queueEncryption } from './encryption.ts';

const DEAD_LETTER_RETENTION = Duration.days(14);
/** The worker renews a lease at half of its time, which SQS counts in whole seconds. */
const VISIBILITY_TIMEOUT_MIN = Duration.seconds(2);
const RECEIVE_COUNT_ADVISED = 3;

/** Options of {@link WorkerQueue}. */
export interface WorkerQueueProps extends EncryptionProps {
  /**
   * Name of the queue.
   *
   * The dead-letter queue admits only this queue, and each of the two refers to the other, so one of the
   * names must be known before either exists.
   *
   * @default - the name of the stack and the id of this construct
   */
  readonly queueName?: string;

  /**
   * Time a received message stays hidden, at least two seconds. A worker that dies or hangs holds its
   * messages that long.
   *
   * @default - 30 seconds
   */
  readonly visibilityTimeout?: Duration;

  /**
   * Deliveries before a message is moved to the dead-letter queue by the next receive.
   *
   * With 1, a task that is stopped in mid-message dead-letters a good message; with many, a message
   * that only the canary fails is nearly always saved by stable on a retry. Below 3, synthesis warns:
   * SQS counts a receive even of a message that a draining worker gives back untouched.
   *
   * @default - 3
   */
  readonly maxReceiveCount?: number;

  /**
   * How long an unprocessed message is kept. The dead-letter queue keeps the original enqueue time, so
   * this must stay below its 14 days.
   *
   * @default - four days
   */
  readonly retentionPeriod?: Duration;

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

  /**
   * Whether both queues go, with their messages, when the stack is deleted.
   *
   * @default - the queues are retained, but for what a failed first deployment made
   */
  readonly removalPolicy?: RemovalPolicy;
}

/** The queue that both tracks consume, as a release needs to know it. */
export interface IWorkerQueue {
  /** Queue that both services consume. */
  readonly queue: sqs.IQueue;
  /** Where messages go that were received too often; absent where the queue has no dead-letter queue. */
  readonly deadLetterQueue?: sqs.IQueue;
  /** In ALARM while the dead-letter queue grows. */
  readonly deadLetterAlarm?: cloudwatch.IAlarm;
  /** Time a received message stays hidden. */
  readonly visibilityTimeout: Duration;
  /** Deliveries before a message is moved to the dead-letter queue; absent where there is none. */
  readonly maxReceiveCount?: number;
}

/** The queue that both tracks consume, its dead-letter queue, and an alarm on new dead letters. */
export class WorkerQueue extends Construct implements IWorkerQueue {
  /** Queue that both services consume. */
  readonly queue: sqs.Queue;
  /** Where messages go that were received more than `maxReceiveCount` times. */
  readonly deadLetterQueue: sqs.Queue;
  /** In ALARM while the dead-letter queue grows. */
  readonly deadLetterAlarm: cloudwatch.Alarm;
  /** Time a received message stays hidden. */
  readonly visibilityTimeout: Duration;
  /** Deliveries before a message is moved to the dead-letter queue. */
  readonly maxReceiveCount: number;

  constructor(scope: Construct, id: string, props: WorkerQueueProps = {}) {
    super(scope, id);
    const maxReceiveCount = props.maxReceiveCount ?? 3;
    this.maxReceiveCount = maxReceiveCount;
    this.visibilityTimeout = props.visibilityTimeout ?? Duration.seconds(30);
    const retentionPeriod = props.retentionPeriod ?? Duration.days(4);
    if (!Number.isInteger(maxReceiveCount) || maxReceiveCount < 1 || maxReceiveCount > 1000) {
      throw new Error(`maxReceiveCount must be a whole number from 1 to 1000, got ${maxReceiveCount}`);
    }
    if (maxReceiveCount < RECEIVE_COUNT_ADVISED) {
      Annotations.of(this).addWarningV2(
        'queue-canary:maxReceiveCount',
        `maxReceiveCount is ${maxReceiveCount}: a message that a stopping task gives back has used up one of its deliveries, and so has one whose lease is lost. Below ${RECEIVE_COUNT_ADVISED}, deployments and scale-in can dead-letter good messages, and a dead letter ends a release`,
      );
    }
    if (this.visibilityTimeout.toSeconds() < VISIBILITY_TIMEOUT_MIN.toSeconds()) {
      throw new Error(
        `visibilityTimeout must be at least ${VISIBILITY_TIMEOUT_MIN.toSeconds()} seconds, got ${this.visibilityTimeout.toSeconds()}: leases could not be renewed in time`,
      );
    }
    if (retentionPeriod.toSeconds() >= DEAD_LETTER_RETENTION.toSeconds()) {
      throw new Error(
        `retentionPeriod must be below the dead-letter queue's ${DEAD_LETTER_RETENTION.toDays()} days: a dead letter keeps its enqueue time and would expire on arrival`,
      );
    }
    const removalPolicy = props.removalPolicy ?? RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE;

    const queueName = props.queueName ?? defaultQueueName(this);
    this.deadLetterQueue = new sqs.Queue(this, 'DeadLetterQueue', {
      enforceSSL: true,
      ...queueEncryption(props),
      retentionPeriod: DEAD_LETTER_RETENTION,
      redriveAllowPolicy: {
        redrivePermission: sqs.RedrivePermission.BY_QUEUE,
        sourceQueues: [
          sqs.Queue.fromQueueAttributes(this, 'OnlySource', {
            queueArn: Stack.of(this).formatArn({ service: 'sqs', resource: queueName }),
            fifo: false,
          }),
        ],
      },
      removalPolicy,
    });
    this.queue = new sqs.Queue(this, 'Queue', {
      queueName,
      enforceSSL: true,
      ...queueEncryption(props),
      visibilityTimeout: this.visibilityTimeout,
      retentionPeriod,
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount },
      removalPolicy,
    });

    this.deadLetterAlarm = deadLetterAlarm(this, this.deadLetterQueue, props);
  }
}

const QUEUE_NAME_LENGTH_MAX = 80;

function defaultQueueName(scope: Construct): string {
  const suffix = `-${scope.node.id}`;
  const { stackName } = Stack.of(scope);
  if (stackName.length + suffix.length > QUEUE_NAME_LENGTH_MAX) {
    throw new Error(
      `the queue would be named after the stack, but "${stackName}${suffix}" is longer than ${QUEUE_NAME_LENGTH_MAX} characters: set queueName`,
    );
  }
  return `${Aws.STACK_NAME}${suffix}`;
}
