import { CloudWatchLogs, type FilterLogEventsCommandInput } from '@aws-sdk/client-cloudwatch-logs';
import { failedBeforeMs, failureLinePattern, type Line, startsMs } from '@queue-canary/core';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../engine/src/clock/virtual-clock.ts';
import { testEngine } from '../../engine/test/harness.ts';
import { Metrics } from '../../worker/src/reporting/metrics.ts';
import { LogReader } from '../src/gateways/log-reader.ts';
import { AwsOutcomeGateway } from '../src/gateways/outcomes.ts';
import type { Outcomes } from '../src/gateways.ts';

const releaseMs = Date.UTC(2026, 0, 20, 12);
const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const logs = {
  canary: { group: 'canary-log', streamPrefix: 'worker/worker/' },
  stable: { group: 'stable-log', streamPrefix: 'worker/worker/' },
};

type Fault = (
  call: FilterLogEventsCommandInput,
) => { readonly code: string; readonly message: string } | undefined;

interface LogEvent {
  readonly timestamp: number;
  readonly message: string;
}

/** A worker that writes its lines as the real one does, every five seconds. */
class Worker {
  readonly track: 'canary' | 'stable';
  readonly id: string;
  readonly startedAtMs: number;
  readonly #metrics: Metrics;
  readonly #written: string[] = [];
  #atMs: number;

  constructor(track: 'canary' | 'stable', id: string, startedAtMs: number) {
    this.track = track;
    this.id = id;
    this.startedAtMs = startedAtMs;
    this.#atMs = startedAtMs;
    this.#metrics = new Metrics({
      identity: { app: 'shop', track, revision: 'r1', taskId: id },
      random: () => 0.5,
      residentBytes: () => 50 * 2 ** 20,
      pollingMs: () => 0,
      emit: (line) => this.#written.push(line),
    });
    this.#metrics.start(startedAtMs);
  }

  /** The lines until an instant, each logged a moment after its interval. In the intervals that end at `failing` one fails. */
  until(ms: number, delayMs = 5, failing: readonly number[] = []): LogEvent[] {
    const events: LogEvent[] = [];
    while (this.#atMs + 5 * second <= ms) {
      this.#atMs += 5 * second;
      this.#metrics.count('Received');
      if (failing.includes(this.#atMs)) {
        this.#metrics.count('FirstFinished');
        this.#metrics.count('FirstFailed');
      }
      this.#metrics.flush(this.#atMs, 1);
      events.push({ timestamp: this.#atMs + delayMs, message: this.#written.pop() ?? '' });
    }
    return events;
  }
}

/** The real engine with both log groups, a gateway to it, and what that asks for. */
async function world() {
  const clock = new VirtualClock(releaseMs + 2 * hour);
  const engine = await testEngine({ clock });
  const owner = new CloudWatchLogs(engine.client);
  for (const { group } of Object.values(logs)) await owner.createLogGroup({ logGroupName: group });
  const asked: FilterLogEventsCommandInput[] = [];
  let fault: Fault = () => undefined;
  const client = new CloudWatchLogs(engine.client);
  client.middlewareStack.add(
    (next) => async (args) => {
      const input = args.input as FilterLogEventsCommandInput;
      asked.push(input);
      // Time passes between calls, or the account would be throttled.
      await clock.advanceBy(1_000);
      const error = fault(input);
      if (error !== undefined) throw Object.assign(new Error(error.message), { name: error.code });
      return next(args);
    },
    { step: 'initialize' },
  );
  const gateway = new AwsOutcomeGateway(new LogReader(client));
  const streams = new Set<string>();
  return {
    owner,
    clock,
    asked,
    /** What the calls fail with from now on. */
    fail: (how: Fault) => {
      fault = how;
    },
    /** Logs in a stream that exists; it can be read some time later. */
    async put({ track, id }: Pick<Worker, 'track' | 'id'>, logEvents: LogEvent[]): Promise<void> {
      const { group: logGroupName, streamPrefix } = logs[track];
      await owner.putLogEvents({ logGroupName, logStreamName: streamPrefix + id, logEvents });
    },
    async log({ track, id }: Pick<Worker, 'track' | 'id'>, logEvents: LogEvent[]): Promise<void> {
      const { group: logGroupName, streamPrefix } = logs[track];
      const logStreamName = streamPrefix + id;
      if (!streams.has(logStreamName)) await owner.createLogStream({ logGroupName, logStreamName });
      streams.add(logStreamName);
      await owner.putLogEvents({ logGroupName, logStreamName, logEvents });
      // By then it can be read.
      await clock.advanceBy(15 * second);
    },
    async look(nowMs: number, stableTasks?: readonly string[], fromMs = releaseMs): Promise<Outcomes> {
      asked.length = 0;
      return gateway.read({ fromMs, nowMs, logs, ...(stableTasks && { stableTasks }) });
    },
    /** A look after stable's deployment has begun. */
    async lookAfter(promotedAt: number): Promise<Outcomes> {
      asked.length = 0;
      return gateway.read({ fromMs: releaseMs, nowMs: promotedAt + minute, logs, promotedAt });
    },
  };
}

/** When the intervals of lines began, in seconds since the release. */
const secondsOf = (lines: readonly Line[]) => lines.map(({ fromMs }) => (fromMs - releaseMs) / second);
const span = (from: number, to: number) =>
  Array.from({ length: (to - from) / 5 }, (_, index) => from + 5 * index);

describe('the lines of a release', () => {
  test('are those of both tracks from ten minutes before it on', async () => {
    const { log, look } = await world();
    const [canary, stable] = [
      new Worker('canary', 'c1', releaseMs - 15 * minute),
      new Worker('stable', 's1', releaseMs - 20 * minute),
    ];
    await log(canary, canary.until(releaseMs + minute));
    await log(stable, stable.until(releaseMs + minute));
    const outcomes = await look(releaseMs + minute);
    expect(secondsOf(outcomes.canary)).toEqual(span(-600, 60));
    expect(secondsOf(outcomes.stable)).toEqual(span(-600, 60));
    expect(outcomes.canary[0]).toMatchObject({
      task: 'c1',
      track: 'canary',
      revision: 'r1',
      sequence: 60,
      startedAt: releaseMs - 15 * minute,
      inFlight: 1,
    });
    expect(outcomes).not.toHaveProperty('problems');
  });

  test('stand among whatever else a container logs', async () => {
    const { log, look } = await world();
    const canary = new Worker('canary', 'c1', releaseMs);
    await log(canary, [
      { timestamp: releaseMs, message: 'starting' },
      { timestamp: releaseMs, message: '{"level":"info","QueueCanary":"hello"}' },
      ...canary.until(releaseMs + 10 * second),
    ]);
    expect(secondsOf((await look(releaseMs + minute)).canary)).toEqual([0, 5]);
  });

  test('of one track only are taken where both share a log', async () => {
    const { log, look } = await world();
    const canary = new Worker('canary', 'c1', releaseMs);
    await log({ track: 'stable', id: 'c1' }, canary.until(releaseMs + 10 * second));
    expect((await look(releaseMs + minute)).stable).toEqual([]);
  });

  test('are read on every page', async () => {
    const { log, look, asked } = await world();
    for (let task = 0; task < 20; task += 1) {
      const stable = new Worker('stable', `s${task}`, releaseMs - 10 * minute);
      await log(stable, stable.until(releaseMs));
    }
    expect((await look(releaseMs)).stable).toHaveLength(2_400);
    expect(asked.some(({ nextToken }) => nextToken !== undefined)).toBe(true);
  });

  test('are none where nobody has reported', async () => {
    const { look } = await world();
    expect(await look(releaseMs)).toEqual({ canary: [], stable: [], starts: [] });
  });
});

describe('a second look', () => {
  test('asks for what is new and for what may have been late, and keeps the rest', async () => {
    const { log, look, asked } = await world();
    const canary = new Worker('canary', 'c1', releaseMs);
    await log(canary, canary.until(releaseMs + 5 * minute, 7));
    const since = async (nowMs: number) => {
      const outcomes = await look(nowMs);
      const { startTime = 0 } = asked.find(({ logGroupName }) => logGroupName === 'canary-log') ?? {};
      return { canary: secondsOf(outcomes.canary), askedFrom: startTime - releaseMs };
    };
    expect(await since(releaseMs + 6 * minute)).toEqual({ canary: span(0, 300), askedFrom: -10 * minute });
    await log(canary, canary.until(releaseMs + 6 * minute, 7));
    expect(await since(releaseMs + 7 * minute)).toEqual({
      canary: span(0, 360),
      askedFrom: 3 * minute + 7,
    });
    expect(await since(releaseMs + 7 * minute)).toEqual({
      canary: span(0, 360),
      askedFrom: 4 * minute + 7,
    });
  });

  test('finds lines that came late and out of order, and takes one that came twice once', async () => {
    const { log, look } = await world();
    const [first, other] = [new Worker('canary', 'c1', releaseMs), new Worker('canary', 'c2', releaseMs)];
    const late = other.until(releaseMs + 3 * minute);
    const early = late.splice(0, 30);
    await log(first, first.until(releaseMs + 3 * minute));
    await log(other, early);
    await look(releaseMs + 3 * minute);
    await log(other, late);
    await log(other, late);
    const { canary } = await look(releaseMs + 3 * minute);
    expect(canary.filter(({ task }) => task === 'c2').map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 36 }, (_, index) => index),
    );
  });

  test('knows when a line was ingested, and for how long one was there that could not be read', async () => {
    const { log, look, clock, put } = await world();
    const canary = new Worker('canary', 'c1', clock.nowMs());
    await log(canary, canary.until(clock.nowMs() + 5 * second));
    await look(clock.nowMs(), undefined, canary.startedAtMs);
    const ingestedAt = clock.nowMs();
    await put(canary, canary.until(clock.nowMs() + 5 * second));
    await clock.advanceBy(1);
    const hidden = (await look(clock.nowMs(), undefined, canary.startedAtMs)).canary.length === 1;
    await clock.advanceBy(15 * second);
    const { canary: lines, unreadableMs } = await look(clock.nowMs(), undefined, canary.startedAtMs);
    expect(lines.at(-1)).toMatchObject({ ingestedAt });
    expect(unreadableMs).toBe(hidden ? 1 : 0);
  });

  test('distinguishes a container that was started again in its task from lines that came twice', async () => {
    const { log, look } = await world();
    const first = new Worker('canary', 'c1', releaseMs);
    await log(first, first.until(releaseMs + minute));
    const again = new Worker('canary', 'c1', releaseMs + minute);
    await log(first, again.until(releaseMs + 2 * minute));
    expect(secondsOf((await look(releaseMs + 2 * minute)).canary)).toEqual(span(0, 120));
  });

  test('does not skip the others for a task whose clock is ahead', async () => {
    const { log, look } = await world();
    const [canary, ahead] = [new Worker('canary', 'c1', releaseMs), new Worker('canary', 'c2', releaseMs)];
    await log(ahead, ahead.until(releaseMs + 10 * second, hour));
    await look(releaseMs + 30 * second);
    await log(canary, canary.until(releaseMs + 30 * second));
    const { canary: lines } = await look(releaseMs + 30 * second);
    expect(secondsOf(lines.filter(({ task }) => task === 'c1'))).toEqual(span(0, 30));
  });

  test('of another release begins afresh', async () => {
    const { log, look, asked } = await world();
    const canary = new Worker('canary', 'c1', releaseMs);
    await log(canary, canary.until(releaseMs + 5 * minute));
    await look(releaseMs + 5 * minute);
    const later = await look(releaseMs + 5 * minute, undefined, releaseMs + 4 * minute);
    expect(secondsOf(later.canary)).toEqual(span(0, 300));
    expect(asked.map(({ startTime }) => (startTime ?? 0) - releaseMs)).toEqual([-6 * minute, -6 * minute]);
  });
});

describe('what cannot be read', () => {
  test('fails the look, and the next one asks for all of it again', async () => {
    const { log, look, fail } = await world();
    for (let index = 0; index < 6; index += 1) {
      const task = new Worker('stable', `s${index}`, releaseMs);
      await log(task, task.until(releaseMs + 20 * minute));
    }
    fail(({ nextToken }) =>
      nextToken === undefined ? undefined : { code: 'ThrottlingException', message: 'Rate exceeded' },
    );
    await expect(look(releaseMs + 21 * minute)).rejects.toThrow(
      'log group stable-log cannot be read (Rate exceeded); the next look asks again',
    );
    fail(() => undefined);
    expect((await look(releaseMs + 21 * minute)).stable).toHaveLength(6 * 240);
  });

  test('is told with what to do where the role may not, or there is no such log', async () => {
    const { look, fail, owner } = await world();
    fail(({ logGroupName }) =>
      logGroupName === 'canary-log'
        ? { code: 'AccessDeniedException', message: 'not authorized' }
        : undefined,
    );
    await expect(look(releaseMs)).rejects.toThrow(
      'not authorized; allow logs:FilterLogEvents on log group canary-log, for the controller by deploying the pipeline stack again',
    );
    fail(() => undefined);
    await owner.deleteLogGroup({ logGroupName: 'canary-log' });
    await expect(look(releaseMs)).rejects.toThrow(
      'there is no log group canary-log; deploy the pipeline stack',
    );
  });

  test('of single lines is counted once each, and said', async () => {
    const { log, look } = await world();
    const canary = new Worker('canary', 'c1', releaseMs);
    const broken = (timestamp: number) => ({
      timestamp,
      message: '{"QueueCanary":"outcomes","Track":"canary"}',
    });
    await log(canary, [broken(releaseMs), ...canary.until(releaseMs + 10 * second)]);
    const { problems } = await look(releaseMs + minute);
    expect(problems).toEqual([
      expect.stringMatching(
        /^an outcome line of canary cannot be read, so what they report is missing \(.+\); deploy/,
      ),
    ]);
    await log({ track: 'stable', id: 's1' }, [broken(releaseMs - minute)]);
    await log(canary, [broken(releaseMs + 20 * second)]);
    const again = await look(releaseMs + minute);
    expect(again.problems).toEqual([
      expect.stringMatching(/^2 outcome lines of canary cannot be read/),
      expect.stringMatching(/^an outcome line of stable cannot be read/),
    ]);
    expect(again.canary).toHaveLength(2);
  });
});

describe('a sample of stable', () => {
  const namesIn = (asked: readonly FilterLogEventsCommandInput[]) =>
    asked.flatMap(({ logStreamNames }) => (logStreamNames === undefined ? [] : [logStreamNames.length]));

  test('is read by the streams of its tasks, a hundred at a time', async () => {
    const { log, look, asked } = await world();
    const ids = Array.from({ length: 120 }, (_, index) => `s${index}`);
    for (const id of ids) {
      const task = new Worker('stable', id, releaseMs - minute);
      await log(task, task.until(releaseMs - minute + 5 * second));
    }
    const other = new Worker('stable', 'other', releaseMs);
    await log(other, other.until(releaseMs + minute));
    const { stable } = await look(releaseMs + minute, ids);
    expect(new Set(stable.map(({ task }) => task))).toEqual(new Set(ids));
    expect(namesIn(asked)).toEqual([100, 20]);
  });

  test('waits for streams that do not exist yet, and reads the others meanwhile', async () => {
    const { log, look } = await world();
    const ids = Array.from({ length: 7 }, (_, index) => `s${index}`);
    const tasks = ids.map((id) => new Worker('stable', id, releaseMs));
    const [late, latest, ...others] = tasks;
    for (const task of others) await log(task, task.until(releaseMs + minute));
    const reported = (lines: readonly Line[]) => new Set(lines.map(({ task }) => task));
    expect(reported((await look(releaseMs + minute, ids)).stable)).toEqual(new Set(ids.slice(2)));
    await log(late!, late!.until(releaseMs + minute));
    const { stable } = await look(releaseMs + 5 * minute, ids);
    expect(reported(stable)).toEqual(new Set(['s0', ...ids.slice(2)]));
    expect(secondsOf(stable.filter(({ task }) => task === 's0'))).toEqual(span(0, 60));
    await log(latest!, latest!.until(releaseMs + 5 * minute));
    const { stable: all } = await look(releaseMs + 10 * minute, ids);
    expect(secondsOf(all.filter(({ task }) => task === 's1'))).toEqual(span(0, 300));
  });

  test('loses nothing of the streams that could not be read alongside the others', async () => {
    const { log, look, fail } = await world();
    const ids = Array.from({ length: 101 }, (_, index) => `s${index}`);
    const tasks = ids.map((id) => new Worker('stable', id, releaseMs));
    for (const task of tasks) await log(task, task.until(releaseMs + 5 * second));
    await look(releaseMs + 5 * second, ids);
    const [first, last] = [tasks[0]!, tasks[100]!];
    for (const task of [first, last]) await log(task, task.until(releaseMs + 5 * minute));
    fail(({ logStreamNames }) =>
      logStreamNames?.length === 1 ? { code: 'ThrottlingException', message: 'Rate exceeded' } : undefined,
    );
    await expect(look(releaseMs + 6 * minute, ids)).rejects.toThrow('Rate exceeded');
    fail(() => undefined);
    const { stable } = await look(releaseMs + 6 * minute, ids);
    expect(secondsOf(stable.filter(({ task }) => task === 's100'))).toEqual(span(0, 300));
  });

  test('that has no stream at all is no silence', async () => {
    const { look } = await world();
    await expect(look(releaseMs, ['s0', 's1', 's2'])).rejects.toThrow(
      'log group stable-log has no stream of any of 3 tasks, such as worker/worker/s0; tasks must log under the awslogs-stream-prefix of the task definition that is deployed',
    );
  });
});

describe('the first minutes of stable’s tasks', () => {
  /** Of what tasks and up to what age they are known. */
  const agesOf = (lines: readonly Line[]) => {
    const ages: Record<string, number> = {};
    for (const { task, startedAt, toMs } of lines) ages[task] = Math.max(ages[task] ?? 0, toMs - startedAt);
    return ages;
  };

  test('are read once however long ago they were, besides those that are read anyway', async () => {
    const { log, look, asked } = await world();
    const ages = { old: 3 * hour, older: 3 * hour + minute, half: 20 * minute, young: 5 * minute };
    for (const [id, age] of Object.entries(ages)) {
      const task = new Worker('stable', id, releaseMs - age);
      await log(task, task.until(Math.min(releaseMs, releaseMs - age + 40 * minute)));
      task.until(releaseMs);
      await log(task, task.until(releaseMs + minute));
    }
    const { starts } = await look(releaseMs + minute);
    expect(agesOf(starts)).toEqual({
      old: startsMs,
      older: startsMs,
      half: 21 * minute,
      young: 6 * minute,
    });
    const sequences = starts.filter(({ task }) => task === 'half').map(({ sequence }) => sequence);
    expect(sequences).toEqual(Array.from({ length: (21 * minute) / (5 * second) }, (_, index) => index));
    expect(starts).toHaveLength((2 * startsMs + 27 * minute) / (5 * second));
    const reads = asked.filter(({ logStreamNames, nextToken }) => logStreamNames && !nextToken);
    expect(reads.map(({ logStreamNames }) => logStreamNames)).toEqual([
      ['worker/worker/half'],
      ['worker/worker/old', 'worker/worker/older'],
    ]);
    const again = await look(releaseMs + minute);
    expect(again.starts).toHaveLength(starts.length);
    expect(asked.filter(({ logStreamNames }) => logStreamNames)).toEqual([]);
  });

  test('are those of the eight youngest that ran before the release and in it', async () => {
    const { log, look } = await world();
    for (let index = 0; index < 12; index += 1) {
      // The beginning of the first one is read anyway.
      const startedAt = releaseMs - index * hour - minute;
      const task = new Worker('stable', `s${index}`, startedAt);
      await log(task, task.until(startedAt + 30 * second));
      task.until(releaseMs);
      await log(task, task.until(releaseMs + 10 * second));
    }
    const ended = new Worker('stable', 'ended', releaseMs - 20 * minute);
    await log(ended, ended.until(releaseMs - minute));
    const begun = new Worker('stable', 'begun', releaseMs + 5 * second);
    await log(begun, begun.until(releaseMs + 10 * second));
    const { starts } = await look(releaseMs + minute);
    expect(Object.keys(agesOf(starts)).sort()).toEqual(Array.from({ length: 8 }, (_, index) => `s${index}`));
  });

  test('are missing without harm where the log is gone', async () => {
    const { log, look, owner } = await world();
    const task = new Worker('stable', 's1', releaseMs - 30 * hour);
    task.until(releaseMs);
    await log({ track: 'stable', id: 'renamed' }, task.until(releaseMs + minute));
    await owner.putRetentionPolicy({ logGroupName: 'stable-log', retentionInDays: 1 });
    const { stable, starts } = await look(releaseMs + minute);
    expect(stable).toHaveLength(12);
    expect(starts).toEqual([]);
  });
});

describe('what stable failed before its deployment', () => {
  const promotedAt = releaseMs + hour;
  const day = failedBeforeMs;

  test('is read once, of the whole day before', async () => {
    const { log, lookAfter, asked } = await world();
    const failing = [promotedAt - day - minute, promotedAt - day + minute, promotedAt - 5 * hour, releaseMs];
    for (const [index, at] of failing.entries()) {
      const task = new Worker('stable', `s${index}`, at - 30 * second);
      await log(task, task.until(at + 30 * second, 5, [at]));
    }
    const { before } = await lookAfter(promotedAt);
    expect(before?.fromMs).toBe(promotedAt - day);
    expect(before?.lines.map(({ toMs }) => toMs).sort()).toEqual(failing.slice(1));
    const { before: again } = await lookAfter(promotedAt);
    expect(again).toEqual(before);
    expect(asked.map(({ filterPattern }) => filterPattern)).not.toContain(failureLinePattern);
  });

  test('is none of a release that has not reached stable', async () => {
    const { look } = await world();
    expect(await look(releaseMs + hour)).not.toHaveProperty('before');
  });

  test('is read only as far back as a hundred pages reach', async () => {
    const ranges: (readonly number[])[] = [];
    const client = new CloudWatchLogs({ region: 'us-east-1' });
    client.middlewareStack.add(
      () => async (args) => {
        const { filterPattern, startTime = 0, endTime = 0 } = args.input as FilterLogEventsCommandInput;
        const isOfBefore = filterPattern === failureLinePattern;
        if (isOfBefore) ranges.push([startTime, endTime]);
        const nextToken = isOfBefore && endTime - startTime > 20 * minute ? 'more' : undefined;
        return { output: { $metadata: {}, events: [], nextToken }, response: undefined };
      },
      { step: 'initialize', priority: 'high' },
    );
    const gateway = new AwsOutcomeGateway(new LogReader(client));
    const { before } = await gateway.read({ fromMs: releaseMs, nowMs: promotedAt, logs, promotedAt });
    expect(before?.fromMs).toBe(promotedAt - 30 * minute);
    expect(ranges).toHaveLength(100);
  });
});
