import { describe, expect, test } from 'vitest';
import { MemoryEngine } from '../test/memory-engine.ts';
import { createSsm } from './ssm.ts';

const NAME = '/app/release';
const ARN = `arn:aws:ssm:us-east-1:111122223333:parameter${NAME}`;

/** A parameter with as many versions as there are values. */
async function world(...values: string[]) {
  const engine = new MemoryEngine();
  await engine.add(createSsm);
  const put = (Value: string) =>
    engine.call('ssm', 'PutParameter', { Name: NAME, Value, Type: 'String', Overwrite: true });
  for (const value of values) await put(value);
  const get = async (Name: string) => (await engine.call('ssm', 'GetParameter', { Name })).Parameter;
  return { engine, get, put };
}

describe('a version', () => {
  test.each([
    [`${NAME}:1`, { Name: NAME, Value: 'one', Version: 1, Selector: ':1', ARN }],
    [`${NAME}:2`, { Name: NAME, Value: 'two', Version: 2, Selector: ':2', ARN }],
    [`${ARN}:1`, { Name: NAME, Value: 'one', Version: 1, Selector: ':1' }],
  ])('is read by its selector: %s', async (name, expected) => {
    const { get } = await world('one', 'two');
    expect(await get(name)).toMatchObject(expected);
  });

  test('without a selector is the latest', async () => {
    const { get } = await world('one', 'two');
    const parameter = await get(NAME);
    expect(parameter).toMatchObject({ Value: 'two', Version: 2 });
    expect(parameter).not.toHaveProperty('Selector');
  });

  test('that does not exist, or goes by a label, is refused by name', async () => {
    const { get } = await world('one');
    await expect(get(`${NAME}:2`)).rejects.toMatchObject({
      code: 'ParameterVersionNotFound',
      message: expect.stringContaining(`version 2 of ${NAME}`),
    });
    await expect(get(`${NAME}:stable`)).rejects.toMatchObject({
      code: 'ParameterVersionNotFound',
      message: expect.stringMatching(/stable.*does not support labels/),
    });
    await expect(get('/nobody:1')).rejects.toMatchObject({ code: 'ParameterNotFound' });
    await expect(get(`${NAME}:1:2`)).rejects.toMatchObject({ code: 'ValidationException' });
  });

  test('is found among several names, and what is not found is listed as it was asked for', async () => {
    const { engine } = await world('one', 'two');
    const Names = [`${NAME}:1`, `${NAME}:9`, '/nobody', NAME];
    const { Parameters, InvalidParameters } = await engine.call('ssm', 'GetParameters', { Names });
    expect(Parameters?.map(({ Value, Selector }) => [Value, Selector])).toEqual([
      ['one', ':1'],
      ['two', undefined],
    ]);
    expect(InvalidParameters).toEqual([`${NAME}:9`, '/nobody']);
  });

  test('is kept until there are a hundred newer ones, or the parameter is deleted', async () => {
    const { engine, get, put } = await world(...Array.from({ length: 101 }, (_, index) => `v${index + 1}`));
    await expect(get(`${NAME}:1`)).rejects.toMatchObject({ code: 'ParameterVersionNotFound' });
    expect(await get(`${NAME}:2`)).toMatchObject({ Value: 'v2' });
    await engine.call('ssm', 'DeleteParameter', { Name: NAME });
    await put('again');
    expect(await get(NAME)).toMatchObject({ Value: 'again', Version: 1 });
    await expect(get(`${NAME}:2`)).rejects.toMatchObject({ code: 'ParameterVersionNotFound' });
  });
});

test('whoever may read a parameter may read its versions', async () => {
  const { engine } = await world('one', 'two');
  const role = {
    roleName: 'reader',
    roleId: 'AROA',
    arn: 'arn:aws:iam::111122223333:role/reader',
    path: '/',
    trustPolicy: '{"Statement":[]}',
    inlinePolicies: {
      own: JSON.stringify({ Statement: [{ Effect: 'Allow', Action: 'ssm:GetParameter', Resource: ARN }] }),
    },
    attachedPolicyArns: [],
    description: undefined,
    maxSessionSeconds: 3600,
    createdAtMs: 0,
    tags: {},
  };
  engine.authorizer.store.roles.put(role.arn, role);
  const reader = engine.authorizer.session(role, 'test');
  const read = (Name: string) => engine.engine.call(reader, 'ssm', 'GetParameter', { Name });
  expect((await read(`${NAME}:1`)).Parameter?.Value).toBe('one');
  await expect(read('/app/other:1')).rejects.toMatchObject({ code: 'AccessDeniedException' });
});

test('a name with a selector is no name to write to, or to delete', async () => {
  const { engine, get } = await world('one');
  const Name = `${NAME}:1`;
  await expect(
    engine.call('ssm', 'PutParameter', { Name, Value: 'x', Type: 'String', Overwrite: true }),
  ).rejects.toMatchObject({ code: 'ValidationException' });
  await expect(engine.call('ssm', 'DeleteParameter', { Name })).rejects.toMatchObject({
    code: 'ValidationException',
  });
  expect(await get(NAME)).toMatchObject({ Value: 'one' });
});
