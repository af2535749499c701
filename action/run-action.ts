import type { Clock } from '@queue-canary/engine';
import { createReleaseClients } from '../packages/cli/src/clients.ts';
import { statusPrinter } from '../packages/cli/src/commands/release.ts';
import { followRelease } from '../packages/cli/src/commands/release-follow.ts';
import { type StartedRelease, startRelease } from '../packages/cli/src/commands/release-start.ts';
import type { ReleaseContext } from '../packages/cli/src/context.ts';
import { pipelineOutputs } from '../packages/cli/src/stacks.ts';
import { environmentTarget } from '../packages/cli/src/target.ts';
import { explain } from '../packages/cli/src/user-error.ts';
import { createDeployment, type SetState } from './deployment.ts';
import { type Ending, endingOf, unfollowed } from './ending.ts';
import { type Environment, type Inputs, readInputs } from './inputs.ts';
import { summaryOf } from './summary.ts';
import { annotation, type Level, logged, output } from './workflow-text.ts';

/** What the action gets from the runner of GitHub Actions. */
export interface Runner {
  readonly environment: Environment;
  readonly clock: Clock;
  /** Aborts when the workflow is cancelled. */
  readonly signal: AbortSignal;
  /** Writes a line to the log, in which the runner finds commands. */
  readonly print: (line: string) => void;
  /** Appends to a file of the runner's. */
  readonly append: (path: string, text: string) => void;
}

/** Releases an image, or follows a release, as the inputs want; resolves with the exit status of the command. */
export async function runAction(runner: Runner): Promise<number> {
  try {
    return await release(runner, readInputs(runner.environment));
  } catch (error) {
    annotate(runner, 'error', explain(error));
    return 1;
  }
}

async function release(runner: Runner, inputs: Inputs): Promise<number> {
  const { app, wait } = inputs;
  const context = contextOf(runner, inputs);
  const { codepipeline, cloudformation } = context.clients;
  const { PipelineName: pipeline } = await pipelineOutputs(cloudformation, app);
  const started: StartedRelease =
    'image' in inputs.release ? await startRelease(context, inputs.release.image) : inputs.release;
  const { executionId, image } = started;
  // At once, so that later steps have them whatever becomes of this one.
  writeOutputs(runner, { 'execution-id': executionId, image });

  const setState = wait ? await deploymentOf(runner, inputs) : undefined;
  const ending = wait ? await follow(context, started) : unfollowed('started', started, app);
  annotate(runner, ending.level, ending.line);
  writeOutputs(runner, { outcome: ending.outcome, summary: ending.line, image: ending.image });
  const released = { executionId, app, pipeline, region: await codepipeline.config.region() };
  write(runner, 'GITHUB_STEP_SUMMARY', summaryOf(ending, released, runner.clock.nowMs()));
  await onGitHub(runner, async () => setState?.(ending.state, `${ending.title}: ${ending.reason}`));
  return ending.status;
}

function contextOf({ environment, clock, signal, print }: Runner, { app, region }: Inputs): ReleaseContext {
  const target = environmentTarget(
    region === undefined ? environment : { ...environment, AWS_REGION: region },
  );
  // One stream for all, so that the runner reads it in order.
  const say = (text = '') => print(logged(text));
  return {
    target,
    clients: createReleaseClients(target),
    app,
    clock,
    signal,
    print: say,
    terminal: { interactive: false, style: (_tone, text) => text, line: say, live: () => {} },
  };
}

async function follow(context: ReleaseContext, started: StartedRelease): Promise<Ending> {
  try {
    const ended = await followRelease(context, started, statusPrinter(context));
    return ended ? endingOf(ended, context.app) : unfollowed('cancelled', started, context.app);
  } catch (problem) {
    return unfollowed({ problem }, started, context.app);
  }
}

async function deploymentOf(runner: Runner, { deployment }: Inputs): Promise<SetState | undefined> {
  if (deployment === undefined) return undefined;
  return onGitHub(runner, async () => {
    const setState = await createDeployment(runner.environment, deployment);
    await setState('in_progress', 'the canary is released and judged');
    return setState;
  });
}

/** What GitHub does not take changes nothing of the release. */
async function onGitHub<T>(runner: Runner, call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    annotate(
      runner,
      'warning',
      `the release is not shown as a deployment on GitHub: ${explain(error)}. The token needs the permission "deployments: write". The release itself is not affected.`,
    );
    return undefined;
  }
}

function annotate({ print }: Runner, level: Level, text: string): void {
  print(annotation(level, text));
}

function writeOutputs(runner: Runner, values: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) write(runner, 'GITHUB_OUTPUT', output(name, value));
  }
}

function write({ environment, append }: Runner, variable: string, text: string): void {
  const path = environment[variable];
  if (path) append(path, text);
}
