import { EC2, paginateDescribeVpcs } from '@aws-sdk/client-ec2';
import { IAM } from '@aws-sdk/client-iam';
import { STS } from '@aws-sdk/client-sts';
import type { Context } from '../context.ts';
import { stackNames } from '../stacks.ts';
import { explain } from '../user-error.ts';
import { type Account, type Check, failure, ok, skipped, warning } from './check.ts';
import { fargateZones } from './fargate-zones.ts';
import { type Quota, quotaValue } from './service-quotas.ts';
import type { Capacity, StackNeeds } from './stack-needs.ts';

/** Codes: `aws service-quotas list-service-quotas --service-code fargate` (or vpc, ec2, codebuild). */
const QUOTAS = {
  FARGATE: { service: 'fargate', code: 'L-3032A538' },
  FARGATE_SPOT: { service: 'fargate', code: 'L-36FBB829' },
  vpcs: { service: 'vpc', code: 'L-F678F1CE' },
  elasticIps: { service: 'ec2', code: 'L-0263D0A3' },
} satisfies Record<string, Quota>;

/** Builds at the same time, by the environments that `CanaryImage` makes. New accounts may have none. */
const BUILD_QUOTAS: Readonly<Record<string, Quota>> = {
  ARM_CONTAINER: { service: 'codebuild', code: 'L-5ED1D25B' },
  LINUX_CONTAINER: { service: 'codebuild', code: 'L-9D07B6EF' },
};

/** The controller answers a job of the pipeline, an event and the schedule at the same time. */
const CONCURRENCY_MIN = 3;
/** Lambda leaves as much to all functions that reserve nothing: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html */
const UNRESERVED_MIN = 100;

/** https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html */
const ECS_ROLE = { role: 'AWSServiceRoleForECS', service: 'ecs.amazonaws.com' };
/** https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-service-linked-roles.html */
const SCALING_ROLE = {
  role: 'AWSServiceRoleForApplicationAutoScaling_ECSService',
  service: 'ecs.application-autoscaling.amazonaws.com',
};

/** The region and the credentials: without both of them nothing else can be asked. */
export async function identity(context: Context): Promise<{ checks: Check[]; account?: Account }> {
  const sts = new STS(context.target.connection);
  let region: string;
  try {
    region = await sts.config.region();
  } catch (error) {
    return { checks: [withoutRegion(error), skipped('credentials', 'not checked: no region')] };
  }
  try {
    const { Account: id = '', Arn = '' } = await sts.getCallerIdentity({});
    return {
      checks: [ok('region', region), ok('credentials', `account ${id}, ${Arn}`)],
      account: { id, region },
    };
  } catch (error) {
    return { checks: refusedIdentity(region, error) };
  }
}

function withoutRegion(error: unknown): Check {
  const { message } = error as Error;
  return failure(
    'region',
    message === 'Region is missing' ? 'none is set' : message,
    'export AWS_REGION=eu-central-1, or another region',
  );
}

/** AWS's own words are left out: those about a signature may repeat what was signed, a session token included. */
function refusedIdentity(region: string, error: unknown): Check[] {
  const { name, code } = error as Error & { readonly code?: string };
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return [
      failure(
        'region',
        `${region}: its STS endpoint has no address`,
        'check the name against https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html, and that this machine reaches the internet',
      ),
      skipped('credentials', 'not checked: the region does not answer'),
    ];
  }
  const login =
    'log in ("aws sso login", "aws login", or "aws configure"), name the profile with AWS_PROFILE, then check it with "aws sts get-caller-identity"';
  if (name === 'CredentialsProviderError') {
    return [
      ok('region', region),
      failure('credentials', 'neither the environment nor the profile has any', login),
    ];
  }
  if (name === 'InvalidClientTokenId') {
    return [
      ok('region', region),
      failure(
        'credentials',
        `${region} does not know them (${name}): they are wrong, or the account has not enabled this region`,
        `${login}; or "aws account enable-region --region-name ${region}"`,
      ),
    ];
  }
  return [ok('region', region), failure('credentials', `AWS refuses them (${name})`, login)];
}

/** The checks of what the account has, in the order of a deployment. */
export async function accountChecks(
  context: Context,
  account: Account,
  needs: StackNeeds | undefined,
): Promise<Check[]> {
  const checks = [await asked('stacks', 'cloudformation:DescribeStacks', () => stacks(context))];
  if (needs === undefined) {
    checks.push(
      skipped(
        'what the stacks need',
        'bootstrap stack, names and quotas not checked: the account is not known yet',
      ),
    );
  } else {
    checks.push(
      await asked('CDK bootstrap', 'ssm:GetParameter', () => bootstrap(context, account, needs)),
      ...(await takenNames(context, needs)),
    );
  }
  if (context.target.kind === 'local') return [...checks, ...withoutMeaning()];
  const sts = new STS(context.target.connection);
  const quota = (wanted: Quota) => quotaValue(sts, wanted, context.environment);
  if (needs !== undefined) {
    checks.push(
      await vcpu('Fargate vCPU', 'FARGATE', quota, needs, account),
      await vcpu('Fargate Spot vCPU', 'FARGATE_SPOT', quota, needs, account),
      ...(await network(context, quota, needs, account)),
      await asked('Fargate zones', 'ec2:DescribeAvailabilityZones', () =>
        fargateZones(context, needs, account),
      ),
      await builds(quota, needs, account),
      await asked('Lambda', 'lambda:GetAccountSettings', () => concurrency(context, needs, account)),
      await codecommit(context, account, needs),
    );
  }
  checks.push(await linkedRole(context, ECS_ROLE, failure), await linkedRole(context, SCALING_ROLE, warning));
  return checks;
}

function withoutMeaning(): Check[] {
  return [
    skipped(
      'quotas',
      'does not apply: the engine has no quotas on vCPU, networks, builds or concurrency; this machine is the limit',
    ),
    skipped('CodeCommit', 'does not apply: every account may create repositories on the engine'),
    skipped('service-linked roles', 'does not apply: the engine needs none'),
  ];
}

const DENIED = ['AccessDenied', 'AccessDeniedException', 'UnauthorizedOperation', 'AuthorizationError'];

/** A check that AWS may refuse to answer. What is not known is no pass; it is no failure of the account either. */
async function asked(name: string, permission: string, check: () => Promise<Check>): Promise<Check> {
  try {
    return await check();
  } catch (error) {
    if (DENIED.includes((error as Error).name)) {
      return warning(
        name,
        `not checked: these credentials may not ${permission}`,
        `allow ${permission}, or ask somebody with that permission to run "queue-canary doctor"`,
      );
    }
    return failure(
      name,
      `could not be checked: ${explain(error)}`,
      'run "queue-canary doctor" again; if the failure persists, fix what the message names',
    );
  }
}

async function stacks({ clients, app }: Context): Promise<Check> {
  const found: string[] = [];
  const names = stackNames(app);
  for (const stack of [names.image, names.pipeline]) {
    const status = await stackStatus(clients, stack);
    if (status === undefined) continue;
    if (status === 'UPDATE_ROLLBACK_FAILED') {
      return failure(
        'stacks',
        `${stack} is ${status}`,
        `aws cloudformation continue-update-rollback --stack-name ${stack}`,
      );
    }
    if (status.endsWith('_FAILED')) {
      return failure(
        'stacks',
        `${stack} is ${status}`,
        `read its events ("aws cloudformation describe-stack-events --stack-name ${stack}"), then "aws cloudformation delete-stack --stack-name ${stack}"`,
      );
    }
    if (status.endsWith('_IN_PROGRESS')) {
      return warning('stacks', `${stack} is ${status}`, 'wait until it is done');
    }
    found.push(`${stack} is ${status}`);
  }
  return ok(
    'stacks',
    found.length > 0
      ? found.join(', ')
      : `none yet: this is the first deployment of ${names.image} and ${names.pipeline}`,
  );
}

async function stackStatus(
  { cloudformation }: Context['clients'],
  stack: string,
): Promise<string | undefined> {
  try {
    return (await cloudformation.describeStacks({ StackName: stack })).Stacks?.[0]?.StackStatus;
  } catch (error) {
    if ((error as Error).message.includes('does not exist')) return undefined;
    throw error;
  }
}

async function bootstrap({ clients }: Context, { id, region }: Account, needs: StackNeeds): Promise<Check> {
  const name = 'CDK bootstrap';
  if (needs.bootstrap === undefined) return ok(name, 'not needed by these stacks');
  const { parameter, version } = needs.bootstrap;
  const fix = `npx cdk bootstrap aws://${id}/${region}`;
  try {
    const found = Number((await clients.ssm.getParameter({ Name: parameter })).Parameter?.Value);
    if (found >= version) return ok(name, `version ${found}; the stacks need ${version}`);
    return failure(name, `version ${found}, and the stacks need ${version}`, fix);
  } catch (error) {
    if ((error as Error).name !== 'ParameterNotFound') throw error;
    return failure(name, `${region} is not bootstrapped: parameter ${parameter} does not exist`, fix);
  }
}

/** What an earlier stack has left behind under a name that a new one would use. */
async function takenNames(context: Context, needs: StackNeeds): Promise<Check[]> {
  const checks = [];
  for (const { stack, type, name } of needs.names) {
    checks.push(
      await asked(
        `name ${name}`,
        type === 'AWS::SQS::Queue' ? 'sqs:GetQueueUrl' : 'codecommit:GetRepository',
        async () => {
          const label = `name ${name}`;
          if ((await stackStatus(context.clients, stack)) !== undefined) return ok(label, `of ${stack}`);
          const found = await resourceNamed(context.clients, type, name);
          if (found === undefined) return ok(label, 'free');
          return failure(
            label,
            `${type} ${name} exists without its stack ${stack}`,
            `${found}, if nothing in it is needed; or choose another name: --app-name`,
          );
        },
      ),
    );
  }
  return checks;
}

/** The command that removes the resource of that name, if there is one. */
async function resourceNamed(
  { sqs, codecommit }: Context['clients'],
  type: string,
  name: string,
): Promise<string | undefined> {
  try {
    if (type === 'AWS::SQS::Queue') {
      const { QueueUrl } = await sqs.getQueueUrl({ QueueName: name });
      return `aws sqs delete-queue --queue-url ${QueueUrl}`;
    }
    await codecommit.getRepository({ repositoryName: name });
    return `aws codecommit delete-repository --repository-name ${name}`;
  } catch (error) {
    const absent = ['QueueDoesNotExist', 'RepositoryDoesNotExistException'];
    if (absent.includes((error as Error).name)) return undefined;
    throw error;
  }
}

type AskQuota = (wanted: Quota) => Promise<number>;

const QUOTA_PERMISSIONS = 'servicequotas:GetServiceQuota and servicequotas:GetAWSDefaultServiceQuota';

function increase({ service, code }: Quota, value: number, { region }: Account): string {
  return `aws service-quotas request-service-quota-increase --service-code ${service} --quota-code ${code} --desired-value ${value} --region ${region}`;
}

function vcpu(
  name: string,
  capacity: Capacity,
  quota: AskQuota,
  needs: StackNeeds,
  account: Account,
): Promise<Check> {
  return asked(name, QUOTA_PERMISSIONS, async () => {
    const { least, most } = needs.vcpu[capacity];
    if (most === 0) return ok(name, 'not needed by these stacks');
    const value = await quota(QUOTAS[capacity]);
    const found = `${value} in total, shared with everything else in the account; a deployment of both services uses up to ${least}, and up to ${most} when scaled out`;
    const fix = increase(QUOTAS[capacity], Math.ceil(most), account);
    if (value < least) return failure(name, found, fix);
    return value < most ? warning(name, found, fix) : ok(name, found);
  });
}

async function network(
  context: Context,
  quota: AskQuota,
  needs: StackNeeds,
  account: Account,
): Promise<Check[]> {
  const ec2 = new EC2(context.target.connection);
  const room = (
    name: string,
    wanted: Quota,
    more: number,
    permission: string,
    used: () => Promise<number>,
  ): Promise<Check> =>
    asked(name, `${permission}, ${QUOTA_PERMISSIONS}`, async () => {
      const made = await stackStatus(context.clients, stackNames(context.app).pipeline);
      if (more === 0 || made !== undefined) return ok(name, 'no more are needed');
      const [value, there] = [await quota(wanted), await used()];
      const found = `${there} of ${value} in use; the stacks need ${more} more`;
      if (there + more <= value) return ok(name, found);
      return failure(name, found, increase(wanted, there + more, account));
    });
  return [
    await room('VPCs', QUOTAS.vpcs, needs.vpcs, 'ec2:DescribeVpcs', async () => {
      let vpcs = 0;
      for await (const { Vpcs = [] } of paginateDescribeVpcs({ client: ec2 }, {})) vpcs += Vpcs.length;
      return vpcs;
    }),
    await room(
      'elastic IPs',
      QUOTAS.elasticIps,
      needs.elasticIps,
      'ec2:DescribeAddresses',
      async () => (await ec2.describeAddresses({})).Addresses?.length ?? 0,
    ),
  ];
}

async function builds(quota: AskQuota, needs: StackNeeds, account: Account): Promise<Check> {
  const name = 'CodeBuild';
  const build = needs.builds[0];
  if (build === undefined) return ok(name, 'not needed by these stacks');
  const { type, computeType } = build;
  const wanted = computeType === 'BUILD_GENERAL1_SMALL' ? BUILD_QUOTAS[type] : undefined;
  if (wanted === undefined) {
    return warning(
      name,
      `this command does not know the quota on builds of ${type} ${computeType}`,
      'aws service-quotas list-service-quotas --service-code codebuild; "Concurrently running builds" of that environment must be at least 1',
    );
  }
  return asked(name, QUOTA_PERMISSIONS, async () => {
    const value = await quota(wanted);
    const found = `${value} concurrent builds in small ${type}`;
    return value >= 1 ? ok(name, found) : failure(name, found, increase(wanted, 1, account));
  });
}

async function concurrency({ clients }: Context, needs: StackNeeds, account: Account): Promise<Check> {
  const name = 'Lambda';
  const { AccountLimit } = await clients.lambda.getAccountSettings({});
  const { ConcurrentExecutions: all = 0, UnreservedConcurrentExecutions: free = 0 } = AccountLimit ?? {};
  const { reservedConcurrency: reserved } = needs;
  const found = `${all} concurrent executions, ${free} of them unreserved`;
  const quota = { service: 'lambda', code: 'L-B99A9384' };
  if (reserved > 0 && free - reserved < UNRESERVED_MIN) {
    return failure(
      name,
      `${found}; the stacks reserve ${reserved}, and Lambda keeps ${UNRESERVED_MIN} unreserved`,
      `leave reservedConcurrentExecutions out, or ${increase(quota, all + UNRESERVED_MIN + reserved - free, account)}`,
    );
  }
  if (free < CONCURRENCY_MIN) {
    return failure(
      name,
      `${found}; the controller needs ${CONCURRENCY_MIN}`,
      increase(quota, all + CONCURRENCY_MIN - free, account),
    );
  }
  return ok(name, `${found}; the controller needs ${CONCURRENCY_MIN}`);
}

const CLOSED = 'OperationNotAllowedException';

/**
 * AWS closed CodeCommit to accounts without a repository on 25 July 2024
 * (https://aws.amazon.com/blogs/devops/how-to-migrate-your-aws-codecommit-repository-to-another-git-provider/) and opened it
 * again on 24 November 2025 (https://aws.amazon.com/blogs/devops/aws-codecommit-returns-to-general-availability/). Only
 * CreateRepository was refused, so listing none proves nothing.
 */
async function codecommit({ clients }: Context, { region }: Account, needs: StackNeeds): Promise<Check> {
  const name = 'CodeCommit';
  if (needs.repositories === 0) return ok(name, 'not needed by these stacks');
  return asked(name, 'codecommit:ListRepositories', async () => {
    try {
      const { repositories = [] } = await clients.codecommit.listRepositories({});
      if (repositories.length > 0) return ok(name, `open: the account has repositories in ${region}`);
      return warning(
        name,
        `the account has no repository in ${region}. From July 2024 to November 2025 AWS did not let such an account create one. CodeCommit is open again, but only an attempt shows whether it is open for yours`,
        `aws codecommit create-repository --repository-name queue-canary-trial --region ${region} && aws codecommit delete-repository --repository-name queue-canary-trial --region ${region}; if it answers ${CLOSED}, ask AWS Support`,
      );
    } catch (error) {
      const { name: code } = error as Error;
      if (code === CLOSED) {
        return failure(
          name,
          `closed for this account (${code}), as for all new customers from July 2024 to November 2025`,
          'ask AWS Support to open it, and refer to https://aws.amazon.com/blogs/devops/aws-codecommit-returns-to-general-availability/',
        );
      }
      if ((error as NodeJS.ErrnoException).code === 'ENOTFOUND') {
        return failure(
          name,
          `${region} has no CodeCommit`,
          'choose another region: https://docs.aws.amazon.com/general/latest/gr/codecommit.html lists those that have it',
        );
      }
      throw error;
    }
  });
}

/** A service makes its role at its first use, if the caller may; ECS may refuse that first service meanwhile. */
function linkedRole(
  context: Context,
  { role, service }: { readonly role: string; readonly service: string },
  missing: typeof failure | typeof warning,
): Promise<Check> {
  return asked(role, 'iam:GetRole', async () => {
    try {
      await new IAM(context.target.connection).getRole({ RoleName: role });
      return ok(role, 'there');
    } catch (error) {
      if ((error as Error).name !== 'NoSuchEntityException') throw error;
      return missing(
        role,
        'not there: the account has not used the service yet',
        `aws iam create-service-linked-role --aws-service-name ${service}`,
      );
    }
  });
}
