import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { LambdaReport } from '../../runtime/lambda/lambda-function.ts';
import type { LambdaRunner } from '../../runtime/lambda/lambda-runner.ts';
import type { CodeStore } from './code-store.ts';
import type { FunctionLogs } from './function-logs.ts';
import type { FunctionMetrics } from './function-metrics.ts';
import { functionArn } from './function-reference.ts';
import { loggingOf } from './logging-config.ts';
import type { RoleSessions } from './role-sessions.ts';
import { LATEST, type LambdaStore, type StoredFunction } from './store.ts';
import { logGroupOf } from './views.ts';

/** What runs functions. */
export type FunctionRunner = Pick<LambdaRunner, 'invoke' | 'retire' | 'close'>;

export interface Invocation {
  readonly requestId: string;
  /** JSON text. */
  readonly payload: string;
  /** JSON text. */
  readonly clientContext?: string;
  readonly type: 'RequestResponse' | 'Event';
  /** Version or alias by which the caller named the function. */
  readonly qualifier: string | undefined;
}

/** `payload` is the function's result, or its error as an object with type and message. */
export type InvocationResult = {
  readonly kind: 'success' | 'error';
  readonly payload: string;
} & LambdaReport;

interface InvokerParts {
  readonly store: LambdaStore;
  readonly runner: FunctionRunner;
  /** How many events any function serves at once: this machine stands for the account's limit. */
  readonly concurrencyMax: number;
  readonly code: CodeStore;
  readonly sessions: RoleSessions;
  readonly logs: FunctionLogs;
  readonly metrics: FunctionMetrics;
}

/** Runs functions: within their concurrency, with their roles, and reports it to journal, logs and metrics. */
export class Invoker {
  readonly #engine: Engine;
  readonly #parts: InvokerParts;
  readonly #running = new Map<string, number>();
  readonly #invocations = new Set<Promise<unknown>>();
  readonly #roomListeners: Array<(functionName: string) => void> = [];
  #stopping = false;

  constructor(engine: Engine, parts: InvokerParts) {
    this.#engine = engine;
    this.#parts = parts;
  }

  /** Whether the engine is stopping: what fails from now on says nothing about the functions. */
  get stopping(): boolean {
    return this.#stopping;
  }

  /** Calls `listener` whenever a function has ended an event and may take another. */
  onRoom(listener: (functionName: string) => void): void {
    this.#roomListeners.push(listener);
  }

  /** Whether the function may serve one more event now. */
  hasRoom(functionName: string): boolean {
    return (this.#running.get(functionName) ?? 0) < this.#limit(functionName);
  }

  /** Whether no function is running at all. */
  get idle(): boolean {
    return this.#invocations.size === 0;
  }

  /**
   * Runs the function once. What the function does is in the result; `TooManyRequestsException`, an unusable
   * role or a process that cannot start are faults.
   */
  async run(fn: StoredFunction, invocation: Invocation): Promise<InvocationResult> {
    if (!this.hasRoom(fn.name)) {
      this.#parts.metrics.publish(fn.name, { Throttles: 1 });
      throw this.#throttled(fn.name);
    }
    this.#running.set(fn.name, (this.#running.get(fn.name) ?? 0) + 1);
    const invoking = this.#invoke(fn, invocation);
    this.#invocations.add(invoking);
    try {
      return await invoking;
    } finally {
      this.#invocations.delete(invoking);
      this.#running.set(fn.name, this.#running.get(fn.name)! - 1);
      for (const listener of this.#roomListeners) listener(fn.name);
    }
  }

  /** Ends all running functions. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#parts.runner.close();
    await Promise.allSettled(this.#invocations);
  }

  /** The function's ARN as a program sees it: without `$LATEST`. */
  #arn({ name }: StoredFunction, qualifier: string | undefined): string {
    return functionArn(this.#engine, name, qualifier === LATEST ? undefined : qualifier);
  }

  async #invoke(fn: StoredFunction, invocation: Invocation): Promise<InvocationResult> {
    const { runner, code, logs, sessions } = this.#parts;
    const session = sessions.of(fn);
    const logGroupName = logGroupOf(fn);
    let result: Awaited<ReturnType<FunctionRunner['invoke']>>;
    try {
      result = await runner.invoke(
        {
          functionName: fn.name,
          functionArn: this.#arn(fn, fn.version),
          version: fn.version,
          revision: `${fn.revisionId}/${session.number}`,
          codeDirectory: code.directory(fn.code),
          runtime: fn.settings.runtime,
          handler: fn.settings.handler,
          memoryMiB: fn.settings.memoryMiB,
          timeoutMs: fn.settings.timeoutSeconds * 1000,
          logGroupName,
          logging: loggingOf(fn.settings.loggingConfig),
          role: session.principal,
          environment: () => ({ ...fn.settings.variables, ...session.credentials.environment }),
          onLog: (logStreamName, message) =>
            logs.write(session.principal, logGroupName, logStreamName, message),
        },
        { ...invocation, invokedArn: this.#arn(fn, invocation.qualifier) },
      );
    } catch (error) {
      throw new AwsFault(
        'ServiceException',
        `The process of function ${fn.name} could not be started: ${(error as Error).message}`,
        500,
      );
    }
    if (result.kind === 'throttled') throw this.#throttled(fn.name);
    if (this.#stopping && result.kind === 'error') {
      throw new AwsFault('ServiceException', 'The engine stopped while the function was running.', 500);
    }
    this.#tell(fn, invocation, result);
    return result;
  }

  #tell(fn: StoredFunction, { requestId, type }: Invocation, result: InvocationResult): void {
    const failed = result.kind === 'error';
    this.#engine.journal.append('lambda', 'function.invoked', {
      functionName: fn.name,
      version: fn.version,
      requestId,
      invocationType: type,
      durationMs: result.durationMs,
      ...(result.initDurationMs === undefined ? {} : { initDurationMs: result.initDurationMs }),
      ...(failed ? { error: errorText(result.payload) } : {}),
    });
    this.#parts.metrics.publish(fn.name, {
      Invocations: 1,
      Errors: failed ? 1 : 0,
      Throttles: 0,
      Duration: result.durationMs,
    });
  }

  #limit(functionName: string): number {
    const { store, concurrencyMax } = this.#parts;
    return Math.min(store.extras.get(functionName)?.reservedConcurrency ?? concurrencyMax, concurrencyMax);
  }

  #throttled(functionName: string): AwsFault {
    const reserved = this.#parts.store.extras.get(functionName)?.reservedConcurrency !== undefined;
    return new AwsFault('TooManyRequestsException', 'Rate Exceeded.', 429, {
      Reason: reserved
        ? 'ReservedFunctionConcurrentInvocationLimitExceeded'
        : 'ConcurrentInvocationLimitExceeded',
      Type: 'User',
    });
  }
}

/** `Type: message` of an error payload. */
export function errorText(payload: string): string {
  const { errorType, errorMessage } = JSON.parse(payload) as { errorType?: string; errorMessage?: string };
  return `${errorType}: ${errorMessage}`;
}
