import type { Principal } from '../../iam/principal.ts';
import type { LogSettings } from './function-log.ts';

/** One published state of a function: what a new execution environment is made from. */
export interface LambdaFunction {
  readonly functionName: string;
  readonly functionArn: string;
  readonly version: string;
  /** Changes whenever code or configuration does; environments of an earlier revision are not used again. */
  readonly revision: string;
  /** Directory with the unpacked code. */
  readonly codeDirectory: string;
  /** Such as `nodejs24.x` or `python3.13`. */
  readonly runtime: string;
  /** `file.export` */
  readonly handler: string;
  readonly memoryMiB: number;
  readonly timeoutMs: number;
  readonly logGroupName: string;
  readonly logging: LogSettings;
  /** The session of its role. */
  readonly role: Principal;
  /** Called for each new process, so that it gets fresh credentials. */
  readonly environment: () => Readonly<Record<string, string>>;
  /** Gets every log event with the stream of the process that wrote it. */
  readonly onLog: (logStreamName: string, message: string) => void;
}

export interface LambdaInvocation {
  readonly requestId: string;
  /** The function's ARN as the caller named it. */
  readonly invokedArn: string;
  /** JSON text of the event. */
  readonly payload: string;
  /** JSON text of the client context, as the caller sent it. */
  readonly clientContext?: string;
}

/** What an invocation gave. `payload` is JSON text: the result, or the error with type, message and trace. */
export type LambdaResult =
  | ({ readonly kind: 'success' | 'error'; readonly payload: string } & LambdaReport)
  /** No environment may be added: the service answers `TooManyRequestsException`. */
  | { readonly kind: 'throttled' };

export interface LambdaReport {
  readonly durationMs: number;
  /** Only when the invocation had to start a new process. */
  readonly initDurationMs?: number;
  /** The end of what the invocation logged, at most 4 KiB, for `LogType: Tail`. */
  readonly logTail: string;
}
