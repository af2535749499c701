import type { EnvironmentVariable } from '@aws-sdk/client-codebuild';
import type { Call, Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import type { Input } from '../../sdk/services.ts';
import type { Builder } from './builder.ts';
import {
  checkArtifacts,
  checkSource,
  DEFAULT_QUEUED_TIMEOUT_MINUTES,
  DEFAULT_TIMEOUT_MINUTES,
} from './project-rules.ts';
import type { CodeBuildStore, StoredBuild } from './store.ts';

/** Overrides of StartBuild that would change a build and that the engine does not have. */
const UNSUPPORTED_OVERRIDES = [
  'secondarySourcesOverride',
  'secondarySourcesVersionOverride',
  'secondaryArtifactsOverride',
  'sourceAuthOverride',
  'fleetOverride',
  'debugSessionEnabled',
] as const;

/** Starts a build of a project with what the call overrides; a repeated call gets the build that it started. */
export function startBuild(
  engine: Engine,
  store: CodeBuildStore,
  builder: Builder,
  input: Input<'codebuild', 'StartBuild'>,
  { principal, atMs }: Call,
): StoredBuild {
  const stored = store.project(input.projectName);
  const { project } = stored;
  if (input.idempotencyToken !== undefined) {
    for (const build of store.builds.values()) {
      if (build.projectName === stored.name && build.idempotencyToken === input.idempotencyToken)
        return build;
    }
  }
  for (const field of UNSUPPORTED_OVERRIDES) {
    const value = input[field];
    if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) continue;
    throw new AwsFault('InvalidInputException', `${field}: not supported by the local engine; leave it out`);
  }
  const type = input.sourceTypeOverride ?? project.source?.type ?? 'NO_SOURCE';
  const changedType =
    input.sourceTypeOverride !== undefined && input.sourceTypeOverride !== project.source?.type;
  const source = {
    ...project.source,
    type,
    location: input.sourceLocationOverride ?? (changedType ? undefined : project.source?.location),
    buildspec: input.buildspecOverride ?? project.source?.buildspec,
  };
  const artifacts = input.artifactsOverride ?? project.artifacts ?? { type: 'NO_ARTIFACTS' as const };
  if (type === 'CODEPIPELINE' && input.sourceVersion === undefined) {
    throw new AwsFault(
      'InvalidInputException',
      `Project ${stored.name} takes its source from a pipeline: start the pipeline, or override the source.`,
    );
  }
  checkSource(source);
  checkArtifacts(artifacts);
  const running = [...store.builds.values()].filter(
    (build) => build.projectName === stored.name && build.status === 'IN_PROGRESS',
  );
  if (project.concurrentBuildLimit !== undefined && running.length >= project.concurrentBuildLimit) {
    throw new AwsFault(
      'AccountLimitExceededException',
      `Cannot have more than ${project.concurrentBuildLimit} builds in queue for project ${stored.name}`,
    );
  }
  const number = stored.builds + 1;
  store.projects.put(stored.name, { ...stored, builds: number });
  const build: StoredBuild = {
    id: `${stored.name}:${engine.ids.uuid()}`,
    projectName: stored.name,
    number,
    status: 'IN_PROGRESS',
    phases: [],
    startedAtMs: atMs,
    source,
    ...versionOf(input.sourceVersion ?? (changedType ? undefined : project.sourceVersion)),
    artifacts,
    secondaryArtifacts: type === 'CODEPIPELINE' ? [] : (project.secondaryArtifacts ?? []),
    ...encryptionOf(input.encryptionKeyOverride ?? project.encryptionKey),
    environment: {
      ...project.environment,
      type: input.environmentTypeOverride ?? project.environment?.type,
      image: input.imageOverride ?? project.environment?.image,
      computeType: input.computeTypeOverride ?? project.environment?.computeType,
      privilegedMode: input.privilegedModeOverride ?? project.environment?.privilegedMode,
    },
    variables: mergeVariables(
      project.environment?.environmentVariables ?? [],
      input.environmentVariablesOverride ?? [],
    ),
    serviceRole: input.serviceRoleOverride ?? project.serviceRole ?? '',
    ...logsOf(input.logsConfigOverride ?? project.logsConfig),
    timeoutMinutes: input.timeoutInMinutesOverride ?? project.timeoutInMinutes ?? DEFAULT_TIMEOUT_MINUTES,
    queuedTimeoutMinutes:
      input.queuedTimeoutInMinutesOverride ??
      project.queuedTimeoutInMinutes ??
      DEFAULT_QUEUED_TIMEOUT_MINUTES,
    initiator: initiatorOf(principal, type),
    ...(input.idempotencyToken === undefined ? {} : { idempotencyToken: input.idempotencyToken }),
    exported: {},
  };
  builder.submit(build);
  return store.builds.get(build.id)!;
}

function initiatorOf(principal: Principal, type: string): string {
  const session = /assumed-role\/([^/]+)\/(.+)$/.exec(principal.arn);
  if (!session) return principal.arn.split(':').at(-1) ?? principal.arn;
  // A pipeline names its sessions after itself.
  return type === 'CODEPIPELINE' ? `codepipeline/${session[2]}` : `${session[1]}/${session[2]}`;
}

function mergeVariables(
  own: readonly EnvironmentVariable[],
  overrides: readonly EnvironmentVariable[],
): EnvironmentVariable[] {
  const byVariable = new Map<string, EnvironmentVariable>();
  for (const variable of [...own, ...overrides]) byVariable.set(variable.name ?? '', variable);
  return [...byVariable.values()];
}

function versionOf(sourceVersion: string | undefined): Pick<StoredBuild, 'sourceVersion'> {
  return sourceVersion === undefined ? {} : { sourceVersion };
}

function encryptionOf(encryptionKey: string | undefined): Pick<StoredBuild, 'encryptionKey'> {
  return encryptionKey === undefined ? {} : { encryptionKey };
}

function logsOf(logsConfig: StoredBuild['logsConfig'] | undefined): Pick<StoredBuild, 'logsConfig'> {
  return logsConfig === undefined ? {} : { logsConfig };
}
