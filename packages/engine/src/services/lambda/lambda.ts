import { join } from 'node:path';
import { page } from '../../dispatch/paging.ts';
import type { Input } from '../../dispatch/sdk.ts';
import type { Call, Engine, Service } from '../../dispatch/service.ts';
import { AwsFault, InvariantError } from '../../errors.ts';
import { AsyncInvocations } from './async-invocations.ts';
import { type CodePackage, CodePackages } from './code-package.ts';
import { type Destinations, EventDestinations, isDestination } from './event-destinations.ts';
import {
  architectureOf,
  changedSettings,
  newSettings,
  type StoredFunction,
  shownFunction,
} from './function-definition.ts';
import { type PermissionStatement, permissionStatement, policyOf } from './function-policy.ts';
import { checkRole, type FunctionRunner, Invoker } from './invoker.ts';

/** What belongs to a function as a whole, beside its code and settings. */
interface FunctionRecord {
  /** `$LATEST` first, then published versions in order. */
  readonly versions: readonly [StoredFunction, ...StoredFunction[]];
  readonly permissions: readonly PermissionStatement[];
  readonly reservedConcurrency?: number;
  readonly eventInvoke?: EventInvokeConfig;
  readonly tags: Readonly<Record<string, string>>;
}

interface EventInvokeConfig {
  readonly retryAttemptsMax?: number;
  readonly ageSecondsMax?: number;
  readonly destinations: Destinations;
  readonly modifiedAtMs: number;
}

const RETRY_ATTEMPTS = 2;
const EVENT_AGE_SECONDS = 21_600;
const SYNC_PAYLOAD_BYTES_MAX = 6 * 1024 * 1024;
const ASYNC_PAYLOAD_BYTES_MAX = 1024 * 1024;
const PAGE = 50;

/**
 * AWS Lambda for Node functions from zip packages: synchronous and asynchronous invocation, resource
 * policies, versions, retries and destinations. Aliases, layers, images, function URLs and event source
 * mappings are refused.
 *
 * All functions run on the engine's own Node, with at most as many processes each as the runner allows.
 */
export function createLambda(engine: Engine, parts: { runner: FunctionRunner }): Service<'lambda'> {
  const { runner } = parts;
  const functions = engine.state.table<FunctionRecord>('lambda.functions');
  const packages = new CodePackages(join(engine.directory, 'lambda'), () => engine.ids.hex(8));
  const invoker = new Invoker(engine, runner);
  const destinations = new EventDestinations(
    engine,
    (name) => functions.get(name)?.eventInvoke?.destinations ?? {},
  );
  const events = new AsyncInvocations(engine, {
    invoker,
    destinations,
    lookUp: (name, version) => {
      const record = functions.get(name);
      const fn = record?.versions.find((candidate) => candidate.version === version);
      if (!record || !fn) return undefined;
      const policy = {
        retryAttemptsMax: record.eventInvoke?.retryAttemptsMax ?? RETRY_ATTEMPTS,
        ageSecondsMax: record.eventInvoke?.ageSecondsMax ?? EVENT_AGE_SECONDS,
      };
      return { fn, policy, limit: record.reservedConcurrency };
    },
  });

  const arnOf = (name: string) => `arn:aws:lambda:${engine.region}:${engine.accountId}:function:${name}`;
  const arns = (input: { FunctionName?: string | undefined; Qualifier?: string | undefined }) => {
    const { name, qualifier } = reference(input.FunctionName, input.Qualifier);
    return [qualifier === undefined ? arnOf(name) : `${arnOf(name)}:${qualifier}`];
  };
  const unqualified = (input: { FunctionName?: string | undefined }) => [
    arnOf(reference(input.FunctionName).name),
  ];
  const record = (name: string) => {
    const found = functions.get(name);
    if (!found) throw notFound(`Function not found: ${arnOf(name)}`);
    return found;
  };
  const find = (functionName: string | undefined, qualifier?: string | undefined) => {
    const { name, qualifier: wanted } = reference(functionName, qualifier);
    const found = record(name);
    const version = wanted ?? '$LATEST';
    const fn = found.versions.find((candidate) => candidate.version === version);
    if (!fn) throw notFound(`Function not found: ${arnOf(name)}:${version}`);
    return { name, found, fn };
  };
  const checkRevision = (fn: StoredFunction, revisionId: string | undefined) => {
    if (revisionId !== undefined && revisionId !== fn.revisionId) {
      throw new AwsFault(
        'PreconditionFailedException',
        'The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id',
        412,
      );
    }
  };
  /** Replaces `$LATEST`; processes of the earlier one end. */
  const replaceLatest = (name: string, found: FunctionRecord, fn: StoredFunction) => {
    functions.put(name, { ...found, versions: [fn, ...found.versions.slice(1)] });
    runner.retire(fn.arn);
    return fn;
  };
  const publish = (name: string, description?: string | undefined) => {
    const found = record(name);
    const [latest, ...published] = found.versions;
    const newest = published.at(-1);
    const same =
      newest?.code.sha256 === latest.code.sha256 &&
      JSON.stringify(settingsOf(newest)) === JSON.stringify(settingsOf(latest));
    if (newest && same) return newest;
    const version = {
      ...latest,
      version: String(Number(newest?.version ?? 0) + 1),
      description: description ?? latest.description,
      revisionId: engine.ids.uuid(),
    };
    functions.put(name, { ...found, versions: [latest, ...published, version] });
    return version;
  };
  const readCode = async (
    code: Pick<Input<'lambda', 'UpdateFunctionCode'>, 'ZipFile' | 'S3Bucket' | 'S3Key' | 'S3ObjectVersion'>,
    { principal }: Call,
  ): Promise<CodePackage> => {
    if (code.ZipFile) return packages.unpack(code.ZipFile);
    if (!code.S3Bucket || !code.S3Key) {
      throw invalid('Please provide a source for function code: ZipFile, or S3Bucket and S3Key.');
    }
    try {
      const { Body } = await engine.call(principal, 's3', 'GetObject', {
        Bucket: code.S3Bucket,
        Key: code.S3Key,
        VersionId: code.S3ObjectVersion,
      });
      if (!(Body instanceof Uint8Array)) throw new AwsFault('NoSuchKey', 'the object has no content');
      return packages.unpack(Body);
    } catch (error) {
      if (!(error instanceof AwsFault) || error.code === 'InvalidParameterValueException') throw error;
      throw invalid(
        `Error occurred while GetObject. S3 Error Code: ${error.code}. S3 Error Message: ${error.message}`,
      );
    }
  };
  const shownEventInvoke = (fn: StoredFunction, config: EventInvokeConfig) => ({
    LastModified: new Date(config.modifiedAtMs),
    FunctionArn: `${fn.arn}:$LATEST`,
    MaximumRetryAttempts: config.retryAttemptsMax,
    MaximumEventAgeInSeconds: config.ageSecondsMax,
    DestinationConfig: {
      OnSuccess: { Destination: config.destinations.onSuccess },
      OnFailure: { Destination: config.destinations.onFailure },
    },
  });
  const putEventInvoke = (
    input: Input<'lambda', 'PutFunctionEventInvokeConfig'>,
    before: EventInvokeConfig | undefined,
  ) => {
    const { name, found, fn } = find(input.FunctionName, input.Qualifier);
    if (fn.version !== '$LATEST') {
      throw invalid('The local engine keeps event invoke configurations of $LATEST only.');
    }
    const onSuccess = input.DestinationConfig?.OnSuccess?.Destination ?? before?.destinations.onSuccess;
    const onFailure = input.DestinationConfig?.OnFailure?.Destination ?? before?.destinations.onFailure;
    for (const arn of [onSuccess, onFailure]) {
      if (arn && !isDestination(arn)) {
        throw invalid(
          `The destination ${arn} is not supported: use an SQS queue, SNS topic, Lambda function or event bus.`,
        );
      }
    }
    const retryAttemptsMax = input.MaximumRetryAttempts ?? before?.retryAttemptsMax;
    const ageSecondsMax = input.MaximumEventAgeInSeconds ?? before?.ageSecondsMax;
    if (retryAttemptsMax !== undefined && (retryAttemptsMax < 0 || retryAttemptsMax > 2)) {
      throw invalid('MaximumRetryAttempts must be between 0 and 2.');
    }
    if (ageSecondsMax !== undefined && (ageSecondsMax < 60 || ageSecondsMax > EVENT_AGE_SECONDS)) {
      throw invalid(`MaximumEventAgeInSeconds must be between 60 and ${EVENT_AGE_SECONDS}.`);
    }
    const eventInvoke: EventInvokeConfig = {
      ...(retryAttemptsMax === undefined ? {} : { retryAttemptsMax }),
      ...(ageSecondsMax === undefined ? {} : { ageSecondsMax }),
      destinations: { ...(onSuccess ? { onSuccess } : {}), ...(onFailure ? { onFailure } : {}) },
      modifiedAtMs: engine.clock.nowMs(),
    };
    functions.put(name, { ...found, eventInvoke });
    return shownEventInvoke(fn, eventInvoke);
  };
  const eventInvokeOf = (input: { FunctionName?: string | undefined; Qualifier?: string | undefined }) => {
    const { name, found, fn } = find(input.FunctionName, input.Qualifier);
    if (!found.eventInvoke) {
      throw notFound(`The function ${fn.arn}:$LATEST doesn't have an EventInvokeConfig`);
    }
    return { name, found, fn, config: found.eventInvoke };
  };
  const taggedFunction = (arn: string | undefined) => {
    const { name } = reference(arn);
    return { name, found: record(name) };
  };

  return {
    name: 'lambda',
    operations: {
      CreateFunction: {
        resources: unqualified,
        passesRoles: (input) => [{ roleArn: input.Role ?? '', service: 'lambda.amazonaws.com' }],
        run: async (input, call) => {
          const name = reference(input.FunctionName).name;
          if (functions.has(name)) {
            throw new AwsFault('ResourceConflictException', `Function already exist: ${name}`, 409);
          }
          const settings = newSettings(input);
          checkRole(engine, settings.role, name);
          const code = await readCode(input.Code ?? {}, call);
          if (functions.has(name)) {
            throw new AwsFault('ResourceConflictException', `Function already exist: ${name}`, 409);
          }
          const fn: StoredFunction = {
            ...settings,
            name,
            version: '$LATEST',
            arn: arnOf(name),
            code,
            revisionId: engine.ids.uuid(),
            modifiedAtMs: call.atMs,
          };
          functions.put(name, { versions: [fn], permissions: [], tags: { ...input.Tags } });
          return shownFunction(input.Publish ? publish(name) : fn);
        },
      },
      UpdateFunctionCode: {
        resources: unqualified,
        run: async (input, call) => {
          const { name, fn: before } = find(input.FunctionName);
          checkRevision(before, input.RevisionId);
          if (input.ImageUri !== undefined) {
            throw invalid('The local engine does not run Lambda functions from container images.');
          }
          const code = await readCode(input, call);
          if (input.DryRun) return shownFunction({ ...before, code });
          const { found, fn } = find(name);
          const architecture = input.Architectures ? architectureOf(input.Architectures) : fn.architecture;
          const changed = replaceLatest(name, found, {
            ...fn,
            architecture,
            code,
            revisionId: engine.ids.uuid(),
            modifiedAtMs: call.atMs,
          });
          return shownFunction(input.Publish ? publish(name) : changed);
        },
      },
      UpdateFunctionConfiguration: {
        resources: unqualified,
        passesRoles: (input) =>
          input.Role === undefined ? [] : [{ roleArn: input.Role, service: 'lambda.amazonaws.com' }],
        run: (input, { atMs }) => {
          const { name, found, fn } = find(input.FunctionName);
          checkRevision(fn, input.RevisionId);
          const settings = changedSettings(settingsOf(fn), input);
          checkRole(engine, settings.role, name);
          const { version, arn, code } = fn;
          return shownFunction(
            replaceLatest(name, found, {
              ...settings,
              name,
              version,
              arn,
              code,
              revisionId: engine.ids.uuid(),
              modifiedAtMs: atMs,
            }),
          );
        },
      },
      GetFunction: {
        resources: arns,
        run: (input) => {
          const { found, fn } = find(input.FunctionName, input.Qualifier);
          return {
            Configuration: shownFunction(fn),
            Code: { RepositoryType: 'S3' },
            Tags: { ...found.tags },
            ...(found.reservedConcurrency === undefined
              ? {}
              : { Concurrency: { ReservedConcurrentExecutions: found.reservedConcurrency } }),
          };
        },
      },
      GetFunctionConfiguration: {
        resources: arns,
        run: (input) => shownFunction(find(input.FunctionName, input.Qualifier).fn),
      },
      ListFunctions: {
        run: (input) => {
          const { items, next } = page(
            [...functions.values()].map(({ versions }) => versions[0]),
            input.Marker,
            input.MaxItems ?? PAGE,
            () => invalid('The Marker is invalid.'),
          );
          return { Functions: items.map(shownFunction), NextMarker: next };
        },
      },
      ListVersionsByFunction: {
        resources: unqualified,
        run: (input) => {
          const { items, next } = page(
            find(input.FunctionName).found.versions,
            input.Marker,
            input.MaxItems ?? PAGE,
            () => invalid('The Marker is invalid.'),
          );
          return { Versions: items.map(shownFunction), NextMarker: next };
        },
      },
      PublishVersion: {
        resources: unqualified,
        run: (input) => {
          const { name, fn } = find(input.FunctionName);
          checkRevision(fn, input.RevisionId);
          if (input.CodeSha256 !== undefined && input.CodeSha256 !== fn.code.sha256) {
            throw invalid(
              `CodeSHA256 (${input.CodeSha256}) is different from current CodeSHA256 in $LATEST.`,
            );
          }
          return shownFunction(publish(name, input.Description));
        },
      },
      DeleteFunction: {
        resources: arns,
        run: (input) => {
          const { name, found, fn } = find(input.FunctionName, input.Qualifier);
          const { qualifier } = reference(input.FunctionName, input.Qualifier);
          if (qualifier === '$LATEST') {
            throw invalid('$LATEST version cannot be deleted without deleting the function.');
          }
          const [latest, ...published] = found.versions;
          if (qualifier === undefined) functions.delete(name);
          else {
            functions.put(name, { ...found, versions: [latest, ...published.filter((one) => one !== fn)] });
          }
          for (const { arn, version } of qualifier === undefined ? found.versions : [fn]) {
            runner.retire(version === '$LATEST' ? arn : `${arn}:${version}`);
          }
          return {};
        },
      },
      Invoke: {
        actions: () => ['lambda:InvokeFunction'],
        resources: arns,
        journaled: false,
        run: async (input, { requestId }) => {
          const { found, fn } = find(input.FunctionName, input.Qualifier);
          for (const field of ['DurableExecutionName', 'TenantId'] as const) {
            if (input[field] !== undefined) throw invalid(`The local engine does not support ${field}.`);
          }
          const type = input.InvocationType ?? 'RequestResponse';
          const payload = payloadOf(bytesOf(input.Payload), type);
          if (type === 'DryRun') return { StatusCode: 204, Payload: new Uint8Array() };
          if (type === 'Event') {
            events.add(fn.name, fn.version, requestId, payload);
            return { StatusCode: 202, Payload: new Uint8Array() };
          }
          const outcome = await invoker.run(
            fn,
            {
              requestId,
              payload,
              type: 'RequestResponse',
              ...(input.ClientContext === undefined
                ? {}
                : { clientContext: Buffer.from(input.ClientContext, 'base64').toString('utf8') }),
            },
            found.reservedConcurrency,
          );
          if (outcome.kind === 'throttled') {
            throw new AwsFault('TooManyRequestsException', 'Rate Exceeded.', 429, {
              Reason:
                found.reservedConcurrency === undefined
                  ? 'ConcurrentInvocationLimitExceeded'
                  : 'ReservedFunctionConcurrentInvocationLimitExceeded',
            });
          }
          return {
            StatusCode: 200,
            ...(outcome.kind === 'error' ? { FunctionError: 'Unhandled' } : {}),
            ...(input.LogType === 'Tail'
              ? { LogResult: Buffer.from(outcome.logTail).toString('base64') }
              : {}),
            Payload: Uint8Array.from(Buffer.from(outcome.payload)),
            ExecutedVersion: fn.version,
          };
        },
      },
      AddPermission: {
        resources: unqualified,
        run: (input) => {
          const { name, found, fn } = find(input.FunctionName, input.Qualifier);
          checkRevision(fn, input.RevisionId);
          const { qualifier } = reference(input.FunctionName, input.Qualifier);
          const statement = permissionStatement({ ...input, Qualifier: qualifier }, arnOf(name));
          if (found.permissions.some(({ Sid }) => Sid === statement.Sid)) {
            throw new AwsFault(
              'ResourceConflictException',
              `The statement id (${statement.Sid}) provided already exists. Please provide a new statement id, or remove the existing statement.`,
              409,
            );
          }
          functions.put(name, { ...found, permissions: [...found.permissions, statement] });
          return { Statement: JSON.stringify(statement) };
        },
      },
      RemovePermission: {
        resources: unqualified,
        run: (input) => {
          const { name, found, fn } = find(input.FunctionName, input.Qualifier);
          checkRevision(fn, input.RevisionId);
          const permissions = found.permissions.filter(({ Sid }) => Sid !== input.StatementId);
          if (permissions.length === found.permissions.length) {
            throw notFound(`Statement ${input.StatementId} is not found in resource policy.`);
          }
          functions.put(name, { ...found, permissions });
          return {};
        },
      },
      GetPolicy: {
        resources: arns,
        run: (input) => {
          const { found, fn } = find(input.FunctionName, input.Qualifier);
          if (found.permissions.length === 0) throw notFound('The resource you requested does not exist.');
          return { Policy: policyOf(found.permissions), RevisionId: fn.revisionId };
        },
      },
      PutFunctionConcurrency: {
        resources: unqualified,
        run: (input) => {
          const { name, found } = find(input.FunctionName);
          const reservedConcurrency = input.ReservedConcurrentExecutions ?? 0;
          if (!Number.isInteger(reservedConcurrency) || reservedConcurrency < 0) {
            throw invalid('ReservedConcurrentExecutions must be 0 or more.');
          }
          functions.put(name, { ...found, reservedConcurrency });
          return { ReservedConcurrentExecutions: reservedConcurrency };
        },
      },
      GetFunctionConcurrency: {
        resources: unqualified,
        run: (input) => ({
          ReservedConcurrentExecutions: find(input.FunctionName).found.reservedConcurrency,
        }),
      },
      DeleteFunctionConcurrency: {
        resources: unqualified,
        run: (input) => {
          const { name, found } = find(input.FunctionName);
          const { reservedConcurrency: _removed, ...rest } = found;
          functions.put(name, rest);
          return {};
        },
      },
      PutFunctionEventInvokeConfig: {
        resources: unqualified,
        run: (input) => putEventInvoke(input, undefined),
      },
      UpdateFunctionEventInvokeConfig: {
        resources: unqualified,
        run: (input) => putEventInvoke(input, eventInvokeOf(input).config),
      },
      GetFunctionEventInvokeConfig: {
        resources: unqualified,
        run: (input) => {
          const { fn, config } = eventInvokeOf(input);
          return shownEventInvoke(fn, config);
        },
      },
      DeleteFunctionEventInvokeConfig: {
        resources: unqualified,
        run: (input) => {
          const { name, found } = eventInvokeOf(input);
          const { eventInvoke: _removed, ...rest } = found;
          functions.put(name, rest);
          return {};
        },
      },
      CreateEventSourceMapping: {
        resources: unqualified,
        run: () => {
          throw invalid(
            'The local engine has no event source mappings: receive from the queue in a worker, or invoke the function through EventBridge or SNS.',
          );
        },
      },
      ListEventSourceMappings: { run: () => ({ EventSourceMappings: [] }) },
      TagResource: {
        resources: (input) => [input.Resource ?? '*'],
        run: (input) => {
          const { name, found } = taggedFunction(input.Resource);
          functions.put(name, { ...found, tags: { ...found.tags, ...input.Tags } });
          return {};
        },
      },
      UntagResource: {
        resources: (input) => [input.Resource ?? '*'],
        run: (input) => {
          const { name, found } = taggedFunction(input.Resource);
          const removed = new Set(input.TagKeys ?? []);
          const kept = Object.entries(found.tags).filter(([key]) => !removed.has(key));
          functions.put(name, { ...found, tags: Object.fromEntries(kept) });
          return {};
        },
      },
      ListTags: {
        resources: (input) => [input.Resource ?? '*'],
        run: (input) => ({ Tags: { ...taggedFunction(input.Resource).found.tags } }),
      },
    },
    resourcePolicy: (arn) => {
      const name = /^arn:aws:lambda:[^:]*:\d*:function:([^:]+)/.exec(arn)?.[1];
      const permissions = functions.get(name ?? '')?.permissions ?? [];
      return permissions.length === 0 ? undefined : policyOf(permissions);
    },
    start: () => {
      const inUse = [...functions.values()].flatMap(({ versions }) =>
        versions.map(({ code }) => code.directory),
      );
      packages.keepOnly(new Set(inUse));
      events.start();
    },
    stop: async () => {
      events.stop();
      await runner.close();
      await events.settled();
      await invoker.logs.flush();
    },
  };
}

/** Name and qualifier from a name, a partial or a full ARN, and a qualifier given beside it. */
function reference(
  text: string | undefined,
  beside?: string | undefined,
): { name: string; qualifier: string | undefined } {
  const match =
    /^(?:(?:arn:aws:lambda:[^:]*:\d*:|\d{12}:)?function:)?([A-Za-z0-9-_]{1,64})(?::(\$LATEST|[A-Za-z0-9-_]+))?$/.exec(
      text ?? '',
    );
  if (!match) {
    throw invalid(`'${text}' is not the name or ARN of a function.`);
  }
  const [, name, within] = match;
  if (within !== undefined && beside !== undefined && within !== beside) {
    throw invalid('The derived qualifier from the function name does not match the specified qualifier.');
  }
  return { name: name!, qualifier: beside ?? within };
}

/** A payload as bytes; calls from within the engine may give text. */
function bytesOf(payload: Input<'lambda', 'Invoke'>['Payload']): Uint8Array {
  if (payload === undefined || payload instanceof Uint8Array) return payload ?? new Uint8Array();
  if (typeof payload === 'string') return Buffer.from(payload);
  throw new InvariantError('an invocation was given a payload that is neither bytes nor text');
}

/** The event of an invocation as JSON text; without one the function gets an empty object. */
function payloadOf(payload: Uint8Array, type: string): string {
  if (payload.byteLength === 0) return '{}';
  const most = type === 'Event' ? ASYNC_PAYLOAD_BYTES_MAX : SYNC_PAYLOAD_BYTES_MAX;
  if (payload.byteLength > most) {
    throw new AwsFault(
      'RequestTooLargeException',
      `${payload.byteLength} byte payload is too large for the ${type} invocation type (limit ${most} bytes)`,
      413,
    );
  }
  const text = Buffer.from(payload).toString('utf8');
  try {
    JSON.parse(text);
  } catch (error) {
    throw new AwsFault(
      'InvalidRequestContentException',
      `Could not parse request body into json: ${(error as Error).message}`,
    );
  }
  return text;
}

/** A function without what identifies this state of it. */
function settingsOf(fn: StoredFunction) {
  const { name: _n, version: _v, arn: _a, code: _c, revisionId: _r, modifiedAtMs: _m, ...settings } = fn;
  return settings;
}

function notFound(message: string): AwsFault {
  return new AwsFault('ResourceNotFoundException', message, 404);
}

function invalid(message: string): AwsFault {
  return new AwsFault('InvalidParameterValueException', message);
}
