import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { parsePolicy } from '../../iam/policy-grammar.ts';
import type { Directory } from '../../iam/principal-element.ts';
import { directoryOf } from '../../iam/roles.ts';
import type { Input } from '../../sdk/services.ts';
import { type FunctionReference, functionArn, readReference } from './function-reference.ts';
import { invalidParameter } from './function-settings.ts';
import type { Functions } from './functions.ts';
import type { LambdaStore, StoredPolicy } from './store.ts';

const POLICY_BYTES_MAX = 20_480;

const keyOf = ({ name, qualifier }: FunctionReference) =>
  qualifier === undefined ? name : `${name}:${qualifier}`;

/** A function's own policy as JSON, for the function or for one of its versions or aliases. */
export function policyDocument({ statements }: StoredPolicy): string {
  return JSON.stringify({ Version: '2012-10-17', Id: 'default', Statement: statements });
}

/** Who may invoke a function, by the function's own policy. */
export function permissionOperations(
  engine: Engine,
  { store, functions }: { store: LambdaStore; functions: Functions },
) {
  const named = (input: { FunctionName?: string | undefined; Qualifier?: string | undefined }) =>
    readReference(engine, input.FunctionName, input.Qualifier);
  const resources = (input: { FunctionName?: string | undefined; Qualifier?: string | undefined }) => {
    const { name, qualifier } = named(input);
    return [functionArn(engine, name, qualifier)];
  };
  const policyOf = (reference: FunctionReference): StoredPolicy => {
    functions.find(reference);
    const policy = store.policies.get(keyOf(reference));
    if (policy) return policy;
    throw new AwsFault('ResourceNotFoundException', 'The resource you requested does not exist.', 404);
  };

  return {
    AddPermission: {
      resources,
      run: (input) => {
        const reference = named(input);
        functions.find(reference);
        const { statements = [], revisionId } = store.policies.get(keyOf(reference)) ?? {};
        functions.checkRevision(input.RevisionId, revisionId);
        const statement = statementOf(engine, input, reference);
        if (statements.some(({ Sid }) => Sid === statement.Sid)) {
          throw new AwsFault(
            'ResourceConflictException',
            `The statement id (${statement.Sid}) provided already exists. Please provide a new statement id, or remove the existing statement.`,
            409,
          );
        }
        const policy = { statements: [...statements, statement], revisionId: engine.ids.uuid() };
        checkStatement(statement, directoryOf(engine));
        checkSize(policyDocument(policy));
        store.policies.put(keyOf(reference), policy);
        return { Statement: JSON.stringify(statement) };
      },
    },
    RemovePermission: {
      resources,
      run: (input) => {
        const reference = named(input);
        const policy = policyOf(reference);
        functions.checkRevision(input.RevisionId, policy.revisionId);
        const statements = policy.statements.filter(({ Sid }) => Sid !== input.StatementId);
        if (statements.length === policy.statements.length) {
          throw new AwsFault(
            'ResourceNotFoundException',
            `Statement ${input.StatementId} is not found in resource policy.`,
            404,
          );
        }
        if (statements.length === 0) store.policies.delete(keyOf(reference));
        else store.policies.put(keyOf(reference), { statements, revisionId: engine.ids.uuid() });
        return {};
      },
    },
    GetPolicy: {
      resources,
      run: (input) => {
        const policy = policyOf(named(input));
        return { Policy: policyDocument(policy), RevisionId: policy.revisionId };
      },
    },
  } satisfies OperationTable<'lambda'>;
}

/** Only what is new is checked: the statements before it may name roles that are gone by now. */
function checkStatement(statement: object, directory: Directory): void {
  const parsed = parsePolicy(JSON.stringify({ Statement: statement }), 'lambda', directory);
  if ('error' in parsed) throw invalidParameter(parsed.error);
}

function checkSize(document: string): void {
  if (Buffer.byteLength(document) <= POLICY_BYTES_MAX) return;
  throw new AwsFault(
    'PolicyLengthExceededException',
    `The final policy size is bigger than the limit (${POLICY_BYTES_MAX}).`,
  );
}

function statementOf(engine: Engine, input: Input<'lambda', 'AddPermission'>, reference: FunctionReference) {
  for (const field of ['FunctionUrlAuthType', 'InvokedViaFunctionUrl', 'PrincipalOrgID'] as const) {
    if (input[field] === undefined) continue;
    throw invalidParameter(
      `${field}: the local engine has neither function URLs nor organizations; leave it out.`,
    );
  }
  const sid = input.StatementId ?? '';
  if (!/^[a-zA-Z0-9-_]{1,100}$/.test(sid)) {
    throw invalidParameter(
      `StatementId: ${JSON.stringify(sid)} must be 1 to 100 letters, digits, hyphens and underscores.`,
    );
  }
  const action = input.Action ?? '';
  if (!/^(lambda:[*]|lambda:[a-zA-Z]+|[*])$/.test(action)) {
    throw invalidParameter(
      `Action: ${JSON.stringify(action)} must be an action of Lambda, such as lambda:InvokeFunction.`,
    );
  }
  const conditions = {
    ...(input.SourceAccount === undefined
      ? {}
      : { StringEquals: { 'AWS:SourceAccount': input.SourceAccount } }),
    ...(input.SourceArn === undefined ? {} : { ArnLike: { 'AWS:SourceArn': input.SourceArn } }),
    ...(input.EventSourceToken === undefined
      ? {}
      : {
          StringEquals: {
            ...(input.SourceAccount === undefined ? {} : { 'AWS:SourceAccount': input.SourceAccount }),
            'lambda:EventSourceToken': input.EventSourceToken,
          },
        }),
  };
  return {
    Sid: sid,
    Effect: 'Allow',
    Principal: principalOf(input.Principal ?? ''),
    Action: action,
    Resource: functionArn(engine, reference.name, reference.qualifier),
    ...(Object.keys(conditions).length > 0 ? { Condition: conditions } : {}),
  };
}

function principalOf(principal: string) {
  if (principal === '*') return '*';
  if (/^\d{12}$/.test(principal)) return { AWS: `arn:aws:iam::${principal}:root` };
  if (/^arn:aws:(iam|sts)::\d{12}:.+$/.test(principal)) return { AWS: principal };
  if (/^[a-z0-9-]+(\.[a-z0-9-]+)*\.(amazonaws\.com|amazon\.com)$/.test(principal))
    return { Service: principal };
  throw invalidParameter(
    `The provided principal was invalid. Please check the principal and try again: ${JSON.stringify(principal)} is no service, account, role or user.`,
  );
}
