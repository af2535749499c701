import { DeliveryQueue } from '../../delivery/delivery-queue.ts';
import { sendToQueue } from '../../delivery/send-to-queue.ts';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { servicePrincipal } from '../../iam/principal.ts';
import type { Inbox } from './inbox.ts';
import { bodyFor, envelope, type Message } from './message.ts';
import { deadLetterArn, type Subscription } from './topic.ts';

/** A message on its way to one subscriber. */
interface Notification {
  readonly subscription: Subscription;
  readonly message: Message;
}

const SERVICE = 'sns.amazonaws.com';
const FIRST_RETRY_MS = 1000;
const RETRY_MS_MAX = 20_000;
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
  readonly #queue: DeliveryQueue<Notification>;

  constructor(engine: Engine, inbox: Inbox) {
    this.#engine = engine;
    this.#inbox = inbox;
    this.#queue = new DeliveryQueue<Notification>(engine, 'sns.notifications', {
      deliver: (notification) => this.#deliver(notification),
      pauseMs: (failedBefore) => Math.min(RETRY_MS_MAX, FIRST_RETRY_MS * 2 ** failedBefore),
      givesUp: async (notification, fault, nextAtMs) => {
        const retriable = fault.status >= 500 || /Throttl|TooManyRequests/.test(fault.code);
        if (retriable && nextAtMs - notification.message.atMs < TRIED_FOR_MS) return false;
        await this.#giveUp(notification, fault);
        return true;
      },
    });
  }

  add(subscription: Subscription, message: Message): void {
    this.#queue.add({ subscription, message });
  }

  start(): void {
    this.#queue.start();
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  async #deliver({ subscription, message }: Notification): Promise<void> {
    const { protocol, endpoint, attributes, topicArn } = subscription;
    const principal = servicePrincipal(this.#engine, SERVICE, topicArn);
    switch (protocol) {
      case 'sqs': {
        const raw = attributes.RawMessageDelivery === 'true';
        await sendToQueue(this.#engine, principal, endpoint, {
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
    const { journal } = this.#engine;
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
      await sendToQueue(this.#engine, servicePrincipal(this.#engine, SERVICE, topicArn), queue, {
        MessageBody: JSON.stringify(envelope(message, subscription)),
      });
      journal.append('sns', 'notification.dead-lettered', { ...what, queue });
    } catch (refusal) {
      if (!(refusal instanceof AwsFault)) throw refusal;
      journal.append('sns', 'notification.lost', { ...what, deadLetterError: refusal.message });
    }
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
