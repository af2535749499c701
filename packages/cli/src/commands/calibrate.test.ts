import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FilteredLogEvent } from '@aws-sdk/client-cloudwatch-logs';
import {
  type Calibration,
  CONTROLLER_VARIABLES,
  defaultReleasePolicy,
  environmentOf,
  type JudgePolicy,
  type Line,
  PIPELINE_OUTPUTS,
} from '@queue-canary/core';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { outcomeMessage } from '../../../core/test/outcome-message.ts';
import { randomLines, sequence } from '../../../core/test/random-lines.ts';
import { createClients } from '../clients.ts';
import type { Context } from '../context.ts';
import { local } from '../target.ts';
import { calibrateHistory } from './calibrate.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const NOW = 1_800_000_000_000;

/** A judge that needs little time. */
const judge = { warmUpMs: 60_000, deadlineMs: 600_000 };
const policy = { ...defaultReleasePolicy, bakeMs: 180_000, judge };

const target = local({
  endpoint: 'http://127.0.0.1:1',
  region: 'us-east-1',
  accountId: '123456789012',
  accessKeyId: 'AKIA',
  secretAccessKey: 'secret',
  state: '/nowhere',
});
const clients = createClients(target);

interface Run {
  /** What the log holds. */
  readonly events?: readonly FilteredLogEvent[];
  /** QC_POLICY of the deployed controller. */
  readonly deployed?: object;
  readonly days?: number;
  readonly policyFile?: unknown;
  readonly json?: boolean;
  readonly interruptAt?: 'reading' | 'replaying';
}

/** An hour of three tasks of stable that are alike, until shortly before now. */
const lines = ['a', 'b', 'c'].flatMap((task, index) => [
  ...randomLines(
    { task, startedAt: NOW - 2 * HOUR_MS, untilMs: NOW + HOUR_MS, perSecond: 2, failing: 0.01 },
    sequence(index),
  ),
]);
const hour = eventsOf(lines);

/** What the log holds of lines of the last hour. */
function eventsOf(written: readonly Line[]): FilteredLogEvent[] {
  return written
    .filter(({ fromMs, toMs }) => fromMs >= NOW - HOUR_MS && toMs <= NOW)
    .map((line) => ({ timestamp: line.toMs - 1, message: outcomeMessage(line) }));
}

const pageSize = 500;
const asked: { startTime: number; endTime: number }[] = [];

/** Runs the command against a log, and returns what it printed and told. */
async function calibrate({ events = hour, deployed = policy, days = 1, ...options }: Run = {}) {
  asked.length = 0;
  const interrupt = new AbortController();
  vi.spyOn(clients.cloudformation, 'describeStacks').mockImplementation(async () => ({
    $metadata: {},
    Stacks: [
      {
        StackName: 'QueueCanaryPipeline',
        CreationTime: new Date(0),
        StackStatus: 'CREATE_COMPLETE',
        Outputs: PIPELINE_OUTPUTS.map((OutputKey) => ({ OutputKey, OutputValue: OutputKey })),
      },
    ],
  }));
  vi.spyOn(clients.lambda, 'getFunctionConfiguration').mockImplementation(async () => ({
    $metadata: {},
    Environment: {
      Variables: environmentOf(CONTROLLER_VARIABLES, {
        // Which resources they are does not matter here.
        ...Object.fromEntries(Object.keys(CONTROLLER_VARIABLES).map((key) => [key, '1'])),
        policy: JSON.stringify(deployed),
      }),
    },
  }));
  vi.spyOn(clients.logs, 'filterLogEvents').mockImplementation(async (input) => {
    const { logGroupName, startTime = 0, endTime = 0, nextToken = '0' } = input;
    expect(logGroupName).toBe('StableLogGroupName');
    asked.push({ startTime, endTime });
    if (options.interruptAt === 'reading') {
      interrupt.abort();
      throw new Error('Request aborted');
    }
    const found = events.filter(({ timestamp = 0 }) => timestamp >= startTime && timestamp <= endTime);
    const from = Number(nextToken);
    const page = { $metadata: {}, events: found.slice(from, from + pageSize) };
    return from + pageSize < found.length ? { ...page, nextToken: String(from + pageSize) } : page;
  });
  const printed: string[] = [];
  const told: string[] = [];
  const context: Context = {
    target,
    clients,
    app: 'QueueCanary',
    clock: { nowMs: () => NOW, uptimeMs: () => NOW, setTimer: () => ({ cancel: () => undefined }) },
    terminal: {
      interactive: false,
      style: (_tone, text) => text,
      line: (text = '') => {
        told.push(text);
        if (options.interruptAt === 'replaying' && text.startsWith('replaying')) interrupt.abort();
      },
      live: () => undefined,
    },
    print: (text) => printed.push(text),
    environment: {},
    signal: interrupt.signal,
  };
  const file = options.policyFile === undefined ? {} : { policy: fileOf(options.policyFile) };
  await calibrateHistory(context, { days, ...file, ...(options.json && { json: true }) });
  return { printed, told };
}

function fileOf(content: unknown): string {
  const directory = mkdtempSync(join(tmpdir(), 'queue-canary-calibrate-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'policy.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

/** The result as other programs read it. */
async function document(
  run: Run = {},
): Promise<Calibration & { policy: JudgePolicy; unreadableLines: number }> {
  const { printed } = await calibrate({ ...run, json: true });
  return JSON.parse(printed.join('\n'));
}

beforeEach(() => {
  vi.restoreAllMocks();
});

describe('calibrate', () => {
  test('reads page after page and day after day, and prints a report', async () => {
    const { printed, told } = await calibrate({ days: 2 });
    expect(asked.map(({ startTime }) => startTime)).toEqual([
      NOW - 2 * DAY_MS,
      ...Array.from({ length: Math.ceil(hour.length / pageSize) }, () => NOW - DAY_MS),
    ]);
    expect(asked[0]!.endTime).toBe(NOW - DAY_MS - 1);
    expect(told).toContain(`read day 1 of 2: 0 lines so far`);
    expect(told).toContain(`read ${hour.length} lines of 2 days`);
    expect(told).toContain('replayed 15 releases');
    const report = printed.join('\n');
    expect(report).toMatch(/a task in mid-life +15 +0 /);
    expect(report).toContain('Wait for');
    expect(report).not.toContain('--days');
    for (const line of printed) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('prints JSON with the policy that it judged by', async () => {
    const result = await document();
    expect(result).toMatchObject({
      policy: { ...judge, bakeMsMin: 180_000 },
      outcomes: { together: { releases: 15, failed: 0 } },
      history: { lines: hour.length, tasks: 3 },
      unreadableLines: 0,
    });
  });

  test('tries settings of the judge that differ from the deployed ones', async () => {
    const { policy: used } = await document({ policyFile: { taskSpread: 0.4, slower: 1 } });
    expect(used).toMatchObject({ ...judge, bakeMsMin: 180_000, taskSpread: 0.4, slower: 1 });
  });

  test('tries a release policy as a whole, whatever is deployed', async () => {
    const policyFile = { bakeMs: 240_000, judge: { warmUpMs: 120_000, deadlineMs: 900_000 } };
    const { policy: used } = await document({ policyFile, deployed: { nonsense: true } });
    expect(used).toMatchObject({ bakeMsMin: 240_000, warmUpMs: 120_000, deadlineMs: 900_000 });
    expect(clients.lambda.getFunctionConfiguration).not.toHaveBeenCalled();
  });

  test('accepts as a policy what it recommended', async () => {
    const slow = lines.map((line) => {
      const durations = line.durations.map(([bin, count]) => [bin + 12, count] as const);
      return line.task === 'b' ? { ...line, durations } : line;
    });
    const events = eventsOf(slow);
    const before = await document({ events });
    expect(before.outcomes.together.failed).toBeGreaterThan(0);
    const after = await document({ events, policyFile: before.recommended!.policy });
    expect(after.outcomes.together.failed).toBe(before.recommended!.failed.stillFailed);
  });

  test('counts outcome lines that it cannot read, and leaves other lines alone', async () => {
    const odd = [
      { timestamp: NOW - 1, message: 'a line of something else' },
      { timestamp: NOW - 1, message: JSON.stringify({ QueueCanary: 'outcomes', TaskId: 'a' }) },
    ];
    const { told } = await calibrate({ events: [...hour, ...odd] });
    expect(told.join('\n')).toMatch(/^an outcome line cannot be read and is left out \(From must be/m);
    expect(await document({ events: [...hour, ...odd] })).toMatchObject({ unreadableLines: 1 });
  });

  test.each<readonly [string, Run, RegExp]>([
    [
      'there is too little',
      { events: hour.filter(({ timestamp = 0 }) => timestamp > NOW - 720_000) },
      /too little history to calibrate: .* wait for/,
    ],
    ['there is nothing', { events: [] }, /holds no outcome lines of stable's tasks/],
    ['the file is no JSON', { policyFile: '{' }, /policy\.json cannot be read as JSON/],
    ['the file holds no object', { policyFile: [] }, /must hold a JSON object/],
    ['a setting is unknown', { policyFile: { spread: 1 } }, /"spread" is not a setting of the judge/],
    ['a value is impossible', { policyFile: { bakeMs: -1 } }, /is not a valid policy: "bakeMs" must be/],
    ['Ctrl-C was pressed while it read', { interruptAt: 'reading' }, /^interrupted; nothing was changed$/],
    ['Ctrl-C was pressed while it replayed', { interruptAt: 'replaying' }, /^interrupted; nothing/],
  ])('says so when %s', async (_what, options, message) => {
    await expect(calibrate(options)).rejects.toThrow(message);
  });
});
