import { DeliveryQueue, type Progress } from '../../delivery/delivery-queue.ts';
import { sendToQueue } from '../../delivery/send-to-queue.ts';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { type Principal, servicePrincipal } from '../../iam/principal.ts';
import { type Rule, type Target, targetKind } from './rule.ts';
import { renderInput } from './target-input.ts';

/** An event on its way to one target. */
interface Delivery {
  readonly rule: { readonly name: string; readonly arn: string };
  readonly target: Target;
  readonly event: Record<string, unknown>;
  readonly matchedAtMs: number;
}

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly retriable: boolean;
}

const FIRST_RETRY_MS = 1000;
const RETRY_MS_MAX = 60_000;

/**
 * Carries matched events to their targets, at least once; durable from the turn in which they were journaled.
 *
 * What may succeed later (throttling, a failing target) is tried again with growing pauses, within the target's retry
 * policy; what cannot (no permission, no such target) goes to the dead-letter queue at once, as on AWS.
 *
 * EventBridge's pauses are not documented; here they double from one second to a minute, with jitter, and
 * `--pace` leaves them alone. Each arrival is journaled, except those of schedules.
 */
export class Deliveries {
  readonly #engine: Engine;
  readonly #queue: DeliveryQueue<Delivery>;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#queue = new DeliveryQueue<Delivery>(engine, 'events.deliveries', {
      deliver: (delivery) => this.#deliver(delivery),
      pauseMs: (failedBefore) =>
        Math.min(RETRY_MS_MAX, FIRST_RETRY_MS * 2 ** failedBefore) * (0.75 + engine.ids.random() / 2),
      givesUp: (delivery, fault, nextAtMs) => this.#givesUp(delivery, fault, nextAtMs),
    });
  }

  /** Takes over an event for every target of a rule. */
  add(rule: Rule, event: Record<string, unknown>): void {
    const matchedAtMs = this.#engine.clock.nowMs();
    for (const target of rule.targets) {
      this.#queue.add({ rule: { name: rule.name, arn: rule.arn }, target, event, matchedAtMs });
    }
  }

  start(): void {
    this.#queue.start();
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  async #deliver(delivery: Delivery): Promise<void> {
    await this.#send(delivery);
    const { rule, target, event } = delivery;
    if (event.source === 'aws.events') return;
    this.#engine.journal.append('events', 'event.delivered', {
      rule: rule.name,
      target: target.arn,
      eventId: event.id,
      detailType: event['detail-type'],
    });
  }

  async #givesUp(delivery: Delivery & Progress, fault: AwsFault, nextAtMs: number): Promise<boolean> {
    const failure = failureOf(fault);
    const exhausted = this.#exhausted(delivery, failure, nextAtMs);
    if (exhausted === undefined) return false;
    await this.#giveUp(delivery, failure, exhausted);
    return true;
  }

  /** Why a failed delivery is not tried again; `undefined` when it is. */
  #exhausted(
    { target, attempts, matchedAtMs }: Delivery & Progress,
    failure: Failure,
    nextMs: number,
  ): string | undefined {
    if (!failure.retriable) return '';
    if (attempts >= target.retryAttemptsMax) return 'MaximumRetryAttempts';
    if (nextMs - matchedAtMs > target.ageSecondsMax * 1000) return 'MaximumEventAgeInSeconds';
    return undefined;
  }

  async #send(delivery: Delivery): Promise<void> {
    const { rule, target, event } = delivery;
    const { call } = this.#engine;
    const text = renderInput(target, event, rule);
    const principal = this.#principal(delivery);
    switch (targetKind(target.arn)) {
      case 'function':
        await call(principal, 'lambda', 'Invoke', {
          FunctionName: target.arn,
          InvocationType: 'Event',
          Payload: Buffer.from(text),
        });
        return;
      case 'topic':
        await call(principal, 'sns', 'Publish', { TopicArn: target.arn, Message: text });
        return;
      case 'queue':
        await sendToQueue(this.#engine, principal, target.arn, {
          MessageBody: text,
          ...(target.messageGroupId === undefined ? {} : { MessageGroupId: target.messageGroupId }),
        });
        return;
      case 'pipeline':
        await call(principal, 'codepipeline', 'StartPipelineExecution', {
          name: target.arn.split(':')[5],
        });
        return;
      case 'log-group':
        await this.#log(target.arn, event, text);
        return;
      default:
        throw new AwsFault('ResourceNotFoundException', `nothing delivers to ${target.arn}`);
    }
  }

  #principal({ rule, target, event }: Delivery): Principal {
    return target.roleArn === undefined
      ? servicePrincipal(this.#engine, 'events.amazonaws.com', rule.arn)
      : this.#engine.assumeRole(target.roleArn, 'events.amazonaws.com', String(event.id), rule.arn);
  }

  /** One log stream for each event, as EventBridge does; a log group's resource policy is not asked. */
  async #log(arn: string, event: Record<string, unknown>, message: string): Promise<void> {
    const principal = servicePrincipal(this.#engine, 'events.amazonaws.com');
    const logGroupName = arn.split(':')[6] ?? '';
    const logStreamName = String(event.id);
    try {
      await this.#engine.call(principal, 'logs', 'CreateLogStream', { logGroupName, logStreamName });
    } catch (error) {
      if (!(error instanceof AwsFault) || error.code !== 'ResourceAlreadyExistsException') throw error;
    }
    await this.#engine.call(principal, 'logs', 'PutLogEvents', {
      logGroupName,
      logStreamName,
      logEvents: [{ timestamp: this.#engine.clock.nowMs(), message }],
    });
  }

  /** Sends what could not be delivered to the target's dead-letter queue, or records that it is lost. */
  async #giveUp(
    { rule, target, event, attempts }: Delivery & Progress,
    failure: Failure,
    exhausted: string,
  ): Promise<void> {
    const what = {
      rule: rule.name,
      target: target.arn,
      eventId: event.id,
      detailType: event['detail-type'],
      code: failure.code,
      message: failure.message,
    };
    const { journal } = this.#engine;
    if (target.deadLetterArn === undefined) {
      journal.append('events', 'event.dropped', { ...what, why: 'the target has no dead-letter queue' });
      return;
    }
    const attributes = {
      RULE_ARN: rule.arn,
      TARGET_ARN: target.arn,
      ERROR_CODE: failure.code,
      ERROR_MESSAGE: failure.message,
      ...(exhausted === '' ? {} : { EXHAUSTED_RETRY_CONDITION: exhausted }),
      RETRY_ATTEMPTS: String(attempts),
    };
    try {
      const sender = servicePrincipal(this.#engine, 'events.amazonaws.com', rule.arn);
      await sendToQueue(this.#engine, sender, target.deadLetterArn, {
        MessageBody: JSON.stringify(event),
        MessageAttributes: Object.fromEntries(
          Object.entries(attributes).map(([name, value]) => [
            name,
            { DataType: 'String', StringValue: value },
          ]),
        ),
      });
      journal.append('events', 'event.dead-lettered', { ...what, queue: target.deadLetterArn });
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      journal.append('events', 'event.dropped', {
        ...what,
        why: `the dead-letter queue refused it: ${error.message}`,
      });
    }
  }
}

/** EventBridge's error codes, and whether another attempt may help. */
function failureOf({ code, message, status }: AwsFault): Failure {
  if (/AccessDenied|Unauthorized|AuthorizationError/.test(code)) {
    return { code: 'NO_PERMISSIONS', message, retriable: false };
  }
  if (/NotFound|DoesNotExist|NonExistent/.test(code))
    return { code: 'NO_RESOURCE', message, retriable: false };
  if (/Throttl|TooManyRequests|LimitExceeded|Conflict/.test(code)) {
    return { code: 'THROTTLING', message, retriable: true };
  }
  return status >= 500
    ? { code: 'INTERNAL_ERROR', message, retriable: true }
    : { code: 'SDK_CLIENT_ERROR', message, retriable: false };
}
