import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  UpdateStackCommand,
} from '@aws-sdk/client-cloudformation';
import { DescribeServicesCommand, ECSClient } from '@aws-sdk/client-ecs';
import { ListQueuesCommand } from '@aws-sdk/client-sqs';
import { GetParameterCommand } from '@aws-sdk/client-ssm';
import { expect, onTestFinished, test } from 'vitest';
import { CloudFormationWorld } from './cloudformation-world.ts';

const named = (name: string, properties: object = {}, attributes: object = {}) => ({
  Type: 'AWS::SQS::Queue',
  Properties: { QueueName: name, ...properties },
  ...attributes,
});
const note = (value: unknown) => ({
  Type: 'AWS::SSM::Parameter',
  Properties: { Name: 'note', Type: 'String', Value: value },
});

function directoryForTest(): string {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Sends a command to an engine that dies when `logicalId` becomes `status`, and waits until it is dead. */
async function dieDuring(
  directory: string,
  logicalId: string,
  status: string,
  command: CreateStackCommand | UpdateStackCommand | DeleteStackCommand,
): Promise<void> {
  const child = spawn(
    process.execPath,
    [
      '--conditions=@queue-canary/source',
      new URL('./cloudformation-killed-engine.ts', import.meta.url).pathname,
      directory,
      logicalId,
      status,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const died = once(child, 'exit');
  await once(child.stdout, 'data');
  const { endpoint, region, accessKeyId, secretAccessKey } = JSON.parse(
    readFileSync(join(directory, 'engine.json'), 'utf8'),
  ) as Record<string, string>;
  const client = new CloudFormationClient({
    endpoint: endpoint!,
    region: region!,
    credentials: { accessKeyId: accessKeyId!, secretAccessKey: secretAccessKey! },
    maxAttempts: 1,
  });
  const answered = await client.send(command as CreateStackCommand).then(
    () => true,
    () => false,
  );
  if (answered) child.kill('SIGKILL');
  expect(answered, 'the engine was to die before it answered').toBe(false);
  const [, signal] = (await died) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
}

const queueNames = async (world: CloudFormationWorld) =>
  ((await world.sqs.send(new ListQueuesCommand({}))).QueueUrls ?? [])
    .map((url) => url.split('/').at(-1))
    .sort();

const template = {
  Resources: {
    First: named('first'),
    Second: named('second', {}, { DependsOn: 'First' }),
    Note: note({ 'Fn::GetAtt': ['Second', 'QueueName'] }),
  },
};

test.each(['CREATE_IN_PROGRESS', 'Resource creation Initiated', 'CREATE_COMPLETE'])(
  'a creation that dies when a resource is %s goes on to its end',
  async (status) => {
    const directory = directoryForTest();
    await dieDuring(
      directory,
      'Second',
      status,
      new CreateStackCommand({ StackName: 'app', TemplateBody: JSON.stringify(template) }),
    );
    const world = await CloudFormationWorld.start({ directory });
    expect((await world.settled('app')).StackStatus).toBe('CREATE_COMPLETE');
    expect(await queueNames(world)).toEqual(['first', 'second']);
    const { Parameter } = await world.ssm.send(new GetParameterCommand({ Name: 'note' }));
    expect(Parameter!.Value).toBe('second');
  },
);

test('a creation that dies while a service becomes steady goes on to its end', async () => {
  const directory = directoryForTest();
  const resources = {
    Cluster: { Type: 'AWS::ECS::Cluster' },
    Task: {
      Type: 'AWS::ECS::TaskDefinition',
      Properties: {
        Cpu: '256',
        Memory: '512',
        NetworkMode: 'awsvpc',
        RequiresCompatibilities: ['FARGATE'],
        ContainerDefinitions: [{ Name: 'worker', Image: 'none' }],
      },
    },
    Service: {
      Type: 'AWS::ECS::Service',
      Properties: {
        Cluster: { Ref: 'Cluster' },
        ServiceName: 'workers',
        TaskDefinition: { Ref: 'Task' },
        DesiredCount: 0,
        LaunchType: 'FARGATE',
        NetworkConfiguration: { AwsvpcConfiguration: { Subnets: ['subnet-1'] } },
      },
    },
  };
  await dieDuring(
    directory,
    'Service',
    'Resource creation Initiated',
    new CreateStackCommand({ StackName: 'app', TemplateBody: JSON.stringify({ Resources: resources }) }),
  );
  const world = await CloudFormationWorld.start({ directory });
  expect((await world.settled('app')).StackStatus).toBe('CREATE_COMPLETE');
  const { services } = await new ECSClient(world.engine.client).send(
    new DescribeServicesCommand({
      cluster: (await world.resources('app')).get('Cluster')!.PhysicalResourceId,
      services: ['workers'],
    }),
  );
  expect(services!.map(({ status }) => status)).toEqual(['ACTIVE']);
});

test('a creation that dies in its rollback rolls back to the end', async () => {
  const directory = directoryForTest();
  const failing = {
    Resources: { ...template.Resources, Bad: named('bad', { VisibilityTimeout: -1 }, { DependsOn: 'Note' }) },
  };
  await dieDuring(
    directory,
    'Second',
    'DELETE_COMPLETE',
    new CreateStackCommand({ StackName: 'app', TemplateBody: JSON.stringify(failing) }),
  );
  const world = await CloudFormationWorld.start({ directory });
  expect((await world.settled('app')).StackStatus).toBe('ROLLBACK_COMPLETE');
  expect(await queueNames(world)).toEqual([]);
});

test.each([
  ['UPDATE_IN_PROGRESS', 'Second'],
  ['UPDATE_COMPLETE', 'Second'],
  ['DELETE_IN_PROGRESS', 'Second'],
  ['UPDATE_COMPLETE', 'First'],
  ['CREATE_COMPLETE', 'Third'],
])('an update that dies at %s of %s goes on to its end', async (status, logicalId) => {
  const directory = directoryForTest();
  const first = await CloudFormationWorld.start({ directory });
  await first.create('app', template);
  await first.engine.close();
  const changed = {
    Resources: {
      First: named('first', { DelaySeconds: 7 }),
      Second: named('another', {}, { DependsOn: 'First' }),
      Third: named('third', {}, { DependsOn: 'Second' }),
      Note: note({ 'Fn::GetAtt': ['Second', 'QueueName'] }),
    },
  };
  await dieDuring(
    directory,
    logicalId,
    status,
    new UpdateStackCommand({ StackName: 'app', TemplateBody: JSON.stringify(changed) }),
  );
  const world = await CloudFormationWorld.start({ directory });
  expect((await world.settled('app')).StackStatus).toBe('UPDATE_COMPLETE');
  expect(await queueNames(world)).toEqual(['another', 'first', 'third']);
  const { Parameter } = await world.ssm.send(new GetParameterCommand({ Name: 'note' }));
  expect(Parameter!.Value).toBe('another');
});

test.each([
  ['UPDATE_COMPLETE', 'First'],
  ['UPDATE_COMPLETE', 'Second'],
  ['UPDATE_FAILED', 'Note'],
])('an update that dies at %s of %s and cannot succeed rolls back', async (status, logicalId) => {
  const directory = directoryForTest();
  const first = await CloudFormationWorld.start({ directory });
  await first.create('app', template);
  await first.engine.close();
  const changed = {
    Resources: {
      First: named('first', { DelaySeconds: 7 }),
      Second: named('another', {}, { DependsOn: 'First' }),
      Note: { ...note(''), DependsOn: 'Second' },
    },
  };
  await dieDuring(
    directory,
    logicalId,
    status,
    new UpdateStackCommand({ StackName: 'app', TemplateBody: JSON.stringify(changed) }),
  );
  const world = await CloudFormationWorld.start({ directory });
  expect((await world.settled('app')).StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE');
  expect(await queueNames(world)).toEqual(['first', 'second']);
  const { Parameter } = await world.ssm.send(new GetParameterCommand({ Name: 'note' }));
  expect(Parameter!.Value).toBe('second');
});

test('a deletion that dies goes on to its end', async () => {
  const directory = directoryForTest();
  const first = await CloudFormationWorld.start({ directory });
  const { StackId } = await first.create('app', template);
  await first.engine.close();
  await dieDuring(directory, 'Second', 'DELETE_IN_PROGRESS', new DeleteStackCommand({ StackName: 'app' }));
  const world = await CloudFormationWorld.start({ directory });
  expect((await world.settled(StackId!)).StackStatus).toBe('DELETE_COMPLETE');
  expect(await queueNames(world)).toEqual([]);
});
