/** IAM policy documents: parsing and evaluation of statements against one request. */

export interface Statement {
  readonly Sid?: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Action?: string | readonly string[];
  readonly NotAction?: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly NotResource?: string | readonly string[];
  readonly Principal?: '*' | Readonly<Record<string, string | readonly string[]>>;
  readonly NotPrincipal?: Readonly<Record<string, string | readonly string[]>>;
  readonly Condition?: Readonly<
    Record<string, Readonly<Record<string, string | boolean | number | readonly string[]>>>
  >;
}

export interface PolicyDocument {
  readonly Version?: string;
  readonly Statement: Statement | readonly Statement[];
}

export interface RequestContext {
  readonly action: string;
  readonly resource: string;
  /** Condition keys in lower case. */
  readonly keys: ReadonlyMap<string, readonly string[]>;
}

/** `allow`: some statement allows; `deny`: one denies explicitly; `none`: nothing applies. */
export type Decision = 'allow' | 'deny' | 'none';

/** Parses a policy; returns a sentence about what is wrong with it instead of throwing. */
export function parsePolicy(text: string): PolicyDocument | { error: string } {
  let document: unknown;
  try {
    document = JSON.parse(decodePolicy(text));
  } catch {
    return { error: 'The policy is not in the valid JSON format.' };
  }
  if (typeof document !== 'object' || document === null || !('Statement' in document)) {
    return { error: 'Syntax errors in policy: it has no Statement.' };
  }
  for (const statement of list((document as PolicyDocument).Statement)) {
    if (typeof statement !== 'object' || statement === null)
      return { error: 'Syntax errors in policy: a Statement must be an object.' };
    if (statement.Effect !== 'Allow' && statement.Effect !== 'Deny') {
      return { error: 'Syntax errors in policy: Effect must be Allow or Deny.' };
    }
    if (statement.Action === undefined && statement.NotAction === undefined) {
      return { error: 'Policy statement must contain actions.' };
    }
    for (const operator of Object.keys(statement.Condition ?? {})) {
      if (!(operatorName(operator) in OPERATORS)) {
        return { error: `Syntax errors in policy: unknown condition operator ${operator}.` };
      }
    }
  }
  return document as PolicyDocument;
}

/** The ARNs and account ids that a policy names as principals. */
export function namedPrincipals({ Statement: statements }: PolicyDocument): string[] {
  return list(statements).flatMap(({ Principal: principal, NotPrincipal: not }) =>
    [principal, not].flatMap((each) => (each === undefined || each === '*' ? [] : list(each.AWS ?? []))),
  );
}

function decodePolicy(text: string): string {
  return text.trimStart().startsWith('%7B') ? decodeURIComponent(text) : text;
}

/** Evaluates identity-based statements (no principal). */
export function evaluate(document: PolicyDocument, request: RequestContext): Decision {
  return combine(list(document.Statement).filter((statement) => applies(statement, request)));
}

/** The action and the resource that allow the request, as the first statement that does so writes them. */
export function grantThatAllows(
  document: PolicyDocument,
  request: RequestContext,
): { readonly action: string; readonly resource: string } | undefined {
  const statement = list(document.Statement).find(
    (each) => each.Effect === 'Allow' && applies(each, request),
  );
  if (statement === undefined) return undefined;
  const action = request.action.toLowerCase();
  return {
    action:
      list(statement.Action ?? []).find((pattern) => wildcard(pattern.toLowerCase(), action)) ??
      `all but ${list(statement.NotAction ?? []).join(', ')}`,
    resource:
      list(statement.Resource ?? []).find((pattern) => wildcard(pattern, request.resource)) ??
      `all but ${list(statement.NotResource ?? []).join(', ')}`,
  };
}

/** Every action on every resource that a document allows, as its statements write them. */
export function grantsOf(document: PolicyDocument): Array<{ action: string; resource: string }> {
  return list(document.Statement)
    .filter(({ Effect }) => Effect === 'Allow')
    .flatMap(({ Action, NotAction, Resource, NotResource }) => {
      const actions = Action === undefined ? [`all but ${list(NotAction ?? []).join(', ')}`] : list(Action);
      const resources =
        Resource === undefined ? [`all but ${list(NotResource ?? []).join(', ')}`] : list(Resource);
      return actions.flatMap((action) => resources.map((resource) => ({ action, resource })));
    });
}

/** Evaluates resource-based statements: those whose principal matches one of the caller's names. */
export function evaluateResourcePolicy(
  document: PolicyDocument,
  request: RequestContext,
  callers: { readonly aws: readonly string[]; readonly service: string | undefined },
): Decision {
  return combine(
    list(document.Statement).filter(
      (statement) => matchesPrincipal(statement, callers) && applies(statement, request),
    ),
  );
}

function combine(statements: readonly Statement[]): Decision {
  if (statements.some((statement) => statement.Effect === 'Deny')) return 'deny';
  return statements.length > 0 ? 'allow' : 'none';
}

function applies(statement: Statement, request: RequestContext): boolean {
  const action = request.action.toLowerCase();
  const actionMatches = (patterns: string | readonly string[]) =>
    list(patterns).some((pattern) => wildcard(pattern.toLowerCase(), action));
  if (statement.Action !== undefined && !actionMatches(statement.Action)) return false;
  if (statement.NotAction !== undefined && actionMatches(statement.NotAction)) return false;
  const resourceMatches = (patterns: string | readonly string[]) =>
    list(patterns).some((pattern) => wildcard(pattern, request.resource));
  if (statement.Resource !== undefined && !resourceMatches(statement.Resource)) return false;
  if (statement.NotResource !== undefined && resourceMatches(statement.NotResource)) return false;
  return conditionsHold(statement.Condition ?? {}, request.keys);
}

function matchesPrincipal(
  statement: Statement,
  callers: { readonly aws: readonly string[]; readonly service: string | undefined },
): boolean {
  const names = (principal: Statement['Principal']): boolean => {
    if (principal === undefined) return false;
    if (principal === '*') return true;
    const aws = list(principal.AWS ?? []);
    if (aws.includes('*')) return true;
    if (aws.some((name) => callers.aws.includes(name))) return true;
    const services = list(principal.Service ?? []);
    return callers.service !== undefined && services.includes(callers.service);
  };
  if (statement.NotPrincipal !== undefined) return !names(statement.NotPrincipal);
  return names(statement.Principal);
}

type Test = (actual: string, expected: string) => boolean;

const numeric =
  (test: (a: number, b: number) => boolean): Test =>
  (a, b) =>
    test(Number(a), Number(b));

const OPERATORS: Readonly<Record<string, { test: Test; negated?: boolean }>> = {
  StringEquals: { test: (a, b) => a === b },
  StringNotEquals: { test: (a, b) => a === b, negated: true },
  StringEqualsIgnoreCase: { test: (a, b) => a.toLowerCase() === b.toLowerCase() },
  StringLike: { test: (a, b) => wildcard(b, a) },
  StringNotLike: { test: (a, b) => wildcard(b, a), negated: true },
  ArnEquals: { test: (a, b) => wildcard(b, a) },
  ArnLike: { test: (a, b) => wildcard(b, a) },
  ArnNotEquals: { test: (a, b) => wildcard(b, a), negated: true },
  ArnNotLike: { test: (a, b) => wildcard(b, a), negated: true },
  Bool: { test: (a, b) => a.toLowerCase() === b.toLowerCase() },
  NumericEquals: { test: numeric((a, b) => a === b) },
  NumericLessThan: { test: numeric((a, b) => a < b) },
  NumericLessThanEquals: { test: numeric((a, b) => a <= b) },
  NumericGreaterThan: { test: numeric((a, b) => a > b) },
  NumericGreaterThanEquals: { test: numeric((a, b) => a >= b) },
  Null: { test: (a, b) => a === b },
};

function operatorName(operator: string): string {
  return operator.replace(/^ForA(ny|ll)(Value|Values):/, '').replace(/IfExists$/, '');
}

function conditionsHold(
  conditions: NonNullable<Statement['Condition']>,
  keys: ReadonlyMap<string, readonly string[]>,
): boolean {
  for (const [operator, pairs] of Object.entries(conditions)) {
    const name = operatorName(operator);
    const { test, negated } = OPERATORS[name] ?? { test: () => false };
    for (const [key, wanted] of Object.entries(pairs)) {
      const expected = list(wanted as string | readonly string[]).map(String);
      const actual = keys.get(key.toLowerCase());
      if (name === 'Null') {
        if (!expected.includes(String(actual === undefined))) return false;
        continue;
      }
      if (actual === undefined) {
        if (negated || operator.endsWith('IfExists') || operator.startsWith('ForAllValues:')) continue;
        return false;
      }
      const one = (value: string) => expected.some((item) => test(value, item)) !== (negated ?? false);
      if (!(operator.startsWith('ForAllValues:') ? actual.every(one) : actual.some(one))) return false;
    }
  }
  return true;
}

const patterns = new Map<string, RegExp>();

/** Matches IAM's `*` (any characters) and `?` (one character). */
export function wildcard(pattern: string, text: string): boolean {
  if (pattern === '*' || pattern === text) return true;
  if (!pattern.includes('*') && !pattern.includes('?')) return false;
  let expression = patterns.get(pattern);
  if (!expression) {
    expression = new RegExp(
      `^${pattern
        .replace(/[.+^${}()|[\]\\]/g, '\\$&')
        .replaceAll('*', '.*')
        .replaceAll('?', '.')}$`,
      's',
    );
    patterns.set(pattern, expression);
  }
  return expression.test(text);
}

function list<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}
