import { join } from 'node:path';
import type { Engine, Service } from '../../dispatch/service.ts';
import { Inbox } from './inbox.ts';
import { Notifications } from './notifications.ts';
import { permissionOperations } from './permission-operations.ts';
import { publishOperations } from './publish-operations.ts';
import { SnsStore } from './store.ts';
import { subscriptionOperations } from './subscription-operations.ts';
import { topicOperations } from './topic-operations.ts';

/**
 * Amazon SNS: standard topics with durable delivery to queues and functions. What would go to people or web
 * hooks (email, sms, http) is confirmed at once and lands in the local inbox and the journal.
 */
export function createSns(engine: Engine): Service<'sns'> {
  const store = new SnsStore(engine);
  const notifications = new Notifications(engine, new Inbox(join(engine.directory, 'sns')));

  return {
    name: 'sns',
    operations: {
      ...topicOperations(engine, store),
      ...subscriptionOperations(engine, store),
      ...publishOperations(engine, store, notifications),
      ...permissionOperations({
        find: (arn) => store.topic(arn),
        read: (topic) => store.policyOf(topic),
        write: (topic, Policy) =>
          store.topics.put(topic.arn, { ...topic, attributes: { ...topic.attributes, Policy } }),
      }),
    },
    resourcePolicy: (arn) => {
      const topic = store.topics.get(arn);
      return topic && store.policyOf(topic);
    },
    resourceTags: (arn) => store.topics.get(arn)?.tags,
    start: () => notifications.start(),
    stop: () => notifications.stop(),
  };
}
