import type { StackManager, StackRequest } from '../../cloudformation/stack-manager.ts';
import type { StackRecord } from '../../cloudformation/stack-store.ts';
import { templateError } from '../../cloudformation/template.ts';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { type Principal, viaService } from '../../iam/principal.ts';
import { percentDecoded } from '../../wire/request-target.ts';

/** Members that CreateStack, UpdateStack and CreateChangeSet share. */
export interface TemplateInput {
  readonly StackName?: string | undefined;
  readonly TemplateBody?: string | undefined;
  readonly TemplateURL?: string | undefined;
  readonly UsePreviousTemplate?: boolean | undefined;
  readonly Parameters?:
    | ReadonlyArray<{
        readonly ParameterKey?: string | undefined;
        readonly ParameterValue?: string | undefined;
        readonly UsePreviousValue?: boolean | undefined;
      }>
    | undefined;
  readonly Tags?:
    | ReadonlyArray<{ readonly Key?: string | undefined; readonly Value?: string | undefined }>
    | undefined;
  readonly Capabilities?: readonly string[] | undefined;
  readonly RoleARN?: string | undefined;
}

const STACK_NAME = /^[a-zA-Z][-a-zA-Z0-9]{0,127}$/;

/** Checks the name of a stack that is to be created. */
function checkStackName(name: string | undefined): string {
  if (name === undefined || !STACK_NAME.test(name)) {
    throw new AwsFault(
      'ValidationError',
      `1 validation error detected: Value '${name ?? ''}' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*`,
    );
  }
  return name;
}

/** What the caller asks for, with the template fetched from where it is. */
export async function readRequest(
  engine: Engine,
  input: TemplateInput,
  existing: StackRecord | undefined,
  caller: Principal,
): Promise<StackRequest> {
  return {
    stackName: existing?.name ?? checkStackName(input.StackName),
    template: await readTemplate(engine, input, existing, caller),
    parameters: input.Parameters ?? [],
    tags:
      input.Tags === undefined
        ? (existing?.tags ?? {})
        : Object.fromEntries(input.Tags.map((tag) => [tag.Key ?? '', tag.Value ?? ''])),
    capabilities: input.Capabilities ?? [],
    roleArn: input.RoleARN,
  };
}

/** The template given in the call, at a URL in S3, or of the existing stack. */
export async function readTemplate(
  engine: Engine,
  input: TemplateInput,
  existing: StackRecord | undefined,
  caller: Principal,
): Promise<string> {
  const given = [input.TemplateBody, input.TemplateURL, input.UsePreviousTemplate || undefined];
  if (given.filter((item) => item !== undefined).length > 1) {
    throw templateError('Specify only one of TemplateBody, TemplateURL and UsePreviousTemplate.');
  }
  if (input.TemplateBody !== undefined) return input.TemplateBody;
  if (input.TemplateURL !== undefined) return fetchTemplate(engine, input.TemplateURL, caller);
  if (input.UsePreviousTemplate && existing) return existing.template;
  throw templateError('Either Template URL or Template Body must be specified.');
}

async function fetchTemplate(engine: Engine, url: string, caller: Principal): Promise<string> {
  const { bucket, key } = s3Location(url);
  const reader = viaService(caller, 'cloudformation.amazonaws.com');
  const { Body } = await engine.call(reader, 's3', 'GetObject', { Bucket: bucket, Key: key });
  if (!(Body instanceof Uint8Array)) throw templateError(`S3 error: the template at ${url} cannot be read`);
  return Buffer.from(Body).toString('utf8');
}

function s3Location(url: string): { bucket: string; key: string } {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw templateError(`TemplateURL must be an Amazon S3 URL: ${url}`);
  }
  const path = percentDecoded(parsed.pathname.replace(/^\//, ''));
  if (path === undefined) throw templateError(`TemplateURL must be an Amazon S3 URL: ${url}`);
  const virtual = /^(.+)\.s3[.-][a-z0-9.-]*amazonaws\.com$/.exec(parsed.hostname);
  if (virtual) return { bucket: virtual[1]!, key: path };
  if (parsed.protocol === 's3:') return { bucket: parsed.hostname, key: path };
  const slash = path.indexOf('/');
  const known = /^s3[.-].*amazonaws\.com$/.test(parsed.hostname) || parsed.hostname === '127.0.0.1';
  if (!known || slash < 1) throw templateError(`TemplateURL must be an Amazon S3 URL: ${url}`);
  return { bucket: path.slice(0, slash), key: path.slice(slash + 1) };
}

/** IAM metadata of operations on a stack. */
export function onStack(engine: Engine, manager: StackManager) {
  return {
    resources: (input: { StackName?: string | undefined }) => [stackArn(engine, manager, input.StackName)],
    passesRoles: (input: { RoleARN?: string | undefined }) =>
      input.RoleARN === undefined
        ? []
        : [{ roleArn: input.RoleARN, service: 'cloudformation.amazonaws.com' }],
  };
}

function stackArn(engine: Engine, manager: StackManager, name: string | undefined): string {
  if (name === undefined) return '*';
  return (
    manager.store.find(name)?.id ??
    `arn:aws:cloudformation:${engine.region}:${engine.accountId}:stack/${name}/*`
  );
}
