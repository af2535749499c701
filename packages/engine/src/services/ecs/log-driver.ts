import type { InputLogEvent } from '@aws-sdk/client-cloudwatch-logs';
import type { Engine, Principal } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { TaskStartError } from './task-start-error.ts';

const LARGEST_BATCH_EVENTS = 10_000;
const LARGEST_BATCH_BYTES = 1_048_576;
const EVENT_OVERHEAD_BYTES = 26;

export interface AwsLogsOptions {
  readonly group: string;
  readonly stream: string;
  readonly createGroup: boolean;
  /** Told once for each kind of failure that loses lines; the task itself goes on, as on AWS. */
  readonly onLost: (error: Error, lines: number) => void;
}

/**
 * The `awslogs` log driver: a container's lines, put into CloudWatch Logs with the task's execution role.
 *
 * What arrives while a batch is on its way goes with the next one, so lines are never held back by a timer.
 */
export class AwsLogs {
  readonly #engine: Engine;
  readonly #role: Principal;
  readonly #options: AwsLogsOptions;
  readonly #lost = new Set<string>();
  #waiting: InputLogEvent[] = [];
  #sending: Promise<void> | undefined;

  private constructor(engine: Engine, role: Principal, options: AwsLogsOptions) {
    this.#engine = engine;
    this.#role = role;
    this.#options = options;
  }

  /** Creates the stream; a task whose stream cannot be created does not start. */
  static async open(engine: Engine, role: Principal, options: AwsLogsOptions): Promise<AwsLogs> {
    const { group, stream, createGroup } = options;
    try {
      if (createGroup) {
        await unlessExists(engine.call(role, 'logs', 'CreateLogGroup', { logGroupName: group }));
      }
      await unlessExists(
        engine.call(role, 'logs', 'CreateLogStream', { logGroupName: group, logStreamName: stream }),
      );
    } catch (error) {
      if (!(error instanceof AwsFault)) throw error;
      throw new TaskStartError(
        `ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ${error.code}: ${error.message}: exit status 1`,
      );
    }
    return new AwsLogs(engine, role, options);
  }

  write(message: string): void {
    if (message === '') return; // CloudWatch Logs has no empty events
    this.#waiting.push({ timestamp: this.#engine.clock.nowMs(), message });
    this.#sending ??= this.#send();
  }

  /** Resolves when everything that was written has been handed over. */
  async end(): Promise<void> {
    await this.#sending;
  }

  async #send(): Promise<void> {
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const logEvents = this.#take();
      try {
        await this.#engine.call(this.#role, 'logs', 'PutLogEvents', {
          logGroupName: this.#options.group,
          logStreamName: this.#options.stream,
          logEvents,
        });
      } catch (error) {
        this.#lose(error instanceof Error ? error : new Error(String(error)), logEvents.length);
      }
    }
    this.#sending = undefined;
  }

  #take(): InputLogEvent[] {
    let bytes = 0;
    let count = 0;
    for (const { message } of this.#waiting) {
      bytes += Buffer.byteLength(message ?? '') + EVENT_OVERHEAD_BYTES;
      if (count > 0 && (bytes > LARGEST_BATCH_BYTES || count === LARGEST_BATCH_EVENTS)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  #lose(error: Error, lines: number): void {
    const kind = error instanceof AwsFault ? error.code : error.message;
    if (this.#lost.has(kind)) return;
    this.#lost.add(kind);
    this.#options.onLost(error, lines);
  }
}

async function unlessExists(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof AwsFault && error.code === 'ResourceAlreadyExistsException')) throw error;
  }
}
