import type { Timer } from '../../clock/clock.ts';
import { type Engine, servicePrincipal } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Table } from '../../state/state.ts';
import type { Inbox } from './inbox.ts';
import { bodyFor, envelope, type Message } from './message.ts';
import { deadLetterArn, type Subscription } from './topic.ts';

/** A message on its way to one subscriber; kept until it arrived or was given up. */
interface Notification {
  readonly subscription: Subscription;
  readonly message: Message;
  readonly attempts: number;
  readonly dueAtMs: number;
}

const SERVICE = 'sns.amazonaws.com';
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 20_000;
/** SNS tries for 23 days to reach a queue or a function that fails on AWS's side. */
const TRIED_FOR_MS = 23 * 24 * 3_600_000;

/**
 * Carries published messages to their subscribers, at least once; durable from the turn of the publication.
 *
 * A queue or function that refuses a message (no permission, gone) is not tried again, as on AWS: the message
 * goes to the subscription's dead-letter queue, or is journaled as lost. Other failures are tried again
 * with growing pauses.
 */
export class Notifications {
  readonly #engine: Engine;
  readonly #inbox: Inbox;
  readonly #table: Table<Notification>;
  readonly #timers = new Map<string, Timer>();
  readonly #underway = new Set<Promise<void>>();
  #sequence = 0;
  #running = false;

  constructor(engine: Engine, inbox: Inbox) {
    this.#engine = engine;
    this.#inbox = inbox;
    this.#table = engine.state.table<Notification>('sns.notifications');
    for (const key of this.#table.keys()) this.#sequence = Math.max(this.#sequence, Number(key));
  }

  add(subscription: Subscription, message: Message): void {
    const key = String(++this.#sequence);
    this.#table.put(key, { subscription, message, attempts: 0, dueAtMs: message.atMs });
    this.#schedule(key, 0);
  }

  start(): void {
    this.#running = true;
    const nowMs = this.#engine.clock.nowMs();
    for (const [key, { dueAtMs }] of this.#table.entries()) this.#schedule(key, dueAtMs - nowMs);
  }

  async stop(): Promise<void> {
    this.#running = false;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    await Promise.all(this.#underway);
  }

  #schedule(key: string, delayMs: number): void {
    if (!this.#running) return;
    const timer = this.#engine.clock.setTimer(delayMs, () => {
      this.#timers.delete(key);
      const attempt = this.#attempt(key).finally(() => this.#underway.delete(attempt));
      this.#underway.add(attempt);
    });
    this.#timers.set(key, timer);
  }

  async #attempt(key: string): Promise<void> {
    const notification = this.#table.get(key);
    if (!notification) return;
    try {
      await this.#deliver(notification);
      this.#table.delete(key);
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      const pauseMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** notification.attempts);
      const dueAtMs = this.#engine.clock.nowMs() + pauseMs;
      const retriable = error.status >= 500 || /Throttl|TooManyRequests/.test(error.code);
      if (retriable && dueAtMs - notification.message.atMs < TRIED_FOR_MS) {
        this.#table.put(key, { ...notification, attempts: notification.attempts + 1, dueAtMs });
        this.#schedule(key, pauseMs);
        return;
      }
      await this.#giveUp(notification, error);
      this.#table.delete(key);
    }
  }

  async #deliver({ subscription, message }: Notification): Promise<void> {
    const { protocol, endpoint, attributes, topicArn } = subscription;
    const principal = servicePrincipal(this.#engine, SERVICE, topicArn);
    switch (protocol) {
      case 'sqs': {
        const raw = attributes.RawMessageDelivery === 'true';
        await this.#engine.call(principal, 'sqs', 'SendMessage', {
          QueueUrl: await this.#queueUrl(endpoint),
          MessageBody: raw ? bodyFor(message, protocol) : JSON.stringify(envelope(message, subscription)),
          ...(raw ? { MessageAttributes: queueAttributes(message) } : {}),
        });
        return;
      }
      case 'lambda':
        await this.#engine.call(principal, 'lambda', 'Invoke', {
          FunctionName: endpoint,
          InvocationType: 'Event',
          Payload: Buffer.from(JSON.stringify(functionEvent(message, subscription))),
        });
        return;
      default:
        this.#drop(subscription, message);
    }
  }

  /** Puts a notification for people into the inbox and the journal. */
  #drop(subscription: Subscription, message: Message): void {
    const { protocol, endpoint, topicArn } = subscription;
    const whole = protocol === 'email-json' || protocol === 'http' || protocol === 'https';
    const item = {
      topicArn,
      protocol,
      endpoint,
      ...(message.subject === undefined ? {} : { subject: message.subject }),
      message: whole ? JSON.stringify(envelope(message, subscription)) : bodyFor(message, protocol),
    };
    this.#inbox.add({ at: new Date(message.atMs).toISOString(), ...item });
    this.#engine.journal.append('sns', 'notification.delivered', { messageId: message.id, ...item });
  }

  async #giveUp({ subscription, message }: Notification, error: AwsFault): Promise<void> {
    const { topicArn, protocol, endpoint } = subscription;
    const { journal, call } = this.#engine;
    const what = {
      topicArn,
      protocol,
      endpoint,
      messageId: message.id,
      code: error.code,
      error: error.message,
    };
    const queue = deadLetterArn(subscription.attributes);
    if (queue === undefined) {
      journal.append('sns', 'notification.lost', what);
      return;
    }
    try {
      await call(servicePrincipal(this.#engine, SERVICE, topicArn), 'sqs', 'SendMessage', {
        QueueUrl: await this.#queueUrl(queue),
        MessageBody: JSON.stringify(envelope(message, subscription)),
      });
      journal.append('sns', 'notification.dead-lettered', { ...what, queue });
    } catch (refusal) {
      if (!(refusal instanceof AwsFault)) throw refusal;
      journal.append('sns', 'notification.lost', { ...what, deadLetterError: refusal.message });
    }
  }

  async #queueUrl(arn: string): Promise<string> {
    const { QueueUrl } = await this.#engine.call(
      servicePrincipal(this.#engine, SERVICE),
      'sqs',
      'GetQueueUrl',
      { QueueName: arn.split(':')[5] },
    );
    return QueueUrl ?? '';
  }
}

function queueAttributes({ attributes }: Message) {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, { type, value }]) => [
      name,
      type.startsWith('Binary')
        ? { DataType: type, BinaryValue: Buffer.from(value, 'base64') }
        : { DataType: type, StringValue: value },
    ]),
  );
}

function functionEvent(message: Message, subscription: Subscription): Record<string, unknown> {
  const { Subject, MessageAttributes, ...rest } = envelope(message, subscription);
  return {
    Records: [
      {
        EventSource: 'aws:sns',
        EventVersion: '1.0',
        EventSubscriptionArn: subscription.arn,
        Sns: { ...rest, Subject: Subject ?? null, MessageAttributes: MessageAttributes ?? {} },
      },
    ],
  };
}
