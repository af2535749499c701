import { describe, expect, test } from 'vitest';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import {
  ACCOUNT,
  type Action,
  actionType,
  approval,
  deploy,
  type Pipeline,
  PipelineWorld,
  pipeline,
  ROOT,
  SOURCE,
  type Stage,
} from './test/pipeline-world.ts';

describe('executions', () => {
  test('a denied call fails the action and says what is missing', async () => {
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
    await world.create([SOURCE, approval({ CustomData: '#{Build.IMAGE}' })]);
    const failed = await world.happened('action.failed');
    expect(failed.detail.message).toMatch(/#\{Build.IMAGE\} cannot be resolved/);
  });

  test('pipeline variables have defaults, can be given, and unknown ones are refused', async () => {
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
    await world.create([SOURCE, approval()]);
    const once = await world.ask('StartPipelineExecution', { name: 'release', clientRequestToken: 't' });
    const twice = await world.ask('StartPipelineExecution', { name: 'release', clientRequestToken: 't' });
    expect(twice).toEqual(once);
  });

  test('a chosen commit is built instead of the tip', async () => {
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
    const pipelineExecutionId = await world.create([SOURCE, approval()]);
    await world.happened('approval.requested');
    const { pipelineExecution } = await world.ask('GetPipelineExecution', {
      pipelineName: 'release',
      pipelineExecutionId,
    });
    expect(pipelineExecution?.artifactRevisions).toMatchObject([{ revisionSummary: 'a change' }]);
  });

  test('an updated structure cancels what is under way and starts nothing', async () => {
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
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
    const world = new PipelineWorld();
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
      pipeline([SOURCE, change(approval(), { actionTypeId: actionType('Deploy', 'S3') })]),
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
    const world = new PipelineWorld();
    const created = world.ask('CreatePipeline', { pipeline: declaration });
    await expect(created).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test('a name that is taken is refused', async () => {
    const world = new PipelineWorld();
    await world.create([SOURCE, approval()]);
    await expect(
      world.ask('CreatePipeline', { pipeline: pipeline([SOURCE, approval()]) }),
    ).rejects.toMatchObject({
      code: 'PipelineNameInUseException',
    });
  });
});
