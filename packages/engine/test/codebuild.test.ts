import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodeBuild, type CreateProjectCommandInput } from '@aws-sdk/client-codebuild';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { SSM } from '@aws-sdk/client-ssm';
import { expect, onTestFinished, test } from 'vitest';
import { type TestEngine, testEngine } from './harness.ts';

async function buildRole(engine: TestEngine, statements?: unknown[]): Promise<string> {
  const iam = new IAM(engine.client);
  const { Role } = await iam.createRole({
    RoleName: 'builder',
    AssumeRolePolicyDocument: JSON.stringify({
      Statement: [
        { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: 'codebuild.amazonaws.com' } },
      ],
    }),
  });
  await iam.putRolePolicy({
    RoleName: 'builder',
    PolicyName: 'own',
    PolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: statements ?? [{ Effect: 'Allow', Action: '*', Resource: '*' }],
    }),
  });
  return Role!.Arn!;
}

function inline(serviceRole: string, buildspec: string): CreateProjectCommandInput {
  return {
    name: 'worker',
    serviceRole,
    source: { type: 'NO_SOURCE', buildspec },
    artifacts: { type: 'NO_ARTIFACTS' },
    environment: {
      type: 'LINUX_CONTAINER',
      image: 'aws/codebuild/standard:7.0',
      computeType: 'BUILD_GENERAL1_SMALL',
    },
    logsConfig: { cloudWatchLogs: { status: 'DISABLED' } },
  };
}

/** Waits for the build's end and returns it. */
async function finished(engine: TestEngine, client: CodeBuild, id: string) {
  await engine.journal.waitFor(
    ({ source, type, detail }) =>
      source === 'codebuild' &&
      /^build\.(succeeded|failed|stopped|timed-out)$/.test(type) &&
      detail.buildId === id,
    0,
  );
  return (await client.batchGetBuilds({ ids: [id] })).builds![0]!;
}

const spec = (...commands: string[]) =>
  `version: 0.2\nphases:\n  build:\n    commands:\n${commands.map((command) => `      - ${command}\n`).join('')}`;

test('a commit is checked out and built by its own buildspec, with the facts and rights that CodeBuild gives', async () => {
  const engine = await testEngine();
  const client = new CodeBuild(engine.client);
  const commits = new CodeCommit(engine.client);
  const s3 = new S3({ ...engine.client, forcePathStyle: true });
  await s3.createBucket({ Bucket: 'out' });
  await commits.createRepository({ repositoryName: 'worker' });
  const buildspec = [
    'version: 0.2',
    'env:',
    '  exported-variables: [SHARED]',
    'phases:',
    '  pre_build:',
    '    commands: [export SHARED=told]',
    '  build:',
    '    commands:',
    '      - ./tool.sh > out.txt',
    '      - git log --format=%H -1 >> out.txt',
    '      - echo "$CODEBUILD_RESOLVED_SOURCE_VERSION $GREETING $CODEBUILD_BUILD_NUMBER $AWS_REGION $SHARED" >> out.txt',
    '      - test "$CODEBUILD_SRC_DIR" = "$PWD" -a -n "$AWS_SESSION_TOKEN" -a "$CODEBUILD_INITIATOR" = root',
    'artifacts:',
    '  files: [out.txt]',
  ].join('\n');
  const { commitId } = await commits.createCommit({
    repositoryName: 'worker',
    branchName: 'main',
    putFiles: [
      { filePath: 'buildspec.yml', fileContent: Buffer.from(buildspec) },
      { filePath: 'tool.sh', fileContent: Buffer.from('#!/bin/sh\necho tool ran\n'), fileMode: 'EXECUTABLE' },
    ],
  });
  await client.createProject({
    ...inline(await buildRole(engine), ''),
    source: {
      type: 'CODECOMMIT',
      location: 'https://git-codecommit.us-east-1.amazonaws.com/v1/repos/worker',
    },
    sourceVersion: 'refs/heads/main',
    artifacts: { type: 'S3', location: 'out', name: 'result', packaging: 'NONE' },
  });
  const { build } = await client.startBuild({
    projectName: 'worker',
    environmentVariablesOverride: [{ name: 'GREETING', value: 'hello' }],
  });
  const done = await finished(engine, client, build!.id!);
  expect(done).toMatchObject({
    buildStatus: 'SUCCEEDED',
    currentPhase: 'COMPLETED',
    buildComplete: true,
    resolvedSourceVersion: commitId,
    exportedEnvironmentVariables: [{ name: 'SHARED', value: 'told' }],
    artifacts: { location: 'arn:aws:s3:::out/result' },
  });
  expect(
    done.phases!.map(({ phaseType, phaseStatus }) => `${phaseType} ${phaseStatus ?? ''}`.trim()),
  ).toEqual([
    'SUBMITTED SUCCEEDED',
    'QUEUED SUCCEEDED',
    'PROVISIONING SUCCEEDED',
    'DOWNLOAD_SOURCE SUCCEEDED',
    'PRE_BUILD SUCCEEDED',
    'BUILD SUCCEEDED',
    'UPLOAD_ARTIFACTS SUCCEEDED',
    'COMPLETED',
  ]);
  const out = await s3.getObject({ Bucket: 'out', Key: 'result/out.txt' });
  expect(await out.Body!.transformToString()).toBe(
    `tool ran\n${commitId}\n${commitId} hello 1 us-east-1 told\n`,
  );
});

test('the AWS settings of the machine’s user stay out of a build', async () => {
  const engine = await testEngine();
  const client = new CodeBuild(engine.client);
  const absent = (name: string) => `test -n "$${name}" && test ! -e "$${name}"`;
  await client.createProject(
    inline(
      await buildRole(engine),
      spec(absent('AWS_CONFIG_FILE'), absent('AWS_SHARED_CREDENTIALS_FILE'), 'test -z "$AWS_PROFILE"'),
    ),
  );
  const { build } = await client.startBuild({ projectName: 'worker' });
  const { phases, buildStatus } = await finished(engine, client, build!.id!);
  expect(phases!.flatMap(({ contexts }) => contexts ?? [])).toEqual([]);
  expect(buildStatus).toBe('SUCCEEDED');
});

test('a failing command is named with its phase and exit status, and the event says so', async () => {
  const engine = await testEngine();
  const client = new CodeBuild(engine.client);
  await client.createProject(inline(await buildRole(engine), spec('exit 3')));
  const { build } = await client.startBuild({ projectName: 'worker' });
  const done = await finished(engine, client, build!.id!);
  expect(done.buildStatus).toBe('FAILED');
  expect(done.phases!.find(({ phaseStatus }) => phaseStatus === 'FAILED')).toMatchObject({
    phaseType: 'BUILD',
    contexts: [
      {
        statusCode: 'COMMAND_EXECUTION_ERROR',
        message: 'Error while executing command: exit 3. Reason: exit status 3',
      },
    ],
  });
  const event = engine.journal
    .read()
    .filter(({ detail }) => detail['detail-type'] === 'CodeBuild Build State Change')
    .at(-1);
  expect(event?.detail).toMatchObject({
    source: 'aws.codebuild',
    resources: [done.arn],
    detail: { 'build-status': 'FAILED', 'project-name': 'worker', 'build-id': done.arn },
  });
});

test.each([
  [
    'malformed',
    'version: 0.2\nphases:\n  build:\n    comands: [true]\n',
    /buildspec line 4: "comands" is not known/,
  ],
  ['not YAML', 'version: 0.2\nphases: [\n', /not valid YAML/],
])('a %s buildspec fails the build before any command runs', async (_what, buildspec, message) => {
  const engine = await testEngine();
  const client = new CodeBuild(engine.client);
  await client.createProject(inline(await buildRole(engine), buildspec));
  const { build } = await client.startBuild({ projectName: 'worker' });
  const done = await finished(engine, client, build!.id!);
  const phase = done.phases!.find(({ phaseStatus }) => phaseStatus === 'FAILED');
  expect(phase?.phaseType).toBe('DOWNLOAD_SOURCE');
  expect(phase?.contexts?.[0]?.statusCode).toBe('YAML_FILE_ERROR');
  expect(phase?.contexts?.[0]?.message).toMatch(message);
});

test('without GitPull the build fails and says which permission is missing', async () => {
  const engine = await testEngine();
  const client = new CodeBuild(engine.client);
  await new CodeCommit(engine.client).createRepository({ repositoryName: 'worker' });
  await client.createProject({
    ...inline(await buildRole(engine, [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }]), ''),
    source: { type: 'CODECOMMIT', location: 'http://127.0.0.1/git/v1/repos/worker' },
  });
  const { build } = await client.startBuild({ projectName: 'worker' });
  const done = await finished(engine, client, build!.id!);
  expect(done.phases!.find(({ phaseStatus }) => phaseStatus === 'FAILED')).toMatchObject({
    phaseType: 'DOWNLOAD_SOURCE',
    contexts: [
      {
        statusCode: 'ACCESS_DENIED',
        message: expect.stringMatching(
          /assumed-role\/builder\/AWSCodeBuild-.* is not authorized to perform: codecommit:GitPull on resource: arn:aws:codecommit:us-east-1:000000000000:worker/,
        ),
      },
    ],
  });
});

test('variables come from Parameter Store with the role of the project', async () => {
  const engine = await testEngine();
  const client = new CodeBuild(engine.client);
  await new SSM(engine.client).putParameter({ Name: '/secret', Value: 'sesame', Type: 'String' });
  const project = inline(await buildRole(engine), spec('test "$PASSWORD" = sesame'));
  await client.createProject({
    ...project,
    environment: {
      ...project.environment!,
      environmentVariables: [{ name: 'PASSWORD', value: '/secret', type: 'PARAMETER_STORE' }],
    },
  });
  const { build } = await client.startBuild({ projectName: 'worker' });
  expect((await finished(engine, client, build!.id!)).buildStatus).toBe('SUCCEEDED');
});

test('two builds run at once, the next waits in the queue, and each can be stopped where it is', async () => {
  const engine = await testEngine();
  const client = new CodeBuild(engine.client);
  await client.createProject(inline(await buildRole(engine), spec('sleep 1000')));
  const running = async () => (await client.startBuild({ projectName: 'worker' })).build!.id!;
  const inPhase = (id: string, phase: string) =>
    engine.journal.waitFor(
      ({ type, detail }) => type === 'build.phase' && detail.buildId === id && detail.phase === phase,
      0,
    );
  const [first, second] = [await running(), await running()];
  await inPhase(first, 'DOWNLOAD_SOURCE');
  await inPhase(second, 'DOWNLOAD_SOURCE');
  const [third, fourth] = [await running(), await running()];
  const { builds } = await client.batchGetBuilds({ ids: [third, fourth] });
  expect(builds!.map(({ currentPhase }) => currentPhase)).toEqual(['QUEUED', 'QUEUED']);
  await client.stopBuild({ id: third });
  expect(await finished(engine, client, third)).toMatchObject({ buildStatus: 'STOPPED' });
  await client.stopBuild({ id: first });
  expect(await finished(engine, client, first)).toMatchObject({ buildStatus: 'STOPPED' });
  await inPhase(fourth, 'DOWNLOAD_SOURCE');
});

test('after a restart a build that ran has failed with the reason, and one that waited is built', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-build-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const before = await testEngine({ directory });
  const client = new CodeBuild(before.client);
  const role = await buildRole(before);
  await client.createProject(inline(role, spec('sleep 1000')));
  await client.createProject({ ...inline(role, spec('true')), name: 'quick' });
  const ids = [];
  for (const projectName of ['worker', 'worker', 'quick']) {
    ids.push((await client.startBuild({ projectName })).build!.id!);
  }
  await before.close();
  const after = await testEngine({ directory });
  const again = new CodeBuild(after.client);
  expect(await finished(after, again, ids[2]!)).toMatchObject({ buildStatus: 'SUCCEEDED' });
  const failed = await finished(after, again, ids[0]!);
  expect(failed.buildStatus).toBe('FAILED');
  expect(failed.phases!.find(({ phaseStatus }) => phaseStatus === 'FAILED')?.contexts?.[0]?.message).toBe(
    'The engine stopped while the build was running.',
  );
});

test.each([
  [{ source: { type: 'GITHUB' as const, location: 'https://github.com/a/b' } }, /source.type GITHUB/],
  [{ secondarySources: [{ type: 'NO_SOURCE' as const }] }, /secondarySources: not supported/],
  [
    {
      environment: {
        type: 'WINDOWS_CONTAINER' as const,
        image: 'x',
        computeType: 'BUILD_GENERAL1_SMALL' as const,
      },
    },
    /environment.type WINDOWS_CONTAINER/,
  ],
  [{ source: { type: 'NO_SOURCE' as const } }, /needs a buildspec/],
  [{ timeoutInMinutes: 1 }, /Invalid timeoutInMinutes/],
])('what it cannot build is refused by name: %j', async (change, message) => {
  const engine = await testEngine();
  const client = new CodeBuild(engine.client);
  const project = { ...inline(await buildRole(engine), spec('true')), ...change };
  await expect(client.createProject(project)).rejects.toMatchObject({
    name: 'InvalidInputException',
    message: expect.stringMatching(message),
  });
});
