import type { Clock } from '../../clock/clock.ts';
import type { Principal } from '../../iam/principal.ts';
import { LineSplitter } from '../processes/line-splitter.ts';
import { SupervisedProcess } from '../processes/supervised-process.ts';
import type { FunctionIdentity, FunctionMessage, InvokeMessage, LambdaError } from './protocol.ts';

export interface FunctionProcessOptions {
  readonly identity: FunctionIdentity;
  readonly codeDirectory: string;
  readonly handler: string;
  readonly runtime: string;
  /** Starts the runtime's bootstrap. */
  readonly command: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string>>;
  /** The session of the function's role that the environment has the credentials of. */
  readonly role: Principal;
  readonly clock: Clock;
  readonly onLog: (text: string) => void;
}

/** How an invocation, or the loading of the code, ended. */
export type Outcome =
  | { readonly kind: 'ready' }
  | { readonly kind: 'result'; readonly payload: string; readonly maxMemoryKiB: number }
  | { readonly kind: 'error'; readonly error: LambdaError; readonly maxMemoryKiB: number }
  | { readonly kind: 'exited'; readonly reason: string };

/** One execution environment: it has the function's code loaded and serves one event at a time. */
export interface FunctionEnvironment {
  /** Whether it can take an event. */
  readonly alive: boolean;
  /** Resolves when the code is loaded, or has failed to load. */
  ready(): Promise<Outcome>;
  /** Hands over one event. The caller waits for the outcome before the next. */
  invoke(message: InvokeMessage): Promise<Outcome>;
  /** Ends it, whatever it is doing; resolves when nothing is left of it. */
  kill(): Promise<void>;
}

/** An execution environment that is a process of its own. */
export class FunctionProcess implements FunctionEnvironment {
  readonly #process: SupervisedProcess;
  readonly #onLog: (text: string) => void;
  #waiting: ((outcome: Outcome) => void) | undefined;
  #early: Outcome | undefined;
  #gone = false;

  private constructor(process: SupervisedProcess, onLog: (text: string) => void) {
    this.#process = process;
    this.#onLog = onLog;
    process.onMessage((message) => this.#receive(message as FunctionMessage));
    for (const stream of [process.stdout, process.stderr]) {
      const lines = new LineSplitter(onLog);
      stream.on('data', (chunk: Buffer) => lines.push(chunk));
      stream.on('close', () => lines.end());
    }
    void process.exited.then(({ code, signal }) => {
      this.#gone = true;
      this.#settle({ kind: 'exited', reason: signal === null ? `exit status ${code}` : `signal: ${signal}` });
    });
  }

  static async start(options: FunctionProcessOptions): Promise<FunctionProcess> {
    const started = await SupervisedProcess.start({
      command: options.command,
      cwd: options.codeDirectory,
      env: lambdaEnvironment(options),
      ipc: true,
      clock: options.clock,
    });
    return new FunctionProcess(started, options.onLog);
  }

  get alive(): boolean {
    return !this.#gone;
  }

  ready(): Promise<Outcome> {
    return this.#next();
  }

  invoke(message: InvokeMessage): Promise<Outcome> {
    const outcome = this.#next();
    this.#process.send({ ...message });
    return outcome;
  }

  async kill(): Promise<void> {
    this.#gone = true;
    this.#process.kill();
    await this.#process.exited;
  }

  #next(): Promise<Outcome> {
    const early = this.#early;
    this.#early = undefined;
    if (early !== undefined) return Promise.resolve(early);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** An outcome that nobody waits for, such as the end of an idle process, is kept for the next who asks. */
  #settle(outcome: Outcome): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#early ??= outcome;
    else waiting(outcome);
  }

  #receive(message: FunctionMessage): void {
    if (message.type === 'log') {
      this.#onLog(message.text);
    } else if (message.type === 'ready') {
      this.#settle({ kind: 'ready' });
    } else if (message.type === 'result') {
      const { payload, maxMemoryKiB } = message;
      this.#afterOutput({ kind: 'result', payload, maxMemoryKiB });
    } else {
      const { error, maxMemoryKiB, fatal } = message;
      if (fatal) this.#gone = true;
      this.#afterOutput({ kind: 'error', error, maxMemoryKiB });
    }
  }

  /** What the function wrote to its output before it answered is in the pipe by now: let it be read first. */
  #afterOutput(outcome: Outcome): void {
    setImmediate(() => this.#settle(outcome));
  }
}

function lambdaEnvironment({
  identity,
  codeDirectory,
  handler,
  runtime,
  environment,
}: FunctionProcessOptions): Record<string, string> {
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LANG: 'en_US.UTF-8',
    TZ: ':UTC',
    ...environment,
    LAMBDA_TASK_ROOT: codeDirectory,
    _HANDLER: handler,
    AWS_EXECUTION_ENV: `AWS_Lambda_${runtime}`,
    AWS_LAMBDA_FUNCTION_NAME: identity.functionName,
    AWS_LAMBDA_FUNCTION_VERSION: identity.version,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(identity.memoryMiB),
    AWS_LAMBDA_LOG_GROUP_NAME: identity.logGroupName,
    AWS_LAMBDA_LOG_STREAM_NAME: identity.logStreamName,
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
  };
}
