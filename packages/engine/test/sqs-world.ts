import type { MetricDatum } from '@aws-sdk/client-cloudwatch';
import type { Message, QueueAttributeName } from '@aws-sdk/client-sqs';
import { Pace } from '../src/clock/pace.ts';
import { VirtualClock } from '../src/clock/virtual-clock.ts';
import { Dispatcher } from '../src/dispatch/dispatcher.ts';
import type { Engine, Service } from '../src/dispatch/service.ts';
import { PolicyAuthorizer } from '../src/iam/policy-authorizer.ts';
import type { Principal } from '../src/iam/principal.ts';
import { ByteIds } from '../src/ids.ts';
import { Journal } from '../src/journal/journal.ts';
import type { Input, OperationName, Output } from '../src/sdk/services.ts';
import type { QueueLedger } from '../src/services/sqs/ledger.ts';
import { createSqs } from '../src/services/sqs/sqs.ts';
import { State } from '../src/state/state.ts';

const accountId = '111122223333';
const endpoint = 'http://engine.test';
const root: Principal = { kind: 'root', arn: `arn:aws:iam::${accountId}:root`, accountId };

/** SQS alone behind the real dispatcher, in virtual time, without sockets. */
export class SqsWorld {
  readonly clock = new VirtualClock();
  readonly state = new State(':memory:');
  readonly journal = new Journal(this.state, this.clock);
  readonly ids: ByteIds;
  /** Every datum that SQS published, and when it arrived. */
  readonly metrics: Array<MetricDatum & { readonly arrivedAtMs: number }> = [];
  #sqs!: Service<'sqs'>;
  #dispatcher!: Dispatcher;

  /** @param seed of everything that SQS leaves to chance. */
  constructor(seed: number) {
    this.ids = ByteIds.seeded(seed);
  }

  static async start(seed = 1): Promise<SqsWorld> {
    const world = new SqsWorld(seed);
    await world.#begin();
    return world;
  }

  /** Stops SQS and starts it again over the same database. */
  async restart(): Promise<void> {
    await this.#sqs.stop?.();
    await this.#begin();
  }

  async end(): Promise<void> {
    await this.#sqs.stop?.();
    this.state.close();
  }

  call<O extends OperationName<'sqs'> & string>(
    operation: O,
    input: Input<'sqs', O>,
    signal = new AbortController().signal,
  ): Promise<Output<'sqs', O>> {
    return this.#dispatcher.dispatch(root, 'sqs', operation, input as Record<string, unknown>, {
      endpoint,
      signal,
    }) as Promise<Output<'sqs', O>>;
  }

  /** Makes a queue and gives its URL. */
  async queue(name: string, attributes: Input<'sqs', 'CreateQueue'>['Attributes'] = {}): Promise<string> {
    const { QueueUrl = '' } = await this.call('CreateQueue', { QueueName: name, Attributes: attributes });
    return QueueUrl;
  }

  arn(name: string): string {
    return `arn:aws:sqs:us-east-1:${accountId}:${name}`;
  }

  redrive(deadLetterQueue: string, maxReceiveCount: number): { RedrivePolicy: string } {
    return {
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: this.arn(deadLetterQueue), maxReceiveCount }),
    };
  }

  async send(
    QueueUrl: string,
    MessageBody: string,
    more: Partial<Input<'sqs', 'SendMessage'>> = {},
  ): Promise<Output<'sqs', 'SendMessage'>> {
    return this.call('SendMessage', { QueueUrl, MessageBody, ...more });
  }

  async receive(QueueUrl: string, more: Partial<Input<'sqs', 'ReceiveMessage'>> = {}): Promise<Message[]> {
    return (await this.call('ReceiveMessage', { QueueUrl, ...more })).Messages ?? [];
  }

  async bodies(QueueUrl: string, more: Partial<Input<'sqs', 'ReceiveMessage'>> = {}): Promise<string[]> {
    const messages = await this.receive(QueueUrl, { MaxNumberOfMessages: 10, ...more });
    return messages.map(({ Body = '' }) => Body);
  }

  async remove(QueueUrl: string, message: Message | undefined): Promise<void> {
    await this.call('DeleteMessage', { QueueUrl, ReceiptHandle: message?.ReceiptHandle });
  }

  async ledger(QueueUrl: string): Promise<QueueLedger> {
    const name: string = 'QueueCanary.Ledger';
    const { Attributes = {} } = await this.call('GetQueueAttributes', {
      QueueUrl,
      AttributeNames: [name as QueueAttributeName],
    });
    return JSON.parse(Object.values(Attributes)[0] ?? '') as QueueLedger;
  }

  /** `visible/inFlight/delayed` as the queue's ledger says: exactly. */
  async depth(QueueUrl: string): Promise<string> {
    const { visible, inFlight, delayed } = await this.ledger(QueueUrl);
    return [visible, inFlight, delayed].join('/');
  }

  /** `visible/inFlight/delayed` as SQS reports them: approximately. */
  async approximateDepth(QueueUrl: string): Promise<string> {
    const { Attributes: a = {} } = await this.call('GetQueueAttributes', {
      QueueUrl,
      AttributeNames: ['All'],
    });
    return [
      a.ApproximateNumberOfMessages,
      a.ApproximateNumberOfMessagesNotVisible,
      a.ApproximateNumberOfMessagesDelayed,
    ].join('/');
  }

  /** What was published of a metric of a queue, in the order of its timestamps. */
  metric(queue: string, name: string) {
    return this.metrics
      .filter(({ MetricName, Dimensions }) => MetricName === name && Dimensions?.[0]?.Value === queue)
      .map(({ Timestamp, Value, StatisticValues, arrivedAtMs }) => ({
        atMs: Timestamp!.getTime(),
        arrivedAtMs,
        value: Value ?? StatisticValues?.Sum ?? 0,
      }))
      .sort((a, b) => a.atMs - b.atMs);
  }

  async #begin(): Promise<void> {
    const { clock, state, journal, ids } = this;
    const authorizer = new PolicyAuthorizer({ state, accountId, region: 'us-east-1', clock });
    const pace = new Pace(1);
    const dispatcher = new Dispatcher({ state, journal, clock, ids, authorizer, pace });
    const engine: Engine = {
      clock,
      pace,
      ids,
      state,
      journal,
      accountId,
      region: 'us-east-1',
      directory: '',
      endpoint: () => endpoint,
      call: (principal, service, operation, input) =>
        dispatcher.dispatch(principal, service, operation, input as Record<string, unknown>, {
          endpoint,
        }) as never,
      assumeRole: (...session) => authorizer.assumeRole(...session),
      credentials: () => {
        throw new Error('no credentials here');
      },
    };
    const sink: Service<'cloudwatch'> = {
      name: 'cloudwatch',
      operations: {
        PutMetricData: {
          run: ({ Namespace, MetricData = [] }) => {
            if (Namespace !== 'AWS/SQS') return {};
            const arrivedAtMs = clock.nowMs();
            this.metrics.push(...MetricData.map((datum) => ({ ...datum, arrivedAtMs })));
            return {};
          },
        },
      },
    };
    this.#sqs = createSqs(engine);
    this.#dispatcher = dispatcher;
    dispatcher.register(this.#sqs as Service);
    dispatcher.register(sink as Service);
    await Promise.all([dispatcher.model('sqs'), dispatcher.model('cloudwatch')]);
    await this.#sqs.start?.();
  }
}
