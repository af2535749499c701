import { describe, expect, it } from 'vitest';
import { createAwsGateways } from '../src/gateways/aws.ts';
import type { Gateways, Outcome, Restore } from '../src/gateways.ts';
import { createObserver } from '../src/index.ts';
import { type Call, type Script, ScriptedAws } from './scripted-aws.ts';

const names = {
  app: 'shop',
  pipeline: 'p',
  cluster: 'c',
  canaryService: 'canary-service',
  stableService: 'stable-service',
  tasks: { canary: 2, stableMin: 0, stableMax: 9 },
  container: 'worker',
  releaseParameter: '/release',
  rollbackParameter: '/rollback',
  imageParameter: '/image',
  imageRepository: 'registry/worker',
  alarms: ['dead-letters', 'latency'],
  deadLetterQueue: 'dlq',
  topicArn: 'arn:aws:sns:us-east-1:123456789012:topic',
};
const digest = `sha256:${'a'.repeat(64)}`;
const at = (second: number): number => 1_767_225_600 + second;

async function talking<T>(
  script: Script,
  use: (gateways: Gateways, calls: readonly Call[]) => Promise<T>,
): Promise<T> {
  await using aws = await ScriptedAws.start(script);
  return await use(
    createAwsGateways(names, aws.connection, async () => {}),
    aws.calls,
  );
}

describe('the pipeline gateway', () => {
  const state = {
    pipelineName: 'p',
    stageStates: [
      {
        stageName: 'Canary',
        inboundTransitionState: { enabled: false, disabledReason: 'queue-canary release e1 is under way' },
        inboundExecution: { pipelineExecutionId: 'e3', status: 'InProgress' },
        inboundExecutions: [{ pipelineExecutionId: 'e3', status: 'InProgress' }],
        latestExecution: { pipelineExecutionId: 'e2', status: 'Succeeded' },
      },
      {
        stageName: 'Verdict',
        inboundTransitionState: { enabled: true },
        latestExecution: { pipelineExecutionId: 'e2', status: 'InProgress' },
        actionStates: [
          {
            actionName: 'Approve',
            latestExecution: { status: 'InProgress', token: 't', lastStatusChange: at(9) },
          },
        ],
      },
    ],
  };

  it('reads stages, every page of executions and of action runs, and the pending approval', async () => {
    await talking(
      ({ operation, input }) => {
        switch (operation) {
          case 'GetPipelineState':
            return state;
          case 'ListPipelineExecutions':
            return input.nextToken === undefined
              ? {
                  pipelineExecutionSummaries: [
                    {
                      pipelineExecutionId: 'e2',
                      status: 'InProgress',
                      startTime: at(5),
                      lastUpdateTime: at(9),
                      sourceRevisions: [
                        { actionName: 'Source', revisionId: 'commit2', revisionSummary: 'Second\n' },
                      ],
                    },
                  ],
                  nextToken: 'more',
                }
              : {
                  pipelineExecutionSummaries: [
                    {
                      pipelineExecutionId: 'e1',
                      status: 'Stopped',
                      startTime: at(1),
                      lastUpdateTime: at(4),
                      stopTrigger: { reason: 'by hand' },
                    },
                  ],
                };
          default:
            return input.nextToken === undefined
              ? {
                  actionExecutionDetails: [
                    {
                      pipelineExecutionId: 'e2',
                      stageName: 'Canary',
                      actionName: 'DeployCanary',
                      status: 'Succeeded',
                      startTime: at(6),
                      lastUpdateTime: at(8),
                      output: { outputVariables: { IMAGE_DIGEST: digest } },
                    },
                  ],
                  nextToken: 'more',
                }
              : {
                  actionExecutionDetails: [
                    {
                      pipelineExecutionId: 'e2',
                      stageName: 'Canary',
                      actionName: 'DeployCanary',
                      status: 'Failed',
                      startTime: at(2),
                      lastUpdateTime: at(3),
                      output: { executionResult: { errorDetails: { message: 'no steady state' } } },
                    },
                  ],
                };
        }
      },
      async ({ pipeline }) => {
        expect(await pipeline.read()).toEqual({
          name: 'p',
          stages: [
            {
              name: 'Canary',
              latestExecutionId: 'e2',
              latestStatus: 'Succeeded',
              inboundExecutionIds: ['e3'],
              transitionEnabled: false,
              transitionDisabledReason: 'queue-canary release e1 is under way',
            },
            {
              name: 'Verdict',
              latestExecutionId: 'e2',
              latestStatus: 'InProgress',
              inboundExecutionIds: [],
              transitionEnabled: true,
            },
          ],
          executions: [
            {
              id: 'e2',
              status: 'InProgress',
              startedAt: at(5) * 1000,
              updatedAt: at(9) * 1000,
              commit: 'commit2',
              commitMessage: 'Second',
            },
            {
              id: 'e1',
              status: 'Stopped',
              startedAt: at(1) * 1000,
              updatedAt: at(4) * 1000,
              stopReason: 'by hand',
            },
          ],
          actions: [
            {
              executionId: 'e2',
              stage: 'Canary',
              action: 'DeployCanary',
              status: 'Succeeded',
              startedAt: at(6) * 1000,
              updatedAt: at(8) * 1000,
              variables: { IMAGE_DIGEST: digest },
            },
            {
              executionId: 'e2',
              stage: 'Canary',
              action: 'DeployCanary',
              status: 'Failed',
              startedAt: at(2) * 1000,
              updatedAt: at(3) * 1000,
              summary: 'no steady state',
            },
          ],
          approval: {
            executionId: 'e2',
            stage: 'Verdict',
            action: 'Approve',
            token: 't',
            since: at(9) * 1000,
          },
        });
      },
    );
  });

  it('reads no further than to the executions that the stages show, and the runs of those that matter', async () => {
    const summary = (pipelineExecutionId: string, startTime: number, status = 'Failed') => ({
      pipelineExecutionId,
      status,
      startTime,
    });
    await talking(
      ({ operation, input }) => {
        if (operation === 'GetPipelineState') {
          return {
            stageStates: [
              { stageName: 'Canary', latestExecution: { pipelineExecutionId: 'used', status: 'Failed' } },
              { stageName: 'Verdict', latestExecution: { pipelineExecutionId: 'old', status: 'InProgress' } },
            ],
          };
        }
        if (operation === 'ListPipelineExecutions') {
          return input.nextToken === undefined
            ? {
                pipelineExecutionSummaries: [summary('young', at(900)), summary('used', at(800))],
                nextToken: 'second',
              }
            : {
                pipelineExecutionSummaries: [summary('older', at(2)), summary('old', at(1), 'InProgress')],
                nextToken: 'third',
              };
        }
        const { pipelineExecutionId = '' } = input.filter as { pipelineExecutionId?: string };
        return {
          actionExecutionDetails: [
            { ...summary(pipelineExecutionId, at(1)), stageName: 'Canary', actionName: 'DeployCanary' },
          ],
        };
      },
      async ({ pipeline }, calls) => {
        const { actions } = await pipeline.read();
        expect(actions.map(({ executionId }) => executionId)).toEqual(['young', 'used', 'old']);
        expect(calls.map(({ operation }) => operation).sort()).toEqual([
          'GetPipelineState',
          'ListActionExecutions',
          'ListActionExecutions',
          'ListActionExecutions',
          'ListPipelineExecutions',
          'ListPipelineExecutions',
        ]);
      },
    );
  });

  it('says what to do when there is no such pipeline', async () => {
    await talking(
      () => ({ error: 'PipelineNotFoundException' }),
      async ({ pipeline }) => {
        await expect(pipeline.read()).rejects.toThrow('there is no pipeline p; deploy the pipeline stack');
      },
    );
  });

  it.each([
    ['a stale token', 'InvalidApprovalTokenException', 'conflict'],
    ['an approval that is answered', 'ApprovalAlreadyCompletedException', 'conflict'],
  ])('takes %s as a conflict', async (_what, error, kind) => {
    await talking(
      () => ({ error }),
      async ({ pipeline }) => {
        const approved = pipeline.approve({ stage: 'Verdict', action: 'Approve', token: 't', reason: 'r' });
        expect(await approved).toMatchObject({ kind });
      },
    );
  });

  it('stops with abandon, and takes a second stop as done and an ended execution as a conflict', async () => {
    const answers = [
      { pipelineExecutionId: 'e' },
      { error: 'DuplicatedStopRequestException' },
      { error: 'PipelineExecutionNotStoppableException' },
    ];
    await talking(
      () => answers.shift() ?? {},
      async ({ pipeline }, calls) => {
        expect(await pipeline.stop('e', 'x'.repeat(300))).toEqual({ kind: 'done' });
        expect(calls[0]?.input).toEqual({
          pipelineName: 'p',
          pipelineExecutionId: 'e',
          abandon: true,
          reason: 'x'.repeat(200),
        });
        expect(await pipeline.stop('e', 'r')).toMatchObject({ kind: 'alreadyDone' });
        expect(await pipeline.stop('e', 'r')).toMatchObject({ kind: 'conflict' });
      },
    );
  });

  it('lets an unexpected failure through', async () => {
    await talking(
      () => ({ error: 'AccessDeniedException', message: 'not allowed' }),
      async ({ pipeline }) => {
        await expect(pipeline.stop('e', 'r')).rejects.toThrow('not allowed');
      },
    );
  });

  it('answers jobs: done, call again, failed; and one that is over is a conflict', async () => {
    await talking(
      ({ input }) => (input.jobId === 'over' ? { error: 'InvalidJobStateException' } : {}),
      async ({ pipeline }, calls) => {
        await pipeline.completeJob('j');
        await pipeline.continueJob('j');
        await pipeline.failJob('j', 'bad');
        expect(calls).toEqual([
          { operation: 'PutJobSuccessResult', input: { jobId: 'j' } },
          { operation: 'PutJobSuccessResult', input: { jobId: 'j', continuationToken: 'watching' } },
          {
            operation: 'PutJobFailureResult',
            input: { jobId: 'j', failureDetails: { type: 'JobFailed', message: 'bad' } },
          },
        ]);
        expect(await pipeline.completeJob('over')).toMatchObject({ kind: 'conflict' });
      },
    );
  });
});

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

  it('reads the primary deployment and the digest of the worker container, each revision once', async () => {
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

  it('knows no digest of an image named by tag', async () => {
    await talking(
      ({ operation }) =>
        operation === 'DescribeServices' ? service('td:2') : definition('registry/app:latest'),
      async ({ services }) => {
        expect(await services.read('stable')).not.toHaveProperty('imageDigest');
      },
    );
  });

  it('names the service that is missing, and the containers where the worker is missing', async () => {
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

  it('knows where the tasks log, without another call for a task definition that it has read', async () => {
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

  it.each([
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

    it.each([
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

    it('deploys the recorded revision when only the image differs', async () => {
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

    it.each([
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

    it('keeps nothing of a revision of another family', async () => {
      const foreign = revision('bad', '512', { family: 'somebody' });
      const { calls } = await restoring({ 'td:1': revision(imageUri, '256'), 'td:2': foreign });
      expect(calls.map(({ input }) => input.taskDefinition)).toEqual(['td:1']);
    });

    it('says what to do when no revision is left', async () => {
      await expect(restoring({})).rejects.toThrow(
        `neither td:2 nor td:1 exists any more, so nothing says how to run ${imageUri}; deploy the pipeline stack again`,
      );
    });

    it('deploys a revision again whose deployment failed', async () => {
      const { calls } = await restoring({}, { taskDefinitionArn: 'td:2', forceNew: true });
      expect(calls.map(({ input }) => input)).toEqual([
        expect.objectContaining({ taskDefinition: 'td:2', forceNewDeployment: true }),
      ]);
    });
  });

  it('starts the canary with its size, and stable with one task at least and the range that it scales in', async () => {
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

  it.each([
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

describe('the record gateway', () => {
  const parameter = (value: string, version: number) => ({ Parameter: { Value: value, Version: version } });

  /** Talks to the record alone: nobody has asked for a rollback. */
  const recording: typeof talking = (script, use) =>
    talking((call) => (call.input.Name === names.rollbackParameter ? parameter('{}', 1) : script(call)), use);

  it('writes when the version is the observed one', async () => {
    await recording(
      ({ operation }) => (operation === 'GetParameter' ? parameter('{"version":1}', 4) : { Version: 5 }),
      async ({ record }, calls) => {
        expect(await record.read()).toEqual({ record: { version: 1 }, version: 4 });
        expect(await record.write({ version: 1 }, 4)).toEqual({ kind: 'done' });
        expect(calls.at(-1)).toEqual({
          operation: 'PutParameter',
          input: { Name: '/release', Value: '{"version":1}', Type: 'String', Overwrite: true },
        });
      },
    );
  });

  it('does not write over a version that it has not seen', async () => {
    await recording(
      () => parameter('{"version":1}', 5),
      async ({ record }, calls) => {
        expect(await record.write({ version: 1 }, 4)).toMatchObject({ kind: 'conflict' });
        expect(calls.map(({ operation }) => operation)).toEqual(['GetParameter']);
      },
    );
  });

  /** A parameter that answers with an old version as long as it is told to. */
  function parameterStore(...values: string[]) {
    const store = { values, shown: undefined as number | undefined, unreadable: 0 };
    const answer = (version: number) => ({
      Parameter: { Value: values[version - 1], Version: version, LastModifiedDate: at(version) },
    });
    const script: Script = ({ operation, input }) => {
      if (operation === 'PutParameter') return { Version: values.push(String(input.Value)) };
      const [, selected] = String(input.Name).split(':');
      if (selected === undefined) return answer(store.shown ?? values.length);
      store.unreadable -= 1;
      return store.unreadable >= 0 ? { error: 'ParameterVersionNotFound' } : answer(Number(selected));
    };
    return { store, script };
  }

  const halted = (since: string) => `{"version":1,"halt":{"since":"${since}"}}`;

  it('puts back what a writer has written that came in between, and that an old answer did not show', async () => {
    const { store, script } = parameterStore(halted('1'), halted('2'), halted('3'));
    store.shown = 2;
    store.unreadable = 2;
    await recording(script, async ({ record }) => {
      expect(await record.read()).toMatchObject({ version: 2 });
      expect(await record.write({ version: 1 }, 2)).toMatchObject({ kind: 'conflict' });
      expect(store.values.slice(3)).toEqual(['{"version":1}', halted('3')]);
      expect(await record.read()).toEqual({ record: { version: 1, halt: { since: '3' } }, version: 5 });
    });
  });

  it('says which version to put back by hand when it cannot be read', async () => {
    const { store, script } = parameterStore(halted('1'), halted('2'));
    store.shown = 1;
    store.unreadable = 100;
    await recording(script, async ({ record }) => {
      await expect(record.write({ version: 1 }, 1)).rejects.toThrow(
        'version 2 of parameter /release was overwritten by version 3',
      );
    });
  });

  it('knows what it has written and read, whatever older version is answered', async () => {
    const { store, script } = parameterStore(halted('1'));
    await recording(script, async ({ record }) => {
      await record.read();
      await record.write({ version: 1, halt: { since: '2' } }, 1);
      store.shown = 1;
      expect(await record.read()).toEqual({ record: { version: 1, halt: { since: '2' } }, version: 2 });
      expect(await record.write({ version: 1, halt: { since: '3' } }, 2)).toEqual({ kind: 'done' });
      expect(store.values).toHaveLength(3);
    });
  });

  it('reads a parameter that was created again, whose versions begin again', async () => {
    let answer = { Value: halted('1'), Version: 7, LastModifiedDate: at(1) };
    await recording(
      () => ({ Parameter: answer }),
      async ({ record }) => {
        expect(await record.read()).toMatchObject({ version: 7 });
        answer = { Value: '{"version":1}', Version: 1, LastModifiedDate: at(2) };
        expect(await record.read()).toEqual({ record: { version: 1 }, version: 1 });
      },
    );
  });

  it('reads and writes the last rollback that a person asked for', async () => {
    const request = { executionId: 'e1', reason: 'too slow', requestedAt: '2026-01-01T00:00:00.000Z' };
    const values: Record<string, string> = { '/release': '{"version":1}', '/rollback': '{}' };
    await talking(
      ({ operation, input }) => {
        const name = String(input.Name);
        if (operation === 'PutParameter') values[name] = String(input.Value);
        return operation === 'PutParameter' ? { Version: 2 } : parameter(values[name] ?? '', 1);
      },
      async ({ record }) => {
        expect(await record.read()).not.toHaveProperty('rollbackRequest');
        await record.requestRollback(request);
        expect(await record.read()).toMatchObject({ rollbackRequest: request });
        values['/rollback'] = 'nonsense';
      },
    );
    await talking(
      ({ input }) => parameter(values[String(input.Name)] ?? '', 1),
      async ({ record }) => {
        await expect(record.read()).rejects.toThrow(
          'the rollback request in parameter /rollback cannot be read: it is not JSON. Write {} to it',
        );
      },
    );
  });

  it('says what to do with a record that cannot be read, and without a parameter', async () => {
    await recording(
      () => parameter('{"version":2}', 1),
      async ({ record }) => {
        await expect(record.read()).rejects.toThrow(
          'parameter /release cannot be read: its version is 2, and this controller reads version 1. Put back',
        );
      },
    );
    await recording(
      () => ({ error: 'ParameterNotFound' }),
      async ({ record }) => {
        await expect(record.readImage()).rejects.toThrow('there is no parameter /image; deploy the stack');
      },
    );
  });
});

describe('the alarm gateway', () => {
  it('reads metric and composite alarms by name, and since when each is in its state', async () => {
    await talking(
      () => ({
        MetricAlarms: [
          {
            AlarmName: 'dead-letters',
            StateValue: 'ALARM',
            StateReason: 'threshold crossed',
            StateUpdatedTimestamp: at(90),
            StateTransitionedTimestamp: at(30),
          },
        ],
        CompositeAlarms: [{ AlarmName: 'latency', StateValue: 'OK', StateUpdatedTimestamp: at(60) }],
      }),
      async ({ alarms }, calls) => {
        expect(await alarms.read()).toEqual([
          {
            name: 'dead-letters',
            value: 'ALARM',
            transitionedAt: at(30) * 1000,
            reason: 'threshold crossed',
          },
          { name: 'latency', value: 'OK', transitionedAt: at(60) * 1000 },
        ]);
        expect(calls[0]?.input).toMatchObject({ AlarmNames: ['dead-letters', 'latency'] });
      },
    );
  });

  it('never takes a missing alarm for a quiet one', async () => {
    await talking(
      () => ({
        MetricAlarms: [{ AlarmName: 'latency', StateValue: 'OK', StateUpdatedTimestamp: at(60) }],
      }),
      async ({ alarms }) => {
        await expect(alarms.read()).rejects.toThrow('there is no alarm dead-letters');
      },
    );
  });
});

describe('the dead-letter gateway', () => {
  it('counts visible, hidden and delayed messages, and looks its queue up once', async () => {
    await talking(
      ({ operation }) =>
        operation === 'GetQueueUrl'
          ? { QueueUrl: 'https://queue/dlq' }
          : {
              Attributes: {
                ApproximateNumberOfMessages: '4',
                ApproximateNumberOfMessagesNotVisible: '2',
                ApproximateNumberOfMessagesDelayed: '1',
              },
            },
      async ({ deadLetters }, calls) => {
        expect(await deadLetters.depth()).toEqual({ visible: 4, hidden: 3 });
        await deadLetters.depth();
        expect(calls.map(({ operation }) => operation)).toEqual([
          'GetQueueUrl',
          'GetQueueAttributes',
          'GetQueueAttributes',
        ]);
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

  it.each([
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

  it('are told once when one stops between the two lists', async () => {
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

  it('are listed on every page, running and stopped, and described a hundred at a time', async () => {
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

describe('the notification gateway', () => {
  it('publishes with a subject that SNS accepts', async () => {
    await talking(
      () => ({}),
      async ({ notifications }, calls) => {
        await notifications.publish(`Release é${'x'.repeat(200)}`, 'both services\nrestored');
        expect(calls).toEqual([
          {
            operation: 'Publish',
            input: {
              TopicArn: names.topicArn,
              Subject: `Release  ${'x'.repeat(91)}`,
              Message: 'both services\nrestored',
            },
          },
        ]);
      },
    );
  });
});

describe('what the observer sees', () => {
  it('is unknown with its cause where AWS refuses, and never an empty world', async () => {
    await using aws = await ScriptedAws.start(() => ({ error: 'AccessDeniedException', message: 'no' }));
    const observed = await createObserver({
      names,
      connection: aws.connection,
    })(at(0) * 1000);
    expect(observed.pipeline).toEqual({ known: false, problem: 'the pipeline cannot be read: no' });
    expect(observed.record).toEqual({ known: false, problem: 'the release record cannot be read: no' });
    expect(observed.alarms).toEqual({ known: false, problem: 'the alarms cannot be read: no' });
  });
});
