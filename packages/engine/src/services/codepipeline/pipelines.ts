import type { StageDeclaration } from '@aws-sdk/client-codepipeline';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { PipelineStore, StoredPipeline } from './store.ts';

/** The pipelines of the account by their names and ARNs. */
export class Pipelines {
  readonly #engine: Engine;
  readonly #store: PipelineStore;

  constructor(engine: Engine, store: PipelineStore) {
    this.#engine = engine;
    this.#store = store;
  }

  /** ARN of a pipeline, or of a stage or an action `below` it. */
  arn(name: string | undefined, ...below: Array<string | undefined>): string {
    const { region, accountId } = this.#engine;
    return [`arn:aws:codepipeline:${region}:${accountId}:${name ?? '*'}`, ...below].join('/');
  }

  find(name: string | undefined): StoredPipeline {
    const pipeline = this.#store.pipelines.get(name ?? '');
    if (!pipeline) {
      throw new AwsFault(
        'PipelineNotFoundException',
        `Account '${this.#engine.accountId}' does not have a pipeline with name '${name}'`,
      );
    }
    return pipeline;
  }

  findByArn(resourceArn: string | undefined): StoredPipeline {
    const pipeline = [...this.#store.pipelines.values()].find(({ name }) => this.arn(name) === resourceArn);
    if (!pipeline) throw new AwsFault('ResourceNotFoundException', `${resourceArn} was not found`);
    return pipeline;
  }
}

export function stageOf(pipeline: StoredPipeline, stageName: string | undefined): StageDeclaration {
  const stage = pipeline.declaration.stages?.find(({ name }) => name === stageName);
  if (!stage) {
    throw new AwsFault(
      'StageNotFoundException',
      `The pipeline ${pipeline.name} has no stage ${stageName}: it has ${(pipeline.declaration.stages ?? []).map(({ name }) => name).join(', ')}`,
    );
  }
  return stage;
}

export function executionMode(pipeline: StoredPipeline): 'SUPERSEDED' | 'QUEUED' | 'PARALLEL' {
  return pipeline.declaration.executionMode ?? 'SUPERSEDED';
}
