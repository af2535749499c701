import type { ProjectArtifacts, ProjectEnvironment, ProjectSource } from '@aws-sdk/client-codebuild';
import { AwsFault } from '../../errors.ts';
import type { StoredProject } from './store.ts';

const SOURCES: ReadonlySet<string> = new Set(['CODECOMMIT', 'CODEPIPELINE', 'NO_SOURCE', 'S3']);
const ARTIFACTS: ReadonlySet<string> = new Set(['NO_ARTIFACTS', 'S3', 'CODEPIPELINE']);
const ENVIRONMENTS: ReadonlySet<string> = new Set(['LINUX_CONTAINER', 'ARM_CONTAINER']);

/** Checks a project as CreateProject does, and refuses by name what the engine cannot build. */
export function checkProject({ name, project }: Pick<StoredProject, 'name' | 'project'>): void {
  if (!/^[A-Za-z0-9][\w-]{1,254}$/.test(name)) {
    throw invalid(`Invalid project name: ${name} (2 to 255 letters, digits, - and _)`);
  }
  checkSource(project.source);
  checkArtifacts(project.artifacts);
  for (const artifacts of project.secondaryArtifacts ?? []) {
    checkArtifacts(artifacts);
    if (!artifacts.artifactIdentifier) throw invalid('secondaryArtifacts: each needs an artifactIdentifier');
    if (artifacts.type !== 'S3')
      throw invalid(
        `secondaryArtifacts of type ${artifacts.type}: not supported by the local engine; use type S3`,
      );
  }
  checkEnvironment(project.environment);
  const lists = {
    secondarySources: project.secondarySources,
    fileSystemLocations: project.fileSystemLocations,
  };
  for (const [field, list] of Object.entries(lists)) {
    if ((list?.length ?? 0) > 0) throw invalid(`${field}: not supported by the local engine; leave it out`);
  }
  if (project.buildBatchConfig !== undefined)
    throw invalid('buildBatchConfig: not supported by the local engine; leave it out');
  if (project.logsConfig?.s3Logs?.status === 'ENABLED') {
    throw invalid('logsConfig.s3Logs: not supported by the local engine; use cloudWatchLogs');
  }
  for (const [field, minutes] of [
    ['timeoutInMinutes', project.timeoutInMinutes],
    ['queuedTimeoutInMinutes', project.queuedTimeoutInMinutes],
  ] as const) {
    if (minutes !== undefined && (minutes < 5 || minutes > 2160)) {
      throw invalid(`Invalid ${field}: must be 5 to 2160, got ${minutes}`);
    }
  }
}

export function checkSource(source: ProjectSource | undefined): void {
  const type = source?.type ?? '';
  if (!SOURCES.has(type)) {
    throw invalid(`source.type ${type}: the local engine builds from ${[...SOURCES].join(', ')}`);
  }
  if ((type === 'CODECOMMIT' || type === 'S3') && !source?.location) {
    throw invalid(`source.location is required for source type ${type}`);
  }
  if (type === 'NO_SOURCE' && !source?.buildspec) {
    throw invalid('a project with source type NO_SOURCE needs a buildspec');
  }
}

export function checkArtifacts(artifacts: ProjectArtifacts | undefined): void {
  const type = artifacts?.type ?? '';
  if (!ARTIFACTS.has(type)) throw invalid(`artifacts.type ${type} is not valid`);
  if (type === 'S3' && !artifacts?.location)
    throw invalid('artifacts.location is required for artifacts in S3');
}

function checkEnvironment(environment: ProjectEnvironment | undefined): void {
  const type = environment?.type ?? '';
  if (!ENVIRONMENTS.has(type)) {
    throw invalid(`environment.type ${type}: the local engine builds for ${[...ENVIRONMENTS].join(' and ')}`);
  }
}

function invalid(message: string): AwsFault {
  return new AwsFault('InvalidInputException', message);
}

export const DEFAULT_TIMEOUT_MINUTES = 60;
export const DEFAULT_QUEUED_TIMEOUT_MINUTES = 480;

export const passesRole = (input: { serviceRole?: string | undefined }) =>
  input.serviceRole === undefined ? [] : [{ roleArn: input.serviceRole, service: 'codebuild.amazonaws.com' }];
