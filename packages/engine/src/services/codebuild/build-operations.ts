import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { BATCH_MAX, requireBatch } from './batch.ts';
import type { Builder } from './builder.ts';
import { passesRole } from './project-rules.ts';
import { startBuild } from './start-build.ts';
import { buildId, type CodeBuildStore, type StoredBuild } from './store.ts';
import { shownBuild } from './views.ts';

/** Builds: started, stopped, tried again and listed. */
export function buildOperations(engine: Engine, store: CodeBuildStore, builder: Builder) {
  return {
    StartBuild: {
      resources: (input) => store.byName(input.projectName),
      passesRoles: (input) => passesRole({ serviceRole: input.serviceRoleOverride }),
      run: (input, call) => ({ build: shownBuild(engine, startBuild(engine, store, builder, input, call)) }),
    },
    RetryBuild: {
      resources: (input) => store.byIds([input.id]),
      run: (input, call) => {
        const old = store.build(input.id);
        if (old.source.type === 'CODEPIPELINE') {
          throw new AwsFault(
            'InvalidInputException',
            'Builds of a pipeline are retried by retrying the stage.',
          );
        }
        const build = startBuild(
          engine,
          store,
          builder,
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
      resources: (input) => store.byIds([input.id]),
      run: (input) => {
        const { id } = store.build(input.id);
        builder.stop(id);
        return { build: shownBuild(engine, store.build(id)) };
      },
    },
    BatchGetBuilds: {
      resources: (input) => store.byIds(input.ids ?? []),
      run: (input) => {
        const ids = requireBatch(input.ids, 'ids');
        const found = ids.map((id) => store.builds.get(buildId(id))).filter((build) => build !== undefined);
        return {
          builds: found.map((build) => shownBuild(engine, build)),
          buildsNotFound: ids.filter((id) => !store.builds.has(buildId(id))),
        };
      },
    },
    ListBuilds: {
      run: (input) => ({ ids: newestFirst([...store.builds.values()], input.sortOrder).slice(0, BATCH_MAX) }),
    },
    ListBuildsForProject: {
      resources: (input) => store.byName(input.projectName),
      run: (input) => {
        const { name } = store.project(input.projectName);
        const list = [...store.builds.values()].filter(({ projectName }) => projectName === name);
        return { ids: newestFirst(list, input.sortOrder).slice(0, BATCH_MAX) };
      },
    },
  } satisfies OperationTable<'codebuild'>;
}

function newestFirst(list: readonly StoredBuild[], sortOrder: string | undefined): string[] {
  const ids = [...list]
    .sort((a, b) => b.startedAtMs - a.startedAtMs || b.number - a.number)
    .map(({ id }) => id);
  return sortOrder === 'ASCENDING' ? ids.reverse() : ids;
}
