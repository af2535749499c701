import { parentPort } from 'node:worker_threads';
import { runTask, type Task } from './work.ts';

/** A thread that simulates the tasks it is sent, one after the other. */
parentPort?.on('message', (task: Task) => {
  parentPort?.postMessage(runTask(task));
});
