import type { Call, Engine, OperationTable } from '../../dispatch/service.ts';
import { parseBoundedJson } from '../../document-bounds.ts';
import { AwsFault, InvariantError } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import type { AsyncEvents } from './async-events.ts';
import { checkDestination } from './destinations.ts';
import { functionArn, readReference } from './function-reference.ts';
import { invalidParameter } from './function-settings.ts';
import type { Functions } from './functions.ts';
import type { Invoker } from './invoker.ts';
import { type EventInvokeConfig, LATEST, type LambdaStore } from './store.ts';
import { shownEventInvokeConfig } from './views.ts';

const PAYLOAD_BYTES_MAX = 6 * 1024 * 1024;
const EVENT_BYTES_MAX = 1024 * 1024;
const RESERVED_CONCURRENCY_MAX = 1000;
const NOTHING = new Uint8Array();

interface InvocationParts {
  readonly store: LambdaStore;
  readonly functions: Functions;
  readonly invoker: Invoker;
  readonly events: AsyncEvents;
}

/** Invoking functions, and what bounds their invocations. */
export function invocationOperations(engine: Engine, parts: InvocationParts) {
  const { store, functions, events } = parts;
  const named = (input: { FunctionName?: string | undefined; Qualifier?: string | undefined }) =>
    readReference(engine, input.FunctionName, input.Qualifier);
  const resources = (input: { FunctionName?: string | undefined; Qualifier?: string | undefined }) => {
    const { name, qualifier } = named(input);
    return [functionArn(engine, name, qualifier)];
  };
  const configOf = (input: { FunctionName?: string | undefined; Qualifier?: string | undefined }) => {
    const reference = named(input);
    const { name } = functions.find(reference);
    const qualifier = reference.qualifier ?? LATEST;
    const key = `${name}:${qualifier}`;
    return { name, qualifier, key, config: store.eventConfigs.get(key) };
  };
  const requiredConfig = (input: { FunctionName?: string | undefined; Qualifier?: string | undefined }) => {
    const found = configOf(input);
    if (found.config) return { ...found, config: found.config };
    throw new AwsFault(
      'ResourceNotFoundException',
      `The function ${functionArn(engine, found.name, found.qualifier)} doesn't have an EventInvokeConfig`,
      404,
    );
  };
  const noMappings = (): never => {
    throw invalidParameter(
      'The local engine does not poll event sources: invoke the function by a rule, a topic, an alarm or a call.',
    );
  };

  return {
    Invoke: {
      resources,
      actions: () => ['lambda:InvokeFunction'],
      journaled: false,
      run: (input, call) => invoke(engine, parts, input, call),
    },
    PutFunctionConcurrency: {
      resources,
      run: (input) => {
        const { name } = functions.find(named(input));
        const limit = input.ReservedConcurrentExecutions ?? 0;
        if (!Number.isInteger(limit) || limit < 0 || limit > RESERVED_CONCURRENCY_MAX) {
          throw invalidParameter(
            `ReservedConcurrentExecutions: ${limit} is not a whole number from 0 to ${RESERVED_CONCURRENCY_MAX}.`,
          );
        }
        functions.putExtras(name, { reservedConcurrency: limit });
        events.wake(name);
        return { ReservedConcurrentExecutions: limit };
      },
    },
    GetFunctionConcurrency: {
      resources,
      run: (input) => {
        const { reservedConcurrency } = functions.extras(functions.find(named(input)).name);
        return reservedConcurrency === undefined ? {} : { ReservedConcurrentExecutions: reservedConcurrency };
      },
    },
    DeleteFunctionConcurrency: {
      resources,
      run: (input) => {
        const { name } = functions.find(named(input));
        const { reservedConcurrency: _removed, ...rest } = functions.extras(name);
        store.extras.put(name, rest);
        events.wake(name);
        return {};
      },
    },
    PutFunctionEventInvokeConfig: {
      resources,
      run: (input) => {
        const { name, qualifier, key } = configOf(input);
        const config = eventConfigOf(input, engine.clock.nowMs());
        return shownEventInvokeConfig(engine, name, qualifier, store.eventConfigs.put(key, config));
      },
    },
    UpdateFunctionEventInvokeConfig: {
      resources,
      run: (input) => {
        const { name, qualifier, key, config: before } = requiredConfig(input);
        const config = { ...before, ...eventConfigOf(input, engine.clock.nowMs()) };
        return shownEventInvokeConfig(engine, name, qualifier, store.eventConfigs.put(key, config));
      },
    },
    GetFunctionEventInvokeConfig: {
      resources,
      run: (input) => {
        const { name, qualifier, config } = requiredConfig(input);
        return shownEventInvokeConfig(engine, name, qualifier, config);
      },
    },
    DeleteFunctionEventInvokeConfig: {
      resources,
      run: (input) => {
        store.eventConfigs.delete(requiredConfig(input).key);
        return {};
      },
    },
    CreateEventSourceMapping: { run: noMappings },
    ListEventSourceMappings: { run: () => ({ EventSourceMappings: [] }) },
  } satisfies OperationTable<'lambda'>;
}

async function invoke(
  engine: Engine,
  { functions, invoker, events }: InvocationParts,
  input: Input<'lambda', 'Invoke'>,
  { requestId, atMs }: Call,
) {
  for (const field of ['DurableExecutionName', 'TenantId'] as const) {
    if (input[field] !== undefined)
      throw invalidParameter(`${field}: not supported by the local engine; leave it out.`);
  }
  const reference = readReference(engine, input.FunctionName, input.Qualifier);
  const fn = functions.find(reference, () => engine.ids.random());
  const type = input.InvocationType ?? 'RequestResponse';
  const payload = payloadOf(input.Payload, type);
  if (type === 'DryRun') return { StatusCode: 204, Payload: NOTHING };
  if (type === 'Event') {
    events.add({
      requestId,
      payload,
      functionName: fn.name,
      qualifier: reference.qualifier ?? LATEST,
      receivedAtMs: atMs,
    });
    return { StatusCode: 202, Payload: NOTHING };
  }
  if (type !== 'RequestResponse') {
    throw invalidParameter(`InvocationType: ${type} must be RequestResponse, Event or DryRun.`);
  }
  const clientContext = clientContextOf(input);
  const result = await invoker.run(fn, {
    requestId,
    payload,
    type,
    qualifier: reference.qualifier,
    ...(clientContext === undefined ? {} : { clientContext }),
  });
  return {
    StatusCode: 200,
    ExecutedVersion: fn.version,
    Payload: Buffer.from(result.payload),
    ...(result.kind === 'error' ? { FunctionError: 'Unhandled' } : {}),
    ...(input.LogType === 'Tail' ? { LogResult: Buffer.from(result.logTail).toString('base64') } : {}),
  };
}

/** The event as JSON text; without one the function gets an empty object. */
function payloadOf(payload: Input<'lambda', 'Invoke'>['Payload'], type: string): string {
  if (payload === undefined) return '{}';
  if (typeof payload !== 'string' && !(payload instanceof Uint8Array)) {
    throw new InvariantError('an invocation was given a payload that is neither bytes nor text');
  }
  const bytes = Buffer.from(payload);
  if (bytes.byteLength === 0) return '{}';
  const largestBytes = type === 'Event' ? EVENT_BYTES_MAX : PAYLOAD_BYTES_MAX;
  if (bytes.byteLength > largestBytes) {
    throw new AwsFault(
      'RequestTooLargeException',
      `${bytes.byteLength} byte payload is too large for the ${type} invocation type (limit ${largestBytes} bytes)`,
      413,
    );
  }
  const text = bytes.toString('utf8');
  try {
    parseBoundedJson(text);
  } catch (error) {
    throw new AwsFault(
      'InvalidRequestContentException',
      `Could not parse request body into json: ${(error as Error).message}`,
    );
  }
  return text;
}

function clientContextOf({ ClientContext }: Input<'lambda', 'Invoke'>): string | undefined {
  if (ClientContext === undefined) return undefined;
  const text = Buffer.from(ClientContext, 'base64').toString('utf8');
  try {
    parseBoundedJson(text);
  } catch {
    throw new AwsFault(
      'InvalidRequestContentException',
      'Client context must be a valid Base64-encoded JSON object.',
    );
  }
  return text;
}

function eventConfigOf(
  input: Input<'lambda', 'PutFunctionEventInvokeConfig'>,
  nowMs: number,
): EventInvokeConfig {
  const { MaximumRetryAttempts: retries, MaximumEventAgeInSeconds: age, DestinationConfig } = input;
  if (retries !== undefined && ![0, 1, 2].includes(retries)) {
    throw invalidParameter(`MaximumRetryAttempts: ${retries} must be 0, 1 or 2.`);
  }
  if (age !== undefined && !(Number.isInteger(age) && age >= 60 && age <= 21_600)) {
    throw invalidParameter(`MaximumEventAgeInSeconds: ${age} is not a whole number from 60 to 21600.`);
  }
  checkDestination('DestinationConfig.OnSuccess.Destination', DestinationConfig?.OnSuccess?.Destination);
  checkDestination('DestinationConfig.OnFailure.Destination', DestinationConfig?.OnFailure?.Destination);
  return {
    modifiedAtMs: nowMs,
    ...(retries === undefined ? {} : { maximumRetryAttempts: retries }),
    ...(age === undefined ? {} : { maximumEventAgeSeconds: age }),
    ...(DestinationConfig === undefined ? {} : { destinationConfig: DestinationConfig }),
  };
}
