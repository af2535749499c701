import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { SystemClock } from '../src/index.ts';
import { QueueModel } from './support/queue-model.ts';
import { QueueServer } from './support/queue-server.ts';

const closing: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const program = fileURLToPath(new URL('support/worker-program.ts', import.meta.url));

/** The queue's own time, which a test may move on: leases lapse without waiting for them. */
class SkippingClock extends SystemClock {
  #skippedMs = 0;

  override nowMs(): number {
    return super.nowMs() + this.#skippedMs;
  }

  skip(ms: number): void {
    this.#skippedMs += ms;
  }
}

class Program {
  readonly child: ChildProcess;
  readonly said: string[] = [];
  output = '';
  readonly #exit: Promise<unknown[]>;

  constructor(environment: Record<string, string>) {
    const { PATH = '' } = process.env;
    this.child = fork(program, {
      env: { PATH, ...environment },
      execArgv: ['--conditions=@queue-canary/source'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#exit = once(this.child, 'exit');
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString('utf8');
      });
    }
    this.child.on('message', (line) => this.said.push(String(line)));
    closing.push(() => this.child.kill('SIGKILL'));
  }

  async until(line: string): Promise<void> {
    while (!this.said.includes(line)) await once(this.child, 'message');
  }

  async untilLogged(text: string): Promise<void> {
    while (!this.output.includes(text)) await once(this.child.stdout!, 'data');
  }

  async exit(): Promise<{ code: unknown; signal: unknown }> {
    const [code, signal] = await this.#exit;
    return { code, signal };
  }

  /** The outcome lines that it has written. */
  lines(): Record<string, unknown>[] {
    return this.output
      .split('\n')
      .filter((line) => line.includes('"QueueCanary":"outcomes"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  total(metric: string): number {
    return this.lines().reduce((sum, line) => sum + Number(line[metric] ?? 0), 0);
  }
}

async function setUp() {
  const clock = new SkippingClock();
  const queue = new QueueModel(clock);
  const server = await QueueServer.start(queue);
  closing.push(() => server.close());
  const environment = {
    QUEUE_URL: queue.url,
    QC_APP: 'shop',
    QC_TRACK: 'canary',
    QC_REVISION: 'abc',
    AWS_ENDPOINT_URL: server.endpoint,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'AKID',
    AWS_SECRET_ACCESS_KEY: 'secret',
  };
  const start = (extra: Record<string, string> = {}) => new Program({ ...environment, ...extra });
  return { clock, queue, server, start };
}

test('SIGTERM lets the handler finish, deletes, flushes metrics and exits with 0; a second one changes nothing', async () => {
  const { queue, start } = await setUp();
  const worker = start();
  queue.put('slow');
  await worker.until('begin slow');
  worker.child.kill('SIGTERM');
  await worker.untilLogged('"draining"');
  worker.child.kill('SIGTERM');
  worker.child.send('slow');
  expect(await worker.exit()).toEqual({ code: 0, signal: null });
  expect(queue.undeleted).toEqual([]);
  expect(worker.total('Succeeded')).toBe(1);
  expect(worker.said).toEqual(['begin slow', 'done slow']);
  const last = worker.lines().at(-1);
  expect(last).toMatchObject({ Final: true, TaskId: expect.stringMatching(/^worker-[0-9a-f]{16}$/) });
  // Node itself needs more than this, and no program of ours needs this much.
  expect(last!.MemoryMiB).toBeGreaterThan(20);
  expect(last!.MemoryMiB).toBeLessThan(2_000);
});

test('the limit of receives comes from the environment, and makes the last delivery a dead letter', async () => {
  const { queue, start } = await setUp();
  const worker = start({ MAX_RECEIVE_COUNT: '1' });
  queue.put('slow bad');
  await worker.until('begin slow bad');
  worker.child.kill('SIGTERM');
  // It must not fail before: this queue would deliver it again, and the worker would take it again.
  await worker.untilLogged('"draining"');
  worker.child.send('slow bad');
  expect(await worker.exit()).toEqual({ code: 0, signal: null });
  expect([worker.total('FirstFailed'), worker.total('DeadLettered')]).toEqual([1, 1]);
});

test('a limit of receives that is no number is refused', async () => {
  const { start } = await setUp();
  const worker = start({ MAX_RECEIVE_COUNT: 'three' });
  expect(await worker.exit()).toEqual({ code: 1, signal: null });
  expect(worker.output).toContain(
    'The worker cannot start: MAX_RECEIVE_COUNT must be a whole number, not "three".',
  );
});

test('SIGTERM in the delete flush: a delete that is on its way is waited for', async () => {
  const { queue, server, start } = await setUp();
  const worker = start();
  let signalled = false;
  server.beforeReply = (operation) => {
    if (operation === 'DeleteMessageBatch' && !signalled) {
      signalled = true;
      worker.child.kill('SIGTERM');
    }
    return true;
  };
  queue.put('a');
  expect(await worker.exit()).toEqual({ code: 0, signal: null });
  expect(queue.undeleted).toEqual([]);
  expect(worker.total('Succeeded')).toBe(1);
});

test('SIGTERM while idle exits with 0 once the open poll has returned', async () => {
  const { queue, server, start } = await setUp();
  const worker = start();
  await expect.poll(() => queue.openPolls, { interval: 5, timeout: 20_000 }).toBe(1);
  worker.child.kill('SIGTERM');
  expect(await worker.exit()).toEqual({ code: 0, signal: null });
  expect(queue.openPolls).toBe(0);
  expect(server.requests.every(({ operation }) => operation === 'ReceiveMessage')).toBe(true);
});

test('a handler that ignores its signal does not keep the task beyond its stop timeout', async () => {
  const { queue, start } = await setUp();
  const worker = start({ STOP_TIMEOUT_MS: '1500' });
  queue.put('slow');
  await worker.until('begin slow');
  worker.child.kill('SIGTERM');
  expect(await worker.exit()).toEqual({ code: 0, signal: null });
  expect(queue.visible).toEqual([]);
  expect(worker.output).toContain('LeftOnDrain');
});

test.each([
  ['before its side effect', 'begin slow', ['begin slow', 'done slow'], 'done slow'],
  ['after its side effect', 'done quick', ['begin quick', 'done quick'], 'done quick'],
])(
  'SIGKILL %s loses nothing: the next worker does what was in flight',
  async (_when, line, expected, last) => {
    const { clock, queue, start } = await setUp();
    // The delete lingers, so that the kill comes between the side effect and the delete.
    const first = start({ LINGER_MS: '10000' });
    const body = line.split(' ')[1]!;
    queue.put(body);
    await first.until(line);
    first.child.kill('SIGKILL');
    expect(await first.exit()).toEqual({ code: null, signal: 'SIGKILL' });
    expect(queue.undeleted).toHaveLength(1);
    clock.skip(30_000);
    const second = start();
    second.child.on('message', (said) => said === 'begin slow' && second.child.send('slow'));
    await second.until(last);
    second.child.kill('SIGTERM');
    expect(await second.exit()).toEqual({ code: 0, signal: null });
    expect(second.said).toEqual(expected);
    expect(queue.undeleted).toEqual([]);
    expect(queue.messages[0]?.receiveCount).toBe(2);
  },
);

test('a program without its environment says what is missing and exits with 1', async () => {
  const worker = new Program({ QUEUE_URL: 'https://sqs.eu-west-1.amazonaws.com/1/q', QC_APP: 'shop' });
  expect(await worker.exit()).toEqual({ code: 1, signal: null });
  expect(worker.output).toContain('The worker cannot start: QC_TRACK is not set, QC_REVISION is not set.');
});
