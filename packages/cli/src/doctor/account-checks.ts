import { IAM } from '@aws-sdk/client-iam';
import { STS } from '@aws-sdk/client-sts';
import type { Context } from '../context.ts';
import { asked } from './asked.ts';
import { type Account, type Check, failure, ok, skipped, warning } from './check.ts';
import { fargateZones } from './fargate-zones.ts';
import { type AskQuota, builds, concurrency, network, vcpu } from './quota-checks.ts';
import { quotaValue } from './service-quotas.ts';
import { bootstrap, stacks, takenNames } from './stack-checks.ts';
import type { StackNeeds } from './stack-needs.ts';

/** https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html */
const ECS_ROLE = { role: 'AWSServiceRoleForECS', service: 'ecs.amazonaws.com' };
/** https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-service-linked-roles.html */
const SCALING_ROLE = {
  role: 'AWSServiceRoleForApplicationAutoScaling_ECSService',
  service: 'ecs.application-autoscaling.amazonaws.com',
};

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
  const quota: AskQuota = (wanted) => quotaValue(sts, wanted, context.environment);
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
