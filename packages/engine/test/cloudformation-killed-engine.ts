import { flushCompileCache } from 'node:module';
import { ByteIds, SystemClock, startEngine } from '../src/index.ts';

/**
 * An engine that kills itself the moment a resource reaches a status, before that is on disk: the worst
 * instant for whoever must go on afterwards. Arguments: state directory, logical id, status or
 * reason of the event.
 */
const [directory, logicalId, at] = process.argv.slice(2);
if (directory === undefined)
  throw new Error('usage: cloudformation-killed-engine.ts DIRECTORY LOGICAL-ID STATUS-OR-REASON');
const { journal } = await startEngine({
  directory,
  port: 0,
  clock: new SystemClock(),
  ids: new ByteIds(),
  pace: 60,
  onCrash: (error) => {
    console.error(error);
    process.exit(1);
  },
});
journal.subscribe(({ type, detail }) => {
  if (
    type === 'resource.changed' &&
    detail.logicalId === logicalId &&
    (detail.status === at || detail.reason === at)
  ) {
    process.kill(process.pid, 'SIGKILL');
  }
});
// Node does it when a process ends, and this one is killed.
flushCompileCache();
console.log('ready');
