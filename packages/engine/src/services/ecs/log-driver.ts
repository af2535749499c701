import type { InputLogEvent } from '@aws-sdk/client-cloudwatch-logs';
import type { Timer } from '../../clock/clock.ts';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import { TaskStartError } from './task-start-error.ts';

const BATCH_EVENTS_MAX = 10_000;
const BATCH_BYTES_MAX = 1_048_576;
const EVENT_OVERHEAD_BYTES = 26;

/** Lines that the driver itself holds while it sends others. */
const QUEUED_MAX = 4_096;

export interface AwsLogsOptions {
  readonly group: string;
  readonly stream: string;
  readonly createGroup: boolean;
  /** What becomes of lines while the driver is busy and holds as many as it can: the container waits, or they are lost. */
  readonly mode: 'blocking' | 'non-blocking';
  /** In `non-blocking` mode, bytes of lines that are held besides. */
  readonly bufferBytes: number;
  /** Told once for each kind of failure that loses lines; the task itself goes on, as on AWS. */
  readonly onLost: (error: Error, lines: number) => void;
}

/**
 * The `awslogs` log driver: a container's lines, put into CloudWatch Logs with the task's execution role.
 *
 * It sends what has come every five seconds, counted from the task's start, or when a batch is full, and what is left when
 * the container has ended, however it did.
 */
export class AwsLogs {
  readonly #engine: Engine;
  readonly #role: Principal;
  readonly #options: AwsLogsOptions;
  readonly #lost = new Set<string>();
  readonly #openedAtMs: number;
  #waiting: InputLogEvent[] = [];
  #waitingBytes = 0;
  /** Bytes of the waiting lines that the driver itself has no room for. */
  #bufferedBytes = 0;
  #flush: Timer | undefined;
  #sending: Promise<void> | undefined;

  private constructor(engine: Engine, role: Principal, options: AwsLogsOptions) {
    this.#engine = engine;
    this.#role = role;
    this.#options = options;
    this.#openedAtMs = engine.clock.nowMs();
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

  /** Takes a line. While the promise that it may return is pending, the container must not write: the driver is full. */
  write(message: string): Promise<void> | undefined {
    if (message === '') return undefined; // CloudWatch Logs has no empty events
    const bytes = Buffer.byteLength(message);
    const isFull = this.#sending !== undefined && this.#waiting.length >= QUEUED_MAX;
    if (isFull && this.#options.mode === 'non-blocking') {
      if (this.#bufferedBytes + bytes > this.#options.bufferBytes) {
        this.#lose(new Error(`the buffer of ${this.#options.bufferBytes} bytes is full`), 1);
        return undefined;
      }
      this.#bufferedBytes += bytes;
    }
    this.#waiting.push({ timestamp: this.#engine.clock.nowMs(), message });
    this.#waitingBytes += bytes + EVENT_OVERHEAD_BYTES;
    this.#sendInTime();
    return isFull && this.#options.mode === 'blocking' ? this.#sending : undefined;
  }

  /** Sends what is left; resolves when everything that was written has been handed over. */
  async end(): Promise<void> {
    while (this.#waiting.length > 0 || this.#sending !== undefined) {
      this.#sendNow();
      await this.#sending;
    }
  }

  /** Sends at the next tick, or at once if there is a whole batch. */
  #sendInTime(): void {
    if (this.#waitingBytes > BATCH_BYTES_MAX || this.#waiting.length >= BATCH_EVENTS_MAX) {
      this.#sendNow();
    }
    if (this.#flush !== undefined || this.#sending !== undefined || this.#waiting.length === 0) return;
    const { clock, pace } = this.#engine;
    const everyMs = pace.ms('logs-flush');
    const sinceMs = (clock.nowMs() - this.#openedAtMs) % everyMs;
    this.#flush = clock.setTimer(everyMs - sinceMs, () => this.#sendNow());
  }

  #sendNow(): void {
    this.#flush?.cancel();
    this.#flush = undefined;
    if (this.#sending !== undefined) return;
    const leaving = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#bufferedBytes = 0;
    this.#sending = this.#send(leaving);
  }

  async #send(leaving: InputLogEvent[]): Promise<void> {
    await Promise.resolve();
    while (leaving.length > 0) {
      const logEvents = batchOf(leaving);
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
    this.#sendInTime();
  }

  #lose(error: Error, lines: number): void {
    const kind = error instanceof AwsFault ? error.code : error.message;
    if (this.#lost.has(kind)) return;
    this.#lost.add(kind);
    this.#options.onLost(error, lines);
  }
}

/** Removes from the front as much as one `PutLogEvents` takes. */
function batchOf(events: InputLogEvent[]): InputLogEvent[] {
  let bytes = 0;
  let count = 0;
  for (const { message } of events) {
    bytes += Buffer.byteLength(message ?? '') + EVENT_OVERHEAD_BYTES;
    if (count > 0 && (bytes > BATCH_BYTES_MAX || count === BATCH_EVENTS_MAX)) break;
    count++;
  }
  return events.splice(0, count);
}

async function unlessExists(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof AwsFault && error.code === 'ResourceAlreadyExistsException')) throw error;
  }
}
