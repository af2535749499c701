import { UserError } from '../../../errors.ts';
import { compare, type Expression, FUNCTIONS, isRecord } from './jmespath-functions.ts';

/**
 * Evaluates a `--query`: the language of https://jmespath.org/specification.html, without expressions on the right of
 * a comparison that build themselves (literals and paths are enough there) and with the functions listed below.
 */
export function query(text: string, data: unknown): unknown {
  return new Parser(text).parse()(data);
}

interface Token {
  readonly kind: string;
  readonly text: string;
  readonly value?: unknown;
}

const TOKENS: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ['blank', /\s+/y],
  ['name', /[A-Za-z_]\w*/y],
  ['quoted', /"(?:\\.|[^"\\])*"/y],
  ['raw', /'(?:\\.|[^'\\])*'/y],
  ['literal', /`(?:\\.|[^`\\])*`/y],
  ['number', /-?\d+/y],
  ['symbol', /\[\?|\[\]|\|\||&&|==|!=|<=|>=|[.[\]{}()*,:|<>!@&]/y],
];

/** How tightly what follows an expression binds to it. */
const BINDING: Readonly<Record<string, number>> = {
  '|': 1,
  '||': 2,
  '&&': 3,
  '==': 5,
  '!=': 5,
  '<': 5,
  '>': 5,
  '<=': 5,
  '>=': 5,
  '[]': 9,
  '.': 40,
  '[?': 21,
  '[': 55,
};
const PROJECTION = 20;

class Parser {
  readonly #text: string;
  readonly #tokens: Token[];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = [...this.#tokenize()];
  }

  parse(): Expression {
    const expression = this.#expression(0);
    if (this.#peek().kind !== 'end') throw this.#error();
    return expression;
  }

  *#tokenize(): Iterable<Token> {
    let index = 0;
    next: while (index < this.#text.length) {
      for (const [kind, pattern] of TOKENS) {
        pattern.lastIndex = index;
        const found = pattern.exec(this.#text)?.[0];
        if (found === undefined) continue;
        index += found.length;
        if (kind !== 'blank')
          yield { kind: kind === 'symbol' ? found : kind, text: found, value: this.#value(kind, found) };
        continue next;
      }
      throw this.#error();
    }
    yield { kind: 'end', text: '' };
  }

  #value(kind: string, text: string): unknown {
    const inner = text.slice(1, -1);
    try {
      if (kind === 'quoted') return JSON.parse(text);
      if (kind === 'raw') return inner.replace(/\\(['\\])/g, '$1');
      if (kind === 'literal') return literal(inner.replaceAll('\\`', '`'));
    } catch {
      throw this.#error();
    }
    return kind === 'number' ? Number(text) : text;
  }

  #expression(binding: number): Expression {
    let left = this.#prefix();
    while ((BINDING[this.#peek().kind] ?? 0) > binding) left = this.#infix(left);
    return left;
  }

  #prefix(): Expression {
    const token = this.#next();
    switch (token.kind) {
      case 'name':
        if (this.#peek().kind === '(') return this.#call(token.text);
        return field(token.text);
      case 'quoted':
        return field(token.value as string);
      case 'raw':
      case 'literal':
        return () => token.value;
      case '@':
        return (data) => data;
      case '*':
        return project((data) => (isRecord(data) ? Object.values(data) : null), this.#rest());
      case '!': {
        const inner = this.#expression(45);
        return (data) => !truthy(inner(data));
      }
      case '(': {
        const inner = this.#expression(0);
        this.#expect(')');
        return inner;
      }
      case '{':
        return this.#hash();
      case '[':
        if (['number', ':', '*'].includes(this.#peek().kind) && !this.#isMultiselect())
          return this.#index((data) => data);
        return this.#multiselect();
      case '[]':
        return project((data) => flatten(data), this.#rest());
      case '[?':
        return this.#filter((data) => data);
      default:
        throw this.#error();
    }
  }

  #infix(left: Expression): Expression {
    const { kind } = this.#next();
    switch (kind) {
      case '.':
        return this.#member(left);
      case '[':
        return this.#index(left);
      case '[]':
        return project((data) => flatten(left(data)), this.#rest());
      case '[?':
        return this.#filter(left);
      case '|': {
        const right = this.#expression(BINDING['|']!);
        return (data) => right(left(data));
      }
      case '||': {
        const right = this.#expression(BINDING['||']!);
        return (data) => {
          const value = left(data);
          return truthy(value) ? value : right(data);
        };
      }
      case '&&': {
        const right = this.#expression(BINDING['&&']!);
        return (data) => {
          const value = left(data);
          return truthy(value) ? right(data) : value;
        };
      }
      default: {
        const right = this.#expression(BINDING[kind]!);
        return (data) => compare(kind, left(data), right(data));
      }
    }
  }

  /** What stands after a dot. */
  #member(left: Expression): Expression {
    if (this.#peek().kind === '*') {
      this.#next();
      return project((data) => {
        const value = left(data);
        return isRecord(value) ? Object.values(value) : null;
      }, this.#rest());
    }
    const right = this.#afterDot();
    return (data) => {
      const value = left(data);
      return value === null || value === undefined ? null : right(value);
    };
  }

  #afterDot(): Expression {
    const token = this.#next();
    if (token.kind === 'name') return this.#peek().kind === '(' ? this.#call(token.text) : field(token.text);
    if (token.kind === 'quoted') return field(token.value as string);
    if (token.kind === '{') return this.#hash();
    if (token.kind === '[') return this.#multiselect();
    throw this.#error();
  }

  /** What is done with each element of a projection: everything that binds tighter. */
  #rest(): Expression {
    const { kind } = this.#peek();
    if ((BINDING[kind] ?? 0) < 10) return (data) => data;
    let expression: Expression = (data) => data;
    while ((BINDING[this.#peek().kind] ?? 0) > PROJECTION) expression = this.#infix(expression);
    return expression;
  }

  /** `[*]` with a comma or a bracket behind is a projection; `[*, …]` does not exist, so only names count. */
  #isMultiselect(): boolean {
    return this.#peek().kind === '*' && this.#tokens[this.#at + 1]?.kind !== ']';
  }

  #index(left: Expression): Expression {
    if (this.#peek().kind === '*') {
      this.#next();
      this.#expect(']');
      return project((data) => listOf(left(data)), this.#rest());
    }
    const parts: (number | undefined)[] = [undefined];
    while (this.#peek().kind !== ']') {
      const token = this.#next();
      if (token.kind === ':') parts.push(undefined);
      else if (token.kind === 'number') parts[parts.length - 1] = token.value as number;
      else throw this.#error();
    }
    this.#expect(']');
    if (parts.length === 1) {
      const [position] = parts;
      if (position === undefined) throw this.#error();
      return (data) => listOf(left(data))?.at(position) ?? null;
    }
    const [from, to, step = 1] = parts;
    if (parts.length > 3 || step === 0) throw this.#error();
    return project((data) => slice(listOf(left(data)), from, to, step), this.#rest());
  }

  #filter(left: Expression): Expression {
    const condition = this.#expression(0);
    this.#expect(']');
    const list: Expression = (data) => listOf(left(data))?.filter((item) => truthy(condition(item))) ?? null;
    return project(list, this.#rest());
  }

  #multiselect(): Expression {
    const items = [this.#expression(0)];
    while (this.#peek().kind === ',') {
      this.#next();
      items.push(this.#expression(0));
    }
    this.#expect(']');
    return (data) => (data === null || data === undefined ? null : items.map((item) => item(data) ?? null));
  }

  #hash(): Expression {
    const entries: [string, Expression][] = [];
    do {
      const key = this.#next();
      if (key.kind !== 'name' && key.kind !== 'quoted') throw this.#error();
      this.#expect(':');
      entries.push([String(key.value), this.#expression(0)]);
    } while (this.#next().kind === ',');
    if (this.#tokens[this.#at - 1]?.kind !== '}') throw this.#error();
    return (data) =>
      data === null || data === undefined
        ? null
        : Object.fromEntries(entries.map(([name, value]) => [name, value(data) ?? null]));
  }

  #call(name: string): Expression {
    const run = FUNCTIONS[name];
    if (run === undefined)
      throw new UserError(
        'InvalidQuery',
        `--query: the function ${name} is not supported by the engine's own aws command; it has ${Object.keys(FUNCTIONS).join(', ')}`,
      );
    this.#expect('(');
    const given: Argument[] = [];
    while (this.#peek().kind !== ')') {
      if (this.#peek().kind === '&') {
        this.#next();
        const each = this.#expression(0);
        given.push(() => each);
      } else given.push(this.#expression(0));
      if (this.#peek().kind === ',') this.#next();
    }
    this.#expect(')');
    return (data) => run(...given.map((argument) => argument(data)));
  }

  #peek(): Token {
    return this.#tokens[this.#at]!;
  }

  #next(): Token {
    const token = this.#tokens[this.#at]!;
    if (token.kind !== 'end') this.#at++;
    return token;
  }

  #expect(kind: string): void {
    if (this.#next().kind !== kind) throw this.#error();
  }

  #error(): UserError {
    return new UserError(
      'InvalidQuery',
      `--query: "${this.#text}" is not an expression of JMESPath that is supported`,
    );
  }
}

type Argument = (data: unknown) => unknown;

function literal(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // An old form: text without quotes.
    return text.trim();
  }
}

function field(name: string): Expression {
  return (data) => (isRecord(data) && Object.hasOwn(data, name) ? (data[name] ?? null) : null);
}

function project(list: Expression, each: Expression): Expression {
  return (data) => {
    const items = list(data);
    if (!Array.isArray(items)) return null;
    return items.map((item) => each(item)).filter((item) => item !== null && item !== undefined);
  };
}

function flatten(data: unknown): unknown[] | null {
  return Array.isArray(data) ? data.flat(1) : null;
}

function listOf(data: unknown): unknown[] | null {
  return Array.isArray(data) ? data : null;
}

function slice(
  list: unknown[] | null,
  from: number | undefined,
  to: number | undefined,
  step: number,
): unknown[] | null {
  if (list === null) return null;
  const place = (position: number | undefined, otherwise: number) =>
    position === undefined ? otherwise : position < 0 ? list.length + position : position;
  const result: unknown[] = [];
  if (step > 0) {
    const end = Math.min(place(to, list.length), list.length);
    for (let index = Math.max(place(from, 0), 0); index < end; index += step) result.push(list[index]);
  } else {
    const end = Math.max(place(to, -1), -1);
    for (let index = Math.min(place(from, list.length - 1), list.length - 1); index > end; index += step)
      result.push(list[index]);
  }
  return result;
}

function truthy(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === '') return false;
  if (Array.isArray(value)) return value.length > 0;
  return !isRecord(value) || Object.keys(value).length > 0;
}
