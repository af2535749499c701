import { isObject, type Json } from '../resources/schema.ts';
import { type SecretPlace, secretPlace, splitReference } from '../secret-place.ts';
import { templateError } from './template.ts';

const REFERENCE = /\{\{resolve:([^{}]*)\}\}/g;
/** What dynamic references read. */
export interface ReferenceReader {
  /** Reads a parameter of Parameter Store: `name`, or `name:version`. */
  readonly parameter: (nameAndVersion: string) => Promise<string>;
  /** Reads a text from Secrets Manager; `undefined` if it is not there. */
  readonly secret: (place: SecretPlace) => Promise<string | undefined>;
}

/**
 * Replaces `{{resolve:ssm:name}}`, `{{resolve:ssm:name:version}}` and
 * `{{resolve:secretsmanager:secret:SecretString:key:stage:version}}` in every string of a value whose intrinsic functions
 * are resolved already, so that a reference may be built by `Fn::Join`.
 */
export async function resolveDynamicReferences(value: Json, read: ReferenceReader): Promise<Json> {
  if (typeof value === 'string') return resolveText(value, read);
  if (Array.isArray(value)) {
    const items: Json[] = [];
    for (const item of value) items.push(await resolveDynamicReferences(item, read));
    return items;
  }
  if (!isObject(value)) return value;
  const entries: Array<[string, Json]> = [];
  for (const [key, item] of Object.entries(value)) {
    entries.push([key, await resolveDynamicReferences(item, read)]);
  }
  return Object.fromEntries(entries);
}

async function resolveText(text: string, read: ReferenceReader): Promise<string> {
  if (!text.includes('{{resolve:')) return text;
  let output = '';
  let end = 0;
  for (const match of text.matchAll(REFERENCE)) {
    output += text.slice(end, match.index) + (await resolveReference(match[0], match[1]!, read));
    end = match.index + match[0].length;
  }
  return output + text.slice(end);
}

async function resolveReference(whole: string, body: string, read: ReferenceReader): Promise<string> {
  const colon = body.indexOf(':');
  const service = body.slice(0, colon);
  const reference = body.slice(colon + 1);
  if (service === 'ssm-secure') {
    throw templateError(
      `The dynamic reference ${whole} reads from ssm-secure, which none of the local engine's resources may take: use {{resolve:secretsmanager:...}} or {{resolve:ssm:...}}.`,
    );
  }
  if (service === 'ssm' && reference !== '') return read.parameter(reference);
  const split = service === 'secretsmanager' ? splitReference(reference) : undefined;
  const [kind = '', ...fields] = split?.fields ?? [];
  const place =
    kind === '' || kind === 'SecretString' ? split && secretPlace(split.secretId, fields) : undefined;
  if (!place) throw templateError(`Incorrect format is used in the following dynamic reference: ${whole}`);
  const text = await read.secret(place);
  if (text !== undefined) return text;
  throw templateError(`Could not find a value associated with JSONKey in SecretString: ${whole}`);
}

/** Whether a value takes a secret by a dynamic reference. */
export function readsSecret(declared: Json): boolean {
  return JSON.stringify(declared).includes('{{resolve:secretsmanager:');
}
