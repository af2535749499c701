import type { ActionDeclaration, PipelineDeclaration, StageDeclaration } from '@aws-sdk/client-codepipeline';
import { AwsFault } from '../../errors.ts';
import type { PipelineShape, StageShape } from './machine-state.ts';

const MINUTE_MS = 60_000;

interface ActionRule {
  readonly inputs: readonly [min: number, max: number];
  readonly outputs: readonly [min: number, max: number];
  readonly required: readonly string[];
  readonly optional: readonly string[];
  /** Time after which AWS fails the action. */
  readonly timeoutMs: number;
}

/** Action types that the engine runs, by `category/owner/provider/version`. */
const ACTION_TYPES: Readonly<Record<string, ActionRule>> = {
  'Source/AWS/CodeCommit/1': {
    inputs: [0, 0],
    outputs: [1, 1],
    required: ['RepositoryName', 'BranchName'],
    optional: ['PollForSourceChanges', 'OutputArtifactFormat'],
    timeoutMs: 60 * MINUTE_MS,
  },
  'Source/AWS/S3/1': {
    inputs: [0, 0],
    outputs: [1, 1],
    required: ['S3Bucket', 'S3ObjectKey'],
    optional: ['PollForSourceChanges'],
    timeoutMs: 60 * MINUTE_MS,
  },
  'Build/AWS/CodeBuild/1': {
    inputs: [1, 1],
    outputs: [0, 1],
    required: ['ProjectName'],
    optional: ['PrimarySource', 'EnvironmentVariables'],
    timeoutMs: 36 * 60 * MINUTE_MS,
  },
  'Test/AWS/CodeBuild/1': {
    inputs: [1, 1],
    outputs: [0, 1],
    required: ['ProjectName'],
    optional: ['PrimarySource', 'EnvironmentVariables'],
    timeoutMs: 36 * 60 * MINUTE_MS,
  },
  'Deploy/AWS/ECS/1': {
    inputs: [1, 1],
    outputs: [0, 0],
    required: ['ClusterName', 'ServiceName'],
    optional: ['FileName', 'DeploymentTimeout'],
    timeoutMs: 60 * MINUTE_MS,
  },
  'Approval/AWS/Manual/1': {
    inputs: [0, 0],
    outputs: [0, 0],
    required: [],
    optional: ['NotificationArn', 'CustomData', 'ExternalEntityLink'],
    timeoutMs: 7 * 24 * 60 * MINUTE_MS,
  },
  'Invoke/AWS/Lambda/1': {
    inputs: [0, 5],
    outputs: [0, 5],
    required: ['FunctionName'],
    optional: ['UserParameters'],
    timeoutMs: 24 * 60 * MINUTE_MS,
  },
};

export function actionType(action: ActionDeclaration): string {
  const id = action.actionTypeId;
  return `${id?.category}/${id?.owner}/${id?.provider}/${id?.version}`;
}

/** Time an action may take: what the action says, or AWS's limit for its type. */
export function actionTimeoutMs(action: ActionDeclaration): number {
  return action.timeoutInMinutes === undefined
    ? ACTION_TYPES[actionType(action)]!.timeoutMs
    : action.timeoutInMinutes * MINUTE_MS;
}

/** What the state machine needs to know of a declaration. */
export function shapeOf(declaration: PipelineDeclaration): PipelineShape {
  return {
    mode: declaration.executionMode ?? 'SUPERSEDED',
    stages: (declaration.stages ?? []).map((stage): StageShape => {
      const result = stage.onFailure?.result;
      return {
        name: stage.name ?? '',
        actions: (stage.actions ?? []).map(({ name, runOrder }) => ({
          name: name ?? '',
          runOrder: runOrder ?? 1,
        })),
        ...(result === 'ROLLBACK' ? { onFailure: { result } } : {}),
        ...(result === 'RETRY'
          ? {
              onFailure: { result, mode: stage.onFailure?.retryConfiguration?.retryMode ?? 'FAILED_ACTIONS' },
            }
          : {}),
      };
    }),
  };
}

/** Checks a declaration as CreatePipeline does, and refuses by name what the engine does not run. */
export function checkDeclaration(pipeline: PipelineDeclaration, region: string): void {
  const name = pipeline.name ?? '';
  if (!/^[A-Za-z0-9.@_-]{1,100}$/.test(name)) {
    throw new AwsFault(
      'ValidationException',
      `The pipeline name "${name}" is not valid: 1 to 100 letters, digits and .@-_`,
    );
  }
  const v2 = pipeline.pipelineType === 'V2';
  if (!v2 && pipeline.executionMode !== undefined && pipeline.executionMode !== 'SUPERSEDED') {
    throw structure(`Pipeline execution mode ${pipeline.executionMode} requires pipelineType V2.`);
  }
  if (!v2 && (pipeline.variables?.length ?? 0) > 0)
    throw structure('Pipeline variables require pipelineType V2.');
  if ((pipeline.triggers?.length ?? 0) > 0) {
    throw structure(
      'triggers: not supported by the local engine; start the pipeline with an EventBridge rule',
    );
  }
  if (pipeline.artifactStores !== undefined || pipeline.artifactStore === undefined) {
    throw structure(
      'artifactStore is required; artifactStores (several regions) is not supported by the local engine; leave it out',
    );
  }
  const stages = pipeline.stages ?? [];
  if (stages.length < 2) throw structure('Pipeline should have at least two stages');
  requireUnique(
    stages.map((stage) => stage.name ?? ''),
    (stage) => structure(`Stage name ${stage} is not unique in the pipeline`),
  );
  const artifacts = new Set<string>();
  for (const [index, stage] of stages.entries()) checkStage(stage, { index, artifacts, v2, region });
}

/** What a stage is checked against; `artifacts` collects those that earlier actions make. */
interface StagePlace {
  readonly index: number;
  readonly artifacts: Set<string>;
  readonly v2: boolean;
  readonly region: string;
}

function checkStage(stage: StageDeclaration, place: StagePlace): void {
  const { index, v2 } = place;
  const stageName = stage.name ?? '';
  if (!/^[A-Za-z0-9.@_-]{1,100}$/.test(stageName)) {
    throw new AwsFault('InvalidStageDeclarationException', `The stage name "${stageName}" is not valid`);
  }
  const unsupported = (what: string) =>
    new AwsFault(
      'InvalidStageDeclarationException',
      `${what} of stage ${stageName} is not supported by the local engine: of stage conditions it runs onFailure with the results ROLLBACK and RETRY, without rules`,
    );
  if ((stage.blockers?.length ?? 0) > 0)
    throw new AwsFault('InvalidBlockerDeclarationException', 'blockers are reserved for future use');
  if (stage.beforeEntry !== undefined) throw unsupported('beforeEntry');
  if (stage.onSuccess !== undefined) throw unsupported('onSuccess');
  if ((stage.onFailure?.conditions?.length ?? 0) > 0) throw unsupported('onFailure.conditions');
  const result = stage.onFailure?.result;
  if (result !== undefined && result !== 'ROLLBACK' && result !== 'RETRY' && result !== 'FAIL') {
    throw unsupported(`onFailure.result ${result}`);
  }
  if (result !== undefined && !v2) throw structure('Stage conditions require pipelineType V2.');
  if (result === 'ROLLBACK' && index === 0)
    throw structure('A source stage cannot be rolled back on failure.');
  const actions = stage.actions ?? [];
  if (actions.length === 0) throw structure(`Stage ${stageName} must contain at least one action`);
  requireUnique(
    actions.map((action) => action.name ?? ''),
    (action) => structure(`Action name ${action} is not unique in stage ${stageName}`),
  );
  const inOrder = [...actions].sort((a, b) => (a.runOrder ?? 1) - (b.runOrder ?? 1));
  for (const action of inOrder) checkAction(action, stageName, place);
}

function checkAction(action: ActionDeclaration, stageName: string, place: StagePlace): void {
  const invalid = (message: string) =>
    new AwsFault(
      'InvalidActionDeclarationException',
      `Action ${action.name} in stage ${stageName}: ${message}`,
    );
  const type = actionType(action);
  const rule = ACTION_TYPES[type];
  if (!rule) {
    throw invalid(
      `ActionType ${type} is not available in the local engine; it runs ${Object.keys(ACTION_TYPES).join(', ')}`,
    );
  }
  const source = action.actionTypeId?.category === 'Source';
  if (source !== (place.index === 0)) {
    throw structure(
      source
        ? `Stage ${stageName}: only the first stage can contain source actions`
        : `Stage ${stageName}: the first stage must contain source actions only`,
    );
  }
  const runOrder = action.runOrder ?? 1;
  if (!Number.isInteger(runOrder) || runOrder < 1 || runOrder > 999)
    throw invalid('runOrder must be 1 to 999');
  const minutes = action.timeoutInMinutes;
  if (minutes !== undefined && (minutes < 5 || minutes > 86_400)) {
    throw invalid(`timeoutInMinutes must be 5 to 86400, got ${minutes}`);
  }
  if (action.region !== undefined && action.region !== place.region) {
    throw invalid(
      `region ${action.region}: the local engine is one region, ${place.region}; leave region out`,
    );
  }
  for (const field of ['commands', 'environmentVariables', 'outputVariables'] as const) {
    if ((action[field]?.length ?? 0) > 0)
      throw invalid(`${field}: not supported by the local engine; leave it out`);
  }
  checkConfiguration(type, action.configuration ?? {}, invalid);
  checkArtifacts(action, rule, place.artifacts, invalid);
}

function checkArtifacts(
  action: ActionDeclaration,
  rule: ActionRule,
  artifacts: Set<string>,
  invalid: (message: string) => AwsFault,
): void {
  const { inputArtifacts = [], outputArtifacts = [] } = action;
  for (const [what, { length }, [min, max]] of [
    ['input', inputArtifacts, rule.inputs],
    ['output', outputArtifacts, rule.outputs],
  ] as const) {
    if (length < min || length > max) {
      const range = min === max ? min : `${min} to ${max}`;
      throw invalid(`it has ${length} ${what} artifacts, and ${actionType(action)} takes ${range}`);
    }
  }
  for (const { name = '' } of inputArtifacts) {
    if (!artifacts.has(name)) {
      throw structure(
        `Input Artifact Bundle ${name} in action ${action.name} is not declared as Output Artifact Bundle in any of the preceding actions`,
      );
    }
  }
  for (const { name = '' } of outputArtifacts) {
    if (!/^[A-Za-z0-9_-]{1,100}$/.test(name)) throw invalid(`the artifact name "${name}" is not valid`);
    if (artifacts.has(name)) {
      throw structure(
        `Output Artifact Bundle name must be unique within the pipeline. ${name} has been used more than once`,
      );
    }
    artifacts.add(name);
  }
}

function checkConfiguration(
  type: string,
  configuration: Readonly<Record<string, string>>,
  invalid: (message: string) => AwsFault,
): void {
  const { required, optional } = ACTION_TYPES[type]!;
  for (const key of required) {
    if (!configuration[key]) throw invalid(`Action configuration is missing required configuration '${key}'`);
  }
  for (const key of Object.keys(configuration)) {
    if (!required.includes(key) && !optional.includes(key)) {
      throw invalid(`Action configuration contains unknown configuration '${key}'`);
    }
  }
  if (
    type.startsWith('Source/') &&
    (configuration.PollForSourceChanges ?? 'true').toLowerCase() !== 'false'
  ) {
    throw invalid(
      'PollForSourceChanges must be false: the local engine does not poll; start the pipeline with an EventBridge rule',
    );
  }
  if (type === 'Source/AWS/CodeCommit/1') {
    const format = configuration.OutputArtifactFormat ?? 'CODE_ZIP';
    if (format !== 'CODE_ZIP')
      throw invalid(`OutputArtifactFormat ${format} is not supported by the local engine, only CODE_ZIP`);
  }
  if (type === 'Deploy/AWS/ECS/1' && configuration.DeploymentTimeout !== undefined) {
    const minutes = Number(configuration.DeploymentTimeout);
    if (!Number.isInteger(minutes) || minutes < 1 || minutes > 60) {
      throw invalid(`DeploymentTimeout must be 1 to 60 minutes, got ${configuration.DeploymentTimeout}`);
    }
  }
}

function requireUnique(names: readonly string[], error: (name: string) => AwsFault): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw error(name);
    seen.add(name);
  }
}

function structure(message: string): AwsFault {
  return new AwsFault('InvalidStructureException', message);
}
