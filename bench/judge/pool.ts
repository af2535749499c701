import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Release } from './release.ts';
import type { Task } from './work.ts';

/**
 * Runs tasks on several threads.
 *
 * @returns their releases in the order of the tasks, whatever order they finish in.
 */
export async function runTasks(
  tasks: readonly Task[],
  threads: number,
  onDone: (task: number, releases: readonly Release[]) => void,
): Promise<Release[][]> {
  const results: Release[][] = [];
  let next = 0;
  const work = async () => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url));
    try {
      while (next < tasks.length) {
        const index = next;
        next += 1;
        worker.postMessage(tasks[index]);
        const [releases] = await once(worker, 'message');
        results[index] = releases;
        onDone(index, releases);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: threads }, work));
  return results;
}
