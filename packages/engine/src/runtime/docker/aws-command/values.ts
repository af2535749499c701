import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { UserError } from '../../../errors.ts';
import type { Shape } from '../../../sdk/shapes.ts';

/** A name of the SDK as the AWS CLI writes it: `repositoryName` is `repository-name`, `KMSKeyId` is `kms-key-id`. */
export function optionName(name: string): string {
  return name
    .replace(/(.)([A-Z][a-z]+)/g, '$1-$2')
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase();
}

/** What the words after an option mean for a member of this shape: text, JSON, or the CLI's shorthand. */
export function readValue(words: readonly string[], shape: Shape, option: string, cwd: string): unknown {
  const texts = words.map((word) => readFile(word, shape, cwd));
  const [first = ''] = texts;
  const one = typeof first === 'string' ? first.trim() : '';
  if (shape.kind === 'list') {
    if (texts.length === 1 && one.startsWith('[')) return convert(parseJson(one, option), shape, option);
    return texts.map((text) => readOne(text, shape.value!, option));
  }
  if (texts.length > 1 && shape.kind === 'map')
    return Object.assign({}, ...texts.map((text) => readOne(text, shape, option)));
  if (texts.length !== 1) throw new UserError('Usage', `${option} takes one value, not ${texts.length}`);
  return readOne(first, shape, option);
}

/** `file://` and `fileb://` stand for the content of a file. */
function readFile(word: string, shape: Shape, cwd: string): string | Buffer {
  const [, binary, path] = /^file(b?):\/\/(.+)$/s.exec(word) ?? [];
  if (path === undefined) return word;
  try {
    const content = readFileSync(resolve(cwd, path));
    return binary === 'b' || shape.kind === 'blob' ? content : content.toString('utf8');
  } catch (error) {
    throw new UserError('Usage', `${word} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

function readOne(text: string | Buffer, shape: Shape, option: string): unknown {
  if (Buffer.isBuffer(text)) return text;
  if (shape.kind === 'struct' || shape.kind === 'map' || shape.kind === 'list') {
    const json = /^\s*[[{]/.test(text);
    return convert(json ? parseJson(text, option) : shorthand(text, shape, option), shape, option);
  }
  return convert(text, shape, option);
}

/** `key=value,other=value`; a value may be a list in brackets, or several values after commas for a list. */
function shorthand(text: string, shape: Shape, option: string): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  let last: string | undefined;
  for (const part of text.split(/,(?![^[]*\])/)) {
    const equals = part.indexOf('=');
    if (equals < 0 && last !== undefined) {
      const before = result[last];
      result[last] = Array.isArray(before) ? [...before, part] : [before, part];
      continue;
    }
    if (equals < 1) throw new UserError('Usage', `${option} takes key=value,…, or JSON, not "${text}"`);
    last = part.slice(0, equals);
    const value = part.slice(equals + 1);
    const wantsList = shape.members.get(last)?.kind === 'list';
    result[last] = /^\[.*\]$/s.test(value)
      ? value.slice(1, -1).split(',').filter(Boolean)
      : wantsList
        ? [value]
        : value;
  }
  return result;
}

function parseJson(text: string, option: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError('Usage', `${option}: this is not valid JSON: ${text}`);
  }
}

/** JSON and shorthand as the SDK takes it: numbers, bytes and times are no texts. */
function convert(value: unknown, shape: Shape, option: string): unknown {
  switch (shape.kind) {
    case 'struct': {
      const record = value as Record<string, unknown>;
      const unknown = Object.keys(record).find((name) => !shape.members.has(name));
      if (unknown !== undefined) throw new UserError('Usage', `${option} has no member "${unknown}"`);
      return Object.fromEntries(
        Object.entries(record).map(([name, inner]) => [
          name,
          convert(inner, shape.members.get(name)!, `${option}.${name}`),
        ]),
      );
    }
    case 'list':
      if (!Array.isArray(value)) throw new UserError('Usage', `${option} must be a list`);
      return value.map((inner) => convert(inner, shape.value!, option));
    case 'map':
      return Object.fromEntries(
        Object.entries(value as object).map(([name, inner]) => [name, convert(inner, shape.value!, option)]),
      );
    case 'number': {
      const number = Number(value);
      if (Number.isNaN(number)) throw new UserError('Usage', `${option} takes a number, not "${value}"`);
      return number;
    }
    case 'boolean':
      return value === true || value === 'true';
    case 'blob':
      return Buffer.from(String(value), 'base64');
    case 'timestamp':
      return new Date(/^\d+$/.test(String(value)) ? Number(value) * 1000 : String(value));
    default:
      return shape.kind === 'string' ? String(value) : value;
  }
}
