import type { PipelineDeclaration } from '@aws-sdk/client-codepipeline';
import type { Call, Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { tagMap } from '../../iam/tags.ts';
import type { Input } from '../../sdk/services.ts';
import { checkDeclaration } from './declaration.ts';
import type { PipelineRunner } from './pipeline-runner.ts';
import { executionMode, type Pipelines } from './pipelines.ts';
import type { PipelineStore, StoredPipeline } from './store.ts';
import { pipelineVariables } from './variables.ts';
import { page } from './views.ts';

interface Parts {
  readonly store: PipelineStore;
  readonly pipelines: Pipelines;
  readonly runner: PipelineRunner;
}

/** Making, describing, changing and deleting pipelines. */
export function pipelineOperations(engine: Engine, parts: Parts) {
  const { store, pipelines, runner } = parts;
  const byName = (input: { name?: string | undefined }) => [pipelines.arn(input.name)];
  const passesRole = (input: { pipeline?: PipelineDeclaration | undefined }) =>
    input.pipeline?.roleArn === undefined
      ? []
      : [{ roleArn: input.pipeline.roleArn, service: 'codepipeline.amazonaws.com' }];

  return {
    CreatePipeline: {
      resources: (input) => [pipelines.arn(input.pipeline?.name)],
      passesRoles: passesRole,
      run: (input, call) => createPipeline(engine, parts, input, call),
    },
    UpdatePipeline: {
      resources: (input) => [pipelines.arn(input.pipeline?.name)],
      passesRoles: passesRole,
      run: (input, { atMs }) => updatePipeline(engine, parts, input.pipeline!, atMs),
    },
    GetPipeline: {
      resources: byName,
      run: (input) => {
        const pipeline = pipelines.find(input.name);
        if (input.version !== undefined && input.version !== pipeline.version) {
          throw new AwsFault(
            'PipelineVersionNotFoundException',
            `Version ${input.version} of pipeline ${pipeline.name} was not found: the local engine keeps the current version (${pipeline.version}) only.`,
          );
        }
        return {
          pipeline: shown(pipeline),
          metadata: {
            pipelineArn: pipelines.arn(pipeline.name),
            created: new Date(pipeline.createdAtMs),
            updated: new Date(pipeline.updatedAtMs),
          },
        };
      },
    },
    DeletePipeline: {
      resources: byName,
      run: (input) => {
        const pipeline = store.pipelines.get(input.name ?? '');
        if (!pipeline) return {};
        runner.structureChanged(pipeline.name);
        store.remove(pipeline.name);
        return {};
      },
    },
    ListPipelines: {
      run: (input) => {
        const { items, nextToken } = page(
          [...store.pipelines.values()],
          input.maxResults,
          input.nextToken,
          1000,
        );
        return {
          pipelines: items.map((pipeline) => ({
            name: pipeline.name,
            version: pipeline.version,
            pipelineType: pipeline.declaration.pipelineType ?? 'V1',
            executionMode: executionMode(pipeline),
            created: new Date(pipeline.createdAtMs),
            updated: new Date(pipeline.updatedAtMs),
          })),
          ...(nextToken === undefined ? {} : { nextToken }),
        };
      },
    },
  } satisfies OperationTable<'codepipeline'>;
}

function createPipeline(
  engine: Engine,
  { store, runner }: Parts,
  input: Input<'codepipeline', 'CreatePipeline'>,
  { principal, atMs }: Call,
) {
  const declaration = input.pipeline!;
  checkDeclaration(declaration, engine.region);
  const name = declaration.name ?? '';
  if (store.pipelines.has(name)) {
    throw new AwsFault(
      'PipelineNameInUseException',
      `A pipeline with the name '${name}' already exists in account '${engine.accountId}'`,
    );
  }
  const pipeline = store.pipelines.put(name, {
    name,
    declaration,
    version: 1,
    createdAtMs: atMs,
    updatedAtMs: atMs,
    tags: tagMap(input.tags),
    started: 0,
    latest: {},
    latestActions: {},
    closedInbound: {},
    closedOutbound: {},
  });
  const undecided = (declaration.variables ?? []).some(({ defaultValue }) => defaultValue === undefined);
  if (!undecided) {
    runner.start(pipeline, {
      trigger: { type: 'CreatePipeline', detail: principal.arn },
      variables: pipelineVariables(declaration, []),
    });
  }
  return { pipeline: shown(pipeline), ...(input.tags ? { tags: input.tags } : {}) };
}

function updatePipeline(
  engine: Engine,
  { store, pipelines, runner }: Parts,
  declaration: PipelineDeclaration,
  atMs: number,
) {
  checkDeclaration(declaration, engine.region);
  const before = pipelines.find(declaration.name);
  const { version: _version, ...structure } = declaration;
  const { version: _versionBefore, ...structureBefore } = before.declaration;
  if (JSON.stringify(structure) === JSON.stringify(structureBefore)) return { pipeline: shown(before) };
  runner.structureChanged(before.name);
  const current = pipelines.find(before.name);
  const stages = new Set((declaration.stages ?? []).map(({ name }) => name ?? ''));
  const keep = <T>(record: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(record).filter(([key]) => stages.has(key.split('/')[0]!)));
  const pipeline = store.pipelines.put(before.name, {
    ...current,
    declaration,
    version: before.version + 1,
    updatedAtMs: atMs,
    latest: keep(current.latest),
    latestActions: keep(current.latestActions),
    closedInbound: keep(current.closedInbound),
    closedOutbound: keep(current.closedOutbound),
  });
  return { pipeline: shown(pipeline) };
}

function shown(pipeline: StoredPipeline): PipelineDeclaration {
  return { ...pipeline.declaration, version: pipeline.version };
}
