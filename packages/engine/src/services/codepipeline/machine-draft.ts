import type {
  ClosedTransitions,
  Effect,
  Execution,
  PipelineShape,
  PipelineState,
  StageRun,
  StageShape,
  Transition,
} from './machine-state.ts';

export const MOMENTS = {
  Failed: 'FAILED',
  Stopped: 'STOPPED',
  Cancelled: 'CANCELED',
  Succeeded: 'SUCCEEDED',
  Superseded: 'SUPERSEDED',
} as const;

/** Collects what one event changes. */
export class Draft {
  readonly shape: PipelineShape;
  readonly newActionId: () => string;
  readonly #closed: ClosedTransitions;
  readonly #executions: Map<string, Execution>;
  readonly #changed = new Set<string>();
  readonly #effects: Effect[] = [];
  #latest: Readonly<Record<string, string>>;

  constructor(state: PipelineState, newActionId: () => string) {
    this.shape = state.shape;
    this.newActionId = newActionId;
    this.#closed = state.closed;
    this.#executions = new Map(state.executions.map((execution) => [execution.id, execution]));
    this.#latest = state.latest;
  }

  find(id: string): Execution | undefined {
    return this.#executions.get(id);
  }

  all(): Execution[] {
    return [...this.#executions.values()].sort((a, b) => a.order - b.order);
  }

  put(execution: Execution): void {
    this.#executions.set(execution.id, execution);
    this.#changed.add(execution.id);
  }

  tell(effect: Effect): void {
    this.#effects.push(effect);
  }

  latest(stage: string): string | undefined {
    return this.#latest[stage];
  }

  stage(name: string): StageShape {
    return this.shape.stages.find((stage) => stage.name === name)!;
  }

  stageAfter(name: string): string | undefined {
    return this.shape.stages[this.shape.stages.findIndex((stage) => stage.name === name) + 1]?.name;
  }

  /** Whether the transition into the stage at `index` is enabled on both sides. */
  open(index: number): boolean {
    const { stages } = this.shape;
    return (
      !this.#closed.inbound.has(stages[index]!.name) &&
      !(index > 0 && this.#closed.outbound.has(stages[index - 1]!.name))
    );
  }

  occupied(stage: string): boolean {
    return this.all().some((execution) => execution.inStage === stage);
  }

  end(id: string, status: 'Succeeded' | 'Failed' | 'Stopped' | 'Superseded' | 'Cancelled'): void {
    const { waitingFor: _waitingFor, inStage: _inStage, ...execution } = this.find(id)!;
    this.put({ ...execution, status });
    this.tell({ kind: 'execution', executionId: id, moment: MOMENTS[status] });
  }

  enter(id: string, stage: string): void {
    const { waitingFor: _waitingFor, ...execution } = this.find(id)!;
    this.put({
      ...withStage(execution, stage, {
        status: 'InProgress',
        actions: [],
        manualRetries: 0,
        automaticRetries: 0,
      }),
      inStage: stage,
    });
    this.#latest = { ...this.#latest, [stage]: id };
    this.tell({ kind: 'stage', executionId: id, stage, moment: 'STARTED' });
  }

  result(): Transition {
    return {
      changed: [...this.#changed].map((id) => this.#executions.get(id)!),
      latest: this.#latest,
      effects: this.#effects,
    };
  }
}

export function withStage(execution: Execution, stage: string, run: StageRun): Execution {
  return { ...execution, stages: { ...execution.stages, [stage]: run } };
}

export function withoutStage({ inStage: _inStage, ...execution }: Execution): Execution {
  return execution;
}
