import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { CodeBuild, type CreateProjectCommandInput } from '@aws-sdk/client-codebuild';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { SSM } from '@aws-sdk/client-ssm';
import { expect, onTestFinished, test, vi } from 'vitest';
import { promptIds, type TestEngine, testEngine } from './harness.ts';

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

test('a build has a home of its own, in which nothing of the machine’s user is', async () => {
  const home = mkdtempSync(join(tmpdir(), 'queue-canary-home-'));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  for (const [path, text] of [
    ['.gitconfig', '[user]\n\tname = Somebody\n'],
    ['.npmrc', '//registry.example/:_authToken=secret\n'],
    ['.aws/credentials', '[default]\naws_access_key_id = theirs\n'],
    ['.docker/config.json', '{}'],
  ] as const) {
    mkdirSync(dirname(join(home, path)), { recursive: true });
    writeFileSync(join(home, path), text);
  }
  onTestFinished(() => void vi.unstubAllEnvs());
  for (const [name, value] of Object.entries({
    HOME: home,
    AWS_PROFILE: 'theirs',
    npm_config_userconfig: join(home, '.npmrc'),
    npm_config_cache: join(home, '.npm'),
    npm_config_prefix: home,
    XDG_CONFIG_HOME: home,
  }))
    vi.stubEnv(name, value);
  const engine = await testEngine();
  const client = new CodeBuild(engine.client);
  await client.createProject(
    inline(
      await buildRole(engine),
      spec(
        `test "$HOME" != ${home}`,
        'test -d "$HOME" && test -z "$(ls -A "$HOME")"',
        'test -z "$(git config --global user.name)"',
        `test -z "$(env | grep -F ${home})"`,
        'test -z "$AWS_PROFILE" && test -n "$DOCKER_CONFIG"',
        'echo kept >"$HOME/note" && cd / && test "$(cat ~/note)" = kept',
      ),
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

test('variables come from Secrets Manager, whole or a member, and no log holds them or parameters', async () => {
  const engine = await testEngine();
  const client = new CodeBuild(engine.client);
  await new SSM(engine.client).putParameter({ Name: '/word', Value: 'open', Type: 'String' });
  const secrets = new SecretsManager(engine.client);
  const { ARN } = await secrets.createSecret({ Name: 'shop', SecretString: '{"user":"ann","key":"sesame"}' });
  const buildspec = `env:\n  secrets-manager: { USER_NAME: 'shop:user' }\n${spec('echo "$USER_NAME says $WORD $KEY"')}`;
  const project = inline(await buildRole(engine), buildspec);
  await client.createProject({
    ...project,
    logsConfig: { cloudWatchLogs: { status: 'ENABLED', groupName: 'builds' } },
    environment: {
      ...project.environment!,
      environmentVariables: [
        { name: 'WORD', value: '/word', type: 'PARAMETER_STORE' },
        { name: 'KEY', value: `${ARN}:key::`, type: 'SECRETS_MANAGER' },
      ],
    },
  });
  const { build } = await client.startBuild({ projectName: 'worker' });
  expect((await finished(engine, client, build!.id!)).buildStatus).toBe('SUCCEEDED');
  const { events } = await new CloudWatchLogs(engine.client).filterLogEvents({ logGroupName: 'builds' });
  const lines = events!.map(({ message }) => message);
  expect(lines).toContain('*** says *** ***\n'.trim());
  expect(JSON.stringify([lines, engine.journal.read()])).not.toContain('sesame');
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

/** Builds the buildspec as an inline one, with what the project changes; the log comes back too. */
async function built(engine: TestEngine, buildspec: string, change: Partial<CreateProjectCommandInput> = {}) {
  const client = new CodeBuild(engine.client);
  const project = inline(await buildRole(engine), buildspec);
  await client.createProject({ ...project, logsConfig: {}, ...change });
  const { build } = await client.startBuild({ projectName: 'worker' });
  const done = await finished(engine, client, build!.id!);
  const logs = new CloudWatchLogs(engine.client);
  const { groupName: logGroupName, streamName: logStreamName } = done.logs!;
  let log: string[] = [];
  // A line can be read some time after it was sent.
  await expect
    .poll(
      async () => {
        const { events } = await logs.getLogEvents({
          logGroupName: logGroupName!,
          logStreamName: logStreamName!,
          startFromHead: true,
        });
        log = (events ?? []).map(({ message }) => message ?? '');
        return log.at(-1);
      },
      { timeout: 30_000 },
    )
    .toMatch(/^\[Container\] Phase complete/);
  return { done, log };
}

const image = (name: string) => ({
  environment: {
    type: 'LINUX_CONTAINER' as const,
    image: name,
    computeType: 'BUILD_GENERAL1_SMALL' as const,
  },
});

test.each([
  ['aws/codebuild/standard:7.0', 'dash', undefined],
  ['public.ecr.aws/codebuild/standard:5.0', 'dash', undefined],
  ['aws/codebuild/amazonlinux2-x86_64-standard:5.0', 'bash', undefined],
  ['aws/codebuild/amazonlinux-aarch64-standard:3.0', 'bash', undefined],
  ['public.ecr.aws/amazonlinux/amazonlinux:2023', 'bash', undefined],
  ['registry.example/own/image:1', undefined, /sh of registry.example\/own\/image:1 is not known/],
])('sh in a build with the image %s is %s', async (name, shell, notice) => {
  const engine = await testEngine({ ids: promptIds() });
  const { done, log } = await built(
    engine,
    spec('\'if [ -n "$BASH_VERSION" ]; then echo "it is bash"; else echo "it is dash"; fi\''),
    image(name),
  );
  expect(done.buildStatus).toBe('SUCCEEDED');
  if (shell !== undefined) expect(log).toContain(`it is ${shell}`);
  const notices = log.filter((line) => /The sh of/.test(line));
  if (notice === undefined) expect(notices).toEqual([]);
  else expect(notices.join()).toMatch(notice);
});

test('a buildspec takes variables from Parameter Store, with the role of the project', async () => {
  const engine = await testEngine({ ids: promptIds() });
  await new SSM(engine.client).putParameter({ Name: '/secret', Value: 'sesame', Type: 'SecureString' });
  const text = (name: string) =>
    `version: 0.2\nenv: { parameter-store: { PASSWORD: ${name} } }\nphases: { build: { commands: ['test "$PASSWORD" = sesame'] } }\n`;
  expect((await built(engine, text('/secret'))).done.buildStatus).toBe('SUCCEEDED');
  const client = new CodeBuild(engine.client);
  const { build } = await client.startBuild({ projectName: 'worker', buildspecOverride: text('/none') });
  const failed = await finished(engine, client, build!.id!);
  expect(failed.phases!.find(({ phaseStatus }) => phaseStatus === 'FAILED')).toMatchObject({
    phaseType: 'DOWNLOAD_SOURCE',
    contexts: [{ statusCode: 'CLIENT_ERROR', message: 'Parameter does not exist: /none' }],
  });
});

test('variables of the build are replaced in names and paths of artifacts, the secondary ones too', async () => {
  const engine = await testEngine({ ids: promptIds() });
  const s3 = new S3({ ...engine.client, forcePathStyle: true });
  await s3.createBucket({ Bucket: 'out' });
  const text = `version: 0.2
env: { variables: { OUT: dist } }
phases:
  build:
    commands:
      - export REVISION=abcdef
      - mkdir -p dist/sub; echo a >dist/sub/a.js; echo b >dist/a.map; echo c >dist/report-abcdef.json
artifacts:
  name: web-\${REVISION}-$(echo made)
  base-directory: $CODEBUILD_SRC_DIR/$OUT
  files: ['**/*.js', "*.\${KIND:-map}", '$CODEBUILD_SRC_DIR/dist/report-$REVISION.json']
  exclude-paths: ["none$NOTHING/**", "*.\${KIND:-map}"]
  discard-paths: \${DISCARD:-yes}
  secondary-artifacts:
    report: { files: ["$OUT/report-$REVISION.json"], discard-paths: yes }
`;
  const { done } = await built(engine, text, {
    artifacts: { type: 'S3', location: 'out', name: 'other', overrideArtifactName: true },
    secondaryArtifacts: [{ type: 'S3', artifactIdentifier: 'report', location: 'out', name: 'second' }],
  });
  expect(done.phases!.flatMap(({ contexts }) => contexts ?? [])).toEqual([]);
  const { Contents } = await s3.listObjectsV2({ Bucket: 'out' });
  expect(Contents!.map(({ Key }) => Key)).toEqual([
    'second/report-abcdef.json',
    'web-abcdef-made/a.js',
    'web-abcdef-made/report-abcdef.json',
  ]);
});

test('artifacts are encrypted with KMS, so a bucket that demands it takes them; others are denied there', async () => {
  const engine = await testEngine({ ids: promptIds() });
  const s3 = new S3({ ...engine.client, forcePathStyle: true });
  await s3.createBucket({ Bucket: 'out' });
  await s3.putBucketPolicy({
    Bucket: 'out',
    Policy: JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Deny',
          Principal: '*',
          Action: 's3:PutObject',
          Resource: 'arn:aws:s3:::out/*',
          Condition: { StringNotEquals: { 's3:x-amz-server-side-encryption': 'aws:kms' } },
        },
      ],
    }),
  });
  const text = `version: 0.2\nphases: { build: { commands: ['echo "$CODEBUILD_KMS_KEY_ID" >a'] } }\nartifacts: { files: [a] }\n`;
  const artifacts = { type: 'S3' as const, location: 'out', name: 'result' };
  const { done } = await built(engine, text, { artifacts });
  expect(done.buildStatus).toBe('SUCCEEDED');
  const key = 'arn:aws:kms:us-east-1:000000000000:alias/aws/s3';
  const object = await s3.getObject({ Bucket: 'out', Key: 'result/a' });
  expect(object).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: key });
  expect(await object.Body!.transformToString()).toBe(`${key}\n`);
  for (const encryption of [{}, { ServerSideEncryption: 'AES256' as const }])
    await expect(s3.putObject({ Bucket: 'out', Key: 'b', Body: 'b', ...encryption })).rejects.toMatchObject({
      name: 'AccessDenied',
    });
  const client = new CodeBuild(engine.client);
  await client.updateProject({ name: 'worker', artifacts: { ...artifacts, encryptionDisabled: true } });
  const { build } = await client.startBuild({ projectName: 'worker' });
  expect((await finished(engine, client, build!.id!)).buildStatus).toBe('FAILED');
});

test('git logs in with the role of the build where the buildspec asks for it', async () => {
  const engine = await testEngine({ ids: promptIds() });
  const { repositoryMetadata } = await new CodeCommit(engine.client).createRepository({
    repositoryName: 'library',
  });
  const text = (helper: string) =>
    `version: 0.2\nenv: { git-credential-helper: ${helper} }\nphases: { build: { commands: ['GIT_TERMINAL_PROMPT=0 git ls-remote ${repositoryMetadata!.cloneUrlHttp}'] } }\n`;
  expect((await built(engine, text('yes'))).done.buildStatus).toBe('SUCCEEDED');
  const client = new CodeBuild(engine.client);
  const { build } = await client.startBuild({ projectName: 'worker', buildspecOverride: text('no') });
  expect((await finished(engine, client, build!.id!)).buildStatus).toBe('FAILED');
});

test('a machine’s aws that does not reach the engine is not used, and the log says so', async () => {
  const bin = mkdtempSync(join(tmpdir(), 'queue-canary-bin-'));
  onTestFinished(() => rmSync(bin, { recursive: true, force: true }));
  writeFileSync(join(bin, 'aws'), '#!/bin/sh\necho aws-cli/2.9.19\n', { mode: 0o755 });
  onTestFinished(() => void vi.unstubAllEnvs());
  vi.stubEnv('PATH', `${bin}:${process.env.PATH}`);
  const { log } = await built(await testEngine({ ids: promptIds() }), spec('aws --version'));
  expect(log.join('\n')).toMatch(
    /aws is the engine's own, since the machine's was not seen to reach the engine/,
  );
  expect(log.join('\n')).toMatch(/queue-canary-built-in/);
});
