import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../src/clock/virtual-clock.ts';
import { type TestEngine, testEngine } from './harness.ts';

const GROUP = '/app/worker';
const DAY_MS = 24 * 3_600_000;
const NOON_MS = Date.UTC(2026, 0, 20, 12);

/** An engine at a fixed time, with a group and its streams. */
async function world(streams: readonly string[] = ['one']) {
  const clock = new VirtualClock(NOON_MS);
  const engine = await testEngine({ clock });
  const logs = new CloudWatchLogs(engine.client);
  await logs.createLogGroup({ logGroupName: GROUP });
  for (const logStreamName of streams) await logs.createLogStream({ logGroupName: GROUP, logStreamName });
  return { clock, engine, logs, put: putter(logs, clock) };
}

/** At the tests' pace by then all that was put can be read, and the metrics in it have been recorded. */
const READABLE_MS = 15_000 / 60;
const RECORDED_MS = 180_000 / 60;

function putter(logs: CloudWatchLogs, clock: VirtualClock) {
  return async (messages: readonly string[], { stream = 'one', fromMs = NOON_MS } = {}) => {
    const answer = await logs.putLogEvents({
      logGroupName: GROUP,
      logStreamName: stream,
      logEvents: messages.map((message, index) => ({ timestamp: fromMs + index, message })),
    });
    await clock.advanceBy(RECORDED_MS);
    return answer;
  };
}

async function filterAll(logs: CloudWatchLogs, input: object = {}) {
  const events: Array<{ message: string; eventId: string; stream: string }> = [];
  let nextToken: string | undefined;
  let pages = 0;
  do {
    const page = await logs.filterLogEvents({
      logGroupName: GROUP,
      ...input,
      ...(nextToken === undefined ? {} : { nextToken }),
    });
    for (const { message, eventId, logStreamName } of page.events ?? []) {
      events.push({ message: message!, eventId: eventId!, stream: logStreamName! });
    }
    nextToken = page.nextToken;
    pages++;
  } while (nextToken !== undefined);
  return { events, messages: events.map(({ message }) => message), pages };
}

describe('groups', () => {
  test('are created once, described by prefix, page by page, and deleted with everything', async () => {
    const { logs, put, engine } = await world();
    await expect(logs.createLogGroup({ logGroupName: GROUP })).rejects.toMatchObject({
      name: 'ResourceAlreadyExistsException',
    });
    for (const name of ['/app/a', '/app/b', '/other']) await logs.createLogGroup({ logGroupName: name });
    await put(['12345', 'é']);
    const first = await logs.describeLogGroups({ logGroupNamePrefix: '/app/', limit: 2 });
    const second = await logs.describeLogGroups({
      logGroupNamePrefix: '/app/',
      limit: 2,
      nextToken: first.nextToken!,
    });
    expect([...first.logGroups!, ...second.logGroups!].map(({ logGroupName }) => logGroupName)).toEqual([
      '/app/a',
      '/app/b',
      GROUP,
    ]);
    expect(second.nextToken).toBeUndefined();
    expect(second.logGroups![0]).toMatchObject({
      arn: `arn:aws:logs:${engine.region}:${engine.accountId}:log-group:${GROUP}:*`,
      logGroupArn: `arn:aws:logs:${engine.region}:${engine.accountId}:log-group:${GROUP}`,
      creationTime: NOON_MS,
      storedBytes: 5 + 2 + 2 * 26,
      logGroupClass: 'STANDARD',
    });

    await logs.deleteLogGroup({ logGroupName: GROUP });
    await expect(put(['x'])).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    await logs.createLogGroup({ logGroupName: GROUP });
    expect((await filterAll(logs)).messages).toEqual([]);
  });

  test('with deletion protection stay until it is off', async () => {
    const { logs } = await world();
    await logs.createLogGroup({ logGroupName: 'kept', deletionProtectionEnabled: true });
    await expect(logs.deleteLogGroup({ logGroupName: 'kept' })).rejects.toThrow('protected from deletion');
    await logs.putLogGroupDeletionProtection({
      logGroupIdentifier: 'kept',
      deletionProtectionEnabled: false,
    });
    await logs.deleteLogGroup({ logGroupName: 'kept' });
    const { logGroups } = await logs.describeLogGroups({ logGroupNamePrefix: 'kept' });
    expect(logGroups).toEqual([]);
  });

  test('are tagged by ARN', async () => {
    const { logs, engine } = await world();
    const resourceArn = `arn:aws:logs:${engine.region}:${engine.accountId}:log-group:${GROUP}`;
    await logs.tagResource({ resourceArn, tags: { App: 'orders', Team: 'a' } });
    await logs.untagResource({ resourceArn: `${resourceArn}:*`, tagKeys: ['Team'] });
    expect((await logs.listTagsForResource({ resourceArn })).tags).toEqual({ App: 'orders' });
  });

  test('forget events after their retention, in reads at once and on disk within the hour', async () => {
    const { logs, put, clock } = await world();
    await put(['old'], { fromMs: NOON_MS - 5 * DAY_MS });
    await put(['young'], { fromMs: NOON_MS - DAY_MS / 2 });
    await expect(logs.putRetentionPolicy({ logGroupName: GROUP, retentionInDays: 2 })).rejects.toMatchObject({
      name: 'InvalidParameterException',
    });
    await logs.putRetentionPolicy({ logGroupName: GROUP, retentionInDays: 3 });
    expect((await filterAll(logs)).messages).toEqual(['young']);

    await clock.advanceBy(3_600_000);
    await logs.deleteRetentionPolicy({ logGroupName: GROUP });
    expect((await filterAll(logs)).messages).toEqual(['young']);
    const { logGroups } = await logs.describeLogGroups({ logGroupNamePrefix: GROUP });
    expect(logGroups![0]).toMatchObject({ storedBytes: 5 + 26 });
    expect(logGroups![0]).not.toHaveProperty('retentionInDays');
  });
});

test('streams are listed by name or by their last event, and deleted with their events', async () => {
  const { logs, put } = await world(['b', 'a', 'c']);
  await put(['late'], { stream: 'a', fromMs: NOON_MS + 5 });
  await put(['early', 'later'], { stream: 'b', fromMs: NOON_MS + 1 });
  const names = async (input: object) =>
    (await logs.describeLogStreams({ logGroupName: GROUP, ...input })).logStreams!.map(
      (s) => s.logStreamName,
    );
  expect(await names({})).toEqual(['a', 'b', 'c']);
  expect(await names({ orderBy: 'LastEventTime', descending: true })).toEqual(['a', 'b', 'c']);
  expect(await names({ orderBy: 'LastEventTime' })).toEqual(['c', 'b', 'a']);
  expect(await names({ logStreamNamePrefix: 'b' })).toEqual(['b']);
  const [stream] = (await logs.describeLogStreams({ logGroupName: GROUP, logStreamNamePrefix: 'b' }))
    .logStreams!;
  expect(stream).toMatchObject({
    firstEventTimestamp: NOON_MS + 1,
    lastEventTimestamp: NOON_MS + 2,
    lastIngestionTime: NOON_MS + RECORDED_MS,
  });

  await logs.deleteLogStream({ logGroupName: GROUP, logStreamName: 'b' });
  expect((await filterAll(logs)).messages).toEqual(['late']);
  await expect(logs.getLogEvents({ logGroupName: GROUP, logStreamName: 'b' })).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
    message: 'The specified log stream does not exist.',
  });
});

describe('GetLogEvents', () => {
  const messages = Array.from({ length: 25 }, (_, index) => `line ${index}`);

  test('reads a stream forward to its end, and goes on there when more comes', async () => {
    const { logs, put } = await world();
    await put(messages);
    const read = (nextToken?: string) =>
      logs.getLogEvents({
        logGroupName: GROUP,
        logStreamName: 'one',
        limit: 10,
        startFromHead: true,
        ...(nextToken === undefined ? {} : { nextToken }),
      });
    const seen: string[] = [];
    let page = await read();
    for (;;) {
      seen.push(...page.events!.map(({ message }) => message!));
      const next = await read(page.nextForwardToken);
      const ended = next.nextForwardToken === page.nextForwardToken;
      page = next;
      if (ended) break;
    }
    expect(seen).toEqual(messages);
    await put(['more'], { fromMs: NOON_MS + 100 });
    expect((await read(page.nextForwardToken)).events!.map(({ message }) => message)).toEqual(['more']);
  });

  test('reads a stream backward to its start, and finds the way forward from there', async () => {
    const { logs, put } = await world();
    await put(messages);
    const read = (nextToken?: string) =>
      logs.getLogEvents({
        logGroupName: GROUP,
        logStreamName: 'one',
        limit: 10,
        ...(nextToken === undefined ? {} : { nextToken }),
      });
    const seen: string[] = [];
    let page = await read();
    for (;;) {
      seen.unshift(...page.events!.map(({ message }) => message!));
      const next = await read(page.nextBackwardToken);
      const ended = next.nextBackwardToken === page.nextBackwardToken;
      page = next;
      if (ended) break;
    }
    expect(seen).toEqual(messages);
    const forward = await read(page.nextForwardToken);
    expect(forward.events!.map(({ message }) => message)).toEqual(messages.slice(0, 10));
  });

  test('includes its start and excludes its end', async () => {
    const { logs, put } = await world();
    await put(messages);
    const { events } = await logs.getLogEvents({
      logGroupName: GROUP,
      logStreamName: 'one',
      startTime: NOON_MS + 3,
      endTime: NOON_MS + 5,
    });
    expect(events!.map(({ message }) => message)).toEqual(['line 3', 'line 4']);
  });
});

describe('FilterLogEvents', () => {
  test('gives the events of all streams in the order of their times, each with an id of its own', async () => {
    const { logs, put } = await world(['one', 'two']);
    await put(['a', 'c', 'e'], { stream: 'one' });
    await put(['b', 'd', 'f'], { stream: 'two' });
    const { events, pages } = await filterAll(logs, { limit: 4 });
    expect(events.map(({ message, stream }) => `${stream} ${message}`)).toEqual([
      'one a',
      'two b',
      'one c',
      'two d',
      'one e',
      'two f',
    ]);
    expect(pages).toBe(2);
    const again = await filterAll(logs);
    expect(again.events).toEqual(events);
    expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(6);
  });

  test('narrows by stream, by prefix, by time and by pattern', async () => {
    const { clock, logs, put } = await world(['task/1', 'task/2', 'other']);
    for (const stream of ['task/1', 'task/2', 'other']) {
      await put([`{"Received":1,"of":"${stream}"}`, `plain of ${stream}`], { stream });
    }
    const count = async (input: object) => {
      // AWS allows few calls a second.
      await clock.advanceBy(1_000);
      return (await filterAll(logs, input)).messages.length;
    };
    expect(await count({ logStreamNames: ['task/2'] })).toBe(2);
    expect(await count({ logStreamNamePrefix: 'task/' })).toBe(4);
    expect(await count({ startTime: NOON_MS + 1 })).toBe(3);
    expect(await count({ endTime: NOON_MS })).toBe(3);
    expect(await count({ filterPattern: '{ $.Received = * }' })).toBe(3);
    expect(await count({ filterPattern: 'plain', logStreamNamePrefix: 'task/' })).toBe(2);
    expect((await filterAll(logs, { filterPattern: '{ $.of = "other" }' })).messages).toEqual([
      '{"Received":1,"of":"other"}',
    ]);
  });

  test('selects the lines of one kind, as JSON says them, whatever else is logged', async () => {
    const { logs, put } = await world();
    const outcome = '{"_aws":{"Timestamp":1},"QueueCanary":"outcomes","Received":0}';
    await put([
      'starting',
      '{"QueueCanary":"other"}',
      outcome,
      '{"nested":{"QueueCanary":"outcomes"}}',
      `${outcome} and more`,
      'about "QueueCanary":"outcomes"',
    ]);
    const { messages } = await filterAll(logs, { filterPattern: '{ $.QueueCanary = "outcomes" }' });
    expect(messages).toEqual([outcome]);
  });

  test('finds what is logged late at its place in time, in ranges that include both ends', async () => {
    const { logs, put } = await world(['one', 'two']);
    await put(['third', 'fourth'], { stream: 'one', fromMs: NOON_MS + 20 });
    await put(['second'], { stream: 'two', fromMs: NOON_MS + 10 });
    await put(['first'], { stream: 'one', fromMs: NOON_MS });
    const within = async (startTime: number, endTime: number) =>
      (await filterAll(logs, { startTime: NOON_MS + startTime, endTime: NOON_MS + endTime })).messages;
    expect(await within(0, 21)).toEqual(['first', 'second', 'third', 'fourth']);
    expect(await within(10, 20)).toEqual(['second', 'third']);
    const both = { logStreamNames: ['two', 'one'] };
    expect((await filterAll(logs, both)).messages).toEqual(['first', 'second', 'third', 'fourth']);
  });

  test('knows a stream without events from one that does not exist', async () => {
    const { logs, put } = await world(['one', 'empty']);
    await put(['a']);
    const { messages } = await filterAll(logs, { logStreamNames: ['one', 'empty'] });
    expect(messages).toEqual(['a']);
    await expect(filterAll(logs, { logStreamNames: ['one', 'missing'] })).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: 'The specified log stream does not exist.',
    });
    await expect(filterAll(logs, { logGroupName: 'missing' })).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: 'The specified log group does not exist.',
    });
  });

  test('goes on where it was while more is logged', async () => {
    const { logs, put } = await world();
    await put(['a', 'b', 'c']);
    const { events, nextToken } = await logs.filterLogEvents({ logGroupName: GROUP, limit: 2 });
    await put(['before'], { fromMs: NOON_MS });
    await put(['after'], { fromMs: NOON_MS + 10 });
    const rest = await logs.filterLogEvents({ logGroupName: GROUP, nextToken: nextToken! });
    const texts = [...events!, ...rest.events!].map(({ message }) => message);
    expect(texts).toEqual(['a', 'b', 'c', 'after']);
  });

  test('finds a rare line in many, over pages that may be empty', async () => {
    const { logs, put } = await world();
    const lines = Array.from({ length: 30_000 }, (_, index) => (index === 29_000 ? 'needle' : 'hay'));
    for (let from = 0; from < lines.length; from += 10_000) {
      await put(lines.slice(from, from + 10_000), { fromMs: NOON_MS + from });
    }
    const { messages, pages } = await filterAll(logs, { filterPattern: 'needle' });
    expect(messages).toEqual(['needle']);
    expect(pages).toBe(2);
  });

  test('refuses what it cannot do by name', async () => {
    const { clock, logs } = await world();
    const refused = (input: object) =>
      expect(logs.filterLogEvents({ logGroupName: GROUP, ...input })).rejects;
    await refused({ filterPattern: '[a, b]' }).toThrow('space-delimited');
    await refused({ logStreamNames: ['one'], logStreamNamePrefix: 'o' }).toThrow('Only one of');
    await refused({ logStreamNames: ['missing'] }).toMatchObject({ name: 'ResourceNotFoundException' });
    // AWS allows few calls a second.
    await clock.advanceBy(1_000);
    await refused({ nextToken: 'made up' }).toThrow('nextToken is invalid');
    await refused({ limit: 10_001 }).toThrow('between 1 and 10000');
    await refused({ logGroupName: 'missing' }).toMatchObject({ name: 'ResourceNotFoundException' });
  });
});

test('PutLogEvents reports which events it left out, and stores the others', async () => {
  const { logs, clock } = await world();
  const { rejectedLogEventsInfo } = await logs.putLogEvents({
    logGroupName: GROUP,
    logStreamName: 'one',
    logEvents: [
      { timestamp: NOON_MS, message: 'now' },
      { timestamp: NOON_MS + 3 * 3_600_000, message: 'tomorrow' },
    ],
  });
  expect(rejectedLogEventsInfo).toEqual({ tooNewLogEventStartIndex: 1 });
  await clock.advanceBy(READABLE_MS);
  expect((await filterAll(logs)).messages).toEqual(['now']);
});

test('events and definitions outlive the engine', async () => {
  const clock = new VirtualClock(NOON_MS);
  const first = await testEngine({ clock });
  const before = new CloudWatchLogs(first.client);
  await before.createLogGroup({ logGroupName: GROUP, tags: { App: 'orders' } });
  await before.createLogStream({ logGroupName: GROUP, logStreamName: 'one' });
  await before.putMetricFilter({
    logGroupName: GROUP,
    filterName: 'errors',
    filterPattern: 'ERROR',
    metricTransformations: [{ metricName: 'Errors', metricNamespace: 'App', metricValue: '1' }],
  });
  await putter(before, clock)(['kept']);
  const events = (await filterAll(before)).events;
  await first.close();

  const second = await testEngine({ clock, directory: first.directory });
  const after = new CloudWatchLogs(second.client);
  expect((await filterAll(after)).events).toEqual(events);
  await putter(after, clock)(['ERROR again']);
  expect(await sumOf(second, 'App', 'Errors')).toBe(1);
});

async function sumOf(engine: TestEngine, namespace: string, name: string, dimensions: object = {}) {
  const { Datapoints } = await new CloudWatch(engine.client).getMetricStatistics({
    Namespace: namespace,
    MetricName: name,
    Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value: String(Value) })),
    StartTime: new Date(NOON_MS - DAY_MS),
    EndTime: new Date(NOON_MS + DAY_MS),
    Period: 2 * DAY_MS,
    Statistics: ['Sum'],
  });
  return Datapoints?.reduce((sum, { Sum = 0 }) => sum + Sum, 0);
}

test('events can be read some time after they were ingested, and those of several batches in another order', async () => {
  const { logs, clock } = await world(['one', 'two']);
  for (let batch = 0; batch < 20; batch += 1) {
    await logs.putLogEvents({
      logGroupName: GROUP,
      logStreamName: batch % 2 === 0 ? 'one' : 'two',
      logEvents: [{ timestamp: NOON_MS + batch, message: String(batch) }],
    });
  }
  const seen: string[] = [];
  // As many looks as CloudWatch Logs allows in a second.
  for (const lookMs of [0, 5, 10, 20, READABLE_MS]) {
    await clock.advanceBy(NOON_MS + lookMs - clock.nowMs());
    const { events = [] } = await logs.filterLogEvents({ logGroupName: GROUP });
    for (const { message = '', ingestionTime } of events) {
      expect(ingestionTime).toBe(NOON_MS);
      if (!seen.includes(message)) seen.push(message);
    }
    if (lookMs === 0) expect(seen.length).toBeLessThan(20);
  }
  expect(seen).toHaveLength(20);
  expect(seen).not.toEqual([...seen].sort((a, b) => Number(a) - Number(b)));
  const { events = [] } = await logs.getLogEvents({ logGroupName: GROUP, logStreamName: 'two' });
  expect(events).toHaveLength(10);
});

describe('embedded metrics', () => {
  const line = (members: object, metrics: object[] = [{ Name: 'Received', Unit: 'Count' }]) =>
    JSON.stringify({
      _aws: {
        Timestamp: NOON_MS,
        CloudWatchMetrics: [
          { Namespace: 'Worker', Dimensions: [['App'], ['App', 'Track']], Metrics: metrics },
        ],
      },
      App: 'orders',
      Track: 'canary',
      ...members,
    });

  test('are in CloudWatch some time after the events were acknowledged', async () => {
    const { put, engine, logs, clock } = await world();
    const event = { timestamp: NOON_MS, message: line({ Received: 7 }) };
    await logs.putLogEvents({ logGroupName: GROUP, logStreamName: 'one', logEvents: [event] });
    expect(await sumOf(engine, 'Worker', 'Received', { App: 'orders' })).toBe(0);
    await clock.advanceBy(RECORDED_MS);
    expect(await sumOf(engine, 'Worker', 'Received', { App: 'orders' })).toBe(7);
    await put([line({ Received: 2 }), 'plain', line({ Received: [1, 4] })]);
    expect(await sumOf(engine, 'Worker', 'Received', { App: 'orders' })).toBe(7 + 7);
    expect(await sumOf(engine, 'Worker', 'Received', { App: 'orders', Track: 'canary' })).toBe(7 + 7);
  });

  test('all count, however many lines come in one millisecond', async () => {
    const { put, engine } = await world();
    for (let batch = 0; batch < 3; batch++) await put(Array(1000).fill(line({ Received: 1 })));
    expect(await sumOf(engine, 'Worker', 'Received', { App: 'orders' })).toBe(3000);
  });

  test('that are malformed are told once for each reason and stream, and the line is kept', async () => {
    const { put, engine, logs } = await world(['one', 'two']);
    const from = engine.journal.seq;
    const missing = line({});
    await put([missing, missing]);
    await put([missing]);
    await put([missing, `${line({ Received: 1 })}!`], { stream: 'two' });
    const told = engine.journal.read(from).filter(({ type }) => type === 'emf.rejected');
    expect(told.map(({ source, detail }) => [source, detail])).toEqual([
      [
        'logs',
        {
          logGroupName: GROUP,
          logStreamName: 'one',
          reason: 'metric Received has no value in the message',
        },
      ],
      [
        'logs',
        {
          logGroupName: GROUP,
          logStreamName: 'two',
          reason: 'metric Received has no value in the message',
        },
      ],
      ['logs', { logGroupName: GROUP, logStreamName: 'two', reason: 'the message is not valid JSON' }],
    ]);
    expect((await filterAll(logs)).messages).toHaveLength(5);
  });

  test('and other lines leave no entry each in the journal', async () => {
    const { put, engine } = await world();
    const from = engine.journal.seq;
    await put([line({ Received: 1 }), 'plain']);
    expect(engine.journal.read(from)).toEqual([]);
  });
});

test('a log group begins with at most 50 tags', async () => {
  const logs = new CloudWatchLogs((await testEngine()).client);
  const tags = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, number) => [`key-${number}`, '']));
  await logs.createLogGroup({ logGroupName: 'full', tags: tags(50) });
  await expect(logs.createLogGroup({ logGroupName: 'over', tags: tags(51) })).rejects.toMatchObject({
    name: 'InvalidParameterException',
    message: expect.stringContaining("'tags'") as string,
  });
});

describe('metric filters', () => {
  test('count matching events, with values and dimensions out of JSON', async () => {
    const { logs, put, engine } = await world();
    await logs.putMetricFilter({
      logGroupName: GROUP,
      filterName: 'errors',
      filterPattern: '?ERROR ?FATAL',
      metricTransformations: [{ metricName: 'Errors', metricNamespace: 'App', metricValue: '1' }],
    });
    await logs.putMetricFilter({
      logGroupName: GROUP,
      filterName: 'took',
      filterPattern: '{ $.took = * }',
      metricTransformations: [
        {
          metricName: 'Took',
          metricNamespace: 'App',
          metricValue: '$.took',
          dimensions: { Track: '$.track' },
          unit: 'Milliseconds',
        },
      ],
    });
    await put([
      'ERROR a',
      'FATAL b',
      'fine',
      '{"took":30,"track":"canary"}',
      '{"took":12,"track":"stable"}',
      '{"took":"","track":"canary"}',
      '{"took":5}',
    ]);
    expect(await sumOf(engine, 'App', 'Errors')).toBe(2);
    expect(await sumOf(engine, 'App', 'Took', { Track: 'canary' })).toBe(30);
    expect(await sumOf(engine, 'App', 'Took', { Track: 'stable' })).toBe(12);
  });

  test('give their default value when events came and none matched', async () => {
    const { logs, put, engine } = await world();
    await logs.putMetricFilter({
      logGroupName: GROUP,
      filterName: 'errors',
      filterPattern: 'ERROR',
      metricTransformations: [
        { metricName: 'Errors', metricNamespace: 'App', metricValue: '1', defaultValue: 0 },
      ],
    });
    const points = async () => {
      const { Datapoints } = await new CloudWatch(engine.client).getMetricStatistics({
        Namespace: 'App',
        MetricName: 'Errors',
        StartTime: new Date(NOON_MS),
        EndTime: new Date(NOON_MS + 3_600_000),
        Period: 60,
        Statistics: ['Sum'],
      });
      return Datapoints!.map(({ Sum }) => Sum);
    };
    expect(await points()).toEqual([]);
    await put(['fine', 'fine, too']);
    expect(await points()).toEqual([0]);
  });

  test('are described, replaced and deleted', async () => {
    const { logs, put, engine } = await world();
    const filter = (filterPattern: string) =>
      logs.putMetricFilter({
        logGroupName: GROUP,
        filterName: 'errors',
        filterPattern,
        metricTransformations: [{ metricName: 'Errors', metricNamespace: 'App', metricValue: '1' }],
      });
    await filter('ERROR');
    await filter('FATAL');
    const described = await logs.describeMetricFilters({ logGroupName: GROUP });
    expect(described.metricFilters).toMatchObject([
      { filterName: 'errors', filterPattern: 'FATAL', logGroupName: GROUP, creationTime: NOON_MS },
    ]);
    await logs.deleteMetricFilter({ logGroupName: GROUP, filterName: 'errors' });
    await put(['ERROR', 'FATAL']);
    expect(await sumOf(engine, 'App', 'Errors')).toBe(0);
    await expect(
      logs.deleteMetricFilter({ logGroupName: GROUP, filterName: 'errors' }),
    ).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });

  test.each([
    ['a value out of plain text', 'ERROR', { metricValue: '$.took' }, 'only with a JSON filter pattern'],
    ['a value that is none', 'ERROR', { metricValue: 'many' }, 'metricValue must be a number'],
    ['a reserved namespace', 'ERROR', { metricNamespace: 'AWS/Logs' }, 'reserved'],
    [
      'a default alongside dimensions',
      '{ $.a = * }',
      { dimensions: { A: '$.a' }, defaultValue: 0 },
      'defaultValue cannot be given with dimensions',
    ],
    ['a broken pattern', '{ $.a', {}, 'Invalid filter pattern'],
  ])('with %s are refused', async (_, filterPattern, transformation, why) => {
    const { logs } = await world();
    await expect(
      logs.putMetricFilter({
        logGroupName: GROUP,
        filterName: 'refused',
        filterPattern,
        metricTransformations: [
          { metricName: 'Errors', metricNamespace: 'App', metricValue: '1', ...transformation },
        ],
      }),
    ).rejects.toThrow(why);
  });

  test('can be tried on messages', async () => {
    const { logs } = await world();
    const { matches } = await logs.testMetricFilter({
      filterPattern: 'ERROR',
      logEventMessages: ['fine', 'ERROR a', 'ERROR b'],
    });
    expect(matches).toMatchObject([
      { eventNumber: 2, eventMessage: 'ERROR a' },
      { eventNumber: 3, eventMessage: 'ERROR b' },
    ]);
  });
});

test('subscription filters and Insights queries are refused with what to do instead', async () => {
  const { logs } = await world();
  await expect(
    logs.putSubscriptionFilter({
      logGroupName: GROUP,
      filterName: 'f',
      filterPattern: '',
      destinationArn: 'arn:aws:lambda:us-east-1:000000000000:function:f',
    }),
  ).rejects.toThrow('does not support subscription filters: read the log group with FilterLogEvents');
  await expect(
    logs.startQuery({ logGroupName: GROUP, startTime: 0, endTime: 1, queryString: 'fields @message' }),
  ).rejects.toThrow('does not support Logs Insights queries');
});
