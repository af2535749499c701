import type { Measurement, TaskLife } from '@queue-canary/core';

/**
 * So many tasks say how equal tasks differ, and what the traffic does, as well as thousands; and reading the lines of
 * more would take longer than the five seconds between two looks.
 */
export const sampledTasksMax = 60;

/** The part of stable's tasks whose lines are read. */
export interface StableSample {
  readonly ids: readonly string[];
  readonly size: NonNullable<Measurement['stableSample']>;
}

/**
 * Chooses the tasks of stable whose lines are read in a release that began at `fromMs`: where there are very many,
 * those with the smallest hashes of their ids; undefined where all can be read.
 *
 * Tasks that ran before and tasks that began since are chosen apart, so that neither scaling nor the promotion pushes
 * out a task whose lines have been judged already.
 */
export function sampleOf(tasks: readonly TaskLife[], fromMs: number): StableSample | undefined {
  const before: string[] = [];
  const since: string[] = [];
  for (const { id, startedAt, stoppedAt } of tasks) {
    // One that has not started has no log yet; one that stopped before the release says nothing of it.
    if (startedAt === undefined || (stoppedAt !== undefined && stoppedAt < fromMs)) continue;
    (startedAt < fromMs ? before : since).push(id);
  }
  if (before.length <= sampledTasksMax && since.length <= sampledTasksMax) return undefined;
  const ids = [...smallestHashes(before), ...smallestHashes(since)];
  return { ids, size: { tasks: before.length + since.length, read: ids.length } };
}

function smallestHashes(ids: readonly string[]): string[] {
  return ids
    .map((id) => ({ id, hash: hashOf(id) }))
    .sort((a, b) => a.hash - b.hash || (a.id < b.id ? -1 : 1))
    .slice(0, sampledTasksMax)
    .map(({ id }) => id);
}

/** FNV-1a: the same on every machine, and blind to whatever order there may be in ids. */
function hashOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index += 1) {
    hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
