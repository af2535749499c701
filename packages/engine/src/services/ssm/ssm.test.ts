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

describe('a listing', () => {
  async function several() {
    const { engine } = await world();
    const put = (Name: string, more: object = {}) =>
      engine.call('ssm', 'PutParameter', { Name, Value: '1', Type: 'String', ...more });
    await put('/app/a', { Description: 'first', Tags: [{ Key: 'stage', Value: 'prod' }] });
    await put('/app/b/c', { Type: 'StringList', Tags: [{ Key: 'stage', Value: 'dev' }] });
    await put('other', { Tier: 'Advanced', Value: 'x'.repeat(5_000) });
    const names = async (ParameterFilters: object[], more: object = {}) =>
      (
        await engine.call('ssm', 'DescribeParameters', { ParameterFilters, ...more } as never)
      ).Parameters?.map(({ Name }) => Name);
    return { engine, names };
  }

  test.each<[object, string[]]>([
    [{ Key: 'Name', Values: ['other', '/app/a'] }, ['/app/a', 'other']],
    [{ Key: 'Name', Option: 'BeginsWith', Values: ['/app'] }, ['/app/a', '/app/b/c']],
    [{ Key: 'Name', Option: 'Contains', Values: ['the'] }, ['other']],
    [{ Key: 'Type', Values: ['StringList'] }, ['/app/b/c']],
    [{ Key: 'Tier', Values: ['Advanced'] }, ['other']],
    [{ Key: 'Path', Values: ['/app'] }, ['/app/a']],
    [{ Key: 'Path', Option: 'Recursive', Values: ['/app'] }, ['/app/a', '/app/b/c']],
    [{ Key: 'tag:stage', Values: ['prod'] }, ['/app/a']],
    [{ Key: 'tag:stage' }, ['/app/a', '/app/b/c']],
  ])('holds what passes %j', async (filter, expected) => {
    expect(await (await several()).names([filter])).toEqual(expected);
  });

  test('holds what passes all filters, of the older form too, and says all that is known', async () => {
    const { engine, names } = await several();
    expect(
      await names([
        { Key: 'tag:stage', Values: ['prod'] },
        { Key: 'Type', Values: ['StringList'] },
      ]),
    ).toEqual([]);
    const { Parameters } = await engine.call('ssm', 'DescribeParameters', {
      Filters: [{ Key: 'Name', Values: ['/app/a'] }],
    });
    expect(Parameters).toMatchObject([
      { Name: '/app/a', Description: 'first', Tier: 'Standard', DataType: 'text', ARN: expect.any(String) },
    ]);
  });

  test.each([
    [{ Key: 'Label', Values: ['x'] }, 'InvalidFilterKey'],
    [{ Key: 'constructor', Values: ['x'] }, 'InvalidFilterKey'],
    [{ Key: 'Name', Option: 'EndsWith', Values: ['x'] }, 'InvalidFilterOption'],
    [{ Key: 'Name', Values: [] }, 'InvalidFilterValue'],
  ])('refuses %j', async (filter, code) => {
    await expect((await several()).names([filter])).rejects.toMatchObject({ code });
  });

  test('comes in pages', async () => {
    const { engine } = await several();
    const first = await engine.call('ssm', 'DescribeParameters', { MaxResults: 2 });
    const NextToken = first.NextToken!;
    const second = await engine.call('ssm', 'DescribeParameters', { MaxResults: 2, NextToken });
    expect([first, second].map(({ Parameters }) => Parameters?.length)).toEqual([2, 1]);
    expect(second.NextToken).toBeUndefined();
  });
});

test.each([0, 11])('a page of %i parameters below a path is refused', async (MaxResults) => {
  const { engine } = await world('one');
  await expect(engine.call('ssm', 'GetParametersByPath', { Path: '/', MaxResults })).rejects.toMatchObject({
    code: 'ValidationException',
    message: expect.stringContaining("at 'maxResults' failed to satisfy constraint"),
  });
});

test('tags of a parameter are kept, changed and listed; there are none of a parameter that is not', async () => {
  const { engine } = await world('one');
  const on = { ResourceType: 'Parameter' as const, ResourceId: NAME };
  await engine.call('ssm', 'AddTagsToResource', {
    ...on,
    Tags: [
      { Key: 'a', Value: '1' },
      { Key: 'b', Value: '2' },
    ],
  });
  await engine.call('ssm', 'RemoveTagsFromResource', { ...on, TagKeys: ['a'] });
  const { TagList } = await engine.call('ssm', 'ListTagsForResource', on);
  expect(TagList).toEqual([{ Key: 'b', Value: '2' }]);
  const missing = { ...on, ResourceId: '/nobody' };
  await expect(engine.call('ssm', 'AddTagsToResource', { ...missing, Tags: [] })).rejects.toMatchObject({
    code: 'InvalidResourceId',
  });
});

test.each<[string, object]>([
  ['a type that is none', { Type: 'Bogus' }],
  ['a reserved name', { Name: 'ssm.x' }],
  ['a reserved path', { Name: '/AWS/x' }],
  ['tags when it overwrites', { Overwrite: true, Tags: [{ Key: 'a', Value: '1' }] }],
  ['policies', { Policies: '[{"Type":"Expiration"}]' }],
])('a parameter with %s is refused', async (_what, change) => {
  const { engine } = await world();
  await expect(
    engine.call('ssm', 'PutParameter', { Name: '/x', Value: '1', Type: 'String', ...change } as never),
  ).rejects.toMatchObject({ code: 'ValidationException' });
});

test('a parameter keeps its tier and its pattern when it is overwritten', async () => {
  const { engine } = await world();
  const put = (more: object) =>
    engine.call('ssm', 'PutParameter', { Name: '/x', Type: 'String', Overwrite: true, ...more } as never);
  expect(await put({ Value: 'a', Tier: 'Advanced', AllowedPattern: '[a-z]+' })).toEqual({
    Version: 1,
    Tier: 'Advanced',
  });
  expect(await put({ Value: 'b' })).toEqual({ Version: 2, Tier: 'Advanced' });
  await expect(put({ Value: '1' })).rejects.toMatchObject({ code: 'ParameterPatternMismatchException' });
  await expect(put({ Value: 'b', Tier: 'Standard' })).rejects.toMatchObject({ code: 'ValidationException' });
});

test('no more than ten parameters are read at once', async () => {
  const { engine } = await world();
  const Names = Array.from({ length: 11 }, (_, index) => `/p${index}`);
  await expect(engine.call('ssm', 'GetParameters', { Names })).rejects.toMatchObject({
    code: 'ValidationException',
  });
});
