import type { Execution } from './observed.ts';

/**
 * Begins the reason of every execution that the controller stopped, so that a look which does not see its decision takes it for
 * nobody else's.
 */
export const stopPrefix = 'queue-canary: ';

/** Why the controller stopped an execution; undefined where it did not. */
export function ownStopReason({ stopReason }: Execution): string | undefined {
  return stopReason?.startsWith(stopPrefix) ? stopReason.slice(stopPrefix.length) : undefined;
}
