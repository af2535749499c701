/** A number from 0 up to, not including, 1. */
export type Random = () => number;

/** Growth of a delay: doubles from `firstMs` up to `maxMs`. */
export interface BackoffShape {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * The delay before attempt `attempt` (1 is the first retry): exponential, of which the upper half is random.
 * Never zero, so that no error, however it is classified, can make the worker spin; never the same for all
 * tasks, so that they do not return in step.
 */
export function backoffMs(shape: BackoffShape, attempt: number, random: Random): number {
  const fullMs = Math.min(shape.maxMs, shape.firstMs * 2 ** Math.min(attempt - 1, 30));
  return fullMs / 2 + random() * (fullMs / 2);
}
