import { OPERATOR_NAMES, readOperator } from './condition-operators.ts';
import { repeatedKey } from './json-keys.ts';
import type { PolicyDocument } from './policy.ts';
import { type PolicyKind, type PolicyRules, rulesOf } from './policy-kinds.ts';
import { malformedVariable, splitArn } from './policy-variables.ts';
import { type Directory, invalidPrincipal } from './principal-element.ts';

type Json = Readonly<Record<string, unknown>>;

const VERSIONS = ['2008-10-17', '2012-10-17'];
const DOCUMENT = ['Version', 'Id', 'Statement'];
const STATEMENT = [
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
];

/** Where in a document something is wrong, and what. */
class Malformed extends Error {
  constructor(sentence: string, place = '') {
    super(place === '' ? sentence : `${sentence} (${place})`);
  }
}

const syntax = (place: string, problem: string) =>
  new Malformed(`Syntax errors in policy. ${problem}`, place);

/**
 * Reads a document and checks everything that its kind asks of it. Says what is wrong, in IAM's sentence where IAM
 * has one, and where; it does not throw.
 *
 * @param directory the account's roles. Without it, principals need only be well formed.
 */
export function parsePolicy(
  text: string,
  kind: PolicyKind,
  directory?: Directory,
): PolicyDocument | { error: string } {
  try {
    const rules = rulesOf(kind);
    const document = readJson(text, rules);
    checkDocument(document, rules, directory);
    return document as PolicyDocument;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { error: error.message };
  }
}

function readJson(text: string, rules: PolicyRules): unknown {
  if (rules.maxBytes !== undefined && Buffer.byteLength(text) > rules.maxBytes) {
    throw new Malformed(`The policy exceeds the maximum allowed size of ${rules.maxBytes} bytes.`);
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw syntax('', 'The document is not valid JSON');
  }
  const repeated = repeatedKey(text);
  if (repeated !== undefined) throw syntax('', `${repeated} is there twice in one object`);
  return document;
}

function checkDocument(document: unknown, rules: PolicyRules, directory: Directory | undefined): void {
  if (!isObject(document)) throw syntax('', 'The document must be an object');
  refuseStrangers(document, DOCUMENT, 'the document');
  checkVersion(document.Version, rules);
  if (document.Id !== undefined && (!rules.id || typeof document.Id !== 'string')) {
    throw syntax('Id', rules.id ? 'Id must be a text' : 'A policy of this kind has no Id');
  }
  const list = Array.isArray(document.Statement);
  const statements: unknown[] = [document.Statement].flat();
  if (document.Statement === undefined || (statements.length === 0 && !rules.mayBeEmpty)) {
    throw syntax('Statement', 'The document must have a Statement');
  }
  const places = statements.map((_, at) => (list ? `Statement[${at}]` : 'Statement'));
  statements.forEach((statement, at) => {
    if (!isObject(statement)) throw syntax(places[at]!, 'A statement must be an object');
    checkStatement(statement, places[at]!, rules, directory);
  });
  checkAll(statements as Json[], places, rules);
}

function checkVersion(version: unknown, rules: PolicyRules): void {
  if (version !== undefined && !VERSIONS.includes(version as string)) {
    throw syntax('Version', `Version must be ${VERSIONS.join(' or ')}`);
  }
  if (rules.version !== undefined && version !== rules.version) {
    throw new Malformed(`Policy document must be version ${rules.version} or greater.`, 'Version');
  }
}

/** What concerns the statements together. */
function checkAll(statements: readonly Json[], places: readonly string[], rules: PolicyRules): void {
  const sids = statements.map(({ Sid }) => Sid || undefined);
  const again = sids.findIndex((sid, at) => sid !== undefined && sids.indexOf(sid) < at);
  if (rules.uniqueSids && again >= 0) {
    throw new Malformed('Statement IDs (SID) in a single policy must be unique.', `${places[again]}.Sid`);
  }
  if (statements.length > (rules.maxStatements ?? Number.POSITIVE_INFINITY)) {
    throw new Malformed(`A policy may have at most ${rules.maxStatements} statements.`, 'Statement');
  }
  const principals = statements.flatMap(({ Principal, NotPrincipal }) =>
    Object.values({ ...(Principal as object), ...(NotPrincipal as object) }).flat(),
  );
  if (principals.length > (rules.maxPrincipals ?? Number.POSITIVE_INFINITY)) {
    throw new Malformed(`A policy may have at most ${rules.maxPrincipals} principals.`, 'Statement');
  }
}

function checkStatement(
  statement: Json,
  place: string,
  rules: PolicyRules,
  directory: Directory | undefined,
): void {
  refuseStrangers(statement, STATEMENT, place);
  for (const name of ['Principal', 'Action', 'Resource']) {
    if (statement[name] !== undefined && statement[`Not${name}`] !== undefined) {
      throw syntax(place, `A statement may have ${name} or Not${name}, but not both`);
    }
  }
  if (statement.Effect !== 'Allow' && statement.Effect !== 'Deny') {
    throw syntax(`${place}.Effect`, 'Effect must be Allow or Deny');
  }
  checkSid(statement.Sid, `${place}.Sid`, rules);
  checkPrincipal(statement, place, rules, directory);
  checkActions(statement, place, rules);
  checkResources(statement, place, rules);
  if (statement.Condition !== undefined) checkConditions(statement.Condition, `${place}.Condition`);
}

function checkSid(sid: unknown, place: string, rules: PolicyRules): void {
  if (sid === undefined) return;
  if (typeof sid !== 'string') throw syntax(place, 'Sid must be a text');
  if (rules.sid !== undefined && !rules.sid.test(sid)) {
    throw new Malformed(
      'Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*',
      place,
    );
  }
}

function checkPrincipal(
  { Effect, Principal, NotPrincipal }: Json,
  place: string,
  rules: PolicyRules,
  directory: Directory | undefined,
): void {
  const element = Principal ?? NotPrincipal;
  if (rules.principal === 'forbidden') {
    if (element === undefined) return;
    throw new Malformed('Policy document should not specify a principal.', place);
  }
  if (element === undefined) throw new Malformed('Missing required field Principal', place);
  // IAM User Guide, "AWS JSON policy elements: NotPrincipal".
  if (NotPrincipal !== undefined && (Effect === 'Allow' || !rules.notPrincipal)) {
    const problem = rules.notPrincipal
      ? 'NotPrincipal needs the effect Deny'
      : 'A policy of this kind has no NotPrincipal';
    throw syntax(`${place}.NotPrincipal`, problem);
  }
  const invalid = invalidPrincipal(element, directory);
  if (invalid !== undefined) throw new Malformed(`Invalid principal in policy: ${invalid}`, place);
}

function checkActions(statement: Json, place: string, rules: PolicyRules): void {
  const name = statement.Action === undefined ? 'NotAction' : 'Action';
  const actions = texts(statement[name], `${place}.${name}`);
  if (actions.length === 0) throw new Malformed('Policy statement must contain actions.', place);
  for (const action of actions) {
    const [vendor = '', verb, more] = action.split(':');
    const problem =
      action === '*'
        ? undefined
        : verb === undefined
          ? 'Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.'
          : more !== undefined
            ? 'Actions/Condition can contain only one colon.'
            : vendor !== '*' && !/^[a-zA-Z0-9.-]+$/.test(vendor)
              ? `Vendor ${vendor} is not valid`
              : /^[A-Za-z0-9*?]+$/.test(verb)
                ? undefined
                : `Syntax errors in policy. ${JSON.stringify(action)} is no action.`;
    if (problem !== undefined) throw new Malformed(problem, `${place}.${name}`);
    if (rules.actions !== undefined && !rules.actions.allowed.test(action.toLowerCase())) {
      throw new Malformed(rules.actions.refusal, `${place}.${name} ${action}`);
    }
  }
}

function checkResources(statement: Json, place: string, rules: PolicyRules): void {
  const name = statement.Resource === undefined ? 'NotResource' : 'Resource';
  if (rules.resource === 'forbidden') {
    if (statement[name] !== undefined) throw new Malformed(`Has prohibited field ${name}`, place);
    return;
  }
  const resources = texts(statement[name], `${place}.${name}`);
  if (resources.length === 0) {
    if (rules.resource === 'optional' && statement[name] === undefined) return;
    throw new Malformed('Policy statement must contain resources.', place);
  }
  for (const resource of resources) {
    const problem = resourceProblem(resource);
    if (problem !== undefined) throw new Malformed(problem, `${place}.${name}`);
  }
}

function resourceProblem(resource: string): string | undefined {
  if (resource === '*') return undefined;
  const segments = splitArn(resource);
  const [arn, partition = '', vendor = '', region = ''] = segments;
  if (arn !== 'arn' || segments.length < 6) return `Resource ${resource} must be in ARN format or "*".`;
  if (!/^(aws[a-z-]*|\*)$/.test(partition)) {
    return `Partition "${partition}" is not valid for resource "${resource}".`;
  }
  if (!/^[a-zA-Z0-9-]+$/.test(vendor) && vendor !== '*') {
    return 'Resource vendor must be fully qualified and cannot contain regexes.';
  }
  if (region !== '' && vendor === 'iam') return `IAM resource ${resource} cannot contain region information.`;
  if (region !== '' && vendor === 's3') return `Resource ${resource} can not contain region information.`;
  return variableProblem(resource);
}

function checkConditions(conditions: unknown, place: string): void {
  if (!isObject(conditions)) throw syntax(place, 'Condition must be an object');
  for (const [name, pairs] of Object.entries(conditions)) {
    const named = readOperator(name);
    if (named === undefined) {
      throw syntax(
        place,
        `There is no condition operator ${name}; there are ${OPERATOR_NAMES.join(', ')}, with ForAllValues: or ForAnyValue: before and IfExists behind all but Null`,
      );
    }
    if (!isObject(pairs)) throw syntax(`${place}.${name}`, 'An operator needs an object of keys and values');
    for (const [key, wanted] of Object.entries(pairs)) {
      const at = `${place}.${name}.${key}`;
      if (!/^[^:]+:./s.test(key)) {
        throw new Malformed('Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.', at);
      }
      checkValues([wanted].flat(), named.operator, at);
    }
  }
}

function checkValues(
  values: readonly unknown[],
  operator: NonNullable<ReturnType<typeof readOperator>>['operator'],
  place: string,
): void {
  if (values.length === 0) throw syntax(place, 'A condition needs a value');
  for (const value of values) {
    if (!['string', 'number', 'boolean'].includes(typeof value)) {
      throw syntax(place, 'A value must be a text, a number or a boolean');
    }
    const accepted = operator ? operator.accepts(String(value)) : /^(true|false)$/i.test(String(value));
    const wants = operator?.wants ?? 'true or false';
    if (!accepted) throw syntax(place, `${JSON.stringify(value)} is not ${wants}`);
    const problem = variableProblem(String(value));
    if (problem !== undefined) throw new Malformed(problem, place);
  }
}

function variableProblem(text: string): string | undefined {
  const variable = malformedVariable(text);
  return variable === undefined
    ? undefined
    : `Syntax errors in policy. ${variable} is no policy variable: write \${key} or \${key, 'default'}.`;
}

/** A text or a list of texts. */
function texts(value: unknown, place: string): string[] {
  if (value === undefined) return [];
  const list: unknown[] = [value].flat();
  if (!list.every((each) => typeof each === 'string'))
    throw syntax(place, 'It must be a text or a list of texts');
  return list as string[];
}

function refuseStrangers(object: Json, known: readonly string[], place: string): void {
  const stranger = Object.keys(object).find((name) => !known.includes(name));
  if (stranger !== undefined) throw syntax(place, `There is no element ${stranger}`);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
