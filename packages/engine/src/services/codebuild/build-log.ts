import type { Engine } from '../../dispatch/service.ts';
import type { Principal } from '../../iam/principal.ts';

const CALL_EVENTS_MAX = 1000;
const LINE_LENGTH_MAX = 100_000;

type LogEngine = Pick<Engine, 'call' | 'clock'>;

/**
 * Sends a build's lines to CloudWatch Logs with the project's role, in order. While one call is under way the
 * lines that come meanwhile collect for the next.
 */
export class BuildLog {
  readonly #engine: LogEngine;
  readonly #principal: Principal;
  readonly #groupName: string;
  readonly #streamName: string;
  readonly #concealed: string[] = [];
  #pending: Array<{ timestamp: number; message: string }> = [];
  #sending: Promise<void> | undefined;
  #failed: unknown;

  private constructor(engine: LogEngine, principal: Principal, groupName: string, streamName: string) {
    this.#engine = engine;
    this.#principal = principal;
    this.#groupName = groupName;
    this.#streamName = streamName;
  }

  /** Opens the stream, creating the group if there is none. Fails when the role may not. */
  static async open(
    engine: LogEngine,
    principal: Principal,
    logGroupName: string,
    logStreamName: string,
  ): Promise<BuildLog> {
    try {
      await engine.call(principal, 'logs', 'CreateLogStream', { logGroupName, logStreamName });
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === 'ResourceNotFoundException') {
        await engine.call(principal, 'logs', 'CreateLogGroup', { logGroupName });
        await engine.call(principal, 'logs', 'CreateLogStream', { logGroupName, logStreamName });
      } else if (code !== 'ResourceAlreadyExistsException') throw error;
    }
    return new BuildLog(engine, principal, logGroupName, logStreamName);
  }

  /**
   * Hides a value in all lines from now on.
   *
   * https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details.html
   */
  conceal(value: string): void {
    if (value !== '') this.#concealed.push(value);
  }

  line(line: string): void {
    const text = this.#concealed.reduce((shown, value) => shown.replaceAll(value, '***'), line);
    const message = text.length > LINE_LENGTH_MAX ? `${text.slice(0, LINE_LENGTH_MAX)}…` : text;
    this.#pending.push({ timestamp: this.#engine.clock.nowMs(), message: message === '' ? ' ' : message });
    this.#sending ??= this.#send();
  }

  /** Resolves when every line is stored; rejects when the service refused some. */
  async flush(): Promise<void> {
    while (this.#sending) await this.#sending;
    if (this.#failed !== undefined) throw this.#failed;
  }

  async #send(): Promise<void> {
    // Lines of one turn go together.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const logEvents = this.#pending.slice(0, CALL_EVENTS_MAX);
      this.#pending = this.#pending.slice(CALL_EVENTS_MAX);
      try {
        await this.#engine.call(this.#principal, 'logs', 'PutLogEvents', {
          logGroupName: this.#groupName,
          logStreamName: this.#streamName,
          logEvents,
        });
      } catch (error) {
        this.#failed ??= error;
      }
    }
    this.#sending = undefined;
  }
}
