import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { watch } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ECR } from '@aws-sdk/client-ecr';
import { ECS } from '@aws-sdk/client-ecs';
import { IAM } from '@aws-sdk/client-iam';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { SSM } from '@aws-sdk/client-ssm';
import { expect, onTestFinished, test } from 'vitest';
import type { JournalEntry } from '../src/index.ts';
import { processIdentity } from '../src/runtime/processes/process-identity.ts';
import { promptIds, type TestEngine, testEngine } from './harness.ts';
import { pushImage } from './push-image.ts';

const ALLOWED = [
  'ecs:UpdateTaskProtection',

  'ecr:GetAuthorizationToken',
  'ecr:BatchGetImage',
  'ecr:GetDownloadUrlForLayer',
  'ssm:GetParameters',
  'secretsmanager:GetSecretValue',
];

/** Reports what it sees to a file, reports to its agent that it has, and ends with 0 on SIGTERM. */
const WORKER = `
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:net';
const tell = (line) => appendFileSync(process.env.REPORT, JSON.stringify({ version: process.env.VERSION, ...line }) + '\\n');
process.on('SIGTERM', () => { tell({ saw: 'SIGTERM' }); process.exit(0); });
const metadata = await (await fetch(process.env.ECS_CONTAINER_METADATA_URI_V4 + '/task')).json();
const credentials = await fetch(process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI, {
  headers: { authorization: process.env.AWS_CONTAINER_AUTHORIZATION_TOKEN },
});
const stranger = await fetch(process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI);
tell({ saw: 'start', pid: process.pid, secret: process.env.SECRET, token: process.env.TOKEN, key: process.env.KEY, family: metadata.Family, status: metadata.KnownStatus,
  role: (await credentials.json()).RoleArn, stranger: stranger.status, region: process.env.AWS_REGION });
await fetch(process.env.ECS_AGENT_URI + '/task-protection/v1/state', {
  method: 'PUT', body: JSON.stringify({ ProtectionEnabled: false }),
});
createServer().listen(0, '127.0.0.1');
`;

interface World {
  readonly engine: TestEngine;
  readonly ecs: ECS;
  readonly report: string;
  readonly roleArn: string;
  image(program: string): Promise<string>;
  register(image: string, environment?: Record<string, string>): Promise<string>;
  lines(): Array<Record<string, unknown>>;
}

async function world(options: Parameters<typeof testEngine>[0] = {}): Promise<World> {
  const engine = await testEngine({ pace: 40, ids: promptIds(), ...options });
  const files = mkdtempSync(join(tmpdir(), 'queue-canary-report-'));
  onTestFinished(() => rmSync(files, { recursive: true, force: true }));
  const report = join(files, 'report');
  const ecs = new ECS(engine.client);
  const iam = new IAM(engine.client);
  const trust = {
    Statement: [
      { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: 'ecs-tasks.amazonaws.com' } },
    ],
  };
  const { Role } = await iam.createRole({
    RoleName: 'tasks',
    AssumeRolePolicyDocument: JSON.stringify(trust),
  });
  await iam.putRolePolicy({
    RoleName: 'tasks',
    PolicyName: 'pull',
    PolicyDocument: JSON.stringify({ Statement: [{ Effect: 'Allow', Action: ALLOWED, Resource: '*' }] }),
  });
  await new ECR(engine.client).createRepository({ repositoryName: 'worker' });
  const { ARN: token } = await new SecretsManager(engine.client).createSecret({
    Name: 'token',
    SecretString: '{"key":"whisper"}',
  });
  await new SSM(engine.client).putParameter({ Name: '/worker/secret', Type: 'String', Value: 'hush' });
  await ecs.createCluster({ clusterName: 'main' });
  let pushes = 0;
  const roleArn = Role!.Arn!;
  return {
    engine,
    ecs,
    report,
    roleArn,
    image: (program) =>
      pushImage(engine, 'worker', `v${++pushes}`, {
        files: { 'main.mjs': program },
        command: ['node', 'main.mjs'],
      }),
    register: async (image, environment = {}) => {
      const { taskDefinition } = await ecs.registerTaskDefinition({
        family: 'worker',
        cpu: '256',
        memory: '512',
        networkMode: 'awsvpc',
        requiresCompatibilities: ['FARGATE'],
        taskRoleArn: roleArn,
        executionRoleArn: roleArn,
        containerDefinitions: [
          {
            name: 'worker',
            image,
            stopTimeout: 5,
            environment: Object.entries({ REPORT: report, ...environment }).map(([name, value]) => ({
              name,
              value,
            })),
            secrets: [
              { name: 'SECRET', valueFrom: '/worker/secret' },
              { name: 'TOKEN', valueFrom: token },
              { name: 'KEY', valueFrom: `${token}:key::` },
            ],
          },
        ],
      });
      return taskDefinition!.taskDefinitionArn!;
    },
    // What follows the last line's end is still being written.
    lines: () =>
      readFileSync(report, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

const service = { cluster: 'main', service: 'stable' };
/** A worker has reported its start: it has called its agent. */
const reported = (entry: JournalEntry) =>
  entry.type === 'call' && entry.detail.operation === 'UpdateTaskProtection';
const steady = (entry: JournalEntry) => entry.source === 'ecs' && entry.type === 'service.steady';

/** Resolves once so many workers have reported since `after`. */
async function reports({ engine }: World, count: number, after = 0): Promise<void> {
  let seq = after;
  for (let seen = 0; seen < count; seen++) seq = (await engine.journal.waitFor(reported, seq)).seq;
}

async function createService(
  { ecs, engine }: World,
  taskDefinition: string,
  desiredCount = 2,
): Promise<void> {
  const reached = engine.journal.waitFor(steady);
  await ecs.createService({
    cluster: 'main',
    serviceName: 'stable',
    taskDefinition,
    desiredCount,
    launchType: 'FARGATE',
    networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-1'] } },
    deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: true } },
  });
  await reached;
}

async function describe({ ecs }: World) {
  const { services } = await ecs.describeServices({ cluster: 'main', services: ['stable'] });
  return services![0]!;
}

test('a service runs its tasks as processes with role credentials, secrets and metadata', async () => {
  const it = await world();
  await createService(it, await it.register(await it.image(WORKER), { VERSION: '1' }));
  await reports(it, 2);
  expect(await describe(it)).toMatchObject({ desiredCount: 2, runningCount: 2, pendingCount: 0 });
  const starts = it.lines();
  expect(starts).toHaveLength(2);
  expect(starts[0]).toMatchObject({
    saw: 'start',
    secret: 'hush',
    token: '{"key":"whisper"}',
    key: 'whisper',
    family: 'worker',
    role: it.roleArn,
    stranger: 401,
    region: 'us-east-1',
  });
  const { events } = await describe(it);
  expect(events!.map(({ message }) => message)).toEqual([
    '(service stable) has reached a steady state.',
    expect.stringMatching(/^\(service stable\) \(deployment ecs-svc\/\d{19}\) deployment completed\.$/),
    expect.stringMatching(
      /^\(service stable\) has started 2 tasks: \(task [0-9a-f]{32}\) \(task [0-9a-f]{32}\)\.$/,
    ),
  ]);
});

test('a new task definition replaces the old tasks, which end on SIGTERM', async () => {
  const it = await world();
  const image = await it.image(WORKER);
  await createService(it, await it.register(image, { VERSION: '1' }));
  await reports(it, 2);
  const reached = it.engine.journal.waitFor(steady);
  await it.ecs.updateService({ ...service, taskDefinition: await it.register(image, { VERSION: '2' }) });
  await reached;
  await reports(it, 4);
  const lines = it.lines();
  expect(lines.filter(({ version, saw }) => version === '1' && saw === 'SIGTERM')).toHaveLength(2);
  expect(lines.filter(({ version, saw }) => version === '2' && saw === 'start')).toHaveLength(2);
  const { deployments } = await describe(it);
  expect(deployments).toHaveLength(1);
  expect(deployments![0]).toMatchObject({ status: 'PRIMARY', rolloutState: 'COMPLETED', runningCount: 2 });
  const { taskArns } = await it.ecs.listTasks({ cluster: 'main', desiredStatus: 'STOPPED' });
  const { tasks } = await it.ecs.describeTasks({ cluster: 'main', tasks: taskArns! });
  expect(tasks!.map(({ stopCode, containers }) => [stopCode, containers![0]!.exitCode])).toEqual([
    ['ServiceSchedulerInitiated', 0],
    ['ServiceSchedulerInitiated', 0],
  ]);
});

test('a version that cannot start trips the circuit breaker, and the last completed one stays', async () => {
  const it = await world();
  const good = await it.register(await it.image(WORKER), { VERSION: '1' });
  await createService(it, good);
  await reports(it, 2);
  const restored = it.engine.journal.waitFor(steady);
  const bad = await it.register('nowhere.example/none:1');
  await it.ecs.updateService({ ...service, taskDefinition: bad });
  await restored;
  const now = await describe(it);
  expect(now).toMatchObject({ taskDefinition: good, runningCount: 2 });
  expect(now.events!.map(({ message }) => message)).toEqual(
    expect.arrayContaining([
      expect.stringContaining('deployment failed: tasks failed to start.'),
      expect.stringContaining('rolling back to deployment ecs-svc/'),
    ]),
  );
  const { serviceDeployments } = await it.ecs.listServiceDeployments(service);
  expect(serviceDeployments!.map(({ status }) => status)).toEqual(['ROLLBACK_SUCCESSFUL', 'SUCCESSFUL']);
  const rollouts = it.engine.journal
    .read()
    .filter(
      ({ type, detail }) => type === 'aws.event' && detail['detail-type'] === 'ECS Deployment State Change',
    )
    .map(({ detail }) => (detail.detail as Record<string, unknown>).eventName);
  expect(rollouts).toEqual([
    'SERVICE_DEPLOYMENT_IN_PROGRESS',
    'SERVICE_DEPLOYMENT_COMPLETED',
    'SERVICE_DEPLOYMENT_IN_PROGRESS',
    'SERVICE_DEPLOYMENT_FAILED',
    'SERVICE_DEPLOYMENT_IN_PROGRESS',
    'SERVICE_DEPLOYMENT_COMPLETED',
  ]);
  expect(it.lines().filter(({ saw }) => saw === 'SIGTERM')).toEqual([]);
});

test('an engine that stops leaves no process, and one that starts again brings the service back', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const it = await world({ directory });
  await createService(it, await it.register(await it.image(WORKER), { VERSION: '1' }), 1);
  await reports(it, 1);
  const pid = it.lines()[0]!.pid as number;
  await it.engine.close();
  expect(it.lines().at(-1)).toMatchObject({ saw: 'SIGTERM' });
  expect(processIdentity(pid)).toBeUndefined();
  const again = await testEngine({ directory, pace: 40, ids: promptIds() });
  const restarted = again.journal.read().findLast(({ type }) => type === 'engine.started')!.seq;
  await again.journal.waitFor(steady, restarted);
  await again.journal.waitFor(reported, restarted);
  expect(it.lines().filter(({ saw }) => saw === 'start')).toHaveLength(2);
  const ecs = new ECS(again.client);
  const { tasks } = await ecs.describeTasks({
    cluster: 'main',
    tasks: (await ecs.listTasks({ cluster: 'main', desiredStatus: 'STOPPED' })).taskArns!,
  });
  expect(tasks).toMatchObject([
    { stopCode: 'InfrastructureHealth', stoppedReason: 'The local engine was stopped.' },
  ]);
});

test('an engine that is killed takes its tasks along, and the next one starts them again', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const it = await world({ directory });
  await createService(it, await it.register(await it.image(WORKER), { VERSION: '1' }), 1);
  await reports(it, 1);
  await it.engine.close();
  rmSync(it.report);

  const program = join(import.meta.dirname, 'engine-process.ts');
  const doomed = spawn(process.execPath, ['--conditions=@queue-canary/source', program, directory], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const killed = once(doomed, 'exit');
  onTestFinished(() => void doomed.kill('SIGKILL'));
  for await (const _change of watch(dirname(it.report))) if (existsSync(it.report) && it.lines()[0]) break;
  const pid = it.lines()[0]!.pid as number;
  doomed.kill('SIGKILL');
  await killed;

  const again = await testEngine({ directory, pace: 40, ids: promptIds() });
  const restarted = again.journal.read().findLast(({ type }) => type === 'engine.started')!.seq;
  await again.journal.waitFor(steady, restarted);
  await again.journal.waitFor(reported, restarted);
  expect(processIdentity(pid)).toBeUndefined();
  expect(it.lines().filter(({ saw }) => saw === 'start')).toHaveLength(2);
  const ecs = new ECS(again.client);
  const { taskArns } = await ecs.listTasks({ cluster: 'main', desiredStatus: 'STOPPED' });
  const { tasks } = await ecs.describeTasks({ cluster: 'main', tasks: taskArns! });
  expect(tasks!.map(({ stoppedReason }) => stoppedReason)).toEqual([
    'The local engine was stopped.',
    'The local engine ended without stopping this task, and the task ended with it.',
  ]);
});
