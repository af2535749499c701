import { describe, expect, test } from 'vitest';
import type { Outcome, Restore } from '../src/gateways.ts';
import type { Call } from './scripted-aws.ts';
import { at, digest, talking } from './talking.ts';

describe('the service gateway', () => {
  const definition = (image: string) => ({
    taskDefinition: {
      status: 'ACTIVE',
      containerDefinitions: [{ name: 'sidecar' }, { name: 'worker', image }],
    },
  });
  const service = (taskDefinition: string) => ({
    services: [
      {
        status: 'ACTIVE',
        desiredCount: 3,
        runningCount: 2,
        pendingCount: 1,
        deployments: [
          { id: 'old', status: 'ACTIVE', taskDefinition: 'td:1', rolloutState: 'COMPLETED', runningCount: 1 },
          {
            id: 'new',
            status: 'PRIMARY',
            taskDefinition,
            rolloutState: 'IN_PROGRESS',
            rolloutStateReason: 'under way',
            createdAt: at(3),
            runningCount: 1,
            pendingCount: 1,
          },
        ],
      },
    ],
  });

  test('reads the primary deployment and the digest of the worker container, each revision once', async () => {
    await talking(
      ({ operation }) =>
        operation === 'DescribeServices' ? service('td:2') : definition(`registry/app@${digest}`),
      async ({ services }, calls) => {
        await services.read('canary');
        expect(await services.read('canary')).toEqual({
          track: 'canary',
          name: 'canary-service',
          desired: 3,
          running: 2,
          pending: 1,
          primary: {
            id: 'new',
            taskDefinitionArn: 'td:2',
            rolloutState: 'IN_PROGRESS',
            rolloutReason: 'under way',
            createdAt: at(3) * 1000,
            running: 1,
            pending: 1,
          },
          others: [
            { id: 'old', taskDefinitionArn: 'td:1', rolloutState: 'COMPLETED', running: 1, pending: 0 },
          ],
          imageUri: `registry/app@${digest}`,
          imageDigest: digest,
        });
        expect(calls.filter(({ operation }) => operation === 'DescribeTaskDefinition')).toHaveLength(1);
      },
    );
  });

  test('knows no digest of an image named by tag', async () => {
    await talking(
      ({ operation }) =>
        operation === 'DescribeServices' ? service('td:2') : definition('registry/app:latest'),
      async ({ services }) => {
        expect(await services.read('stable')).not.toHaveProperty('imageDigest');
      },
    );
  });

  test('names the service that is missing, and the containers where the worker is missing', async () => {
    await talking(
      () => ({ services: [], failures: [{ reason: 'MISSING' }] }),
      async ({ services }) => {
        await expect(services.read('stable')).rejects.toThrow(
          'there is no stable service stable-service in cluster c (MISSING)',
        );
      },
    );
    await talking(
      ({ operation }) =>
        operation === 'DescribeServices'
          ? service('td:2')
          : { taskDefinition: { containerDefinitions: [{ name: 'app', image: 'i' }] } },
      async ({ services }) => {
        await expect(services.read('stable')).rejects.toThrow('no container named worker (it has app)');
      },
    );
  });

  test('knows where the tasks log, without another call for a task definition that it has read', async () => {
    const logging = {
      logDriver: 'awslogs',
      options: { 'awslogs-group': 'g', 'awslogs-region': 'us-east-1', 'awslogs-stream-prefix': 'p' },
    };
    await talking(
      ({ operation }) =>
        operation === 'DescribeServices'
          ? service('td:2')
          : {
              taskDefinition: {
                containerDefinitions: [{ name: 'worker', image: 'i', logConfiguration: logging }],
              },
            },
      async ({ services }, calls) => {
        await services.read('stable');
        const before = calls.length;
        expect(await services.log('td:2')).toEqual({ group: 'g', streamPrefix: 'p/worker/' });
        expect(calls).toHaveLength(before);
      },
    );
  });

  test.each([
    ['no log', undefined],
    ['another driver', { logDriver: 'splunk', options: { 'splunk-url': 'https://splunk' } }],
    ['no stream of its own for each task', { logDriver: 'awslogs', options: { 'awslogs-group': 'g' } }],
  ])('says what to do with a container that has %s', async (_what, logConfiguration) => {
    await talking(
      () => ({
        taskDefinition: { containerDefinitions: [{ name: 'worker', image: 'i', logConfiguration }] },
      }),
      async ({ services }) => {
        await expect(services.log('td:2')).rejects.toThrow(
          'container worker of task definition td:2 does not log to CloudWatch by task, so what its worker reports cannot be read; give it the log driver awslogs with awslogs-group and awslogs-stream-prefix',
        );
      },
    );
  });

  describe('restoring', () => {
    const imageUri = `r@sha256:${'a'.repeat(64)}`;
    const revision = (image: string, cpu: string, more: object = {}) => ({
      family: 'td',
      status: 'ACTIVE',
      registeredAt: 1,
      compatibilities: ['EC2', 'FARGATE'],
      cpu,
      containerDefinitions: [
        { name: 'log', image: 'router' },
        { name: 'worker', image },
      ],
      ...more,
    });
    const stack = { key: 'team', value: 'blue' };

    /** Restores stable from `td:2` to `td:1` by the given revisions, and says which calls that took. */
    async function restoring(
      revisions: Readonly<Record<string, object>>,
      restore: Partial<Restore> = {},
    ): Promise<{ outcome: Outcome; calls: readonly Call[] }> {
      return await talking(
        ({ operation, input }) => {
          if (operation === 'DescribeServices') return service('td:2');
          if (operation === 'RegisterTaskDefinition')
            return { taskDefinition: { taskDefinitionArn: 'td:3' } };
          if (operation !== 'DescribeTaskDefinition') return {};
          const taskDefinitionArn = String(input.taskDefinition);
          const found = revisions[taskDefinitionArn];
          if (found === undefined) return { error: 'ClientException' };
          const tags = [stack, { key: 'aws:cloudformation:stack-name', value: 's' }];
          return { taskDefinition: { ...found, taskDefinitionArn }, tags };
        },
        async ({ services }, calls) => {
          const outcome = await services.restore({
            track: 'stable',
            imageUri,
            taskDefinitionArn: 'td:1',
            observedTaskDefinitionArn: 'td:2',
            forceNew: false,
            ...restore,
          });
          return { outcome, calls: calls.filter(({ operation }) => !operation.startsWith('Describe')) };
        },
      );
    }

    test.each([
      ['conflict', 'td:1', 'td:3'],
      ['alreadyDone', 'td:2', 'td:3'],
    ])('is a %s when the service deploys something else', async (kind, taskDefinitionArn, observed) => {
      const { outcome, calls } = await restoring(
        {},
        { taskDefinitionArn, observedTaskDefinitionArn: observed },
      );
      expect(outcome).toMatchObject({ kind });
      expect(calls).toEqual([]);
    });

    test('deploys the recorded revision when only the image differs', async () => {
      const revisions = { 'td:1': revision(imageUri, '256'), 'td:2': revision('bad', '256') };
      const { outcome, calls } = await restoring(revisions);
      expect(outcome).toEqual({ kind: 'done' });
      expect(calls).toEqual([
        {
          operation: 'UpdateService',
          input: { cluster: 'c', service: 'stable-service', taskDefinition: 'td:1' },
        },
      ]);
    });

    test.each([
      ['a stack update has changed the configuration', { 'td:1': revision(imageUri, '256') }],
      ['the recorded one was deregistered', { 'td:1': revision(imageUri, '512', { status: 'INACTIVE' }) }],
      ['the recorded one was deleted', {}],
    ])('registers the image with the present configuration when %s', async (_when, recorded) => {
      const { calls } = await restoring({ ...recorded, 'td:2': revision('bad', '512') });
      expect(calls).toEqual([
        {
          operation: 'RegisterTaskDefinition',
          input: {
            family: 'td',
            cpu: '512',
            containerDefinitions: [
              { name: 'log', image: 'router' },
              { name: 'worker', image: imageUri },
            ],
            tags: [stack],
          },
        },
        {
          operation: 'UpdateService',
          input: { cluster: 'c', service: 'stable-service', taskDefinition: 'td:3' },
        },
      ]);
    });

    test('keeps nothing of a revision of another family', async () => {
      const foreign = revision('bad', '512', { family: 'somebody' });
      const { calls } = await restoring({ 'td:1': revision(imageUri, '256'), 'td:2': foreign });
      expect(calls.map(({ input }) => input.taskDefinition)).toEqual(['td:1']);
    });

    test('says what to do when no revision is left', async () => {
      await expect(restoring({})).rejects.toThrow(
        `neither td:2 nor td:1 exists any more, so nothing says how to run ${imageUri}; deploy the pipeline stack again`,
      );
    });

    test('deploys a revision again whose deployment failed', async () => {
      const { calls } = await restoring({}, { taskDefinitionArn: 'td:2', forceNew: true });
      expect(calls.map(({ input }) => input)).toEqual([
        expect.objectContaining({ taskDefinition: 'td:2', forceNewDeployment: true }),
      ]);
    });
  });

  test('starts the canary with its size, and stable with one task at least and the range that it scales in', async () => {
    await talking(
      () => ({}),
      async ({ services }, calls) => {
        expect(await services.start('canary')).toEqual({ kind: 'done' });
        expect(await services.start('stable')).toEqual({ kind: 'done' });
        expect(calls).toEqual([
          { operation: 'UpdateService', input: { cluster: 'c', service: 'canary-service', desiredCount: 2 } },
          {
            operation: 'RegisterScalableTarget',
            input: {
              ServiceNamespace: 'ecs',
              ScalableDimension: 'ecs:service:DesiredCount',
              ResourceId: 'service/c/stable-service',
              MinCapacity: 0,
              MaxCapacity: 9,
            },
          },
          { operation: 'UpdateService', input: { cluster: 'c', service: 'stable-service', desiredCount: 1 } },
        ]);
      },
    );
  });

  test.each([
    ['none', true],
    [`registry/worker@${digest}`, false],
  ])('that has no task and names image %s is started when it is restored: %s', async (image, started) => {
    await talking(
      ({ operation }) =>
        operation === 'DescribeServices'
          ? { services: [{ ...service('td:2').services[0], desiredCount: 0 }] }
          : {
              taskDefinition: {
                family: 'td',
                status: 'ACTIVE',
                containerDefinitions: [{ name: 'worker', image }],
              },
            },
      async ({ services }, calls) => {
        await services.restore({
          track: 'canary',
          imageUri: `registry/worker@${digest}`,
          taskDefinitionArn: 'td:1',
          observedTaskDefinitionArn: 'td:2',
          forceNew: false,
        });
        expect(calls.some(({ input }) => input.desiredCount === 2)).toBe(started);
      },
    );
  });
});

describe('the tasks of a service', () => {
  const task = (fields: object) => ({
    taskArn: 'arn:aws:ecs:us-east-1:1:task/c/1',
    startedAt: at(1),
    startedBy: 'ecs-svc/1',
    ...fields,
  });
  const began = { id: '1', deploymentId: 'ecs-svc/1', startedAt: at(1) * 1000 };

  test.each([
    ['runs', {}, began],
    [
      'exited by itself with an error',
      {
        stoppedAt: at(9),
        stopCode: 'EssentialContainerExited',
        stoppedReason: 'Essential container in task exited',
        containers: [{ exitCode: 137, reason: 'OOM' }],
      },
      {
        ...began,
        stoppedAt: at(9) * 1000,
        crash: 'exit code 137 (OOM)',
        end: { ran: true, reason: 'Essential container in task exited (exit code 137)' },
      },
    ],
    [
      'was stopped by a deployment',
      {
        stoppingAt: at(5),
        stoppedAt: at(9),
        stopCode: 'ServiceSchedulerInitiated',
        containers: [{ exitCode: 137 }],
      },
      { ...began, stoppingAt: at(5) * 1000, stoppedAt: at(9) * 1000 },
    ],
    [
      'was taken away with its Spot capacity',
      { stoppedAt: at(9), stopCode: 'SpotInterruption', containers: [{ exitCode: 143 }] },
      { ...began, stoppedAt: at(9) * 1000 },
    ],
    [
      'ended well',
      {
        stoppedAt: at(9),
        stopCode: 'EssentialContainerExited',
        stoppedReason: 'Essential container in task exited',
        containers: [{ exitCode: 0 }],
      },
      {
        ...began,
        stoppedAt: at(9) * 1000,
        end: { ran: true, reason: 'Essential container in task exited (exit code 0)' },
      },
    ],
    [
      'did not start',
      {
        startedAt: undefined,
        stoppedAt: at(9),
        stopCode: 'TaskFailedToStart',
        stoppedReason: 'CannotPullContainerError: not found',
      },
      {
        id: '1',
        deploymentId: 'ecs-svc/1',
        stoppedAt: at(9) * 1000,
        end: { ran: false, reason: 'CannotPullContainerError: not found' },
      },
    ],
  ])('that %s', async (_what, fields, life) => {
    await talking(
      ({ operation, input }) => {
        if (operation === 'DescribeTasks') return { tasks: [task(fields)] };
        return { taskArns: input.desiredStatus === 'RUNNING' ? ['arn:task/1'] : [] };
      },
      async ({ services }) => {
        expect(await services.tasks('canary')).toEqual([life]);
      },
    );
  });

  test('are told once when one stops between the two lists', async () => {
    await talking(
      ({ operation, input }) =>
        operation === 'DescribeTasks'
          ? { tasks: (input.tasks as string[]).map(() => task({})) }
          : { taskArns: ['arn:task/1'] },
      async ({ services }) => {
        expect(await services.tasks('canary')).toHaveLength(1);
      },
    );
  });

  test('are listed on every page, running and stopped, and described a hundred at a time', async () => {
    const page = Array.from({ length: 80 }, (_, index) => `arn:task/${index}`);
    await talking(
      ({ operation, input }) => {
        if (operation === 'DescribeTasks') return { tasks: (input.tasks as string[]).map(() => task({})) };
        return input.desiredStatus === 'RUNNING' && input.nextToken === undefined
          ? { taskArns: page, nextToken: 'more' }
          : { taskArns: page.map((arn) => `${arn}-${input.desiredStatus}`).slice(0, 20) };
      },
      async ({ services }, calls) => {
        expect(await services.tasks('stable')).toHaveLength(120);
        expect(calls.filter(({ operation }) => operation === 'DescribeTasks')).toHaveLength(2);
      },
    );
  });
});
