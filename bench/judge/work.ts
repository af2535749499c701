import { type Release, runCertification, runRelease } from './simulation.ts';
import type { Scenario } from './trace.ts';

/** Releases of one scenario to simulate; the same seed and numbers give the same releases, wherever they run. */
export interface Task {
  readonly scenario: Scenario;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
  readonly aim: Aim;
}

/** Whether a release is judged until every method has decided, by the judge alone, or until it is certified. */
export type Aim = 'all methods' | 'judge' | { readonly delta: number };

/** Simulates a task's releases, in order. A certified one counts as decided; undefined is not certified. */
export function runTask({ scenario, seed, from, to, aim }: Task): Release[] {
  return Array.from({ length: to - from }, (_, index) => {
    const each = seed + from + index;
    if (typeof aim === 'string') return runRelease(scenario, each, aim === 'all methods');
    return { judge: runCertification(scenario, each, aim.delta), comparators: [] };
  });
}
