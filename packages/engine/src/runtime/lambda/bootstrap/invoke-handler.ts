import type { FunctionIdentity, InvokeMessage } from '../protocol.ts';
import type { Handler } from './load-handler.ts';

const RESPONSE_BYTES_MAX = 6 * 1024 * 1024 + 100;

/** Calls the handler as Lambda does and resolves to the JSON text of its result. */
export async function invokeHandler(
  handler: Handler,
  message: InvokeMessage,
  identity: FunctionIdentity,
  nowMs: () => number,
): Promise<string> {
  const result = await call(handler, JSON.parse(message.payload), createContext(message, identity, nowMs));
  const text = JSON.stringify(result === undefined ? null : result);
  if (text === undefined) throw named('Runtime.MarshalError', 'Unable to stringify response body');
  if (Buffer.byteLength(text) > RESPONSE_BYTES_MAX) {
    throw named(
      'Function.ResponseSizeTooLarge',
      `Response payload size exceeded maximum allowed payload size (${RESPONSE_BYTES_MAX} bytes).`,
    );
  }
  return text;
}

/** A handler answers by its promise, or by the callback if it takes one. */
function call(handler: Handler, event: unknown, context: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const callback = (error: unknown, result?: unknown) =>
      error === null || error === undefined ? resolve(result) : reject(error);
    const returned = handler(event, context, callback);
    if (isThenable(returned)) returned.then(resolve, reject);
    else if (handler.length < 3) resolve(null);
  });
}

function createContext(
  message: InvokeMessage,
  identity: FunctionIdentity,
  nowMs: () => number,
): Record<string, unknown> {
  return {
    callbackWaitsForEmptyEventLoop: true,
    awsRequestId: message.requestId,
    functionName: identity.functionName,
    functionVersion: identity.version,
    invokedFunctionArn: message.invokedArn,
    memoryLimitInMB: String(identity.memoryMiB),
    logGroupName: identity.logGroupName,
    logStreamName: identity.logStreamName,
    ...(message.clientContext === undefined ? {} : { clientContext: JSON.parse(message.clientContext) }),
    getRemainingTimeInMillis: () => Math.max(message.deadlineMs - nowMs(), 0),
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function named(name: string, message: string): Error {
  const error = new Error(message);
  error.name = name;
  return error;
}
