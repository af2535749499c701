import type { Cell } from '../judge/block.ts';
import { cellOf, withDeath } from '../measurement/cell.ts';
import { coursesByTask, endOf, intervalOf } from '../measurement/course.ts';
import { reportMs } from '../measurement/line.ts';
import type { History, Life } from './history.ts';

/** What each of stable's tasks did in each interval of a span of time. */
export interface Scene {
  /** The first interval, and the one behind the last. */
  readonly first: number;
  readonly end: number;
  /** By task: a cell for each interval from the first on, undefined where the task did not report whole. */
  readonly cells: ReadonlyMap<string, readonly (Cell | undefined)[]>;
}

/** The scene of the given lives from one instant to another, both on the clock's intervals. */
export function sceneOf(history: History, lives: readonly Life[], fromMs: number, toMs: number): Scene {
  const first = Math.floor(fromMs / reportMs);
  const end = Math.floor(toMs / reportMs);
  const courses = coursesByTask(history.between(lives, fromMs, toMs), { first, last: end - 1 });
  const cells = new Map<string, (Cell | undefined)[]>();
  for (const [task, { lines, missing }] of courses) {
    const its = Array.from({ length: end - first }, (_, index) => {
      const interval = first + index;
      const reported = lines.get(interval);
      return reported === undefined || missing.has(interval)
        ? undefined
        : cellOf(reported, endOf(interval) - reported.at(-1)!.startedAt);
    });
    cells.set(task, its);
  }
  for (const life of lives) {
    // What it had in hand failed after its last line.
    const index = intervalOf(life.toMs) + 1 - first;
    const its = cells.get(life.task);
    if (life.diedInHand && its !== undefined && index >= 0 && index < its.length) {
      its[index] = withDeath(its[index], life.task, endOf(first + index) - life.startedAt);
    }
  }
  return { first, end, cells };
}

/** What one task did in an interval. */
export function cellAt({ first, cells }: Scene, task: string, interval: number): Cell | undefined {
  return cells.get(task)?.[interval - first];
}
