import { describe, expect, test } from 'vitest';
import { EcsWorld, ecsWorld, NETWORK } from './test/ecs-world.ts';

const breaker = { deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: true } } };

/** A steady service of two tasks of the first revision. */
async function steadyService(more: Parameters<EcsWorld['createService']>[1] = breaker): Promise<EcsWorld> {
  const world = await ecsWorld();
  await world.createService(await world.register(), more);
  await world.pass(40);
  return world;
}

async function deployments(world: EcsWorld) {
  const { deployments: list } = await world.service();
  return list!.map(({ status, taskDefinition, rolloutState, runningCount }) => [
    status,
    taskDefinition!.split('/')[1],
    rolloutState,
    runningCount,
  ]);
}

const messages = async (world: EcsWorld) =>
  (await world.service()).events!.map(({ message }) => message!.replace(/\(service stable\) /, '')).reverse();

describe('a deployment', () => {
  test('completes 40 seconds after its tasks run, and the service is steady', async () => {
    const world = await ecsWorld();
    await world.createService(await world.register());
    await world.pass(39.9);
    expect(await deployments(world)).toEqual([['PRIMARY', 'worker:1', 'IN_PROGRESS', 2]]);
    expect(world.entries('service.steady')).toEqual([]);
    await world.pass(0.1);
    expect(await deployments(world)).toEqual([['PRIMARY', 'worker:1', 'COMPLETED', 2]]);
    expect(world.events('ECS Service Action').map(({ eventName }) => eventName)).toEqual([
      'SERVICE_STEADY_STATE',
    ]);
  });

  test('keeps the old tasks until the new ones are healthy', async () => {
    const world = await steadyService();
    await world.update({ taskDefinition: await world.register() });
    await world.pass(39);
    expect(await deployments(world)).toEqual([
      ['PRIMARY', 'worker:2', 'IN_PROGRESS', 2],
      ['ACTIVE', 'worker:1', 'COMPLETED', 2],
    ]);
    await world.pass(1);
    expect(await deployments(world)).toEqual([['PRIMARY', 'worker:2', 'COMPLETED', 2]]);
  });

  test('is not made by another count, nor by the same task definition, but by force', async () => {
    const world = await steadyService();
    const before = (await world.service()).deployments![0]!.id;
    await world.update({ desiredCount: 3, taskDefinition: 'worker:1' });
    await world.pass(40);
    expect((await world.service()).deployments).toMatchObject([{ id: before, runningCount: 3 }]);
    await world.update({ forceNewDeployment: true });
    await world.pass(40);
    const { deployments: after } = await world.service();
    expect(after).toHaveLength(1);
    expect(after![0]!.id).not.toBe(before);
  });

  test.each([
    ['another strategy', [{ capacityProvider: 'FARGATE_SPOT', weight: 1 }]],
    ['an empty strategy', []],
  ])('that changes to %s must be forced', async (_what, capacityProviderStrategy) => {
    const world = await steadyService({
      capacityProviderStrategy: [{ capacityProvider: 'FARGATE', weight: 1 }],
    });
    const before = (await world.service()).deployments![0]!.id;
    const refusal = /making a change to a capacity provider strategy .* you must force a new deployment/;
    await expect(world.update({ capacityProviderStrategy })).rejects.toThrow(refusal);
    await expect(
      world.update({ capacityProviderStrategy, taskDefinition: await world.register() }),
    ).rejects.toThrow(refusal);
    expect((await world.service()).deployments).toMatchObject([{ id: before }]);
    await world.update({ capacityProviderStrategy, forceNewDeployment: true });
    await world.pass(40);
    expect((await world.service()).capacityProviderStrategy ?? []).toEqual(capacityProviderStrategy);
  });

  test('that changes from a launch type to a strategy must be forced, one that names the same strategy need not', async () => {
    const capacityProviderStrategy = [{ capacityProvider: 'FARGATE', weight: 1 }];
    const world = await steadyService();
    await expect(world.update({ capacityProviderStrategy })).rejects.toThrow(/switching from launch type/);
    await world.update({ capacityProviderStrategy, forceNewDeployment: true });
    await world.pass(40);
    const before = (await world.service()).deployments![0]!.id;
    await world.update({ capacityProviderStrategy: [{ ...capacityProviderStrategy[0]!, base: 0 }] });
    expect((await world.service()).deployments).toMatchObject([{ id: before }]);
  });

  test('pins the digest that its first task pulled', async () => {
    const world = await steadyService();
    const { currentServiceRevisions } = await world.service();
    const { serviceRevisions } = await world.ecs('DescribeServiceRevisions', {
      serviceRevisionArns: [currentServiceRevisions![0]!.arn!],
    });
    const digest = serviceRevisions![0]!.containerImages![0]!.imageDigest;
    expect(digest).toMatch(/^sha256:/);
    await world.update({ desiredCount: 3 });
    await world.settled();
    expect(world.runner.tasks.map(({ spec }) => spec.image.reference)).toEqual([digest, digest, digest]);
  });
});

test('ECS Exec is recorded of a service and its tasks, and needs a task role', async () => {
  const world = await ecsWorld();
  await world.createService(await world.register(), { enableExecuteCommand: true });
  await world.settled();
  expect(await world.service()).toMatchObject({ enableExecuteCommand: true });
  expect((await world.tasks()).map((task) => task.enableExecuteCommand)).toEqual([true, true]);
  await world.update({ desiredCount: 1 });
  expect(await world.service()).toMatchObject({ enableExecuteCommand: true });
  await world.update({ enableExecuteCommand: false });
  expect(await world.service()).toMatchObject({ enableExecuteCommand: false });
  const { taskDefinition } = await world.ecs('RegisterTaskDefinition', {
    ...{ family: 'bare', networkMode: 'awsvpc', cpu: '256', memory: '512' },
    executionRoleArn: world.roleArn,
    containerDefinitions: [{ name: 'worker', image: '127.0.0.1:4566/worker:latest' }],
  });
  await expect(
    world.update({ enableExecuteCommand: true, taskDefinition: taskDefinition!.taskDefinitionArn! }),
  ).rejects.toThrow('a valid taskRoleArn is not being used');
  const run = { cluster: 'main', enableExecuteCommand: true, networkConfiguration: NETWORK };
  await expect(world.ecs('RunTask', { ...run, taskDefinition: 'bare' })).rejects.toThrow(
    'a valid taskRoleArn',
  );
  const overrides = { taskRoleArn: world.roleArn };
  expect(await world.ecs('RunTask', { ...run, taskDefinition: 'bare', overrides })).toMatchObject({
    tasks: [{ enableExecuteCommand: true }],
  });
});

describe('a version that does not start', () => {
  test('is rolled back after three failures, and the old tasks never stop', async () => {
    const world = await steadyService();
    const old = (await world.tasks()).map(({ taskArn }) => taskArn);
    await world.update({ taskDefinition: await world.register({ command: ['missing'] }) });
    await world.settled();
    expect(await deployments(world)).toEqual([['PRIMARY', 'worker:1', 'COMPLETED', 2]]);
    expect((await world.tasks()).map(({ taskArn }) => taskArn)).toEqual(old);
    expect((await world.service()).taskDefinition).toMatch(/worker:1$/);
    expect((await messages(world)).filter((message) => !message.startsWith('has started'))).toEqual([
      expect.stringMatching(/^\(deployment ecs-svc\/\d+\) deployment completed\.$/),
      'has reached a steady state.',
      expect.stringMatching(/^is unable to consistently start tasks successfully\./),
      expect.stringMatching(/^\(deployment ecs-svc\/\d+\) deployment failed: tasks failed to start\.$/),
      expect.stringMatching(/^rolling back to deployment ecs-svc\/\d+\.$/),
      expect.stringMatching(/^\(deployment ecs-svc\/\d+\) deployment completed\.$/),
      'has reached a steady state.',
    ]);
    const { serviceDeployments } = await world.ecs('ListServiceDeployments', {
      cluster: 'main',
      service: 'stable',
    });
    const { serviceDeployments: described } = await world.ecs('DescribeServiceDeployments', {
      serviceDeploymentArns: [serviceDeployments![0]!.serviceDeploymentArn!],
    });
    expect(described![0]).toMatchObject({
      status: 'ROLLBACK_SUCCESSFUL',
      deploymentCircuitBreaker: { status: 'TRIGGERED', threshold: 3 },
      rollback: { reason: 'Service deployment rolled back because of: tasks failed to start.' },
    });
  });

  test('as the first one fails without anything to go back to, and is not started again', async () => {
    const world = await ecsWorld();
    await world.createService(await world.register({ command: ['missing'] }), breaker);
    await world.settled();
    const started = world.runner.tasks.length;
    await world.pass(3600);
    expect(world.runner.tasks).toHaveLength(started);
    expect(await deployments(world)).toEqual([['PRIMARY', 'worker:1', 'FAILED', 0]]);
    const { serviceDeployments } = await world.ecs('ListServiceDeployments', {
      cluster: 'main',
      service: 'stable',
    });
    expect(serviceDeployments).toMatchObject([
      { status: 'ROLLBACK_FAILED', statusReason: 'No rollback candidate was found to run the rollback.' },
    ]);
  });

  test('without a circuit breaker is restarted ever more slowly', async () => {
    const world = await ecsWorld();
    await world.createService(await world.register({ command: ['missing'] }), { desiredCount: 1 });
    await world.settled();
    const starts = () => world.runner.tasks.length;
    expect(starts()).toBe(3);
    await world.pass(10);
    expect(starts()).toBe(4);
    await world.pass(10);
    expect(starts()).toBe(4);
    await world.pass(10);
    expect(starts()).toBe(5);
  });
});

describe('a version that runs and then exits', () => {
  test('is no failure of its deployment, which goes on without end', async () => {
    const world = await steadyService();
    await world.update({ taskDefinition: await world.register({ command: ['crash'] }) });
    await world.pass(3600);
    expect(await deployments(world)).toEqual([
      ['PRIMARY', 'worker:2', 'IN_PROGRESS', 0],
      ['ACTIVE', 'worker:1', 'COMPLETED', 2],
    ]);
    expect((await world.service()).deployments![0]).toMatchObject({ failedTasks: 0 });
    expect((await world.tasks('STOPPED')).length).toBeGreaterThan(50);
  });

  test('before its health check has passed is a failure', async () => {
    const world = await steadyService();
    const healthCheck = { command: ['CMD-SHELL', 'test -f /ready'], interval: 10, retries: 2 };
    await world.update({ taskDefinition: await world.register({ command: ['crash'], healthCheck }) });
    await world.pass(3600);
    expect(await deployments(world)).toEqual([['PRIMARY', 'worker:1', 'COMPLETED', 2]]);
  });
});

describe('a running task that ends by itself', () => {
  test('is replaced at once, and is no failure once it was healthy', async () => {
    const world = await steadyService();
    world.runner.tasks[0]!.exit({ exitCode: 9 });
    await world.settled();
    expect(await world.service()).toMatchObject({ runningCount: 2, deployments: [{ failedTasks: 0 }] });
    expect(await world.tasks('STOPPED')).toMatchObject([
      {
        stopCode: 'EssentialContainerExited',
        stoppedReason: 'Essential container in task exited',
        containers: [{ exitCode: 9 }],
      },
    ]);
  });

  test('during a deployment is replaced by its own version', async () => {
    const world = await steadyService();
    const [old] = world.runner.tasks;
    await world.update({ taskDefinition: await world.register({ command: ['new'] }) });
    await world.pass(1);
    old!.exit();
    await world.settled();
    expect(world.runner.tasks.at(-1)!.spec.command).toBeUndefined();
  });
});

describe('a container health check', () => {
  const healthCheck = { command: ['CMD-SHELL', 'test -f /ready'], interval: 10, retries: 2 };

  test('decides when a task is healthy', async () => {
    const world = await ecsWorld();
    await world.createService(await world.register({ healthCheck }));
    await world.pass(9);
    expect(await world.tasks()).toMatchObject([{ healthStatus: 'UNKNOWN' }, { healthStatus: 'UNKNOWN' }]);
    await world.pass(1);
    expect(await world.tasks()).toMatchObject([{ healthStatus: 'HEALTHY' }, { healthStatus: 'HEALTHY' }]);
    expect(await deployments(world)).toEqual([['PRIMARY', 'worker:1', 'COMPLETED', 2]]);
    const probe = world.runner.tasks.find(({ spec }) => spec.id.includes('-health-'))!;
    expect(probe.spec.entryPoint).toEqual(['/bin/sh', '-c', 'test -f /ready']);
  });

  test('that keeps failing trips the circuit breaker', async () => {
    const world = await steadyService();
    world.runner.healthExitCode = 1;
    await world.update({ taskDefinition: await world.register({ healthCheck }) });
    await world.pass(120);
    expect(await deployments(world)).toEqual([['PRIMARY', 'worker:1', 'COMPLETED', 2]]);
    const stopped = await world.tasks('STOPPED');
    expect(stopped.map(({ stoppedReason }) => stoppedReason)).toContain(
      'Task failed container health checks',
    );
  });
});

describe('deployment alarms', () => {
  const alarms = {
    deploymentConfiguration: { alarms: { alarmNames: ['errors', 'latency'], enable: true, rollback: true } },
  };

  async function watched(): Promise<EcsWorld> {
    const world = await ecsWorld();
    world.alarms.set('errors', 'OK').set('latency', 'OK');
    await world.createService(await world.register(), alarms);
    await world.pass(40 + 120);
    return world;
  }

  test('keep a finished rollout under watch for as long as they need to evaluate', async () => {
    const world = await watched();
    await world.update({ taskDefinition: await world.register() });
    await world.pass(40 + 119);
    expect(await deployments(world)).toEqual([
      ['PRIMARY', 'worker:2', 'IN_PROGRESS', 2],
      ['ACTIVE', 'worker:1', 'COMPLETED', 0],
    ]);
    await world.pass(1);
    expect(await deployments(world)).toEqual([['PRIMARY', 'worker:2', 'COMPLETED', 2]]);
  });

  test('roll the deployment back when one goes off, even after the old tasks have gone', async () => {
    const world = await watched();
    await world.update({ taskDefinition: await world.register() });
    await world.pass(60);
    world.setAlarm('errors', 'ALARM');
    await world.pass(40);
    expect(await deployments(world)).toEqual([['PRIMARY', 'worker:1', 'COMPLETED', 2]]);
    expect(await messages(world)).toContainEqual(
      expect.stringContaining('deployment failed: alarm detected: errors.'),
    );
  });

  test('that were in ALARM before are ignored', async () => {
    const world = await watched();
    world.setAlarm('errors', 'ALARM');
    await world.update({ taskDefinition: await world.register() });
    await world.pass(60);
    world.setAlarm('errors', 'ALARM');
    await world.pass(100);
    expect(await deployments(world)).toEqual([['PRIMARY', 'worker:2', 'COMPLETED', 2]]);
  });
});

describe('stopping a deployment by hand', () => {
  async function underWay(): Promise<{ world: EcsWorld; serviceDeploymentArn: string }> {
    const world = await steadyService();
    await world.update({ taskDefinition: await world.register() });
    await world.pass(10);
    return { world, serviceDeploymentArn: (await world.service()).currentServiceDeployment! };
  }

  test('with ROLLBACK restores what completed last', async () => {
    const { world, serviceDeploymentArn } = await underWay();
    await world.ecs('StopServiceDeployment', { serviceDeploymentArn, stopType: 'ROLLBACK' });
    await world.settled();
    expect(await deployments(world)).toEqual([['PRIMARY', 'worker:1', 'COMPLETED', 2]]);
    await expect(world.ecs('StopServiceDeployment', { serviceDeploymentArn })).rejects.toMatchObject({
      code: 'ConflictException',
    });
  });

  test('with ABORT leaves everything as it is', async () => {
    const { world, serviceDeploymentArn } = await underWay();
    await world.ecs('StopServiceDeployment', { serviceDeploymentArn, stopType: 'ABORT' });
    await world.settled();
    expect(await deployments(world)).toEqual([
      ['PRIMARY', 'worker:2', 'FAILED', 2],
      ['ACTIVE', 'worker:1', 'COMPLETED', 2],
    ]);
  });

  test('is done as well by deploying the old revision over it', async () => {
    const { world } = await underWay();
    await world.update({ taskDefinition: 'worker:1' });
    await world.pass(40);
    expect(await deployments(world)).toEqual([['PRIMARY', 'worker:1', 'COMPLETED', 2]]);
    const { serviceDeployments } = await world.ecs('ListServiceDeployments', {
      cluster: 'main',
      service: 'stable',
    });
    expect(serviceDeployments!.map(({ status }) => status)).toEqual(['SUCCESSFUL', 'STOPPED', 'SUCCESSFUL']);
  });
});

describe('a protected task', () => {
  test('outlives a deployment until its protection ends', async () => {
    const world = await steadyService();
    const [task] = await world.tasks();
    const protection = { cluster: 'main', tasks: [task!.taskArn!] };
    await world.ecs('UpdateTaskProtection', { ...protection, protectionEnabled: true, expiresInMinutes: 10 });
    await world.update({ taskDefinition: await world.register() });
    await world.pass(599);
    expect((await world.tasks()).map(({ taskArn }) => taskArn)).toContain(task!.taskArn);
    expect((await world.ecs('GetTaskProtection', protection)).protectedTasks).toMatchObject([
      { protectionEnabled: true },
    ]);
    await world.pass(1);
    expect(await deployments(world)).toEqual([['PRIMARY', 'worker:2', 'COMPLETED', 2]]);
  });

  test('goes at once when it gives its protection back, and with its service', async () => {
    const world = await steadyService();
    const [task] = await world.tasks();
    const protection = { cluster: 'main', tasks: [task!.taskArn!] };
    await world.ecs('UpdateTaskProtection', { ...protection, protectionEnabled: true });
    await world.update({ desiredCount: 0 });
    await world.settled();
    expect(await world.tasks()).toHaveLength(1);
    await world.ecs('UpdateTaskProtection', { ...protection, protectionEnabled: false });
    await world.settled();
    expect(await world.tasks()).toEqual([]);
  });
});

describe('deleting a service', () => {
  test('needs force while something is desired, and ends when the tasks have', async () => {
    const world = await steadyService();
    await expect(world.ecs('DeleteService', { cluster: 'main', service: 'stable' })).rejects.toThrow(
      'The service cannot be stopped while it is scaled above 0.',
    );
    world.runner.ignoresStop = true;
    await world.ecs('DeleteService', { cluster: 'main', service: 'stable', force: true });
    await world.settled();
    expect(await world.service()).toMatchObject({ status: 'DRAINING', desiredCount: 0 });
    await expect(world.ecs('DeleteCluster', { cluster: 'main' })).rejects.toMatchObject({
      code: 'ClusterContainsServicesException',
    });
    for (const task of world.runner.tasks) task.exit();
    await world.settled();
    expect(await world.service()).toMatchObject({ status: 'INACTIVE', deployments: [] });
    await world.ecs('DeleteCluster', { cluster: 'main' });
  });
});

describe('an engine that was killed', () => {
  test('finds its tasks stopped and brings the service back', async () => {
    const world = await steadyService();
    world.state.flush();
    const again = await new EcsWorld(world.state).start();
    await again.pass(40);
    expect(await again.service()).toMatchObject({
      runningCount: 2,
      deployments: [{ rolloutState: 'COMPLETED' }],
    });
    expect((await again.tasks('STOPPED')).map(({ stopCode }) => stopCode)).toEqual([
      'InfrastructureHealth',
      'InfrastructureHealth',
    ]);
  });

  test('goes on with the deployment that was under way', async () => {
    const world = await steadyService();
    await world.update({ taskDefinition: await world.register() });
    await world.pass(10);
    world.state.flush();
    const again = await new EcsWorld(world.state).start();
    await again.pass(80);
    expect(await deployments(again)).toEqual([['PRIMARY', 'worker:2', 'COMPLETED', 2]]);
  });
});

describe('metrics', () => {
  test('of Container Insights count tasks and deployments every minute, and arrive late', async () => {
    const world = await steadyService();
    await world.pass(20);
    const counts = () => world.metrics.filter(({ namespace }) => namespace === 'ECS/ContainerInsights');
    expect(counts()).toEqual([]);
    await world.pass(150);
    expect(counts().slice(0, 4)).toEqual([
      { namespace: 'ECS/ContainerInsights', name: 'RunningTaskCount', value: 2 },
      { namespace: 'ECS/ContainerInsights', name: 'PendingTaskCount', value: 0 },
      { namespace: 'ECS/ContainerInsights', name: 'DesiredTaskCount', value: 2 },
      { namespace: 'ECS/ContainerInsights', name: 'DeploymentCount', value: 1 },
    ]);
  });
});

describe('capacity providers', () => {
  test('share the tasks of a service by base and weight', async () => {
    const world = await ecsWorld();
    await world.createService(await world.register(), {
      desiredCount: 4,
      capacityProviderStrategy: [
        { capacityProvider: 'FARGATE', base: 1, weight: 0 },
        { capacityProvider: 'FARGATE_SPOT', weight: 1 },
      ],
    });
    await world.settled();
    const providers = (await world.tasks()).map(({ capacityProviderName }) => capacityProviderName);
    expect(providers).toEqual(['FARGATE', 'FARGATE_SPOT', 'FARGATE_SPOT', 'FARGATE_SPOT']);
  });
});
