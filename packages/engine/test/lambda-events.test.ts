import {
  EventBridgeClient,
  PutEventsCommand,
  PutRuleCommand,
  PutTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import { DeleteRoleCommand, IAMClient } from '@aws-sdk/client-iam';
import {
  AddPermissionCommand,
  DeleteFunctionConcurrencyCommand,
  DeleteFunctionEventInvokeConfigCommand,
  GetFunctionEventInvokeConfigCommand,
  GetPolicyCommand,
  InvokeCommand,
  LambdaClient,
  PutFunctionConcurrencyCommand,
  PutFunctionEventInvokeConfigCommand,
  RemovePermissionCommand,
  UpdateFunctionEventInvokeConfigCommand,
} from '@aws-sdk/client-lambda';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../src/clock/virtual-clock.ts';
import { ByteIds } from '../src/index.ts';
import { ECHO, LambdaWorld } from './lambda-world.ts';

const FAIL = `let attempts = 0;
exports.handler = async () => { throw new Error('attempt ' + ++attempts); };`;

const event = (world: LambdaWorld, FunctionName: string, payload: unknown) =>
  world.invoke(FunctionName, payload, { InvocationType: 'Event' });

const invocations = (world: LambdaWorld) =>
  world.engine.journal.read().filter(({ type }) => type === 'function.invoked');

describe('an asynchronous event', () => {
  test('is accepted at once and handed to the function', async () => {
    const world = await LambdaWorld.start();
    await world.create('fn', ECHO, await world.role('fn', []));
    const after = world.engine.journal.seq;
    expect(await event(world, 'fn', {})).toMatchObject({ StatusCode: 202, answer: undefined });
    const { detail } = await world.engine.journal.waitFor(({ type }) => type === 'function.invoked', after);
    expect(detail).toMatchObject({ functionName: 'fn', invocationType: 'Event' });
  });

  test('may be handed over again under its request id although nothing failed, as Lambda does now and then', async () => {
    class Rarest extends ByteIds {
      override random(): number {
        return 0.9999;
      }
    }
    const world = await LambdaWorld.start({ ids: new Rarest(), pace: 600 });
    await world.create('fn', ECHO, await world.role('fn', []));
    const after = world.engine.journal.seq;
    await event(world, 'fn', {});
    const invoked = ({ type }: { readonly type: string }) => type === 'function.invoked';
    const first = await world.engine.journal.waitFor(invoked, after);
    const second = await world.engine.journal.waitFor(invoked, first.seq);
    expect(second.detail.requestId).toBe(first.detail.requestId);
  });

  test('waits for a time of its own, so that a later one may come before it', async () => {
    const drawn = [0.9, 0.1];
    class Overtaking extends ByteIds {
      override random(): number {
        return drawn.shift() ?? 0.5;
      }
    }
    const clock = new VirtualClock();
    const world = await LambdaWorld.start({ clock, pace: 1, ids: new Overtaking() });
    await world.create('fn', ECHO, await world.role('fn', []));
    drawn.splice(0, drawn.length, 0.9, 0.1);
    const after = world.engine.journal.seq;
    const invoked = ({ type }: { readonly type: string }) => type === 'function.invoked';
    const sent = [await event(world, 'fn', 1), await event(world, 'fn', 2)].map(
      ({ $metadata }) => $metadata.requestId,
    );
    await clock.advanceBy(100);
    const first = await world.engine.journal.waitFor(invoked, after);
    await clock.advanceBy(400);
    const second = await world.engine.journal.waitFor(invoked, first.seq);
    expect([second, first].map(({ detail }) => detail.requestId)).toEqual(sent);
  });

  test('that fails is tried three times under one request id, then goes to the dead-letter queue', async () => {
    const world = await LambdaWorld.start();
    const queue = await world.queue('dead');
    await world.create('fn', FAIL, await world.role('fn', ['sqs:SendMessage']), {
      DeadLetterConfig: { TargetArn: queue.arn },
    });
    await event(world, 'fn', { order: 1 });
    const message = await world.receive(queue.url);
    expect(JSON.parse(message.Body!)).toEqual({ order: 1 });
    const tried = invocations(world).map(({ detail }) => [detail.requestId, detail.error]);
    const requestId = message.MessageAttributes?.RequestID?.StringValue;
    expect(tried).toEqual([
      [requestId, 'Error: attempt 1'],
      [requestId, 'Error: attempt 2'],
      [requestId, 'Error: attempt 3'],
    ]);
    expect(message.MessageAttributes).toMatchObject({
      ErrorCode: { StringValue: '200' },
      ErrorMessage: { StringValue: 'attempt 3' },
    });
  });

  test('leaves a record at the destination for its outcome', async () => {
    const world = await LambdaWorld.start();
    const done = await world.queue('done');
    const failed = await world.queue('failed');
    await world.create(
      'fn',
      `exports.handler = async ({ fail }) => { if (fail) throw new Error('asked to'); return 'fine'; };`,
      await world.role('fn', ['sqs:SendMessage']),
    );
    await world.lambda.send(
      new PutFunctionEventInvokeConfigCommand({
        FunctionName: 'fn',
        MaximumRetryAttempts: 0,
        DestinationConfig: {
          OnSuccess: { Destination: done.arn },
          OnFailure: { Destination: failed.arn },
        },
      }),
    );
    await event(world, 'fn', { fail: false });
    await event(world, 'fn', { fail: true });
    expect(JSON.parse((await world.receive(done.url)).Body!)).toMatchObject({
      version: '1.0',
      requestContext: {
        functionArn: 'arn:aws:lambda:us-east-1:000000000000:function:fn:$LATEST',
        condition: 'Success',
        approximateInvokeCount: 1,
      },
      requestPayload: { fail: false },
      responseContext: { statusCode: 200, executedVersion: '$LATEST' },
      responsePayload: 'fine',
    });
    expect(JSON.parse((await world.receive(failed.url)).Body!)).toMatchObject({
      requestContext: { condition: 'RetriesExhausted', approximateInvokeCount: 1 },
      requestPayload: { fail: true },
      responseContext: { functionError: 'Unhandled' },
      responsePayload: { errorType: 'Error', errorMessage: 'asked to' },
    });
  });

  test('that the role may not send on is told as undeliverable', async () => {
    const world = await LambdaWorld.start();
    const queue = await world.queue('dead');
    await world.create('fn', FAIL, await world.role('fn', []), {
      DeadLetterConfig: { TargetArn: queue.arn },
    });
    const undeliverable = world.engine.journal.waitFor(({ type }) => type === 'destination.failed');
    await event(world, 'fn', {});
    expect((await undeliverable).detail).toMatchObject({
      destination: queue.arn,
      code: 'AccessDeniedException',
    });
  });

  test('waits for room and runs as soon as there is some', async () => {
    const world = await LambdaWorld.start();
    const FunctionName = 'fn';
    await world.create(FunctionName, ECHO, await world.role('fn', []));
    await world.lambda.send(
      new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 0 }),
    );
    await event(world, FunctionName, {});
    await event(world, FunctionName, {});
    expect(invocations(world)).toEqual([]);
    await world.lambda.send(
      new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 1 }),
    );
    const isInvoked = ({ type }: { type: string }) => type === 'function.invoked';
    const first = await world.engine.journal.waitFor(isInvoked, 0);
    const second = await world.engine.journal.waitFor(isInvoked, first.seq);
    expect(second.detail.requestId).not.toBe(first.detail.requestId);
    // One at a time: the second found the process of the first warm.
    expect(first.detail.initDurationMs).toBeDefined();
    expect(second.detail.initDurationMs).toBeUndefined();
    await world.lambda.send(new DeleteFunctionConcurrencyCommand({ FunctionName }));
  });

  test('that finds no room for too long is given up', async () => {
    const clock = new VirtualClock();
    const world = await LambdaWorld.start({ clock });
    const FunctionName = 'fn';
    const queue = await world.queue('dead');
    await world.create(FunctionName, ECHO, await world.role('fn', ['sqs:SendMessage']));
    await world.lambda.send(
      new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 0 }),
    );
    await world.lambda.send(
      new PutFunctionEventInvokeConfigCommand({
        FunctionName,
        MaximumEventAgeInSeconds: 60,
        DestinationConfig: { OnFailure: { Destination: queue.arn } },
      }),
    );
    await event(world, FunctionName, { order: 1 });
    const dropped = world.engine.journal.waitFor(({ type }) => type === 'event.dropped');
    await clock.advanceBy(60_000);
    expect((await dropped).detail).toMatchObject({ condition: 'EventAgeExceeded', attempts: 0 });
    expect(JSON.parse((await world.receive(queue.url)).Body!)).toMatchObject({
      requestContext: { condition: 'EventAgeExceeded', approximateInvokeCount: 0 },
      requestPayload: { order: 1 },
    });
  });

  test('of a function whose role has vanished is given up after its attempts', async () => {
    const world = await LambdaWorld.start();
    await world.create('fn', ECHO, await world.role('fleeting', []));
    await new IAMClient(world.engine.client).send(new DeleteRoleCommand({ RoleName: 'fleeting' }));
    const dropped = world.engine.journal.waitFor(({ type }) => type === 'event.dropped');
    await event(world, 'fn', {});
    expect((await dropped).detail).toMatchObject({
      condition: 'RetriesExhausted',
      attempts: 3,
      error: expect.stringContaining('does not exist') as string,
    });
  });
});

test('asynchronous settings are kept, changed in part and removed', async () => {
  const world = await LambdaWorld.start();
  const FunctionName = 'fn';
  await world.create(FunctionName, ECHO, await world.role('fn', []));
  const get = () => world.lambda.send(new GetFunctionEventInvokeConfigCommand({ FunctionName }));
  await expect(get()).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  await world.lambda.send(new PutFunctionEventInvokeConfigCommand({ FunctionName, MaximumRetryAttempts: 1 }));
  await world.lambda.send(
    new UpdateFunctionEventInvokeConfigCommand({ FunctionName, MaximumEventAgeInSeconds: 120 }),
  );
  expect(await get()).toMatchObject({ MaximumRetryAttempts: 1, MaximumEventAgeInSeconds: 120 });
  await world.lambda.send(
    new PutFunctionEventInvokeConfigCommand({ FunctionName, MaximumEventAgeInSeconds: 300 }),
  );
  expect((await get()).MaximumRetryAttempts).toBeUndefined();
  await world.lambda.send(new DeleteFunctionEventInvokeConfigCommand({ FunctionName }));
  await expect(get()).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});

describe("a function's own policy", () => {
  test('admits exactly the rule that it names', async () => {
    const world = await LambdaWorld.start();
    const FunctionName = 'fn';
    const { FunctionArn } = await world.create(FunctionName, ECHO, await world.role('fn', []));
    const events = new EventBridgeClient(world.engine.client);
    const rule = async (Name: string, source: string) => {
      const { RuleArn } = await events.send(
        new PutRuleCommand({ Name, EventPattern: JSON.stringify({ source: [source] }) }),
      );
      await events.send(new PutTargetsCommand({ Rule: Name, Targets: [{ Id: 'fn', Arn: FunctionArn! }] }));
      return RuleArn!;
    };
    const SourceArn = await rule('admitted', 'shop');
    await rule('stranger', 'other');
    const { Statement } = await world.lambda.send(
      new AddPermissionCommand({
        FunctionName,
        StatementId: 'rule',
        Action: 'lambda:InvokeFunction',
        Principal: 'events.amazonaws.com',
        SourceArn,
        SourceAccount: '000000000000',
      }),
    );
    expect(JSON.parse(Statement!)).toEqual({
      Sid: 'rule',
      Effect: 'Allow',
      Principal: { Service: 'events.amazonaws.com' },
      Action: 'lambda:InvokeFunction',
      Resource: FunctionArn,
      Condition: {
        StringEquals: { 'AWS:SourceAccount': '000000000000' },
        ArnLike: { 'AWS:SourceArn': SourceArn },
      },
    });
    const put = (Source: string) =>
      events.send(new PutEventsCommand({ Entries: [{ Source, DetailType: 'x', Detail: '{}' }] }));
    const { journal } = world.engine;
    const invoked = journal.waitFor(({ type }) => type === 'function.invoked');
    await put('shop');
    expect((await invoked).detail).toMatchObject({ functionName: FunctionName });
    const dropped = journal.waitFor(({ source, type }) => source === 'events' && type === 'event.dropped');
    await put('other');
    expect(JSON.stringify((await dropped).detail)).toContain('lambda:InvokeFunction');
    expect(invocations(world)).toHaveLength(1);
  });

  test('admits a role that has no permission of its own, until the statement is removed', async () => {
    const world = await LambdaWorld.start();
    const FunctionName = 'fn';
    await world.create(FunctionName, ECHO, await world.role('fn', []));
    const guest = await world.role('guest', [], 'account');
    const lambda = new LambdaClient(await world.as(guest));
    const invoke = () => lambda.send(new InvokeCommand({ FunctionName }));
    await expect(invoke()).rejects.toMatchObject({ name: 'AccessDeniedException' });
    const permission = {
      FunctionName,
      StatementId: 'guest',
      Action: 'lambda:InvokeFunction',
      Principal: guest,
    };
    await world.lambda.send(new AddPermissionCommand(permission));
    await expect(world.lambda.send(new AddPermissionCommand(permission))).rejects.toMatchObject({
      name: 'ResourceConflictException',
    });
    expect((await invoke()).StatusCode).toBe(200);
    const { Policy } = await world.lambda.send(new GetPolicyCommand({ FunctionName }));
    expect(JSON.parse(Policy!)).toMatchObject({ Statement: [{ Sid: 'guest', Principal: { AWS: guest } }] });
    await world.lambda.send(new RemovePermissionCommand({ FunctionName, StatementId: 'guest' }));
    await expect(invoke()).rejects.toMatchObject({ name: 'AccessDeniedException' });
    await expect(world.lambda.send(new GetPolicyCommand({ FunctionName }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });
});
