import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Directory } from '../../iam/principal-element.ts';
import { directoryOf } from '../../iam/roles.ts';
import type { Table } from '../../state/state.ts';
import { MessageStore } from './message-store.ts';
import { Queue, type QueueParts } from './queue.ts';
import type { QueueRecord } from './queue-record.ts';
import { changedAttributes, checkAttributes, initialAttributes, sameAttribute } from './queue-settings.ts';

const NAME = /^[A-Za-z0-9_-]{1,80}$/;
const FIFO_NAME = /^[A-Za-z0-9_-]{1,75}\.fifo$/;

const ADDRESSES_MAX = 1_000;

interface QueueAddress {
  readonly accountId: string;
  readonly name: string;
  readonly arn: string;
}

export function queueDoesNotExist(): AwsFault {
  return new AwsFault('QueueDoesNotExist', 'The specified queue does not exist.');
}

/** All queues of the engine, by name; restored from the state when made. */
export class Queues {
  readonly #engine: Engine;
  readonly #store: MessageStore;
  readonly #records: Table<QueueRecord>;
  readonly #keys: Table<number>;
  /** When queues were deleted, by name: for a minute nobody may make one of that name. */
  readonly #deletedAtMs: Table<number>;
  readonly #queues = new Map<string, Queue>();
  readonly #parts: QueueParts;
  readonly #directory: Directory;
  /** What URLs say, of queues that exist or not. */
  readonly #addresses = new Map<string, QueueAddress>();

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#directory = directoryOf(engine);
    this.#store = new MessageStore(engine.state);
    this.#records = engine.state.table<QueueRecord>('sqs.queues');
    this.#keys = engine.state.table<number>('sqs.keys');
    this.#deletedAtMs = engine.state.table<number>('sqs.deleted');
    this.#parts = {
      clock: engine.clock,
      pace: engine.pace,
      ids: engine.ids,
      store: this.#store,
      journal: engine.journal,
      arnOf: (name) => this.arnOf(name),
      find: (arn) => this.byArn(arn),
    };
    for (const record of this.#records.values())
      this.#queues.set(record.name, new Queue(this.#parts, record));
  }

  arnOf(name: string): string {
    return `arn:aws:sqs:${this.#engine.region}:${this.#engine.accountId}:${name}`;
  }

  /** The queue's URL under the base URL by which the caller reached the engine. */
  urlOf(name: string, endpoint: string): string {
    return `${endpoint}/${this.#engine.accountId}/${name}`;
  }

  /** ARN of the queue that a URL names; the host does not matter, so URLs survive a change of port. */
  arnOfUrl(url: string | undefined): string {
    return this.#readUrl(url).arn;
  }

  byUrl(url: string | undefined): Queue {
    const { accountId, name } = this.#readUrl(url);
    const queue = accountId === this.#engine.accountId ? this.#queues.get(name) : undefined;
    if (!queue) throw queueDoesNotExist();
    queue.activity.called(this.#engine.clock.uptimeMs());
    return queue;
  }

  byArn(arn: string): Queue | undefined {
    const queue = this.#queues.get(arn.slice(arn.lastIndexOf(':') + 1));
    return queue?.arn === arn ? queue : undefined;
  }

  byName(name: string): Queue | undefined {
    return this.#queues.get(name);
  }

  /** Every queue, by name in alphabetical order. */
  all(): Queue[] {
    return [...this.#queues.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Queues whose redrive policy names `queue`. */
  sourcesOf(queue: Queue): Queue[] {
    return this.all().filter((source) => source.settings.redrive?.deadLetterTargetArn === queue.arn);
  }

  /** Makes a queue, or finds the one that exists with the same values for all attributes given. */
  create(
    name: string,
    attributes: Readonly<Record<string, string | undefined>>,
    tags: Readonly<Record<string, string>>,
  ): Queue {
    const fifo = attributes.FifoQueue === 'true';
    if (!(fifo ? FIFO_NAME : NAME).test(name)) {
      throw new AwsFault(
        'InvalidParameterValue',
        fifo
          ? 'The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.'
          : 'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
      );
    }
    const given = checkAttributes(attributes, { fifo, creating: true, directory: this.#directory });
    const existing = this.#queues.get(name);
    if (existing) {
      const different = Object.keys(given).find(
        (key) => !sameAttribute(key, given[key], existing.record.attributes[key]),
      );
      if (different !== undefined) {
        throw new AwsFault(
          'QueueNameExists',
          `A queue already exists with the same name and a different value for attribute ${different}`,
        );
      }
      return existing;
    }
    this.#checkName(name);
    this.#checkRedrive(given, { name, fifo });
    checkThroughput(given, {});
    checkTags(tags);
    const nowMs = this.#engine.clock.nowMs();
    const key = (this.#keys.get('next') ?? 0) + 1;
    this.#keys.put('next', key);
    const record: QueueRecord = {
      key,
      name,
      fifo,
      createdAtMs: nowMs,
      modifiedAtMs: nowMs,
      attributes: initialAttributes(given, fifo),
      tags,
    };
    const queue = new Queue(this.#parts, this.#records.put(name, record));
    queue.open();
    this.#queues.set(name, queue);
    this.#engine.journal.append('sqs', 'queue.created', { queue: name, arn: queue.arn, fifo });
    return queue;
  }

  delete(queue: Queue): void {
    const { visible, inFlight, delayed } = queue.counts();
    this.#queues.delete(queue.name);
    this.#records.delete(queue.name);
    this.#forgetDeleted();
    this.#deletedAtMs.put(queue.name, this.#engine.clock.nowMs());
    queue.drop(queueDoesNotExist());
    this.#engine.journal.append('sqs', 'queue.deleted', {
      queue: queue.name,
      arn: queue.arn,
      messagesLost: visible + inFlight + delayed,
    });
  }

  /** Changes attributes of a queue; an empty text removes one. */
  setAttributes(queue: Queue, attributes: Readonly<Record<string, string | undefined>>): void {
    const changes = checkAttributes(attributes, {
      fifo: queue.fifo,
      creating: false,
      directory: this.#directory,
    });
    this.#checkRedrive(changes, queue);
    checkThroughput(changes, queue.record.attributes);
    this.update(queue, { attributes: changedAttributes(queue.record.attributes, changes) });
  }

  /** Changes statements of a queue's policy. The others may name roles that are gone by now. */
  setPolicy(queue: Queue, Policy: string): void {
    const changes = checkAttributes({ Policy }, { fifo: queue.fifo, creating: false, directory: undefined });
    this.update(queue, { attributes: changedAttributes(queue.record.attributes, changes) });
  }

  /** Stores a change of a queue's record. */
  update(queue: Queue, change: Partial<Pick<QueueRecord, 'attributes' | 'tags' | 'purgedAtMs'>>): void {
    if (change.tags) checkTags(change.tags);
    const modified = change.attributes ? { modifiedAtMs: this.#engine.clock.nowMs() } : {};
    queue.update(this.#records.put(queue.name, { ...queue.record, ...change, ...modified }));
  }

  /** Begins to act on what falls due. */
  open(): void {
    for (const queue of this.#queues.values()) queue.open();
  }

  close(): void {
    for (const queue of this.#queues.values()) queue.close();
  }

  #readUrl(url = ''): QueueAddress {
    const known = this.#addresses.get(url);
    if (known) return known;
    // SQS takes the bare name of a queue of the caller's account as well.
    const bare = /^[\w-]{1,80}(\.fifo)?$/.test(url) ? `${this.#engine.accountId}/${url}` : url;
    const match = /^(?:[a-z][a-z0-9+.-]*:\/\/[^/]*)?\/?(?:queue\/)?(\d{12})\/([^/?#]+)\/?$/i.exec(bare);
    if (!match)
      throw new AwsFault('InvalidAddress', `The address ${url} is not valid for this endpoint.`, 404);
    const [, accountId = '', name = ''] = match;
    const arn = `arn:aws:sqs:${this.#engine.region}:${accountId}:${name}`;
    if (this.#addresses.size === ADDRESSES_MAX) this.#addresses.clear();
    this.#addresses.set(url, { accountId, name, arn });
    return { accountId, name, arn };
  }

  /** Refuses the name of a queue that was deleted a moment ago. */
  #checkName(name: string): void {
    this.#forgetDeleted();
    if (!this.#deletedAtMs.has(name)) return;
    throw new AwsFault(
      'QueueDeletedRecently',
      'You must wait 60 seconds after deleting a queue before you can create another with the same name.',
    );
  }

  #forgetDeleted(): void {
    const nowMs = this.#engine.clock.nowMs();
    const before = nowMs - this.#engine.pace.ms('sqs-name-reuse');
    for (const [name, deletedAtMs] of [...this.#deletedAtMs.entries()]) {
      if (deletedAtMs <= before || deletedAtMs > nowMs) this.#deletedAtMs.delete(name);
    }
  }

  #checkRedrive(
    changes: Readonly<Record<string, string>>,
    source: { readonly name: string; readonly fifo: boolean },
  ): void {
    if (!changes.RedrivePolicy) return;
    const refuse = (reason: string) =>
      new AwsFault(
        'InvalidParameterValue',
        `Value ${changes.RedrivePolicy} for parameter RedrivePolicy is invalid. Reason: ${reason}`,
      );
    const arn = String((JSON.parse(changes.RedrivePolicy) as Record<string, unknown>).deadLetterTargetArn);
    if (arn === this.arnOf(source.name)) throw refuse('A queue cannot be its own dead-letter queue.');
    const target = this.byArn(arn);
    if (!target) throw refuse('Dead letter target does not exist.');
    if (target.fifo !== source.fifo) {
      throw refuse('Dead-letter queue must be same type of queue as the source.');
    }
    const allow = target.settings.redriveAllow;
    const sourceArn = this.arnOf(source.name);
    const allowed =
      !allow ||
      allow.redrivePermission === 'allowAll' ||
      (allow.redrivePermission === 'byQueue' && allow.sourceQueueArns.includes(sourceArn));
    if (!allowed) {
      throw refuse(`Queue ${arn} does not allow ${sourceArn} to use it as a dead-letter queue.`);
    }
  }
}

function checkThroughput(
  changes: Readonly<Record<string, string>>,
  stored: Readonly<Record<string, string>>,
): void {
  const scope = changes.DeduplicationScope ?? stored.DeduplicationScope;
  const limit = changes.FifoThroughputLimit ?? stored.FifoThroughputLimit;
  if (limit === 'perMessageGroupId' && scope !== 'messageGroup') {
    throw new AwsFault(
      'InvalidAttributeValue',
      'Invalid value for the parameter FifoThroughputLimit. Reason: perMessageGroupId requires DeduplicationScope messageGroup.',
    );
  }
}

function checkTags(tags: Readonly<Record<string, string>>): void {
  const entries = Object.entries(tags);
  if (entries.length > 50) {
    throw new AwsFault('InvalidParameterValue', 'Too many tags added for queue: at most 50 are allowed.');
  }
  for (const [key, value] of entries) {
    if (key.length < 1 || key.length > 128 || value.length > 256) {
      throw new AwsFault(
        'InvalidParameterValue',
        'Tag keys must be between 1 and 128 characters in length, and tag values at most 256.',
      );
    }
  }
}
