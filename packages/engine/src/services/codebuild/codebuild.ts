import type { Engine, Service } from '../../dispatch/service.ts';
import { type BuildMachine, prepareBuildMachine } from './build-machine.ts';
import { buildOperations } from './build-operations.ts';
import { Builder } from './builder.ts';
import { projectOperations } from './project-operations.ts';
import type { CommitCheckouts } from './source.ts';
import { CodeBuildStore, projectName } from './store.ts';

interface CodeBuildParts {
  readonly checkouts: CommitCheckouts;
  /** Environment of this machine, for the tools and the network of builds. */
  readonly machineEnvironment: Readonly<Record<string, string | undefined>>;
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
    checkouts: parts.checkouts,
    machine: () => {
      machine ??= prepareBuildMachine(engine, parts.machineEnvironment);
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
