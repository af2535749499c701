import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '@queue-canary/engine';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createClients } from '../src/clients.ts';
import { synthesize } from '../src/commands/deploy.ts';
import { diagnose } from '../src/commands/doctor.ts';
import type { Context } from '../src/context.ts';
import type { Check } from '../src/doctor/check.ts';
import { type StackNeeds, stackNeeds } from '../src/doctor/stack-needs.ts';
import { resolveTarget, type Target } from '../src/target.ts';
import { run, start } from './program.ts';
import { type Answer, ScriptedAccount } from './scripted-account.ts';

const STACKS = ['QueueCanaryImage', 'QueueCanaryPipeline'];
const SECRET = 'wJalrXUtnFEMI/bPxRfiCYEXAMPLEKEY';

const made: string[] = [];

afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'queue-canary-doctor-test-'));
  made.push(path);
  return path;
}

/** A context that goes to AWS at an endpoint, on a machine whose git signs in to CodeCommit. */
function contextAt(
  endpoint: string,
  environment: Context['environment'] = {},
  region = 'eu-central-1',
): Context {
  const config = join(directory(), 'gitconfig');
  writeFileSync(config, '[credential]\n\thelper = !aws codecommit credential-helper $@\n');
  const target: Target = {
    kind: 'aws',
    description: 'scripted account',
    connection: {
      endpoint,
      region,
      credentials: { accessKeyId: 'AKID', secretAccessKey: SECRET },
    },
    environment: {},
  };
  return {
    target,
    clients: createClients(target),
    app: 'QueueCanary',
    clock: new SystemClock(),
    terminal: { interactive: false, style: (_tone, text) => text, line: () => {}, live: () => {} },
    print: () => {},
    environment: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      GIT_CONFIG_GLOBAL: config,
      AWS_ENDPOINT_URL: endpoint,
      ...environment,
    },
    signal: new AbortController().signal,
  };
}

let needs: StackNeeds;
let withNat: StackNeeds;
/** A command that stands for the CDK app, which takes long to run. */
let synthesized: string;

beforeAll(async () => {
  const assemblyOf = (context: readonly string[]) =>
    synthesize(contextAt('http://127.0.0.1:1'), { context }, join(directory(), 'assembly'));
  const assembly = await assemblyOf([]);
  synthesized = `cp -R ${assembly}/. $CDK_OUTDIR`;
  needs = stackNeeds(assembly, STACKS);
  const other = await assemblyOf(['natGateways=2', 'spot=false', 'reservedConcurrentExecutions=5']);
  withNat = stackNeeds(other, STACKS);
});

/** The checks of an account that answers as a ready one but for what is given, by name. */
async function examine(
  answers: Readonly<Record<string, Answer>> = {},
  stacks = needs,
): Promise<{ readonly checks: readonly Check[]; readonly named: (name: string) => Check | undefined }> {
  await using account = await ScriptedAccount.start(answers);
  const checks = await diagnose(contextAt(account.endpoint), stacks);
  return { checks, named: (name) => checks.find((check) => check.name === name) };
}

test('the templates say what they need', () => {
  expect(needs).toEqual({
    bootstrap: { parameter: '/cdk-bootstrap/hnb659fds/version', version: 6 },
    vcpu: { FARGATE: { least: 1, most: 1 }, FARGATE_SPOT: { least: 1, most: 4.5 } },
    vpcs: 1,
    elasticIps: 0,
    zones: [],
    builds: [{ type: 'ARM_CONTAINER', computeType: 'BUILD_GENERAL1_SMALL' }],
    reservedConcurrency: 0,
    repositories: 1,
    codeCommit: true,
    imageAssets: 0,
    names: [
      { stack: 'QueueCanaryImage', type: 'AWS::CodeCommit::Repository', name: 'QueueCanaryImage' },
      { stack: 'QueueCanaryPipeline', type: 'AWS::SQS::Queue', name: 'QueueCanaryPipeline-Queue' },
    ],
  });
  expect(withNat).toMatchObject({
    vcpu: { FARGATE: { least: 2, most: 5.5 }, FARGATE_SPOT: { least: 0, most: 0 } },
    elasticIps: 2,
    reservedConcurrency: 5,
  });
});

test('an account in which a first deployment goes through passes', async () => {
  const { checks, named } = await examine();
  expect(checks.filter(({ result, name }) => result !== 'ok' && name !== 'AWS CLI')).toEqual([]);
  expect(named('credentials')?.found).toBe('account 123456789012, arn:aws:iam::123456789012:user/someone');
  expect(named('Docker')?.found).toContain('not needed');
});

const quota =
  (code: string, Value: number): Answer =>
  ({ QuotaCode }) => ({ Quota: { Value: QuotaCode === code ? Value : 1000 } });

describe.each<{
  readonly what: string;
  readonly answers: Readonly<Record<string, Answer>>;
  readonly check: string;
  readonly result?: 'warning';
  readonly found: string;
  readonly fix: string;
  readonly nat?: boolean;
}>([
  {
    what: 'an account without bootstrap',
    answers: { GetParameter: { error: 'ParameterNotFound' } },
    check: 'CDK bootstrap',
    found: 'not bootstrapped',
    fix: 'npx cdk bootstrap aws://123456789012/eu-central-1',
  },
  {
    what: 'an old bootstrap',
    answers: { GetParameter: { Parameter: { Value: '5' } } },
    check: 'CDK bootstrap',
    found: 'version 5, and the stacks need 6',
    fix: 'npx cdk bootstrap',
  },
  {
    what: 'fewer vCPU than a deployment takes',
    answers: { GetServiceQuota: quota('L-3032A538', 0.5) },
    check: 'Fargate vCPU',
    found: '0.5 in total',
    fix: '--service-code fargate --quota-code L-3032A538 --desired-value 1 ',
  },
  {
    what: 'fewer vCPU on Spot than stable takes when scaled out',
    answers: { GetServiceQuota: quota('L-36FBB829', 2) },
    check: 'Fargate Spot vCPU',
    result: 'warning',
    found: '2 in total',
    fix: '--quota-code L-36FBB829 --desired-value 5 ',
  },
  {
    what: 'no room for a VPC',
    answers: { GetServiceQuota: quota('L-F678F1CE', 1) },
    check: 'VPCs',
    found: '1 of 1 in use; the stacks need 1 more',
    fix: '--service-code vpc --quota-code L-F678F1CE --desired-value 2 ',
  },
  {
    what: 'no room for the addresses of NAT gateways',
    answers: {
      GetServiceQuota: quota('L-0263D0A3', 5),
      DescribeAddresses: `<addressesSet>${'<item><publicIp>192.0.2.1</publicIp></item>'.repeat(4)}</addressesSet>`,
    },
    nat: true,
    check: 'elastic IPs',
    found: '4 of 5 in use; the stacks need 2 more',
    fix: '--service-code ec2 --quota-code L-0263D0A3 --desired-value 6 ',
  },
  {
    what: 'a new account that may not build',
    answers: { GetServiceQuota: quota('L-5ED1D25B', 0) },
    check: 'CodeBuild',
    found: '0 concurrent builds',
    fix: '--service-code codebuild --quota-code L-5ED1D25B --desired-value 1 ',
  },
  {
    what: 'functions that leave the controller nothing',
    answers: {
      GetAccountSettings: { AccountLimit: { ConcurrentExecutions: 10, UnreservedConcurrentExecutions: 1 } },
    },
    check: 'Lambda',
    found: '1 of them unreserved; the controller needs 3',
    fix: '--service-code lambda --quota-code L-B99A9384 --desired-value 12 ',
  },
  {
    what: 'a reservation that Lambda refuses',
    answers: {
      GetAccountSettings: { AccountLimit: { ConcurrentExecutions: 10, UnreservedConcurrentExecutions: 10 } },
    },
    nat: true,
    check: 'Lambda',
    found: 'the stacks reserve 5, and Lambda keeps 100',
    fix: 'leave reservedConcurrentExecutions out',
  },
  {
    what: 'CodeCommit that is closed',
    answers: { ListRepositories: { error: 'OperationNotAllowedException' } },
    check: 'CodeCommit',
    found: 'closed for this account (OperationNotAllowedException)',
    fix: 'ask AWS Support',
  },
  {
    what: 'CodeCommit without a repository',
    answers: { ListRepositories: { repositories: [] } },
    check: 'CodeCommit',
    result: 'warning',
    found: 'From July 2024 to November 2025',
    fix: 'aws codecommit create-repository --repository-name queue-canary-trial',
  },
  {
    what: 'an account that never used ECS',
    answers: { GetRole: { error: 'NoSuchEntity' } },
    check: 'AWSServiceRoleForECS',
    found: 'not there',
    fix: 'aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com',
  },
  {
    what: 'an account that never scaled a service',
    answers: { GetRole: { error: 'NoSuchEntity' } },
    check: 'AWSServiceRoleForApplicationAutoScaling_ECSService',
    result: 'warning',
    found: 'not there',
    fix: 'aws iam create-service-linked-role --aws-service-name ecs.application-autoscaling.amazonaws.com',
  },
  {
    what: 'a queue that an earlier stack left behind',
    answers: { GetQueueUrl: { QueueUrl: 'https://sqs/QueueCanaryPipeline-Queue' } },
    check: 'name QueueCanaryPipeline-Queue',
    found: 'exists without its stack QueueCanaryPipeline',
    fix: 'aws sqs delete-queue --queue-url https://sqs/QueueCanaryPipeline-Queue, if nothing in it is needed; or choose another name: --app-name',
  },
  {
    what: 'a stack that cannot go on',
    answers: {
      DescribeStacks:
        '<DescribeStacksResult><Stacks><member><StackName>QueueCanaryImage</StackName><StackStatus>DELETE_FAILED</StackStatus></member></Stacks></DescribeStacksResult>',
    },
    check: 'stacks',
    found: 'QueueCanaryImage is DELETE_FAILED',
    fix: 'aws cloudformation delete-stack --stack-name QueueCanaryImage',
  },
  {
    what: 'refused quotas',
    answers: { GetServiceQuota: { error: 'AccessDeniedException' } },
    check: 'CodeBuild',
    result: 'warning',
    found: 'these credentials may not servicequotas:GetServiceQuota',
    fix: 'allow servicequotas:GetServiceQuota',
  },
  {
    what: 'refused networks',
    answers: { DescribeVpcs: { error: 'UnauthorizedOperation' } },
    check: 'VPCs',
    result: 'warning',
    found: 'these credentials may not ec2:DescribeVpcs',
    fix: 'allow ec2:DescribeVpcs',
  },
  {
    what: 'refused roles',
    answers: { GetRole: { error: 'AccessDenied' } },
    check: 'AWSServiceRoleForECS',
    result: 'warning',
    found: 'these credentials may not iam:GetRole',
    fix: 'allow iam:GetRole',
  },
  {
    what: 'an answer that nobody expects',
    answers: { ListRepositories: { error: 'EncryptionKeyDisabledException', message: 'the key is off' } },
    check: 'CodeCommit',
    found: 'EncryptionKeyDisabledException: the key is off',
    fix: 'run "queue-canary doctor" again',
  },
])('$what', ({ answers, check, result = 'failure', found, fix, nat = false }) => {
  test('is found, with its fix', async () => {
    const { checks, named } = await examine(answers, nat ? withNat : needs);
    expect(named(check)?.result).toBe(result);
    expect(named(check)?.found).toContain(found);
    expect(named(check)?.fix).toContain(fix);
    for (const { result, fix } of checks) expect(fix !== undefined).toBe(/warning|failure/.test(result));
  });
});

test("where an account has no quota of its own, AWS's default counts", async () => {
  const { named } = await examine({
    GetServiceQuota: { error: 'NoSuchResourceException' },
    GetAWSDefaultServiceQuota: { Quota: { Value: 5 } },
  });
  expect(named('VPCs')).toMatchObject({ result: 'ok', found: '1 of 5 in use; the stacks need 1 more' });
});

test('an account that has the stacks needs no more room for their network', async () => {
  const { named } = await examine({
    DescribeStacks: ({ StackName }) =>
      `<DescribeStacksResult><Stacks><member><StackName>${StackName}</StackName><StackStatus>CREATE_COMPLETE</StackStatus></member></Stacks></DescribeStacksResult>`,
    GetServiceQuota: quota('L-F678F1CE', 1),
    GetQueueUrl: { QueueUrl: 'https://sqs/QueueCanaryPipeline-Queue' },
  });
  expect(named('stacks')?.found).toContain('QueueCanaryPipeline is CREATE_COMPLETE');
  expect([named('VPCs')?.result, named('name QueueCanaryPipeline-Queue')?.result]).toEqual(['ok', 'ok']);
});

test.each([
  ['InvalidClientTokenId', 'aws account enable-region --region-name eu-central-1'],
  ['ExpiredToken', 'log in'],
  ['SignatureDoesNotMatch', 'log in'],
])('credentials that AWS refuses (%s) are one failure, and no secret is shown', async (error, fix) => {
  const { checks, named } = await examine({
    GetCallerIdentity: { error, message: `what was signed: ${SECRET}` },
  });
  expect(named('credentials')).toMatchObject({ result: 'failure', fix: expect.stringContaining(fix) });
  expect(named('credentials')?.found).toContain(error);
  expect(named('account')?.result).toBe('skipped');
  expect(JSON.stringify(checks)).not.toContain(SECRET);
});

test.each([
  ['us-west-1', 'may use it', [] as string[], 'usw1-az3 usw1-az2 usw1-az1'],
  ['ap-northeast-1', 'name it', ['ap-northeast-1a', 'ap-northeast-1b'], 'apne1-az4 apne1-az3 apne1-az1'],
])(
  'a zone of %s without Fargate is a failure where the stacks %s, with two that have it',
  async (region, why, named, ids) => {
    const zones = ids
      .split(' ')
      .map((id, index) => `<item><zoneName>${region}${'abc'[index]}</zoneName><zoneId>${id}</zoneId></item>`);
    await using account = await ScriptedAccount.start({
      DescribeAvailabilityZones: `<availabilityZoneInfo>${zones.join('')}</availabilityZoneInfo>`,
    });
    const found = async (names: readonly string[]) => {
      const checks = await diagnose(contextAt(account.endpoint, {}, region), { ...needs, zones: names });
      return checks.find(({ name }) => name === 'Fargate zones');
    };
    const check = await found(named);
    expect(check).toMatchObject({
      result: 'failure',
      fix: `-c availabilityZones=${region}a,${region}c, with every "deploy"`,
    });
    expect(check?.found).toContain(why);
    expect(await found([`${region}a`, `${region}c`])).toMatchObject({ result: 'ok' });
  },
);

test('git that does not sign in at CodeCommit is a warning with the two commands', async () => {
  await using account = await ScriptedAccount.start();
  const checks = await diagnose(contextAt(account.endpoint, { GIT_CONFIG_GLOBAL: '/dev/null' }), needs);
  expect(checks.find(({ name }) => name === 'git for CodeCommit')).toMatchObject({
    result: 'warning',
    fix: expect.stringContaining(
      'git config --global credential.https://git-codecommit.eu-central-1.amazonaws.com.UseHttpPath true',
    ),
  });
});

test('what is for CodeCommit is not asked where the source is elsewhere', async () => {
  const stacks = { ...needs, repositories: 0, codeCommit: false };
  await using account = await ScriptedAccount.start();
  const context = contextAt(account.endpoint, { GIT_CONFIG_GLOBAL: '/dev/null' });
  const checks = await diagnose(context, stacks);
  const said = Object.fromEntries(checks.map(({ name, result }) => [name, result]));
  expect(said).toMatchObject({ 'AWS CLI': 'skipped', 'git for CodeCommit': 'skipped', CodeCommit: 'ok' });
  expect(account.operations).not.toContain('ListRepositories');
});

test('a machine without git, the AWS CLI and Docker hears of each', async () => {
  await using account = await ScriptedAccount.start();
  const context = contextAt(account.endpoint, { PATH: directory() });
  const checks = await diagnose(context, { ...needs, imageAssets: 1 });
  const said = Object.fromEntries(checks.map(({ name, result, fix }) => [name, { result, fix }]));
  expect(said).toMatchObject({
    git: { result: 'failure', fix: expect.stringContaining('https://git-scm.com/downloads') },
    'AWS CLI': { result: 'warning', fix: expect.stringContaining('install the AWS CLI') },
    Docker: { result: 'failure', fix: expect.stringContaining('install Docker') },
  });
});

describe('the command', () => {
  const onAws = (endpoint: string) => ({
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'AKID',
    AWS_SECRET_ACCESS_KEY: SECRET,
  });

  test('exits with 0 when nothing fails, and only asks', async () => {
    await using account = await ScriptedAccount.start();
    const { status, output } = await run(['doctor', '--aws'], { env: onAws(account.endpoint) });
    expect({ status, output }).toMatchObject({ status: 0 });
    expect(output).toMatch(/^ok +CDK bootstrap +version 30; the stacks need 6$/m);
    expect(output).toMatch(/0 failures, \d warnings?; nothing was changed/);
    expect(account.operations.filter((operation) => !/^(Get|List|Describe)/.test(operation))).toEqual([]);
    expect(output).not.toContain(SECRET);
  });

  test('exits with 1 when something fails; --json is one document', async () => {
    await using account = await ScriptedAccount.start({ GetParameter: { error: 'ParameterNotFound' } });
    const { status, output } = await run(['doctor', '--aws', '--json', '--cdk-app', synthesized], {
      env: onAws(account.endpoint),
    });
    expect(status).toBe(1);
    const { ok, checks } = JSON.parse(output) as { ok: boolean; checks: Check[] };
    expect(ok).toBe(false);
    expect(checks.filter(({ result }) => result === 'failure')).toEqual([
      {
        name: 'CDK bootstrap',
        result: 'failure',
        found: 'eu-central-1 is not bootstrapped: parameter /cdk-bootstrap/hnb659fds/version does not exist',
        fix: 'npx cdk bootstrap aws://123456789012/eu-central-1',
      },
    ]);
  });

  test('without a region and with settings that make no sense, says both', async () => {
    const { status, output } = await run(
      ['doctor', '--aws', '--cdk-app', 'echo no such setting >&2; exit 1'],
      { env: { AWS_CONFIG_FILE: '/dev/null' } },
    );
    expect(status).toBe(1);
    expect(output).toMatch(/failure +templates .*\n(.*\n)*.*no such setting/);
    expect(output).toMatch(/failure +region +none is set\n +fix: export AWS_REGION=eu-central-1/);
  });

  test.each([
    [{ AWS_DEFAULT_REGION: 'eu-west-1' }, 'eu-west-1'],
    [{ AWS_DEFAULT_REGION: 'eu-west-1', AWS_REGION: '' }, 'eu-west-1'],
    [{ AWS_DEFAULT_REGION: 'eu-west-1', AWS_REGION: 'us-west-2' }, 'us-west-2'],
  ])('takes the region of %j, as the AWS CLI does', async (env, region) => {
    const target = await resolveTarget({ state: 'unused', aws: true }, env);
    expect(target.connection).toEqual({ region });
    expect(target.environment).toEqual({ AWS_REGION: region });
    expect(target.description).toContain(region);
  });

  test('without credentials, says how to have them', async () => {
    const { status, output } = await run(['doctor', '--aws', '--cdk-app', 'exit 1'], {
      env: {
        AWS_REGION: 'eu-central-1',
        AWS_EC2_METADATA_DISABLED: 'true',
        AWS_CONFIG_FILE: '/dev/null',
        AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      },
    });
    expect(status).toBe(1);
    expect(output).toMatch(
      /failure +credentials +neither the environment nor the profile has any.*\n +fix: log in/,
    );
  });

  test('on the local engine, says what has no meaning there', async () => {
    const state = directory();
    const up = start(['up', '--state', state, '--port', '0']);
    onTestFinished(async () => {
      up.kill('SIGTERM');
      await up.finished;
    });
    await up.line(/^ready in/);
    const { status, output, errors } = await run(['doctor', '--state', state, '--cdk-app', synthesized]);
    expect({ status, errors }).toMatchObject({ status: 0, errors: expect.stringContaining('local engine') });
    expect(output).toMatch(/^ok +CDK bootstrap/m);
    for (const name of ['quotas', 'CodeCommit', 'service-linked roles']) {
      expect(output).toMatch(new RegExp(`^skipped +${name} +does not apply`, 'm'));
    }
  });
});
