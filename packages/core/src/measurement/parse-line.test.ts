import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Line } from './line.ts';
import { parseLine } from './parse-line.ts';

const at = Date.UTC(2026, 0, 1);

/** A line with all that a worker may write. */
const fields = {
  _aws: { Timestamp: at + 4_999, CloudWatchMetrics: [] },
  QueueCanary: 'outcomes',
  App: 'shop',
  Track: 'canary',
  Revision: 'abc',
  Version: '7',
  TaskId: 'a9960714',
  Sequence: 12,
  Final: false,
  StartedAt: at - 60_000,
  From: at,
  To: at + 5_000,
  Received: 12,
  FirstReceived: 9,
  Succeeded: 8,
  FirstFinished: 7,
  FirstFailed: 2,
  RetriedFinished: 3,
  RetriedFailed: 1,
  DeadLettered: 1,
  PollingMs: 4,
  InFlight: 5,
  LoopLagMs: 1.25,
  MemoryMiB: 96.4,
  ProcessingTimeMs: [12.5],
  Durations: [
    [0, 1],
    [29, 5],
    [384, 1],
  ],
  Errors: { RangeError: 2 },
  Types: { order: [4, 2], refund: [3, 0] },
  Counters: { shipped: 7, balance: -2.5 },
};

const line: Line = {
  task: 'a9960714',
  track: 'canary',
  revision: 'abc',
  sequence: 12,
  final: false,
  startedAt: at - 60_000,
  fromMs: at,
  toMs: at + 5_000,
  received: 9,
  finished: 7,
  failed: 2,
  retried: 3,
  retriedFailed: 1,
  deadLettered: 1,
  pollingMs: 4,
  inFlight: 5,
  durations: [
    [0, 1],
    [29, 5],
    [384, 1],
  ],
  memoryMiB: 96.4,
  errors: { RangeError: 2 },
  types: { order: [4, 2], refund: [3, 0] },
  counters: { shipped: 7, balance: -2.5 },
};

const parsed = (changes: Readonly<Record<string, unknown>> = {}) =>
  parseLine(JSON.stringify({ ...fields, ...changes }));

describe('an outcome line', () => {
  test('is read with all that it says', () => {
    expect(parsed()).toEqual(line);
  });

  test('may lack what would be empty, and what is not read', () => {
    const absent = { Durations: undefined, Errors: undefined, Types: undefined, Counters: undefined };
    const unread = { _aws: undefined, App: undefined, Version: undefined, ProcessingTimeMs: undefined };
    expect(parsed({ ...absent, ...unread, Received: undefined, LoopLagMs: undefined })).toEqual({
      ...line,
      durations: [],
      errors: {},
      types: {},
      counters: {},
    });
  });

  test('may be of any part of an interval of five seconds, and have further fields', () => {
    expect(parsed({ From: at + 4_999, Final: true, Unheard: { of: 1 } })).toMatchObject({
      fromMs: at + 4_999,
      final: true,
    });
  });

  test('may have names that objects have already', () => {
    const message = JSON.stringify({ ...fields, Errors: 0 }).replace(
      '"Errors":0',
      '"Errors":{"__proto__":2}',
    );
    const read = parseLine(message);
    expect(read).toHaveProperty('errors');
    expect(Object.entries((read as Line).errors)).toEqual([['__proto__', 2]]);
  });
});

describe('a line that cannot be judged', () => {
  test.each([
    'TaskId',
    'Track',
    'Revision',
    'Sequence',
    'Final',
    'StartedAt',
    'From',
    'To',
    'FirstReceived',
    'FirstFinished',
    'FirstFailed',
    'RetriedFinished',
    'RetriedFailed',
    'DeadLettered',
    'PollingMs',
    'InFlight',
    'MemoryMiB',
  ])('is one without %s', (name) => {
    expect(parsed({ [name]: undefined })).toEqual({
      problem: expect.stringMatching(new RegExp(`^${name} must be .*, but is missing$`)),
    });
  });

  test.each<[string, unknown]>([
    ['FirstReceived', -1],
    ['FirstFinished', 1.5],
    ['FirstFailed', '1'],
    ['RetriedFinished', null],
    ['RetriedFailed', [1]],
    ['DeadLettered', -0.5],
    ['PollingMs', 2 ** 53],
    ['InFlight', true],
    ['Sequence', -1],
    ['StartedAt', 1.5],
    ['From', -5],
    ['MemoryMiB', -1],
    ['MemoryMiB', '96'],
    ['TaskId', ''],
    ['TaskId', 7],
    ['Revision', {}],
    ['Track', 'blue'],
    ['Final', 0],
    ['Durations', {}],
    ['Durations', [[1]]],
    ['Durations', [[1, 2, 3]]],
    ['Durations', [[1, 0]]],
    ['Durations', [[-1, 1]]],
    ['Durations', [[385, 1]]],
    ['Durations', [[1.5, 1]]],
    ['Durations', [7]],
    [
      'Durations',
      [
        [2, 1],
        [2, 1],
      ],
    ],
    [
      'Durations',
      [
        [3, 1],
        [2, 1],
      ],
    ],
    ['Errors', []],
    ['Errors', { RangeError: -1 }],
    ['Errors', { RangeError: 1.5 }],
    ['Types', { order: 1 }],
    ['Types', { order: [1, 2] }],
    ['Types', { order: [1] }],
    ['Types', { order: [1, -1] }],
    ['Counters', { shipped: null }],
    ['Counters', 'none'],
  ])('is one whose %s is %j', (name, value) => {
    const problem = `, not ${JSON.stringify(value)}`;
    expect(parsed({ [name]: value })).toEqual({ problem: expect.stringContaining(problem) });
    expect(parsed({ [name]: value })).toEqual({ problem: expect.stringMatching(new RegExp(`^${name} `)) });
  });

  test.each([
    [at, at],
    [at + 1_000, at],
    [at - 1, at + 1],
    [at, at + 5_001],
  ])('is one that is not of a part of one interval, but from %d to %d', (From, To) => {
    expect(parsed({ From, To })).toEqual({
      problem: expect.stringMatching(/^From and To must lie within one/),
    });
  });

  test('is one in which more failed than finished', () => {
    expect(parsed({ FirstFailed: 8 })).toEqual({
      problem: 'FirstFailed must not be more than FirstFinished, not 8 of 7',
    });
    expect(parsed({ RetriedFailed: 4 })).toEqual({
      problem: 'RetriedFailed must not be more than RetriedFinished, not 4 of 3',
    });
  });

  test('is said in few words, however long it is', () => {
    const { problem } = parsed({ Counters: Array.from({ length: 10_000 }, () => 1) }) as { problem: string };
    expect(problem.length).toBeLessThan(200);
  });
});

test.each([
  '',
  'plain text',
  '{"_aws":{"Timest',
  'null',
  '7',
  '"outcomes"',
  '[{"QueueCanary":"outcomes"}]',
  '{}',
  '{"event":"message failed"}',
  '{"QueueCanary":"something else"}',
  '{"QueueCanary":{"outcomes":1}}',
])('"%s" is no outcome line', (message) => {
  expect(parseLine(message)).toBeUndefined();
});

test('never throws, and what it reads can be judged', () => {
  const names = fc.constantFrom(...Object.keys(fields));
  fc.assert(
    fc.property(fc.array(fc.tuple(names, fc.jsonValue()), { maxLength: 3 }), (changes) => {
      const read = parsed(Object.fromEntries(changes));
      if (read === undefined) {
        expect(changes.some(([name]) => name === 'QueueCanary')).toBe(true);
      } else if (!('problem' in read)) {
        expect(read.failed).toBeLessThanOrEqual(read.finished);
        expect(read.retriedFailed).toBeLessThanOrEqual(read.retried);
        expect(read.fromMs).toBeLessThan(read.toMs);
      }
    }),
    { numRuns: 1_000 },
  );
});
