import {
  CloudWatchClient,
  DeleteDashboardsCommand,
  DescribeAlarmsCommand,
  GetDashboardCommand,
  GetMetricDataCommand,
  GetMetricStatisticsCommand,
  ListDashboardsCommand,
  ListMetricsCommand,
  ListTagsForResourceCommand,
  PutDashboardCommand,
  PutMetricAlarmCommand,
  PutMetricDataCommand,
  TagResourceCommand,
} from '@aws-sdk/client-cloudwatch';
import { CreateQueueCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { describe, expect, test } from 'vitest';
import { SystemClock } from '../src/index.ts';
import { type TestEngine, testEngine } from './harness.ts';

const clock = new SystemClock();

/** The beginning of the minute before this one: over, whenever within these tests it is asked for. */
const MINUTE = new Date(Math.floor(clock.nowMs() / 60_000) * 60_000 - 60_000);

function lastHour(): { StartTime: Date; EndTime: Date } {
  return { StartTime: new Date(clock.nowMs() - 3_600_000), EndTime: new Date(clock.nowMs() + 60_000) };
}

function latencies(engine: TestEngine, Stat: string) {
  const client = new CloudWatchClient(engine.client);
  return client.send(
    new GetMetricDataCommand({
      ...lastHour(),
      MetricDataQueries: [
        {
          Id: 'm',
          MetricStat: { Metric: { Namespace: 'Shop', MetricName: 'Latency' }, Period: 60, Stat },
        },
      ],
    }),
  );
}

describe('published values', () => {
  test('come back as every kind of statistic', async () => {
    const engine = await testEngine();
    const client = new CloudWatchClient(engine.client);
    await client.send(
      new PutMetricDataCommand({
        Namespace: 'Shop',
        MetricData: [
          {
            MetricName: 'Latency',
            Timestamp: MINUTE,
            Values: [10, 20, 500],
            Counts: [6, 3, 1],
            Unit: 'Milliseconds',
            StorageResolution: 1,
          },
        ],
      }),
    );
    const of = async (stat: string) => (await latencies(engine, stat)).MetricDataResults![0]!.Values;
    expect(await of('SampleCount')).toEqual([10]);
    expect(await of('Sum')).toEqual([620]);
    expect(await of('Average')).toEqual([62]);
    expect(await of('p90')).toEqual([20]);
    expect(await of('TC(100:)')).toEqual([1]);
    expect(await of('PR(:20)')).toEqual([90]);
  });

  test('may come as a set of statistics, without percentiles', async () => {
    const engine = await testEngine();
    const client = new CloudWatchClient(engine.client);
    const StatisticValues = { SampleCount: 4, Sum: 10, Minimum: 1, Maximum: 4 };
    await client.send(
      new PutMetricDataCommand({
        Namespace: 'Shop',
        MetricData: [{ MetricName: 'Latency', Timestamp: MINUTE, StatisticValues }],
      }),
    );
    expect((await latencies(engine, 'Average')).MetricDataResults![0]!.Values).toEqual([2.5]);
    expect((await latencies(engine, 'p50')).MetricDataResults![0]!.Values).toEqual([]);
  });

  test('arrive whole from a request that the SDK compresses', async () => {
    const engine = await testEngine();
    const client = new CloudWatchClient(engine.client);
    await client.send(
      new PutMetricDataCommand({
        Namespace: 'Shop',
        MetricData: Array.from({ length: 400 }, (_, index) => ({
          MetricName: 'Latency',
          Timestamp: MINUTE,
          Value: index,
          Dimensions: [{ Name: 'A dimension whose name is long', Value: 'and whose value is no shorter' }],
        })),
      }),
    );
    const { Metrics } = await client.send(new ListMetricsCommand({ Namespace: 'Shop' }));
    expect(Metrics).toHaveLength(1);
    const { Datapoints } = await client.send(
      new GetMetricStatisticsCommand({
        Namespace: 'Shop',
        MetricName: 'Latency',
        Dimensions: Metrics![0]!.Dimensions,
        ...lastHour(),
        Period: 60,
        Statistics: ['SampleCount', 'Maximum'],
        ExtendedStatistics: ['p50'],
      }),
    );
    expect(Datapoints).toMatchObject([
      { Timestamp: MINUTE, SampleCount: 400, Maximum: 399, ExtendedStatistics: { p50: 199 } },
    ]);
  });

  test.each([
    ['a namespace of AWS', { Namespace: 'AWS/SQS', MetricData: [{ MetricName: 'x', Value: 1 }] }, /reserved/],
    ['no value', { Namespace: 'S', MetricData: [{ MetricName: 'x' }] }, /At least one of the parameters/],
    [
      'a time too far ahead',
      {
        Namespace: 'S',
        MetricData: [{ MetricName: 'x', Value: 1, Timestamp: new Date(clock.nowMs() + 9e6) }],
      },
      /no more than two hours in the future/,
    ],
    [
      'more counts than values',
      { Namespace: 'S', MetricData: [{ MetricName: 'x', Values: [1], Counts: [1, 2] }] },
      /of the same size/,
    ],
    [
      'a dimension without a value',
      { Namespace: 'S', MetricData: [{ MetricName: 'x', Value: 1, Dimensions: [{ Name: 'a', Value: '' }] }] },
      /must have a Name and a Value/,
    ],
  ])('with %s are refused', async (_what, input, message) => {
    const engine = await testEngine();
    await expect(new CloudWatchClient(engine.client).send(new PutMetricDataCommand(input))).rejects.toThrow(
      message,
    );
  });

  test('survive the engine', async () => {
    const first = await testEngine();
    const client = new CloudWatchClient(first.client);
    await client.send(
      new PutMetricDataCommand({
        Namespace: 'Shop',
        MetricData: [{ MetricName: 'Latency', Timestamp: MINUTE, Value: 7 }],
      }),
    );
    await first.close();
    const second = await testEngine({ directory: first.directory });
    expect((await latencies(second, 'Sum')).MetricDataResults![0]!.Values).toEqual([7]);
  });
});

describe('GetMetricData', () => {
  test('computes with several metrics, labels results, and pages', async () => {
    const engine = await testEngine();
    const client = new CloudWatchClient(engine.client);
    const [t2, t1, t0] = [0, 1, 2].map((back) => new Date(MINUTE.getTime() - back * 60_000));
    const put = (MetricName: string, values: number[]) =>
      client.send(
        new PutMetricDataCommand({
          Namespace: 'Shop',
          MetricData: values.map((Value, index) => ({
            MetricName,
            Value,
            Timestamp: [t0!, t1!, t2!][index]!,
          })),
        }),
      );
    await put('Failed', [1, 2, 3]);
    await put('Done', [10, 0, 30]);
    const metric = (Id: string, MetricName: string) => ({
      Id,
      ReturnData: false,
      MetricStat: { Metric: { Namespace: 'Shop', MetricName }, Period: 60, Stat: 'Sum' },
    });
    const query = {
      ...lastHour(),
      MetricDataQueries: [
        { Id: 'rate', Expression: '100 * failed / done', Label: `Failed % (max \${MAX})` },
        metric('failed', 'Failed'),
        metric('done', 'Done'),
      ],
    };
    const { MetricDataResults } = await client.send(
      new GetMetricDataCommand({ ...query, ScanBy: 'TimestampAscending' }),
    );
    expect(MetricDataResults).toEqual([
      {
        Id: 'rate',
        Label: 'Failed % (max 10)',
        Timestamps: [t0, t2],
        Values: [10, 10],
        StatusCode: 'Complete',
      },
    ]);
    const first = await client.send(new GetMetricDataCommand({ ...query, MaxDatapoints: 1 }));
    expect(first.MetricDataResults).toMatchObject([{ Timestamps: [t2], StatusCode: 'PartialData' }]);
    const rest = await client.send(
      new GetMetricDataCommand({ ...query, MaxDatapoints: 1, NextToken: first.NextToken }),
    );
    expect(rest.MetricDataResults).toMatchObject([{ Timestamps: [t0], StatusCode: 'Complete' }]);
    expect(rest.NextToken).toBeUndefined();
  });

  test.each([
    ['an expression that yields a number', '1 + 1', /must yield a time series/],
    ['SEARCH', "SEARCH('{Shop}', 'Sum')", /does not support/],
    ['an unknown reference', 'nobody', /no metric query has the id 'nobody'/],
  ])('refuses %s', async (_what, Expression, message) => {
    const engine = await testEngine();
    const client = new CloudWatchClient(engine.client);
    const MetricDataQueries = [
      { Id: 'e', Expression },
      {
        Id: 'm',
        ReturnData: false,
        MetricStat: { Metric: { Namespace: 'S', MetricName: 'x' }, Period: 60, Stat: 'Sum' },
      },
    ];
    await expect(client.send(new GetMetricDataCommand({ ...lastHour(), MetricDataQueries }))).rejects.toThrow(
      message,
    );
  });
});

test('alarms keep the shape of their definition over the wire', async () => {
  const engine = await testEngine();
  const client = new CloudWatchClient(engine.client);
  const metrics = [
    { Id: 'e', Expression: 'FILL(m, 0)', Label: 'all', ReturnData: true },
    {
      Id: 'm',
      ReturnData: false,
      MetricStat: {
        Metric: { Namespace: 'S', MetricName: 'x', Dimensions: [{ Name: 'a', Value: 'b' }] },
        Period: 60,
        Stat: 'p99',
      },
    },
  ];
  await client.send(
    new PutMetricAlarmCommand({
      AlarmName: 'slow',
      Metrics: metrics,
      EvaluationPeriods: 3,
      DatapointsToAlarm: 2,
      Threshold: 1.5,
      ComparisonOperator: 'GreaterThanThreshold',
      Tags: [{ Key: 'team', Value: 'shop' }],
    }),
  );
  const { MetricAlarms } = await client.send(new DescribeAlarmsCommand({}));
  expect(MetricAlarms).toMatchObject([
    { AlarmName: 'slow', Metrics: metrics, EvaluationPeriods: 3, DatapointsToAlarm: 2, Threshold: 1.5 },
  ]);
  expect(MetricAlarms![0]!.TreatMissingData).toBeUndefined();
  expect(MetricAlarms![0]!.StateUpdatedTimestamp).toBeInstanceOf(Date);
  const ResourceARN = MetricAlarms![0]!.AlarmArn;
  await client.send(new TagResourceCommand({ ResourceARN, Tags: [{ Key: 'tier', Value: '1' }] }));
  const { Tags } = await client.send(new ListTagsForResourceCommand({ ResourceARN }));
  expect(Tags).toEqual([
    { Key: 'team', Value: 'shop' },
    { Key: 'tier', Value: '1' },
  ]);
});

test('dashboards are kept as they are', async () => {
  const engine = await testEngine();
  const client = new CloudWatchClient(engine.client);
  const DashboardBody = JSON.stringify({
    widgets: [{ type: 'text', properties: { markdown: '# Releases' } }],
  });
  await client.send(new PutDashboardCommand({ DashboardName: 'releases', DashboardBody }));
  expect((await client.send(new GetDashboardCommand({ DashboardName: 'releases' }))).DashboardBody).toBe(
    DashboardBody,
  );
  const { DashboardEntries } = await client.send(new ListDashboardsCommand({}));
  expect(DashboardEntries).toMatchObject([{ DashboardName: 'releases', Size: DashboardBody.length }]);
  await client.send(new DeleteDashboardsCommand({ DashboardNames: ['releases'] }));
  await expect(client.send(new GetDashboardCommand({ DashboardName: 'releases' }))).rejects.toThrow(
    'Dashboard releases does not exist',
  );
  await expect(
    client.send(new PutDashboardCommand({ DashboardName: 'bad', DashboardBody: '{' })),
  ).rejects.toThrow('must be a valid JSON object');
});

test('an alarm on the increase of a queue goes off at each new message, over residue', async () => {
  const engine = await testEngine({ pace: 120 });
  const sqs = new SQSClient(engine.client);
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'dead' }));
  await new CloudWatchClient(engine.client).send(
    new PutMetricAlarmCommand({
      AlarmName: 'new-dead-letters',
      Metrics: [
        { Id: 'new', Expression: 'DIFF(visible)' },
        {
          Id: 'visible',
          ReturnData: false,
          MetricStat: {
            Metric: {
              Namespace: 'AWS/SQS',
              MetricName: 'ApproximateNumberOfMessagesVisible',
              Dimensions: [{ Name: 'QueueName', Value: 'dead' }],
            },
            Period: 60,
            Stat: 'Maximum',
          },
        },
      ],
      // The metric is late, and an increase is seen only while both its minutes are looked at.
      EvaluationPeriods: 5,
      DatapointsToAlarm: 1,
      Threshold: 1,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      // OK then means that there is a difference to tell: the queue's metric has begun.
      TreatMissingData: 'missing',
    }),
  );
  const becomes = (state: string, after: number) =>
    engine.journal.waitFor(({ type, detail }) => type === 'alarm.changed' && detail.to === state, after);
  let { seq } = await becomes('OK', 0);
  for (let release = 0; release < 2; release++) {
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'poison' }));
    ({ seq } = await becomes('ALARM', seq));
    ({ seq } = await becomes('OK', seq));
  }
});
