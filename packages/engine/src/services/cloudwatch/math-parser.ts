import { AwsFault } from '../../errors.ts';

/** A metric math expression as a tree. */
export type MathNode =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'reference'; readonly id: string }
  | { readonly kind: 'list'; readonly items: readonly MathNode[] }
  | { readonly kind: 'negate'; readonly operand: MathNode }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: MathNode;
      readonly right: MathNode;
    }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly MathNode[] };

export type BinaryOperator =
  | '+'
  | '-'
  | '*'
  | '/'
  | '^'
  | '=='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | 'AND'
  | 'OR';

interface Token {
  readonly kind: 'number' | 'string' | 'name' | 'symbol' | 'end';
  readonly text: string;
  readonly at: number;
}

/** Binary operators from loosest to tightest; all of them associate to the left. */
const LEVELS: ReadonlyArray<ReadonlyMap<string, BinaryOperator>> = [
  new Map([
    ['OR', 'OR'],
    ['||', 'OR'],
  ]),
  new Map([
    ['AND', 'AND'],
    ['&&', 'AND'],
  ]),
  new Map([
    ['==', '=='],
    ['!=', '!='],
    ['<=', '<='],
    ['>=', '>='],
    ['<', '<'],
    ['>', '>'],
  ]),
  new Map([
    ['+', '+'],
    ['-', '-'],
  ]),
  new Map([
    ['*', '*'],
    ['/', '/'],
  ]),
];

const TOKEN =
  /\s*(?:(?<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|(?<string>"[^"]*"|'[^']*')|(?<name>[A-Za-z_][A-Za-z0-9_]*)|(?<symbol>\|\||&&|==|!=|<=|>=|[-+*/^<>(),[\]]))/y;

const DEEPEST_NESTING = 100;

/**
 * Parses a metric math expression. Operators bind, from loosest to tightest: `OR`, `AND`, comparisons,
 * `+ -`, `* /`, unary minus, `^`. What is wrong is told with its position, as a `ValidationError`.
 */
export function parseMath(expression: string): MathNode {
  return new Parser(expression).parse();
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokenize(text);
  }

  parse(): MathNode {
    const node = this.#binary(0);
    const rest = this.#peek();
    if (rest.kind !== 'end') this.#fail(`unexpected ${shown(rest)}`, rest);
    return node;
  }

  #binary(level: number): MathNode {
    const operators = LEVELS[level];
    if (!operators) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const token = this.#peek();
      const operator =
        token.kind === 'symbol' || token.kind === 'name' ? operators.get(token.text) : undefined;
      if (!operator) return left;
      this.#next++;
      left = { kind: 'binary', operator, left, right: this.#binary(level + 1) };
    }
  }

  #unary(): MathNode {
    if (!this.#takes('-')) return this.#power();
    return this.#nested(() => ({ kind: 'negate', operand: this.#unary() }));
  }

  #power(): MathNode {
    const base = this.#primary();
    return this.#takes('^')
      ? this.#nested(() => ({ kind: 'binary', operator: '^', left: base, right: this.#unary() }))
      : base;
  }

  #primary(): MathNode {
    const token = this.#peek();
    this.#next++;
    switch (token.kind) {
      case 'number':
        return { kind: 'number', value: Number(token.text) };
      case 'string':
        return { kind: 'string', value: token.text.slice(1, -1) };
      case 'name':
        if (token.text === 'AND' || token.text === 'OR')
          return this.#fail(`unexpected ${shown(token)}`, token);
        return this.#takes('(')
          ? { kind: 'call', name: token.text, args: this.#list(')') }
          : { kind: 'reference', id: token.text };
      case 'symbol':
        if (token.text === '(') {
          return this.#nested(() => {
            const inner = this.#binary(0);
            this.#expect(')');
            return inner;
          });
        }
        if (token.text === '[') return { kind: 'list', items: this.#list(']') };
        return this.#fail(`unexpected ${shown(token)}`, token);
      case 'end':
        return this.#fail('the expression ends early', token);
    }
  }

  #list(closing: string): MathNode[] {
    if (this.#takes(closing)) return [];
    return this.#nested(() => {
      const items = [this.#binary(0)];
      while (this.#takes(',')) items.push(this.#binary(0));
      this.#expect(closing);
      return items;
    });
  }

  #nested<T>(parse: () => T): T {
    if (++this.#depth > DEEPEST_NESTING) this.#fail('the expression is nested too deeply', this.#peek());
    const result = parse();
    this.#depth--;
    return result;
  }

  #peek(): Token {
    return this.#tokens[this.#next]!;
  }

  #takes(symbol: string): boolean {
    const token = this.#peek();
    if (token.kind !== 'symbol' || token.text !== symbol) return false;
    this.#next++;
    return true;
  }

  #expect(symbol: string): void {
    const token = this.#peek();
    if (!this.#takes(symbol)) this.#fail(`expected '${symbol}' but found ${shown(token)}`, token);
  }

  #fail(problem: string, token: Token): never {
    throw syntaxFault(this.#text, problem, token.at);
  }
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const end = text.trimEnd().length;
  while (at < end) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (!match?.groups) {
      const bad = at + (/\S/.exec(text.slice(at))?.index ?? 0);
      const character = text[bad]!;
      throw syntaxFault(
        text,
        character === '"' || character === "'" ? 'the text is not closed' : `unexpected '${character}'`,
        bad,
      );
    }
    at = TOKEN.lastIndex;
    for (const kind of ['number', 'string', 'name', 'symbol'] as const) {
      const found = match.groups[kind];
      if (found !== undefined) tokens.push({ kind, text: found, at: at - found.length });
    }
  }
  tokens.push({ kind: 'end', text: '', at: end });
  return tokens;
}

function shown(token: Token): string {
  return token.kind === 'end' ? 'the end of the expression' : `'${token.text}'`;
}

function syntaxFault(expression: string, problem: string, at: number): AwsFault {
  return new AwsFault(
    'ValidationError',
    `Error in expression '${expression}': ${problem} at position ${at + 1}`,
  );
}

/** Ids of other queries that an expression refers to, each once. */
export function referencedIds(node: MathNode): string[] {
  return [...new Set(references(node))];
}

function references(node: MathNode): string[] {
  switch (node.kind) {
    case 'number':
    case 'string':
      return [];
    case 'reference':
      return [node.id];
    case 'list':
      return node.items.flatMap(references);
    case 'negate':
      return references(node.operand);
    case 'binary':
      return [...references(node.left), ...references(node.right)];
    case 'call':
      return node.args.flatMap((arg, index) =>
        node.name === 'FILL' && index === 1 && isFillMode(arg) ? [] : references(arg),
      );
  }
}

/** Whether a node is one of `FILL`'s modes, which look like references. */
export function isFillMode(node: MathNode): node is { kind: 'reference'; id: 'REPEAT' | 'LINEAR' } {
  return node.kind === 'reference' && (node.id === 'REPEAT' || node.id === 'LINEAR');
}
