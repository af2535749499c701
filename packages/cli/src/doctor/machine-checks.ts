import type { Context } from '../context.ts';
import { runProgram } from '../run-program.ts';
import { explain } from '../user-error.ts';
import { type Check, failure, ok, skipped, warning } from './check.ts';
import type { StackNeeds } from './stack-needs.ts';

/** Whether this machine has what the commands run. */
export async function machineChecks(
  context: Context,
  needs: StackNeeds | undefined,
  region: string | undefined,
): Promise<Check[]> {
  return [
    // The command does not start on one that is too old.
    ok('Node', `Node ${process.versions.node}`),
    await program(
      context,
      'git',
      'failure',
      'install git: https://git-scm.com/downloads; a push to the repository starts a release',
    ),
    await docker(context, needs),
    ...(await forCodeCommit(context, needs, region)),
  ];
}

async function program(
  context: Context,
  name: string,
  otherwise: 'warning' | 'failure',
  fix: string,
): Promise<Check> {
  try {
    return ok(name, await version(context, name, ['--version']));
  } catch (error) {
    return (otherwise === 'failure' ? failure : warning)(name, explain(error), fix);
  }
}

async function version(
  { environment, signal }: Context,
  name: string,
  args: readonly string[],
): Promise<string> {
  return (await runProgram(name, args, { environment, signal })).split('\n')[0] ?? '';
}

/** Only images among the assets are built here; the worker's is built by CodeBuild. */
async function docker(context: Context, needs: StackNeeds | undefined): Promise<Check> {
  const name = 'Docker';
  if (needs === undefined) return skipped(name, 'not checked: the content of the stacks is not known');
  if (needs.imageAssets === 0) {
    return ok(
      name,
      'not needed: the stacks contain no image to build on this machine; CodeBuild builds the worker',
    );
  }
  try {
    return ok(
      name,
      `server ${await version(context, 'docker', ['version', '--format', '{{.Server.Version}}'])}`,
    );
  } catch (error) {
    return failure(
      name,
      `the stacks contain ${needs.imageAssets} images that "cdk deploy" builds on this machine; ${explain(error)}`,
      'install Docker and start it: https://docs.docker.com/get-docker/',
    );
  }
}

async function forCodeCommit(
  context: Context,
  needs: StackNeeds | undefined,
  region: string | undefined,
): Promise<Check[]> {
  const helper = 'git for CodeCommit';
  if (needs?.codeCommit === false) {
    const why = 'not needed: the source of these stacks is not CodeCommit';
    return [skipped('AWS CLI', why), skipped(helper, why)];
  }
  if (context.target.kind === 'local') {
    return [
      skipped('AWS CLI', 'not needed here'),
      skipped(helper, '"queue-canary push" signs in to the local engine by itself'),
    ];
  }
  const cli = await program(
    context,
    'aws',
    'warning',
    'install the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html; git signs in to CodeCommit with it',
  );
  if (region === undefined) return [{ ...cli, name: 'AWS CLI' }, skipped(helper, 'not checked: no region')];
  return [{ ...cli, name: 'AWS CLI' }, await credentialHelper(context, helper, region)];
}

/** Whether git signs in at CodeCommit with the AWS CLI. The helper is not run: what it answers is a secret. */
async function credentialHelper(context: Context, name: string, region: string): Promise<Check> {
  const url = `https://git-codecommit.${region}.amazonaws.com`;
  const helper = await version(context, 'git', ['config', '--get-urlmatch', 'credential.helper', url]).catch(
    () => '',
  );
  if (helper.includes('codecommit')) return ok(name, `git signs in to ${url} with the AWS CLI`);
  return warning(
    name,
    `git in this directory does not sign in to ${url} with the AWS CLI's credential helper`,
    `git config --global credential.${url}.helper '!aws codecommit credential-helper $@' && git config --global credential.${url}.UseHttpPath true`,
  );
}
