import { ANY, ONE, type Pattern, readPattern, type Wildcard } from './pattern.ts';

/** Condition keys of a request in lower case, with their values. */
export type Keys = Pick<ReadonlyMap<string, readonly string[]>, 'get'>;

/** The version of the policy language in which `${...}` stands for something. */
const WITH_VARIABLES = '2012-10-17';

const VARIABLE = /\$\{(\$|[^}$]*)\}/g;

/**
 * Reads texts of policies: wildcards, and variables as the values of the request's keys. A value and the special
 * variables `${*}`, `${?}` and `${$}` stand for themselves, so what a caller puts into a tag is no wildcard.
 *
 * Source: IAM User Guide, "IAM policy elements: Variables and tags". A variable without a value and without a
 * default is like nothing, and so is one whose key has several values.
 */
export class PolicyTexts {
  readonly #keys: Keys | undefined;

  constructor(version: string | undefined, keys: Keys) {
    this.#keys = version === WITH_VARIABLES ? keys : undefined;
  }

  /** The text as a pattern; `undefined` if nothing is like it. */
  pattern(text: string): Pattern | undefined {
    return this.#read(text, readPattern);
  }

  /** The text with its variables, whose wildcards stand for themselves; `undefined` if nothing equals it. */
  plain(text: string): string | undefined {
    return this.#read(text, (each) => [...each])?.join('');
  }

  /**
   * An ARN of a `Resource` element. Up to its fifth colon a wildcard stays within its segment, unless it is the
   * star that ends the segment (IAM User Guide, "IAM JSON policy elements: Resource").
   */
  resource(text: string): Pattern | undefined {
    const segments = splitArn(text);
    const within = (segment: string) =>
      this.pattern(segment)?.map((token, at, all) =>
        typeof token === 'string' || (token.many && at === all.length - 1) ? token : inSegment(token),
      );
    const patterns = segments.map((segment, at) => (at < 5 ? within(segment) : this.pattern(segment)));
    if (patterns.some((pattern) => pattern === undefined)) return undefined;
    return patterns.flatMap((pattern, at) => (at === 0 ? pattern! : [':', ...pattern!]));
  }

  #read(text: string, read: (part: string) => Pattern): Pattern | undefined {
    if (this.#keys === undefined || !text.includes('${')) return read(text);
    const tokens: Array<string | Wildcard> = [];
    let at = 0;
    for (const found of text.matchAll(VARIABLE)) {
      const value = substitute(found[1]!, this.#keys);
      if (value === undefined) return undefined;
      tokens.push(...read(text.slice(at, found.index)), ...value);
      at = found.index + found[0].length;
    }
    return [...tokens, ...read(text.slice(at))];
  }
}

/** The first `${` in a text, with what follows, that begins no variable. */
export function malformedVariable(text: string): string | undefined {
  for (const [whole, inner] of text.matchAll(VARIABLE)) {
    if (!isSpecial(inner!) && readVariable(inner!) === undefined) return whole;
  }
  const rest = text.replace(VARIABLE, '');
  const at = rest.indexOf('${');
  return at < 0 ? undefined : rest.slice(at);
}

/** The six segments of an ARN; the colons of a variable and those of the last segment divide nothing. */
export function splitArn(text: string): string[] {
  const segments = [''];
  for (const [part] of text.matchAll(/\$\{(?:\$|[^}$]*)\}|:|[^:$]+|\$/g)) {
    if (part === ':' && segments.length < 6) segments.push('');
    else segments[segments.length - 1] += part;
  }
  return segments;
}

function substitute(inner: string, keys: Keys): string | undefined {
  if (isSpecial(inner)) return inner;
  const variable = readVariable(inner);
  if (variable === undefined) return undefined;
  const values = keys.get(variable.key.toLowerCase());
  return values?.length === 1 ? values[0] : variable.fallback;
}

/** Reads `key` or `key, 'default'`, where two quotes stand for one. */
function readVariable(inner: string): { key: string; fallback: string | undefined } | undefined {
  const comma = inner.indexOf(',');
  const key = (comma < 0 ? inner : inner.slice(0, comma)).trim();
  if (!/^[^\s:']+:[^']+$/.test(key)) return undefined;
  if (comma < 0) return { key, fallback: undefined };
  const quoted = inner.slice(comma + 1).trim();
  if (quoted.length < 2 || !quoted.startsWith("'") || !quoted.endsWith("'")) return undefined;
  const fallback = quoted.slice(1, -1);
  if (fallback.replaceAll("''", '').includes("'")) return undefined;
  return { key, fallback: fallback.replaceAll("''", "'") };
}

function isSpecial(inner: string): boolean {
  return inner === '*' || inner === '?' || inner === '$';
}

function inSegment({ many }: Wildcard): Wildcard {
  return many ? { ...ANY, except: ':' } : { ...ONE, except: ':' };
}
