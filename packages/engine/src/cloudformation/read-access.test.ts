import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '../clock/virtual-clock.ts';
import { PolicyAuthorizer } from '../iam/policy-authorizer.ts';
import { servicePrincipal } from '../iam/principal.ts';
import type { Role } from '../iam/roles.ts';
import { State } from '../state/state.ts';
import { readAccess } from './read-access.ts';

const accountId = '111122223333';
const queue = (name: string) => `arn:aws:sqs:us-east-1:${accountId}:${name}`;

interface Allowed {
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
}

function world() {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-'));
  const open = () => {
    const state = new State(join(directory, 'engine.db'));
    return {
      state,
      authorizer: new PolicyAuthorizer({ state, accountId, region: 'us-east-1', clock: new VirtualClock() }),
    };
  };
  let { state, authorizer } = open();
  onTestFinished(() => {
    state.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const put = (roleName: string, statements: readonly Allowed[], logicalId?: string): Role => {
    if (logicalId !== undefined) {
      state
        .table('cloudformation.resources')
        .put(`stack|${logicalId}`, { type: 'AWS::IAM::Role', id: roleName, logicalId });
    }
    const role: Role = {
      roleName,
      roleId: roleName,
      arn: `arn:aws:iam::${accountId}:role/${roleName}`,
      path: '/',
      trustPolicy: JSON.stringify({
        Statement: {
          Effect: 'Allow',
          Principal: { Service: 'lambda.amazonaws.com' },
          Action: 'sts:AssumeRole',
        },
      }),
      inlinePolicies: {
        own: JSON.stringify({ Statement: statements.map((each) => ({ Effect: 'Allow', ...each })) }),
      },
      attachedPolicyArns: [],
      description: undefined,
      maxSessionSeconds: 3600,
      createdAtMs: 0,
      tags: {},
    };
    return authorizer.store.roles.put(role.arn, role);
  };
  const call = (role: Role, action: string, resource: string) =>
    authorizer.authorize({
      principal: authorizer.session(role, 'test'),
      actions: [action],
      resources: [resource],
      conditions: {},
      passesRoles: [],
      resourcePolicy: () => undefined,
      accessDeniedCode: 'AccessDenied',
    });
  return {
    directory,
    put,
    call,
    assume: (role: Role) => authorizer.assumeRole(role.arn, 'ecs-tasks.amazonaws.com', 'task'),
    ofService: () =>
      authorizer.authorize({
        principal: servicePrincipal({ accountId }, 'events.amazonaws.com', queue('rule')),
        actions: ['sqs:SendMessage'],
        resources: [queue('a')],
        conditions: {},
        passesRoles: [],
        resourcePolicy: () => undefined,
        accessDeniedCode: 'AccessDenied',
      }),
    restart: () => {
      state.close();
      ({ state, authorizer } = open());
    },
    access: () => {
      state.flush();
      return readAccess(directory);
    },
  };
}

const worker = [
  { Action: ['sqs:ReceiveMessage', 'sqs:DeleteMessage'], Resource: [queue('a'), queue('b')] },
  { Action: 'ecs:DescribeTasks', Resource: 'arn:aws:ecs:*:*:task/one/*' },
];
const used = (of: ReturnType<typeof readAccess>) =>
  of.roles
    .flatMap(({ grants }) => grants.filter((each) => each.used))
    .map(({ action, resource }) => `${action} ${resource}`);

test('each action on each resource is a grant of its own, unused until a call was allowed by it', () => {
  const { put, call, access } = world();
  const role = put('stack-Worker-X', worker, 'Worker');
  expect(access().roles).toMatchObject([{ logicalId: 'Worker', roleName: 'stack-Worker-X' }]);
  expect(access().roles[0]?.grants).toHaveLength(5);
  expect(used(access())).toEqual([]);
  call(role, 'sqs:ReceiveMessage', queue('b'));
  call(role, 'ecs:DescribeTasks', 'arn:aws:ecs:us-east-1:111122223333:task/one/7');
  call(role, 'ecs:DescribeTasks', 'arn:aws:ecs:us-east-1:111122223333:task/one/8');
  expect(used(access())).toEqual([
    `sqs:ReceiveMessage ${queue('b')}`,
    'ecs:DescribeTasks arn:aws:ecs:*:*:task/one/*',
  ]);
});

test('what was used is remembered by the state, and a changed policy counts from then on', () => {
  const { put, call, access, restart } = world();
  call(put('r', worker, 'R'), 'sqs:DeleteMessage', queue('a'));
  restart();
  expect(used(access())).toEqual([`sqs:DeleteMessage ${queue('a')}`]);
  const changed = put('r', [{ Action: 'sqs:DeleteMessage', Resource: '*' }], 'R');
  expect(used(access())).toEqual([]);
  call(changed, 'sqs:DeleteMessage', queue('a'));
  expect(used(access())).toEqual(['sqs:DeleteMessage *']);
});

test('refusals name who, what and on what: a role, a service, a role that trusts another service', () => {
  const { put, call, access, assume, ofService } = world();
  const role = put('r', worker, 'R');
  expect(() => call(role, 'sqs:PurgeQueue', queue('a'))).toThrow('not authorized');
  expect(() => call(role, 'sqs:PurgeQueue', queue('a'))).toThrow('not authorized');
  expect(() => assume(role)).toThrow('does not trust');
  expect(ofService).toThrow('not authorized');
  expect(access().denied).toEqual([
    { principal: 'R', action: 'sqs:PurgeQueue', resource: queue('a') },
    { principal: 'ecs-tasks.amazonaws.com', action: 'sts:AssumeRole', resource: role.arn },
    { principal: 'events.amazonaws.com', action: 'sqs:SendMessage', resource: queue('a') },
  ]);
});

test('roles that no stack made are not reported, but what was refused to them is', () => {
  const { put, call, access } = world();
  const role = put('someone', worker);
  expect(() => call(role, 'sqs:PurgeQueue', queue('a'))).toThrow('not authorized');
  expect(access()).toEqual({
    roles: [],
    denied: [{ principal: role.arn, action: 'sqs:PurgeQueue', resource: queue('a') }],
  });
});

test('the record of refusals is bounded', () => {
  const { put, call, access } = world();
  const role = put('r', worker, 'R');
  for (let n = 0; n < 1_100; n++) expect(() => call(role, 'sqs:PurgeQueue', queue(`q${n}`))).toThrow();
  expect(access().denied).toHaveLength(1_000);
});

test('a directory without a state is refused with what to do', () => {
  expect(() => readAccess('/nonexistent')).toThrow(
    'name the directory that "queue-canary up --state" was given',
  );
});
