import type { Architecture, Runtime } from '@aws-sdk/client-lambda';
import { strToU8, zipSync } from 'fflate';
import { CFN_RESPONSE } from './cfn-response.ts';
import { defineResource, mergedTags, type ResourceContext, retag, unlessMissing } from './resource-type.ts';
import { list, map, number, object, oneOf, type Properties, required, tags, text } from './schema.ts';

const properties = {
  FunctionName: text,
  Role: required(text),
  Code: required(
    object({ S3Bucket: text, S3Key: text, S3ObjectVersion: text, ZipFile: text, ImageUri: text }),
  ),
  Runtime: text,
  Handler: text,
  Description: text,
  Timeout: number,
  MemorySize: number,
  Environment: object({ Variables: map(text) }),
  Architectures: list(text),
  PackageType: oneOf('Zip', 'Image'),
  LoggingConfig: object({
    LogGroup: text,
    LogFormat: oneOf('Text', 'JSON'),
    ApplicationLogLevel: oneOf('TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'),
    SystemLogLevel: oneOf('DEBUG', 'INFO', 'WARN'),
  }),
  ReservedConcurrentExecutions: number,
  DeadLetterConfig: object({ TargetArn: text }),
  TracingConfig: object({ Mode: required(oneOf('Active', 'PassThrough')) }),
  EphemeralStorage: object({ Size: required(number) }),
  Layers: list(text),
  Tags: tags,
};
type LambdaFunction = Properties<typeof properties>;

const nameOf = (context: ResourceContext, fn: LambdaFunction) =>
  fn.FunctionName ?? context.name({ longest: 64 });

/** `ZipFile` in a template is source text: the file `index` of a package that CloudFormation makes. */
function codeOf(fn: LambdaFunction) {
  const { ZipFile, ...rest } = fn.Code;
  if (ZipFile === undefined) return rest;
  const isPython = fn.Runtime?.startsWith('python') ?? false;
  const { file, source } = CFN_RESPONSE[isPython ? 'python' : 'node'];
  return {
    ZipFile: zipSync({ [isPython ? 'index.py' : 'index.js']: strToU8(ZipFile), [file]: strToU8(source) }),
  };
}

function configurationOf(fn: LambdaFunction) {
  return {
    Role: fn.Role,
    Runtime: fn.Runtime as Runtime | undefined,
    Handler: fn.Handler,
    Description: fn.Description,
    Timeout: fn.Timeout,
    MemorySize: fn.MemorySize,
    Environment: fn.Environment,
    LoggingConfig: fn.LoggingConfig,
    DeadLetterConfig: fn.DeadLetterConfig,
    TracingConfig: fn.TracingConfig,
    EphemeralStorage: fn.EphemeralStorage,
    Layers: fn.Layers,
  };
}

export const lambdaFunction = defineResource('AWS::Lambda::Function', {
  properties,
  attributes: ['Arn'],
  createOnly: ['FunctionName', 'PackageType'],
  identify: nameOf,
  exists: async (context, FunctionName) =>
    (await unlessMissing(() => context.call('lambda', 'GetFunctionConfiguration', { FunctionName }))) !==
    undefined,
  async create(context, fn) {
    const FunctionName = nameOf(context, fn);
    const tags = mergedTags(context, fn.Tags);
    const { FunctionArn } = await context.call('lambda', 'CreateFunction', {
      ...configurationOf(fn),
      FunctionName,
      Code: codeOf(fn),
      Architectures: fn.Architectures as Architecture[] | undefined,
      PackageType: fn.PackageType,
      Tags: Object.keys(tags).length === 0 ? undefined : tags,
    });
    await setConcurrency(context, FunctionName, fn);
    return { id: FunctionName, attributes: { Arn: FunctionArn! } };
  },
  async update(context, fn, existing) {
    const { id: FunctionName, properties: before } = existing;
    const sameCode =
      JSON.stringify([fn.Code, fn.Architectures]) === JSON.stringify([before.Code, before.Architectures]);
    if (!sameCode) {
      await context.call('lambda', 'UpdateFunctionCode', {
        FunctionName,
        ...codeOf(fn),
        Architectures: fn.Architectures as Architecture[] | undefined,
      });
    }
    // What Lambda is not told stays as it was: what the template no longer says is set to its default.
    await context.call('lambda', 'UpdateFunctionConfiguration', {
      ...configurationOf(fn),
      FunctionName,
      Description: fn.Description ?? '',
      Timeout: fn.Timeout ?? 3,
      MemorySize: fn.MemorySize ?? 128,
      Environment: fn.Environment ?? { Variables: {} },
      LoggingConfig: fn.LoggingConfig ?? {},
      DeadLetterConfig: fn.DeadLetterConfig ?? {},
      TracingConfig: fn.TracingConfig ?? { Mode: 'PassThrough' },
      EphemeralStorage: fn.EphemeralStorage ?? { Size: 512 },
      Layers: fn.Layers ?? [],
    });
    await setConcurrency(context, FunctionName, fn, before);
    const Resource = String(existing.attributes.Arn);
    await retag(context, fn.Tags, existing, {
      set: (Tags) => context.call('lambda', 'TagResource', { Resource, Tags }),
      remove: (TagKeys) => context.call('lambda', 'UntagResource', { Resource, TagKeys }),
    });
    return undefined;
  },
  async delete(context, { id }) {
    await unlessMissing(() => context.call('lambda', 'DeleteFunction', { FunctionName: id }));
  },
});

async function setConcurrency(
  context: ResourceContext,
  FunctionName: string,
  fn: LambdaFunction,
  before?: LambdaFunction,
): Promise<void> {
  const { ReservedConcurrentExecutions } = fn;
  if (ReservedConcurrentExecutions === before?.ReservedConcurrentExecutions) return;
  if (ReservedConcurrentExecutions === undefined) {
    await context.call('lambda', 'DeleteFunctionConcurrency', { FunctionName });
  } else {
    await context.call('lambda', 'PutFunctionConcurrency', { FunctionName, ReservedConcurrentExecutions });
  }
}
