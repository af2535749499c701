import { UserError } from '../../../errors.ts';
import { inputSchemaOf } from '../../../sdk/schemas.ts';
import { SERVICES, type ServiceName } from '../../../sdk/services.ts';
import { type Shape, shapeOf } from '../../../sdk/shapes.ts';
import { optionName, readValue } from './values.ts';

/** Where calls go, and who makes them. */
export interface ClientSettings {
  readonly region: string;
  readonly endpoint: string;
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
}

export interface OperationCall {
  readonly service: string;
  readonly operation: string;
  /** Options with the words after each. */
  readonly options: ReadonlyMap<string, readonly string[]>;
  readonly cwd: string;
  readonly paginate: boolean;
}

type Client = { send(command: unknown): Promise<Record<string, unknown>> };
type Constructor<T> = new (input: unknown) => T;

/** Names that the AWS CLI has and the engine's list of services has not. */
const SERVICE_NAMES: Readonly<Record<string, ServiceName>> = { s3api: 's3' };

/**
 * Any operation of the engine's services, as `aws <service> <operation> --member value`: names and members are those of
 * the SDK. Resolves to the name of the operation and its answer, all pages of it together.
 */
export async function callOperation(
  call: OperationCall,
  settings: ClientSettings,
): Promise<{ name: string; answer: Record<string, unknown> }> {
  const service = SERVICE_NAMES[call.service] ?? call.service;
  const known = Object.hasOwn(SERVICES, service) && call.service !== 's3';
  if (!known)
    throw new UserError(
      'Usage',
      `"aws ${call.service}" is not a service of the local engine, whose own aws command this is; it has ${Object.keys(SERVICES).join(', ')} and s3api`,
    );
  const sdk = await SERVICES[service as ServiceName].load();
  const name = Object.keys(sdk)
    .filter((key) => key.endsWith('Command'))
    .map((key) => key.slice(0, -'Command'.length))
    .find((candidate) => optionName(candidate) === call.operation);
  if (name === undefined)
    throw new UserError(
      'Usage',
      `"aws ${call.service} ${call.operation}" is not an operation. Commands of the AWS CLI that stand for several (wait, deploy, tail, …) need the AWS CLI: install it, 2.13 or later`,
    );
  const input = readInput(call, shapeOf(inputSchemaOf(sdk, name)));
  const make = Object.entries(sdk).find(([key]) => /Client$/.test(key) && key !== '__Client')![1];
  const client = new (make as Constructor<Client>)({
    ...settings,
    ...(service === 's3' ? { forcePathStyle: true } : {}),
    maxAttempts: 3,
  });
  const Command = sdk[`${name}Command`] as Constructor<unknown>;
  const pages = sdk[`paginate${name}`] as
    | ((config: object, input: object) => AsyncIterable<Record<string, unknown>>)
    | undefined;
  if (pages === undefined || !call.paginate)
    return { name, answer: clean(await client.send(new Command(input))) };
  let answer: Record<string, unknown> = {};
  for await (const page of pages({ client }, input)) answer = merge(answer, clean(page));
  const token = /^(next.?token|(next)?marker|nextcontinuationtoken|istruncated)$/i;
  return { name, answer: Object.fromEntries(Object.entries(answer).filter(([key]) => !token.test(key))) };
}

function readInput({ options, cwd }: OperationCall, shape: Shape): Record<string, unknown> {
  const members = new Map([...shape.members].map(([name, member]) => [optionName(name), { name, member }]));
  const input: Record<string, unknown> = {};
  for (const [option, words] of options) {
    if (option === 'cli-input-json') {
      Object.assign(input, readValue(words, shape, `--${option}`, cwd));
      continue;
    }
    const found = members.get(option);
    const negated = found === undefined ? members.get(option.replace(/^no-/, '')) : undefined;
    if (found?.member.kind === 'boolean' && words.length === 0) input[found.name] = true;
    else if (negated?.member.kind === 'boolean' && words.length === 0) input[negated.name] = false;
    else if (found !== undefined && words.length > 0)
      input[found.name] = readValue(words, found.member, `--${option}`, cwd);
    else if (found !== undefined) throw new UserError('Usage', `--${option} needs a value`);
    else throw new UserError('Usage', `there is no option --${option} here`);
  }
  const missing = shape.required.filter((name) => !Object.hasOwn(input, name));
  if (missing.length > 0)
    throw new UserError(
      'Usage',
      `the following arguments are required: ${missing.map((name) => `--${optionName(name)}`).join(', ')}`,
    );
  return input;
}

function merge(before: Record<string, unknown>, page: Record<string, unknown>): Record<string, unknown> {
  const result = { ...before };
  for (const [key, value] of Object.entries(page)) {
    const known = result[key];
    result[key] = Array.isArray(known) && Array.isArray(value) ? [...known, ...value] : (known ?? value);
  }
  return result;
}

/** An answer as JSON has it. */
function clean(answer: Record<string, unknown>): Record<string, unknown> {
  const { $metadata: _, ...rest } = answer;
  return JSON.parse(
    JSON.stringify(rest, (_key, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
    ),
  ) as Record<string, unknown>;
}
