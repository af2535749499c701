import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { type Principal, servicePrincipal } from '../../iam/principal.ts';
import type { FunctionMetrics } from './function-metrics.ts';
import { functionArn } from './function-reference.ts';
import { invalidParameter } from './function-settings.ts';
import type { RoleSessions } from './role-sessions.ts';
import type { AsyncEvent, Attempt, LambdaStore } from './store.ts';

type Condition = 'Success' | 'RetriesExhausted' | 'EventAgeExceeded';

const DESTINATION =
  /^arn:aws:(?:(?:sqs|sns):[^:]+:\d{12}:[^:]+|lambda:[^:]+:\d{12}:function:.+|events:[^:]+:\d{12}:event-bus\/.+)$/;

/** Refuses what no asynchronous event can be sent to. */
export function checkDestination(field: string, arn: string | undefined): void {
  if (arn === undefined || DESTINATION.test(arn)) return;
  throw invalidParameter(
    `${field}: the local engine sends to queues, topics, functions and event buses, not to ${arn}.`,
  );
}

/**
 * Where asynchronous events go when the function is done with them: destinations get a record of the invocation,
 * the dead-letter queue gets the event alone. Both are reached with the function's role; a failure is journaled
 * and counted, and not tried again.
 */
export class Destinations {
  readonly #engine: Engine;
  readonly #store: LambdaStore;
  readonly #sessions: RoleSessions;
  readonly #metrics: FunctionMetrics;

  constructor(
    engine: Engine,
    parts: { store: LambdaStore; sessions: RoleSessions; metrics: FunctionMetrics },
  ) {
    this.#engine = engine;
    this.#store = parts.store;
    this.#sessions = parts.sessions;
    this.#metrics = parts.metrics;
  }

  async succeeded(event: AsyncEvent, attempt: Attempt): Promise<void> {
    await this.#record(event, this.#config(event)?.OnSuccess?.Destination, 'Success', attempt);
  }

  async failed(event: AsyncEvent, condition: Condition, attempt: Attempt | undefined): Promise<void> {
    await this.#record(event, this.#config(event)?.OnFailure?.Destination, condition, attempt);
    const target = this.#functionOf(event)?.settings.deadLetterArn;
    if (target === undefined) return;
    const text = (StringValue: string) => ({ DataType: 'String', StringValue });
    const message = attempt === undefined ? 'event age exceeded' : messageOf(attempt);
    await this.#deliver(event, target, 'DeadLetterErrors', event.payload, {
      RequestID: text(event.requestId),
      ErrorCode: { DataType: 'Number', StringValue: attempt?.kind === 'error' ? '200' : '500' },
      // Lambda keeps the first kilobyte.
      ErrorMessage: text(message.slice(0, 1024)),
    });
  }

  async #record(
    event: AsyncEvent,
    target: string | undefined,
    condition: Condition,
    attempt: Attempt | undefined,
  ): Promise<void> {
    if (target === undefined) return;
    const ran = attempt !== undefined && attempt.kind !== 'fault' ? attempt : undefined;
    const record = {
      version: '1.0',
      timestamp: new Date(this.#engine.clock.nowMs()).toISOString(),
      requestContext: {
        requestId: event.requestId,
        functionArn: functionArn(this.#engine, event.functionName, event.qualifier),
        condition,
        approximateInvokeCount: condition === 'Success' ? event.attempts + 1 : event.attempts,
      },
      requestPayload: JSON.parse(event.payload) as unknown,
      ...(ran === undefined
        ? {}
        : {
            responseContext: {
              statusCode: 200,
              executedVersion: ran.version,
              ...(ran.kind === 'error' ? { functionError: 'Unhandled' } : {}),
            },
            responsePayload: JSON.parse(ran.payload) as unknown,
          }),
    };
    await this.#deliver(event, target, 'DestinationDeliveryFailures', JSON.stringify(record), {});
  }

  async #deliver(
    event: AsyncEvent,
    target: string,
    failureMetric: string,
    body: string,
    attributes: Record<string, { DataType: string; StringValue: string }>,
  ): Promise<void> {
    const fn = this.#functionOf(event);
    try {
      if (!fn) throw new AwsFault('ResourceNotFoundException', `Function not found: ${event.functionName}`);
      await this.#send(this.#sessions.of(fn).principal, event, target, body, attributes);
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      this.#metrics.publish(event.functionName, { [failureMetric]: 1 });
      this.#engine.journal.append('lambda', 'destination.failed', {
        functionName: event.functionName,
        requestId: event.requestId,
        destination: target,
        code: error.code,
        message: error.message,
      });
    }
  }

  async #send(
    principal: Principal,
    event: AsyncEvent,
    target: string,
    body: string,
    attributes: Record<string, { DataType: string; StringValue: string }>,
  ): Promise<void> {
    const { call } = this.#engine;
    const [, , service, , account, resource = ''] = target.split(':');
    const source = functionArn(this.#engine, event.functionName, event.qualifier);
    if (service === 'sqs') {
      const { QueueUrl } = await call(
        servicePrincipal(this.#engine, 'lambda.amazonaws.com'),
        'sqs',
        'GetQueueUrl',
        { QueueName: resource, QueueOwnerAWSAccountId: account },
      );
      await call(principal, 'sqs', 'SendMessage', {
        QueueUrl,
        MessageBody: body,
        MessageAttributes: attributes,
      });
    } else if (service === 'sns') {
      await call(principal, 'sns', 'Publish', {
        TopicArn: target,
        Message: body,
        MessageAttributes: attributes,
      });
    } else if (service === 'lambda') {
      await call(principal, 'lambda', 'Invoke', {
        FunctionName: target,
        InvocationType: 'Event',
        Payload: Buffer.from(body),
      });
    } else {
      const { requestContext } = JSON.parse(body) as { requestContext: { condition: Condition } };
      await call(principal, 'events', 'PutEvents', {
        Entries: [
          {
            Source: 'lambda',
            DetailType: `Lambda Function Invocation Result - ${requestContext.condition === 'Success' ? 'Success' : 'Failure'}`,
            Detail: body,
            Resources: [target, source],
            EventBusName: target,
          },
        ],
      });
    }
  }

  #functionOf({ functionName, qualifier }: AsyncEvent) {
    return this.#store.version(functionName, qualifier);
  }

  #config({ functionName, qualifier }: AsyncEvent) {
    return this.#store.eventConfigs.get(`${functionName}:${qualifier}`)?.destinationConfig;
  }
}

function messageOf(attempt: Attempt): string {
  if (attempt.kind === 'fault') return attempt.message;
  return String((JSON.parse(attempt.payload) as { errorMessage?: unknown }).errorMessage);
}
