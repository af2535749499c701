import { WORKER_VARIABLES } from '@queue-canary/core';
import type { RunningTask, Surroundings, TaskExit, TaskRunner, TaskSpec } from '@queue-canary/engine';
import { InProcessTransport, type SqsOperations, Worker } from '@queue-canary/worker';
import { Random } from '../bench/judge/random.ts';
import { Life } from './life.ts';
import { BROKEN_DELAY_SECONDS, BROKEN_FAILING, POISON, type Version, workOn } from './version.ts';

/** From the pull of an image to the program's first line on Fargate, milliseconds: evenly between these. */
const START_MS = [15_000, 45_000] as const;

const ENDED: TaskExit = { exitCode: 0, oom: false };
const KILLED: TaskExit = { exitCode: 137, signal: 'SIGKILL', oom: false };
const RESIDENT_BYTES = 96 * 2 ** 20;

export interface Tasks {
  /** The version that an image holds. */
  readonly versionOf: (digest: string) => Version | undefined;
  /** Told of each message whose handler ended well. */
  readonly onProcessed: (body: string) => void;
  readonly random: Random;
}

/** Containers as workers inside this process and in virtual time: the real worker, whose handler is its version's. */
export class InProcessTasks implements TaskRunner {
  readonly name = 'in-process';
  readonly report = {
    memory: 'not limited: tasks share this process',
    cpu: 'not limited: a handler takes the time that its version needs',
    fileSystem: 'none',
    user: 'this process’s',
  };
  readonly #surroundings: Surroundings;
  readonly #tasks: Tasks;
  readonly #running = new Set<InProcessTask>();

  constructor(surroundings: Surroundings, tasks: Tasks) {
    this.#surroundings = surroundings;
    this.#tasks = tasks;
  }

  run(spec: TaskSpec): RunningTask {
    const task = new InProcessTask(spec, this.#surroundings, this.#tasks);
    this.#running.add(task);
    void task.exited.then(() => this.#running.delete(task));
    return task;
  }

  /** Ends all tasks at once, as a machine that goes down does. */
  async close(): Promise<void> {
    for (const task of this.#running) task.kill();
  }
}

class InProcessTask implements RunningTask {
  readonly pid = undefined;
  readonly started: Promise<boolean>;
  readonly exited: Promise<TaskExit>;
  readonly #exit: (exit: TaskExit) => void;
  readonly #start: (ran: boolean) => void;
  readonly #life: Life;
  readonly #stopTimeoutMs: number;
  #worker: Worker | undefined;
  #stopping = false;

  constructor(spec: TaskSpec, surroundings: Surroundings, tasks: Tasks) {
    const started = Promise.withResolvers<boolean>();
    const exited = Promise.withResolvers<TaskExit>();
    this.started = started.promise;
    this.exited = exited.promise;
    this.#start = started.resolve;
    this.#exit = exited.resolve;
    this.#stopTimeoutMs = spec.stopTimeoutMs;
    this.#life = new Life(surroundings.clock);
    const version = tasks.versionOf(spec.image.reference);
    const random = new Random(tasks.random.bits());
    const [least, most] = START_MS;
    this.#life.setTimer(least + (most - least) * random.uniform(), () => {
      if (version === undefined || spec.role === undefined) {
        const reason = `no version has the image ${spec.image.reference}, or the task has no role`;
        this.#end({ reason, oom: false });
        return;
      }
      const isBroken = spec.environment.RETRY_DELAY_SECONDS === BROKEN_DELAY_SECONDS;
      const behaving = isBroken ? { ...version, failing: BROKEN_FAILING } : version;
      this.#worker = workerOf(spec, behaving, { ...tasks, random }, surroundings, this.#life);
      this.#worker.start();
      this.#start(true);
    });
  }

  stop(): Promise<TaskExit> {
    if (this.#stopping) return this.exited;
    this.#stopping = true;
    const killing = this.#life.setTimer(this.#stopTimeoutMs, () => this.kill());
    const drained = this.#worker?.drain('SIGTERM') ?? Promise.resolve();
    void drained.then(() => {
      killing.cancel();
      this.#end(ENDED);
    });
    return this.exited;
  }

  kill(): void {
    this.#end(KILLED);
  }

  #end(exit: TaskExit): void {
    this.#life.end();
    this.#start(false);
    this.#exit(exit);
  }
}

function workerOf(
  { id, environment, role, onLog, stopTimeoutMs }: TaskSpec,
  version: Version,
  { onProcessed, random }: Tasks,
  { call }: Surroundings,
  life: Life,
): Worker {
  const variable = (name: keyof typeof WORKER_VARIABLES) => environment[WORKER_VARIABLES[name]] ?? '';
  const track = variable('track');
  const startedAtMs = life.nowMs();
  const sqs: SqsOperations = {
    receiveMessage: (input, signal) =>
      life.within(call(role!, 'sqs', 'ReceiveMessage', input as never, signal)),
    deleteMessageBatch: (input) => life.within(call(role!, 'sqs', 'DeleteMessageBatch', input as never)),
    changeMessageVisibilityBatch: (input) =>
      life.within(call(role!, 'sqs', 'ChangeMessageVisibilityBatch', input as never)),
    sendMessage: (input) => life.within(call(role!, 'sqs', 'SendMessage', input as never)),
  };
  return new Worker({
    queueUrl: variable('queueUrl'),
    identity: { app: variable('app'), track, revision: version.name, version: version.name, taskId: id },
    transport: new InProcessTransport(sqs),
    clock: life,
    random: () => random.uniform(),
    residentBytes: () => RESIDENT_BYTES,
    log: (text) => void onLog({ stream: 'stdout', text }),
    maxReceiveCount: Number(variable('maxReceiveCount')),
    visibilitySeconds: Number(variable('visibilityTimeoutSeconds')),
    stopTimeoutMs,
    decode: (body) => {
      if (body.startsWith(POISON)) throw new Error('the message is poison');
      return body;
    },
    handler: async (body) => {
      const { ms, fails } = workOn(version, life.nowMs() - startedAtMs, random);
      await new Promise<void>((resolve) => life.setTimer(ms, resolve));
      if (fails) throw new Error('the handler failed');
      onProcessed(body);
    },
  });
}
