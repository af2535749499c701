import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run, start } from './program.ts';

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'queue-canary-cli-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function engine(state: string, args: readonly string[] = []) {
  const up = start(['up', '--state', state, '--port', '0', ...args]);
  onTestFinished(async () => {
    up.kill('SIGTERM');
    await up.finished;
  });
  await up.line(/^ready in/);
  return up;
}

test('up says where it is and which latencies it divides, and Ctrl-C ends it in order', async () => {
  const state = directory();
  const up = await engine(state, ['--pace', '20']);
  await up.line(/40 s -> 2\.0 s {2}time until a running task/);
  up.kill('SIGINT');
  const end = await up.finished;
  expect(end.status).toBe(0);
  expect(end.errors).toContain('stopped; nothing is left running');
});

test('the credentials are for the owner only and never printed', async () => {
  const state = directory();
  const up = await engine(state);
  const file = join(state, 'engine.json');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(state).mode & 0o077).toBe(0);
  const { secretAccessKey } = JSON.parse(readFileSync(file, 'utf8')) as { secretAccessKey: string };
  up.kill('SIGINT');
  expect((await up.finished).errors).not.toContain(secretAccessKey);
});

test('a taken port and a second engine on one directory are refused with what to do', async () => {
  const state = directory();
  await engine(state);
  const second = await run(['up', '--state', state, '--port', '0']);
  expect(second.status).toBe(1);
  expect(second.errors).toMatch(
    /another engine \(process \d+\) uses .* choose another directory with --state/,
  );
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const taken = await run(['up', '--state', directory(), '--port', String(port)]);
  expect(taken.status).toBe(1);
  expect(taken.errors).toMatch(new RegExp(`port ${port} is taken: .*--port`));
});

test('a state directory keeps its region, and another one is refused', async () => {
  const state = directory();
  const first = await engine(state, ['--region', 'eu-central-1']);
  first.kill('SIGINT');
  await first.finished;
  const other = await run(['up', '--state', state, '--region', 'us-east-1']);
  expect(other.status).toBe(1);
  expect(other.errors).toMatch(/belongs to eu-central-1, not us-east-1: leave out --region/);
  const again = await engine(state);
  expect(await again.line(/^ready in/)).toContain('eu-central-1');
});

test('a stopped engine is never mistaken for AWS', async () => {
  const state = directory();
  const up = await engine(state);
  up.kill('SIGINT');
  await up.finished;
  const status = await run(['release', 'status', '--state', state]);
  expect(status.status).toBe(1);
  expect(status.errors).toMatch(/does not answer .* start it with "queue-canary up .*", or add --aws/);
});

test.each([
  [['approve'], /stack QueueCanaryPipeline does not exist yet: run "queue-canary deploy pipeline" first/],
  [['send'], /stack QueueCanaryPipeline does not exist yet/],
  [['release', 'status'], /stack QueueCanary(Image|Pipeline) does not exist yet/],
  [['logs', 'canary'], /stack QueueCanaryPipeline does not exist yet/],
  [['calibrate'], /stack QueueCanaryPipeline does not exist yet: run "queue-canary deploy pipeline" first/],
  [
    ['deploy', 'pipeline'],
    /stack QueueCanaryImage does not exist yet: run "queue-canary deploy image" first/,
  ],
  [['push', '.'], /stack QueueCanaryImage does not exist yet/],
  [['destroy'], /neither QueueCanaryPipeline nor QueueCanaryImage exists/],
])('before anything is deployed, %s says what to do first', async (args, message) => {
  const state = directory();
  await engine(state);
  const end = await run([...args, '--state', state]);
  expect(end.status).toBe(1);
  expect(end.errors).toMatch(message);
});

test.each([
  [['up', '--pace', '0'], /must be a number from 1 to 1000/],
  [['up', '--region', 'nowhere!!'], /must be the name of a region, such as eu-central-1/],
  [['up', '--port', 'x'], /must be a whole number from 0 to 65535/],
  [['send', '--count', '-1'], /whole number/],
  [['calibrate', '--days', '0'], /must be a whole number from 1 to 20/],
  [['deploy', 'image', '-c', 'nonsense'], /name=value/],
  [['approve', '--app-name', ''], /a letter, then up to 39 letters, digits or -/],
  [['release', 'status', '--state', ''], /must not be empty/],
  [['frobnicate'], /unknown command/],
])('nonsense is refused: %s', async (args, message) => {
  const end = await run(args, { cwd: directory() });
  expect(end.status).toBe(1);
  expect(end.errors).toMatch(message);
});

test.each(['{', '', '{}', 'null', '{"endpoint":"x"}'])(
  'a damaged engine file (%s) is one clear error',
  async (content) => {
    const state = directory();
    writeFileSync(join(state, 'engine.json'), content);
    const end = await run(['env', '--state', state]);
    expect(end.status).toBe(1);
    expect(end.errors).toMatch(
      /engine\.json is not readable .* remove this file .* the state itself is kept/,
    );
  },
);

test.each([['release', 'status'], ['destroy', '--yes'], ['env']])(
  'a state directory that was named and holds no engine is never mistaken for AWS: %s %s',
  async (...args) => {
    const state = join(directory(), 'typo');
    const end = await run([...args, '--state', state], { env: { AWS_REGION: 'eu-central-1' } });
    expect(end.status).toBe(1);
    expect(end.errors).toMatch(/typo holds no local engine: start one with "queue-canary up --state .*typo"/);
  },
);

test('without an engine and without a region, it says how to have either', async () => {
  const end = await run(['release', 'status'], { cwd: directory() });
  expect(end.status).toBe(1);
  expect(end.errors).toMatch(/no local engine here and no AWS region: .*queue-canary up.*AWS_REGION/);
});

test('what a push needs is a directory', async () => {
  const state = directory();
  await engine(state);
  const file = join(directory(), 'worker.ts');
  writeFileSync(file, '');
  const end = await run(['push', file, '--state', state]);
  expect(end.status).toBe(1);
  expect(end.errors).toMatch(/worker\.ts is a file: name the directory of your worker/);
});

test.each([
  [
    'engine.db',
    'not a database'.repeat(100),
    /engine\.db is damaged \(file is not a database\): put back a copy/,
  ],
  ['engine.owner', 'not a database'.repeat(100), /engine\.owner is damaged/],
])('damaged state (%s) is one line that names the file and the way out', async (name, content, message) => {
  const state = directory();
  writeFileSync(join(state, name), content);
  const end = await run(['up', '--state', state, '--port', '0']);
  expect([end.status, end.errors]).toEqual([1, expect.stringMatching(message)]);
  expect(end.errors.trim().split('\n')).toHaveLength(1);
});
