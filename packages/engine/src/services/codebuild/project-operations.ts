import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { tagMap } from '../../iam/tags.ts';
import { requireBatch } from './batch.ts';
import type { Builder } from './builder.ts';
import {
  checkProject,
  DEFAULT_QUEUED_TIMEOUT_MINUTES,
  DEFAULT_TIMEOUT_MINUTES,
  passesRole,
} from './project-rules.ts';
import { type CodeBuildStore, projectArn, projectName, type StoredProject } from './store.ts';
import { shownProject } from './views.ts';

/** Projects. */
export function projectOperations(engine: Engine, store: CodeBuildStore, builder: Builder) {
  return {
    CreateProject: {
      resources: (input) => store.byName(input.name),
      passesRoles: passesRole,
      run: (input, { atMs }) => {
        const { name = '', tags, badgeEnabled: _badgeEnabled, ...project } = input;
        checkProject({ name, project });
        if (store.projects.has(name)) {
          throw new AwsFault(
            'ResourceAlreadyExistsException',
            `Project already exists: ${projectArn(engine, name)}`,
          );
        }
        const stored = store.projects.put(name, {
          name,
          project: withDefaults(project),
          tags: tagMap(tags),
          createdAtMs: atMs,
          modifiedAtMs: atMs,
          builds: 0,
        });
        return { project: shownProject(engine, stored) };
      },
    },
    UpdateProject: {
      resources: (input) => store.byName(input.name),
      passesRoles: passesRole,
      run: (input, { atMs }) => {
        const before = store.project(input.name);
        const { name: _name, tags, badgeEnabled: _badgeEnabled, ...change } = input;
        const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
        const project = withDefaults({ ...before.project, ...given });
        checkProject({ name: before.name, project });
        const stored = store.projects.put(before.name, {
          ...before,
          project,
          tags: tags === undefined ? before.tags : tagMap(tags),
          modifiedAtMs: atMs,
        });
        return { project: shownProject(engine, stored) };
      },
    },
    DeleteProject: {
      resources: (input) => store.byName(input.name),
      run: (input) => {
        const name = projectName(input.name);
        for (const build of [...store.builds.values()])
          if (build.projectName === name) builder.stop(build.id);
        store.projects.delete(name);
        return {};
      },
    },
    BatchGetProjects: {
      resources: (input) => (input.names ?? []).flatMap((name) => store.byName(name)),
      run: (input) => {
        const names = requireBatch(input.names, 'names');
        const found = names
          .map((name) => store.projects.get(projectName(name)))
          .filter((project) => project !== undefined);
        return {
          projects: found.map((project) => shownProject(engine, project)),
          projectsNotFound: names.filter((name) => !store.projects.has(projectName(name))),
        };
      },
    },
    ListProjects: {
      run: (input) => {
        const names = [...store.projects.keys()].sort();
        return { projects: input.sortOrder === 'DESCENDING' ? names.reverse() : names };
      },
    },
  } satisfies OperationTable<'codebuild'>;
}

function withDefaults(project: StoredProject['project']): StoredProject['project'] {
  return {
    ...project,
    timeoutInMinutes: project.timeoutInMinutes ?? DEFAULT_TIMEOUT_MINUTES,
    queuedTimeoutInMinutes: project.queuedTimeoutInMinutes ?? DEFAULT_QUEUED_TIMEOUT_MINUTES,
  };
}
