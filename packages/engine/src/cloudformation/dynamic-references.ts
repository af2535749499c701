import { isObject, type Json } from '../resources/schema.ts';
import { templateError } from './template.ts';

const REFERENCE = /\{\{resolve:([^{}]*)\}\}/g;

/** Reads a parameter of Parameter Store: `name`, or `name:version`. */
export type ParameterReader = (nameAndVersion: string) => Promise<string>;

/**
 * Replaces `{{resolve:ssm:name}}` and `{{resolve:ssm:name:version}}` in every string of a value whose
 * intrinsic functions are resolved already, so that a reference may be built by `Fn::Join`. References to
 * secrets are refused: the engine keeps none.
 */
export async function resolveDynamicReferences(value: Json, read: ParameterReader): Promise<Json> {
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

async function resolveText(text: string, read: ParameterReader): Promise<string> {
  if (!text.includes('{{resolve:')) return text;
  let output = '';
  let end = 0;
  for (const match of text.matchAll(REFERENCE)) {
    const body = match[1]!;
    const colon = body.indexOf(':');
    const service = body.slice(0, colon);
    const reference = body.slice(colon + 1);
    if (service === 'ssm-secure' || service === 'secretsmanager') {
      throw templateError(
        `The dynamic reference ${match[0]} reads from ${service}, which the local engine does not keep: use {{resolve:ssm:...}} or a parameter.`,
      );
    }
    if (service !== 'ssm' || reference === '') {
      throw templateError(`Incorrect format is used in the following dynamic reference: ${match[0]}`);
    }
    output += text.slice(end, match.index) + (await read(reference));
    end = match.index + match[0].length;
  }
  return output + text.slice(end);
}
