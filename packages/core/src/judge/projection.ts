import type { CertificationEvidence, Evidence } from './evidence.ts';
import { type JudgePolicy, shortestBakeMs } from './judge-policy.ts';
import { ln } from './numerics.ts';

/** Evidence below this says nothing of where it goes. */
const PROJECTED_FROM = 3;

/**
 * How long a decision takes from here if all goes on as it has: evidence grows by a factor in equal times, so what is
 * left takes its part of the time so far. Undefined where that cannot be told.
 */
export function projected(
  policy: JudgePolicy,
  total: number,
  certifications: readonly CertificationEvidence[],
  elapsedMs: number,
): Evidence['projected'] {
  const needed = 1 / policy.alpha;
  if (total > PROJECTED_FROM) {
    return total < needed ? { kind: 'fail', ms: elapsedMs * (ln(needed) / ln(total) - 1) } : undefined;
  }
  const slowest = Math.max(0, ...certifications.map(timesAsLong));
  if (!Number.isFinite(slowest)) return undefined;
  return { kind: 'pass', ms: Math.max(0, shortestBakeMs(policy) - elapsedMs, elapsedMs * slowest) };
}

/** How many times the time so far a certification still takes. */
function timesAsLong({ eValue, eValueNeeded }: CertificationEvidence): number {
  if (eValue >= eValueNeeded) return 0;
  return eValue <= 1 ? Number.POSITIVE_INFINITY : ln(eValueNeeded) / ln(eValue) - 1;
}
