import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import type { Input } from '../../sdk/services.ts';
import { invalidToken, onTopic, PAGE, type SnsStore } from './store.ts';
import { checkSubscriptionAttribute, invalid, PROTOCOLS, type Protocol, type Subscription } from './topic.ts';

/** AWS does not tell the ARN before the receiver has confirmed, unless asked to. */
const CONFIRMED_BY_RECEIVER: readonly Protocol[] = ['email', 'email-json', 'http', 'https'];

/** Subscriptions to topics and their attributes. */
export function subscriptionOperations(engine: Engine, store: SnsStore) {
  const subscribedTopic = (input: { SubscriptionArn?: string | undefined }) => [
    store.subscriptions.get(input.SubscriptionArn ?? '')?.topicArn ?? '*',
  ];
  const shown = ({ arn, topicArn: TopicArn, protocol, endpoint }: Subscription) => ({
    SubscriptionArn: arn,
    Owner: engine.accountId,
    Protocol: protocol,
    Endpoint: endpoint,
    TopicArn,
  });
  const listed = (list: readonly Subscription[], token: string | undefined) => {
    const { items, next } = page(list, token, PAGE, invalidToken);
    return { Subscriptions: items.map(shown), NextToken: next };
  };

  return {
    Subscribe: { resources: onTopic, run: (input) => subscribe(engine, store, input) },
    Unsubscribe: {
      resources: subscribedTopic,
      run: (input) => {
        store.subscriptions.delete(input.SubscriptionArn ?? '');
        return {};
      },
    },
    ListSubscriptions: { run: (input) => listed([...store.subscriptions.values()], input.NextToken) },
    ListSubscriptionsByTopic: {
      resources: onTopic,
      run: (input) => listed(store.subscriptionsOf(store.topic(input.TopicArn)), input.NextToken),
    },
    GetSubscriptionAttributes: {
      resources: subscribedTopic,
      run: (input) => {
        const subscription = store.subscription(input.SubscriptionArn);
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
        const subscription = store.subscription(input.SubscriptionArn);
        const name = input.AttributeName ?? '';
        const value = input.AttributeValue ?? '';
        checkSubscriptionAttribute(name, value);
        const { [name]: _before, ...rest } = subscription.attributes;
        const attributes = value === '' ? rest : { ...rest, [name]: value };
        store.subscriptions.put(subscription.arn, { ...subscription, attributes });
        return {};
      },
    },
  } satisfies OperationTable<'sns'>;
}

function subscribe(engine: Engine, store: SnsStore, input: Input<'sns', 'Subscribe'>) {
  const topic = store.topic(input.TopicArn);
  const protocol = PROTOCOLS.find((known) => known === input.Protocol);
  if (!protocol) {
    throw invalid(
      `Invalid parameter: Protocol: the local engine does not deliver by ${input.Protocol}; it has ${PROTOCOLS.join(', ')}`,
    );
  }
  const endpoint = checkEndpoint(protocol, input.Endpoint ?? '');
  if (protocol === 'sqs' || protocol === 'lambda') checkPlace(engine, endpoint);
  const attributes = input.Attributes ?? {};
  for (const [name, value] of Object.entries(attributes)) checkSubscriptionAttribute(name, value);
  const same = store
    .subscriptionsOf(topic)
    .find((one) => one.protocol === protocol && one.endpoint === endpoint);
  if (same && Object.entries(attributes).some(([name, value]) => same.attributes[name] !== value)) {
    throw invalid(
      'Invalid parameter: Attributes Reason: Subscription already exists with different attributes',
    );
  }
  if (same) return { SubscriptionArn: same.arn };
  const arn = `${topic.arn}:${engine.ids.uuid()}`;
  store.subscriptions.put(arn, { arn, topicArn: topic.arn, protocol, endpoint, attributes });
  const confirmed = !CONFIRMED_BY_RECEIVER.includes(protocol) || input.ReturnSubscriptionArn;
  return { SubscriptionArn: confirmed ? arn : 'pending confirmation' };
}

function checkPlace(engine: Engine, arn: string): void {
  const [, , , region, account] = arn.split(':');
  if (region === engine.region && account === engine.accountId) return;
  throw invalid(
    `Invalid parameter: Endpoint Reason: ${arn} is not in the account ${engine.accountId} and region ${engine.region}, which are all that the local engine has`,
  );
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
