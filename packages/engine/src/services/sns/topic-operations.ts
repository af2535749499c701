import { page } from '../../dispatch/paging.ts';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Directory } from '../../iam/principal-element.ts';
import { directoryOf } from '../../iam/roles.ts';
import { tagMap } from '../../iam/tags.ts';
import type { Input } from '../../sdk/services.ts';
import { invalidToken, onTopic, PAGE, type SnsStore } from './store.ts';
import { checkTopicAttribute, invalid, type Topic } from './topic.ts';

/** Topics, their attributes and tags. */
export function topicOperations(engine: Engine, store: SnsStore) {
  const directory = directoryOf(engine);

  return {
    CreateTopic: {
      resources: (input) => [store.topicArn(input.Name ?? '')],
      run: (input) => createTopic(store, input, directory),
    },
    DeleteTopic: {
      resources: onTopic,
      run: (input) => {
        const topic = store.topics.get(input.TopicArn ?? '');
        if (!topic) return {};
        for (const { arn } of store.subscriptionsOf(topic)) store.subscriptions.delete(arn);
        store.topics.delete(topic.arn);
        return {};
      },
    },
    ListTopics: {
      run: (input) => {
        const { items, next } = page([...store.topics.keys()], input.NextToken, PAGE, invalidToken);
        return { Topics: items.map((arn) => ({ TopicArn: arn })), NextToken: next };
      },
    },
    GetTopicAttributes: {
      resources: onTopic,
      run: (input) => {
        const topic = store.topic(input.TopicArn);
        return {
          Attributes: {
            DisplayName: '',
            ...topic.attributes,
            TopicArn: topic.arn,
            Owner: engine.accountId,
            Policy: store.policyOf(topic),
            SubscriptionsConfirmed: String(store.subscriptionsOf(topic).length),
            SubscriptionsPending: '0',
            SubscriptionsDeleted: '0',
          },
        };
      },
    },
    SetTopicAttributes: {
      resources: onTopic,
      run: (input) => {
        const topic = store.topic(input.TopicArn);
        const name = input.AttributeName ?? '';
        const value = input.AttributeValue ?? '';
        const { [name]: _before, ...rest } = topic.attributes;
        if (value !== '') checkTopicAttribute(name, value, directory);
        store.topics.put(topic.arn, {
          ...topic,
          attributes: value === '' ? rest : { ...rest, [name]: value },
        });
        return {};
      },
    },
    TagResource: {
      resources: (input) => [input.ResourceArn ?? '*'],
      run: (input) => {
        const topic = findTagged(store, input.ResourceArn);
        store.topics.put(topic.arn, { ...topic, tags: { ...topic.tags, ...tagMap(input.Tags) } });
        return {};
      },
    },
    UntagResource: {
      resources: (input) => [input.ResourceArn ?? '*'],
      run: (input) => {
        const topic = findTagged(store, input.ResourceArn);
        const removed = new Set(input.TagKeys ?? []);
        const kept = Object.entries(topic.tags).filter(([key]) => !removed.has(key));
        store.topics.put(topic.arn, { ...topic, tags: Object.fromEntries(kept) });
        return {};
      },
    },
    ListTagsForResource: {
      resources: (input) => [input.ResourceArn ?? '*'],
      run: (input) => ({
        Tags: Object.entries(findTagged(store, input.ResourceArn).tags).map(([Key, Value]) => ({
          Key,
          Value,
        })),
      }),
    },
  } satisfies OperationTable<'sns'>;
}

function createTopic(store: SnsStore, input: Input<'sns', 'CreateTopic'>, directory: Directory) {
  const name = input.Name ?? '';
  if (name.endsWith('.fifo'))
    throw invalid('The local engine does not support FIFO topics: use a standard topic.');
  if (!/^[A-Za-z0-9_-]{1,256}$/.test(name)) throw invalid('Invalid parameter: Topic Name');
  if (input.DataProtectionPolicy !== undefined) {
    throw invalid('The local engine does not support DataProtectionPolicy: leave it out.');
  }
  const given = Object.entries(input.Attributes ?? {});
  for (const [key, value] of given) checkTopicAttribute(key, value, directory);
  const attributes = Object.fromEntries(
    given.filter(([key]) => key !== 'FifoTopic' && key !== 'ContentBasedDeduplication'),
  );
  const existing = store.topics.get(store.topicArn(name));
  const differs = existing && given.some(([key, value]) => existing.attributes[key] !== value);
  if (differs) {
    throw invalid('Invalid parameter: Attributes Reason: Topic already exists with different attributes');
  }
  if (!existing)
    store.topics.put(store.topicArn(name), {
      arn: store.topicArn(name),
      attributes,
      tags: tagMap(input.Tags),
    });
  return { TopicArn: store.topicArn(name) };
}

function findTagged(store: SnsStore, arn: string | undefined): Topic {
  const topic = store.topics.get(arn ?? '');
  if (!topic) throw new AwsFault('ResourceNotFoundException', 'Resource does not exist', 404);
  return topic;
}
