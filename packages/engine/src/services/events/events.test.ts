import { describe, expect, test } from 'vitest';
import type { Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import { MemoryEngine } from '../test/memory-engine.ts';
import { createEvents } from './events.ts';

const FUNCTION = 'arn:aws:lambda:us-east-1:111122223333:function:watcher';
const QUEUE = 'arn:aws:sqs:us-east-1:111122223333:undelivered';
const PIPELINE = 'arn:aws:codepipeline:us-east-1:111122223333:ship';
const RULE = 'arn:aws:events:us-east-1:111122223333:rule/stops';

interface Sent {
  readonly principal: Principal;
  readonly body: Record<string, unknown>;
  readonly attributes: Record<string, string | undefined>;
}

class World extends MemoryEngine {
  readonly invoked: Sent[] = [];
  readonly dead: Sent[] = [];
  readonly started: Array<{ principal: Principal; name: string | undefined }> = [];
  /** What the function answers with, one fault for each attempt; then it accepts. */
  readonly faults: AwsFault[] = [];
  admits = RULE;

  static async create(options: ConstructorParameters<typeof MemoryEngine>[0] = {}): Promise<World> {
    const world = new World(options);
    const admitting = (action: string) => () =>
      JSON.stringify({
        Version: '2012-10-17',
        Statement: {
          Effect: 'Allow',
          Principal: { Service: 'events.amazonaws.com' },
          Action: action,
          Resource: '*',
          Condition: { ArnEquals: { 'aws:SourceArn': world.admits } },
        },
      });
    const lambda: Service<'lambda'> = {
      name: 'lambda',
      operations: {
        Invoke: {
          actions: () => ['lambda:InvokeFunction'],
          resources: ({ FunctionName }) => [FunctionName ?? ''],
          journaled: false,
          run: ({ Payload }, { principal }) => {
            const fault = world.faults.shift();
            if (fault) throw fault;
            const body = JSON.parse(Buffer.from(Payload as Uint8Array).toString());
            world.invoked.push({ principal, body, attributes: {} });
            return { StatusCode: 202 };
          },
        },
      },
      resourcePolicy: admitting('lambda:InvokeFunction'),
    };
    const sqs: Service<'sqs'> = {
      name: 'sqs',
      operations: {
        GetQueueUrl: { run: ({ QueueName }) => ({ QueueUrl: `http://127.0.0.1:1/${QueueName}` }) },
        SendMessage: {
          resources: () => [QUEUE],
          journaled: false,
          run: ({ MessageBody, MessageAttributes }, { principal }) => {
            world.dead.push({
              principal,
              body: JSON.parse(MessageBody ?? ''),
              attributes: Object.fromEntries(
                Object.entries(MessageAttributes ?? {}).map(([name, { StringValue }]) => [name, StringValue]),
              ),
            });
            return { MessageId: '1' };
          },
        },
      },
      resourcePolicy: admitting('sqs:SendMessage'),
    };
    const codepipeline: Service<'codepipeline'> = {
      name: 'codepipeline',
      operations: {
        StartPipelineExecution: {
          resources: ({ name }) => [`arn:aws:codepipeline:us-east-1:111122223333:${name}`],
          run: ({ name }, { principal }) => {
            world.started.push({ principal, name });
            return { pipelineExecutionId: '1' };
          },
        },
      },
    };
    await world.add(() => lambda);
    await world.add(() => sqs);
    await world.add(() => codepipeline);
    await world.add(createEvents);
    return world;
  }

  /** A rule on stopped tasks with one target. */
  async rule(target: Record<string, unknown> = {}): Promise<void> {
    await this.call('events', 'PutRule', {
      Name: 'stops',
      EventPattern: JSON.stringify({ source: ['aws.ecs'], detail: { lastStatus: ['STOPPED'] } }),
    });
    await this.call('events', 'PutTargets', {
      Rule: 'stops',
      Targets: [{ Id: 'fn', Arn: FUNCTION, ...target }],
    });
  }

  taskBecame(lastStatus: string): void {
    this.journal.publish({
      source: 'aws.ecs',
      'detail-type': 'ECS Task State Change',
      resources: ['arn:task'],
      detail: { lastStatus },
    });
  }
}

const busy = () => new AwsFault('TooManyRequestsException', 'Rate Exceeded.', 429);

describe('an event that matches a rule', () => {
  test('reaches the target in its envelope', async () => {
    const world = await World.create();
    await world.rule();
    world.taskBecame('RUNNING');
    world.taskBecame('STOPPED');
    await world.pass(1);
    expect(world.invoked.map(({ body }) => body)).toEqual([
      {
        version: '0',
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        'detail-type': 'ECS Task State Change',
        source: 'aws.ecs',
        account: '111122223333',
        time: '2026-01-01T00:00:00Z',
        region: 'us-east-1',
        resources: ['arn:task'],
        detail: { lastStatus: 'STOPPED' },
      },
    ]);
  });

  test('is delivered as the rule, within the target’s own policy', async () => {
    const world = await World.create();
    await world.rule();
    world.taskBecame('STOPPED');
    await world.pass(1);
    expect(world.invoked[0]!.principal).toMatchObject({ arn: 'events.amazonaws.com', sourceArn: RULE });
  });

  test('does not reach anyone while the rule is disabled', async () => {
    const world = await World.create();
    await world.rule();
    await world.call('events', 'DisableRule', { Name: 'stops' });
    world.taskBecame('STOPPED');
    await world.call('events', 'EnableRule', { Name: 'stops' });
    await world.pass(1);
    expect(world.invoked).toEqual([]);
  });

  test('starts a pipeline with the target’s role', async () => {
    const world = await World.create();
    const role = world.role('starter', 'events.amazonaws.com', {
      Effect: 'Allow',
      Action: 'codepipeline:StartPipelineExecution',
      Resource: PIPELINE,
    });
    await world.rule({ Arn: PIPELINE, RoleArn: role });
    world.taskBecame('STOPPED');
    await world.pass(1);
    expect(world.started).toMatchObject([{ name: 'ship', principal: { kind: 'role', roleArn: role } }]);
  });

  test.each([
    [RULE, 1],
    [`${RULE}-other`, 0],
  ])('starts a pipeline if the target’s role trusts the rule: %s', async (trusted, starts) => {
    const world = await World.create();
    const RoleArn = world.role('starter', 'events.amazonaws.com', {
      Effect: 'Allow',
      Action: 'codepipeline:StartPipelineExecution',
      Resource: PIPELINE,
    });
    const { roles } = world.authorizer.store;
    const trust = {
      Effect: 'Allow',
      Principal: { Service: 'events.amazonaws.com' },
      Action: 'sts:AssumeRole',
      Condition: {
        ArnEquals: { 'aws:SourceArn': trusted },
        StringEquals: { 'aws:SourceAccount': '111122223333' },
      },
    };
    roles.put(RoleArn, { ...roles.get(RoleArn)!, trustPolicy: JSON.stringify({ Statement: trust }) });
    await world.rule({ Arn: PIPELINE, RoleArn });
    world.taskBecame('STOPPED');
    await world.pass(1);
    expect(world.started).toHaveLength(starts);
  });
});

describe('a target that fails', () => {
  test('is tried again with growing pauses', async () => {
    const world = await World.create();
    await world.rule();
    world.faults.push(busy(), busy(), busy());
    world.taskBecame('STOPPED');
    await world.pass(0);
    expect(world.faults).toHaveLength(2);
    await world.pass(1.3);
    expect(world.faults).toHaveLength(1);
    await world.pass(10);
    expect(world.invoked).toHaveLength(1);
  });

  test('after its last attempt leaves the event to the dead-letter queue, with the reason', async () => {
    const world = await World.create();
    await world.rule({ RetryPolicy: { MaximumRetryAttempts: 1 }, DeadLetterConfig: { Arn: QUEUE } });
    world.faults.push(busy(), busy());
    world.taskBecame('STOPPED');
    await world.pass(10);
    expect(world.invoked).toEqual([]);
    expect(world.dead).toMatchObject([
      {
        principal: { arn: 'events.amazonaws.com', sourceArn: RULE },
        body: { detail: { lastStatus: 'STOPPED' } },
        attributes: {
          RULE_ARN: RULE,
          TARGET_ARN: FUNCTION,
          ERROR_CODE: 'THROTTLING',
          ERROR_MESSAGE: 'Rate Exceeded.',
          EXHAUSTED_RETRY_CONDITION: 'MaximumRetryAttempts',
          RETRY_ATTEMPTS: '1',
        },
      },
    ]);
  });

  test('gives up on an event that is too old', async () => {
    const world = await World.create();
    await world.rule({ RetryPolicy: { MaximumEventAgeInSeconds: 60 }, DeadLetterConfig: { Arn: QUEUE } });
    for (let attempt = 0; attempt < 20; attempt++) world.faults.push(busy());
    world.taskBecame('STOPPED');
    await world.pass(120);
    expect(world.dead[0]!.attributes.EXHAUSTED_RETRY_CONDITION).toBe('MaximumEventAgeInSeconds');
  });

  test('that does not admit the rule is not tried again', async () => {
    const world = await World.create();
    await world.rule();
    world.admits = `${RULE}-other`;
    world.taskBecame('STOPPED');
    await world.pass(1);
    expect(world.invoked).toEqual([]);
    expect(world.entries('event.dropped').map(({ detail }) => detail)).toMatchObject([
      { rule: 'stops', code: 'NO_PERMISSIONS', why: 'the target has no dead-letter queue' },
    ]);
  });

  test('whose dead-letter queue refuses too is told in the journal', async () => {
    const world = await World.create();
    await world.rule({ DeadLetterConfig: { Arn: QUEUE } });
    world.admits = `${RULE}-other`;
    world.taskBecame('STOPPED');
    await world.pass(1);
    expect(world.dead).toEqual([]);
    expect(world.entries('event.dropped')[0]!.detail.why).toMatch(/^the dead-letter queue refused it/);
  });

  test('whose role is gone leaves the event to the dead-letter queue', async () => {
    const world = await World.create();
    const role = world.role('starter', 'events.amazonaws.com');
    await world.rule({ Arn: PIPELINE, RoleArn: role, DeadLetterConfig: { Arn: QUEUE } });
    world.authorizer.store.roles.delete(role);
    world.taskBecame('STOPPED');
    await world.pass(1);
    expect(world.dead[0]!.attributes.ERROR_CODE).toBe('NO_PERMISSIONS');
  });
});

test('a matched event that was not delivered yet is delivered by the next engine', async () => {
  const first = await World.create();
  await first.rule();
  first.taskBecame('STOPPED');
  await first.stop();
  const second = await World.create({ state: first.state, clock: first.clock });
  await second.pass(1);
  expect(first.invoked).toEqual([]);
  expect(second.invoked).toHaveLength(1);
});

describe('a schedule', () => {
  const every = (world: World, ScheduleExpression: string) =>
    world
      .call('events', 'PutRule', { Name: 'stops', ScheduleExpression })
      .then(() =>
        world.call('events', 'PutTargets', { Rule: 'stops', Targets: [{ Id: 'fn', Arn: FUNCTION }] }),
      );

  test('fires at its rate', async () => {
    const world = await World.create();
    await every(world, 'rate(5 minutes)');
    await world.pass(601);
    expect(world.invoked.map(({ body }) => [body['detail-type'], body.source, body.resources])).toEqual([
      ['Scheduled Event', 'aws.events', [RULE]],
      ['Scheduled Event', 'aws.events', [RULE]],
    ]);
  });

  test('runs faster by the pace', async () => {
    const world = await World.create({ pace: 60 });
    await every(world, 'cron(0/2 * * * ? *)');
    await world.pass(6.5);
    expect(world.invoked).toHaveLength(3);
  });

  test('ends with its rule', async () => {
    const world = await World.create();
    await every(world, 'rate(1 minute)');
    await world.call('events', 'RemoveTargets', { Rule: 'stops', Ids: ['fn'] });
    await world.call('events', 'DeleteRule', { Name: 'stops' });
    await world.pass(300);
    expect(world.invoked).toEqual([]);
  });
});

describe('PutEvents', () => {
  test('sends events of one’s own through the rules', async () => {
    const world = await World.create();
    await world.call('events', 'PutRule', { Name: 'stops', EventPattern: '{"source":["shop"]}' });
    await world.call('events', 'PutTargets', { Rule: 'stops', Targets: [{ Id: 'fn', Arn: FUNCTION }] });
    const { Entries, FailedEntryCount } = await world.call('events', 'PutEvents', {
      Entries: [
        { Source: 'shop', DetailType: 'Order', Detail: '{"n":1}', Time: new Date('2025-06-01T10:00:00Z') },
      ],
    });
    await world.pass(1);
    expect(FailedEntryCount).toBe(0);
    expect(world.invoked[0]!.body).toMatchObject({
      id: Entries![0]!.EventId,
      time: '2025-06-01T10:00:00Z',
      detail: { n: 1 },
    });
  });

  test('refuses entries one by one', async () => {
    const world = await World.create();
    const { Entries, FailedEntryCount } = await world.call('events', 'PutEvents', {
      Entries: [
        { Source: 'aws.ecs', DetailType: 'x', Detail: '{}' },
        { Source: 'shop', DetailType: 'x', Detail: '[]' },
        { DetailType: 'x', Detail: '{}' },
        { Source: 'shop', DetailType: 'x', Detail: '{}' },
      ],
    });
    expect(FailedEntryCount).toBe(3);
    expect(Entries!.map(({ ErrorCode }) => ErrorCode)).toEqual([
      'NotAuthorizedForSourceException',
      'MalformedDetail',
      'InvalidArgument',
      undefined,
    ]);
  });
});

describe('rules', () => {
  test.each([
    ['a bad pattern', { EventPattern: '{"a":1}' }, 'InvalidEventPatternException'],
    ['a bad schedule', { ScheduleExpression: 'rate(0 minutes)' }, 'ValidationException'],
    ['neither', {}, 'ValidationException'],
    ['another bus', { EventPattern: '{"a":[1]}', EventBusName: 'mine' }, 'ResourceNotFoundException'],
  ])('with %s are refused', async (_what, input, code) => {
    const world = await World.create();
    await expect(world.call('events', 'PutRule', { Name: 'r', ...input })).rejects.toMatchObject({ code });
  });

  test.each([
    ['a stream', { Arn: 'arn:aws:kinesis:us-east-1:1:stream/x' }, 'does not deliver to'],
    ['a pipeline without a role', { Arn: PIPELINE }, 'RoleArn is required'],
    ['a task', { EcsParameters: { TaskDefinitionArn: 'x' } }, 'does not support EcsParameters'],
  ])('refuse %s as target', async (_what, target, message) => {
    const world = await World.create();
    await expect(world.rule(target)).rejects.toThrow(message);
  });

  test('with targets are not deleted', async () => {
    const world = await World.create();
    await world.rule();
    await expect(world.call('events', 'DeleteRule', { Name: 'stops' })).rejects.toThrow('has targets');
  });

  test('are found by their target', async () => {
    const world = await World.create();
    await world.rule();
    const { RuleNames } = await world.call('events', 'ListRuleNamesByTarget', { TargetArn: FUNCTION });
    expect(RuleNames).toEqual(['stops']);
    const { Targets } = await world.call('events', 'ListTargetsByRule', { Rule: 'stops' });
    expect(Targets).toEqual([{ Id: 'fn', Arn: FUNCTION }]);
  });

  test('keep their targets when they are put again', async () => {
    const world = await World.create();
    await world.rule();
    await world.call('events', 'PutRule', { Name: 'stops', EventPattern: '{"source":["aws.sqs"]}' });
    const { Targets } = await world.call('events', 'ListTargetsByRule', { Rule: 'stops' });
    expect(Targets).toHaveLength(1);
  });
});

test('TestEventPattern says whether an event matches', async () => {
  const world = await World.create();
  const { Result } = await world.call('events', 'TestEventPattern', {
    EventPattern: '{"source":["aws.ecs"]}',
    Event: '{"id":"1","source":"aws.ecs"}',
  });
  expect(Result).toBe(true);
});
