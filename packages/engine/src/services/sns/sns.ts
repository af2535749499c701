import { join } from 'node:path';
import { page } from '../../dispatch/paging.ts';
import type { Input } from '../../dispatch/sdk.ts';
import type { Engine, Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { directoryOf } from '../../iam/roles.ts';
import { Inbox } from './inbox.ts';
import { messageOf, passesFilter } from './message.ts';
import { Notifications } from './notifications.ts';
import { permissionOperations } from './permission-operations.ts';
import {
  checkSubscriptionAttribute,
  checkTopicAttribute,
  invalid,
  ownerPolicy,
  PROTOCOLS,
  type Protocol,
  type Subscription,
  type Topic,
} from './topic.ts';

/** AWS does not tell the ARN before the receiver has confirmed, unless asked to. */
const CONFIRMED_BY_RECEIVER: readonly Protocol[] = ['email', 'email-json', 'http', 'https'];
const PAGE = 100;
const BATCH_MAX = 10;
const BATCH_BYTES_MAX = 256 * 1024;
const LONGEST_JOURNALED_MESSAGE = 4096;

/**
 * Amazon SNS: standard topics with durable delivery to queues and functions. What would go to people or web
 * hooks (email, sms, http) is confirmed at once and lands in the local inbox and the journal.
 */
export function createSns(engine: Engine): Service<'sns'> {
  const topics = engine.state.table<Topic>('sns.topics');
  const subscriptions = engine.state.table<Subscription>('sns.subscriptions');
  const notifications = new Notifications(engine, new Inbox(join(engine.directory, 'sns')));

  const arnOf = (name: string) => `arn:aws:sns:${engine.region}:${engine.accountId}:${name}`;
  const find = (arn: string | undefined) => {
    const topic = topics.get(arn ?? '');
    if (!topic) throw new AwsFault('NotFoundException', 'Topic does not exist', 404);
    return topic;
  };
  const findSubscription = (arn: string | undefined) => {
    const subscription = subscriptions.get(arn ?? '');
    if (!subscription) throw new AwsFault('NotFoundException', 'Subscription does not exist', 404);
    return subscription;
  };
  const findTagged = (arn: string | undefined) => {
    const topic = topics.get(arn ?? '');
    if (!topic) throw new AwsFault('ResourceNotFoundException', 'Resource does not exist', 404);
    return topic;
  };
  const topicArn = (input: { TopicArn?: string | undefined }) => [input.TopicArn ?? '*'];
  const subscribedTopic = (input: { SubscriptionArn?: string | undefined }) => [
    subscriptions.get(input.SubscriptionArn ?? '')?.topicArn ?? '*',
  ];
  const of = (topic: Topic) =>
    [...subscriptions.values()].filter((subscription) => subscription.topicArn === topic.arn);
  const policyOf = ({ arn, attributes }: Topic) => attributes.Policy ?? ownerPolicy(arn, engine.accountId);
  const shown = ({ arn, topicArn: TopicArn, protocol, endpoint }: Subscription) => ({
    SubscriptionArn: arn,
    Owner: engine.accountId,
    Protocol: protocol,
    Endpoint: endpoint,
    TopicArn,
  });
  const listed = (list: readonly Subscription[], token: string | undefined) => {
    const { items, next } = page(list, token, PAGE, badToken);
    return { Subscriptions: items.map(shown), NextToken: next };
  };
  const checkPlace = (arn: string) => {
    const [, , , region, account] = arn.split(':');
    if (region === engine.region && account === engine.accountId) return;
    throw invalid(
      `Invalid parameter: Endpoint Reason: ${arn} is not in the account ${engine.accountId} and region ${engine.region}, which are all that the local engine has`,
    );
  };
  const badToken = () => invalid('Invalid parameter: NextToken');

  const publish = (
    topic: Topic,
    input: Pick<
      Input<'sns', 'Publish'>,
      | 'Message'
      | 'Subject'
      | 'MessageStructure'
      | 'MessageAttributes'
      | 'MessageGroupId'
      | 'MessageDeduplicationId'
    >,
  ): string => {
    for (const member of ['MessageGroupId', 'MessageDeduplicationId'] as const) {
      if (input[member] === undefined) continue;
      throw invalid(`Invalid parameter: ${member}: The local engine has standard topics only.`);
    }
    const message = messageOf(input, {
      id: engine.ids.uuid(),
      atMs: engine.clock.nowMs(),
      topicArn: topic.arn,
    });
    const receivers = of(topic).filter((subscription) => passesFilter(subscription, message));
    for (const subscription of receivers) notifications.add(subscription, message);
    engine.journal.append('sns', 'notification.published', {
      topicArn: topic.arn,
      messageId: message.id,
      subject: message.subject,
      message: (message.bodies.default ?? '').slice(0, LONGEST_JOURNALED_MESSAGE),
      receivers: receivers.length,
    });
    return message.id;
  };

  const directory = directoryOf(engine);

  return {
    name: 'sns',
    operations: {
      CreateTopic: {
        resources: (input) => [arnOf(input.Name ?? '')],
        run: (input) => {
          const name = input.Name ?? '';
          if (name.endsWith('.fifo')) throw invalid('The local engine does not support FIFO topics.');
          if (!/^[A-Za-z0-9_-]{1,256}$/.test(name)) throw invalid('Invalid parameter: Topic Name');
          if (input.DataProtectionPolicy !== undefined) {
            throw invalid('The local engine does not support DataProtectionPolicy.');
          }
          const given = Object.entries(input.Attributes ?? {});
          for (const [key, value] of given) checkTopicAttribute(key, value, directory);
          const attributes = Object.fromEntries(
            given.filter(([key]) => key !== 'FifoTopic' && key !== 'ContentBasedDeduplication'),
          );
          const existing = topics.get(arnOf(name));
          const differs = existing && given.some(([key, value]) => existing.attributes[key] !== value);
          if (differs) {
            throw invalid(
              'Invalid parameter: Attributes Reason: Topic already exists with different attributes',
            );
          }
          if (!existing) topics.put(arnOf(name), { arn: arnOf(name), attributes, tags: tagsOf(input.Tags) });
          return { TopicArn: arnOf(name) };
        },
      },
      DeleteTopic: {
        resources: topicArn,
        run: (input) => {
          const topic = topics.get(input.TopicArn ?? '');
          if (!topic) return {};
          for (const { arn } of of(topic)) subscriptions.delete(arn);
          topics.delete(topic.arn);
          return {};
        },
      },
      ListTopics: {
        run: (input) => {
          const { items, next } = page([...topics.keys()], input.NextToken, PAGE, badToken);
          return { Topics: items.map((arn) => ({ TopicArn: arn })), NextToken: next };
        },
      },
      GetTopicAttributes: {
        resources: topicArn,
        run: (input) => {
          const topic = find(input.TopicArn);
          return {
            Attributes: {
              DisplayName: '',
              ...topic.attributes,
              TopicArn: topic.arn,
              Owner: engine.accountId,
              Policy: policyOf(topic),
              SubscriptionsConfirmed: String(of(topic).length),
              SubscriptionsPending: '0',
              SubscriptionsDeleted: '0',
            },
          };
        },
      },
      SetTopicAttributes: {
        resources: topicArn,
        run: (input) => {
          const topic = find(input.TopicArn);
          const name = input.AttributeName ?? '';
          const value = input.AttributeValue ?? '';
          const { [name]: _before, ...rest } = topic.attributes;
          if (value !== '') checkTopicAttribute(name, value, directory);
          topics.put(topic.arn, { ...topic, attributes: value === '' ? rest : { ...rest, [name]: value } });
          return {};
        },
      },
      Subscribe: {
        resources: topicArn,
        run: (input) => {
          const topic = find(input.TopicArn);
          const protocol = PROTOCOLS.find((known) => known === input.Protocol);
          if (!protocol) {
            throw invalid(
              `Invalid parameter: Protocol: the local engine does not deliver by ${input.Protocol}; it has ${PROTOCOLS.join(', ')}`,
            );
          }
          const endpoint = checkEndpoint(protocol, input.Endpoint ?? '');
          if (protocol === 'sqs' || protocol === 'lambda') checkPlace(endpoint);
          const attributes = input.Attributes ?? {};
          for (const [name, value] of Object.entries(attributes)) checkSubscriptionAttribute(name, value);
          const same = of(topic).find((one) => one.protocol === protocol && one.endpoint === endpoint);
          if (same && Object.entries(attributes).some(([name, value]) => same.attributes[name] !== value)) {
            throw invalid(
              'Invalid parameter: Attributes Reason: Subscription already exists with different attributes',
            );
          }
          if (same) return { SubscriptionArn: same.arn };
          const arn = `${topic.arn}:${engine.ids.uuid()}`;
          subscriptions.put(arn, { arn, topicArn: topic.arn, protocol, endpoint, attributes });
          const confirmed = !CONFIRMED_BY_RECEIVER.includes(protocol) || input.ReturnSubscriptionArn;
          return { SubscriptionArn: confirmed ? arn : 'pending confirmation' };
        },
      },
      Unsubscribe: {
        resources: subscribedTopic,
        run: (input) => {
          subscriptions.delete(input.SubscriptionArn ?? '');
          return {};
        },
      },
      ListSubscriptions: { run: (input) => listed([...subscriptions.values()], input.NextToken) },
      ListSubscriptionsByTopic: {
        resources: topicArn,
        run: (input) => listed(of(find(input.TopicArn)), input.NextToken),
      },
      GetSubscriptionAttributes: {
        resources: subscribedTopic,
        run: (input) => {
          const subscription = findSubscription(input.SubscriptionArn);
          return {
            Attributes: {
              RawMessageDelivery: 'false',
              ...subscription.attributes,
              SubscriptionArn: subscription.arn,
              TopicArn: subscription.topicArn,
              Owner: engine.accountId,
              Protocol: subscription.protocol,
              Endpoint: subscription.endpoint,
              PendingConfirmation: 'false',
              ConfirmationWasAuthenticated: 'true',
            },
          };
        },
      },
      SetSubscriptionAttributes: {
        resources: subscribedTopic,
        run: (input) => {
          const subscription = findSubscription(input.SubscriptionArn);
          const name = input.AttributeName ?? '';
          const value = input.AttributeValue ?? '';
          checkSubscriptionAttribute(name, value);
          const { [name]: _before, ...rest } = subscription.attributes;
          const attributes = value === '' ? rest : { ...rest, [name]: value };
          subscriptions.put(subscription.arn, { ...subscription, attributes });
          return {};
        },
      },
      Publish: {
        resources: (input) => [input.TopicArn ?? input.TargetArn ?? '*'],
        journaled: false,
        run: (input) => {
          if (input.PhoneNumber !== undefined) {
            throw invalid('The local engine does not send text messages to numbers: publish to a topic.');
          }
          return { MessageId: publish(find(input.TopicArn ?? input.TargetArn), input) };
        },
      },
      PublishBatch: {
        actions: () => ['sns:Publish'],
        resources: topicArn,
        journaled: false,
        run: (input) => {
          const topic = find(input.TopicArn);
          const entries = input.PublishBatchRequestEntries ?? [];
          checkBatch(entries);
          const successful: Array<{ Id: string; MessageId: string }> = [];
          const failed: Array<{ Id: string; Code: string; Message: string; SenderFault: boolean }> = [];
          for (const entry of entries) {
            const Id = entry.Id ?? '';
            try {
              successful.push({ Id, MessageId: publish(topic, entry) });
            } catch (error) {
              if (!(error instanceof AwsFault)) throw error;
              failed.push({ Id, Code: 'InvalidParameter', Message: error.message, SenderFault: true });
            }
          }
          return { Successful: successful, Failed: failed };
        },
      },
      ...permissionOperations({
        find,
        read: policyOf,
        write: (topic, Policy) =>
          topics.put(topic.arn, { ...topic, attributes: { ...topic.attributes, Policy } }),
      }),
      TagResource: {
        resources: (input) => [input.ResourceArn ?? '*'],
        run: (input) => {
          const topic = findTagged(input.ResourceArn);
          topics.put(topic.arn, { ...topic, tags: { ...topic.tags, ...tagsOf(input.Tags) } });
          return {};
        },
      },
      UntagResource: {
        resources: (input) => [input.ResourceArn ?? '*'],
        run: (input) => {
          const topic = findTagged(input.ResourceArn);
          const removed = new Set(input.TagKeys ?? []);
          const kept = Object.entries(topic.tags).filter(([key]) => !removed.has(key));
          topics.put(topic.arn, { ...topic, tags: Object.fromEntries(kept) });
          return {};
        },
      },
      ListTagsForResource: {
        resources: (input) => [input.ResourceArn ?? '*'],
        run: (input) => ({
          Tags: Object.entries(findTagged(input.ResourceArn).tags).map(([Key, Value]) => ({ Key, Value })),
        }),
      },
    },
    resourcePolicy: (arn) => {
      const topic = topics.get(arn);
      return topic && policyOf(topic);
    },
    resourceTags: (arn) => topics.get(arn)?.tags,
    start: () => notifications.start(),
    stop: () => notifications.stop(),
  };
}

function checkEndpoint(protocol: Protocol, endpoint: string): string {
  const expected: Readonly<Record<Protocol, RegExp>> = {
    sqs: /^arn:aws:sqs:[^:]*:\d*:[^:]+$/,
    lambda: /^arn:aws:lambda:[^:]*:\d*:function:.+$/,
    email: /^[^@\s]+@[^@\s]+$/,
    'email-json': /^[^@\s]+@[^@\s]+$/,
    sms: /^\+?[0-9 -]{5,20}$/,
    http: /^http:\/\/./,
    https: /^https:\/\/./,
  };
  if (expected[protocol].test(endpoint)) return endpoint;
  throw invalid(`Invalid parameter: ${protocol} endpoint: ${endpoint}`);
}

function checkBatch(entries: ReadonlyArray<{ Id?: string | undefined; Message?: string | undefined }>): void {
  const fault = (code: string, message: string) => new AwsFault(code, message);
  if (entries.length === 0) {
    throw fault('EmptyBatchRequestException', 'The batch request does not contain any entries.');
  }
  if (entries.length > BATCH_MAX) {
    throw fault(
      'TooManyEntriesInBatchRequestException',
      `The batch request contains more entries than permissible (${BATCH_MAX}).`,
    );
  }
  if (new Set(entries.map(({ Id }) => Id)).size !== entries.length) {
    throw fault(
      'BatchEntryIdsNotDistinctException',
      'Two or more batch entries in the request have the same Id.',
    );
  }
  const bytes = entries.reduce((sum, { Message }) => sum + Buffer.byteLength(Message ?? ''), 0);
  if (bytes > BATCH_BYTES_MAX) {
    throw fault(
      'BatchRequestTooLongException',
      'The length of all the batch messages put together is more than the limit.',
    );
  }
}

function tagsOf(
  tags: ReadonlyArray<{ Key?: string | undefined; Value?: string | undefined }> | undefined,
): Record<string, string> {
  return Object.fromEntries((tags ?? []).map(({ Key, Value }) => [Key ?? '', Value ?? '']));
}
