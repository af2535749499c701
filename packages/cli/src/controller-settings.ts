import { CONTROLLER_VARIABLES, parsePolicy, type ReleasePolicy } from '@queue-canary/core';
import type { Context } from './context.ts';
import { pipelineOutputs } from './stacks.ts';
import { CliError } from './user-error.ts';

/** What the deployed controller works by: the workers' name in the metrics, and the policy. */
export async function controllerSettings(
  context: Pick<Context, 'app' | 'clients'>,
): Promise<{ readonly app: string; readonly policy: ReleasePolicy }> {
  const { ControllerFunctionName } = await pipelineOutputs(context.clients.cloudformation, context.app);
  const { Environment } = await context.clients.lambda.getFunctionConfiguration({
    FunctionName: ControllerFunctionName,
  });
  const { [CONTROLLER_VARIABLES.app]: app, [CONTROLLER_VARIABLES.policy]: text } =
    Environment?.Variables ?? {};
  if (app === undefined || text === undefined) {
    throw new CliError(
      `function ${ControllerFunctionName} is not configured as a controller: run "queue-canary deploy pipeline" again`,
    );
  }
  const parsed = parsePolicy(JSON.parse(text));
  if (!parsed.ok) {
    throw new CliError(
      `this version cannot read the deployed controller's policy (${parsed.problems.map(({ message }) => message).join('; ')}): run "queue-canary deploy pipeline" again, or use the version of queue-canary that deployed it`,
    );
  }
  return { app, policy: parsed.policy };
}
