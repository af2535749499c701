import { expect, test } from 'vitest';
import { createSsm } from '../ssm/ssm.ts';
import { MemoryEngine } from '../test/memory-engine.ts';
import { createIam } from './iam.ts';

const ROLE = 'worker';
const POLICY = 'arn:aws:iam::111122223333:policy/reads-only';

function document(Action: string): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource: '*' }] });
}

const TRUST = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Principal: { Service: 'ecs-tasks.amazonaws.com' }, Action: 'sts:AssumeRole' },
  ],
});

/** A role that may do everything with parameters, and a managed policy that only reads them. */
async function world() {
  const engine = new MemoryEngine();
  await engine.add((parts) => createIam(parts, engine.authorizer));
  await engine.add(createSsm);
  await engine.call('iam', 'CreatePolicy', {
    PolicyName: 'reads-only',
    PolicyDocument: document('ssm:Get*'),
  });
  await engine.call('iam', 'CreateRole', {
    RoleName: ROLE,
    AssumeRolePolicyDocument: TRUST,
  });
  await engine.call('iam', 'PutRolePolicy', {
    RoleName: ROLE,
    PolicyName: 'own',
    PolicyDocument: document('ssm:*'),
  });
  const put = () => {
    const session = engine.authorizer.session(engine.authorizer.store.byName(ROLE)!, 'test');
    const parameter = { Name: 'p', Value: 'x', Type: 'String', Overwrite: true } as const;
    return engine.engine.call(session, 'ssm', 'PutParameter', parameter);
  };
  const boundary = async () =>
    (await engine.call('iam', 'GetRole', { RoleName: ROLE })).Role?.PermissionsBoundary;
  return { engine, put, boundary };
}

test('a boundary narrows a role from the moment it is put until it is deleted', async () => {
  const { engine, put, boundary } = await world();
  await put();
  await engine.call('iam', 'PutRolePermissionsBoundary', { RoleName: ROLE, PermissionsBoundary: POLICY });
  expect(await boundary()).toEqual({
    PermissionsBoundaryType: 'PermissionsBoundaryPolicy',
    PermissionsBoundaryArn: POLICY,
  });
  await expect(put()).rejects.toMatchObject({ code: 'AccessDeniedException' });
  await engine.call('iam', 'DeleteRolePermissionsBoundary', { RoleName: ROLE });
  expect(await boundary()).toBeUndefined();
  await put();
});

test('a role may be created with a boundary', async () => {
  const { engine } = await world();
  await engine.call('iam', 'CreateRole', {
    RoleName: 'other',
    AssumeRolePolicyDocument: TRUST,
    PermissionsBoundary: POLICY,
  });
  expect((await engine.call('iam', 'GetRole', { RoleName: 'other' })).Role?.PermissionsBoundary).toEqual({
    PermissionsBoundaryType: 'PermissionsBoundaryPolicy',
    PermissionsBoundaryArn: POLICY,
  });
});

test('a boundary that does not exist is refused, and so is deleting one that is not there', async () => {
  const { engine } = await world();
  const PermissionsBoundary = 'arn:aws:iam::111122223333:policy/nobody';
  const refusal = { code: 'NoSuchEntity', message: expect.stringContaining(PermissionsBoundary) };
  await expect(
    engine.call('iam', 'PutRolePermissionsBoundary', { RoleName: ROLE, PermissionsBoundary }),
  ).rejects.toMatchObject(refusal);
  await expect(
    engine.call('iam', 'CreateRole', {
      RoleName: 'other',
      AssumeRolePolicyDocument: TRUST,
      PermissionsBoundary,
    }),
  ).rejects.toMatchObject(refusal);
  await expect(engine.call('iam', 'DeleteRolePermissionsBoundary', { RoleName: ROLE })).rejects.toMatchObject(
    { code: 'NoSuchEntity' },
  );
});

test('a policy is not deleted while it bounds a role', async () => {
  const { engine } = await world();
  await engine.call('iam', 'PutRolePermissionsBoundary', { RoleName: ROLE, PermissionsBoundary: POLICY });
  const remove = () => engine.call('iam', 'DeletePolicy', { PolicyArn: POLICY });
  await expect(remove()).rejects.toMatchObject({ code: 'DeleteConflict' });
  await engine.call('iam', 'DeleteRolePermissionsBoundary', { RoleName: ROLE });
  await remove();
});
