import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Table } from '../../state/state.ts';
import { invalid, ownerPolicy, type Subscription, type Topic } from './topic.ts';

export const PAGE = 100;

/** Topics and their subscriptions. */
export class SnsStore {
  readonly topics: Table<Topic>;
  readonly subscriptions: Table<Subscription>;
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.topics = engine.state.table('sns.topics');
    this.subscriptions = engine.state.table('sns.subscriptions');
  }

  topicArn(name: string): string {
    return `arn:aws:sns:${this.#engine.region}:${this.#engine.accountId}:${name}`;
  }

  topic(arn: string | undefined): Topic {
    const topic = this.topics.get(arn ?? '');
    if (!topic) throw new AwsFault('NotFoundException', 'Topic does not exist', 404);
    return topic;
  }

  subscription(arn: string | undefined): Subscription {
    const subscription = this.subscriptions.get(arn ?? '');
    if (!subscription) throw new AwsFault('NotFoundException', 'Subscription does not exist', 404);
    return subscription;
  }

  subscriptionsOf(topic: Topic): Subscription[] {
    return [...this.subscriptions.values()].filter((subscription) => subscription.topicArn === topic.arn);
  }

  policyOf({ arn, attributes }: Topic): string {
    return attributes.Policy ?? ownerPolicy(arn, this.#engine.accountId);
  }
}

export const onTopic = (input: { TopicArn?: string | undefined }) => [input.TopicArn ?? '*'];

export function invalidToken(): AwsFault {
  return invalid('Invalid parameter: NextToken');
}
