import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import type { Table } from '../../state/state.ts';
import type { Queues } from './queues.ts';

/** A message move task ("DLQ redrive") as it is stored. */
export interface MoveTask {
  readonly id: string;
  readonly sourceArn: string;
  /** Without it each message goes back to the queue from which it was dead-lettered. */
  readonly destinationArn: string | undefined;
  readonly perSecond: number | undefined;
  readonly status: 'RUNNING' | 'COMPLETED' | 'CANCELLED' | 'FAILED';
  readonly moved: number;
  readonly toMove: number;
  readonly startedAtMs: number;
  readonly failureReason?: string;
}

/** AWS's upper limit, and what it may use when the caller sets none. */
export const MOVED_PER_SECOND_MAX = 500;
const STEPS_PER_SECOND = 10;
const PROGRESS_EVERY = 500;
const KEPT_TASKS = 10;

/**
 * Moves messages out of dead-letter queues at a limited rate, as many as were visible when the task began. The
 * bound keeps a task from running in circles with a worker that fails everything it gives back.
 */
export class MoveTasks {
  readonly #engine: Engine;
  readonly #queues: Queues;
  readonly #tasks: Table<MoveTask>;
  readonly #timers = new Map<string, Timer>();

  constructor(engine: Engine, queues: Queues) {
    this.#engine = engine;
    this.#queues = queues;
    this.#tasks = engine.state.table<MoveTask>('sqs.move-tasks');
  }

  /** Goes on with the tasks that a crash or stop left running. */
  open(): void {
    for (const task of this.#tasks.values()) if (task.status === 'RUNNING') this.#arm(task, 0);
  }

  close(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  get(id: string): MoveTask | undefined {
    return this.#tasks.get(id);
  }

  /** Tasks of a source queue, newest first. */
  of(sourceArn: string): MoveTask[] {
    return [...this.#tasks.values()].filter((task) => task.sourceArn === sourceArn).reverse();
  }

  begin(request: Pick<MoveTask, 'sourceArn' | 'destinationArn' | 'perSecond' | 'toMove'>): MoveTask {
    for (const old of this.of(request.sourceArn).slice(KEPT_TASKS - 1)) this.#tasks.delete(old.id);
    const task: MoveTask = {
      ...request,
      id: this.#engine.ids.uuid(),
      status: 'RUNNING',
      moved: 0,
      startedAtMs: this.#engine.clock.nowMs(),
    };
    this.#tasks.put(task.id, task);
    this.#tell('started', task);
    this.#arm(task, 0);
    return task;
  }

  cancel(task: MoveTask): MoveTask {
    return this.#end(task, { status: 'CANCELLED' });
  }

  #arm(task: MoveTask, delayMs: number): void {
    this.#timers.set(
      task.id,
      this.#engine.clock.setTimer(delayMs, () => this.#step(task.id)),
    );
  }

  #step(id: string): void {
    this.#timers.delete(id);
    const task = this.#tasks.get(id);
    if (task?.status !== 'RUNNING') return;
    const source = this.#queues.byArn(task.sourceArn);
    if (!source) {
      this.#end(task, { status: 'FAILED', failureReason: 'AWS.SimpleQueueService.NonExistentQueue' });
      return;
    }
    const rate = task.perSecond ?? MOVED_PER_SECOND_MAX;
    const most = Math.min(Math.ceil(rate / STEPS_PER_SECOND), task.toMove - task.moved);
    let { moved } = task;
    for (let count = 0; count < most; count++) {
      const outcome = source.moveNext(
        ({ sourceArn }) => this.#queues.byArn(task.destinationArn ?? sourceArn ?? ''),
        this.#engine.ids.uuid(),
      );
      if (outcome === undefined) {
        this.#end({ ...task, moved }, { status: 'COMPLETED' });
        return;
      }
      if (outcome === 'no-destination') {
        this.#end(
          { ...task, moved },
          {
            status: 'FAILED',
            failureReason:
              task.destinationArn === undefined
                ? 'CouldNotDetermineMessageSource'
                : 'AWS.SimpleQueueService.NonExistentQueue',
          },
        );
        return;
      }
      moved++;
    }
    const after = this.#tasks.put(id, { ...task, moved });
    if (moved >= task.toMove) {
      this.#end(after, { status: 'COMPLETED' });
      return;
    }
    if (Math.floor(moved / PROGRESS_EVERY) > Math.floor(task.moved / PROGRESS_EVERY)) {
      this.#tell('progressed', after);
    }
    this.#arm(after, (1000 * most) / rate);
  }

  #end(task: MoveTask, end: Pick<MoveTask, 'status' | 'failureReason'>): MoveTask {
    this.#timers.get(task.id)?.cancel();
    this.#timers.delete(task.id);
    const ended = this.#tasks.put(task.id, { ...task, ...end });
    this.#tell(end.status.toLowerCase(), ended);
    return ended;
  }

  #tell(what: string, task: MoveTask): void {
    this.#engine.journal.append('sqs', `move-task.${what}`, {
      taskId: task.id,
      source: task.sourceArn,
      destination: task.destinationArn ?? '(where each message came from)',
      moved: task.moved,
      toMove: task.toMove,
      ...(task.failureReason === undefined ? {} : { reason: task.failureReason }),
    });
  }
}
