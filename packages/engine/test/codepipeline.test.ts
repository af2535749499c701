import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { watch } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodeBuild } from '@aws-sdk/client-codebuild';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { CodePipeline, type PipelineDeclaration } from '@aws-sdk/client-codepipeline';
import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { expect, onTestFinished, test } from 'vitest';
import type { JournalEntry } from '../src/index.ts';
import { processIdentity } from '../src/runtime/processes/process-identity.ts';
import { mortalEngine, promptIds, type TestEngine, testEngine } from './harness.ts';

const ACCOUNT = '000000000000';
const roleArn = (name: string) => `arn:aws:iam::${ACCOUNT}:role/${name}`;

async function role(
  engine: Pick<TestEngine, 'client'>,
  name: string,
  principal: unknown,
  statements: unknown[],
): Promise<string> {
  const iam = new IAM(engine.client);
  await iam.createRole({
    RoleName: name,
    AssumeRolePolicyDocument: JSON.stringify({
      Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: principal }],
    }),
  });
  await iam.putRolePolicy({
    RoleName: name,
    PolicyName: 'own',
    PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: statements }),
  });
  return roleArn(name);
}

const allow = (action: string | string[], resource = '*') => ({
  Effect: 'Allow',
  Action: action,
  Resource: resource,
});

const BUILDSPEC = [
  'version: 0.2',
  'env:',
  '  exported-variables: [IMAGE]',
  'phases:',
  '  build:',
  '    commands:',
  '      - export IMAGE="worker@$CODEBUILD_RESOLVED_SOURCE_VERSION"',
  '      - test "$CODEBUILD_INITIATOR" = codepipeline/release',
  '      - test "$WHO" = main',
  '      - echo built > built.txt',
  'artifacts:',
  '  files: [built.txt]',
].join('\n');

const RELEASE: PipelineDeclaration = {
  name: 'release',
  roleArn: roleArn('pipeline'),
  pipelineType: 'V2',
  artifactStore: { type: 'S3', location: 'artifacts' },
  stages: [
    {
      name: 'Source',
      actions: [
        {
          name: 'Commit',
          namespace: 'Source',
          actionTypeId: { category: 'Source', owner: 'AWS', provider: 'CodeCommit', version: '1' },
          configuration: { RepositoryName: 'worker', BranchName: 'main', PollForSourceChanges: 'false' },
          outputArtifacts: [{ name: 'Code' }],
          roleArn: roleArn('source'),
        },
      ],
    },
    {
      name: 'Build',
      actions: [
        {
          name: 'Image',
          namespace: 'Build',
          actionTypeId: { category: 'Build', owner: 'AWS', provider: 'CodeBuild', version: '1' },
          configuration: {
            ProjectName: 'worker',
            EnvironmentVariables: '[{"name":"WHO","value":"#{Source.BranchName}"}]',
          },
          inputArtifacts: [{ name: 'Code' }],
          outputArtifacts: [{ name: 'Image' }],
        },
      ],
    },
    {
      name: 'Verdict',
      actions: [
        {
          name: 'Approve',
          actionTypeId: { category: 'Approval', owner: 'AWS', provider: 'Manual', version: '1' },
          configuration: { CustomData: '#{Build.IMAGE}' },
        },
      ],
    },
  ],
};

/** Repository with one commit, project, bucket and roles: what a pipeline needs before it is created. */
async function world(
  engine: Pick<TestEngine, 'client'>,
  sourceStatements: unknown[] = [allow(['codecommit:*', 's3:*'])],
) {
  const commits = new CodeCommit(engine.client);
  await new S3({ ...engine.client, forcePathStyle: true }).createBucket({ Bucket: 'artifacts' });
  await role(engine, 'pipeline', { Service: 'codepipeline.amazonaws.com' }, [
    allow(['codebuild:StartBuild', 'codebuild:BatchGetBuilds']),
    allow('sts:AssumeRole', roleArn('source')),
  ]);
  await role(engine, 'source', { AWS: roleArn('pipeline') }, sourceStatements);
  await role(engine, 'builder', { Service: 'codebuild.amazonaws.com' }, [allow('s3:*')]);
  await new CodeBuild(engine.client).createProject({
    name: 'worker',
    serviceRole: roleArn('builder'),
    source: { type: 'CODECOMMIT', location: 'http://127.0.0.1/git/v1/repos/worker' },
    artifacts: { type: 'NO_ARTIFACTS' },
    environment: { type: 'LINUX_CONTAINER', image: 'any', computeType: 'BUILD_GENERAL1_SMALL' },
    logsConfig: { cloudWatchLogs: { status: 'DISABLED' } },
  });
  await commits.createRepository({ repositoryName: 'worker' });
  const commit = async (file: string, content: string) => {
    const { branches } = await commits.listBranches({ repositoryName: 'worker' });
    const tip = branches?.length
      ? (await commits.getBranch({ repositoryName: 'worker', branchName: 'main' })).branch?.commitId
      : undefined;
    const { commitId } = await commits.createCommit({
      repositoryName: 'worker',
      branchName: 'main',
      parentCommitId: tip,
      commitMessage: `change ${file}`,
      putFiles: [{ filePath: file, fileContent: Buffer.from(content) }],
    });
    return commitId!;
  };
  const first = await commit('buildspec.yml', BUILDSPEC);
  return { commit, first, client: new CodePipeline(engine.client) };
}

function happened(engine: TestEngine, type: string, detail: Record<string, unknown>): Promise<JournalEntry> {
  return engine.journal.waitFor(
    (entry) =>
      entry.source === 'codepipeline' &&
      entry.type === type &&
      Object.entries(detail).every(([key, value]) => entry.detail[key] === value),
    0,
  );
}

async function approvalToken(client: CodePipeline): Promise<string | undefined> {
  const { stageStates } = await client.getPipelineState({ name: 'release' });
  return stageStates!.find(({ stageName }) => stageName === 'Verdict')?.actionStates?.[0]?.latestExecution
    ?.token;
}

const STARTED = { stage: 'Verdict', action: 'Approve' };

test('creating a pipeline releases the branch: source, build with its variables, approval, success', async () => {
  const engine = await testEngine({ ids: promptIds() });
  const { client, first } = await world(engine);
  await client.createPipeline({ pipeline: RELEASE });
  const { detail } = await happened(engine, 'approval.requested', STARTED);
  const executionId = detail.executionId as string;
  const { pipelineExecution } = await client.getPipelineExecution({
    pipelineName: 'release',
    pipelineExecutionId: executionId,
  });
  expect(pipelineExecution).toMatchObject({
    status: 'InProgress',
    trigger: { triggerType: 'CreatePipeline' },
    artifactRevisions: [{ name: 'Code', revisionId: first, revisionSummary: 'change buildspec.yml' }],
  });
  const token = await approvalToken(client);
  const approve = (status: 'Approved' | 'Rejected', given = token!) =>
    client.putApprovalResult({
      pipelineName: 'release',
      stageName: 'Verdict',
      actionName: 'Approve',
      token: given,
      result: { status, summary: 'looks good' },
    });
  await expect(approve('Approved', 'stale')).rejects.toMatchObject({ name: 'InvalidApprovalTokenException' });
  await approve('Approved');
  await expect(approve('Rejected')).rejects.toMatchObject({ name: 'ApprovalAlreadyCompletedException' });
  await happened(engine, 'execution.succeeded', { executionId });
  const { actionExecutionDetails } = await client.listActionExecutions({ pipelineName: 'release' });
  expect(
    actionExecutionDetails!.map(({ actionName, status, input }) => [
      actionName,
      status,
      input?.resolvedConfiguration,
    ]),
  ).toEqual([
    ['Approve', 'Succeeded', { CustomData: `worker@${first}` }],
    [
      'Image',
      'Succeeded',
      { ProjectName: 'worker', EnvironmentVariables: '[{"name":"WHO","value":"main"}]' },
    ],
    ['Commit', 'Succeeded', RELEASE.stages![0]!.actions![0]!.configuration],
  ]);
  const states = engine.journal
    .read()
    .filter(({ source, type }) => source === 'codepipeline' && type === 'aws.event')
    .map(({ detail: event }) => {
      const inner = event.detail as Record<string, unknown>;
      return [inner.stage, inner.action, inner.state].filter((part) => part !== undefined).join(' ');
    });
  expect(states).toEqual([
    'STARTED',
    'Source STARTED',
    'Source Commit STARTED',
    'Source Commit SUCCEEDED',
    'Source SUCCEEDED',
    'Build STARTED',
    'Build Image STARTED',
    'Build Image SUCCEEDED',
    'Build SUCCEEDED',
    'Verdict STARTED',
    'Verdict Approve STARTED',
    'Verdict Approve SUCCEEDED',
    'Verdict SUCCEEDED',
    'SUCCEEDED',
  ]);
});

test.each([
  ['AWS’s own key where the store names none', undefined, ['Code', 'Image']],
  [
    'the key of the store',
    { id: 'arn:aws:kms:us-east-1:000000000000:key/own', type: 'KMS' as const },
    ['Code', 'Image'],
  ],
])('artifacts are uploaded under %s, as a bucket policy may demand', async (_what, encryptionKey, names) => {
  const engine = await testEngine({ ids: promptIds() });
  const { client } = await world(engine);
  const s3 = new S3({ ...engine.client, forcePathStyle: true });
  const condition = encryptionKey
    ? { 's3:x-amz-server-side-encryption-aws-kms-key-id': encryptionKey.id }
    : { 's3:x-amz-server-side-encryption': 'aws:kms' };
  await s3.putBucketPolicy({
    Bucket: 'artifacts',
    Policy: JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Deny',
          Principal: '*',
          Action: 's3:PutObject',
          Resource: 'arn:aws:s3:::artifacts/*',
          Condition: { StringNotEquals: condition },
        },
      ],
    }),
  });
  await client.createPipeline({
    pipeline: {
      ...RELEASE,
      artifactStore: { type: 'S3', location: 'artifacts', ...(encryptionKey && { encryptionKey }) },
    },
  });
  await happened(engine, 'approval.requested', STARTED);
  const { Contents } = await s3.listObjectsV2({ Bucket: 'artifacts' });
  expect(Contents!.map(({ Key }) => Key!.split('/')[1])).toEqual(names);
  for (const { Key } of Contents!)
    expect(await s3.headObject({ Bucket: 'artifacts', Key })).toMatchObject({
      ServerSideEncryption: 'aws:kms',
      ...(encryptionKey && { SSEKMSKeyId: encryptionKey.id }),
    });
});

test('a missing permission fails the action with what is missing, and the stage can be retried once it is given', async () => {
  const engine = await testEngine({ ids: promptIds() });
  const { client, first } = await world(engine, [allow(['codecommit:Get*', 's3:*'])]);
  await client.createPipeline({ pipeline: RELEASE });
  const failed = await happened(engine, 'action.failed', { stage: 'Source' });
  expect(failed.detail.message).toMatch(
    /assumed-role\/source\/release is not authorized to perform: codecommit:UploadArchive on resource: arn:aws:codecommit:us-east-1:000000000000:worker/,
  );
  const pipelineExecutionId = failed.detail.executionId as string;
  await happened(engine, 'execution.failed', { executionId: pipelineExecutionId });
  await new IAM(engine.client).putRolePolicy({
    RoleName: 'source',
    PolicyName: 'more',
    PolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: [allow('codecommit:UploadArchive')],
    }),
  });
  await client.retryStageExecution({
    pipelineName: 'release',
    stageName: 'Source',
    pipelineExecutionId,
    retryMode: 'FAILED_ACTIONS',
  });
  const requested = await happened(engine, 'approval.requested', STARTED);
  expect(requested.detail.executionId).toBe(pipelineExecutionId);
  const { stageStates } = await client.getPipelineState({ name: 'release' });
  expect(stageStates![0]).toMatchObject({
    latestExecution: { pipelineExecutionId, status: 'Succeeded' },
    retryStageMetadata: { manualStageRetryAttempt: 1 },
    actionStates: [{ currentRevision: { revisionId: first } }],
  });
});

test('newer commits wait behind an approval, and only the newest of them gets in', async () => {
  const engine = await testEngine({ ids: promptIds() });
  const { client, commit } = await world(engine);
  await client.createPipeline({ pipeline: RELEASE });
  const { detail } = await happened(engine, 'approval.requested', STARTED);
  const start = async () => {
    const { pipelineExecutionId } = await client.startPipelineExecution({ name: 'release' });
    await happened(engine, 'stage.succeeded', { executionId: pipelineExecutionId, stage: 'Build' });
    return pipelineExecutionId!;
  };
  await commit('a', '1');
  const second = await start();
  const newest = await commit('a', '2');
  const third = await start();
  await happened(engine, 'execution.superseded', { executionId: second });
  const { stageStates } = await client.getPipelineState({ name: 'release' });
  expect(stageStates![2]).toMatchObject({
    latestExecution: { pipelineExecutionId: detail.executionId, status: 'InProgress' },
    inboundExecution: { pipelineExecutionId: third, status: 'InProgress' },
  });
  await client.putApprovalResult({
    pipelineName: 'release',
    stageName: 'Verdict',
    actionName: 'Approve',
    token: (await approvalToken(client))!,
    result: { status: 'Rejected', summary: 'a newer one waits' },
  });
  await happened(engine, 'execution.failed', { executionId: detail.executionId });
  await happened(engine, 'approval.requested', { ...STARTED, executionId: third });
  const { pipelineExecutionSummaries } = await client.listPipelineExecutions({ pipelineName: 'release' });
  expect(
    pipelineExecutionSummaries!.map(({ status, sourceRevisions }) => [
      status,
      sourceRevisions?.[0]?.revisionId === newest,
    ]),
  ).toEqual([
    ['InProgress', true],
    ['Superseded', false],
    ['Failed', false],
  ]);
});

test('after a restart an approval still waits with the same token, and the build of another execution can be retried', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-pipeline-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const before = await testEngine({ directory, ids: promptIds() });
  const { client, commit } = await world(before);
  await client.createPipeline({ pipeline: RELEASE });
  const waiting = await happened(before, 'approval.requested', STARTED);
  const token = await approvalToken(client);
  await commit(
    'buildspec.yml',
    BUILDSPEC.replace('echo built', 'while [ ! -e ../../../go ]; do sleep 0.05; done; echo built'),
  );
  const { pipelineExecutionId: building } = await client.startPipelineExecution({ name: 'release' });
  await before.journal.waitFor(
    ({ type, detail }) => type === 'build.phase' && detail.phase === 'DOWNLOAD_SOURCE',
    (await happened(before, 'action.started', { executionId: building, action: 'Image' })).seq,
  );
  await before.close();

  const after = await testEngine({ directory, ids: promptIds() });
  const again = new CodePipeline(after.client);
  expect(await approvalToken(again)).toBe(token);
  const failed = await happened(after, 'action.failed', { executionId: building, action: 'Image' });
  expect(failed.detail.message).toMatch(/The engine stopped while the build was running/);
  await happened(after, 'execution.failed', { executionId: building });
  writeFileSync(join(directory, 'codebuild', 'go'), '');
  await again.retryStageExecution({
    pipelineName: 'release',
    stageName: 'Build',
    pipelineExecutionId: building,
    retryMode: 'FAILED_ACTIONS',
  });
  await happened(after, 'stage.succeeded', { executionId: building, stage: 'Build' });
  await again.putApprovalResult({
    pipelineName: 'release',
    stageName: 'Verdict',
    actionName: 'Approve',
    token: token!,
    result: { status: 'Approved', summary: '' },
  });
  await happened(after, 'execution.succeeded', { executionId: waiting.detail.executionId });
  await happened(after, 'approval.requested', { ...STARTED, executionId: building });
});

test('a kill -9 during a build leaves no process behind and a stage that can be retried', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-pipeline-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const doomed = await mortalEngine(directory);
  const { client, commit } = await world(doomed);
  const signs = mkdtempSync(join(tmpdir(), 'queue-canary-signs-'));
  onTestFinished(() => rmSync(signs, { recursive: true, force: true }));
  await commit(
    'buildspec.yml',
    BUILDSPEC.replace(
      'echo built',
      `echo $$ > ${signs}/new; mv ${signs}/new ${signs}/pid; while [ ! -e ${signs}/go ]; do sleep 0.05; done; echo built`,
    ),
  );
  const seen = watch(signs);
  await client.createPipeline({ pipeline: RELEASE });
  for await (const _change of seen) if (existsSync(join(signs, 'pid'))) break;
  const pid = Number(readFileSync(join(signs, 'pid'), 'utf8'));
  await doomed.kill();

  const engine = await testEngine({ directory, ids: promptIds() });
  const failed = await happened(engine, 'action.failed', { action: 'Image' });
  expect(failed.detail.message).toMatch(/The engine stopped while the build was running/);
  expect(processIdentity(pid)).toBeUndefined();
  const pipelineExecutionId = failed.detail.executionId as string;
  await happened(engine, 'execution.failed', { executionId: pipelineExecutionId });
  writeFileSync(join(signs, 'go'), '');
  await new CodePipeline(engine.client).retryStageExecution({
    pipelineName: 'release',
    stageName: 'Build',
    pipelineExecutionId,
    retryMode: 'ALL_ACTIONS',
  });
  await happened(engine, 'approval.requested', STARTED);
});
