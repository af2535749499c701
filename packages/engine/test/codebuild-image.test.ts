import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CodeBuild } from '@aws-sdk/client-codebuild';
import { CodeCommit } from '@aws-sdk/client-codecommit';
import { ECR } from '@aws-sdk/client-ecr';
import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { expect, onTestFinished, test } from 'vitest';
import { testEngine } from './harness.ts';

const SAMPLE_APP = fileURLToPath(new URL('../../../examples/sample-app', import.meta.url));
const run = promisify(execFile);

test('the sample app is pushed with git and built by its own buildspec into an image pinned by digest', async () => {
  const engine = await testEngine();
  const work = mkdtempSync(join(tmpdir(), 'queue-canary-sample-'));
  onTestFinished(() => rmSync(work, { recursive: true, force: true }));
  cpSync(SAMPLE_APP, work, { recursive: true, filter: (path) => !path.includes('node_modules') });
  const { repositoryMetadata } = await new CodeCommit(engine.client).createRepository({
    repositoryName: 'worker',
  });
  const { accessKeyId, secretAccessKey } = engine.rootCredentials;
  const url = repositoryMetadata!.cloneUrlHttp!.replace('://', `://${accessKeyId}:${secretAccessKey}@`);
  const author = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com'];
  for (const args of [
    ['init', '-q', '-b', 'main'],
    ['add', '.'],
    [...author, 'commit', '-q', '-m', 'the worker'],
    ['push', '-q', url, 'main'],
  ]) {
    await run('git', args, { cwd: work });
  }
  const { stdout: head } = await run('git', ['rev-parse', 'HEAD'], { cwd: work });

  const ecr = new ECR(engine.client);
  const { repository } = await ecr.createRepository({
    repositoryName: 'images',
    imageTagMutability: 'IMMUTABLE',
  });
  const s3 = new S3({ ...engine.client, forcePathStyle: true });
  await s3.createBucket({ Bucket: 'out' });
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
      Statement: [{ Effect: 'Allow', Action: ['ecr:*', 's3:*', 'codecommit:GitPull'], Resource: '*' }],
    }),
  });
  const client = new CodeBuild(engine.client);
  await client.createProject({
    name: 'worker',
    serviceRole: Role!.Arn!,
    source: { type: 'CODECOMMIT', location: repositoryMetadata!.cloneUrlHttp! },
    sourceVersion: 'main',
    artifacts: { type: 'S3', location: 'out', name: 'result', packaging: 'NONE' },
    environment: {
      type: 'ARM_CONTAINER',
      image: 'aws/codebuild/amazonlinux2-aarch64-standard:3.0',
      computeType: 'BUILD_GENERAL1_SMALL',
      privilegedMode: true,
      environmentVariables: [
        { name: 'REPOSITORY_URI', value: repository!.repositoryUri! },
        { name: 'CONTAINER_NAME', value: 'worker' },
      ],
    },
    logsConfig: { cloudWatchLogs: { status: 'DISABLED' } },
  });
  const build = async () => {
    const started = await client.startBuild({ projectName: 'worker' });
    const id = started.build!.id!;
    await engine.journal.waitFor(
      ({ type, detail }) =>
        type === 'aws.event' &&
        detail['detail-type'] === 'CodeBuild Build State Change' &&
        (detail.detail as Record<string, unknown>)['build-id'] === started.build!.arn &&
        (detail.detail as Record<string, unknown>)['build-status'] !== 'IN_PROGRESS',
      0,
    );
    const { builds } = await client.batchGetBuilds({ ids: [id] });
    const failed = builds![0]!.phases!.find(({ contexts }) => contexts?.length);
    expect(failed?.contexts, failed?.phaseType).toBeUndefined();
    const object = await s3.getObject({ Bucket: 'out', Key: 'result/imagedefinitions.json' });
    return JSON.parse(await object.Body!.transformToString()) as unknown;
  };
  const definitions = await build();
  const { imageDetails } = await ecr.describeImages({ repositoryName: 'images' });
  expect(imageDetails).toMatchObject([{ imageTags: [head.trim()] }]);
  expect(definitions).toEqual([
    { name: 'worker', imageUri: `${repository!.repositoryUri}@${imageDetails![0]!.imageDigest}` },
  ]);
  expect(await build(), 'the same commit again').toEqual(definitions);
});
