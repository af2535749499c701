import { parseXML } from '@aws-sdk/xml-builder';
import { boundXml } from '../document-bounds.ts';
import { AwsFault } from '../errors.ts';
import type { Shape } from '../sdk/shapes.ts';

type Json = Record<string, unknown>;

function wrong(path: string, expected: string): AwsFault {
  return new AwsFault('SerializationException', `${path || 'the request'} must be ${expected}`);
}

function decodeTimestamp(value: unknown, path: string): Date {
  const date =
    typeof value === 'number' ? new Date(value * 1000) : typeof value === 'string' ? parseDate(value) : value;
  if (!(date instanceof Date) || Number.isNaN(date.getTime())) throw wrong(path, 'a timestamp');
  return date;
}

function parseDate(text: string): Date {
  return /^-?\d+(\.\d+)?$/.test(text) ? new Date(Number(text) * 1000) : new Date(text);
}

/**
 * Turns a parsed JSON (or CBOR) document into the SDK's input values: base64 into bytes, epoch seconds into
 * dates, and refuses values of the wrong type. Unknown members are dropped, as AWS does.
 */
export function decodeJson(shape: Shape, value: unknown, path = ''): unknown {
  if (value === null || value === undefined) return undefined;
  switch (shape.kind) {
    case 'unit':
      return {};
    case 'struct': {
      if (typeof value !== 'object' || Array.isArray(value)) throw wrong(path, 'an object');
      const output: Json = {};
      for (const key of Object.keys(value)) {
        const member = shape.members.get(key);
        const item = (value as Json)[key];
        if (!member || item === undefined || item === null) continue;
        output[key] = decodeJson(member, item, path ? `${path}.${key}` : key);
      }
      return output;
    }
    case 'list':
      if (!Array.isArray(value)) throw wrong(path, 'a list');
      return value.map((item, index) => {
        if (item === null) throw wrong(`${path}[${index}]`, 'something else than null');
        return decodeJson(shape.value!, item, `${path}[${index}]`);
      });
    case 'map': {
      if (typeof value !== 'object' || Array.isArray(value)) throw wrong(path, 'a map');
      const output: Json = Object.create(null) as Json;
      for (const [key, item] of Object.entries(value)) {
        if (item !== null) output[key] = decodeJson(shape.value!, item, `${path}.${key}`);
      }
      return { ...output };
    }
    case 'blob':
      if (value instanceof Uint8Array) return value;
      if (typeof value !== 'string') throw wrong(path, 'base64 text');
      return new Uint8Array(Buffer.from(value, 'base64'));
    case 'timestamp':
      return decodeTimestamp(value, path);
    case 'boolean':
      if (typeof value !== 'boolean') throw wrong(path, 'a boolean');
      return value;
    case 'number': {
      const number = typeof value === 'bigint' ? Number(value) : value;
      if (typeof number === 'string' && ['NaN', 'Infinity', '-Infinity'].includes(number))
        return Number(number);
      if (typeof number !== 'number') throw wrong(path, 'a number');
      return number;
    }
    case 'string':
      if (typeof value !== 'string') throw wrong(path, 'a string');
      return value;
    case 'document':
      return value;
  }
}

/** Turns an operation's output into a JSON document (`epoch`: timestamps as seconds) or, for CBOR, into raw values. */
export function encodeJson(shape: Shape, value: unknown, raw = false): unknown {
  if (value === undefined || value === null) return undefined;
  if (shape.plainJson) return value;
  switch (shape.kind) {
    case 'struct': {
      const output: Json = {};
      for (const [name, member] of shape.members) {
        const item = (value as Json)[name];
        if (item === undefined || item === null) continue;
        output[name] = encodeJson(member, item, raw);
      }
      return output;
    }
    case 'list':
      return (value as unknown[]).map((item) => encodeJson(shape.value!, item, raw));
    case 'map':
      return Object.fromEntries(
        Object.entries(value as Json).map(([key, item]) => [key, encodeJson(shape.value!, item, raw)]),
      );
    case 'blob':
      return raw ? value : Buffer.from(value as Uint8Array).toString('base64');
    case 'timestamp':
      return raw ? value : encodeTimestamp(shape, value as Date, 'epoch-seconds');
    default:
      return value;
  }
}

function encodeTimestamp(
  shape: Shape,
  value: Date | number,
  fallback: 'date-time' | 'http-date' | 'epoch-seconds',
): string | number {
  const date = value instanceof Date ? value : new Date(value);
  switch (shape.timestampFormat ?? fallback) {
    case 'date-time':
      return date.toISOString();
    case 'http-date':
      return date.toUTCString();
    case 'epoch-seconds':
      return date.getTime() / 1000;
  }
}

/** How deeply a form parameter's name may nest. */
const NAME_PARTS_MAX = 32;

/** Parses `a.1.b=c` form parameters of the Query protocols into the SDK's input values. */
export function decodeQuery(shape: Shape, form: URLSearchParams, ec2: boolean): unknown {
  const tree: FormNode = { children: new Map() };
  for (const [key, value] of form) {
    let node = tree;
    const parts = key.split('.');
    if (parts.length > NAME_PARTS_MAX)
      throw new AwsFault(
        'MalformedInput',
        `the local engine does not read a parameter whose name has more than ${NAME_PARTS_MAX} parts`,
      );
    for (const part of parts) {
      let child = node.children.get(part);
      if (!child) {
        child = { children: new Map() };
        node.children.set(part, child);
      }
      node = child;
    }
    node.value = value;
  }
  return decodeForm(shape, tree, ec2, '') ?? {};
}

interface FormNode {
  value?: string;
  readonly children: Map<string, FormNode>;
}

function decodeForm(shape: Shape, node: FormNode, ec2: boolean, path: string): unknown {
  switch (shape.kind) {
    case 'unit':
      return {};
    case 'struct': {
      const output: Json = {};
      for (const [name, member] of shape.members) {
        const key = formKey(name, member, ec2);
        const child = node.children.get(key);
        if (child) output[name] = decodeForm(member, child, ec2, path ? `${path}.${name}` : name);
      }
      return output;
    }
    case 'list': {
      const flat = ec2 || shape.traits.xmlFlattened !== undefined;
      const items = flat
        ? node
        : (node.children.get(shape.value!.traits.xmlName ?? 'member') ?? node.children.get('member') ?? node);
      return numbered(items).map((item, index) => decodeForm(shape.value!, item, ec2, `${path}[${index}]`));
    }
    case 'map': {
      const flat = shape.traits.xmlFlattened !== undefined;
      const entries = flat ? node : (node.children.get('entry') ?? node);
      const keyName = shape.key!.traits.xmlName ?? 'key';
      const valueName = shape.value!.traits.xmlName ?? 'value';
      const output: Json = {};
      for (const entry of numbered(entries)) {
        const key = entry.children.get(keyName)?.value;
        const value = entry.children.get(valueName);
        if (key !== undefined && value) output[key] = decodeForm(shape.value!, value, ec2, `${path}.${key}`);
      }
      return output;
    }
    default:
      return decodeText(shape, node.value ?? '', path);
  }
}

function formKey(name: string, member: Shape, ec2: boolean): string {
  if (!ec2) return member.traits.xmlName ?? name;
  if (typeof member.traits.ec2QueryName === 'string') return member.traits.ec2QueryName;
  const key = member.traits.xmlName ?? name;
  return key.charAt(0).toUpperCase() + key.slice(1);
}

function numbered(node: FormNode): FormNode[] {
  return [...node.children]
    .filter(([key]) => /^\d+$/.test(key))
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, child]) => child);
}

/** Reads a scalar from text: a header, a label, a query parameter, a form field or an XML text node. */
export function decodeText(shape: Shape, text: string, path: string): unknown {
  switch (shape.kind) {
    case 'boolean':
      if (text !== 'true' && text !== 'false') throw wrong(path, 'true or false');
      return text === 'true';
    case 'number': {
      const number = Number(text);
      if (text.trim() === '' || Number.isNaN(number)) throw wrong(path, 'a number');
      return number;
    }
    case 'timestamp':
      return decodeTimestamp(parseDate(text), path);
    case 'blob':
      return new Uint8Array(Buffer.from(text, 'base64'));
    case 'list':
      return text.split(',').map((item) => decodeText(shape.value!, item.trim(), path));
    default:
      return text;
  }
}

/** Writes a scalar as text, for a header. */
export function encodeText(shape: Shape, value: unknown): string {
  if (shape.kind === 'timestamp') return String(encodeTimestamp(shape, value as Date, 'http-date'));
  if (shape.kind === 'blob') return Buffer.from(value as Uint8Array).toString('base64');
  if (shape.kind === 'list')
    return (value as unknown[]).map((item) => encodeText(shape.value!, item)).join(', ');
  return String(value);
}

/** Parses an XML request body into the SDK's input values. */
export function decodeXml(shape: Shape, body: Buffer): unknown {
  boundXml(body);
  let parsed: Json;
  try {
    parsed = parseXML(body.toString('utf8')) as Json;
  } catch {
    throw new AwsFault('MalformedXML', 'the request body is not well-formed XML');
  }
  const root = Object.values(parsed)[0];
  return decodeXmlNode(shape, root, '') ?? {};
}

function decodeXmlNode(shape: Shape, node: unknown, path: string): unknown {
  if (node === undefined || node === null) return undefined;
  switch (shape.kind) {
    case 'struct': {
      const output: Json = {};
      if (typeof node !== 'object') return output;
      for (const [name, member] of shape.members) {
        const item = (node as Json)[member.traits.xmlName ?? name];
        if (item !== undefined) output[name] = decodeXmlNode(member, item, path ? `${path}.${name}` : name);
      }
      return output;
    }
    case 'list': {
      const flat = shape.traits.xmlFlattened !== undefined;
      const items = flat ? node : (node as Json)[shape.value!.traits.xmlName ?? 'member'];
      if (items === undefined) return [];
      return (Array.isArray(items) ? items : [items]).map((item, index) =>
        decodeXmlNode(shape.value!, item, `${path}[${index}]`),
      );
    }
    case 'map': {
      const entries = shape.traits.xmlFlattened !== undefined ? node : (node as Json).entry;
      const output: Json = {};
      for (const entry of Array.isArray(entries) ? entries : entries ? [entries] : []) {
        const key = (entry as Json)[shape.key!.traits.xmlName ?? 'key'];
        output[String(key)] = decodeXmlNode(
          shape.value!,
          (entry as Json)[shape.value!.traits.xmlName ?? 'value'],
          path,
        );
      }
      return output;
    }
    default: {
      const text = typeof node === 'object' ? ((node as Json)['#text'] ?? '') : node;
      return decodeText(shape, String(text), path);
    }
  }
}

export function escapeXml(text: string): string {
  return text.replace(
    /[&<>"'\r\n\u0085\u2028]/g,
    (character) =>
      ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' })[character] ??
      `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`,
  );
}

/** Writes the members of an output struct as XML elements, without the enclosing element. */
export function encodeXmlMembers(shape: Shape, value: Json, ec2 = false): string {
  let xml = '';
  for (const [name, member] of shape.members) {
    const item = value[name];
    if (item === undefined || item === null) continue;
    if (member.traits.httpHeader || member.traits.httpPrefixHeaders || member.traits.httpResponseCode)
      continue;
    xml += encodeXmlNode(member.traits.xmlName ?? name, member, item, ec2);
  }
  return xml;
}

/** Writes one element. */
export function encodeXmlNode(
  tag: string,
  shape: Shape,
  value: unknown,
  ec2 = false,
  attributes = '',
): string {
  switch (shape.kind) {
    case 'struct':
      return `<${tag}${attributes}>${encodeXmlMembers(shape, value as Json, ec2)}</${tag}>`;
    case 'list': {
      const items = (value as unknown[]).filter((item) => item !== undefined && item !== null);
      if (shape.traits.xmlFlattened !== undefined) {
        return items.map((item) => encodeXmlNode(tag, shape.value!, item, ec2)).join('');
      }
      const element = shape.value!.traits.xmlName ?? (ec2 ? 'item' : 'member');
      return `<${tag}${attributes}>${items.map((item) => encodeXmlNode(element, shape.value!, item, ec2)).join('')}</${tag}>`;
    }
    case 'map': {
      const keyName = shape.key!.traits.xmlName ?? 'key';
      const valueName = shape.value!.traits.xmlName ?? 'value';
      const flat = shape.traits.xmlFlattened !== undefined;
      const entries = Object.entries(value as Json)
        .filter(([, item]) => item !== undefined && item !== null)
        .map(([key, item]) => {
          const inner = `<${keyName}>${escapeXml(key)}</${keyName}>${encodeXmlNode(valueName, shape.value!, item, ec2)}`;
          return flat ? `<${tag}>${inner}</${tag}>` : `<entry>${inner}</entry>`;
        })
        .join('');
      return flat ? entries : `<${tag}${attributes}>${entries}</${tag}>`;
    }
    case 'timestamp':
      return `<${tag}${attributes}>${encodeTimestamp(shape, value as Date, 'date-time')}</${tag}>`;
    case 'blob':
      return `<${tag}${attributes}>${Buffer.from(value as Uint8Array).toString('base64')}</${tag}>`;
    default:
      return `<${tag}${attributes}>${escapeXml(String(value))}</${tag}>`;
  }
}
