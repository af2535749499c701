import { flushCompileCache } from 'node:module';
import { ByteIds, SystemClock, startEngine } from '../src/index.ts';

/** An engine in a process of its own, for tests that kill it. Arguments: state directory. */
const directory = process.argv[2];
if (directory === undefined) throw new Error('usage: engine-process.ts DIRECTORY');
await startEngine({
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
// Node does it when a process ends, and this one is killed.
flushCompileCache();
console.log('ready');
