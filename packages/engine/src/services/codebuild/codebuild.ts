import type { EnvironmentVariable } from '@aws-sdk/client-codebuild';
import type { Input } from '../../dispatch/sdk.ts';
import type { Call, Engine, Principal, Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { prepareBuildMachine } from './build-machine.ts';
import { Builder, type BuildMachine } from './builder.ts';
import { checkArtifacts, checkProject, checkSource } from './project-rules.ts';
import type { CommitCheckouts } from './source.ts';
import type { StoredBuild, StoredProject } from './store.ts';
import { projectArn, shownBuild, shownProject } from './views.ts';

const DEFAULT_TIMEOUT_MINUTES = 60;
const DEFAULT_QUEUED_TIMEOUT_MINUTES = 480;
const LARGEST_BATCH = 100;

interface CodeBuildParts {
  readonly checkouts: CommitCheckouts;
  /** Environment of this machine, for the tools and the network of builds. */
  readonly machineEnvironment: Readonly<Record<string, string | undefined>>;
}

/** Overrides of StartBuild that would change a build and that the engine does not have. */
const UNSUPPORTED_OVERRIDES = [
  'secondarySourcesOverride',
  'secondarySourcesVersionOverride',
  'secondaryArtifactsOverride',
  'sourceAuthOverride',
  'fleetOverride',
  'debugSessionEnabled',
] as const;

/**
 * CodeBuild: projects and builds that really run their buildspec, as processes of this machine with the
 * project's role. Images, compute types and VPC settings are recorded only; batches, reports, webhooks and
 * fleets are not implemented.
 */
export function createCodeBuild(engine: Engine, parts: CodeBuildParts): Service<'codebuild'> {
  const projects = engine.state.table<StoredProject>('codebuild.projects');
  const builds = engine.state.table<StoredBuild>('codebuild.builds');
  let machine: Promise<BuildMachine> | undefined;
  const builder = new Builder(engine, {
    builds,
    checkouts: parts.checkouts,
    machine: () => {
      machine ??= prepareBuildMachine(engine, parts.machineEnvironment);
      return machine;
    },
  });

  const nameOf = (nameOrArn: string | undefined) =>
    (nameOrArn ?? '').replace(/^arn:aws:codebuild:.*:project\//, '');
  const byName = (name: string | undefined) => [projectArn(engine, nameOf(name))];
  const byIds = (ids: ReadonlyArray<string | undefined>) =>
    ids.map((id) => projectArn(engine, buildId(id).split(':')[0] ?? ''));
  const buildId = (idOrArn: string | undefined) =>
    (idOrArn ?? '').replace(/^arn:aws:codebuild:.*:build\//, '');
  const passesRole = (input: { serviceRole?: string | undefined }) =>
    input.serviceRole === undefined
      ? []
      : [{ roleArn: input.serviceRole, service: 'codebuild.amazonaws.com' }];
  const find = (name: string | undefined): StoredProject => {
    const project = projects.get(nameOf(name));
    if (!project) throw new AwsFault('ResourceNotFoundException', `Project cannot be found: ${name}`);
    return project;
  };
  const findBuild = (id: string | undefined): StoredBuild => {
    const build = builds.get(buildId(id));
    if (!build) throw new AwsFault('ResourceNotFoundException', `Build cannot be found: ${id}`);
    return build;
  };
  const tagsOf = (tags: Input<'codebuild', 'CreateProject'>['tags']) =>
    Object.fromEntries((tags ?? []).map(({ key, value }) => [key ?? '', value ?? '']));
  const newestFirst = (list: readonly StoredBuild[], sortOrder: string | undefined) => {
    const ids = [...list]
      .sort((a, b) => b.startedAtMs - a.startedAtMs || b.number - a.number)
      .map(({ id }) => id);
    return sortOrder === 'ASCENDING' ? ids.reverse() : ids;
  };

  const initiatorOf = (principal: Principal, type: string): string => {
    const session = /assumed-role\/([^/]+)\/(.+)$/.exec(principal.arn);
    if (!session) return principal.arn.split(':').at(-1) ?? principal.arn;
    // A pipeline names its sessions after itself.
    return type === 'CODEPIPELINE' ? `codepipeline/${session[2]}` : `${session[1]}/${session[2]}`;
  };

  const startBuild = (input: Input<'codebuild', 'StartBuild'>, { principal, atMs }: Call): StoredBuild => {
    const stored = find(input.projectName);
    const { project } = stored;
    if (input.idempotencyToken !== undefined) {
      for (const build of builds.values()) {
        if (build.projectName === stored.name && build.idempotencyToken === input.idempotencyToken)
          return build;
      }
    }
    for (const field of UNSUPPORTED_OVERRIDES) {
      const value = input[field];
      if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) continue;
      throw new AwsFault('InvalidInputException', `${field}: not supported by the local engine`);
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
    const running = [...builds.values()].filter(
      (build) => build.projectName === stored.name && build.status === 'IN_PROGRESS',
    );
    if (project.concurrentBuildLimit !== undefined && running.length >= project.concurrentBuildLimit) {
      throw new AwsFault(
        'AccountLimitExceededException',
        `Cannot have more than ${project.concurrentBuildLimit} builds in queue for project ${stored.name}`,
      );
    }
    const number = stored.builds + 1;
    projects.put(stored.name, { ...stored, builds: number });
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
    return builds.get(build.id)!;
  };

  return {
    name: 'codebuild',
    operations: {
      CreateProject: {
        resources: (input) => byName(input.name),
        passesRoles: passesRole,
        run: (input, { atMs }) => {
          const { name = '', tags, badgeEnabled: _badgeEnabled, ...project } = input;
          checkProject({ name, project });
          if (projects.has(name)) {
            throw new AwsFault(
              'ResourceAlreadyExistsException',
              `Project already exists: ${projectArn(engine, name)}`,
            );
          }
          const stored = projects.put(name, {
            name,
            project: withDefaults(project),
            tags: tagsOf(tags),
            createdAtMs: atMs,
            modifiedAtMs: atMs,
            builds: 0,
          });
          return { project: shownProject(engine, stored) };
        },
      },
      UpdateProject: {
        resources: (input) => byName(input.name),
        passesRoles: passesRole,
        run: (input, { atMs }) => {
          const before = find(input.name);
          const { name: _name, tags, badgeEnabled: _badgeEnabled, ...change } = input;
          const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
          const project = withDefaults({ ...before.project, ...given });
          checkProject({ name: before.name, project });
          const stored = projects.put(before.name, {
            ...before,
            project,
            tags: tags === undefined ? before.tags : tagsOf(tags),
            modifiedAtMs: atMs,
          });
          return { project: shownProject(engine, stored) };
        },
      },
      DeleteProject: {
        resources: (input) => byName(input.name),
        run: (input) => {
          const name = nameOf(input.name);
          for (const build of [...builds.values()]) if (build.projectName === name) builder.stop(build.id);
          projects.delete(name);
          return {};
        },
      },
      BatchGetProjects: {
        resources: (input) => (input.names ?? []).flatMap(byName),
        run: (input) => {
          const names = requireBatch(input.names, 'names');
          const found = names
            .map((name) => projects.get(nameOf(name)))
            .filter((project) => project !== undefined);
          return {
            projects: found.map((project) => shownProject(engine, project)),
            projectsNotFound: names.filter((name) => !projects.has(nameOf(name))),
          };
        },
      },
      ListProjects: {
        run: (input) => {
          const names = [...projects.keys()].sort();
          return { projects: input.sortOrder === 'DESCENDING' ? names.reverse() : names };
        },
      },
      StartBuild: {
        resources: (input) => byName(input.projectName),
        passesRoles: (input) => passesRole({ serviceRole: input.serviceRoleOverride }),
        run: (input, call) => ({ build: shownBuild(engine, startBuild(input, call)) }),
      },
      RetryBuild: {
        resources: (input) => byIds([input.id]),
        run: (input, call) => {
          const old = findBuild(input.id);
          if (old.source.type === 'CODEPIPELINE') {
            throw new AwsFault(
              'InvalidInputException',
              'Builds of a pipeline are retried by retrying the stage.',
            );
          }
          const build = startBuild(
            {
              projectName: old.projectName,
              sourceVersion: old.resolvedSourceVersion ?? old.sourceVersion,
              environmentVariablesOverride: [...old.variables],
              buildspecOverride: old.source.buildspec,
              idempotencyToken: input.idempotencyToken,
            },
            call,
          );
          return { build: shownBuild(engine, build) };
        },
      },
      StopBuild: {
        resources: (input) => byIds([input.id]),
        run: (input) => {
          const { id } = findBuild(input.id);
          builder.stop(id);
          return { build: shownBuild(engine, findBuild(id)) };
        },
      },
      BatchGetBuilds: {
        resources: (input) => byIds(input.ids ?? []),
        run: (input) => {
          const ids = requireBatch(input.ids, 'ids');
          const found = ids.map((id) => builds.get(buildId(id))).filter((build) => build !== undefined);
          return {
            builds: found.map((build) => shownBuild(engine, build)),
            buildsNotFound: ids.filter((id) => !builds.has(buildId(id))),
          };
        },
      },
      ListBuilds: {
        run: (input) => ({ ids: newestFirst([...builds.values()], input.sortOrder).slice(0, LARGEST_BATCH) }),
      },
      ListBuildsForProject: {
        resources: (input) => byName(input.projectName),
        run: (input) => {
          const { name } = find(input.projectName);
          const list = [...builds.values()].filter(({ projectName }) => projectName === name);
          return { ids: newestFirst(list, input.sortOrder).slice(0, LARGEST_BATCH) };
        },
      },
    },
    resourceTags: (arn) => projects.get(nameOf(arn))?.tags,
    start: () => builder.recover(),
    stop: () => builder.close(),
  };
}

function withDefaults(project: StoredProject['project']): StoredProject['project'] {
  return {
    ...project,
    timeoutInMinutes: project.timeoutInMinutes ?? DEFAULT_TIMEOUT_MINUTES,
    queuedTimeoutInMinutes: project.queuedTimeoutInMinutes ?? DEFAULT_QUEUED_TIMEOUT_MINUTES,
  };
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

function mergeVariables(
  own: readonly EnvironmentVariable[],
  overrides: readonly EnvironmentVariable[],
): EnvironmentVariable[] {
  const byVariable = new Map<string, EnvironmentVariable>();
  for (const variable of [...own, ...overrides]) byVariable.set(variable.name ?? '', variable);
  return [...byVariable.values()];
}

function requireBatch(values: string[] | undefined, field: string): string[] {
  const list = values ?? [];
  if (list.length === 0 || list.length > LARGEST_BATCH) {
    throw new AwsFault(
      'InvalidInputException',
      `${field} must have 1 to ${LARGEST_BATCH} entries, got ${list.length}`,
    );
  }
  return list;
}
