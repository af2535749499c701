import { strToU8, zipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { Pace } from '../../clock/pace.ts';
import { VirtualClock } from '../../clock/virtual-clock.ts';
import type { Call, Engine, Operation } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { Identity } from '../../iam/identity.ts';
import type { Principal } from '../../iam/principal.ts';
import { ByteIds } from '../../ids.ts';
import { Journal, type JournalEntry } from '../../journal/journal.ts';
import type { Input, OperationName, Output, ServiceName } from '../../sdk/services.ts';
import { State } from '../../state/state.ts';
import { createCodePipeline } from './codepipeline.ts';

const ACCOUNT = '000000000000';
const COMMIT = 'c0ffee0000000000000000000000000000000000';
const PIPELINE_ROLE = `arn:aws:iam::${ACCOUNT}:role/pipeline`;
const ROOT: Principal = { kind: 'root', arn: `arn:aws:iam::${ACCOUNT}:root`, accountId: ACCOUNT };

type Pipeline = NonNullable<Input<'codepipeline', 'CreatePipeline'>['pipeline']>;
type Stage = NonNullable<Pipeline['stages']>[number];
type Action = NonNullable<Stage['actions']>[number];
type EcsService = NonNullable<Output<'ecs', 'DescribeServices'>['services']>[number];

/** The rest of AWS as far as pipelines call it; what was asked is kept in order. */
class Aws {
  readonly asked: Array<{ readonly operation: string; readonly input: Record<string, unknown> }> = [];
  readonly objects = new Map<string, Uint8Array>();
  sourceFiles: Record<string, string> = {
    'imagedefinitions.json': '[{"name":"worker","imageUri":"repo@sha256:new"}]',
  };
  service: EcsService = {
    serviceArn: 'service-arn',
    serviceName: 'canary',
    status: 'ACTIVE',
    taskDefinition: 'task-definition/canary:7',
    deployments: [{ id: 'ecs-svc/0', status: 'PRIMARY', taskDefinition: 'task-definition/canary:7' }],
  };
  failing = new Map<string, AwsFault>();
  /** Operations that answer only once their promise resolves. */
  held = new Map<string, Promise<void>>();
  readonly #waiting: Array<{
    readonly operation: string;
    readonly count: number;
    readonly resolve: () => void;
  }> = [];

  /** Resolves once the operation was called `count` times. */
  called(operation: string, count: number): Promise<void> {
    if (this.named(operation).length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ operation, count, resolve }));
  }

  answer(operation: string, input: Record<string, unknown>): unknown {
    this.asked.push({ operation, input });
    for (const waiting of this.#waiting) {
      if (this.named(waiting.operation).length >= waiting.count) waiting.resolve();
    }
    const fault = this.failing.get(operation);
    if (fault) throw fault;
    switch (operation) {
      case 'codecommit:GetBranch':
        return { branch: { commitId: COMMIT } };
      case 'codecommit:GetCommit':
        return {
          commit: {
            message: 'a change\n',
            committer: { date: '1767225600 +0000' },
            author: { date: '1767225600 +0000' },
          },
        };
      case 's3:PutObject':
        this.objects.set(`${input.Bucket}/${input.Key}`, input.Body as Uint8Array);
        return {};
      case 's3:GetObject':
        return { Body: this.objects.get(`${input.Bucket}/${input.Key}`) };
      case 'ecs:DescribeServices':
        return { services: [this.service] };
      case 'ecs:DescribeTaskDefinition':
        return {
          taskDefinition: {
            taskDefinitionArn: input.taskDefinition,
            family: 'canary',
            revision: 7,
            status: 'ACTIVE',
            cpu: '256',
            registeredAt: new Date(0),
            containerDefinitions: [
              {
                name: 'worker',
                image: 'repo@sha256:old',
                environment: [{ name: 'QC_TRACK', value: 'canary' }],
              },
              { name: 'sidecar', image: 'sidecar:1' },
            ],
          },
          tags: [{ key: 'app', value: 'x' }],
        };
      case 'ecs:RegisterTaskDefinition':
        return { taskDefinition: { taskDefinitionArn: 'task-definition/canary:8' } };
      case 'ecs:UpdateService':
        this.service = {
          ...this.service,
          taskDefinition: String(input.taskDefinition),
          deployments: [
            {
              id: 'ecs-svc/1',
              status: 'PRIMARY',
              taskDefinition: String(input.taskDefinition),
              rolloutState: 'IN_PROGRESS',
            },
          ],
        };
        return { service: this.service };
      case 'sns:Publish':
      case 'lambda:Invoke':
        return {};
      default:
        throw new Error(`unexpected ${operation}`);
    }
  }

  named(operation: string): Array<Record<string, unknown>> {
    return this.asked.filter((call) => call.operation === operation).map(({ input }) => input);
  }
}

/** A CodePipeline on a virtual clock, with AWS played by {@link Aws}. */
class World {
  readonly aws = new Aws();
  readonly clock = new VirtualClock();
  readonly state = new State(':memory:');
  readonly journal = new Journal(this.state, this.clock);
  readonly #engine: Engine;
  service;

  constructor() {
    const { clock, state, journal, aws } = this;
    const ids = new ByteIds();
    const place = {
      state,
      clock,
      ids,
      endpoint: () => 'http://engine',
      accountId: ACCOUNT,
      region: 'us-east-1',
    };
    const identity = new Identity(place);
    this.#engine = {
      ...place,
      pace: new Pace(1),
      journal,
      directory: '/nonexistent',
      call: async <S extends ServiceName, O extends OperationName<S> & string>(
        _principal: Principal,
        service: S,
        operation: O,
        input: Input<S, O>,
      ) => {
        const answer = aws.answer(`${service}:${operation}`, input as Record<string, unknown>);
        await aws.held.get(`${service}:${operation}`);
        return answer as Output<S, O>;
      },
      assumeRole: (roleArn, service, _name, sourceArn) => {
        if (roleArn !== PIPELINE_ROLE || sourceArn !== `arn:aws:codepipeline:us-east-1:${ACCOUNT}:release`)
          throw new AwsFault('AccessDenied', `${roleArn} does not trust ${service}`, 403);
        return { kind: 'role', arn: `${roleArn}/session`, accountId: ACCOUNT, roleArn };
      },
      credentials: (principal) => identity.issue(principal),
    };
    this.service = this.#create();
  }

  #create() {
    const identity = new Identity(this.#engine);
    const zip = () =>
      zipSync(
        Object.fromEntries(Object.entries(this.aws.sourceFiles).map(([name, text]) => [name, strToU8(text)])),
      );
    return createCodePipeline(this.#engine, {
      identity,
      archives: { archive: async () => zip() },
    });
  }

  /** What a `kill -9` and a start leave: the same state, and nothing else. */
  async restart(): Promise<void> {
    await this.service.stop?.();
    this.service = this.#create();
    await this.service.start?.();
  }

  async ask<O extends keyof ReturnType<typeof createCodePipeline>['operations'] & string>(
    operation: O,
    input: Input<'codepipeline', O>,
    principal = ROOT,
  ): Promise<Output<'codepipeline', O>> {
    const found: unknown = this.service.operations[operation];
    const { run } = found as Operation<Input<'codepipeline', O>, Output<'codepipeline', O>>;
    const call: Call = {
      principal,
      requestId: 'r',
      service: 'codepipeline',
      operation,
      atMs: this.clock.nowMs(),
      endpoint: 'http://engine',
      signal: new AbortController().signal,
      ifAbandoned: () => {},
    };
    return run(input, call);
  }

  happened(type: string, detail: Record<string, unknown> = {}, after = 0): Promise<JournalEntry> {
    return this.journal.waitFor(
      (entry) =>
        entry.type === type && Object.entries(detail).every(([key, value]) => entry.detail[key] === value),
      after,
    );
  }

  /** Lets ECS report that the service's deployment came to this. */
  deployment(rolloutState: 'COMPLETED' | 'FAILED', rolloutStateReason = ''): void {
    this.aws.service = {
      ...this.aws.service,
      deployments: (this.aws.service.deployments ?? []).map((deployment) => ({
        ...deployment,
        rolloutState,
        rolloutStateReason,
      })),
    };
    this.journal.publish({
      source: 'aws.ecs',
      'detail-type': 'ECS Deployment State Change',
      resources: ['service-arn'],
      detail: {},
    });
  }

  async create(stages: Stage[], more: Partial<Pipeline> = {}): Promise<string> {
    await this.ask('CreatePipeline', { pipeline: pipeline(stages, more) });
    return (await this.happened('execution.started')).detail.executionId as string;
  }
}

const type = (category: 'Source' | 'Deploy' | 'Approval' | 'Invoke' | 'Build', provider: string) => ({
  category,
  owner: 'AWS' as const,
  provider,
  version: '1',
});

const SOURCE: Stage = {
  name: 'Source',
  actions: [
    {
      name: 'Commit',
      namespace: 'Source',
      actionTypeId: type('Source', 'CodeCommit'),
      configuration: { RepositoryName: 'worker', BranchName: 'main', PollForSourceChanges: 'false' },
      outputArtifacts: [{ name: 'Code' }],
    },
  ],
};

const deploy = (configuration: Record<string, string> = {}, more: Partial<Stage> = {}): Stage => ({
  name: 'Canary',
  actions: [
    {
      name: 'Deploy',
      actionTypeId: type('Deploy', 'ECS'),
      configuration: { ClusterName: 'cluster', ServiceName: 'canary', ...configuration },
      inputArtifacts: [{ name: 'Code' }],
    },
  ],
  ...more,
});

const approval = (configuration: Record<string, string> = {}): Stage => ({
  name: 'Verdict',
  actions: [{ name: 'Approve', actionTypeId: type('Approval', 'Manual'), configuration }],
});

const invoke = (more: Partial<Action> = {}): Stage => ({
  name: 'Record',
  actions: [
    {
      name: 'Record',
      actionTypeId: type('Invoke', 'Lambda'),
      configuration: { FunctionName: 'controller', UserParameters: '#{Source.CommitId}' },
      inputArtifacts: [{ name: 'Code' }],
      ...more,
    },
  ],
});

function pipeline(stages: Stage[], more: Partial<Pipeline> = {}): Pipeline {
  return {
    name: 'release',
    roleArn: PIPELINE_ROLE,
    pipelineType: 'V2',
    artifactStore: { type: 'S3', location: 'artifacts' },
    stages,
    ...more,
  };
}

describe('deploy to ECS', () => {
  test('registers a revision of what the service uses, with the image replaced by container name, and waits', async () => {
    const world = new World();
    await world.create([SOURCE, deploy()]);
    await world.aws.called('ecs:UpdateService', 1);
    expect(world.aws.named('ecs:RegisterTaskDefinition')).toEqual([
      {
        family: 'canary',
        cpu: '256',
        containerDefinitions: [
          { name: 'worker', image: 'repo@sha256:new', environment: [{ name: 'QC_TRACK', value: 'canary' }] },
          { name: 'sidecar', image: 'sidecar:1' },
        ],
        tags: [{ key: 'app', value: 'x' }],
      },
    ]);
    expect(world.aws.named('ecs:UpdateService')).toEqual([
      { cluster: 'cluster', service: 'canary', taskDefinition: 'task-definition/canary:8' },
    ]);
    world.deployment('COMPLETED');
    await world.happened('execution.succeeded');
    expect(world.aws.named('ecs:UpdateService')).toHaveLength(1);
  });

  test.each([
    ['{}', /must be a JSON list/],
    ['[{"name":"worker"', /contains invalid JSON format/],
    ['[]', /names no container/],
    ['[{"name":"worker"}]', /entry 1 must have the strings "name" and "imageUri"/],
    ['[{"name":"w","imageUri":"a"},{"name":"w","imageUri":"b"}]', /names the container w twice/],
    [
      '[{"name":"wroker","imageUri":"repo@sha256:new"}]',
      /names the container wroker, but the task definition task-definition\/canary:7 has no such container: it has worker, sidecar/,
    ],
  ])('image definitions %s fail the action and deploy nothing', async (text, message) => {
    const world = new World();
    world.aws.sourceFiles = { 'imagedefinitions.json': text };
    await world.create([SOURCE, deploy()]);
    const failed = await world.happened('action.failed');
    expect(failed.detail.message).toMatch(message);
    expect(world.aws.named('ecs:UpdateService')).toEqual([]);
    expect(world.aws.named('ecs:RegisterTaskDefinition')).toEqual([]);
  });

  test('an artifact without the file fails the action with bucket and key', async () => {
    const world = new World();
    await world.create([SOURCE, deploy({ FileName: 'images.json' })]);
    const failed = await world.happened('action.failed');
    expect(failed.detail.message).toMatch(
      /Did not find the image definition file images.json .* bucket: artifacts key: release\/Code\//,
    );
  });

  test('a service that is not there fails the action', async () => {
    const world = new World();
    world.aws.service = { ...world.aws.service, status: 'INACTIVE' };
    await world.create([SOURCE, deploy()]);
    const failed = await world.happened('action.failed');
    expect(failed.detail.message).toMatch(/service canary was not found or is not active in cluster cluster/);
  });

  test('a deployment that fails, or is replaced, goes unnoticed until DeploymentTimeout', async () => {
    const world = new World();
    const canary = async () =>
      (await world.ask('GetPipelineState', { name: 'release' })).stageStates?.[1]?.latestExecution?.status;
    await world.create([SOURCE, deploy({ DeploymentTimeout: '30' })]);
    await world.aws.called('ecs:UpdateService', 1);
    world.deployment('FAILED', 'circuit breaker: tasks failed to start');
    await world.clock.advanceBy(15 * 60_000);
    expect(await canary()).toBe('InProgress');
    world.aws.service = { ...world.aws.service, taskDefinition: 'task-definition/canary:9', deployments: [] };
    world.deployment('COMPLETED');
    await world.clock.advanceBy(14 * 60_000);
    expect(await canary()).toBe('InProgress');
    await world.clock.advanceBy(2 * 60_000);
    const failed = await world.happened('action.failed');
    expect(failed.detail.message).toMatch(/did not reach a steady state within 30 minutes/);
  });

  test('no steady state within DeploymentTimeout fails the action', async () => {
    const world = new World();
    await world.create([SOURCE, deploy({ DeploymentTimeout: '5' })]);
    await world.aws.called('ecs:UpdateService', 1);
    await world.clock.advanceBy(299_000);
    expect(
      (await world.ask('GetPipelineState', { name: 'release' })).stageStates?.[1]?.latestExecution?.status,
    ).toBe('InProgress');
    await world.clock.advanceBy(2_000);
    const failed = await world.happened('action.failed');
    expect(failed.detail.message).toMatch(/did not reach a steady state within 5 minutes/);
  });

  test('after a restart the wait goes on without a second deployment', async () => {
    const world = new World();
    await world.create([SOURCE, deploy()]);
    await world.aws.called('ecs:UpdateService', 1);
    await world.clock.advanceBy(0);
    await world.restart();
    await world.clock.advanceBy(0);
    world.deployment('COMPLETED');
    await world.happened('execution.succeeded');
    expect(world.aws.named('ecs:UpdateService')).toHaveLength(1);
  });

  test('an abandoned action leaves the deployment going on and takes no notice of its end', async () => {
    const world = new World();
    const pipelineExecutionId = await world.create([SOURCE, deploy()]);
    await world.aws.called('ecs:UpdateService', 1);
    await world.ask('StopPipelineExecution', {
      pipelineName: 'release',
      pipelineExecutionId,
      abandon: true,
      reason: 'enough',
    });
    const asked = world.aws.asked.length;
    world.deployment('COMPLETED');
    await world.clock.advanceBy(0);
    expect(world.aws.asked).toHaveLength(asked);
    const { pipelineExecutionSummaries } = await world.ask('ListPipelineExecutions', {
      pipelineName: 'release',
    });
    expect(pipelineExecutionSummaries).toMatchObject([
      { status: 'Stopped', stopTrigger: { reason: 'enough' } },
    ]);
    const { actionExecutionDetails } = await world.ask('ListActionExecutions', { pipelineName: 'release' });
    expect(actionExecutionDetails?.map(({ status }) => status)).toEqual(['Abandoned', 'Succeeded']);
  });
});

test('an action that is abandoned before it deployed does not deploy afterwards', async () => {
  const world = new World();
  const gate = Promise.withResolvers<void>();
  world.aws.held.set('ecs:RegisterTaskDefinition', gate.promise);
  const pipelineExecutionId = await world.create([SOURCE, deploy()]);
  await world.aws.called('ecs:RegisterTaskDefinition', 1);
  await world.ask('StopPipelineExecution', { pipelineName: 'release', pipelineExecutionId, abandon: true });
  gate.resolve();
  await world.clock.advanceBy(0);
  expect(world.aws.named('ecs:UpdateService')).toEqual([]);
});

describe('approval', () => {
  test('announces itself on the topic as AWS does, with resolved variables', async () => {
    const world = new World();
    await world.create([
      SOURCE,
      approval({ NotificationArn: 'topic', CustomData: 'commit #{Source.CommitId}' }),
    ]);
    await world.aws.called('sns:Publish', 1);
    const [published] = world.aws.named('sns:Publish');
    const { stageStates } = await world.ask('GetPipelineState', { name: 'release' });
    expect(published).toMatchObject({
      TopicArn: 'topic',
      Subject: 'APPROVAL NEEDED: AWS CodePipeline release for action Approve',
    });
    expect(JSON.parse(String(published?.Message))).toMatchObject({
      region: 'us-east-1',
      approval: {
        pipelineName: 'release',
        stageName: 'Verdict',
        actionName: 'Approve',
        token: stageStates?.[1]?.actionStates?.[0]?.latestExecution?.token,
        expires: '2026-01-08T00:00Z',
        customData: `commit ${COMMIT}`,
        externalEntityLink: null,
      },
    });
  });

  test('that nobody answers within seven days has failed, and its token is of no use any more', async () => {
    const world = new World();
    await world.create([SOURCE, approval()]);
    await world.happened('approval.requested');
    const { stageStates } = await world.ask('GetPipelineState', { name: 'release' });
    const token = stageStates?.[1]?.actionStates?.[0]?.latestExecution?.token;
    await world.clock.advanceBy(7 * 24 * 3_600_000);
    const failed = await world.happened('action.failed');
    expect(failed.detail).toMatchObject({ code: 'TimedOut' });
    const late = world.ask('PutApprovalResult', {
      pipelineName: 'release',
      stageName: 'Verdict',
      actionName: 'Approve',
      token,
      result: { status: 'Approved', summary: '' },
    });
    await expect(late).rejects.toMatchObject({ code: 'InvalidApprovalTokenException' });
  });

  test('a rejection fails the stage and says by whom and why', async () => {
    const world = new World();
    await world.create([SOURCE, approval()]);
    await world.happened('approval.requested');
    const { stageStates } = await world.ask('GetPipelineState', { name: 'release' });
    await world.ask('PutApprovalResult', {
      pipelineName: 'release',
      stageName: 'Verdict',
      actionName: 'Approve',
      token: stageStates?.[1]?.actionStates?.[0]?.latestExecution?.token,
      result: { status: 'Rejected', summary: 'errors on the canary' },
    });
    const failed = await world.happened('action.failed');
    expect(failed.detail.message).toBe(`Rejected by ${ROOT.arn}: errors on the canary`);
    await world.happened('execution.failed');
  });
});

interface JobEvent {
  readonly 'CodePipeline.job': {
    readonly id: string;
    readonly accountId: string;
    readonly data: {
      readonly continuationToken?: string;
      readonly actionConfiguration: { readonly configuration: Record<string, string> };
      readonly inputArtifacts: ReadonlyArray<{ readonly name: string; readonly revision: string }>;
      readonly artifactCredentials: { readonly accessKeyId: string };
    };
  };
}

/** Waits until the function was called `count` times and returns the last job. */
async function job(world: World, count: number): Promise<JobEvent['CodePipeline.job']> {
  await world.aws.called('lambda:Invoke', count);
  const { Payload } = world.aws.named('lambda:Invoke')[count - 1]!;
  return (JSON.parse(Buffer.from(Payload as Uint8Array).toString()) as JobEvent)['CodePipeline.job'];
}

describe('invoke Lambda', () => {
  test('hands the function a job and takes its result with output variables', async () => {
    const world = new World();
    await world.create([
      SOURCE,
      invoke({ namespace: 'Record' }),
      approval({ CustomData: '#{Record.verdict}' }),
    ]);
    const given = await job(world, 1);
    expect(world.aws.named('lambda:Invoke')[0]).toMatchObject({
      FunctionName: 'controller',
      InvocationType: 'Event',
    });
    expect(given).toMatchObject({
      accountId: ACCOUNT,
      data: {
        actionConfiguration: { configuration: { FunctionName: 'controller', UserParameters: COMMIT } },
        inputArtifacts: [{ name: 'Code', revision: COMMIT, location: { type: 'S3' } }],
        outputArtifacts: [],
        artifactCredentials: { accessKeyId: expect.stringMatching(/^ASIA/) },
      },
    });
    const { jobDetails } = await world.ask('GetJobDetails', { jobId: given.id });
    expect(jobDetails?.data?.pipelineContext).toMatchObject({
      pipelineName: 'release',
      stage: { name: 'Record' },
    });
    await world.ask('PutJobSuccessResult', { jobId: given.id, outputVariables: { verdict: 'good' } });
    await world.happened('approval.requested');
    const { actionExecutionDetails } = await world.ask('ListActionExecutions', { pipelineName: 'release' });
    expect(actionExecutionDetails?.[0]?.input?.resolvedConfiguration).toEqual({ CustomData: 'good' });
    const again = world.ask('PutJobSuccessResult', { jobId: given.id });
    await expect(again).rejects.toMatchObject({ code: 'InvalidJobStateException' });
    const unknown = world.ask('PutJobFailureResult', {
      jobId: 'none',
      failureDetails: { type: 'JobFailed', message: '' },
    });
    await expect(unknown).rejects.toMatchObject({ code: 'JobNotFoundException' });
  });

  test('a continuation token brings a new job with that token after the pause, across a restart', async () => {
    const world = new World();
    await world.create([SOURCE, invoke()]);
    const first = await job(world, 1);
    await world.ask('PutJobSuccessResult', { jobId: first.id, continuationToken: 'watching' });
    await world.clock.advanceBy(29_000);
    expect(world.aws.named('lambda:Invoke')).toHaveLength(1);
    await world.restart();
    await world.clock.advanceBy(1_000);
    const second = await job(world, 2);
    expect(second.id).not.toBe(first.id);
    expect(second.data.continuationToken).toBe('watching');
    await world.ask('PutJobSuccessResult', { jobId: second.id });
    await world.happened('execution.succeeded');
  });

  test('a job that was out when the engine went down is handed over again under its id', async () => {
    const world = new World();
    await world.create([SOURCE, invoke()]);
    const before = await job(world, 1);
    await world.restart();
    const after = await job(world, 2);
    expect(after.id).toBe(before.id);
    await world.ask('PutJobSuccessResult', { jobId: after.id });
    await world.happened('execution.succeeded');
  });

  test('that does not answer within 20 minutes of a job has failed, however often it answered before', async () => {
    const world = new World();
    await world.create([SOURCE, invoke()]);
    const first = await job(world, 1);
    await world.clock.advanceBy(19 * 60_000);
    await world.ask('PutJobSuccessResult', { jobId: first.id, continuationToken: 'watching' });
    await world.clock.advanceBy(30_000);
    const second = await job(world, 2);
    await world.clock.advanceBy(10 * 60_000);
    await world.restart();
    await job(world, 3);
    await world.clock.advanceBy(10 * 60_000);
    const failed = await world.happened('action.failed');
    expect(failed.detail).toMatchObject({
      code: 'TimedOut',
      message: expect.stringContaining('controller did not answer its job within 20 minutes'),
    });
    const late = world.ask('PutJobSuccessResult', { jobId: second.id });
    await expect(late).rejects.toMatchObject({ code: 'InvalidJobStateException' });
  });

  test('that goes on asking for more has failed after 24 hours', async () => {
    const world = new World();
    await world.create([SOURCE, invoke()]);
    for (let hour = 0, calls = 0; hour < 24; hour += 1) {
      for (let third = 0; third < 3; third += 1) {
        calls += 1;
        const { id } = await job(world, calls);
        await world.ask('PutJobSuccessResult', { jobId: id, continuationToken: 'watching' });
        await world.clock.advanceBy(1_200_000);
      }
    }
    const failed = await world.happened('action.failed');
    expect(failed.detail).toMatchObject({ code: 'TimedOut' });
  });

  test('a failure result fails the action with its message', async () => {
    const world = new World();
    await world.create([SOURCE, invoke()]);
    const given = await job(world, 1);
    await world.ask('PutJobFailureResult', {
      jobId: given.id,
      failureDetails: { type: 'ConfigurationError', message: 'no record' },
    });
    const failed = await world.happened('action.failed');
    expect(failed.detail).toMatchObject({ code: 'ConfigurationError', message: 'no record' });
  });
});

describe('executions', () => {
  test('a denied call fails the action and says what is missing', async () => {
    const world = new World();
    world.aws.failing.set(
      'codecommit:GetBranch',
      new AwsFault('AccessDeniedException', 'User: x is not authorized to perform: codecommit:GetBranch'),
    );
    await world.create([SOURCE, approval()]);
    const failed = await world.happened('action.failed');
    expect(failed.detail).toMatchObject({
      code: 'PermissionError',
      message: expect.stringContaining('not authorized to perform: codecommit:GetBranch'),
    });
  });

  test('a variable that nobody set fails the action that needs it', async () => {
    const world = new World();
    await world.create([SOURCE, approval({ CustomData: '#{Build.IMAGE}' })]);
    const failed = await world.happened('action.failed');
    expect(failed.detail.message).toMatch(/#\{Build.IMAGE\} cannot be resolved/);
  });

  test('pipeline variables have defaults, can be given, and unknown ones are refused', async () => {
    const world = new World();
    await world.create(
      [SOURCE, approval({ CustomData: '#{variables.who} #{codepipeline.PipelineExecutionId}' })],
      { variables: [{ name: 'who', defaultValue: 'everyone' }] },
    );
    await world.happened('approval.requested');
    const unknown = world.ask('StartPipelineExecution', {
      name: 'release',
      variables: [{ name: 'x', value: '' }],
    });
    await expect(unknown).rejects.toMatchObject({ code: 'ValidationException' });
    const { actionExecutionDetails } = await world.ask('ListActionExecutions', { pipelineName: 'release' });
    expect(actionExecutionDetails?.[0]?.input?.resolvedConfiguration?.CustomData).toBe(
      `everyone ${actionExecutionDetails?.[0]?.pipelineExecutionId}`,
    );
  });

  test('the same client request token starts one execution', async () => {
    const world = new World();
    await world.create([SOURCE, approval()]);
    const once = await world.ask('StartPipelineExecution', { name: 'release', clientRequestToken: 't' });
    const twice = await world.ask('StartPipelineExecution', { name: 'release', clientRequestToken: 't' });
    expect(twice).toEqual(once);
  });

  test('a chosen commit is built instead of the tip', async () => {
    const world = new World();
    await world.create([SOURCE, approval()]);
    await world.happened('approval.requested');
    const chosen = 'd'.repeat(40);
    await world.ask('StartPipelineExecution', {
      name: 'release',
      sourceRevisions: [{ actionName: 'Commit', revisionType: 'COMMIT_ID', revisionValue: chosen }],
    });
    await world.happened('execution.started');
    await world.aws.called('codecommit:GetCommit', 2);
    expect(world.aws.named('codecommit:GetCommit')[1]).toEqual({
      repositoryName: 'worker',
      commitId: chosen,
    });
  });

  test('a revision is summed up by the message of its commit, without the end of the line', async () => {
    const world = new World();
    const pipelineExecutionId = await world.create([SOURCE, approval()]);
    await world.happened('approval.requested');
    const { pipelineExecution } = await world.ask('GetPipelineExecution', {
      pipelineName: 'release',
      pipelineExecutionId,
    });
    expect(pipelineExecution?.artifactRevisions).toMatchObject([{ revisionSummary: 'a change' }]);
  });

  test('an updated structure cancels what is under way and starts nothing', async () => {
    const world = new World();
    const pipelineExecutionId = await world.create([SOURCE, approval()]);
    await world.happened('approval.requested');
    await world.ask('UpdatePipeline', { pipeline: pipeline([SOURCE, approval()]) });
    const same = await world.ask('GetPipelineExecution', { pipelineName: 'release', pipelineExecutionId });
    expect(same.pipelineExecution?.status).toBe('InProgress');
    const { pipeline: updated } = await world.ask('UpdatePipeline', {
      pipeline: pipeline([SOURCE, approval({ CustomData: 'new' })]),
    });
    expect(updated?.version).toBe(2);
    const { pipelineExecutionSummaries } = await world.ask('ListPipelineExecutions', {
      pipelineName: 'release',
    });
    expect(pipelineExecutionSummaries).toMatchObject([
      { status: 'Cancelled', statusSummary: expect.stringContaining('definition was updated') },
    ]);
    const retry = world.ask('RetryStageExecution', {
      pipelineName: 'release',
      stageName: 'Verdict',
      pipelineExecutionId,
      retryMode: 'FAILED_ACTIONS',
    });
    await expect(retry).rejects.toMatchObject({ code: 'StageNotRetryableException' });
  });

  test('a deleted pipeline is gone with all that was under way', async () => {
    const world = new World();
    await world.create([SOURCE, approval()]);
    await world.ask('DeletePipeline', { name: 'release' });
    await world.clock.advanceBy(0);
    await expect(world.ask('GetPipeline', { name: 'release' })).rejects.toMatchObject({
      code: 'PipelineNotFoundException',
    });
    await world.ask('CreatePipeline', { pipeline: pipeline([SOURCE, approval()]) });
    await world.happened('approval.requested');
    const { pipelineExecutionSummaries } = await world.ask('ListPipelineExecutions', {
      pipelineName: 'release',
    });
    expect(pipelineExecutionSummaries).toHaveLength(1);
  });

  test('a disabled transition keeps an execution out, and says who closed it and why', async () => {
    const world = new World();
    await world.ask('CreatePipeline', { pipeline: pipeline([SOURCE, approval()]) });
    await world.ask('DisableStageTransition', {
      pipelineName: 'release',
      stageName: 'Verdict',
      transitionType: 'Inbound',
      reason: 'holidays',
    });
    await world.happened('stage.succeeded', { stage: 'Source' });
    const { stageStates } = await world.ask('GetPipelineState', { name: 'release' });
    expect(stageStates?.[1]).toMatchObject({
      inboundTransitionState: { enabled: false, disabledReason: 'holidays', lastChangedBy: ROOT.arn },
      inboundExecution: { status: 'InProgress' },
    });
    expect(stageStates?.[1]?.latestExecution).toBeUndefined();
    await world.ask('EnableStageTransition', {
      pipelineName: 'release',
      stageName: 'Verdict',
      transitionType: 'Inbound',
    });
    await world.happened('approval.requested');
  });

  test('a failing stage with onFailure ROLLBACK is run again as the last good execution ran it', async () => {
    const world = new World();
    const good = await world.create([
      SOURCE,
      deploy({ DeploymentTimeout: '30' }, { onFailure: { result: 'ROLLBACK' } }),
    ]);
    await world.aws.called('ecs:UpdateService', 1);
    world.deployment('COMPLETED');
    await world.happened('execution.succeeded', { executionId: good });
    world.aws.sourceFiles = { 'imagedefinitions.json': '[{"name":"worker","imageUri":"repo@sha256:bad"}]' };
    const { pipelineExecutionId: bad } = await world.ask('StartPipelineExecution', { name: 'release' });
    await world.aws.called('ecs:UpdateService', 2);
    await world.clock.advanceBy(31 * 60_000);
    await world.happened('execution.failed', { executionId: bad });
    await world.aws.called('ecs:UpdateService', 3);
    const images = world.aws
      .named('ecs:RegisterTaskDefinition')
      .map(({ containerDefinitions }) => (containerDefinitions as Array<{ image: string }>)[0]?.image);
    expect(images).toEqual(['repo@sha256:new', 'repo@sha256:bad', 'repo@sha256:new']);
    world.deployment('COMPLETED');
    const { detail } = await world.happened('execution.succeeded', { type: 'ROLLBACK' });
    const { pipelineExecution } = await world.ask('GetPipelineExecution', {
      pipelineName: 'release',
      pipelineExecutionId: detail.executionId as string,
    });
    expect(pipelineExecution).toMatchObject({
      executionType: 'ROLLBACK',
      trigger: { triggerType: 'AutomatedRollback', triggerDetail: bad },
      rollbackMetadata: { rollbackTargetPipelineExecutionId: good },
    });
    const chained = world.ask('RollbackStage', {
      pipelineName: 'release',
      stageName: 'Canary',
      targetPipelineExecutionId: detail.executionId as string,
    });
    await expect(chained).rejects.toMatchObject({ code: 'UnableToRollbackStageException' });
  });

  test('an EventBridge role is named as the trigger', async () => {
    const world = new World();
    await world.create([SOURCE, approval()]);
    const principal: Principal = {
      kind: 'role',
      arn: `arn:aws:sts::${ACCOUNT}:assumed-role/events/rule`,
      accountId: ACCOUNT,
      roleArn: `arn:aws:iam::${ACCOUNT}:role/events`,
      assumedBy: 'events.amazonaws.com',
    };
    const { pipelineExecutionId } = await world.ask('StartPipelineExecution', { name: 'release' }, principal);
    const { pipelineExecution } = await world.ask('GetPipelineExecution', {
      pipelineName: 'release',
      pipelineExecutionId,
    });
    expect(pipelineExecution?.trigger?.triggerType).toBe('CloudWatchEvent');
  });
});

describe('declarations', () => {
  const change = (stage: Stage, action: Partial<Action>): Stage => ({
    ...stage,
    actions: stage.actions!.map((first) => ({ ...first, ...action })),
  });

  test.each<[string, Pipeline, string, RegExp]>([
    ['one stage only', pipeline([SOURCE]), 'InvalidStructureException', /at least two stages/],
    [
      'two stages of one name',
      pipeline([SOURCE, approval(), approval()]),
      'InvalidStructureException',
      /Verdict is not unique/,
    ],
    [
      'no source first',
      pipeline([approval(), SOURCE]),
      'InvalidStructureException',
      /first stage must contain source actions only/,
    ],
    [
      'an input that nobody makes',
      pipeline([SOURCE, change(deploy(), { inputArtifacts: [{ name: 'Image' }] })]),
      'InvalidStructureException',
      /Input Artifact Bundle Image in action Deploy is not declared/,
    ],
    [
      'polling',
      pipeline([change(SOURCE, { configuration: { RepositoryName: 'r', BranchName: 'main' } }), approval()]),
      'InvalidActionDeclarationException',
      /PollForSourceChanges must be false/,
    ],
    [
      'an unknown provider',
      pipeline([SOURCE, change(approval(), { actionTypeId: type('Deploy', 'S3') })]),
      'InvalidActionDeclarationException',
      /Deploy\/AWS\/S3\/1 is not available in the local engine/,
    ],
    [
      'an unknown setting',
      pipeline([SOURCE, approval({ Colour: 'red' })]),
      'InvalidActionDeclarationException',
      /unknown configuration 'Colour'/,
    ],
    [
      'a missing setting',
      pipeline([SOURCE, change(deploy(), { configuration: { ClusterName: 'c' } })]),
      'InvalidActionDeclarationException',
      /missing required configuration 'ServiceName'/,
    ],
    [
      'a deployment timeout over an hour',
      pipeline([SOURCE, deploy({ DeploymentTimeout: '61' })]),
      'InvalidActionDeclarationException',
      /DeploymentTimeout must be 1 to 60/,
    ],
    [
      'a stage condition with rules',
      pipeline([SOURCE, deploy({}, { beforeEntry: { conditions: [] } })]),
      'InvalidStageDeclarationException',
      /beforeEntry of stage Canary is not supported/,
    ],
    [
      'a QUEUED pipeline of type V1',
      pipeline([SOURCE, approval()], { pipelineType: 'V1', executionMode: 'QUEUED' }),
      'InvalidStructureException',
      /QUEUED requires pipelineType V2/,
    ],
  ])('with %s are refused', async (_what, declaration, code, message) => {
    const world = new World();
    const created = world.ask('CreatePipeline', { pipeline: declaration });
    await expect(created).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test('a name that is taken is refused', async () => {
    const world = new World();
    await world.create([SOURCE, approval()]);
    await expect(
      world.ask('CreatePipeline', { pipeline: pipeline([SOURCE, approval()]) }),
    ).rejects.toMatchObject({
      code: 'PipelineNameInUseException',
    });
  });
});
