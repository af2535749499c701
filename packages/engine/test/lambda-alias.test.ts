import { EventBridge } from '@aws-sdk/client-eventbridge';
import { Lambda } from '@aws-sdk/client-lambda';
import { expect, test } from 'vitest';
import { ByteIds, type EngineOptions } from '../src/index.ts';
import { CloudFormationWorld } from './cloudformation-world.ts';
import { bundle, LambdaWorld } from './lambda-world.ts';

const answering = (answer: string) =>
  `exports.handler = async (event, context) => ['${answer}', context.invokedFunctionArn.split(':function:')[1]];`;

/** A function `shop` with two versions that answer "one" and "two". */
async function versions(options: Partial<EngineOptions> = {}) {
  const world = await LambdaWorld.start(options);
  const lambda = new Lambda(world.engine.client);
  const role = await world.role('fn', ['sqs:SendMessage']);
  await world.create('shop', answering('one'), role, { Publish: true });
  await lambda.updateFunctionCode({ FunctionName: 'shop', ZipFile: bundle(answering('two')), Publish: true });
  const { AliasArn } = await lambda.createAlias({ FunctionName: 'shop', Name: 'live', FunctionVersion: '1' });
  return {
    world,
    lambda,
    alias: AliasArn!,
    answer: async (name: string) => (await world.invoke(name)).answer,
  };
}

test('an alias serves the version that it points to, and the function knows by which name it was called', async () => {
  const { world, lambda, alias, answer } = await versions();
  expect(alias).toBe('arn:aws:lambda:us-east-1:000000000000:function:shop:live');
  expect(await answer('shop')).toEqual(['two', 'shop']);
  expect(await answer(alias)).toEqual(['one', 'shop:live']);
  expect(await answer('shop:1')).toEqual(['one', 'shop:1']);
  expect(await world.invoke('shop', {}, { Qualifier: 'live' })).toMatchObject({ ExecutedVersion: '1' });
  expect(await lambda.getFunctionConfiguration({ FunctionName: alias })).toMatchObject({
    FunctionArn: alias,
    Version: '1',
  });
  const named = { FunctionName: 'shop', Name: 'live' };
  await lambda.updateAlias({ ...named, FunctionVersion: '2', Description: 'newer' });
  expect(await answer('shop:live')).toEqual(['two', 'shop:live']);
  expect(await lambda.getAlias(named)).toMatchObject({ FunctionVersion: '2', Description: 'newer' });
  expect((await lambda.listAliases({ FunctionName: 'shop' })).Aliases).toMatchObject([{ Name: 'live' }]);
  expect((await lambda.listAliases({ FunctionName: 'shop', FunctionVersion: '1' })).Aliases).toEqual([]);
  await lambda.deleteAlias(named);
  await expect(answer('shop:live')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});

test.each([
  [0.29, 'two'],
  [0.3, 'one'],
])(
  'of an alias with another version at weight 0.3, the draw %d is served by version %s',
  async (draw, version) => {
    const { lambda, answer } = await versions({ ids: Object.assign(new ByteIds(), { random: () => draw }) });
    await lambda.updateAlias({
      ...{ FunctionName: 'shop', Name: 'live' },
      RoutingConfig: { AdditionalVersionWeights: { 2: 0.3 } },
    });
    expect(await answer('shop:live')).toEqual([version, 'shop:live']);
  },
);

test('a rule reaches an alias that its own policy lets it call', async () => {
  const { world, lambda, alias } = await versions();
  const events = new EventBridge(world.engine.client);
  const { RuleArn } = await events.putRule({ Name: 'orders', EventPattern: '{"source":["shop"]}' });
  await events.putTargets({ Rule: 'orders', Targets: [{ Id: 'fn', Arn: alias }] });
  const permission = {
    ...{ FunctionName: 'shop', StatementId: 'rule', Action: 'lambda:InvokeFunction' },
    ...{ Principal: 'events.amazonaws.com', SourceArn: RuleArn },
  };
  await lambda.addPermission({ ...permission, Qualifier: 'live' });
  const policy = await lambda.getPolicy({ FunctionName: 'shop', Qualifier: 'live' });
  expect(JSON.parse(policy.Policy!).Statement).toMatchObject([{ Resource: alias }]);
  const after = world.engine.journal.seq;
  await events.putEvents({ Entries: [{ Source: 'shop', DetailType: 'Order', Detail: '{}' }] });
  const invoked = await world.engine.journal.waitFor(({ type }) => type === 'function.invoked', after);
  expect(invoked.detail).toMatchObject({ functionName: 'shop', version: '1' });
});

test('events for an alias follow the settings of the alias, and their records name it', async () => {
  const { world, lambda, alias } = await versions();
  const { arn, url } = await world.queue('done');
  await lambda.putFunctionEventInvokeConfig({
    FunctionName: alias,
    DestinationConfig: { OnSuccess: { Destination: arn } },
  });
  await world.invoke(alias, {}, { InvocationType: 'Event' });
  const record = JSON.parse((await world.receive(url)).Body!);
  expect(record).toMatchObject({
    requestContext: { functionArn: alias },
    responseContext: { executedVersion: '1' },
    responsePayload: ['one', 'shop:live'],
  });
});

test('what no alias may be is refused, and a version that one points to cannot be deleted', async () => {
  const { lambda } = await versions();
  const named = { FunctionName: 'shop', Name: 'live', FunctionVersion: '1' };
  await expect(lambda.createAlias(named)).rejects.toMatchObject({ name: 'ResourceConflictException' });
  for (const [change, message] of [
    [{ Name: '12' }, /Name: "12"/],
    [{ Name: 'next', FunctionVersion: '9' }, /Function not found.*:9/],
    [{ Name: 'next', FunctionVersion: 'live' }, /FunctionVersion: "live"/],
    [
      { Name: 'next', RoutingConfig: { AdditionalVersionWeights: { 2: 1.5 } } },
      /AdditionalVersionWeights: 1\.5/,
    ],
    [
      { Name: 'next', FunctionVersion: '$LATEST', RoutingConfig: { AdditionalVersionWeights: { 2: 0.5 } } },
      /\$LATEST is not supported for an alias pointing to more than 1 version/,
    ],
  ] as const) {
    await expect(lambda.createAlias({ ...named, ...change })).rejects.toThrow(message);
  }
  await expect(lambda.deleteFunction({ FunctionName: 'shop', Qualifier: '1' })).rejects.toMatchObject({
    name: 'ResourceConflictException',
    message: expect.stringContaining('live'),
  });
});

test('AWS::Lambda::Alias points to a version, moves with its stack, and Ref is its ARN', async () => {
  const world = await CloudFormationWorld.start();
  const template = (FunctionVersion: string, rest: object = {}) => ({
    Resources: {
      Alias: {
        Type: 'AWS::Lambda::Alias',
        Properties: { FunctionName: 'shop', Name: 'live', FunctionVersion, ...rest },
      },
    },
    Outputs: { Arn: { Value: { Ref: 'Alias' } } },
  });
  const functions = new LambdaWorld(world.engine);
  const lambda = new Lambda(world.engine.client);
  await functions.create('shop', answering('one'), await functions.role('fn', []), { Publish: true });
  await lambda.updateFunctionCode({ FunctionName: 'shop', ZipFile: bundle(answering('two')), Publish: true });
  const stack = await world.create('app', template('1', { Description: 'first' }));
  const arn = stack.Outputs![0]!.OutputValue!;
  expect((await functions.invoke(arn)).answer).toEqual(['one', 'shop:live']);
  const RoutingConfig = { AdditionalVersionWeights: [{ FunctionVersion: '1', FunctionWeight: 0.1 }] };
  await world.update('app', template('2', { RoutingConfig }));
  const read = () => lambda.getAlias({ FunctionName: 'shop', Name: 'live' });
  expect(await read()).toMatchObject({
    FunctionVersion: '2',
    Description: '',
    RoutingConfig: { AdditionalVersionWeights: { 1: 0.1 } },
  });
  await world.update('app', template('2'));
  expect((await read()).RoutingConfig).toBeUndefined();
  await world.delete('app');
  await expect(read()).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});
