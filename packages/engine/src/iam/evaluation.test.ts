import { expect, test } from 'vitest';
import { VirtualClock } from '../clock/virtual-clock.ts';
import { State } from '../state/state.ts';
import { PolicyAuthorizer } from './policy-authorizer.ts';
import { servicePrincipal } from './principal.ts';

const accountId = '111122223333';
const ROLE = `arn:aws:iam::${accountId}:role/worker`;
const SESSION = `arn:aws:sts::${accountId}:assumed-role/worker/night`;
const OTHER = `arn:aws:iam::${accountId}:role/other`;
const BOUNDARY = `arn:aws:iam::${accountId}:policy/boundary`;
const QUEUE = `arn:aws:sqs:us-east-1:${accountId}:orders`;
const ACTION = 'sqs:SendMessage';

type Says = 'allow' | 'deny' | 'nothing';
const SAYINGS: readonly Says[] = ['allow', 'deny', 'nothing'];

/**
 * The table of the IAM User Guide, "Determining whether a request is allowed or denied within an account": by how a
 * resource's policy names who is allowed, the policies that must also allow. Those that do not exist do not count.
 */
const ALSO_NEEDED: Readonly<Record<string, readonly string[]>> = {
  session: [],
  everybody: [],
  'everybody in AWS': [],
  role: ['boundary', 'session'],
  account: ['identity', 'boundary', 'session'],
  'root of the account': ['identity', 'boundary', 'session'],
  'another role': ['identity', 'boundary', 'session'],
  nobody: ['identity', 'boundary', 'session'],
};

const PRINCIPALS: Readonly<Record<string, unknown>> = {
  session: { AWS: SESSION },
  everybody: '*',
  'everybody in AWS': { AWS: ['*'] },
  role: { AWS: [OTHER, ROLE] },
  account: { AWS: accountId },
  'root of the account': { AWS: `arn:aws:iam::${accountId}:root` },
  'another role': { AWS: OTHER },
};

interface Case {
  readonly identity: Says;
  readonly boundary: Says | 'is not there';
  readonly session: Says | 'is not there';
  readonly resource: Says | 'is not there';
  readonly principal: string;
}

function allCases(): Case[] {
  const resources = [
    ['is not there', 'nobody'],
    ['nothing', 'nobody'],
    ...Object.keys(PRINCIPALS).flatMap((form) => [
      ['allow', form],
      ['deny', form],
    ]),
  ] as Array<[Case['resource'], string]>;
  return SAYINGS.flatMap((identity) =>
    ([...SAYINGS, 'is not there'] as const).flatMap((boundary) =>
      ([...SAYINGS, 'is not there'] as const).flatMap((session) =>
        resources.map(([resource, principal]) => ({
          identity,
          boundary,
          session,
          resource,
          principal,
        })),
      ),
    ),
  );
}

function isAllowed(each: Case): boolean {
  const denies = [each.identity, each.boundary, each.session].includes('deny');
  const denied = each.resource === 'deny' && each.principal !== 'another role';
  const needed = ALSO_NEEDED[each.resource === 'allow' ? each.principal : 'nobody']!;
  return (
    !denies &&
    !denied &&
    needed.every((policy) => ['allow', 'is not there'].includes(each[policy as keyof Case]))
  );
}

function document(says: string, more: object = { Resource: '*' }): string {
  const [Effect, Action] =
    says === 'nothing' ? ['Allow', 'sqs:PurgeQueue'] : [says === 'deny' ? 'Deny' : 'Allow', ACTION];
  return JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect, Action, ...more }] });
}

function world() {
  const state = new State(':memory:');
  const authorizer = new PolicyAuthorizer({
    state,
    accountId,
    region: 'us-east-1',
    clock: new VirtualClock(),
  });
  const put = (identity: Says, boundary: Case['boundary'], trustPolicy = document('nothing')) => {
    if (boundary !== 'is not there') {
      authorizer.store.policies.put(BOUNDARY, {
        policyName: 'boundary',
        policyId: 'ANPA',
        arn: BOUNDARY,
        document: document(boundary),
        createdAtMs: 0,
      });
    }
    return authorizer.store.roles.put(ROLE, {
      roleName: 'worker',
      roleId: 'AROAWORKERWORKERWORKE',
      arn: ROLE,
      path: '/',
      trustPolicy,
      inlinePolicies: { own: document(identity) },
      attachedPolicyArns: [],
      description: undefined,
      maxSessionSeconds: 3600,
      createdAtMs: 0,
      tags: {},
      ...(boundary === 'is not there' ? {} : { permissionsBoundary: BOUNDARY }),
    });
  };
  return { authorizer, put };
}

test.each(allCases())(
  'identity $identity, boundary $boundary, session policy $session, resource $resource for $principal',
  (each) => {
    const { authorizer, put } = world();
    put(each.identity, each.boundary);
    const session = each.session;
    const policy =
      each.resource === 'is not there'
        ? undefined
        : document(each.resource, {
            Principal: PRINCIPALS[each.principal] ?? { AWS: ROLE },
            Resource: QUEUE,
          });
    const ask = () =>
      authorizer.authorize({
        principal: {
          kind: 'role',
          arn: SESSION,
          accountId,
          roleArn: ROLE,
          ...(session === 'is not there' ? {} : { sessionPolicy: document(session) }),
        },
        actions: [ACTION],
        resources: [QUEUE],
        conditions: {},
        passesRoles: [],
        resourcePolicy: () => policy,
        accessDeniedCode: 'AccessDenied',
      });
    if (isAllowed(each)) expect(ask).not.toThrow();
    else expect(ask).toThrow('is not authorized to perform: sqs:SendMessage');
  },
);

test('the table has as many cases as it says, and some of each outcome', () => {
  const allowed = allCases().filter(isAllowed).length;
  expect(allCases()).toHaveLength(3 * 4 * 4 * 16);
  expect(allowed).toBeGreaterThan(50);
});

test.each([
  ['an identity-based policy', 'deny', 'allow', 'allow', 'allow'],
  ['a resource-based policy', 'allow', 'allow', 'allow', 'deny'],
  ['a permissions boundary', 'allow', 'deny', 'allow', 'allow'],
  ['a session policy', 'allow', 'allow', 'deny', 'allow'],
] as const)('a refusal says that %s denies', (policy, identity, boundary, session, resource) => {
  const { authorizer, put } = world();
  put(identity, boundary);
  expect(() =>
    authorizer.authorize({
      principal: { kind: 'role', arn: SESSION, accountId, roleArn: ROLE, sessionPolicy: document(session) },
      actions: [ACTION],
      resources: [QUEUE],
      resourcePolicy: () => document(resource, { Principal: '*', Resource: '*' }),
      accessDeniedCode: 'AccessDenied',
    }),
  ).toThrow(`with an explicit deny in ${policy}`);
});

/** IAM User Guide, "AWS JSON policy elements: NotPrincipal": account, role and session must all be excepted. */
test.each([
  ['nobody of them', { AWS: OTHER }, false, false],
  ['the session alone', { AWS: SESSION }, false, false],
  ['the session and its role', { AWS: [SESSION, ROLE] }, false, false],
  ['session, role and account', { AWS: [SESSION, ROLE, accountId] }, false, true],
  ['session, role and root', { AWS: [SESSION, ROLE, `arn:aws:iam::${accountId}:root`] }, false, true],
  ['all of them, of a role with a boundary', { AWS: [SESSION, ROLE, accountId] }, true, false],
])('a deny with NotPrincipal that lists %s', (_name, NotPrincipal, bounded, allowed) => {
  const { authorizer, put } = world();
  put('allow', bounded ? 'allow' : 'is not there');
  const ask = () =>
    authorizer.authorize({
      principal: { kind: 'role', arn: SESSION, accountId, roleArn: ROLE },
      actions: [ACTION],
      resources: [QUEUE],
      conditions: {},
      passesRoles: [],
      resourcePolicy: () => document('deny', { NotPrincipal, Resource: '*' }),
      accessDeniedCode: 'AccessDenied',
    });
  if (allowed) expect(ask).not.toThrow();
  else expect(ask).toThrow('explicit deny in a resource-based policy');
});

/** Nobody assumes a role that does not consent, and its account's consent leaves the decision to the caller's policies. */
test.each(
  SAYINGS.flatMap((identity) =>
    [
      ['nothing', 'nobody'],
      ...Object.keys(PRINCIPALS).flatMap((form) => [
        ['allow', form],
        ['deny', form],
      ]),
    ].map(([trust, form]) => ({ identity, trust: trust!, form: form! })),
  ),
)('assuming a role: identity $identity, trust $trust for $form', ({ identity, trust, form }) => {
  const { authorizer, put } = world();
  put(identity, 'is not there');
  const target = `arn:aws:iam::${accountId}:role/target`;
  const say = (says: string, more: object) =>
    document(says, more).replaceAll(ACTION, 'sts:AssumeRole').replaceAll('sqs:PurgeQueue', 'sts:TagSession');
  authorizer.store.roles.put(ROLE, {
    ...authorizer.store.roles.get(ROLE)!,
    inlinePolicies: { own: say(identity, { Resource: '*' }) },
  });
  const policy = say(trust, { Principal: PRINCIPALS[form] ?? { AWS: ROLE } });
  const ask = () =>
    authorizer.authorize({
      principal: { kind: 'role', arn: SESSION, accountId, roleArn: ROLE },
      actions: ['sts:AssumeRole'],
      resources: [target],
      trustPolicy: () => policy,
      accessDeniedCode: 'AccessDenied',
    });
  const consents = trust === 'allow' && form !== 'another role';
  const allowed =
    consents && identity !== 'deny' && (identity === 'allow' || !ALSO_NEEDED[form]!.includes('identity'));
  if (allowed) expect(ask).not.toThrow();
  else expect(ask).toThrow('is not authorized to perform: sts:AssumeRole');
});

test('a session outlives neither its role nor a role made again under the same name', () => {
  const { authorizer, put } = world();
  const session = authorizer.session(put('allow', 'is not there'), 'night');
  const ask = () =>
    authorizer.authorize({
      principal: session,
      actions: [ACTION],
      resources: [QUEUE],
      resourcePolicy: () => document('allow', { Principal: '*', Resource: '*' }),
      accessDeniedCode: 'AccessDenied',
    });
  expect(ask).not.toThrow();
  authorizer.store.roles.put(ROLE, { ...authorizer.store.roles.get(ROLE)!, roleId: 'AROAANOTHERANOTHERANO' });
  expect(ask).toThrow('is not authorized');
  authorizer.store.roles.delete(ROLE);
  expect(ask).toThrow('is not authorized');
});

test('a service is not its account: a policy that names the account says nothing about it', () => {
  const { authorizer } = world();
  expect(() =>
    authorizer.authorize({
      principal: servicePrincipal({ accountId }, 'events.amazonaws.com', 'arn:aws:events:us-east-1:1:rule/r'),
      actions: [ACTION],
      resources: [QUEUE],
      conditions: {},
      passesRoles: [],
      resourcePolicy: () => document('allow', { Principal: { AWS: accountId }, Resource: '*' }),
      accessDeniedCode: 'AccessDenied',
    }),
  ).toThrow('no resource-based policy allows');
});
