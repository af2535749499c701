import { type Engine, servicePrincipal } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { AsyncEvent } from './async-invocations.ts';
import type { StoredFunction } from './function-definition.ts';
import { errorOf } from './invoker.ts';

/** Where records of asynchronous invocations go, by outcome. */
export interface Destinations {
  readonly onSuccess?: string;
  readonly onFailure?: string;
}

/** Why an event was given up. */
export interface GivenUp {
  readonly condition: 'RetriesExhausted' | 'EventAgeExceeded';
  /** The last error; absent when the event never ran. */
  readonly payload: string | undefined;
}

const DESTINATION = /^arn:aws:(sqs|sns|lambda|events):[^:]*:\d*:.+$/;

/** Whether the engine can send records there. */
export function isDestination(arn: string): boolean {
  return DESTINATION.test(arn);
}

/**
 * Sends the outcome of asynchronous events to where the function wants it, with the function's own role:
 * the dead-letter queue or topic gets the event, a destination gets a record of the invocation.
 */
export class EventDestinations {
  readonly #engine: Engine;
  readonly #of: (functionName: string) => Destinations;

  constructor(engine: Engine, of: (functionName: string) => Destinations) {
    this.#engine = engine;
    this.#of = of;
  }

  async succeeded(fn: StoredFunction, event: AsyncEvent, payload: string): Promise<void> {
    const { onSuccess } = this.#of(fn.name);
    if (onSuccess === undefined) return;
    const record = this.#record(fn, { ...event, attempts: event.attempts + 1 }, 'Success', payload, false);
    await this.#send(fn, event, onSuccess, JSON.stringify(record), 'Success');
  }

  async failed(fn: StoredFunction, event: AsyncEvent, { condition, payload }: GivenUp): Promise<void> {
    const error = payload === undefined ? { type: 'Throttled', message: 'Rate exceeded' } : errorOf(payload);
    const { onFailure } = this.#of(fn.name);
    const { journal } = this.#engine;
    const what = { functionName: fn.name, requestId: event.requestId, condition, error };
    if (fn.deadLetterArn === undefined && onFailure === undefined) {
      journal.append('lambda', 'event.dropped', {
        ...what,
        why: 'the function has neither a dead-letter queue nor a failure destination',
      });
      return;
    }
    if (fn.deadLetterArn !== undefined) {
      await this.#send(fn, event, fn.deadLetterArn, event.payload, 'Failure', {
        RequestID: { DataType: 'String', StringValue: event.requestId },
        ErrorCode: { DataType: 'Number', StringValue: payload === undefined ? '429' : '200' },
        ErrorMessage: { DataType: 'String', StringValue: error.message.slice(0, 1024) || error.type },
      });
    }
    if (onFailure !== undefined) {
      const record = this.#record(fn, event, condition, payload, payload !== undefined);
      await this.#send(fn, event, onFailure, JSON.stringify(record), 'Failure');
    }
    journal.append('lambda', 'event.given-up', { ...what, to: fn.deadLetterArn ?? onFailure });
  }

  #record(
    fn: StoredFunction,
    event: AsyncEvent,
    condition: string,
    payload: string | undefined,
    failed: boolean,
  ): Record<string, unknown> {
    return {
      version: '1.0',
      timestamp: new Date(this.#engine.clock.nowMs()).toISOString(),
      requestContext: {
        requestId: event.requestId,
        functionArn: `${fn.arn}:${fn.version}`,
        condition,
        approximateInvokeCount: event.attempts,
      },
      requestPayload: JSON.parse(event.payload) as unknown,
      ...(payload === undefined
        ? {}
        : {
            responseContext: {
              statusCode: 200,
              executedVersion: fn.version,
              ...(failed ? { functionError: 'Unhandled' } : {}),
            },
            responsePayload: JSON.parse(payload) as unknown,
          }),
    };
  }

  async #send(
    fn: StoredFunction,
    event: AsyncEvent,
    arn: string,
    body: string,
    outcome: 'Success' | 'Failure',
    attributes: Record<string, { DataType: string; StringValue: string }> = {},
  ): Promise<void> {
    const { call, assumeRole, journal } = this.#engine;
    const parts = arn.split(':');
    try {
      const role = assumeRole(fn.role, 'lambda.amazonaws.com', fn.name);
      switch (parts[2]) {
        case 'sqs': {
          const { QueueUrl } = await call(
            servicePrincipal(this.#engine, 'lambda.amazonaws.com'),
            'sqs',
            'GetQueueUrl',
            { QueueName: parts[5] },
          );
          await call(role, 'sqs', 'SendMessage', {
            QueueUrl,
            MessageBody: body,
            MessageAttributes: attributes,
          });
          return;
        }
        case 'sns':
          await call(role, 'sns', 'Publish', {
            TopicArn: arn,
            Message: body,
            MessageAttributes: attributes,
          });
          return;
        case 'lambda':
          await call(role, 'lambda', 'Invoke', {
            FunctionName: arn,
            InvocationType: 'Event',
            Payload: Buffer.from(body),
          });
          return;
        default:
          await call(role, 'events', 'PutEvents', {
            Entries: [
              {
                Source: 'lambda',
                DetailType: `Lambda Function Invocation Result - ${outcome}`,
                Resources: [arn, `${fn.arn}:${fn.version}`],
                Detail: body,
              },
            ],
          });
      }
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      journal.append('lambda', 'event.dropped', {
        functionName: fn.name,
        requestId: event.requestId,
        why: `${arn} refused it: ${error.message}`,
      });
    }
  }
}
