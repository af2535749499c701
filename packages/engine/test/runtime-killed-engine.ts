import { ByteIds, SystemClock } from '../src/index.ts';
import { ImageStore } from '../src/runtime/oci/image-store.ts';
import { RootfsCache } from '../src/runtime/oci/rootfs-cache.ts';
import { ProcessRunner } from '../src/runtime/process-runner.ts';

/** An engine to be killed: runs image `app:v1` of the store in `argv[2]` and reports its process id as a line. */
const [, , directory = ''] = process.argv;
const clock = new SystemClock();
const ids = new ByteIds();
const images = new ImageStore({ directory: `${directory}/images`, clock, ids });
const runner = new ProcessRunner({
  clock,
  images,
  rootfs: new RootfsCache({ directory: `${directory}/rootfs`, ids }),
  stateDirectory: directory,
  nodePath: process.execPath,
  hostPath: process.env.PATH ?? '',
  instance: `queue-canary-test-${ids.hex(8)}`,
});
const task = runner.run({
  id: 'task',
  image: { repository: 'app', reference: 'v1' },
  environment: {},
  memoryMiB: 512,
  stopTimeoutMs: 30_000,
  onLog: () => undefined,
});
await task.started;
process.stdout.write(`${task.pid}\n`);
