import type { QueueAttributeName } from '@aws-sdk/client-sqs';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { LEDGER_ATTRIBUTE, ledgerOf } from './ledger.ts';
import type { Queue } from './queue.ts';
import { isQueueAttribute } from './queue-settings.ts';
import { type Queues, queueDoesNotExist } from './queues.ts';

const PURGE_INTERVAL_MS = 60_000;
const PAGE_MAX = 1000;

/** Making, describing, changing and deleting queues. */
export function queueOperations(engine: Engine, queues: Queues) {
  const resources = (input: { QueueUrl?: string | undefined }) => [queues.arnOfUrl(input.QueueUrl)];
  const byName = (input: { QueueName?: string | undefined }) => [queues.arnOf(input.QueueName ?? '')];

  return {
    CreateQueue: {
      resources: byName,
      run: (input, call) => {
        const queue = queues.create(input.QueueName ?? '', input.Attributes ?? {}, input.tags ?? {});
        return { QueueUrl: queues.urlOf(queue.name, call.endpoint) };
      },
    },
    DeleteQueue: {
      resources,
      run: (input) => {
        queues.delete(queues.byUrl(input.QueueUrl));
        return {};
      },
    },
    GetQueueUrl: {
      resources: (input) => [
        `arn:aws:sqs:${engine.region}:${input.QueueOwnerAWSAccountId ?? engine.accountId}:${input.QueueName}`,
      ],
      run: (input, call) => {
        const owned = (input.QueueOwnerAWSAccountId ?? engine.accountId) === engine.accountId;
        const queue = owned ? queues.byName(input.QueueName ?? '') : undefined;
        if (!queue) throw queueDoesNotExist();
        return { QueueUrl: queues.urlOf(queue.name, call.endpoint) };
      },
    },
    ListQueues: {
      run: (input, call) => {
        const named = queues.all().filter(({ name }) => name.startsWith(input.QueueNamePrefix ?? ''));
        const { page, nextToken } = pageOf(named, input);
        return {
          QueueUrls:
            page.length === 0 ? undefined : page.map(({ name }) => queues.urlOf(name, call.endpoint)),
          NextToken: nextToken,
        };
      },
    },
    ListDeadLetterSourceQueues: {
      resources,
      run: (input, call) => {
        const { page, nextToken } = pageOf(queues.sourcesOf(queues.byUrl(input.QueueUrl)), input);
        return {
          queueUrls: page.map(({ name }) => queues.urlOf(name, call.endpoint)),
          NextToken: nextToken,
        };
      },
    },
    GetQueueAttributes: {
      resources,
      run: (input) => {
        const queue = queues.byUrl(input.QueueUrl);
        const wanted: readonly string[] = input.AttributeNames ?? [];
        for (const name of wanted) {
          if (name !== 'All' && name !== LEDGER_ATTRIBUTE && !isQueueAttribute(name)) {
            throw new AwsFault('InvalidAttributeName', `Unknown Attribute ${name}.`);
          }
        }
        const all = wanted.includes('All');
        const shown = Object.entries(attributesOf(queue)).filter(([name]) => all || wanted.includes(name));
        if (wanted.includes(LEDGER_ATTRIBUTE)) shown.push([LEDGER_ATTRIBUTE, ledgerOf(queue)]);
        const attributes: Partial<Record<QueueAttributeName, string>> = Object.fromEntries(shown);
        return { Attributes: shown.length === 0 ? undefined : attributes };
      },
    },
    SetQueueAttributes: {
      resources,
      run: (input) => {
        queues.setAttributes(queues.byUrl(input.QueueUrl), input.Attributes ?? {});
        return {};
      },
    },
    PurgeQueue: {
      resources,
      run: (input) => {
        const queue = queues.byUrl(input.QueueUrl);
        const nowMs = engine.clock.nowMs();
        const { purgedAtMs = Number.NEGATIVE_INFINITY } = queue.record;
        if (purgedAtMs <= nowMs && nowMs < purgedAtMs + PURGE_INTERVAL_MS) {
          throw new AwsFault(
            'PurgeQueueInProgress',
            `Only one PurgeQueue operation on ${queue.name} is allowed every 60 seconds.`,
            403,
          );
        }
        const count = queue.purge();
        queues.update(queue, { purgedAtMs: nowMs });
        engine.journal.append('sqs', 'queue.purged', { queue: queue.name, count });
        return {};
      },
    },
  } satisfies OperationTable<'sqs'>;
}

function attributesOf(queue: Queue): Record<string, string> {
  const { record } = queue;
  const { visible, inFlight, delayed } = queue.approximateCounts();
  const encrypted = record.attributes.KmsMasterKeyId !== undefined;
  return {
    ...(encrypted
      ? { KmsDataKeyReusePeriodSeconds: '300', SqsManagedSseEnabled: 'false' }
      : { SqsManagedSseEnabled: 'true' }),
    ...record.attributes,
    QueueArn: queue.arn,
    ApproximateNumberOfMessages: String(visible),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    ApproximateNumberOfMessagesDelayed: String(delayed),
    CreatedTimestamp: String(Math.floor(record.createdAtMs / 1000)),
    LastModifiedTimestamp: String(Math.floor(record.modifiedAtMs / 1000)),
  };
}

/** A page of queues in alphabetical order; without `MaxResults` the first thousand and no token, as on AWS. */
function pageOf(
  found: readonly Queue[],
  input: { MaxResults?: number | undefined; NextToken?: string | undefined },
): { page: readonly Queue[]; nextToken: string | undefined } {
  const most = input.MaxResults;
  if (most !== undefined && !(Number.isInteger(most) && most >= 1 && most <= PAGE_MAX)) {
    throw new AwsFault(
      'InvalidParameterValue',
      `Value ${most} for parameter MaxResults is invalid. Reason: Must be an integer from 1 to ${PAGE_MAX}.`,
    );
  }
  const after = input.NextToken === undefined ? '' : readToken(input.NextToken);
  const rest = found.filter(({ name }) => name > after);
  const page = rest.slice(0, most ?? PAGE_MAX);
  const last = page.at(-1);
  const more = most !== undefined && last !== undefined && rest.length > page.length;
  return { page, nextToken: more ? Buffer.from(`after:${last.name}`).toString('base64') : undefined };
}

function readToken(token: string): string {
  const text = Buffer.from(token, 'base64').toString('utf8');
  if (text.startsWith('after:')) return text.slice('after:'.length);
  throw new AwsFault('InvalidParameterValue', 'Value for parameter NextToken is invalid.');
}
