import { describe, expect, test } from 'vitest';
import type { Principal } from '../../iam/principal.ts';
import { type EcsWorld, ecsWorld, NETWORK } from './test/ecs-world.ts';

const logging = {
  logDriver: 'awslogs' as const,
  options: { 'awslogs-group': 'worker', 'awslogs-region': 'us-east-1', 'awslogs-stream-prefix': 'worker' },
};

async function run(world: EcsWorld, more: Parameters<EcsWorld['register']>[0] = {}) {
  const { tasks } = await world.ecs('RunTask', {
    cluster: 'main',
    taskDefinition: await world.register(more),
    networkConfiguration: NETWORK,
  });
  await world.settled();
  return { taskArn: tasks![0]!.taskArn!, id: tasks![0]!.taskArn!.split('/').at(-1)! };
}

async function describeTask(world: EcsWorld, taskArn: string) {
  return (await world.ecs('DescribeTasks', { cluster: 'main', tasks: [taskArn] })).tasks![0]!;
}

/** Why a task of this container did not start. */
async function failure(world: EcsWorld, more: Parameters<EcsWorld['register']>[0]) {
  const { taskArn } = await run(world, more);
  const { lastStatus, stopCode, stoppedReason } = await describeTask(world, taskArn);
  expect({ lastStatus, stopCode }).toEqual({ lastStatus: 'STOPPED', stopCode: 'TaskFailedToStart' });
  return stoppedReason;
}

test('a call to run a task that is repeated with its token runs no other', async () => {
  const world = await ecsWorld();
  const taskDefinition = await world.register();
  const run = { cluster: 'main', taskDefinition, networkConfiguration: NETWORK };
  const again = async (clientToken: string) =>
    (await world.ecs('RunTask', { ...run, clientToken })).tasks![0]!.taskArn;
  const first = await again('one');
  expect(await again('one')).toBe(first);
  expect(await again('two')).not.toBe(first);
  await expect(world.ecs('RunTask', { ...run, platformVersion: '9.9.9' })).rejects.toMatchObject({
    code: 'PlatformUnknownException',
  });
});

test('a cluster keeps how its commands would be run, and shows it to who asks', async () => {
  const world = await ecsWorld();
  const configuration = { executeCommandConfiguration: { logging: 'NONE' as const } };
  await world.ecs('UpdateCluster', { cluster: 'main', configuration });
  const shown = async (include: 'CONFIGURATIONS'[]) =>
    (await world.ecs('DescribeClusters', { clusters: ['main'], include })).clusters![0]!.configuration;
  expect(await shown(['CONFIGURATIONS'])).toEqual(configuration);
  expect(await shown([])).toBeUndefined();
});

describe('a task', () => {
  test('reports every step of its life, each with a higher version', async () => {
    const world = await ecsWorld();
    const { taskArn } = await run(world);
    await world.ecs('StopTask', { cluster: 'main', task: taskArn, reason: 'enough' });
    await world.settled();
    const events = world.events('ECS Task State Change');
    const steps = events.map(({ lastStatus, desiredStatus }) => `${lastStatus}/${desiredStatus}`);
    expect([...new Set(steps)]).toEqual([
      'PROVISIONING/RUNNING',
      'PENDING/RUNNING',
      'RUNNING/RUNNING',
      'DEACTIVATING/STOPPED',
      'STOPPING/STOPPED',
      'DEPROVISIONING/STOPPED',
      'STOPPED/STOPPED',
    ]);
    expect(events.map(({ version }) => version)).toEqual(events.map((_, index) => index + 1));
    expect(events.at(-1)).toMatchObject({
      taskArn,
      group: 'family:worker',
      stopCode: 'UserInitiated',
      stoppedReason: 'enough',
      containers: [{ name: 'worker', exitCode: 0, lastStatus: 'STOPPED' }],
    });
  });

  test('can be described for an hour after it stopped', async () => {
    const world = await ecsWorld();
    const { taskArn, id } = await run(world);
    world.runner.of(id).exit({ exitCode: 3 });
    await world.pass(3599);
    expect(await describeTask(world, taskArn)).toMatchObject({ lastStatus: 'STOPPED' });
    await world.pass(1);
    const { tasks, failures } = await world.ecs('DescribeTasks', { cluster: 'main', tasks: [taskArn] });
    expect({ tasks, failures }).toEqual({ tasks: [], failures: [{ arn: taskArn, reason: 'MISSING' }] });
  });

  test('gets its command, limits, environment and secrets from definition and overrides', async () => {
    const world = await ecsWorld();
    await world.register({
      command: ['serve'],
      memory: 256,
      stopTimeout: 7,
      environment: [
        { name: 'A', value: 'definition' },
        { name: 'B', value: 'definition' },
      ],
      secrets: [{ name: 'S', valueFrom: '/known' }],
    });
    await world.ecs('RunTask', {
      cluster: 'main',
      taskDefinition: 'worker',
      networkConfiguration: NETWORK,
      overrides: {
        containerOverrides: [
          { name: 'worker', command: ['once'], environment: [{ name: 'B', value: 'override' }] },
        ],
      },
    });
    await world.settled();
    const { spec } = world.runner.tasks[0]!;
    expect(spec).toMatchObject({
      command: ['once'],
      cpuUnits: 256,
      memoryMiB: 256,
      stopTimeoutMs: 7000,
      image: { repository: 'worker' },
      environment: { A: 'definition', B: 'override', S: 'hush', AWS_REGION: 'us-east-1' },
    });
    expect(spec.environment.ECS_CONTAINER_METADATA_URI_V4).toMatch(
      /^http:\/\/127\.0\.0\.1:4566\/ecs-agent\/[0-9a-f]{32}\/v4$/,
    );
    expect(Object.keys(spec.environment)).not.toContain('AWS_SECRET_ACCESS_KEY');
  });

  test('may name its image as AWS does', async () => {
    const world = await ecsWorld();
    const image = '000000000000.dkr.ecr.us-east-1.amazonaws.com/worker:v1';
    const { taskArn } = await run(world, { image });
    expect(await describeTask(world, taskArn)).toMatchObject({
      lastStatus: 'RUNNING',
      containers: [{ image, imageDigest: expect.stringMatching(/^sha256:/) }],
    });
  });

  test('writes its lines to its own log stream in order, to the last one', async () => {
    const world = await ecsWorld();
    const { id } = await run(world, { logConfiguration: logging });
    const task = world.runner.of(id);
    for (const text of ['one', 'two', '']) task.spec.onLog({ stream: 'stdout', text });
    task.exit();
    task.spec.onLog({ stream: 'stderr', text: 'three' });
    await world.settled();
    expect(world.logLines).toEqual(['one', 'two', 'three']);
  });

  test('goes on when its lines are refused, and says once that they are lost', async () => {
    const world = await ecsWorld();
    world.allow('ecr:*', 'logs:CreateLogStream');
    const { id, taskArn } = await run(world, { logConfiguration: logging });
    for (const text of ['one', 'two']) {
      world.runner.of(id).spec.onLog({ stream: 'stdout', text });
      await world.clock.advanceBy(5_000);
    }
    expect(world.entries('logs.lost')).toMatchObject([
      { detail: { task: id, reason: expect.stringContaining('logs:PutLogEvents') } },
    ]);
    expect(await describeTask(world, taskArn)).toMatchObject({ lastStatus: 'RUNNING' });
  });
});

describe('a task does not start, and says why, when', () => {
  test('its image is in no registry of the engine', async () => {
    expect(await failure(await ecsWorld(), { image: 'public.ecr.aws/nginx:1' })).toBe(
      'CannotPullContainerError: the local engine cannot pull "public.ecr.aws/nginx:1": it pulls only from its own registry, 127.0.0.1:4566/<repository> or 000000000000.dkr.ecr.us-east-1.amazonaws.com/<repository>. Push the image there.',
    );
  });

  test('its image is that of another account', async () => {
    const image = '111111111111.dkr.ecr.us-east-1.amazonaws.com/worker:1';
    expect(await failure(await ecsWorld(), { image })).toContain(`cannot pull "${image}"`);
  });

  test('its execution role may not log in to the registry', async () => {
    const world = await ecsWorld();
    world.allow('logs:*');
    expect(await failure(world, {})).toMatch(
      /^ResourceInitializationError: unable to pull secrets or registry auth: .*AccessDeniedException: User: arn:aws:sts::000000000000:assumed-role\/tasks\/[0-9a-f]{32} is not authorized to perform: ecr:GetAuthorizationToken on resource: \*/,
    );
  });

  test('its execution role may not pull, or there is no such repository', async () => {
    const world = await ecsWorld();
    const image = '127.0.0.1:4566/other:1';
    expect(await failure(world, { image })).toMatch(
      /^CannotPullContainerError: .*RepositoryNotFoundException/,
    );
    world.allow('ecr:GetAuthorizationToken');
    expect(await failure(world, {})).toMatch(/^CannotPullContainerError: .*ecr:BatchGetImage/);
  });

  test('its log stream cannot be created', async () => {
    const world = await ecsWorld();
    world.allow('ecr:*');
    expect(await failure(world, { logConfiguration: logging })).toMatch(
      /^ResourceInitializationError: failed to validate logger args: .*logs:CreateLogStream/,
    );
  });

  test('a secret is missing', async () => {
    expect(await failure(await ecsWorld(), { secrets: [{ name: 'S', valueFrom: '/gone' }] })).toMatch(
      /^ResourceInitializationError: .*invalid parameters: \/gone/,
    );
  });

  test('its role does not trust ECS', async () => {
    const world = await ecsWorld();
    const role = world.authorizer.store.roles.get(world.roleArn)!;
    const trustPolicy = JSON.stringify({
      Statement: [
        { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: 'lambda.amazonaws.com' } },
      ],
    });
    world.authorizer.store.roles.put(role.arn, { ...role, trustPolicy });
    expect(await failure(world, {})).toMatch(/^ECS was unable to assume the role/);
  });

  test.each([
    ['of the cluster', 'arn:aws:ecs:us-east-1:000000000000:*', /^ResourceInitializationError/],
    ['of another region', 'arn:aws:ecs:eu-west-1:000000000000:*', /^ECS was unable to assume the role/],
  ])('its role trusts ECS for tasks %s, and a secret is missing', async (_name, sourceArn, reason) => {
    const world = await ecsWorld();
    const role = world.authorizer.store.roles.get(world.roleArn)!;
    const trust = {
      Effect: 'Allow',
      Action: 'sts:AssumeRole',
      Principal: { Service: 'ecs-tasks.amazonaws.com' },
      Condition: {
        ArnLike: { 'aws:SourceArn': sourceArn },
        StringEquals: { 'aws:SourceAccount': '000000000000' },
      },
    };
    world.authorizer.store.roles.put(role.arn, {
      ...role,
      trustPolicy: JSON.stringify({ Statement: trust }),
    });
    expect(await failure(world, { secrets: [{ name: 'S', valueFrom: '/gone' }] })).toMatch(reason);
  });
});

describe('permissions', () => {
  const caller = (world: EcsWorld): Principal => ({
    kind: 'role',
    arn: 'arn:aws:sts::000000000000:assumed-role/tasks/caller',
    accountId: '000000000000',
    roleArn: world.roleArn,
  });

  function grant(world: EcsWorld, ...statements: unknown[]): void {
    const role = world.authorizer.store.roles.get(world.roleArn)!;
    world.authorizer.store.roles.put(role.arn, {
      ...role,
      inlinePolicies: { own: JSON.stringify({ Statement: statements }) },
    });
  }

  test('on tasks can be narrowed to a cluster, named or by ARN', async () => {
    const world = await ecsWorld();
    await world.ecs('CreateCluster', { clusterName: 'other' });
    const arn = 'arn:aws:ecs:us-east-1:000000000000:cluster/main';
    grant(world, {
      Effect: 'Allow',
      Action: 'ecs:ListTasks',
      Resource: '*',
      Condition: { ArnEquals: { 'ecs:cluster': arn } },
    });
    await expect(world.as(caller(world), 'ListTasks', { cluster: 'main' })).resolves.toMatchObject({
      taskArns: [],
    });
    await expect(world.as(caller(world), 'ListTasks', { cluster: arn })).resolves.toMatchObject({
      taskArns: [],
    });
    await expect(world.as(caller(world), 'ListTasks', { cluster: 'other' })).rejects.toMatchObject({
      code: 'AccessDeniedException',
    });
  });

  test('to register a task definition include passing its roles to ECS', async () => {
    const world = await ecsWorld();
    const definition = {
      family: 'worker',
      cpu: '256',
      memory: '512',
      taskRoleArn: world.roleArn,
      containerDefinitions: [{ name: 'worker', image: 'worker' }],
    };
    const register = { Effect: 'Allow', Action: 'ecs:RegisterTaskDefinition', Resource: '*' };
    grant(world, register);
    await expect(world.as(caller(world), 'RegisterTaskDefinition', definition)).rejects.toThrow(
      `is not authorized to perform: iam:PassRole on resource: ${world.roleArn}`,
    );
    grant(world, register, {
      Effect: 'Allow',
      Action: 'iam:PassRole',
      Resource: world.roleArn,
      Condition: { StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } },
    });
    await expect(world.as(caller(world), 'RegisterTaskDefinition', definition)).resolves.toMatchObject({
      taskDefinition: { revision: 1 },
    });
  });

  test('to choose the task definition of a service includes passing both of its roles, to change its count neither', async () => {
    const world = await ecsWorld();
    await world.createService(await world.register());
    const executionRoleArn = `${world.roleArn}-execution`;
    const { taskDefinition } = await world.ecs('RegisterTaskDefinition', {
      ...{ family: 'other', cpu: '256', memory: '512', taskRoleArn: world.roleArn, executionRoleArn },
      containerDefinitions: [{ name: 'worker', image: 'worker' }],
    });
    const service = { cluster: 'main', service: 'stable' };
    const change = { ...service, taskDefinition: taskDefinition!.taskDefinitionArn! };
    grant(
      world,
      { Effect: 'Allow', Action: 'ecs:UpdateService', Resource: '*' },
      { Effect: 'Allow', Action: 'iam:PassRole', Resource: world.roleArn },
    );
    await expect(world.as(caller(world), 'UpdateService', change)).rejects.toThrow(
      `is not authorized to perform: iam:PassRole on resource: ${executionRoleArn}`,
    );
    await expect(
      world.as(caller(world), 'UpdateService', { ...service, desiredCount: 1 }),
    ).resolves.toBeDefined();
  });
});

describe('stopping ECS', () => {
  test('ends every task, and starts none in its place', async () => {
    const world = await ecsWorld();
    await world.createService(await world.register());
    await world.settled();
    await world.stop();
    expect(world.runner.tasks.map(({ stopped }) => stopped)).toEqual([true, true]);
    expect(await world.tasks('STOPPED')).toMatchObject([
      { lastStatus: 'STOPPED', stopCode: 'InfrastructureHealth' },
      { lastStatus: 'STOPPED', stopCode: 'InfrastructureHealth' },
    ]);
  });
});
