import { CodeCommit } from '@aws-sdk/client-codecommit';
import { CodePipeline } from '@aws-sdk/client-codepipeline';
import { ECR } from '@aws-sdk/client-ecr';
import { ECS } from '@aws-sdk/client-ecs';
import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { promptIds, type TestEngine, testEngine } from './harness.ts';
import { pushImage } from './push-image.ts';

const WORKER =
  "process.on('SIGTERM', () => process.exit(0)); (await import('node:net')).createServer().listen(0, '127.0.0.1');";

async function role(engine: TestEngine, name: string, service: string, actions: string[]): Promise<string> {
  const iam = new IAM(engine.client);
  const { Role } = await iam.createRole({
    RoleName: name,
    AssumeRolePolicyDocument: JSON.stringify({
      Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: service } }],
    }),
  });
  await iam.putRolePolicy({
    RoleName: name,
    PolicyName: 'own',
    PolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }],
    }),
  });
  return Role!.Arn!;
}

/** A service that runs a good version, and a pipeline that deploys what a commit's image definitions name. */
async function world() {
  const engine = await testEngine({ ids: promptIds() });
  const ecs = new ECS(engine.client);
  const commits = new CodeCommit(engine.client);
  const client = new CodePipeline(engine.client);
  const tasks = await role(engine, 'tasks', 'ecs-tasks.amazonaws.com', ['ecr:*']);
  const pipelineRole = await role(engine, 'pipeline', 'codepipeline.amazonaws.com', [
    'codecommit:*',
    's3:*',
    'ecs:*',
    'iam:PassRole',
  ]);
  await new S3({ ...engine.client, forcePathStyle: true }).createBucket({ Bucket: 'artifacts' });
  await new ECR(engine.client).createRepository({ repositoryName: 'worker' });
  await ecs.createCluster({ clusterName: 'main' });
  const image = (tag: string, program: string) =>
    pushImage(engine, 'worker', tag, { files: { 'main.mjs': program }, command: ['node', 'main.mjs'] });
  const { taskDefinition } = await ecs.registerTaskDefinition({
    family: 'worker',
    cpu: '256',
    memory: '512',
    networkMode: 'awsvpc',
    requiresCompatibilities: ['FARGATE'],
    taskRoleArn: tasks,
    executionRoleArn: tasks,
    containerDefinitions: [{ name: 'worker', image: await image('v1', WORKER) }],
  });
  const steady = engine.journal.waitFor(({ type }) => type === 'service.steady');
  await ecs.createService({
    cluster: 'main',
    serviceName: 'canary',
    taskDefinition: taskDefinition!.taskDefinitionArn!,
    desiredCount: 1,
    launchType: 'FARGATE',
    networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-1'] } },
    deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: true } },
  });
  await steady;
  await commits.createRepository({ repositoryName: 'worker' });
  let parentCommitId: string | undefined;
  const release = async (imageUri: string) => {
    const { commitId } = await commits.createCommit({
      repositoryName: 'worker',
      branchName: 'main',
      parentCommitId,
      putFiles: [
        {
          filePath: 'imagedefinitions.json',
          fileContent: Buffer.from(JSON.stringify([{ name: 'worker', imageUri }])),
        },
      ],
    });
    parentCommitId = commitId;
  };
  const createPipeline = () =>
    client.createPipeline({
      pipeline: {
        name: 'release',
        roleArn: pipelineRole,
        pipelineType: 'V2',
        artifactStore: { type: 'S3', location: 'artifacts' },
        stages: [
          {
            name: 'Source',
            actions: [
              {
                name: 'Commit',
                actionTypeId: { category: 'Source', owner: 'AWS', provider: 'CodeCommit', version: '1' },
                configuration: {
                  RepositoryName: 'worker',
                  BranchName: 'main',
                  PollForSourceChanges: 'false',
                },
                outputArtifacts: [{ name: 'Code' }],
              },
            ],
          },
          {
            name: 'Canary',
            actions: [
              {
                name: 'Deploy',
                actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'ECS', version: '1' },
                configuration: { ClusterName: 'main', ServiceName: 'canary' },
                inputArtifacts: [{ name: 'Code' }],
              },
            ],
          },
        ],
      },
    });
  const runningImage = async () => {
    const { services } = await ecs.describeServices({ cluster: 'main', services: ['canary'] });
    const arn = services![0]!.taskDefinition!;
    const described = await ecs.describeTaskDefinition({ taskDefinition: arn });
    return described.taskDefinition!.containerDefinitions![0]!.image;
  };
  return { engine, client, image, release, createPipeline, runningImage };
}

test('the deploy action brings the service to the image of the commit and ends at its steady state', async () => {
  const it = await world();
  const second = await it.image('v2', `${WORKER} // v2`);
  await it.release(second);
  await it.createPipeline();
  await it.engine.journal.waitFor(({ type }) => type === 'execution.succeeded', 0);
  expect(await it.runningImage()).toBe(second);
  const { actionExecutionDetails } = await it.client.listActionExecutions({ pipelineName: 'release' });
  expect(actionExecutionDetails![0]).toMatchObject({
    actionName: 'Deploy',
    status: 'Succeeded',
    output: { executionResult: { externalExecutionSummary: 'Service canary runs worker:2' } },
  });
});

test('the action goes on waiting for a version that the circuit breaker has rolled back', async () => {
  const it = await world();
  const first = await it.runningImage();
  const before = it.engine.journal.seq;
  await it.release(first!.replace(/@.*|:v1$/, ':never-pushed'));
  await it.createPipeline();
  const failed = await it.engine.journal.waitFor(({ type }) => type === 'deployment.failed', before);
  await it.engine.journal.waitFor(({ type }) => type === 'service.steady', failed.seq);
  expect(await it.runningImage()).toBe(first);
  const { actionExecutionDetails } = await it.client.listActionExecutions({ pipelineName: 'release' });
  expect(actionExecutionDetails![0]).toMatchObject({ actionName: 'Deploy', status: 'InProgress' });
});
