import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { binOf, lastBin } from '../packages/core/src/judge/histogram.ts';
import { type Line, reportMs, reportsEachSecondMs } from '../packages/core/src/measurement/line.ts';
import { parseLine } from '../packages/core/src/measurement/parse-line.ts';
import { LAST_BIN, binOf as workersBinOf } from '../packages/worker/src/reporting/durations.ts';
import { COUNTERS, Metrics, type MetricsParts } from '../packages/worker/src/reporting/metrics.ts';
import { REPORT_MS, REPORTS_EACH_SECOND_MS } from '../packages/worker/src/reporting/rhythm.ts';
import { World } from '../packages/worker/test/support/world.ts';

// The worker may import nothing of core, so what both must agree on is written twice.

const start = Date.UTC(2026, 0, 1);

function worker(parts: Partial<MetricsParts> = {}) {
  const messages: string[] = [];
  const metrics = new Metrics({
    identity: { app: 'shop', track: 'canary', revision: 'abc', version: '7', taskId: 'a9960714' },
    random: () => 0.5,
    residentBytes: () => 96.44 * 2 ** 20,
    pollingMs: () => 0,
    emit: (message) => messages.push(message),
    ...parts,
  });
  metrics.start(start);
  return { metrics, messages };
}

const nothing: Line = {
  task: 'a9960714',
  track: 'canary',
  revision: 'abc',
  sequence: 0,
  final: false,
  startedAt: start,
  fromMs: start,
  toMs: start + 1_000,
  received: 0,
  finished: 0,
  failed: 0,
  retried: 0,
  retriedFailed: 0,
  deadLettered: 0,
  pollingMs: 0,
  inFlight: 0,
  durations: [],
  memoryMiB: 96.4,
  errors: {},
  types: {},
  counters: {},
};

describe('the judge reads what the worker writes', () => {
  test('of an interval in which nothing happened', () => {
    const { metrics, messages } = worker();
    metrics.flush(start + 1_000, 0);
    expect(messages.map(parseLine)).toEqual([nothing]);
  });

  test('of an interval in which everything did', () => {
    const { metrics, messages } = worker({ pollingMs: () => 310 });
    metrics.flush(start + 1_000, 0);
    for (const [index, counter] of COUNTERS.entries()) metrics.count(counter, 100 - index);
    for (const ms of [0, 1.5, 1.5, 40_000, 1e9]) metrics.duration(ms);
    for (const errorClass of ['RangeError', 'thrown null', '__proto__', 'Timeout']) metrics.error(errorClass);
    for (const failed of [true, false, false]) metrics.type('order', failed);
    metrics.countOwn('shipped', 3);
    metrics.countOwn('balance', -0.5);
    metrics.value('ProcessingTimeMs', 12);
    metrics.loopLag(80);
    metrics.flush(start + 1_500, 7, true);
    const counted = (name: (typeof COUNTERS)[number]) => 100 - COUNTERS.indexOf(name);
    expect(parseLine(messages[1]!)).toEqual({
      ...nothing,
      sequence: 1,
      final: true,
      fromMs: start + 1_000,
      toMs: start + 1_500,
      received: counted('FirstReceived'),
      finished: counted('FirstFinished'),
      failed: counted('FirstFailed'),
      retried: counted('RetriedFinished'),
      retriedFailed: counted('RetriedFailed'),
      deadLettered: counted('DeadLettered'),
      pollingMs: 310,
      inFlight: 7,
      durations: [
        [0, 1],
        [9, 2],
        [244, 1],
        [384, 1],
      ],
      errors: Object.fromEntries([
        ['RangeError', 1],
        ['thrown null', 1],
        ['__proto__', 1],
        ['Timeout', 1],
      ]),
      types: { order: [3, 1] },
      counters: { shipped: 3, balance: -0.5 },
    });
  });

  test('of a worker at work', async () => {
    const world = new World();
    const worker = world.run({
      maxReceiveCount: 2,
      retryFirstSeconds: 1,
      waitSeconds: 1,
      messageType: (body) => body.split(' ')[0],
      handler: async (body, { receiveCount }, { count }) => {
        count('seen');
        if (body === 'order bad' || (body === 'order later' && receiveCount === 1))
          throw new RangeError('no');
      },
    });
    for (const body of ['order fine', 'order bad', 'order later', 'refund']) world.queue.put(body);
    await world.clock.advance(150_000);
    await world.drain(worker);
    const lines = world.log.flatMap((fields) => parseLine(JSON.stringify(fields)) ?? []) as Line[];
    expect(lines).toHaveLength(world.lines().length);
    expect(lines.filter((line) => 'problem' in line)).toEqual([]);
    const sum = (of: (line: Line) => number) => lines.reduce((total, line) => total + of(line), 0);
    expect([sum((line) => line.received), sum((line) => line.finished), sum((line) => line.failed)]).toEqual([
      4, 4, 2,
    ]);
    // What comes again after its last delivery is in this queue, which has no dead-letter queue.
    expect(sum((line) => line.retried)).toBe(sum((line) => line.retriedFailed) + 1);
    expect(sum((line) => line.deadLettered)).toBe(sum((line) => line.retriedFailed));
    expect(sum((line) => line.pollingMs)).toBeGreaterThan(0);
    expect(lines[0]).toMatchObject({ types: { order: [3, 2], refund: [1, 0] }, errors: { RangeError: 2 } });
    expect(lines.at(-1)).toMatchObject({ final: true, inFlight: 0, memoryMiB: 96 });
  });

  test('whatever happens', () => {
    const event = fc.oneof(
      fc.record({ duration: fc.double({ min: 0, max: 1e9 }) }),
      fc.record({ error: fc.string({ maxLength: 100, unit: 'binary' }) }),
      fc.record({ type: fc.string({ maxLength: 100, unit: 'binary' }), failed: fc.boolean() }),
      fc.record({
        counter: fc.stringMatching(/^[A-Za-z0-9 _.:-]{1,3}$/),
        by: fc.double({ noDefaultInfinity: true, noNaN: true }),
      }),
      fc.record({ untilMs: fc.integer({ min: -20_000, max: 200_000 }), inFlight: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const { metrics, messages } = worker();
        for (const one of events) {
          if ('duration' in one) metrics.duration(one.duration);
          else if ('error' in one) metrics.error(one.error);
          else if ('type' in one) metrics.type(one.type, one.failed);
          else if ('untilMs' in one) metrics.flush(start + one.untilMs, one.inFlight);
          else if (Number.isFinite(one.by)) attempt(() => metrics.countOwn(one.counter, one.by));
        }
        metrics.flush(start + 300_000, 0, true);
        const lines = messages.map(parseLine);
        expect(lines.filter((line) => line === undefined || 'problem' in line)).toEqual([]);
        expect(lines.map((line) => (line as Line).sequence)).toEqual(lines.map((_, index) => index));
      }),
    );
  });
});

/** Counters refuse what is too much. */
function attempt(work: () => void): void {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError);
  }
}

describe('worker and judge agree', () => {
  test('on the bins of durations', () => {
    expect(LAST_BIN).toBe(lastBin);
    const durations = fc.oneof(fc.double(), fc.double({ min: 0, max: 1e6 }), fc.nat());
    fc.assert(
      fc.property(durations, (ms) => workersBinOf(ms) === binOf(ms)),
      { numRuns: 5_000 },
    );
  });

  test('on how often a worker reports', () => {
    expect([REPORT_MS, REPORTS_EACH_SECOND_MS]).toEqual([reportMs, reportsEachSecondMs]);
  });
});
