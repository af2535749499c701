import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '../src/clock/virtual-clock.ts';
import { ByteIds, type Clock, SystemClock } from '../src/index.ts';
import { ImageStore } from '../src/runtime/oci/image-store.ts';
import { RootfsCache } from '../src/runtime/oci/rootfs-cache.ts';
import { ProcessRunner, type ProcessRunnerOptions } from '../src/runtime/process-runner.ts';
import { MemoryPoll } from '../src/runtime/processes/memory-poll.ts';
import { processIdentity } from '../src/runtime/processes/process-identity.ts';
import { ProcessLedger, reapOrphans } from '../src/runtime/processes/process-ledger.ts';
import type { TaskSpec } from '../src/runtime/task-runner.ts';
import { storeImage } from '../src/runtime/test/store-image.ts';
import { temporaryDirectory } from '../src/runtime/test/temporary-directory.ts';
import { startWitness } from '../src/runtime/test/witness.ts';

interface Bench {
  readonly directory: string;
  readonly images: ImageStore;
  readonly runner: ProcessRunner;
  readonly log: string[];
  /** Starts the image `app:v1`. */
  run(spec?: Partial<TaskSpec>): ReturnType<ProcessRunner['run']>;
}

function bench(options: Partial<ProcessRunnerOptions> & { clock?: Clock } = {}): Bench {
  const directory = temporaryDirectory();
  const clock = options.clock ?? new SystemClock();
  const ids = new ByteIds();
  const images = new ImageStore({ directory: join(directory, 'images'), clock, ids });
  const runner = new ProcessRunner({
    clock,
    images,
    rootfs: new RootfsCache({ directory: join(directory, 'rootfs'), ids }),
    stateDirectory: directory,
    nodePath: process.execPath,
    hostPath: process.env.PATH ?? '',
    instance: `queue-canary-test-${ids.hex(8)}`,
    ...options,
  });
  onTestFinished(() => runner.close());
  const log: string[] = [];
  let count = 0;
  const run = (spec: Partial<TaskSpec> = {}) =>
    runner.run({
      id: `task-${++count}`,
      image: { repository: 'app', reference: 'v1' },
      environment: {},
      stopTimeoutMs: 30_000,
      onLog: ({ stream, text }) => {
        log.push(`${stream}: ${text}`);
        return undefined;
      },
      ...spec,
    });
  return { directory, images, runner, log, run };
}

test('a task runs the image command in its directory, with its environment, and reports output and exit code', async () => {
  const { images, run, log } = bench();
  await storeImage(
    images,
    'app',
    'v1',
    {
      'app/main.js': `console.log(process.argv.slice(2).join(), process.env.FROM_IMAGE, process.env.BOTH, process.env.FROM_TASK);
console.error(require('path').basename(process.cwd()), require('fs').readFileSync(process.argv[3], 'utf8'), process.version);
process.exitCode = 5;`,
      'etc/config': 'configured',
    },
    {
      WorkingDir: '/app',
      Env: ['FROM_IMAGE=1', 'BOTH=image'],
      Entrypoint: ['node', 'main.js'],
      Cmd: ['a', '/etc/config'],
    },
  );
  const task = run({ environment: { BOTH: 'task', FROM_TASK: '2' } });
  expect(await task.started).toBe(true);
  expect(task.pid).toBeGreaterThan(1);
  expect(await task.exited).toEqual({ exitCode: 5, oom: false });
  expect(log[0]).toMatch(/^stdout: a,.*\/etc\/config 1 task 2$/);
  expect(log[1]).toBe(`stderr: app configured ${process.version}`);
});

test('overrides replace the command, and an entry point takes the image command away', async () => {
  const { images, run, log } = bench();
  await storeImage(
    images,
    'app',
    'v1',
    {
      'app/run.sh*': '#!/bin/sh\necho script "$@" $(pwd | sed "s,.*/,,")\n',
      'bin/tool*': '#!/bin/sh\necho tool\n',
    },
    { WorkingDir: '/app', Entrypoint: ['./run.sh'], Cmd: ['x'] },
  );
  await run({ command: ['y'] }).exited;
  await run({ entryPoint: ['/app/run.sh'] }).exited;
  await run({ entryPoint: ['/bin/sh', '-c'], command: ['echo shell'], workingDirectory: '/' }).exited;
  await run({ entryPoint: ['tool'], environment: { PATH: '/bin' } }).exited;
  expect(log).toEqual(['stdout: script y app', 'stdout: script app', 'stdout: shell', 'stdout: tool']);
});

test('nothing of the engine reaches the task, and each task has a scratch directory that goes away', async () => {
  const { images, run, log, directory } = bench();
  await storeImage(
    images,
    'app',
    'v1',
    {},
    { Cmd: ['node', '-e', 'console.log(Object.keys(process.env).sort().join())'] },
  );
  await run().exited;
  // A shell that starts the task may add variables about itself.
  const names = log[0]!.slice('stdout: '.length).split(',');
  expect(names.filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name))).toEqual([
    'HOME',
    'PATH',
    'TMPDIR',
  ]);
  expect(readdirSync(join(directory, 'scratch'))).toEqual([]);
});

test.each([
  [
    { image: { repository: 'app', reference: 'none' } },
    /^CannotPullContainerError: The repository "app" has no image none/,
  ],
  [
    { command: ['no-such-program'] },
    /^CannotStartContainerError: The command "no-such-program" was found neither in the image/,
  ],
  [{ command: ['/app/missing'] }, /^CannotStartContainerError: The command "\/app\/missing"/],
  [
    { workingDirectory: '/nowhere' },
    /^CannotStartContainerError: The working directory "\/nowhere" is not in the image/,
  ],
  [{ command: [] }, /^CannotStartContainerError: Neither the image nor/],
])('a task that cannot start says why: %j', async (spec, reason) => {
  const { images, run } = bench();
  await storeImage(images, 'app', 'v1', {}, {});
  const task = run(spec);
  expect(await task.started).toBe(false);
  expect(await task.exited).toEqual({ oom: false, reason: expect.stringMatching(reason) });
});

test('stopping sends SIGTERM, and the task may end in its own time', async () => {
  const witness = await startWitness();
  const { images, run, log } = bench();
  await storeImage(
    images,
    'app',
    'v1',
    {
      'main.js': `process.on('SIGTERM', () => { console.log('draining'); process.exit(3); });${witness.connect('main')}`,
    },
    { Cmd: ['node', '/main.js'] },
  );
  const task = run();
  await witness.seen('main');
  expect(await task.stop()).toEqual({ exitCode: 3, oom: false });
  expect(log).toEqual(['stdout: draining']);
});

test('a task that ignores SIGTERM is killed with all its processes when its stop timeout is over, not before', async () => {
  const witness = await startWitness();
  const clock = new VirtualClock();
  const { images, run, log } = bench({ clock });
  await storeImage(
    images,
    'app',
    'v1',
    {
      'main.js': `process.on('SIGTERM', () => console.log('ignored'));require('child_process').spawn(process.execPath, [__dirname + '/child.js']);${witness.connect('main')}`,
      'child.js': witness.connect('child'),
    },
    { Cmd: ['node', '/main.js'] },
  );
  const task = run({ stopTimeoutMs: 20_000 });
  await Promise.all([witness.seen('main'), witness.seen('child')]);
  const stopped = task.stop();
  void task.stop();
  await clock.advanceBy(19_999);
  expect(processIdentity(task.pid!)).toBeDefined();
  await clock.advanceBy(1);
  expect(await stopped).toEqual({ exitCode: 137, signal: 'SIGKILL', oom: false });
  await witness.gone('child');
  expect(log.length).toBeLessThanOrEqual(1);
});

test('what the first process leaves behind ends with it', async () => {
  const witness = await startWitness();
  const { images, run } = bench();
  await storeImage(
    images,
    'app',
    'v1',
    {
      'main.js':
        "require('child_process').spawn(process.execPath, [__dirname + '/child.js'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }).on('message', () => process.exit(0));",
      'child.js': `process.on('disconnect', () => undefined); ${witness.connect('child')} process.send('up');`,
    },
    { Cmd: ['node', '/main.js'] },
  );
  expect(await run().exited).toEqual({ exitCode: 0, oom: false });
  await witness.gone('child');
});

test('a task that is stopped before it runs never runs', async () => {
  const { images, run, log } = bench();
  await storeImage(images, 'app', 'v1', { 'main.js': 'console.log("ran")' }, { Cmd: ['node', '/main.js'] });
  const task = run();
  const exit = await task.stop();
  expect(await task.started).toBe(false);
  expect(exit.exitCode).toBeUndefined();
  expect(log).toEqual([]);
});

const HOG = [
  'node',
  '-e',
  'const kept = []; const grow = () => { kept.push(Buffer.alloc(8e6, 1)); setImmediate(grow); }; grow();',
];

test('a task that uses more memory than it may is killed and says so', async () => {
  const { images, run } = bench();
  await storeImage(images, 'app', 'v1', {}, { Cmd: HOG });
  expect(await run({ memoryMiB: 160 }).exited).toEqual({
    exitCode: 137,
    signal: 'SIGKILL',
    oom: true,
    reason: 'OutOfMemoryError: Container killed due to memory usage',
  });
});

test('where no control group can limit memory, looking does', async () => {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const clock = new VirtualClock();
  const poll = new MemoryPoll(clock);
  let exceeded = 0;
  const small = Promise.withResolvers<void>();
  poll.watch(child.pid!, 1, () => {
    exceeded++;
    small.resolve();
  });
  const end = poll.watch(process.pid, Number.MAX_SAFE_INTEGER, () => expect.unreachable());
  await clock.advanceBy(500);
  await small.promise;
  await clock.advanceBy(2_000);
  expect(exceeded).toBe(1);
  end();
});

test('tasks of one image share its read-only files, unpacked once', async () => {
  const { images, run, directory } = bench();
  await storeImage(images, 'app', 'v1', { 'main.js': '' }, { Cmd: ['node', '/main.js'] });
  await Promise.all([run().exited, run().exited, run().exited]);
  expect(readdirSync(join(directory, 'rootfs'))).toHaveLength(1);
});

test('when the engine is killed with SIGKILL, its tasks and their children die with it', async () => {
  const witness = await startWitness();
  const directory = temporaryDirectory();
  const images = new ImageStore({
    directory: join(directory, 'images'),
    clock: new SystemClock(),
    ids: new ByteIds(),
  });
  await storeImage(
    images,
    'app',
    'v1',
    {
      'main.js': `process.on('SIGTERM', () => undefined);require('child_process').spawn(process.execPath, [__dirname + '/child.js']);${witness.connect('main')}`,
      'child.js': `process.on('SIGTERM', () => undefined);${witness.connect('child')}`,
    },
    { Cmd: ['node', '/main.js'] },
  );
  const engine = spawn(
    process.execPath,
    [
      '--conditions=@queue-canary/source',
      fileURLToPath(new URL('./runtime-killed-engine.ts', import.meta.url)),
      directory,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await Promise.all([once(engine.stdout, 'data'), witness.seen('main'), witness.seen('child')]);
  engine.kill('SIGKILL');
  await Promise.all([witness.gone('main'), witness.gone('child')]);
  expect(readdirSync(join(directory, 'processes'))).toEqual(['task.json']);
  reapOrphans(directory);
  expect(readdirSync(join(directory, 'processes'))).toEqual([]);
});

test('a process that an earlier engine left is killed; one that only has its number is not', async () => {
  const witness = await startWitness();
  const directory = temporaryDirectory();
  const start = async (name: string) => {
    const child = spawn(process.execPath, ['-e', witness.connect(name)], { detached: true, stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    await witness.seen(name);
    return child;
  };
  const [orphan, stranger] = await Promise.all([start('orphan'), start('stranger')]);
  const ledger = new ProcessLedger(directory);
  ledger.record('orphan', orphan.pid!, []);
  ledger.record('stranger', stranger.pid!, []);
  const path = join(directory, 'processes', 'stranger.json');
  writeFileSync(path, readFileSync(path, 'utf8').replace(/"identity":"[^"]*"/, '"identity":"another time"'));
  writeFileSync(join(directory, 'processes', 'broken.json'), '{"pid":');
  expect(reapOrphans(directory)).toEqual([{ id: 'orphan', pid: orphan.pid }]);
  await witness.gone('orphan');
  expect(processIdentity(stranger.pid!)).toBeDefined();
  expect(existsSync(path)).toBe(false);
});
