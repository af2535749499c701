import type { Block } from './block.ts';
import { binStartMs, mergedAll, quantileBin } from './histogram.ts';
import type { JudgePolicy } from './judge-policy.ts';

/** A task counts as warm when it is older than its work takes, several times over: until then only quick work has ended. */
const WARM_WORKS = 2;
const WARM_MS_MAX = 30 * 60_000;

/** The age from which on a task counts as warm: the policy's, or longer where stable's past work takes long. */
export function warmUpMsOf({ warmUpMs }: JudgePolicy, past: readonly Block[]): number {
  const all = mergedAll(past.flatMap(({ stable }) => stable));
  const longest = quantileBin(all, 0.99);
  const workMs = longest === undefined ? 0 : WARM_WORKS * binStartMs(longest + 1);
  return Math.max(warmUpMs, Math.min(WARM_MS_MAX, workMs));
}
