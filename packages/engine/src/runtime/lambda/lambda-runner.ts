import { availableParallelism } from 'node:os';
import type { Clock, Timer } from '../../clock/clock.ts';
import type { Ids } from '../../ids.ts';
import { isLogged, type LogSettings, type PlatformEvent, platformLines } from './function-log.ts';
import type { Outcome } from './function-process.ts';
import {
  type FunctionEnvironment,
  FunctionProcess,
  type FunctionProcessOptions,
} from './function-process.ts';
import { failureOf, timedOut } from './invocation-error.ts';
import type { LambdaFunction, LambdaInvocation, LambdaResult } from './lambda-function.ts';
import type { Runtimes } from './runtimes.ts';

export interface LambdaRunnerOptions {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly runtimes: Runtimes;
  /** Starts an execution environment. @default - as a process */
  readonly start?: StartFunction;
  /** Processes of one function at a time. */
  readonly maxConcurrency: number;
  /** Processes of all functions that load their code at a time. @default - one for each processor */
  readonly maxStarts?: number;
  /** A process that nobody has used for this long ends. */
  readonly idleMs?: number;
}

/** Starts an execution environment. */
export type StartFunction = (options: FunctionProcessOptions) => Promise<FunctionEnvironment>;

interface Environment {
  readonly process: FunctionEnvironment;
  readonly revision: string;
  readonly logStreamName: string;
  readonly log: string[];
  busy: boolean;
  idle: Timer | undefined;
}

const INIT_LIMIT_MS = 10_000;
const DEFAULT_IDLE_MS = 5 * 60_000;
const LOG_TAIL_BYTES = 4096;

/**
 * Runs Lambda functions, each in processes of its own that are used again while they are warm.
 *
 * A process serves one event at a time. It is killed when an event exceeds the function's timeout, when the code
 * or configuration changes, and with the engine. Nothing is frozen between events: what a function leaves running
 * goes on, where Lambda would stop it.
 */
export class LambdaRunner {
  readonly #options: LambdaRunnerOptions;
  readonly #environments = new Map<string, Set<Environment>>();
  readonly #starting = new Map<string, number>();
  /** How many more environments may start now, and who waits for it. */
  #turns: number;
  readonly #queue: Array<() => void> = [];
  #closed = false;

  constructor(options: LambdaRunnerOptions) {
    this.#options = options;
    this.#turns = options.maxStarts ?? availableParallelism();
  }

  /** Runs the function on one event. Never rejects for anything that the function does. */
  async invoke(fn: LambdaFunction, invocation: LambdaInvocation): Promise<LambdaResult> {
    this.#retireOthers(fn);
    const warm = [...this.#of(fn.functionArn)].find(
      (environment) => !environment.busy && environment.process.alive,
    );
    if (warm !== undefined) return this.#serve(fn, warm, invocation, fn.timeoutMs, undefined);
    const inUse = this.#of(fn.functionArn).size + (this.#starting.get(fn.functionArn) ?? 0);
    if (inUse >= this.#options.maxConcurrency) return { kind: 'throttled' };
    return this.#serveCold(fn, invocation);
  }

  /** Ends the function's idle processes now, and its busy ones after their event. */
  retire(functionArn: string): void {
    for (const environment of [...this.#of(functionArn)]) {
      this.#forget(functionArn, environment);
      if (!environment.busy) void environment.process.kill();
    }
  }

  /** Kills all processes. */
  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.#environments.values()].flatMap((set) => [...set]);
    this.#environments.clear();
    for (const environment of all) environment.idle?.cancel();
    await Promise.all(all.map((environment) => environment.process.kill()));
  }

  /**
   * Serves an event in a new environment. An initialisation that fails or takes longer than ten seconds is repeated as part
   * of the invocation, in the function's own time:
   * https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
   */
  async #serveCold(fn: LambdaFunction, invocation: LambdaInvocation): Promise<LambdaResult> {
    const first = await this.#initialise(fn, 'init', INIT_LIMIT_MS);
    if (first.outcome === 'ready') {
      return this.#serve(fn, first.environment, invocation, fn.timeoutMs, first.durationMs);
    }
    const { environment, outcome, durationMs } = await this.#initialise(fn, 'invoke', fn.timeoutMs);
    if (outcome === 'ready') {
      return this.#serve(fn, environment, invocation, fn.timeoutMs - durationMs, durationMs);
    }
    const { requestId } = invocation;
    this.#tell(fn, environment, { kind: 'start', requestId, version: fn.version });
    if (outcome === 'timeout')
      this.#tell(fn, environment, { kind: 'timeout', requestId, limitMs: fn.timeoutMs });
    const error =
      outcome === 'timeout'
        ? timedOut(invocation.requestId, fn.timeoutMs)
        : failureOf(outcome, invocation.requestId);
    return this.#report(fn, environment, invocation, {
      kind: 'error',
      payload: JSON.stringify(error),
      durationMs,
      maxMemoryKiB: 0,
      status: outcome === 'timeout' ? 'timeout' : 'error',
    });
  }

  /** Starts an environment and waits until its code is loaded; one whose is not within the limit is ended. */
  async #initialise(fn: LambdaFunction, phase: 'init' | 'invoke', limitMs: number) {
    const { clock } = this.#options;
    this.#starting.set(fn.functionArn, (this.#starting.get(fn.functionArn) ?? 0) + 1);
    const release = await this.#turn();
    const startMs = clock.nowMs();
    try {
      let environment: Environment;
      try {
        environment = await this.#start(fn, phase);
      } finally {
        this.#starting.set(fn.functionArn, this.#starting.get(fn.functionArn)! - 1);
      }
      if (this.#closed) await environment.process.kill();
      else this.#of(fn.functionArn).add(environment);
      const loaded = await this.#within(environment.process.ready(), limitMs);
      const durationMs = clock.nowMs() - startMs;
      if (loaded !== 'timeout' && loaded.kind === 'ready') {
        return { environment, outcome: 'ready', durationMs } as const;
      }
      this.#forget(fn.functionArn, environment);
      await environment.process.kill();
      this.#tell(fn, environment, {
        kind: 'initFailed',
        phase,
        durationMs,
        ...(loaded === 'timeout'
          ? { status: 'timeout' }
          : { status: 'error', errorType: failureOf(loaded, '').errorType }),
      });
      return { environment, outcome: loaded, durationMs } as const;
    } finally {
      release();
    }
  }

  /**
   * Waits for leave to start an environment. Those that start at the same moment share this machine's processors, and none
   * would be loaded in its time; on Lambda each has its own.
   *
   * @returns gives the leave to the next.
   */
  async #turn(): Promise<() => void> {
    if (this.#turns === 0) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#turns -= 1;
    return () => {
      const next = this.#queue.shift();
      if (next === undefined) this.#turns += 1;
      else next();
    };
  }

  async #start(fn: LambdaFunction, phase: 'init' | 'invoke'): Promise<Environment> {
    const { clock, ids, runtimes, start = FunctionProcess.start } = this.#options;
    const day = new Date(clock.nowMs()).toISOString().slice(0, 10).replaceAll('-', '/');
    const logStreamName = `${day}/[${fn.version}]${ids.hex(32)}`;
    const log: string[] = [];
    const { functionName, version, memoryMiB, logGroupName } = fn;
    const identity = { functionName, version, memoryMiB, logGroupName, logStreamName };
    const { command, environment, note } = await runtimes.launch(fn.runtime, identity);
    const write = (text: string) => {
      log.push(text);
      fn.onLog(logStreamName, text);
    };
    const onLog = (text: string) => {
      if (isLogged(text, fn.logging)) write(text);
    };
    this.#tell(fn, { log, logStreamName }, { kind: 'initStart', phase, functionName, version });
    if (note !== undefined) write(note);
    const process = await start({
      identity,
      runtime: fn.runtime,
      command,
      codeDirectory: fn.codeDirectory,
      handler: fn.handler,
      environment: { ...environment, ...loggingVariables(fn.logging), ...fn.environment() },
      role: fn.role,
      clock,
      onLog,
    });
    return { process, revision: fn.revision, logStreamName, log, busy: true, idle: undefined };
  }

  async #serve(
    fn: LambdaFunction,
    environment: Environment,
    invocation: LambdaInvocation,
    timeoutMs: number,
    initDurationMs: number | undefined,
  ): Promise<LambdaResult> {
    const { clock } = this.#options;
    const { requestId } = invocation;
    environment.busy = true;
    environment.idle?.cancel();
    if (initDurationMs === undefined) environment.log.length = 0;
    this.#tell(fn, environment, { kind: 'start', requestId, version: fn.version });
    const startMs = clock.nowMs();
    const message = { type: 'invoke', ...invocation, deadlineMs: startMs + timeoutMs } as const;
    const outcome = await this.#within(environment.process.invoke(message), timeoutMs);
    const durationMs = clock.nowMs() - startMs;
    const base = { durationMs, ...(initDurationMs === undefined ? {} : { initDurationMs }) };
    if (outcome === 'timeout') {
      this.#forget(fn.functionArn, environment);
      await environment.process.kill();
      const error = timedOut(requestId, fn.timeoutMs);
      this.#tell(fn, environment, { kind: 'timeout', requestId, limitMs: fn.timeoutMs });
      return this.#report(fn, environment, invocation, {
        ...base,
        kind: 'error',
        payload: JSON.stringify(error),
        maxMemoryKiB: 0,
        status: 'timeout',
      });
    }
    if (outcome.kind === 'result') {
      this.#rest(fn, environment);
      return this.#report(fn, environment, invocation, {
        ...base,
        kind: 'success',
        payload: outcome.payload,
        maxMemoryKiB: outcome.maxMemoryKiB,
      });
    }
    const error = failureOf(outcome, requestId);
    if (environment.process.alive) this.#rest(fn, environment);
    else this.#forget(fn.functionArn, environment);
    const maxMemoryKiB = outcome.kind === 'error' ? outcome.maxMemoryKiB : 0;
    return this.#report(fn, environment, invocation, {
      ...base,
      kind: 'error',
      payload: JSON.stringify(error),
      maxMemoryKiB,
      status: 'error',
    });
  }

  #report(
    fn: LambdaFunction,
    environment: Environment,
    { requestId }: LambdaInvocation,
    result: {
      kind: 'success' | 'error';
      payload: string;
      durationMs: number;
      initDurationMs?: number;
      maxMemoryKiB: number;
      status?: 'error' | 'timeout';
    },
  ): LambdaResult {
    const { kind, payload, durationMs, initDurationMs } = result;
    this.#tell(fn, environment, {
      kind: 'report',
      requestId,
      durationMs,
      initDurationMs,
      memoryMiB: fn.memoryMiB,
      maxMemoryKiB: result.maxMemoryKiB,
      status: result.status ?? 'success',
    });
    const logTail = Buffer.from(`${environment.log.join('\n')}\n`)
      .subarray(-LOG_TAIL_BYTES)
      .toString('utf8');
    return {
      kind,
      payload,
      durationMs,
      logTail,
      ...(initDurationMs === undefined ? {} : { initDurationMs }),
    };
  }

  /** Keeps a process warm after its event, unless it has been retired meanwhile. */
  #rest(fn: LambdaFunction, environment: Environment): void {
    environment.busy = false;
    if (!this.#of(fn.functionArn).has(environment)) {
      void environment.process.kill();
      return;
    }
    environment.idle = this.#options.clock.setTimer(this.#options.idleMs ?? DEFAULT_IDLE_MS, () => {
      this.#forget(fn.functionArn, environment);
      void environment.process.kill();
    });
  }

  #retireOthers(fn: LambdaFunction): void {
    for (const environment of [...this.#of(fn.functionArn)]) {
      if (environment.revision === fn.revision && environment.process.alive) continue;
      this.#forget(fn.functionArn, environment);
      if (!environment.busy) void environment.process.kill();
    }
  }

  #forget(functionArn: string, environment: Environment): void {
    environment.idle?.cancel();
    this.#of(functionArn).delete(environment);
  }

  #of(functionArn: string): Set<Environment> {
    const known = this.#environments.get(functionArn);
    if (known !== undefined) return known;
    const fresh = new Set<Environment>();
    this.#environments.set(functionArn, fresh);
    return fresh;
  }

  /** Writes what Lambda itself has to say into the function's log. */
  #tell(
    fn: LambdaFunction,
    environment: Pick<Environment, 'log' | 'logStreamName'>,
    event: PlatformEvent,
  ): void {
    for (const text of platformLines(event, fn.logging, this.#options.clock.nowMs())) {
      environment.log.push(text);
      fn.onLog(environment.logStreamName, text);
    }
  }

  #within(outcome: Promise<Outcome>, limitMs: number): Promise<Outcome | 'timeout'> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.setTimer(limitMs, () => resolve('timeout'));
      void outcome.then((value) => {
        timer.cancel();
        resolve(value);
      });
    });
  }
}

/** By these the runtime inside the process knows how to log. */
function loggingVariables(logging: LogSettings): Record<string, string> {
  if (logging.format === 'Text') return {};
  return { AWS_LAMBDA_LOG_FORMAT: 'JSON', AWS_LAMBDA_LOG_LEVEL: logging.applicationLevel };
}
