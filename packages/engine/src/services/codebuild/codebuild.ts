import type { Engine, Service } from '../../dispatch/service.ts';
import type { BuildRunner } from '../../runtime/build/build-runner.ts';
import type { BuildMachine } from './build-machine.ts';
import { buildOperations } from './build-operations.ts';
import { Builder } from './builder.ts';
import { projectOperations } from './project-operations.ts';
import type { CommitCheckouts } from './source.ts';
import { CodeBuildStore, projectName } from './store.ts';

interface CodeBuildParts {
  readonly runBuild: BuildRunner;
  readonly checkouts: CommitCheckouts;
  /** Finds out, once the engine listens, what builds get of this machine. */
  readonly machine: () => Promise<BuildMachine>;
}

/**
 * CodeBuild: projects and builds that really run their buildspec, as processes of this machine with the
 * project's role. Images, compute types and VPC settings are recorded only; batches, reports, webhooks and
 * fleets are not implemented.
 */
export function createCodeBuild(engine: Engine, parts: CodeBuildParts): Service<'codebuild'> {
  const store = new CodeBuildStore(engine);
  let machine: Promise<BuildMachine> | undefined;
  const builder = new Builder(engine, {
    builds: store.builds,
    runBuild: parts.runBuild,
    checkouts: parts.checkouts,
    machine: () => {
      machine ??= parts.machine();
      return machine;
    },
  });

  return {
    name: 'codebuild',
    operations: { ...projectOperations(engine, store, builder), ...buildOperations(engine, store, builder) },
    resourceTags: (arn) => store.projects.get(projectName(arn))?.tags,
    start: () => builder.recover(),
    stop: () => builder.close(),
  };
}
