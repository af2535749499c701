import { atJsonPath, type JsonPath, parseJsonPath } from '../../json-path.ts';
import { matchesPieces } from '../../wildcard.ts';
import { invalidPattern } from './pattern-fault.ts';

type Condition = (document: unknown) => boolean;

/**
 * Compiles a JSON filter pattern, for example `{ ($.code = 5* || $.error IS TRUE) && $.took > 1.5 }`.
 *
 * A condition on a property that does not exist is false, whatever its operator, but for `NOT EXISTS`. A value
 * is a number, a word or a "string"; `*` in a word or string stands for any characters, and `= *` asks only
 * whether the property exists. Messages that are not JSON objects never match.
 */
export function parseJsonPattern(text: string): (message: string) => boolean {
  const condition = new Parser(text).parse();
  return (message) => {
    const document = jsonObject(message);
    return document !== undefined && condition(document);
  };
}

/** A message as JSON object; `undefined` when it is something else. */
export function jsonObject(message: string): Record<string, unknown> | undefined {
  // Most lines of most logs are no JSON: throwing for each would cost more than all the rest.
  if (!/^\s*\{/.test(message)) return undefined;
  try {
    return JSON.parse(message) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

const TOKEN =
  /\s*(?:(&&|\|\||!=|<=|>=|[=<>(){}])|("(?:[^"\\]|\\.)*")|(\$(?:\.[A-Za-z0-9_@/-]+|\[[^\]]*\])+)|([^\s&|!=<>(){}"]+))/y;

interface Token {
  readonly kind: 'symbol' | 'string' | 'selector' | 'word' | 'end';
  readonly text: string;
}

class Parser {
  readonly #tokens: Token[] = [];
  #at = 0;

  constructor(text: string) {
    TOKEN.lastIndex = 0;
    while (/\S/.test(text.slice(TOKEN.lastIndex))) {
      const from = TOKEN.lastIndex;
      const match = TOKEN.exec(text);
      if (!match) throw invalidPattern(`it cannot be read at "${text.slice(from).trim().slice(0, 20)}"`);
      const [, symbol, string, selector, word] = match;
      if (symbol !== undefined) this.#tokens.push({ kind: 'symbol', text: symbol });
      else if (string !== undefined) this.#tokens.push({ kind: 'string', text: unquote(string) });
      else if (selector !== undefined) this.#tokens.push({ kind: 'selector', text: selector });
      else this.#tokens.push({ kind: 'word', text: word ?? '' });
    }
  }

  parse(): Condition {
    this.#expect('{');
    const condition = this.#any();
    this.#expect('}');
    if (this.#peek().kind !== 'end') throw this.#unexpected('the end');
    return condition;
  }

  #any(): Condition {
    const parts = [this.#all()];
    while (this.#take('||')) parts.push(this.#all());
    return parts.length === 1 ? parts[0]! : (document) => parts.some((part) => part(document));
  }

  #all(): Condition {
    const parts = [this.#one()];
    while (this.#take('&&')) parts.push(this.#one());
    return parts.length === 1 ? parts[0]! : (document) => parts.every((part) => part(document));
  }

  #one(): Condition {
    if (this.#take('(')) {
      const condition = this.#any();
      this.#expect(')');
      return condition;
    }
    const { kind, text } = this.#next();
    if (kind !== 'selector')
      throw invalidPattern(`a condition begins with a selector such as $.name, not "${text}"`);
    const path = parseJsonPath(text);
    if (!path)
      throw invalidPattern(
        `the local engine does not support the selector ${text}: write it as $.name, $.name[0] or $.name.other`,
      );
    return this.#comparison(path);
  }

  #comparison(path: JsonPath): Condition {
    const operator = this.#next();
    if (operator.kind === 'word') return this.#state(path, operator.text.toUpperCase());
    const value = this.#next();
    if (value.kind === 'symbol' || value.kind === 'selector' || value.kind === 'end') {
      throw invalidPattern(`"${operator.text}" needs a number, a word or a string after it`);
    }
    switch (operator.text) {
      case '=':
        return equals(path, value);
      case '!=': {
        const equal = equals(path, value);
        return (document) => atJsonPath(document, path) !== undefined && !equal(document);
      }
      case '<':
        return compares(path, value, (a, b) => a < b);
      case '<=':
        return compares(path, value, (a, b) => a <= b);
      case '>':
        return compares(path, value, (a, b) => a > b);
      case '>=':
        return compares(path, value, (a, b) => a >= b);
      default:
        throw invalidPattern(`"${operator.text}" is not a comparison`);
    }
  }

  #state(path: JsonPath, first: string): Condition {
    const what = `${first} ${this.#next().text.toUpperCase()}`;
    switch (what) {
      case 'IS NULL':
        return (document) => atJsonPath(document, path) === null;
      case 'IS TRUE':
        return (document) => atJsonPath(document, path) === true;
      case 'IS FALSE':
        return (document) => atJsonPath(document, path) === false;
      case 'NOT EXISTS':
        return (document) => atJsonPath(document, path) === undefined;
      default:
        throw invalidPattern(`"${what}" is none of IS NULL, IS TRUE, IS FALSE and NOT EXISTS`);
    }
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: 'the end' };
  }

  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  #take(symbol: string): boolean {
    const { kind, text } = this.#peek();
    if (kind !== 'symbol' || text !== symbol) return false;
    this.#at++;
    return true;
  }

  #expect(symbol: string): void {
    if (!this.#take(symbol)) throw this.#unexpected(`"${symbol}"`);
  }

  #unexpected(wanted: string): Error {
    return invalidPattern(`expected ${wanted}, found ${this.#peek().text}`);
  }
}

function equals(path: JsonPath, { kind, text }: Token): Condition {
  if (/^%.*%$/s.test(text))
    throw invalidPattern(
      'the local engine does not support regular expressions: compare with = and * instead',
    );
  if (text === '*') return (document) => atJsonPath(document, path) !== undefined;
  const number = kind === 'word' && text.trim() !== '' ? Number(text) : Number.NaN;
  const pieces = text.split('*');
  const matches = (value: string) => matchesPieces(pieces, value);
  return (document) => {
    const value = atJsonPath(document, path);
    if (typeof value === 'number' && !Number.isNaN(number)) return value === number;
    if (typeof value === 'number' || typeof value === 'boolean') return matches(String(value));
    return typeof value === 'string' && matches(value);
  };
}

function compares(
  path: JsonPath,
  { kind, text }: Token,
  holds: (a: number, b: number) => boolean,
): Condition {
  const limit = Number(text);
  if (kind !== 'word' || Number.isNaN(limit)) {
    throw invalidPattern(`"${text}" is not a number, so it cannot be compared`);
  }
  return (document) => {
    const value = atJsonPath(document, path);
    return typeof value === 'number' && holds(value, limit);
  };
}

function unquote(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/g, '$1');
}
