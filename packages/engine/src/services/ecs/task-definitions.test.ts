import type { ContainerDefinition, RegisterTaskDefinitionRequest } from '@aws-sdk/client-ecs';
import { describe, expect, test } from 'vitest';
import { checkTaskDefinition, parseFargateSize } from './task-definition-rules.ts';
import { ecsWorld } from './test/ecs-world.ts';

const definition = (
  container: Partial<ContainerDefinition> = {},
  more: Partial<RegisterTaskDefinitionRequest> = {},
): RegisterTaskDefinitionRequest => ({
  family: 'worker',
  requiresCompatibilities: ['FARGATE'],
  networkMode: 'awsvpc',
  cpu: '256',
  memory: '512',
  executionRoleArn: 'arn:aws:iam::000000000000:role/execution',
  containerDefinitions: [{ name: 'worker', image: 'worker', ...container }],
  ...more,
});

describe('Fargate sizes', () => {
  test.each([
    ['256', '512', 256, 512],
    ['.25 vCPU', '0.5 GB', 256, 512],
    ['1 vCPU', '2GB', 1024, 2048],
    ['4096', '30720', 4096, 30720],
    ['16384', '122880', 16384, 122880],
  ])('%s with %s is offered', (cpu, memory, units, mib) => {
    expect(parseFargateSize(cpu, memory)).toEqual({ cpu: units, memory: mib });
  });

  test.each([
    ['256', '4096'],
    ['512', '512'],
    ['300', '512'],
    ['8192', '17408'],
    ['lots', '512'],
  ])('%s with %s is not', (cpu, memory) => {
    expect(() => parseFargateSize(cpu, memory)).toThrow('No Fargate configuration exists for given values');
  });

  test('must be given', () => {
    expect(() => parseFargateSize(undefined, '512')).toThrow("Fargate requires that 'cpu' be defined");
  });
});

describe('a task definition is refused when', () => {
  test.each<[string, RegisterTaskDefinitionRequest, string]>([
    ['it has no container', definition({}, { containerDefinitions: [] }), 'Container list cannot be empty'],
    [
      'it has two',
      definition(
        {},
        {
          containerDefinitions: [
            { name: 'a', image: 'a' },
            { name: 'b', image: 'b' },
          ],
        },
      ),
      'one container per task; this definition has 2: a, b',
    ],
    ['it has volumes', definition({}, { volumes: [{ name: 'data' }] }), 'does not support volumes'],
    ['it is for EC2', definition({}, { requiresCompatibilities: ['EC2'] }), 'Fargate tasks only'],
    ['its network is the host', definition({}, { networkMode: 'host' }), "network mode 'awsvpc'"],
    ['its network is the usual one', definition({}, { networkMode: undefined }), "network mode 'awsvpc'"],
    [
      'neither the task nor its container has memory',
      { family: 'worker', containerDefinitions: [{ name: 'worker', image: 'worker' }] },
      "At least one of 'memory' or 'memoryReservation' must be specified.",
    ],
    ['its container is privileged', definition({ privileged: true }), 'do not support privileged'],
    ['it mounts something', definition({ mountPoints: [{ sourceVolume: 'x' }] }), 'worker].mountPoints'],
    ['it stops too slowly', definition({ stopTimeout: 121 }), 'at most 120 seconds'],
    ['its memory exceeds the task', definition({ memory: 600 }), 'between 4 and 512'],
    [
      'nobody may pull its image',
      definition(
        { image: '000000000000.dkr.ecr.us-east-1.amazonaws.com/w' },
        { executionRoleArn: undefined },
      ),
      'execution role ARN to support ECR images',
    ],
    [
      'its log driver is another',
      definition({ logConfiguration: { logDriver: 'splunk' } }),
      'logDriver splunk',
    ],
    [
      'its log has no prefix',
      definition({
        logConfiguration: { logDriver: 'awslogs', options: { 'awslogs-group': 'g', 'awslogs-region': 'r' } },
      }),
      'awslogs-stream-prefix',
    ],
    [
      'a secret has no source',
      definition({ secrets: [{ name: 'S', valueFrom: '' }] }),
      'Secret S of container',
    ],
    [
      'its health check is no command',
      definition({ healthCheck: { command: ['curl'] } }),
      'CMD or CMD-SHELL',
    ],
  ])('%s', (_why, input, message) => {
    expect(() => checkTaskDefinition(input)).toThrow(message);
  });

  test('nothing is wrong with it, it is not; what a process cannot feel is named', () => {
    const { recordedOnly } = checkTaskDefinition(
      definition({ portMappings: [{ containerPort: 80 }], readonlyRootFilesystem: true, stopTimeout: 120 }),
    );
    expect(recordedOnly).toEqual(['portMappings', 'readonlyRootFilesystem']);
  });
});

test('a task definition that asks for no launch type needs no size, and runs on Fargate only if it could', async () => {
  const world = await ecsWorld();
  const container = { name: 'worker', image: '127.0.0.1:4566/worker:latest', memory: 128 };
  const register = async (more: Partial<RegisterTaskDefinitionRequest>) =>
    (
      await world.ecs('RegisterTaskDefinition', {
        family: 'worker',
        executionRoleArn: world.roleArn,
        containerDefinitions: [container],
        ...more,
      })
    ).taskDefinition!;
  const small = await register({});
  expect(small).toMatchObject({ compatibilities: ['EC2'] });
  for (const absent of ['cpu', 'memory', 'networkMode', 'requiresCompatibilities'] as const)
    expect(small[absent]).toBeUndefined();
  const refusal = {
    code: 'InvalidParameterException',
    message: 'Task definition does not support launch_type FARGATE.',
  };
  const taskDefinition = small.taskDefinitionArn!;
  await expect(world.ecs('RunTask', { cluster: 'main', taskDefinition })).rejects.toMatchObject(refusal);
  await expect(world.createService(taskDefinition)).rejects.toMatchObject(refusal);
  const large = await register({ networkMode: 'awsvpc', cpu: '256', memory: '512' });
  expect(large).toMatchObject({ compatibilities: ['EC2', 'FARGATE'], cpu: '256', memory: '512' });
  await world.createService(large.taskDefinitionArn!);
  await expect(world.update({ taskDefinition })).rejects.toMatchObject(refusal);
});

describe('revisions', () => {
  test('are never used twice, and a bare family names the latest active one', async () => {
    const world = await ecsWorld();
    await world.register();
    await world.register();
    await world.ecs('DeregisterTaskDefinition', { taskDefinition: 'worker:2' });
    const latest = await world.ecs('DescribeTaskDefinition', { taskDefinition: 'worker' });
    expect(latest.taskDefinition).toMatchObject({ revision: 1, status: 'ACTIVE' });
    await world.ecs('DeleteTaskDefinitions', { taskDefinitions: ['worker:2'] });
    await world.register();
    const { taskDefinitionArns } = await world.ecs('ListTaskDefinitions', {
      familyPrefix: 'worker',
      sort: 'DESC',
    });
    expect(taskDefinitionArns!.map((arn) => arn.split('/')[1])).toEqual(['worker:3', 'worker:1']);
  });

  test('that are inactive run no more, but can be described', async () => {
    const world = await ecsWorld();
    await world.register();
    await world.ecs('DeregisterTaskDefinition', { taskDefinition: 'worker:1' });
    await expect(world.createService('worker:1')).rejects.toThrow('TaskDefinition is inactive');
    await expect(world.createService('worker')).rejects.toThrow('TaskDefinition not found.');
    expect(
      (await world.ecs('DescribeTaskDefinition', { taskDefinition: 'worker:1' })).taskDefinition,
    ).toMatchObject({ status: 'INACTIVE' });
    expect(await world.ecs('ListTaskDefinitionFamilies', { status: 'ACTIVE' })).toMatchObject({
      families: [],
    });
  });

  test('that a service may still start outlive their deletion', async () => {
    const world = await ecsWorld();
    await world.createService(await world.register(), { desiredCount: 0 });
    await world.ecs('DeregisterTaskDefinition', { taskDefinition: 'worker:1' });
    const deleted = await world.ecs('DeleteTaskDefinitions', { taskDefinitions: ['worker:1'] });
    expect(deleted.taskDefinitions).toMatchObject([{ status: 'DELETE_IN_PROGRESS' }]);
    await world.update({ desiredCount: 1 });
    await world.settled();
    expect(await world.service()).toMatchObject({ runningCount: 1 });
  });

  test('are deleted only once deregistered', async () => {
    const world = await ecsWorld();
    await world.register();
    const { failures } = await world.ecs('DeleteTaskDefinitions', {
      taskDefinitions: ['worker:1', 'gone:1'],
    });
    expect(failures).toMatchObject([
      { arn: 'worker:1', reason: 'INVALID_INPUT' },
      { arn: 'gone:1', reason: 'INVALID_INPUT' },
    ]);
  });
});

describe('a service is refused when', () => {
  test.each([
    [
      'the percentages block deployments',
      { minimumHealthyPercent: 100, maximumPercent: 100 },
      'block deployments',
    ],
    ['its strategy is not rolling', { strategy: 'BLUE_GREEN' as const }, 'deployment strategy BLUE_GREEN'],
    ['it may not even keep what is desired', { maximumPercent: 50 }, 'maximumPercent at least 100'],
  ])('%s', async (_why, deploymentConfiguration, message) => {
    const world = await ecsWorld();
    await expect(world.createService(await world.register(), { deploymentConfiguration })).rejects.toThrow(
      message,
    );
  });

  test('it needs a load balancer, or its name is taken', async () => {
    const world = await ecsWorld();
    const revision = await world.register();
    await expect(
      world.createService(revision, { loadBalancers: [{ targetGroupArn: 'x', containerPort: 80 }] }),
    ).rejects.toThrow('does not support loadBalancers');
    await world.createService(revision);
    await expect(world.createService(revision, { desiredCount: 5 })).rejects.toThrow(
      'Creation of service was not idempotent.',
    );
  });
});

test('tasks with network interfaces of their own are told where those are', async () => {
  const world = await ecsWorld();
  const taskDefinition = await world.register();
  const refusal = {
    code: 'InvalidParameterException',
    message: "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
  };
  const refused = (call: Promise<unknown>) => expect(call).rejects.toMatchObject(refusal);
  await refused(world.createService(taskDefinition, { networkConfiguration: undefined }));
  await refused(world.createService(taskDefinition, { networkConfiguration: {} }));
  await refused(world.ecs('RunTask', { cluster: 'main', taskDefinition }));
  await world.createService(taskDefinition, { desiredCount: 0 });
  await world.update({ taskDefinition: await world.register({ command: ['other'] }) });
});
