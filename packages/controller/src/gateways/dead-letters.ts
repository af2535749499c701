import { GetQueueAttributesCommand, GetQueueUrlCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { DeadLetterDepth } from '@queue-canary/core';
import type { DeadLetterGateway } from '../gateways.ts';
import { UserError } from '../user-error.ts';

/** The dead-letter queue, by its own approximate counts. Asking for them each minute also keeps its metrics coming. */
export class AwsDeadLetterGateway implements DeadLetterGateway {
  readonly #sqs: SQSClient;
  readonly #queueName: string;
  #queueUrl: string | undefined;

  constructor(sqs: SQSClient, queueName: string) {
    this.#sqs = sqs;
    this.#queueName = queueName;
  }

  async depth(): Promise<DeadLetterDepth> {
    const { Attributes: attributes = {} } = await this.#sqs.send(
      new GetQueueAttributesCommand({
        QueueUrl: await this.#url(),
        AttributeNames: [
          'ApproximateNumberOfMessages',
          'ApproximateNumberOfMessagesNotVisible',
          'ApproximateNumberOfMessagesDelayed',
        ],
      }),
    );
    return {
      visible: Number(attributes.ApproximateNumberOfMessages ?? 0),
      hidden:
        Number(attributes.ApproximateNumberOfMessagesNotVisible ?? 0) +
        Number(attributes.ApproximateNumberOfMessagesDelayed ?? 0),
    };
  }

  async #url(): Promise<string> {
    if (this.#queueUrl !== undefined) return this.#queueUrl;
    const { QueueUrl: url } = await this.#sqs.send(new GetQueueUrlCommand({ QueueName: this.#queueName }));
    if (url === undefined) {
      throw new UserError('QueueNotFound', `there is no queue ${this.#queueName}; deploy the pipeline stack`);
    }
    this.#queueUrl = url;
    return url;
  }
}
