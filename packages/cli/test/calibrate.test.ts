import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Calibration, defaultReleasePolicy, type Line, PIPELINE_OUTPUTS } from '@queue-canary/core';
import { SystemClock } from '@queue-canary/engine';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { outcomeMessage } from '../../core/test/outcome-message.ts';
import { randomLines, sequence } from '../../core/test/random-lines.ts';
import { type Clients, createClients } from '../src/clients.ts';
import { local, readEngineFile } from '../src/target.ts';
import { run, type Started, start } from './program.ts';

const MINUTE_MS = 60_000;
const GROUP = '/queue-canary/stable';

/** What the command reads of the stack, and a group for the log; all else of an application is not there. */
const template = {
  Resources: { StableLog: { Type: 'AWS::Logs::LogGroup', Properties: { LogGroupName: GROUP } } },
  Outputs: Object.fromEntries(
    PIPELINE_OUTPUTS.map((name) => [
      name,
      { Value: name === 'StableLogGroupName' ? { Ref: 'StableLog' } : name },
    ]),
  ),
};

let state: string;
let engine: Started;
let policy: string;

beforeAll(async () => {
  state = mkdtempSync(join(tmpdir(), 'queue-canary-calibrate-'));
  policy = join(state, 'policy.json');
  const judge = { warmUpMs: MINUTE_MS, deadlineMs: 10 * MINUTE_MS };
  writeFileSync(policy, JSON.stringify({ ...defaultReleasePolicy, bakeMs: 3 * MINUTE_MS, judge }));
  engine = start(['up', '--state', state, '--port', '0', '--pace', '20']);
  await engine.line(/^ready in/);
  const clients = createClients(local(readEngineFile(state)));
  await deploy(clients);
  const nowMs = new SystemClock().nowMs();
  for (const task of ['a', 'b', 'c']) await log(clients, task, nowMs);
});

afterAll(async () => {
  engine.kill('SIGTERM');
  await engine.finished;
  rmSync(state, { recursive: true, force: true });
});

async function deploy({ cloudformation }: Clients): Promise<void> {
  const StackName = 'QueueCanaryPipeline';
  await cloudformation.createStack({ StackName, TemplateBody: JSON.stringify(template) });
  for (;;) {
    const { Stacks } = await cloudformation.describeStacks({ StackName });
    const status = Stacks?.[0]?.StackStatus;
    if (status === 'CREATE_COMPLETE') return;
    if (status !== 'CREATE_IN_PROGRESS') throw new Error(`the stack is ${status}`);
  }
}

/** Writes what a task of stable reported in the last 40 minutes. */
async function log({ logs }: Clients, task: string, nowMs: number): Promise<void> {
  await logs.createLogStream({ logGroupName: GROUP, logStreamName: task });
  const began = { task, startedAt: nowMs - 60 * MINUTE_MS, untilMs: nowMs + MINUTE_MS };
  const lines: Line[] = [
    ...randomLines({ ...began, perSecond: 2, failing: 0.01 }, sequence(began.task.length)),
  ];
  await logs.putLogEvents({
    logGroupName: GROUP,
    logStreamName: task,
    logEvents: lines
      .filter(({ fromMs, toMs }) => fromMs > nowMs - 40 * MINUTE_MS && toMs <= nowMs)
      .map((line) => ({ timestamp: line.toMs, message: outcomeMessage(line) })),
  });
  // Events can be read some time after they were ingested.
  for (;;) {
    const { events = [] } = await logs.getLogEvents({ logGroupName: GROUP, logStreamName: task });
    if (events.length > 0) return;
  }
}

test('calibrate replays what the log of the local engine holds', async () => {
  const end = await run(['calibrate', '--days', '1', '--policy', policy, '--state', state]);
  expect(end).toMatchObject({ status: 0 });
  expect(end.errors).toMatch(/^target: local engine at/);
  expect(end.errors).toMatch(/read \d+ lines of 1 day\n/);
  expect(end.output).toMatch(/^ {2}a task in mid-life +\d+ +0 /m);
});

test('with --json, standard output is one document', async () => {
  const end = await run(['calibrate', '--days', '1', '--policy', policy, '--state', state, '--json']);
  const { history, outcomes } = JSON.parse(end.output) as Calibration;
  expect(history).toMatchObject({ tasks: 3, tasksKept: 3 });
  expect(outcomes.task).toMatchObject({ failed: 0, releases: expect.any(Number) });
  expect(outcomes.task.releases).toBeGreaterThanOrEqual(6);
});

test('it ends with 1 and says what is missing when there is too little history', async () => {
  const week = join(state, 'week.json');
  writeFileSync(week, JSON.stringify({ ...defaultReleasePolicy, bakeMs: 60 * MINUTE_MS, judge: {} }));
  const end = await run(['calibrate', '--policy', week, '--state', state]);
  expect(end).toMatchObject({ status: 1, output: '' });
  expect(end.errors).toMatch(/error: there is too little history to calibrate: .*wait for \d+ min/);
});
