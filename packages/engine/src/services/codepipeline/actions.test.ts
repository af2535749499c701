import { describe, expect, test } from 'vitest';
import {
  ACCOUNT,
  approval,
  COMMIT,
  deploy,
  invoke,
  PipelineWorld,
  ROOT,
  SOURCE,
} from './test/pipeline-world.ts';

describe('deploy to ECS', () => {
  test('registers a revision of what the service uses, with the image replaced by container name, and waits', async () => {
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
    world.aws.sourceFiles = { 'imagedefinitions.json': text };
    await world.create([SOURCE, deploy()]);
    const failed = await world.happened('action.failed');
    expect(failed.detail.message).toMatch(message);
    expect(world.aws.named('ecs:UpdateService')).toEqual([]);
    expect(world.aws.named('ecs:RegisterTaskDefinition')).toEqual([]);
  });

  test('an artifact without the file fails the action with bucket and key', async () => {
    const world = new PipelineWorld();
    await world.create([SOURCE, deploy({ FileName: 'images.json' })]);
    const failed = await world.happened('action.failed');
    expect(failed.detail.message).toMatch(
      /Did not find the image definition file images.json .* bucket: artifacts key: release\/Code\//,
    );
  });

  test('a service that is not there fails the action', async () => {
    const world = new PipelineWorld();
    world.aws.service = { ...world.aws.service, status: 'INACTIVE' };
    await world.create([SOURCE, deploy()]);
    const failed = await world.happened('action.failed');
    expect(failed.detail.message).toMatch(/service canary was not found or is not active in cluster cluster/);
  });

  test('a deployment that fails, or is replaced, goes unnoticed until DeploymentTimeout', async () => {
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
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
  const world = new PipelineWorld();
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
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
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
async function job(world: PipelineWorld, count: number): Promise<JobEvent['CodePipeline.job']> {
  await world.aws.called('lambda:Invoke', count);
  const { Payload } = world.aws.named('lambda:Invoke')[count - 1]!;
  return (JSON.parse(Buffer.from(Payload as Uint8Array).toString()) as JobEvent)['CodePipeline.job'];
}

describe('invoke Lambda', () => {
  test('hands the function a job and takes its result with output variables', async () => {
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
    await world.create([SOURCE, invoke()]);
    const before = await job(world, 1);
    await world.restart();
    const after = await job(world, 2);
    expect(after.id).toBe(before.id);
    await world.ask('PutJobSuccessResult', { jobId: after.id });
    await world.happened('execution.succeeded');
  });

  test('that does not answer within 20 minutes of a job has failed, however often it answered before', async () => {
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
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
