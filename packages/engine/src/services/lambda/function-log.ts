import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';

interface Line {
  readonly timestamp: number;
  readonly message: string;
}

/** Where a function's log goes, and with whose permissions. */
export interface LogDestination {
  readonly functionName: string;
  readonly role: string;
  readonly logGroupName: string;
}

const BATCH_BYTES = 1_000_000;
/** CloudWatch Logs counts this much for each event on top of its text. */
const EVENT_OVERHEAD_BYTES = 26;
const LINE_LENGTH_MAX = 200_000;

/**
 * Carries what functions log to CloudWatch Logs, with the function's own role and in order.
 *
 * Like Lambda it creates the log group and the stream where they are missing. A role that may not log loses
 * the lines, as on AWS; that is journaled once for each function, role and log group.
 */
export class FunctionLogs {
  readonly #engine: Engine;
  readonly #waiting = new Map<string, { to: LogDestination; stream: string; lines: Line[] }>();
  readonly #reported = new Set<string>();
  #flushing: Promise<void> | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  write(to: LogDestination, stream: string, message: string): void {
    const key = `${to.logGroupName}\0${stream}`;
    const entry = this.#waiting.get(key) ?? { to, stream, lines: [] };
    const timestamp = this.#engine.clock.nowMs();
    for (let at = 0; at === 0 || at < message.length; at += LINE_LENGTH_MAX) {
      entry.lines.push({ timestamp, message: message.slice(at, at + LINE_LENGTH_MAX) || ' ' });
    }
    this.#waiting.set(key, entry);
    this.#flushing ??= Promise.resolve()
      .then(() => this.#drain())
      .finally(() => {
        this.#flushing = undefined;
      });
  }

  /** Resolves when everything written so far was delivered or given up. */
  async flush(): Promise<void> {
    while (this.#flushing) await this.#flushing;
  }

  async #drain(): Promise<void> {
    for (let next = this.#take(); next; next = this.#take()) {
      const { to, stream, lines } = next;
      try {
        await this.#deliver(to, stream, lines);
      } catch (error) {
        if (!(error instanceof AwsFault)) throw error;
        this.#report(to, error);
      }
    }
  }

  #take(): { to: LogDestination; stream: string; lines: Line[] } | undefined {
    for (const [key, { to, stream, lines }] of this.#waiting) {
      let bytes = 0;
      const over = lines.findIndex(({ message }) => {
        bytes += Buffer.byteLength(message) + EVENT_OVERHEAD_BYTES;
        return bytes > BATCH_BYTES;
      });
      if (over < 0) this.#waiting.delete(key);
      return { to, stream, lines: lines.splice(0, over < 0 ? lines.length : over) };
    }
    return undefined;
  }

  async #deliver({ role, functionName, logGroupName }: LogDestination, stream: string, logEvents: Line[]) {
    const principal = this.#engine.assumeRole(role, 'lambda.amazonaws.com', functionName);
    const put = () =>
      this.#engine.call(principal, 'logs', 'PutLogEvents', {
        logGroupName,
        logStreamName: stream,
        logEvents,
      });
    try {
      await put();
    } catch (error) {
      if (!(error instanceof AwsFault) || error.code !== 'ResourceNotFoundException') throw error;
      await this.#createStream(principal, logGroupName, stream);
      await put();
    }
  }

  async #createStream(
    principal: ReturnType<Engine['assumeRole']>,
    logGroupName: string,
    logStreamName: string,
  ): Promise<void> {
    const createStream = () =>
      this.#engine.call(principal, 'logs', 'CreateLogStream', { logGroupName, logStreamName });
    try {
      await createStream();
    } catch (error) {
      if (!(error instanceof AwsFault) || error.code !== 'ResourceNotFoundException') throw error;
      await this.#engine.call(principal, 'logs', 'CreateLogGroup', { logGroupName });
      await createStream();
    }
  }

  #report({ functionName, role, logGroupName }: LogDestination, error: AwsFault): void {
    const key = `${functionName}\0${role}\0${logGroupName}`;
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    this.#engine.journal.append('lambda', 'log.refused', {
      functionName,
      logGroupName,
      code: error.code,
      message: error.message,
    });
  }
}
