import type { DrainReport } from '../../src/drain.ts';
import type { HandlerContext } from '../../src/message/handler.ts';
import type { WorkerOptions } from '../../src/settings.ts';
import type { SqsOperations } from '../../src/transport/in-process-transport.ts';
import { InProcessTransport } from '../../src/transport/in-process-transport.ts';
import { Worker } from '../../src/worker.ts';
import { QueueModel } from './queue-model.ts';
import { VirtualClock } from './virtual-clock.ts';

export interface LogLine extends Readonly<Record<string, unknown>> {
  readonly event?: string;
}

type Surroundings = 'queueUrl' | 'identity' | 'transport' | 'clock' | 'random' | 'residentBytes' | 'log';

/** Everything but the worker's surroundings; a transport may be given. */
export type Definition = Omit<WorkerOptions<string>, Surroundings> &
  Partial<Pick<WorkerOptions<string>, 'transport' | 'random' | 'residentBytes' | 'identity' | 'clock'>>;

/** A queue, a clock and the log of a worker, in virtual time. */
export class World {
  readonly clock = new VirtualClock();
  readonly queue: QueueModel;
  readonly log: LogLine[] = [];
  #workers = 0;

  constructor(options: { readonly fifo?: boolean } = {}) {
    this.queue = new QueueModel(this.clock, options);
  }

  worker(definition: Definition, operations: SqsOperations = this.queue): Worker {
    return new Worker({
      queueUrl: this.queue.url,
      identity: { app: 'shop', track: 'canary', revision: 'abc', taskId: `task-${++this.#workers}` },
      transport: new InProcessTransport(operations),
      clock: this.clock,
      random: () => 0.5,
      residentBytes: () => 96 * 2 ** 20,
      log: (line) => this.log.push(JSON.parse(line) as LogLine),
      ...definition,
    });
  }

  /** A started worker. */
  run(definition: Definition, operations: SqsOperations = this.queue): Worker {
    const worker = this.worker(definition, operations);
    worker.start();
    return worker;
  }

  /** Drains a worker, in as much time as it takes. */
  async drain(worker: Worker): Promise<DrainReport> {
    const reports: DrainReport[] = [];
    void worker.drain('SIGTERM').then((report) => reports.push(report));
    await this.clock.until(() => reports.length > 0);
    return reports[0]!;
  }

  /** The outcome lines that were written, of one task or of all. */
  lines(task?: string): LogLine[] {
    return this.log.filter(
      ({ QueueCanary, TaskId }) => QueueCanary === 'outcomes' && (task === undefined || TaskId === task),
    );
  }

  /** The sum of a metric over all outcome lines. */
  total(metric: string): number {
    return this.lines().reduce((sum, line) => {
      const value = line[metric];
      return sum + (typeof value === 'number' ? value : 0);
    }, 0);
  }

  /** The values of all flushed lines. */
  values(metric: string): number[] {
    return this.log.flatMap((line) => {
      const value = line[metric];
      return Array.isArray(value) ? (value as number[]) : [];
    });
  }

  events(event: string): LogLine[] {
    return this.log.filter((line) => line.event === event);
  }

  /** Totals of the endings of received messages, without those that are zero. */
  endings(): Record<string, number> {
    const names = ['Succeeded', 'Failed', 'TimedOut', 'Poisoned', 'Released', 'Expired', 'DeleteFailed'];
    return Object.fromEntries(
      names.map((name): [string, number] => [name, this.total(name)]).filter(([, count]) => count > 0),
    );
  }
}

/** A handler that settles when the test says so. */
export class Gate {
  readonly started: string[] = [];
  readonly #open = new Map<string, { resolve: () => void; reject: (error: unknown) => void }>();

  handle = (body: string): Promise<void> => {
    this.started.push(body);
    return new Promise((resolve, reject) => this.#open.set(body, { resolve, reject }));
  };

  finish(body: string): void {
    this.#open.get(body)?.resolve();
  }

  fail(body: string, error: unknown = new Error('failed')): void {
    this.#open.get(body)?.reject(error);
  }
}

/** A handler that keeps its contexts and settles when the test says so. */
export function watched() {
  const gate = new Gate();
  const contexts: HandlerContext[] = [];
  return {
    gate,
    contexts,
    handler: (body: string, _message: unknown, context: HandlerContext) => {
      contexts.push(context);
      return gate.handle(body);
    },
  };
}
