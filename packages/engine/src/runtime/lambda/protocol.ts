/** What the runner sends to a function's process. */
export interface InvokeMessage {
  readonly type: 'invoke';
  readonly requestId: string;
  /** The function's ARN as the caller named it. */
  readonly invokedArn: string;
  /** JSON text of the event. */
  readonly payload: string;
  readonly deadlineMs: number;
  readonly clientContext?: string;
}

/** An error as Lambda's response and log show it. */
export interface LambdaError {
  readonly errorType: string;
  readonly errorMessage: string;
  /** Node's. */
  readonly trace?: readonly string[];
  /** Python's. */
  readonly stackTrace?: readonly string[];
  readonly requestId?: string;
}

/** What a function's process sends to the runner. */
export type FunctionMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'log'; readonly text: string }
  | { readonly type: 'result'; readonly payload: string; readonly maxMemoryKiB: number }
  | {
      readonly type: 'error';
      readonly error: LambdaError;
      readonly maxMemoryKiB: number;
      /** The process ends after this: its code did not load, or it failed outside of the handler. */
      readonly fatal: boolean;
    };

/** What the process must know about the function before it loads the code. */
export interface FunctionIdentity {
  readonly functionName: string;
  readonly version: string;
  readonly memoryMiB: number;
  readonly logGroupName: string;
  readonly logStreamName: string;
}
