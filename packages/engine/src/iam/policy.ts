import { type Conditions, conditionsHold } from './conditions.ts';
import { matches, type Pattern, readPattern } from './pattern.ts';
import { type Keys, PolicyTexts } from './policy-variables.ts';
import { type Caller, isExcepted, type Naming, naming, type PrincipalElement } from './principal-element.ts';

/** IAM policy documents, and the evaluation of their statements against one request. */

export interface Statement {
  readonly Sid?: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Action?: string | readonly string[];
  readonly NotAction?: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly NotResource?: string | readonly string[];
  readonly Principal?: PrincipalElement;
  readonly NotPrincipal?: PrincipalElement;
  readonly Condition?: Conditions;
}

export interface PolicyDocument {
  readonly Version?: string;
  readonly Statement: Statement | readonly Statement[];
}

export interface RequestContext {
  readonly action: string;
  readonly resource: string;
  readonly keys: Keys;
}

/** `allow`: some statement allows; `deny`: one denies explicitly; `none`: nothing applies. */
export type Decision = 'allow' | 'deny' | 'none';

/** What a resource's policy says, and as what it names the caller that it allows. */
export type ResourceDecision = Exclude<Decision, 'allow'> | { readonly allows: Naming };

/** Evaluates identity-based statements (no principal). */
export function evaluate(document: PolicyDocument, request: RequestContext): Decision {
  const effects = applicable(document, request).map(({ Effect }) => Effect);
  return effects.includes('Deny') ? 'deny' : effects.length > 0 ? 'allow' : 'none';
}

/** Evaluates resource-based statements: those that name the caller. */
export function evaluateResourcePolicy(
  document: PolicyDocument,
  request: RequestContext,
  caller: Caller,
): ResourceDecision {
  const names = new Set<Naming>();
  for (const { Effect, Principal, NotPrincipal } of applicable(document, request)) {
    const named = Principal === undefined ? undefined : naming(Principal, caller);
    const concerned = NotPrincipal === undefined ? named !== undefined : !isExcepted(NotPrincipal, caller);
    if (!concerned) continue;
    if (Effect === 'Deny') return 'deny';
    if (named !== undefined) names.add(named);
  }
  const closest = (['itself', 'role', 'account'] as const).find((each) => names.has(each));
  return closest === undefined ? 'none' : { allows: closest };
}

/** The action and the resource that allow the request, as the first statement that does so writes them. */
export function grantThatAllows(
  document: PolicyDocument,
  request: RequestContext,
): { readonly action: string; readonly resource: string } | undefined {
  const statement = applicable(document, request).find(({ Effect }) => Effect === 'Allow');
  if (statement === undefined) return undefined;
  const texts = new PolicyTexts(document.Version, request.keys);
  return {
    action:
      list(statement.Action ?? []).find((action) => isAction(action, request.action)) ??
      `all but ${list(statement.NotAction ?? []).join(', ')}`,
    resource:
      list(statement.Resource ?? []).find((each) => isResource(each, request.resource, texts)) ??
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

/** The statements that are about the request's action and resource, and whose conditions hold. */
function applicable(document: PolicyDocument, request: RequestContext): Statement[] {
  const texts = new PolicyTexts(document.Version, request.keys);
  return list(document.Statement).filter((statement) => {
    const { Action, NotAction, Resource, NotResource, Condition } = statement;
    const acts = (patterns: string | readonly string[]) =>
      list(patterns).some((pattern) => isAction(pattern, request.action));
    const concerns = (patterns: string | readonly string[]) =>
      list(patterns).some((pattern) => isResource(pattern, request.resource, texts));
    return (
      (Action === undefined || acts(Action)) &&
      (NotAction === undefined || !acts(NotAction)) &&
      (Resource === undefined || concerns(Resource)) &&
      (NotResource === undefined || !concerns(NotResource)) &&
      (Condition === undefined || conditionsHold(Condition, request.keys, texts))
    );
  });
}

/** Patterns without variables mean the same in every request, and are read once. */
class KnownPatterns {
  readonly #known = new Map<string, Pattern>();

  of(text: string, read: (text: string) => Pattern): Pattern {
    let pattern = this.#known.get(text);
    if (pattern === undefined) {
      pattern = read(text);
      if (this.#known.size >= KNOWN_MAX) this.#known.clear();
      this.#known.set(text, pattern);
    }
    return pattern;
  }
}

const KNOWN_MAX = 10_000;
const actions = new KnownPatterns();
const resources = new KnownPatterns();

function isAction(pattern: string, action: string): boolean {
  if (pattern === '*' || pattern === action) return true;
  return matches(
    actions.of(pattern, (text) => readPattern(text.toLowerCase())),
    action.toLowerCase(),
  );
}

function isResource(pattern: string, resource: string, texts: PolicyTexts): boolean {
  if (pattern === '*' || pattern === resource) return true;
  const own = pattern.includes('${')
    ? texts.resource(pattern)
    : resources.of(pattern, (text) => texts.resource(text)!);
  return own !== undefined && matches(own, resource);
}

function list<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}
