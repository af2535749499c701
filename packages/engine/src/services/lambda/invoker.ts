import { type Engine, servicePrincipal } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { LambdaRunner } from '../../runtime/lambda/lambda-runner.ts';
import { logGroupOf, type StoredFunction } from './function-definition.ts';
import { FunctionLogs } from './function-log.ts';

/** What runs functions. */
export type FunctionRunner = Pick<LambdaRunner, 'invoke' | 'retire' | 'close'>;

export interface Invocation {
  readonly requestId: string;
  /** JSON text. */
  readonly payload: string;
  readonly clientContext?: string;
  readonly type: 'RequestResponse' | 'Event';
}

/** How an invocation ended. `payload` is JSON text: the result, or the error. */
export type InvocationOutcome =
  | { readonly kind: 'success' | 'error'; readonly payload: string; readonly logTail: string }
  | { readonly kind: 'throttled' };

/** Sessions last twelve hours: processes are replaced before theirs ends. */
const CREDENTIALS_RENEWED_MS = 6 * 3_600_000;
const SERVICE = 'lambda.amazonaws.com';

/** Runs single invocations: credentials, log, metrics and journal around the runner. */
export class Invoker {
  readonly logs: FunctionLogs;
  readonly #engine: Engine;
  readonly #runner: FunctionRunner;
  readonly #running = new Map<string, number>();

  constructor(engine: Engine, runner: FunctionRunner) {
    this.#engine = engine;
    this.#runner = runner;
    this.logs = new FunctionLogs(engine);
  }

  /** Runs a function on one event. `limit` bounds how many run at a time. */
  async run(
    fn: StoredFunction,
    invocation: Invocation,
    limit: number | undefined,
  ): Promise<InvocationOutcome> {
    const running = this.running(fn.name);
    if (limit !== undefined && running >= limit) return this.#throttled(fn, invocation);
    this.#running.set(fn.name, running + 1);
    try {
      const { requestId, payload, clientContext } = invocation;
      const result = await this.#runner.invoke(this.#runnable(fn), {
        requestId,
        payload,
        ...(clientContext === undefined ? {} : { clientContext }),
      });
      if (result.kind === 'throttled') return await this.#throttled(fn, invocation);
      const failed = result.kind === 'error';
      this.#engine.journal.append('lambda', 'function.invoked', {
        functionName: fn.name,
        requestId,
        invocationType: invocation.type,
        durationMs: result.durationMs,
        ...(result.initDurationMs === undefined ? {} : { initDurationMs: result.initDurationMs }),
        ...(failed ? { error: errorOf(result.payload) } : {}),
      });
      await this.#measure(fn.name, [
        { MetricName: 'Invocations', Value: 1, Unit: 'Count' },
        { MetricName: 'Errors', Value: failed ? 1 : 0, Unit: 'Count' },
        { MetricName: 'Throttles', Value: 0, Unit: 'Count' },
        { MetricName: 'Duration', Value: result.durationMs, Unit: 'Milliseconds' },
      ]);
      return result;
    } finally {
      this.#running.set(fn.name, this.running(fn.name) - 1);
    }
  }

  /** How many events a function is working on. */
  running(functionName: string): number {
    return this.#running.get(functionName) ?? 0;
  }

  #runnable(fn: StoredFunction) {
    const { clock, credentials, assumeRole } = this.#engine;
    const destination = { functionName: fn.name, role: fn.role, logGroupName: logGroupOf(fn) };
    return {
      functionName: fn.name,
      functionArn: fn.version === '$LATEST' ? fn.arn : `${fn.arn}:${fn.version}`,
      version: fn.version,
      revision: `${fn.revisionId}:${Math.floor(clock.nowMs() / CREDENTIALS_RENEWED_MS)}`,
      codeDirectory: fn.code.directory,
      handler: fn.handler,
      memoryMiB: fn.memoryMiB,
      timeoutMs: fn.timeoutSeconds * 1000,
      logGroupName: destination.logGroupName,
      environment: () => ({
        ...fn.variables,
        ...credentials(assumeRole(fn.role, SERVICE, fn.name)).environment,
      }),
      onLog: (stream: string, message: string) => this.logs.write(destination, stream, message),
    };
  }

  async #throttled(fn: StoredFunction, { requestId }: Invocation): Promise<InvocationOutcome> {
    this.#engine.journal.append('lambda', 'function.throttled', { functionName: fn.name, requestId });
    await this.#measure(fn.name, [{ MetricName: 'Throttles', Value: 1, Unit: 'Count' }]);
    return { kind: 'throttled' };
  }

  async #measure(
    functionName: string,
    data: ReadonlyArray<{ MetricName: string; Value: number; Unit: 'Count' | 'Milliseconds' }>,
  ): Promise<void> {
    const Dimensions = [{ Name: 'FunctionName', Value: functionName }];
    await this.#engine.call(servicePrincipal(this.#engine, SERVICE), 'cloudwatch', 'PutMetricData', {
      Namespace: 'AWS/Lambda',
      MetricData: data.map((datum) => ({ ...datum, Dimensions })),
    });
  }
}

/** The error of a failed invocation, for people: type and message. */
export function errorOf(payload: string): { type: string; message: string } {
  const { errorType, errorMessage } = JSON.parse(payload) as { errorType?: string; errorMessage?: string };
  return { type: errorType ?? 'Error', message: errorMessage ?? '' };
}

/** Refuses a role that Lambda cannot assume. */
export function checkRole(engine: Engine, role: string, functionName: string): void {
  try {
    engine.assumeRole(role, SERVICE, functionName);
  } catch (error) {
    if (!(error instanceof AwsFault)) throw error;
    throw new AwsFault(
      'InvalidParameterValueException',
      `The role defined for the function cannot be assumed by Lambda: ${error.message}`,
    );
  }
}
