import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apply } from './machine.ts';
import {
  ENDED,
  type ExecutionMode,
  isRefusal,
  type PipelineEvent,
  type PipelineShape,
  type PipelineState,
  type Refusal,
} from './machine-state.ts';

const SHAPE: PipelineShape = {
  mode: 'SUPERSEDED',
  stages: [
    { name: 'Source', actions: [{ name: 'Commit', runOrder: 1 }] },
    {
      name: 'Test',
      actions: [
        { name: 'Unit', runOrder: 1 },
        { name: 'Lint', runOrder: 1 },
        { name: 'Report', runOrder: 2 },
      ],
    },
    { name: 'Deploy', actions: [{ name: 'Ecs', runOrder: 1 }] },
  ],
};

/** A pipeline under test: executions are called by their order, actions by their name. */
class Pipeline {
  state: PipelineState;
  told: string[] = [];
  #actions = 0;
  #order = 0;

  constructor(shape: Partial<PipelineShape> = {}) {
    this.state = {
      shape: { ...SHAPE, ...shape },
      closed: { inbound: new Set(), outbound: new Set() },
      executions: [],
      latest: {},
    };
  }

  take(event: PipelineEvent): Refusal | undefined {
    const outcome = apply(this.state, event, () => `a${++this.#actions}`);
    if (isRefusal(outcome)) return outcome;
    const changed = new Map(outcome.changed.map((execution) => [execution.id, execution]));
    const known = this.state.executions.map((execution) => changed.get(execution.id) ?? execution);
    const added = outcome.changed.filter(({ id }) => !this.state.executions.some((old) => old.id === id));
    this.state = { ...this.state, executions: [...known, ...added], latest: outcome.latest };
    for (const effect of outcome.effects) {
      const where = 'stage' in effect ? ` ${effect.stage}` : '';
      const action = 'action' in effect ? `/${effect.action}` : '';
      const what = 'moment' in effect ? effect.moment : effect.kind;
      this.told.push(`${effect.executionId}${where}${action} ${what}`);
    }
    return undefined;
  }

  start(): string {
    const id = `e${++this.#order}`;
    this.take({ kind: 'start', id, order: this.#order });
    return id;
  }

  rollBack(stage: string): Refusal | string {
    const id = `e${++this.#order}`;
    return this.take({ kind: 'rollback', id, order: this.#order, stage }) ?? id;
  }

  /** Ends the named actions of an execution where it is. */
  end(executionId: string, status: 'Succeeded' | 'Failed', ...names: string[]): void {
    for (const name of names) {
      const execution = this.execution(executionId);
      const run = execution.stages[execution.inStage ?? ''];
      const action = run?.actions.find(
        (candidate) => candidate.name === name && candidate.status === 'InProgress',
      );
      if (!action) throw new Error(`${executionId} runs no ${name}`);
      this.take({ kind: 'actionEnded', executionId, actionId: action.id, status });
    }
  }

  close(stage: string): void {
    this.state = { ...this.state, closed: { inbound: new Set([stage]), outbound: new Set() } };
    this.take({ kind: 'transitionsChanged' });
  }

  open(): void {
    this.state = { ...this.state, closed: { inbound: new Set(), outbound: new Set() } };
    this.take({ kind: 'transitionsChanged' });
  }

  execution(id: string) {
    const execution = this.state.executions.find((candidate) => candidate.id === id);
    if (!execution) throw new Error(`no execution ${id}`);
    return execution;
  }

  running(id: string): string[] {
    const execution = this.execution(id);
    const actions = execution.stages[execution.inStage ?? '']?.actions ?? [];
    return actions.filter(({ status }) => status === 'InProgress').map(({ name }) => name);
  }

  /** `<status> <stage it is in>` or `<status> before <stage>`. */
  where(id: string): string {
    const { status, inStage, waitingFor } = this.execution(id);
    return [status, inStage ?? (waitingFor === undefined ? undefined : `before ${waitingFor}`)]
      .filter(Boolean)
      .join(' ');
  }
}

describe('one execution', () => {
  test('runs the stages in order, and the actions of a stage by run order, those of one order together', () => {
    const pipeline = new Pipeline();
    const id = pipeline.start();
    expect(pipeline.running(id)).toEqual(['Commit']);
    pipeline.end(id, 'Succeeded', 'Commit');
    expect(pipeline.running(id)).toEqual(['Unit', 'Lint']);
    pipeline.end(id, 'Succeeded', 'Lint');
    expect(pipeline.running(id)).toEqual(['Unit']);
    pipeline.end(id, 'Succeeded', 'Unit');
    expect(pipeline.running(id)).toEqual(['Report']);
    pipeline.end(id, 'Succeeded', 'Report', 'Ecs');
    expect(pipeline.where(id)).toBe('Succeeded');
    expect(pipeline.told).toEqual([
      'e1 STARTED',
      'e1 Source STARTED',
      'e1 Source/Commit startAction',
      'e1 Source SUCCEEDED',
      'e1 Test STARTED',
      'e1 Test/Unit startAction',
      'e1 Test/Lint startAction',
      'e1 Test/Report startAction',
      'e1 Test SUCCEEDED',
      'e1 Deploy STARTED',
      'e1 Deploy/Ecs startAction',
      'e1 Deploy SUCCEEDED',
      'e1 SUCCEEDED',
    ]);
  });

  test('fails when an action fails, once those alongside it have ended', () => {
    const pipeline = new Pipeline();
    const id = pipeline.start();
    pipeline.end(id, 'Succeeded', 'Commit');
    pipeline.end(id, 'Failed', 'Unit');
    expect(pipeline.where(id)).toBe('InProgress Test');
    pipeline.end(id, 'Succeeded', 'Lint');
    expect(pipeline.where(id)).toBe('Failed');
    expect(pipeline.execution(id).stages.Test?.status).toBe('Failed');
  });

  test('a result that comes twice, or for a run that was given up, changes nothing', () => {
    const pipeline = new Pipeline();
    const id = pipeline.start();
    const [action] = pipeline.execution(id).stages.Source!.actions;
    const result = {
      kind: 'actionEnded',
      executionId: id,
      actionId: action!.id,
      status: 'Succeeded',
    } as const;
    pipeline.take(result);
    const after = pipeline.state;
    pipeline.take(result);
    pipeline.take({ ...result, status: 'Failed' });
    expect(pipeline.state).toEqual(after);
  });
});

describe('several executions', () => {
  const busy = (mode: ExecutionMode) => {
    const pipeline = new Pipeline({ mode });
    const ids = [pipeline.start(), pipeline.start(), pipeline.start()] as const;
    return { pipeline, ids };
  };

  test('SUPERSEDED keeps the newest of those that wait, and never one that is in a stage', () => {
    const { pipeline, ids } = busy('SUPERSEDED');
    expect(ids.map((id) => pipeline.where(id))).toEqual([
      'InProgress Source',
      'Superseded',
      'InProgress before Source',
    ]);
    pipeline.end(ids[0], 'Succeeded', 'Commit');
    expect(ids.map((id) => pipeline.where(id))).toEqual([
      'InProgress Test',
      'Superseded',
      'InProgress Source',
    ]);
    pipeline.end(ids[2], 'Succeeded', 'Commit');
    expect(pipeline.where(ids[2])).toBe('InProgress before Test');
    const fourth = pipeline.start();
    pipeline.end(fourth, 'Succeeded', 'Commit');
    expect([pipeline.where(ids[2]), pipeline.where(fourth)]).toEqual([
      'Superseded',
      'InProgress before Test',
    ]);
    pipeline.end(ids[0], 'Failed', 'Unit', 'Lint');
    expect(pipeline.where(fourth)).toBe('InProgress Test');
  });

  test('QUEUED lets them through one by one in the order in which they came', () => {
    const { pipeline, ids } = busy('QUEUED');
    expect(ids.map((id) => pipeline.where(id))).toEqual([
      'InProgress Source',
      'InProgress before Source',
      'InProgress before Source',
    ]);
    pipeline.end(ids[0], 'Succeeded', 'Commit');
    pipeline.end(ids[1], 'Succeeded', 'Commit');
    pipeline.end(ids[2], 'Succeeded', 'Commit');
    expect(ids.map((id) => pipeline.where(id))).toEqual([
      'InProgress Test',
      'InProgress before Test',
      'InProgress before Test',
    ]);
    pipeline.end(ids[0], 'Failed', 'Unit', 'Lint');
    expect(ids.map((id) => pipeline.where(id))).toEqual([
      'Failed',
      'InProgress Test',
      'InProgress before Test',
    ]);
  });

  test('PARALLEL lets nobody wait', () => {
    const { pipeline, ids } = busy('PARALLEL');
    for (const id of ids) pipeline.end(id, 'Succeeded', 'Commit');
    expect(ids.map((id) => pipeline.where(id))).toEqual([
      'InProgress Test',
      'InProgress Test',
      'InProgress Test',
    ]);
  });

  test('a closed transition holds the newest until it is opened', () => {
    const pipeline = new Pipeline();
    pipeline.close('Test');
    const first = pipeline.start();
    pipeline.end(first, 'Succeeded', 'Commit');
    expect(pipeline.where(first)).toBe('InProgress before Test');
    const second = pipeline.start();
    pipeline.end(second, 'Succeeded', 'Commit');
    expect(pipeline.where(first)).toBe('Superseded');
    pipeline.open();
    expect(pipeline.where(second)).toBe('InProgress Test');
  });

  test('a changed structure cancels all that is under way and abandons its actions', () => {
    const { pipeline, ids } = busy('QUEUED');
    pipeline.take({ kind: 'structureChanged' });
    expect(ids.map((id) => pipeline.where(id))).toEqual(['Cancelled', 'Cancelled', 'Cancelled']);
    expect(pipeline.told).toContain('e1 Source/Commit abandonAction');
    expect(pipeline.told).toContain('e1 Source CANCELED');
  });
});

describe('stop', () => {
  const inTest = () => {
    const pipeline = new Pipeline();
    const id = pipeline.start();
    pipeline.end(id, 'Succeeded', 'Commit');
    return { pipeline, id };
  };
  const stop = (pipeline: Pipeline, executionId: string, abandon: boolean) =>
    pipeline.take({ kind: 'stop', executionId, abandon });

  test('and wait lets running actions finish, starts no further ones, and then frees the stage', () => {
    const { pipeline, id } = inTest();
    const next = pipeline.start();
    pipeline.end(next, 'Succeeded', 'Commit');
    stop(pipeline, id, false);
    expect(pipeline.where(id)).toBe('Stopping Test');
    pipeline.end(id, 'Succeeded', 'Unit');
    expect(pipeline.where(next)).toBe('InProgress before Test');
    pipeline.end(id, 'Succeeded', 'Lint');
    expect(pipeline.where(id)).toBe('Stopped');
    expect(pipeline.where(next)).toBe('InProgress Test');
    expect(pipeline.told).not.toContain('e1 Test/Report startAction');
  });

  test('and abandon gives up the running actions at once, also after a stop that waits', () => {
    const { pipeline, id } = inTest();
    stop(pipeline, id, false);
    stop(pipeline, id, true);
    expect(pipeline.where(id)).toBe('Stopped');
    expect(pipeline.execution(id).stages.Test?.actions.map(({ status }) => status)).toEqual([
      'Abandoned',
      'Abandoned',
    ]);
    expect(pipeline.told.filter((line) => line === 'e1 STOPPING')).toHaveLength(1);
  });

  test('ends an execution that waits between stages at once', () => {
    const { pipeline } = inTest();
    const next = pipeline.start();
    pipeline.end(next, 'Succeeded', 'Commit');
    stop(pipeline, next, false);
    expect(pipeline.where(next)).toBe('Stopped');
  });

  test.each([
    ['twice', [false, false], 'DuplicatedStopRequestException'],
    ['after its end', [true, false], 'PipelineExecutionNotStoppableException'],
  ] as const)('%s is refused', (_what, [first, second], code) => {
    const { pipeline, id } = inTest();
    stop(pipeline, id, first);
    expect(stop(pipeline, id, second)?.code).toBe(code);
  });

  test('of an unknown execution is refused', () => {
    expect(stop(new Pipeline(), 'e9', false)?.code).toBe('PipelineExecutionNotFoundException');
  });
});

describe('retry', () => {
  const failedInTest = () => {
    const pipeline = new Pipeline();
    const id = pipeline.start();
    pipeline.end(id, 'Succeeded', 'Commit');
    pipeline.end(id, 'Succeeded', 'Lint');
    pipeline.end(id, 'Failed', 'Unit');
    return { pipeline, id };
  };
  const retry = (
    pipeline: Pipeline,
    executionId: string,
    mode: 'FAILED_ACTIONS' | 'ALL_ACTIONS',
    stage = 'Test',
  ) => pipeline.take({ kind: 'retry', executionId, stage, mode });

  test('of failed actions runs only those again, and the execution goes on', () => {
    const { pipeline, id } = failedInTest();
    retry(pipeline, id, 'FAILED_ACTIONS');
    expect(pipeline.running(id)).toEqual(['Unit']);
    pipeline.end(id, 'Succeeded', 'Unit', 'Report', 'Ecs');
    expect(pipeline.where(id)).toBe('Succeeded');
    expect(pipeline.told).toContain('e1 RESUMED');
    expect(pipeline.told).toContain('e1 Test RESUMED');
  });

  test('of all actions begins with the first again', () => {
    const { pipeline, id } = failedInTest();
    retry(pipeline, id, 'ALL_ACTIONS');
    expect(pipeline.running(id)).toEqual(['Unit', 'Lint']);
  });

  test('goes on after a stop that left actions to run', () => {
    const pipeline = new Pipeline();
    const id = pipeline.start();
    pipeline.end(id, 'Succeeded', 'Commit');
    pipeline.take({ kind: 'stop', executionId: id, abandon: true });
    expect(retry(pipeline, id, 'FAILED_ACTIONS')).toBeUndefined();
    expect(pipeline.where(id)).toBe('InProgress Test');
    expect(pipeline.execution(id).stop).toBeUndefined();
  });

  test('is refused where a later execution has been, where nothing failed, and for an unknown stage', () => {
    const { pipeline, id } = failedInTest();
    expect(retry(pipeline, id, 'FAILED_ACTIONS', 'Nowhere')?.code).toBe('StageNotFoundException');
    expect(retry(pipeline, id, 'FAILED_ACTIONS', 'Source')?.code).toBe('StageNotRetryableException');
    const next = pipeline.start();
    pipeline.end(next, 'Succeeded', 'Commit');
    expect(retry(pipeline, id, 'FAILED_ACTIONS')?.code).toBe('NotLatestPipelineExecutionException');
    expect(retry(pipeline, next, 'FAILED_ACTIONS')?.code).toBe('StageNotRetryableException');
  });
});

describe('onFailure and rollback', () => {
  const deployWith = (onFailure: NonNullable<PipelineShape['stages'][number]['onFailure']>) => {
    const [source] = SHAPE.stages;
    const pipeline = new Pipeline({
      stages: [source!, { name: 'Deploy', actions: [{ name: 'Ecs', runOrder: 1 }], onFailure }],
    });
    const id = pipeline.start();
    pipeline.end(id, 'Succeeded', 'Commit');
    return { pipeline, id };
  };

  test('RETRY runs the stage once more, and then it has failed', () => {
    const { pipeline, id } = deployWith({ result: 'RETRY', mode: 'FAILED_ACTIONS' });
    pipeline.end(id, 'Failed', 'Ecs');
    expect(pipeline.where(id)).toBe('InProgress Deploy');
    pipeline.end(id, 'Failed', 'Ecs');
    expect(pipeline.where(id)).toBe('Failed');
    expect(pipeline.execution(id).stages.Deploy?.automaticRetries).toBe(1);
  });

  test('ROLLBACK asks for the stage to be rolled back', () => {
    const { pipeline, id } = deployWith({ result: 'ROLLBACK' });
    pipeline.end(id, 'Failed', 'Ecs');
    expect(pipeline.told.at(-1)).toBe('e1 Deploy rollBackStage');
  });

  test('a rollback runs its one stage and ends, without the stages that follow', () => {
    const pipeline = new Pipeline();
    const rollback = pipeline.rollBack('Test') as string;
    expect(pipeline.where(rollback)).toBe('InProgress Test');
    expect(pipeline.execution(rollback).type).toBe('ROLLBACK');
    pipeline.end(rollback, 'Succeeded', 'Unit', 'Lint', 'Report');
    expect(pipeline.where(rollback)).toBe('Succeeded');
    expect(Object.keys(pipeline.execution(rollback).stages)).toEqual(['Test']);
  });

  test.each([
    ['the source stage', 'Source', 'SUPERSEDED', 'UnableToRollbackStageException'],
    ['a stage in use', 'Deploy', 'SUPERSEDED', 'ConflictException'],
    ['a stage in PARALLEL mode', 'Deploy', 'PARALLEL', 'UnableToRollbackStageException'],
    ['an unknown stage', 'Nowhere', 'SUPERSEDED', 'StageNotFoundException'],
  ] as const)('of %s is refused', (_what, stage, mode, code) => {
    const pipeline = new Pipeline({ mode });
    const id = pipeline.start();
    pipeline.end(id, 'Succeeded', 'Commit', 'Unit', 'Lint');
    pipeline.end(id, 'Succeeded', 'Report');
    expect(pipeline.rollBack(stage)).toMatchObject({ code });
  });
});

type Step =
  | { readonly kind: 'start' }
  | { readonly kind: 'end'; readonly pick: number; readonly status: 'Succeeded' | 'Failed' }
  | { readonly kind: 'stop'; readonly pick: number; readonly abandon: boolean }
  | { readonly kind: 'retry'; readonly pick: number; readonly stage: string; readonly all: boolean }
  | { readonly kind: 'rollback'; readonly stage: string }
  | { readonly kind: 'close'; readonly stage: string }
  | { readonly kind: 'open' };

const stageName = fc.constantFrom('Source', 'Test', 'Deploy');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('start' as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      pick: fc.nat(),
      status: fc.constantFrom(
        'Succeeded' as const,
        'Succeeded' as const,
        'Succeeded' as const,
        'Failed' as const,
      ),
    }),
  },
  fc.record({ kind: fc.constant('stop' as const), pick: fc.nat(), abandon: fc.boolean() }),
  fc.record({ kind: fc.constant('retry' as const), pick: fc.nat(), stage: stageName, all: fc.boolean() }),
  fc.record({ kind: fc.constant('rollback' as const), stage: stageName }),
  fc.record({ kind: fc.constant('close' as const), stage: stageName }),
  fc.record({ kind: fc.constant('open' as const) }),
);

function perform(pipeline: Pipeline, next: Step): void {
  const { executions } = pipeline.state;
  const pick = (index: number) => executions[index % Math.max(1, executions.length)]?.id ?? 'none';
  switch (next.kind) {
    case 'start':
      pipeline.start();
      return;
    case 'end': {
      const running = executions.flatMap(({ id }) => pipeline.running(id).map((name) => ({ id, name })));
      const chosen = running[next.pick % Math.max(1, running.length)];
      if (chosen) pipeline.end(chosen.id, next.status, chosen.name);
      return;
    }
    case 'stop':
      pipeline.take({ kind: 'stop', executionId: pick(next.pick), abandon: next.abandon });
      return;
    case 'retry':
      pipeline.take({
        kind: 'retry',
        executionId: pick(next.pick),
        stage: next.stage,
        mode: next.all ? 'ALL_ACTIONS' : 'FAILED_ACTIONS',
      });
      return;
    case 'rollback':
      pipeline.rollBack(next.stage);
      return;
    case 'close':
      pipeline.close(next.stage);
      return;
    case 'open':
      pipeline.open();
  }
}

describe('whatever happens', () => {
  const modes = fc.constantFrom<ExecutionMode>('SUPERSEDED', 'QUEUED', 'PARALLEL');

  test('a stage holds one execution at most, every execution is somewhere, and nothing runs for one that ended', () => {
    fc.assert(
      fc.property(modes, fc.array(step, { maxLength: 60 }), (mode, steps) => {
        const pipeline = new Pipeline({ mode });
        for (const next of steps) {
          perform(pipeline, next);
          for (const { name } of SHAPE.stages) {
            const inside = pipeline.state.executions.filter(({ inStage }) => inStage === name);
            const waiting = pipeline.state.executions.filter(({ waitingFor }) => waitingFor === name);
            if (mode !== 'PARALLEL') expect(inside.length).toBeLessThanOrEqual(1);
            if (mode === 'SUPERSEDED') expect(waiting.length).toBeLessThanOrEqual(1);
            const open = !pipeline.state.closed.inbound.has(name);
            if (open && waiting.length > 0) expect(inside).toHaveLength(1);
          }
          for (const { id, status, inStage, waitingFor } of pipeline.state.executions) {
            const places = [inStage, waitingFor].filter((place) => place !== undefined);
            expect(places).toHaveLength(ENDED.has(status) ? 0 : 1);
            if (inStage !== undefined) expect(pipeline.running(id)).not.toEqual([]);
            const runs = Object.values(pipeline.execution(id).stages).flatMap((run) =>
              run.status === 'InProgress' || run.status === 'Stopping' ? [] : run.actions,
            );
            expect(runs.some((action) => action.status === 'InProgress')).toBe(false);
          }
        }
      }),
    );
  });

  test('once everything succeeds and the transitions are open, all executions come to an end', () => {
    fc.assert(
      fc.property(modes, fc.array(step, { maxLength: 40 }), (mode, steps) => {
        const pipeline = new Pipeline({ mode });
        for (const next of steps) perform(pipeline, next);
        pipeline.open();
        const going = () => pipeline.state.executions.filter(({ status }) => !ENDED.has(status));
        for (let turn = 0; turn < 1000 && going().length > 0; turn++) {
          perform(pipeline, { kind: 'end', pick: turn, status: 'Succeeded' });
        }
        expect(going()).toEqual([]);
      }),
    );
  });

  test('in SUPERSEDED and QUEUED mode executions leave the last stage in the order in which they started', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<ExecutionMode>('SUPERSEDED', 'QUEUED'),
        fc.array(
          step.filter(({ kind }) => kind === 'start' || kind === 'end'),
          { maxLength: 80 },
        ),
        (mode, steps) => {
          const pipeline = new Pipeline({ mode });
          for (const next of steps) perform(pipeline, next);
          const done = pipeline.told
            .filter((line) => line.endsWith('Deploy SUCCEEDED'))
            .map((line) => Number(line.slice(1).split(' ')[0]));
          expect(done).toEqual([...done].sort((a, b) => a - b));
        },
      ),
    );
  });
});
