import type { NotificationConfiguration } from '@aws-sdk/client-s3';
import { DeliveryQueue } from '../../delivery/delivery-queue.ts';
import { sendToQueue } from '../../delivery/send-to-queue.ts';
import type { Call, Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { servicePrincipal } from '../../iam/principal.ts';
import { checkRules, matches, rulesOf, withIds } from './notification-config.ts';
import type { ObjectVersion } from './object-store.ts';

/** Something that happened to an object. */
export interface ObjectEvent {
  readonly bucket: string;
  readonly key: string;
  /** `ObjectCreated:Put`, without `s3:`. */
  readonly name: string;
  /** What was made, or the version or marker that a deletion was about. */
  readonly version: ObjectVersion | undefined;
  readonly call: Call;
}

interface Notification {
  readonly bucket: string;
  readonly destination: string;
  readonly body: string;
  readonly sinceMs: number;
}

/** Part of the notifications that come twice. AWS says that it happens, and not how often. */
const REPEATED = 0.001;
const PAUSE_MS_MAX = 60_000;
/** How long a receiver that is out of order is tried. */
const GIVEN_UP_AFTER_MS = 24 * 3_600_000;
/** Of EventBridge, by event or by what all events of a kind begin with. */
const DETAIL_TYPES: Readonly<Record<string, string>> = {
  ObjectCreated: 'Object Created',
  ObjectRemoved: 'Object Deleted',
  'ObjectTagging:Put': 'Object Tags Added',
  'ObjectTagging:Delete': 'Object Tags Deleted',
};
const REASONS: Readonly<Record<string, string>> = {
  'ObjectCreated:Put': 'PutObject',
  'ObjectCreated:Copy': 'CopyObject',
  'ObjectCreated:CompleteMultipartUpload': 'CompleteMultipartUpload',
};

/**
 * Notifies queues, topics, functions and EventBridge of what happens in buckets: at least once, late by chance, and
 * so in no particular order.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
 */
export class BucketNotifications {
  readonly #engine: Engine;
  readonly #configOf: (bucket: string) => NotificationConfiguration | undefined;
  readonly #queue: DeliveryQueue<Notification>;
  #sequence = 0;

  constructor(engine: Engine, configOf: (bucket: string) => NotificationConfiguration | undefined) {
    this.#engine = engine;
    this.#configOf = configOf;
    this.#queue = new DeliveryQueue(engine, 's3.notifications', {
      deliver: (notification) => this.#deliver(notification),
      pauseMs: (failedBefore) => Math.min(1000 * 2 ** failedBefore, PAUSE_MS_MAX),
      givesUp: async (notification, fault, nextAtMs) => {
        const mayPass = fault.status >= 500 || fault.status === 429;
        if (mayPass && nextAtMs - notification.sinceMs < GIVEN_UP_AFTER_MS) return false;
        const { bucket, destination } = notification;
        engine.journal.append('s3', 'notification.lost', {
          ...{ bucket, destination, code: fault.code, error: fault.message },
        });
        return true;
      },
    });
  }

  start(): void {
    this.#queue.start();
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  /** Checks a new configuration, and that S3 may send to its queues and topics, each of which gets a test event. */
  async accept(
    bucket: string,
    config: NotificationConfiguration,
    { requestId, atMs }: Call,
    unchecked: boolean,
  ): Promise<NotificationConfiguration> {
    const rules = rulesOf(config);
    checkRules(rules);
    const body = JSON.stringify({
      Service: 'Amazon S3',
      Event: 's3:TestEvent',
      Time: new Date(atMs).toISOString(),
      Bucket: bucket,
      RequestId: requestId,
      HostId: this.#engine.ids.hex(32),
    });
    const before = new Set(rulesOf(this.#configOf(bucket) ?? {}).map(({ destination }) => destination));
    for (const destination of new Set(rules.map((rule) => rule.destination))) {
      if (unchecked || before.has(destination)) continue;
      try {
        await this.#send({ bucket, destination, body }, true);
      } catch (error) {
        if (!(error instanceof AwsFault)) throw error;
        throw new AwsFault(
          'InvalidArgument',
          `Unable to validate the following destination configurations: ${destination} (${error.code}: ${error.message})`,
        );
      }
    }
    return withIds(config, this.#engine.ids);
  }

  publish(event: ObjectEvent): void {
    const config = this.#configOf(event.bucket);
    if (config === undefined) return;
    const { ids, pace, clock } = this.#engine;
    const sequencer = this.#nextSequencer();
    for (const rule of rulesOf(config)) {
      if (!matches(rule, `s3:${event.name}`, event.key)) continue;
      const notification = {
        bucket: event.bucket,
        destination: rule.destination,
        body: JSON.stringify({ Records: [this.#record(event, rule.id, sequencer)] }),
        sinceMs: clock.nowMs(),
      };
      for (let copies = ids.random() >= 1 - REPEATED ? 2 : 1; copies > 0; copies--) {
        this.#queue.add(notification, pace.drawMs('s3-notification', ids));
      }
    }
    if (config.EventBridgeConfiguration) this.#publishToEventBridge(event, sequencer);
  }

  #deliver(notification: Notification): Promise<void> {
    return this.#send(notification, false);
  }

  /** A function is only asked whether S3 may call it when `test` is set. */
  async #send(
    { bucket, destination, body }: Pick<Notification, 'bucket' | 'destination' | 'body'>,
    test: boolean,
  ): Promise<void> {
    const { call } = this.#engine;
    const sender = servicePrincipal(this.#engine, 's3.amazonaws.com', `arn:aws:s3:::${bucket}`);
    const service = destination.split(':')[2];
    if (service === 'sqs') {
      await sendToQueue(this.#engine, sender, destination, { MessageBody: body });
    } else if (service === 'sns') {
      await call(sender, 'sns', 'Publish', {
        TopicArn: destination,
        Subject: 'Amazon S3 Notification',
        Message: body,
      });
    } else {
      await call(sender, 'lambda', 'Invoke', {
        FunctionName: destination,
        InvocationType: test ? 'DryRun' : 'Event',
        Payload: Buffer.from(body),
      });
    }
  }

  /** Greater for what happened later, as text of one length. */
  #nextSequencer(): string {
    this.#sequence = (this.#sequence + 1) % 0x1_0000;
    const at = this.#engine.clock.nowMs().toString(16).padStart(12, '0');
    return `00${at}${this.#sequence.toString(16).padStart(4, '0')}`.toUpperCase();
  }

  #record({ bucket, key, name, version, call }: ObjectEvent, configurationId: string, sequencer: string) {
    const { region, accountId, ids } = this.#engine;
    return {
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      awsRegion: region,
      eventTime: new Date(call.atMs).toISOString(),
      eventName: name,
      userIdentity: { principalId: `AWS:${call.principal.userId ?? accountId}` },
      requestParameters: { sourceIPAddress: '127.0.0.1' },
      responseElements: { 'x-amz-request-id': call.requestId, 'x-amz-id-2': ids.hex(32) },
      s3: {
        s3SchemaVersion: '1.0',
        configurationId,
        bucket: { name: bucket, ownerIdentity: { principalId: accountId }, arn: `arn:aws:s3:::${bucket}` },
        object: {
          // As a form encodes it: a space is a plus, and slashes stay.
          key: encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/'),
          ...(name.startsWith('ObjectCreated') && version ? { size: version.size } : {}),
          ...(!name.startsWith('ObjectRemoved') && version ? { eTag: version.etag } : {}),
          ...(version === undefined || version.versionId === 'null' ? {} : { versionId: version.versionId }),
          sequencer,
        },
      },
    };
  }

  /** https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html */
  #publishToEventBridge({ bucket, key, name, version, call }: ObjectEvent, sequencer: string): void {
    const [kind = ''] = name.split(':');
    const created = kind === 'ObjectCreated';
    const retagged = kind === 'ObjectTagging';
    this.#engine.journal.publish({
      source: 'aws.s3',
      'detail-type': DETAIL_TYPES[name] ?? DETAIL_TYPES[kind]!,
      resources: [`arn:aws:s3:::${bucket}`],
      detail: {
        version: '0',
        bucket: { name: bucket },
        object: {
          key,
          ...(created && version ? { size: version.size } : {}),
          ...((created || retagged) && version ? { etag: version.etag } : {}),
          ...(version === undefined || version.versionId === 'null'
            ? {}
            : { 'version-id': version.versionId }),
          ...(retagged ? {} : { sequencer }),
        },
        'request-id': call.requestId,
        requester: this.#engine.accountId,
        'source-ip-address': '127.0.0.1',
        ...(retagged ? {} : { reason: REASONS[name] ?? 'DeleteObject' }),
        ...(created || retagged
          ? {}
          : {
              'deletion-type': name.endsWith('DeleteMarkerCreated')
                ? 'Delete Marker Created'
                : 'Permanently Deleted',
            }),
      },
    });
  }
}
