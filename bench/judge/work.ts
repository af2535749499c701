import { type Release, type Run, runRelease } from './release.ts';
import type { World } from './world.ts';

/** Releases into one world to simulate; the same seed and numbers give the same releases, wherever they run. */
export interface Task extends Run {
  readonly world: World;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
}

/** Simulates a task's releases, in order. */
export function runTask({ world, seed, from, to, until, inFull }: Task): Release[] {
  return Array.from({ length: to - from }, (_, index) => {
    return runRelease(world, seed + from + index, { until, inFull });
  });
}
