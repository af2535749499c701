import type { Context } from '../context.ts';
import { stackNames } from '../stacks.ts';
import { asked } from './asked.ts';
import { type Account, type Check, failure, ok, warning } from './check.ts';
import type { StackNeeds } from './stack-needs.ts';

export async function stacks({ clients, app }: Context): Promise<Check> {
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

export async function stackStatus(
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

export async function bootstrap(
  { clients }: Context,
  { id, region }: Account,
  needs: StackNeeds,
): Promise<Check> {
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
export async function takenNames(context: Context, needs: StackNeeds): Promise<Check[]> {
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
