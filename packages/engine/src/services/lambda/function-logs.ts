import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';

interface LogEvent {
  readonly timestamp: number;
  readonly message: string;
}

interface Stream {
  readonly logGroupName: string;
  readonly logStreamName: string;
  readonly waiting: LogEvent[];
  principal: Principal;
  created: boolean;
}

const BATCH_EVENTS_MAX = 10_000;
const BATCH_BYTES_MAX = 1_048_576;
/** What CloudWatch Logs counts for each event in addition to its text. */
const EVENT_OVERHEAD_BYTES = 26;
const EVENT_BYTES_MAX = 256 * 1024 - EVENT_OVERHEAD_BYTES;

/**
 * Delivers what functions write to CloudWatch Logs with the functions' own roles, in order within each stream.
 * What cannot be delivered is lost, as on AWS; the journal says why, once for each function and cause.
 */
export class FunctionLogs {
  readonly #engine: Engine;
  readonly #streams = new Map<string, Stream>();
  readonly #sending = new Set<Promise<void>>();
  readonly #reported = new Set<string>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  write(principal: Principal, logGroupName: string, logStreamName: string, message: string): void {
    const key = `${logGroupName}\n${logStreamName}`;
    const event = { timestamp: this.#engine.clock.nowMs(), message: cut(message) };
    const known = this.#streams.get(key);
    if (known) {
      known.principal = principal;
      known.waiting.push(event);
      return;
    }
    const stream = { logGroupName, logStreamName, principal, waiting: [event], created: false };
    this.#streams.set(key, stream);
    const sending = this.#send(stream).finally(() => {
      this.#streams.delete(key);
      this.#sending.delete(sending);
    });
    this.#sending.add(sending);
  }

  /** Resolves when everything written so far was delivered or given up. */
  async drain(): Promise<void> {
    await Promise.all(this.#sending);
  }

  async #send(stream: Stream): Promise<void> {
    const { logGroupName, logStreamName } = stream;
    while (stream.waiting.length > 0) {
      // What the function writes in one go travels together.
      await new Promise((resolve) => setImmediate(resolve));
      const logEvents = takeBatch(stream.waiting);
      try {
        if (!stream.created) await this.#create(stream);
        stream.created = true;
        await this.#engine.call(stream.principal, 'logs', 'PutLogEvents', {
          logGroupName,
          logStreamName,
          logEvents,
        });
      } catch (error) {
        if (!(error instanceof AwsFault)) throw error;
        this.#report(logGroupName, error);
      }
    }
  }

  async #create({ principal, logGroupName, logStreamName }: Stream): Promise<void> {
    const create = () =>
      this.#engine.call(principal, 'logs', 'CreateLogStream', { logGroupName, logStreamName });
    try {
      await unlessExists(create);
    } catch (error) {
      if (!(error instanceof AwsFault) || error.code !== 'ResourceNotFoundException') throw error;
      await unlessExists(() => this.#engine.call(principal, 'logs', 'CreateLogGroup', { logGroupName }));
      await unlessExists(create);
    }
  }

  #report(logGroupName: string, { code, message }: AwsFault): void {
    const cause = `${logGroupName}\n${code}`;
    if (this.#reported.has(cause)) return;
    this.#reported.add(cause);
    this.#engine.journal.append('lambda', 'logs.refused', { logGroupName, code, message });
  }
}

async function unlessExists(create: () => Promise<unknown>): Promise<void> {
  try {
    await create();
  } catch (error) {
    if (!(error instanceof AwsFault) || error.code !== 'ResourceAlreadyExistsException') throw error;
  }
}

/** Removes from the front as much as one `PutLogEvents` takes. */
function takeBatch(waiting: LogEvent[]): LogEvent[] {
  let bytes = 0;
  let count = 0;
  for (const { message } of waiting) {
    bytes += Buffer.byteLength(message) + EVENT_OVERHEAD_BYTES;
    if (count === BATCH_EVENTS_MAX || bytes > BATCH_BYTES_MAX) break;
    count++;
  }
  return waiting.splice(0, count);
}

/** Logs takes no empty events, and cuts none itself. */
function cut(message: string): string {
  if (message === '') return ' ';
  if (Buffer.byteLength(message) <= EVENT_BYTES_MAX) return message;
  // A character cut in half at the end becomes a replacement character, three bytes long.
  return Buffer.from(message)
    .subarray(0, EVENT_BYTES_MAX - 3)
    .toString('utf8');
}
