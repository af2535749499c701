import { format } from 'node:util';
import { describeError } from './load-handler.ts';

const LEVELS = {
  debug: 'DEBUG',
  error: 'ERROR',
  info: 'INFO',
  log: 'INFO',
  trace: 'TRACE',
  warn: 'WARN',
} as const;

/** Makes `console` write log events as Lambda's Node runtime does, one for each call, as text or as JSON. */
export function replaceConsole(
  write: (text: string) => void,
  asJson: boolean,
  requestId: () => string,
  nowMs: () => number,
): void {
  for (const [method, level] of Object.entries(LEVELS)) {
    console[method as keyof typeof LEVELS] = (...args: unknown[]) => {
      const timestamp = new Date(nowMs()).toISOString();
      write(
        asJson
          ? jsonLine({ timestamp, level, requestId: requestId() }, args)
          : `${timestamp}\t${requestId()}\t${level}\t${format(...args)}`,
      );
    };
  }
}

/** A single argument is the message as it is; of several the message is text, with the first error apart. */
function jsonLine(head: object, args: readonly unknown[]): string {
  const [only] = args;
  if (args.length === 1) {
    try {
      return JSON.stringify({ ...head, message: only }, (_, value) =>
        value instanceof Error ? fields(value) : value,
      );
    } catch {
      // A cycle, or a number that JSON does not have: as text.
    }
  }
  const error = args.length > 1 ? args.find((arg) => arg instanceof Error) : undefined;
  return JSON.stringify({ ...head, message: format(...args), ...(error ? fields(error) : {}) });
}

function fields(error: Error) {
  const { errorType, errorMessage, trace } = describeError(error);
  return { errorType, errorMessage, stackTrace: trace, ...error };
}
