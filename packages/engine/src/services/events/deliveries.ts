import { type Engine, type Principal, servicePrincipal } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Table } from '../../state/state.ts';
import { type Rule, type Target, targetKind } from './rule.ts';
import { renderInput } from './target-input.ts';

/** An event on its way to one target; kept until it arrived or was given up. */
interface Delivery {
  readonly rule: { readonly name: string; readonly arn: string };
  readonly target: Target;
  readonly event: Record<string, unknown>;
  readonly matchedAtMs: number;
  readonly attempts: number;
  readonly dueAtMs: number;
}

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly retriable: boolean;
}

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;

/**
 * Carries matched events to their targets, at least once.
 *
 * A delivery is durable from the turn in which its event was journaled, so it survives `kill -9`. What may
 * succeed later (throttling, a failing target) is tried again with growing pauses, within the target's retry
 * policy; what cannot (no permission, no such target) goes to the dead-letter queue at once, as on AWS.
 *
 * EventBridge's pauses are not documented; here they double from one second to a minute, with jitter, and
 * `--pace` leaves them alone. Each arrival is journaled, except those of schedules.
 */
export class Deliveries {
  readonly #engine: Engine;
  readonly #table: Table<Delivery>;
  readonly #timers = new Map<string, { cancel(): void }>();
  readonly #underway = new Set<Promise<void>>();
  #sequence = 0;
  #running = false;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#table = engine.state.table<Delivery>('events.deliveries');
    for (const key of this.#table.keys()) this.#sequence = Math.max(this.#sequence, Number(key));
  }

  /** Takes over an event for every target of a rule. */
  add(rule: Rule, event: Record<string, unknown>): void {
    const nowMs = this.#engine.clock.nowMs();
    for (const target of rule.targets) {
      const key = String(++this.#sequence);
      this.#table.put(key, {
        rule: { name: rule.name, arn: rule.arn },
        target,
        event,
        matchedAtMs: nowMs,
        attempts: 0,
        dueAtMs: nowMs,
      });
      this.#schedule(key, 0);
    }
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
    this.#timers.get(key)?.cancel();
    const timer = this.#engine.clock.setTimer(delayMs, () => {
      this.#timers.delete(key);
      const attempt = this.#attempt(key).finally(() => this.#underway.delete(attempt));
      this.#underway.add(attempt);
    });
    this.#timers.set(key, timer);
  }

  async #attempt(key: string): Promise<void> {
    const delivery = this.#table.get(key);
    if (!delivery) return;
    const failure = await this.#send(delivery);
    if (!failure) {
      if (delivery.event.source !== 'aws.events') {
        this.#engine.journal.append('events', 'event.delivered', {
          rule: delivery.rule.name,
          target: delivery.target.arn,
          eventId: delivery.event.id,
          detailType: delivery.event['detail-type'],
        });
      }
      this.#table.delete(key);
      return;
    }
    const attempts = delivery.attempts + 1;
    const pauseMs =
      Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** delivery.attempts) *
      (0.75 + this.#engine.ids.random() / 2);
    const dueAtMs = this.#engine.clock.nowMs() + pauseMs;
    const exhausted = this.#exhausted(delivery, failure, dueAtMs);
    if (exhausted === undefined) {
      this.#table.put(key, { ...delivery, attempts, dueAtMs });
      this.#schedule(key, pauseMs);
      return;
    }
    await this.#giveUp({ ...delivery, attempts }, failure, exhausted);
    this.#table.delete(key);
  }

  /** Why a failed delivery is not tried again; `undefined` when it is. */
  #exhausted(
    { target, attempts, matchedAtMs }: Delivery,
    failure: Failure,
    nextMs: number,
  ): string | undefined {
    if (!failure.retriable) return '';
    if (attempts >= target.retryAttemptsMax) return 'MaximumRetryAttempts';
    if (nextMs - matchedAtMs > target.ageSecondsMax * 1000) return 'MaximumEventAgeInSeconds';
    return undefined;
  }

  async #send(delivery: Delivery): Promise<Failure | undefined> {
    const { rule, target, event } = delivery;
    const { call } = this.#engine;
    try {
      const text = renderInput(target, event, rule);
      const principal = this.#principal(delivery);
      switch (targetKind(target.arn)) {
        case 'function':
          await call(principal, 'lambda', 'Invoke', {
            FunctionName: target.arn,
            InvocationType: 'Event',
            Payload: Buffer.from(text),
          });
          return undefined;
        case 'topic':
          await call(principal, 'sns', 'Publish', { TopicArn: target.arn, Message: text });
          return undefined;
        case 'queue':
          await call(principal, 'sqs', 'SendMessage', {
            QueueUrl: await this.#queueUrl(target.arn),
            MessageBody: text,
            ...(target.messageGroupId === undefined ? {} : { MessageGroupId: target.messageGroupId }),
          });
          return undefined;
        case 'pipeline':
          await call(principal, 'codepipeline', 'StartPipelineExecution', {
            name: target.arn.split(':')[5],
          });
          return undefined;
        case 'log-group':
          await this.#log(target.arn, event, text);
          return undefined;
        default:
          return { code: 'NO_RESOURCE', message: `nothing delivers to ${target.arn}`, retriable: false };
      }
    } catch (error) {
      if (error instanceof AwsFault) return failureOf(error);
      throw error;
    }
  }

  #principal({ rule, target, event }: Delivery): Principal {
    return target.roleArn === undefined
      ? servicePrincipal(this.#engine, 'events.amazonaws.com', rule.arn)
      : this.#engine.assumeRole(target.roleArn, 'events.amazonaws.com', String(event.id));
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

  async #queueUrl(arn: string): Promise<string> {
    const { QueueUrl } = await this.#engine.call(
      servicePrincipal(this.#engine, 'events.amazonaws.com'),
      'sqs',
      'GetQueueUrl',
      { QueueName: arn.split(':')[5] },
    );
    return QueueUrl ?? '';
  }

  /** Sends what could not be delivered to the target's dead-letter queue, or records that it is lost. */
  async #giveUp(
    { rule, target, event, attempts }: Delivery,
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
    const { journal, call } = this.#engine;
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
      RETRY_ATTEMPTS: String(attempts - 1),
    };
    try {
      await call(servicePrincipal(this.#engine, 'events.amazonaws.com', rule.arn), 'sqs', 'SendMessage', {
        QueueUrl: await this.#queueUrl(target.deadLetterArn),
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
