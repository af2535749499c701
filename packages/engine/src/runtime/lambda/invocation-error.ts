import type { Outcome } from './function-process.ts';
import type { LambdaError } from './protocol.ts';

/** The error of a process that did not answer. */
export function failureOf(outcome: Outcome, requestId: string): LambdaError {
  if (outcome.kind === 'error') return outcome.error;
  const reason = outcome.kind === 'exited' ? outcome.reason : 'the runtime answered out of turn';
  return {
    errorType: 'Runtime.ExitError',
    errorMessage: `RequestId: ${requestId} Error: Runtime exited with error: ${reason}`,
  };
}

export function timedOut(requestId: string, limitMs: number): LambdaError {
  return {
    errorType: 'Sandbox.Timedout',
    errorMessage: `RequestId: ${requestId} Error: Task timed out after ${(limitMs / 1000).toFixed(2)} seconds`,
  };
}
