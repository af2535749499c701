import fc from 'fast-check';
import type { Shape } from '../src/sdk/shapes.ts';

/** Texts that have meant something before, by the name of the member that held them. */
export class Vocabulary {
  readonly #words = new Map<string, string[]>();

  /** Takes up every text in an input or output of an operation. */
  learn(value: unknown, name = ''): void {
    if (typeof value === 'string') this.#add(name, value);
    else if (Array.isArray(value)) for (const item of value) this.learn(item, name);
    else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
      for (const [key, item] of Object.entries(value)) this.learn(item, key);
    }
  }

  of(name: string): readonly string[] {
    return this.#words.get(simple(name)) ?? [];
  }

  #add(name: string, text: string): void {
    if (text.length > 300) return;
    const words = this.#words.get(simple(name)) ?? [];
    this.#words.set(simple(name), words);
    if (words.includes(text)) return;
    words.push(text);
    if (words.length > 12) words.splice(1 + (words.length % 7), 1);
  }
}

const simple = (name: string) => name.toLowerCase().replace(/s$/, '');

const HOSTILE = [
  '',
  ' ',
  '.',
  '..',
  '/',
  '//',
  '*',
  '%zz',
  '\u0000',
  '\n',
  '__proto__',
  'constructor',
  'toString',
  'null',
  '{}',
  '[]',
  '{"a":',
  '[null]',
  '${',
  '-1',
  '0',
  '1e999',
  'NaN',
  'a'.repeat(300),
  'é😀',
  '\ud800',
  'arn:aws:',
  ':',
  ',',
  '--help',
  '2026-01-01',
];

/** Input of an operation as its schema says, with words that it may know. */
export function inputOf(
  shape: Shape,
  vocabulary: Vocabulary,
  enumerations: ReadonlyMap<string, readonly string[]>,
) {
  const text = (name: string): fc.Arbitrary<string> => {
    const known = [...vocabulary.of(name), ...(enumerations.get(simple(name)) ?? [])];
    const anything = fc.oneof(
      fc.constantFrom('a', 'orders', 'x-1', 'us-east-1'),
      fc.string({ maxLength: 12 }),
    );
    if (known.length === 0)
      return fc.oneof(
        { weight: 8, arbitrary: anything },
        { weight: 1, arbitrary: fc.constantFrom(...HOSTILE) },
      );
    return fc.oneof(
      { weight: 20, arbitrary: fc.constantFrom(...known) },
      { weight: 2, arbitrary: anything },
      { weight: 1, arbitrary: fc.constantFrom(...HOSTILE) },
    );
  };
  const number = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 10 }) },
    { weight: 2, arbitrary: fc.constantFrom(0, 60, 100, 300, 3600) },
    { weight: 1, arbitrary: fc.constantFrom(-1, 0.5, 1e15, -(2 ** 31), 2 ** 53, 1e300) },
  );
  const value = (of: Shape, name: string, depth: number): fc.Arbitrary<unknown> => {
    switch (of.kind) {
      case 'struct':
        return struct(of, depth);
      case 'list':
        return fc.array(value(of.value!, name, depth + 1), { maxLength: depth > 3 ? 1 : 3 });
      case 'map':
        return fc.dictionary(text(`${name} key`), value(of.value!, name, depth + 1), { maxKeys: 2 });
      case 'number':
        // A long poll would only wait.
        return /wait/i.test(name) ? fc.constantFrom(0, -1, 21) : number;
      case 'boolean':
        return fc.boolean();
      case 'blob':
        return fc.oneof(
          fc.uint8Array({ maxLength: 20 }),
          fc.constantFrom('{}', '[]', '{"a":1}').map((json) => Buffer.from(json)),
        );
      case 'timestamp':
        return fc.constantFrom(0, 1_767_225_600_000, 1_800_000_000_000, 8.64e15).map((ms) => new Date(ms));
      default:
        return text(name);
    }
  };
  const struct = (of: Shape, depth: number): fc.Arbitrary<Record<string, unknown>> => {
    const members = [...of.members].map(([name, member]) => {
      const required = of.required.includes(name);
      // A label is a part of the path, which is never empty.
      const label = member.traits.httpLabel !== undefined;
      const made = label ? text(name).map((part) => part || 'a') : value(member, name, depth + 1);
      const often = required || label || (depth === 0 && vocabulary.of(name).length > 0);
      const weight = required || label ? 60 : often ? 2 : depth < 3 ? 1 : 0;
      if (weight === 0) return undefined;
      const absent = { weight: required || label ? 1 : 3 + depth * 3, arbitrary: fc.constant(undefined) };
      return [name, fc.oneof({ weight, arbitrary: made }, ...(label ? [] : [absent]))] as const;
    });
    return fc
      .record(Object.fromEntries(members.filter((member) => member !== undefined)))
      .map((record) => Object.fromEntries(Object.entries(record).filter(([, item]) => item !== undefined)));
  };
  return struct(shape, 0);
}

/** The values of enumerations that an SDK package exports, by name. The schemas themselves do not say which member has which. */
export function enumerationsOf(module: Record<string, unknown>): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const [name, exported] of Object.entries(module)) {
    if (typeof exported !== 'object' || exported === null || Array.isArray(exported)) continue;
    const values = Object.values(exported);
    if (values.length === 0 || !values.every((item) => typeof item === 'string')) continue;
    found.set(simple(name), values);
    for (const part of ['type', 'status', 'unit', 'state', 'mode', 'protocol'])
      if (simple(name).endsWith(part)) found.set(part, [...(found.get(part) ?? []), ...values]);
  }
  return found;
}
