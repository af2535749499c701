import { type Configuration, readEnvironment, UserError } from '@queue-canary/controller';
import type { ReleaseContext } from './context.ts';
import { pipelineOutputs } from './stacks.ts';
import { CliError } from './user-error.ts';

/** What the deployed controller works by, from its own environment: the names of the application's resources, and the policy. */
export async function controllerSettings(
  context: Pick<ReleaseContext, 'app' | 'clients'>,
): Promise<Configuration> {
  const { ControllerFunctionName } = await pipelineOutputs(context.clients.cloudformation, context.app);
  const { Environment } = await context.clients.lambda.getFunctionConfiguration({
    FunctionName: ControllerFunctionName,
  });
  try {
    return readEnvironment(Environment?.Variables ?? {});
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new CliError(
      `this version cannot read the settings of the deployed controller ${ControllerFunctionName} (${error.message}): run "queue-canary deploy pipeline" again, or use the version of queue-canary that deployed it`,
    );
  }
}
