import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import { messageOf, passesFilter } from './message.ts';
import type { Notifications } from './notifications.ts';
import { onTopic, type SnsStore } from './store.ts';
import { invalid, type Topic } from './topic.ts';

const BATCH_MAX = 10;
const BATCH_BYTES_MAX = 256 * 1024;
const JOURNALED_CHARACTERS_MAX = 4096;

/** Messages that are published to topics. */
export function publishOperations(engine: Engine, store: SnsStore, notifications: Notifications) {
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
    const receivers = store
      .subscriptionsOf(topic)
      .filter((subscription) => passesFilter(subscription, message));
    for (const subscription of receivers) notifications.add(subscription, message);
    engine.journal.append('sns', 'notification.published', {
      topicArn: topic.arn,
      messageId: message.id,
      subject: message.subject,
      message: (message.bodies.default ?? '').slice(0, JOURNALED_CHARACTERS_MAX),
      receivers: receivers.length,
    });
    return message.id;
  };

  return {
    Publish: {
      resources: (input) => [input.TopicArn ?? input.TargetArn ?? '*'],
      journaled: false,
      run: (input) => {
        if (input.PhoneNumber !== undefined) {
          throw invalid('The local engine does not send text messages to numbers: publish to a topic.');
        }
        return { MessageId: publish(store.topic(input.TopicArn ?? input.TargetArn), input) };
      },
    },
    PublishBatch: {
      actions: () => ['sns:Publish'],
      resources: onTopic,
      journaled: false,
      run: (input) => {
        const topic = store.topic(input.TopicArn);
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
  } satisfies OperationTable<'sns'>;
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
