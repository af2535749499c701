import { EC2, paginateDescribeVpcs } from '@aws-sdk/client-ec2';
import type { Context } from '../context.ts';
import { stackNames } from '../stacks.ts';
import { asked } from './asked.ts';
import { type Account, type Check, failure, ok, warning } from './check.ts';
import type { Quota } from './service-quotas.ts';
import { stackStatus } from './stack-checks.ts';
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

/** Asks for the value of a quota. */
export type AskQuota = (wanted: Quota) => Promise<number>;

const QUOTA_PERMISSIONS = 'servicequotas:GetServiceQuota and servicequotas:GetAWSDefaultServiceQuota';

function increase({ service, code }: Quota, value: number, { region }: Account): string {
  return `aws service-quotas request-service-quota-increase --service-code ${service} --quota-code ${code} --desired-value ${value} --region ${region}`;
}

export function vcpu(
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

export async function network(
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

export async function builds(quota: AskQuota, needs: StackNeeds, account: Account): Promise<Check> {
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

export async function concurrency({ clients }: Context, needs: StackNeeds, account: Account): Promise<Check> {
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
