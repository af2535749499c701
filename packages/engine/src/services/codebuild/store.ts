import type {
  BuildPhaseType,
  EnvironmentVariable,
  LogsConfig,
  Project,
  ProjectArtifacts,
  ProjectEnvironment,
  ProjectSource,
  StatusType,
} from '@aws-sdk/client-codebuild';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Table } from '../../state/state.ts';

/** A project as the engine keeps it; dates are milliseconds. */
export interface StoredProject {
  readonly name: string;
  readonly project: Omit<Project, 'created' | 'lastModified' | 'arn' | 'name' | 'tags'>;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  /** Number of the newest build. */
  readonly builds: number;
}

export interface StoredPhase {
  readonly type: BuildPhaseType;
  readonly status?: StatusType;
  readonly startedAtMs: number;
  readonly endedAtMs?: number;
  readonly contexts: ReadonlyArray<{ readonly statusCode: string; readonly message: string }>;
}

export interface StoredBuild {
  /** `<project>:<uuid>`. */
  readonly id: string;
  readonly projectName: string;
  readonly number: number;
  readonly status: StatusType;
  readonly phases: readonly StoredPhase[];
  readonly startedAtMs: number;
  readonly endedAtMs?: number;
  readonly source: ProjectSource;
  readonly sourceVersion?: string;
  readonly resolvedSourceVersion?: string;
  readonly artifacts: ProjectArtifacts;
  readonly secondaryArtifacts?: readonly ProjectArtifacts[];
  /** The key that the project or its pipeline names for artifacts. */
  readonly encryptionKey?: string;
  readonly artifactLocation?: string;
  readonly environment: ProjectEnvironment;
  readonly variables: readonly EnvironmentVariable[];
  readonly serviceRole: string;
  readonly logsConfig?: LogsConfig;
  readonly logGroupName?: string;
  readonly logStreamName?: string;
  readonly timeoutMinutes: number;
  readonly queuedTimeoutMinutes: number;
  readonly initiator: string;
  readonly idempotencyToken?: string;
  readonly exported: Readonly<Record<string, string>>;
}

/** Phase that a build is in. */
export function currentPhase(build: StoredBuild): BuildPhaseType {
  return build.phases.at(-1)?.type ?? 'SUBMITTED';
}

/** The part of a build's id after the project: names its directory and log stream. */
export function buildUuid(build: StoredBuild): string {
  return build.id.slice(build.id.lastIndexOf(':') + 1);
}

/** Projects and their builds. */
export class CodeBuildStore {
  readonly projects: Table<StoredProject>;
  readonly builds: Table<StoredBuild>;
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.projects = engine.state.table('codebuild.projects');
    this.builds = engine.state.table('codebuild.builds');
  }

  project(name: string | undefined): StoredProject {
    const project = this.projects.get(projectName(name));
    if (!project) throw new AwsFault('ResourceNotFoundException', `Project cannot be found: ${name}`);
    return project;
  }

  build(id: string | undefined): StoredBuild {
    const build = this.builds.get(buildId(id));
    if (!build) throw new AwsFault('ResourceNotFoundException', `Build cannot be found: ${id}`);
    return build;
  }

  /** The ARN of the project of that name, for IAM. */
  byName(name: string | undefined): string[] {
    return [projectArn(this.#engine, projectName(name))];
  }

  /** The ARNs of the projects of these builds, for IAM. */
  byIds(ids: ReadonlyArray<string | undefined>): string[] {
    return ids.map((id) => projectArn(this.#engine, buildId(id).split(':')[0] ?? ''));
  }
}

export function projectName(nameOrArn: string | undefined): string {
  return (nameOrArn ?? '').replace(/^arn:aws:codebuild:.*:project\//, '');
}

export function buildId(idOrArn: string | undefined): string {
  return (idOrArn ?? '').replace(/^arn:aws:codebuild:.*:build\//, '');
}

export function projectArn(
  { region, accountId }: { readonly region: string; readonly accountId: string },
  name: string,
): string {
  return `arn:aws:codebuild:${region}:${accountId}:project/${name}`;
}
