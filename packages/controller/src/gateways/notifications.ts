import { PublishCommand, type SNSClient } from '@aws-sdk/client-sns';
import { done, type NotificationGateway, type Outcome } from '../gateways.ts';

/** SNS takes at most 100 characters of printable ASCII as an e-mail subject. */
const subjectLengthMax = 100;

/** Notifies the people who subscribed to the release's topic. */
export class AwsNotificationGateway implements NotificationGateway {
  readonly #client: SNSClient;
  readonly #topicArn: string;

  constructor(client: SNSClient, topicArn: string) {
    this.#client = client;
    this.#topicArn = topicArn;
  }

  async publish(subject: string, message: string): Promise<Outcome> {
    await this.#client.send(
      new PublishCommand({
        TopicArn: this.#topicArn,
        Subject: subject.replaceAll(/[^\x20-\x7e]/g, ' ').slice(0, subjectLengthMax),
        Message: message,
      }),
    );
    return done;
  }
}
