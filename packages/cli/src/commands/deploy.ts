import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sleep } from '@queue-canary/engine';
import type { Context } from '../context.ts';
import { CDK_APP, NODE_OPTIONS, SAMPLE_APP } from '../examples.ts';
import { runProgram } from '../run-program.ts';
import { buildOutputs, imageOutputs, isBuilt, sourceOutputs, stackNames } from '../stacks.ts';
import { seconds } from '../terminal.ts';
import { CliError } from '../user-error.ts';

export interface DeployOptions {
  /** Command that synthesizes the CDK app. @default - the app that comes with the command */
  readonly cdkApp?: string;
  /** Context values for the CDK app, `name=value`. */
  readonly context: readonly string[];
  /** Deploys to AWS without asking about changes that broaden permissions. @default false */
  readonly yes?: boolean;
}

/** The CDK app that comes with the command. */
function defaultCdkApp(): string {
  // The CDK CLI strips quotes from both ends of a command, hence the word in front.
  return ['exec', ...[process.execPath, ...NODE_OPTIONS, CDK_APP].map((word) => `"${word}"`)].join(' ');
}

/** Synthesizes the CDK app once, into a directory that {@link cdkDeploy} takes for both stacks. */
export async function synthesize(
  context: Context,
  options: DeployOptions,
  directory: string,
): Promise<string> {
  await cdk(context, [
    'synth',
    '--quiet',
    '--app',
    options.cdkApp ?? defaultCdkApp(),
    '--output',
    directory,
    ...contextPairs(context, options).flatMap((pair) => ['--context', pair]),
  ]);
  return directory;
}

/** The context values that the CDK app gets. */
export function contextPairs(
  { app, target }: { readonly app: string; readonly target: Pick<Context['target'], 'kind'> },
  options: DeployOptions,
): string[] {
  // An engine is for trying things out; what a deployment to AWS holds stays unless the user says otherwise.
  const removal = target.kind === 'local' && options.cdkApp === undefined ? ['removal=destroy'] : [];
  return [`app=${app}`, ...removal, ...options.context];
}

/** Runs the real `cdk deploy` for one stack of a synthesized app against the target. */
export async function cdkDeploy(
  context: Context,
  part: 'image' | 'pipeline',
  assembly: string,
  yes = false,
): Promise<void> {
  const { terminal, clock, app } = context;
  const stack = stackNames(app)[part];
  const startedAtMs = clock.nowMs();
  terminal.line(`cdk deploy ${stack}`);
  await cdk(context, ['deploy', stack, '--app', assembly, ...deployFlags(context.target.kind, yes)], {
    asks: asks(context.target.kind, yes),
  });
  terminal.line(`  ${stack} deployed in ${seconds(clock.nowMs() - startedAtMs)}`);
}

/** Whether cdk shows changes that broaden permissions and asks before it makes them. */
function asks(target: 'local' | 'aws', yes: boolean): boolean {
  return target === 'aws' && !yes;
}

/** The flags of `cdk deploy`. */
export function deployFlags(target: 'local' | 'aws', yes: boolean): string[] {
  const approval = asks(target, yes) ? 'broadening' : 'never';
  return ['--exclusively', '--require-approval', approval, '--progress', 'events', '--no-notices'];
}

async function cdk(context: Context, args: readonly string[], { asks = false } = {}): Promise<void> {
  const { target, terminal } = context;
  const program = join(dirname(createRequire(import.meta.url).resolve('aws-cdk/package.json')), 'bin', 'cdk');
  await runProgram(process.execPath, [program, ...args], {
    environment: {
      ...context.environment,
      ...target.environment,
      CDK_DISABLE_CLI_TELEMETRY: 'true',
      // The repository's tests validate the template; synthesis is seconds shorter without doing it again.
      ...(target.kind === 'local' ? { CDK_VALIDATION: 'false' } : {}),
    },
    name: `cdk ${args[0]}`,
    interactive: asks,
    onLine: (line) => terminal.live(`  ${line}`),
    signal: context.signal,
  });
}

/** Synthesizes and deploys one stack. */
async function deployStack(
  context: Context,
  part: 'image' | 'pipeline',
  options: DeployOptions,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-cdk-'));
  try {
    await cdkDeploy(context, part, await synthesize(context, options, directory), options.yes);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Deploys the image stack and says how to push the worker. */
export async function deployImage(context: Context, options: DeployOptions): Promise<void> {
  await deployStack(context, 'image', options);
  const { terminal } = context;
  const { cloudformation } = context.clients;
  if (!(await isBuilt(cloudformation, context.app))) {
    const { ImageRepositoryUri } = await imageOutputs(cloudformation, context.app);
    terminal.line(`releases will take their images from ${ImageRepositoryUri}`);
    terminal.line('next: queue-canary deploy pipeline');
    return;
  }
  const { SourceLocation } = await buildOutputs(cloudformation, context.app);
  if (SourceLocation !== undefined) {
    terminal.line(`releases will be built from ${SourceLocation}`);
    terminal.line('next: queue-canary deploy pipeline');
    return;
  }
  const outputs = await sourceOutputs(cloudformation, context.app);
  terminal.line(
    `next: push your worker to branch ${outputs.BranchName} of ${outputs.RepositoryCloneUrlHttp}, for example with`,
  );
  terminal.line(
    context.target.kind === 'local'
      ? `  queue-canary push ${SAMPLE_APP}`
      : `  git push ${outputs.RepositoryCloneUrlHttp} HEAD:${outputs.BranchName}   (git needs the AWS CLI's credential helper for CodeCommit)`,
  );
  terminal.line('then: queue-canary deploy pipeline');
}

/**
 * Deploys the pipeline stack. The first time it builds the first image before, by the CodeBuild project of
 * the image stack, since both services start with it. Only a project with CodeCommit can do so without the pipeline;
 * with other sources, and where nothing is built, the first release starts the services.
 */
export async function deployPipeline(context: Context, options: DeployOptions): Promise<void> {
  const { cloudformation } = context.clients;
  const source = (await isBuilt(cloudformation, context.app))
    ? await buildOutputs(cloudformation, context.app)
    : undefined;
  if (source !== undefined && source.SourceLocation === undefined) await ensureFirstImage(context);
  await deployStack(context, 'pipeline', options);
  context.terminal.line(
    source === undefined
      ? `next: queue-canary release start --image ${(await imageOutputs(cloudformation, context.app)).ImageRepositoryUri}:TAG`
      : `next: queue-canary release watch shows the release; each push to ${source.SourceLocation ?? source.BranchName} starts one`,
  );
}

/** Builds an image of the branch and writes it to the image parameter, unless the parameter names one. */
export async function ensureFirstImage(context: Context): Promise<void> {
  const { clients, terminal, clock, signal } = context;
  const outputs = await sourceOutputs(clients.cloudformation, context.app);
  const { Parameter } = await clients.ssm.getParameter({ Name: outputs.ImageParameterName });
  if (Parameter?.Value !== undefined && Parameter.Value !== 'none') return;
  try {
    await clients.codecommit.getBranch({
      repositoryName: outputs.RepositoryName,
      branchName: outputs.BranchName,
    });
  } catch (error) {
    if ((error as Error).name !== 'BranchDoesNotExistException') throw error;
    throw new CliError(
      `repository ${outputs.RepositoryName} has no branch ${outputs.BranchName} yet, so there is nothing to build: push your worker first ("queue-canary push DIRECTORY", or git push to ${outputs.RepositoryCloneUrlHttp})`,
    );
  }
  const startedAtMs = clock.nowMs();
  terminal.line(`building the first image with ${outputs.BuildProjectName}`);
  const { build } = await clients.codebuild.startBuild({
    projectName: outputs.BuildProjectName,
    sourceVersion: `refs/heads/${outputs.BranchName}`,
  });
  for (;;) {
    if (signal.aborted) throw new CliError('interrupted');
    const { builds } = await clients.codebuild.batchGetBuilds({ ids: [build!.id!] });
    const current = builds?.[0];
    terminal.live(`  ${current?.currentPhase ?? 'QUEUED'} ${seconds(clock.nowMs() - startedAtMs)}`);
    if (current?.buildStatus === 'SUCCEEDED') {
      const imageUri = await builtImage(context, current.resolvedSourceVersion ?? '');
      await clients.ssm.putParameter({ Name: outputs.ImageParameterName, Value: imageUri, Overwrite: true });
      terminal.line(`  ${imageUri} built in ${seconds(clock.nowMs() - startedAtMs)}`);
      return;
    }
    if (current?.buildStatus !== undefined && current.buildStatus !== 'IN_PROGRESS') {
      const failed = current.phases?.find((phase) => phase.phaseStatus === 'FAILED');
      const cause = failed?.contexts?.map(({ message }) => message).join('; ');
      throw new CliError(
        `the build ${current.buildStatus.toLowerCase()}${failed ? ` in ${failed.phaseType}: ${cause}` : ''}; its log: queue-canary logs build`,
      );
    }
    await sleep(clock, context.target.kind === 'local' ? 200 : 3000, signal);
  }
}

/** The digest form of the image that a build pushed under its commit. */
async function builtImage(context: Context, commit: string): Promise<string> {
  const outputs = await imageOutputs(context.clients.cloudformation, context.app);
  const repositoryName = outputs.ImageRepositoryUri.slice(outputs.ImageRepositoryUri.indexOf('/') + 1);
  const { imageDetails } = await context.clients.ecr.describeImages({
    repositoryName,
    imageIds: [{ imageTag: commit }],
  });
  const digest = imageDetails?.[0]?.imageDigest;
  if (digest === undefined) {
    throw new CliError(
      `the build succeeded, but ${outputs.ImageRepositoryUri} has no image with tag ${commit}: the buildspec must push the image under $CODEBUILD_RESOLVED_SOURCE_VERSION`,
    );
  }
  return `${outputs.ImageRepositoryUri}@${digest}`;
}
