import type { CloudFormation } from '@aws-sdk/client-cloudformation';
import {
  BUILD_OUTPUTS,
  type BuildOutputs,
  DEAD_LETTER_OUTPUTS,
  IMAGE_OUTPUTS,
  type ImageOutputs,
  PIPELINE_OUTPUTS,
  type PipelineOutputs,
  SOURCE_OUTPUTS,
  type SourceOutputs,
} from '@queue-canary/core';
import { CliError } from './user-error.ts';

/** Names of the two stacks of an application. */
export function stackNames(app: string): { readonly image: string; readonly pipeline: string } {
  return { image: `${app}Image`, pipeline: `${app}Pipeline` };
}

/** Outputs of a deployed stack, or `undefined` when there is no such stack. */
export async function findOutputs(
  cloudformation: CloudFormation,
  stack: string,
): Promise<Record<string, string> | undefined> {
  try {
    const { Stacks } = await cloudformation.describeStacks({ StackName: stack });
    const outputs = Stacks?.[0]?.Outputs ?? [];
    return Object.fromEntries(
      outputs.map(({ OutputKey, OutputValue }) => [OutputKey ?? '', OutputValue ?? '']),
    );
  } catch (error) {
    if ((error as Error).message.includes('does not exist')) return undefined;
    throw error;
  }
}

/** Outputs of the image stack; an error that says what to run when it is not there. */
export function imageOutputs(cloudformation: CloudFormation, app: string): Promise<ImageOutputs> {
  return requireOutputs(cloudformation, stackNames(app).image, IMAGE_OUTPUTS, 'image');
}

/** Outputs of an image stack that builds its images; an error where somebody else does. */
export async function buildOutputs(cloudformation: CloudFormation, app: string): Promise<BuildOutputs> {
  if (!(await isBuilt(cloudformation, app))) {
    throw new CliError(
      `${app} releases images that you push yourself, so it has neither source nor builds: use "queue-canary release start --image"`,
    );
  }
  const { image } = stackNames(app);
  return requireOutputs(cloudformation, image, BUILD_OUTPUTS, 'image', [...SOURCE_OUTPUTS, 'SourceLocation']);
}

/** Outputs of an image stack whose source is a CodeCommit repository; an error where it is not. */
export async function sourceOutputs(cloudformation: CloudFormation, app: string): Promise<SourceOutputs> {
  const { SourceLocation } = await buildOutputs(cloudformation, app);
  if (SourceLocation !== undefined) {
    throw new CliError(
      `the source of ${app} is ${SourceLocation}, where this command cannot write: put your worker there as you always do, and its release starts by itself`,
    );
  }
  return requireOutputs(cloudformation, stackNames(app).image, SOURCE_OUTPUTS, 'image');
}

/** Whether releases begin with a commit that is built; otherwise somebody names an image. */
export async function isBuilt(cloudformation: CloudFormation, app: string): Promise<boolean> {
  const outputs = await findOutputs(cloudformation, stackNames(app).image);
  return outputs?.ImageRepositoryUri === undefined || outputs.BuildProjectName !== undefined;
}

/** Outputs of the pipeline stack; an error that says what to run when it is not there. */
export function pipelineOutputs(cloudformation: CloudFormation, app: string): Promise<PipelineOutputs> {
  return requireOutputs(
    cloudformation,
    stackNames(app).pipeline,
    PIPELINE_OUTPUTS,
    'pipeline',
    DEAD_LETTER_OUTPUTS,
  );
}

async function requireOutputs<K extends string, O extends string = never>(
  cloudformation: CloudFormation,
  stack: string,
  keys: readonly K[],
  part: string,
  optional: readonly O[] = [],
): Promise<Record<K, string> & Partial<Record<O, string>>> {
  const outputs = await findOutputs(cloudformation, stack);
  const found = {} as Record<K | O, string>;
  for (const key of optional) if (outputs?.[key] !== undefined) found[key] = outputs[key];
  for (const key of keys) {
    const value = outputs?.[key];
    if (value === undefined) {
      throw new CliError(
        outputs
          ? `stack ${stack} has no output ${key}: its deployment is incomplete; run "queue-canary deploy ${part}"`
          : `stack ${stack} does not exist yet: run "queue-canary deploy ${part}" first`,
      );
    }
    found[key] = value;
  }
  return found;
}
