import { describe, expect, test } from 'vitest';
import type { Service } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Principal } from '../../iam/principal.ts';
import type { Input } from '../../sdk/services.ts';
import { MemoryEngine } from '../test/memory-engine.ts';
import { createCloudWatch } from './cloudwatch.ts';

type PutMetricAlarm = Input<'cloudwatch', 'PutMetricAlarm'>;

const TOPIC = 'arn:aws:sns:us-east-1:111122223333:pages';
const POLICY =
  'arn:aws:autoscaling:us-east-1:111122223333:scalingPolicy:1:resource/ecs/service/main/stable:policyName/out';

const failures: PutMetricAlarm = {
  AlarmName: 'failures',
  Namespace: 'Shop',
  MetricName: 'Failed',
  Dimensions: [{ Name: 'Track', Value: 'canary' }],
  Statistic: 'Sum',
  Period: 60,
  EvaluationPeriods: 1,
  Threshold: 1,
  ComparisonOperator: 'GreaterThanOrEqualToThreshold',
  TreatMissingData: 'notBreaching',
};

interface Published {
  readonly principal: Principal;
  readonly subject: string | undefined;
  readonly message: Record<string, unknown>;
}

class World extends MemoryEngine {
  readonly published: Published[] = [];
  refuseToPublish = false;
  #held = false;

  static async create(options: ConstructorParameters<typeof MemoryEngine>[0] = {}): Promise<World> {
    const world = new World(options);
    const sns: Service<'sns'> = {
      name: 'sns',
      operations: {
        Publish: {
          journaled: false,
          run: async ({ Subject, Message }, { principal }) => {
            if (world.#held) await new Promise(() => undefined);
            if (world.refuseToPublish) throw new AwsFault('NotFound', 'Topic does not exist', 404);
            world.published.push({ principal, subject: Subject, message: JSON.parse(Message ?? '') });
            return { MessageId: '1' };
          },
        },
      },
      resourcePolicy: (arn) =>
        JSON.stringify({
          Version: '2012-10-17',
          Statement: [
            {
              Effect: 'Allow',
              Principal: { Service: 'cloudwatch.amazonaws.com' },
              Action: 'sns:Publish',
              Resource: '*',
              Condition: { ArnLike: { 'aws:SourceArn': 'arn:aws:cloudwatch:*:*:alarm:*' } },
            },
          ].map((statement) => ({ ...statement, Sid: arn.length > 0 ? 'alarms' : 'none' })),
        }),
    };
    await world.add(() => sns);
    await world.add(createCloudWatch);
    return world;
  }

  /** From now on whoever publishes waits forever, as one does when the engine is killed. */
  hold(): void {
    this.#held = true;
  }

  fail(count: number, track = 'canary') {
    return this.call('cloudwatch', 'PutMetricData', {
      Namespace: 'Shop',
      MetricData: [{ MetricName: 'Failed', Value: count, Dimensions: [{ Name: 'Track', Value: track }] }],
    });
  }

  alarm(over: Partial<PutMetricAlarm> = {}) {
    return this.call('cloudwatch', 'PutMetricAlarm', { ...failures, ...over });
  }

  async shown(name = 'failures') {
    const { MetricAlarms } = await this.call('cloudwatch', 'DescribeAlarms', { AlarmNames: [name] });
    return MetricAlarms![0]!;
  }

  /** States that alarms have taken, as told by their events. */
  changes(): string[] {
    return this.entries('alarm.changed').map(({ detail }) => `${detail.alarmName} ${detail.to}`);
  }
}

describe('an alarm on one metric', () => {
  test('begins unchecked and is evaluated soon after the minute', async () => {
    const world = await World.create();
    await world.alarm();
    expect(await world.shown()).toMatchObject({
      StateValue: 'INSUFFICIENT_DATA',
      StateReason: 'Unchecked: Initial alarm creation',
    });
    await world.pass(61);
    expect((await world.shown()).StateValue).toBe('OK');
  });

  test('goes off after the period in which the metric breached, and recovers', async () => {
    const world = await World.create();
    await world.alarm();
    await world.pass(70);
    await world.fail(2);
    await world.pass(40);
    expect((await world.shown()).StateValue).toBe('OK');
    await world.pass(11);
    const inAlarm = await world.shown();
    expect(inAlarm.StateValue).toBe('ALARM');
    expect(inAlarm.StateReason).toMatch(/1 out of the last 1 datapoints \[2\.0 .*greater than or equal/);
    expect(JSON.parse(inAlarm.StateReasonData!)).toMatchObject({
      period: 60,
      statistic: 'Sum',
      recentDatapoints: [2],
      threshold: 1,
      evaluatedDatapoints: [{ timestamp: '2026-01-01T00:01:00.000+0000', value: 2 }],
    });
    await world.pass(60);
    expect((await world.shown()).StateTransitionedTimestamp).toEqual(inAlarm.StateTransitionedTimestamp);
    await world.pass(120);
    expect(world.changes()).toEqual(['failures OK', 'failures ALARM', 'failures OK']);
  });

  test('watches only its own dimensions', async () => {
    const world = await World.create();
    await world.alarm();
    await world.fail(5, 'stable');
    await world.pass(61);
    expect((await world.shown()).StateValue).toBe('OK');
  });

  test('with a pace of 60 sees a minute in a second', async () => {
    const world = await World.create({ pace: 60 });
    await world.alarm();
    await world.fail(2);
    await world.pass(1.2);
    expect((await world.shown()).StateValue).toBe('ALARM');
    await world.pass(3);
    expect((await world.shown()).StateValue).toBe('OK');
  });

  test('of five minutes slides by one minute', async () => {
    const world = await World.create();
    await world.alarm({ Period: 300, Threshold: 3 });
    await world.pass(130);
    await world.fail(2);
    await world.pass(240);
    await world.fail(2);
    await world.pass(61);
    expect(world.changes().at(-1)).toBe('failures ALARM');
  });

  test('of ten seconds is evaluated every ten seconds', async () => {
    const world = await World.create();
    await world.alarm({ Period: 10 });
    await world.fail(1);
    await world.pass(11);
    expect((await world.shown()).StateValue).toBe('ALARM');
  });

  test('keeps its state when its definition changes', async () => {
    const world = await World.create();
    await world.alarm();
    await world.fail(1);
    await world.pass(61);
    await world.alarm({ Threshold: 100 });
    expect(await world.shown()).toMatchObject({ StateValue: 'ALARM', Threshold: 100 });
  });
});

describe('an alarm on metric math', () => {
  const increase = {
    AlarmName: 'new-dead-letters',
    EvaluationPeriods: 1,
    Threshold: 1,
    ComparisonOperator: 'GreaterThanOrEqualToThreshold',
    TreatMissingData: 'notBreaching',
    Metrics: [
      { Id: 'expr_1', Expression: 'IF(DIFF(visible) > 0, DIFF(visible), 0)', Label: 'New dead letters' },
      {
        Id: 'visible',
        ReturnData: false,
        MetricStat: {
          Metric: { Namespace: 'AWS/SQS', MetricName: 'Visible', Dimensions: [] },
          Period: 60,
          Stat: 'Maximum',
        },
      },
    ],
  } satisfies PutMetricAlarm;

  test('on the increase is silent over residue and goes off on each new dead letter', async () => {
    const world = await World.create();
    await world.call('cloudwatch', 'PutMetricAlarm', increase);
    const vended: Principal = { kind: 'service', arn: 'sqs.amazonaws.com', accountId: '111122223333' };
    for (const visible of [3, 3, 3, 4, 4, 6, 6]) {
      await world.engine.call(vended, 'cloudwatch', 'PutMetricData', {
        Namespace: 'AWS/SQS',
        MetricData: [{ MetricName: 'Visible', Value: visible }],
      });
      await world.pass(60);
    }
    await world.pass(2);
    expect(world.changes().map((change) => change.split(' ')[1])).toEqual([
      'OK',
      'ALARM',
      'OK',
      'ALARM',
      'OK',
    ]);
  });

  test.each<[string, Partial<PutMetricAlarm>, string]>([
    [
      'an unknown id',
      { Metrics: [{ Id: 'e', Expression: 'visible * 2' }] },
      "no metric query has the id 'visible'",
    ],
    [
      'several returned series',
      { Metrics: [increase.Metrics[0]!, { ...increase.Metrics[1]!, ReturnData: true }] },
      'Exactly one element of the metrics list should return data, not 2',
    ],
    [
      'an expression that depends on itself',
      {
        Metrics: [
          { Id: 'a', Expression: 'b + visible' },
          { Id: 'b', Expression: 'a', ReturnData: false },
          increase.Metrics[1]!,
        ],
      },
      'depends on itself',
    ],
    ['a metric alongside Metrics', { Namespace: 'Shop' }, 'mutually exclusive'],
    [
      'an expression that yields a number',
      { Metrics: [{ Id: 'e', Expression: 'SUM(visible)' }, increase.Metrics[1]!] },
      'must yield a time series',
    ],
    [
      'an expression that yields no single series',
      { Metrics: [{ Id: 'e', Expression: '[visible, visible]' }, increase.Metrics[1]!] },
      'must yield one time series, not 2',
    ],
    [
      'a function used wrongly',
      { Metrics: [{ Id: 'e', Expression: 'visible + DIFF(1)' }, increase.Metrics[1]!] },
      'needs a time series',
    ],
    ['bad grammar', { Metrics: [{ Id: 'e', Expression: '1 +' }] }, 'the expression ends early'],
    ['length', { Metrics: [{ Id: 'e', Expression: '1+'.repeat(1_025) }] }, 'is longer than 2048 characters'],
  ])('refuses %s', async (_what, over, message) => {
    const world = await World.create();
    await expect(world.call('cloudwatch', 'PutMetricAlarm', { ...increase, ...over })).rejects.toThrow(
      message,
    );
  });
});

test('an expression that fails on the present data leaves the state, and is told once', async () => {
  const world = await World.create();
  await world.call('cloudwatch', 'PutMetricAlarm', {
    AlarmName: 'fragile',
    EvaluationPeriods: 1,
    Threshold: 1,
    ComparisonOperator: 'GreaterThanThreshold',
    Metrics: [
      { Id: 'e', Expression: 'IF(SUM(m) < 1, METRICS(), m) + IF(SUM(m) < 1, METRICS(), m)' },
      {
        Id: 'm',
        ReturnData: false,
        MetricStat: {
          Metric: {
            Namespace: 'Shop',
            MetricName: 'Failed',
            Dimensions: [{ Name: 'Track', Value: 'canary' }],
          },
          Period: 60,
          Stat: 'Sum',
        },
      },
    ],
  });
  await world.fail(5);
  await world.pass(61);
  expect((await world.shown('fragile')).StateValue).toBe('ALARM');
  await world.fail(0);
  await world.pass(240);
  await world.fail(0);
  await world.pass(120);
  expect(world.entries('alarm.evaluation-failed')).toHaveLength(1);
  await world.fail(5);
  await world.pass(60);
  expect((await world.shown('fragile')).StateValue).toBe('ALARM');
});

test.each<[string, Partial<PutMetricAlarm>, string]>([
  ['an odd period', { Period: 45 }, 'Period must be 10, 20, 30 or a multiple of 60'],
  ['M above N', { DatapointsToAlarm: 2 }, 'not above EvaluationPeriods'],
  ['more than a day', { Period: 300, EvaluationPeriods: 289 }, 'more than a day'],
  ['an anomaly band', { ComparisonOperator: 'GreaterThanUpperThreshold' }, 'fixed threshold only'],
  [
    'an action it cannot do',
    { AlarmActions: ['arn:aws:automate:us-east-1:ec2:stop'] },
    'does not support the action',
  ],
  ['two statistics', { ExtendedStatistic: 'p99' }, 'Exactly one of Statistic and ExtendedStatistic'],
  ['a bad treatment', { TreatMissingData: 'guess' }, 'TreatMissingData must be one of'],
])('an alarm with %s is refused', async (_what, over, message) => {
  const world = await World.create();
  await expect(world.alarm(over)).rejects.toThrow(message);
});

test('a composite alarm is refused in plain words', async () => {
  const world = await World.create();
  await expect(
    world.call('cloudwatch', 'PutCompositeAlarm', { AlarmName: 'both', AlarmRule: 'ALARM(a)' }),
  ).rejects.toThrow('does not support composite alarms');
});

describe('when an alarm changes', () => {
  test('an event names both states and what is watched', async () => {
    const world = await World.create();
    await world.alarm({ AlarmDescription: 'the canary fails' });
    await world.fail(3);
    await world.pass(61);
    const event = world.entries('aws.event')[0]!.detail;
    expect(event).toMatchObject({
      source: 'aws.cloudwatch',
      'detail-type': 'CloudWatch Alarm State Change',
      resources: ['arn:aws:cloudwatch:us-east-1:111122223333:alarm:failures'],
      detail: {
        alarmName: 'failures',
        state: { value: 'ALARM', timestamp: '2026-01-01T00:01:01.000+0000' },
        previousState: { value: 'INSUFFICIENT_DATA' },
        configuration: {
          description: 'the canary fails',
          metrics: [
            {
              metricStat: {
                metric: { namespace: 'Shop', name: 'Failed', dimensions: { Track: 'canary' } },
                period: 60,
                stat: 'Sum',
              },
              returnData: true,
            },
          ],
        },
      },
    });
  });

  test('its topic hears of it once for each transition', async () => {
    const world = await World.create();
    await world.alarm({ AlarmActions: [TOPIC] });
    await world.fail(3);
    await world.pass(200);
    expect(world.published).toHaveLength(1);
    expect(world.published[0]).toMatchObject({
      principal: { arn: 'cloudwatch.amazonaws.com' },
      subject: 'ALARM: "failures" in us-east-1',
      message: { NewStateValue: 'ALARM', OldStateValue: 'INSUFFICIENT_DATA', Trigger: { Threshold: 1 } },
    });
  });

  test('nothing is told while its actions are disabled', async () => {
    const world = await World.create();
    await world.alarm({ AlarmActions: [TOPIC] });
    await world.call('cloudwatch', 'DisableAlarmActions', { AlarmNames: ['failures'] });
    await world.fail(3);
    await world.pass(61);
    expect((await world.shown()).StateValue).toBe('ALARM');
    expect(world.published).toEqual([]);
  });

  test('a failed action is in the journal and in the history', async () => {
    const world = await World.create();
    world.refuseToPublish = true;
    await world.alarm({ AlarmActions: [TOPIC] });
    await world.fail(3);
    await world.pass(61);
    expect(world.entries('alarm.action-failed')).toHaveLength(1);
    const { AlarmHistoryItems } = await world.call('cloudwatch', 'DescribeAlarmHistory', {
      AlarmName: 'failures',
    });
    expect(
      AlarmHistoryItems!.map(({ HistoryItemType, HistorySummary }) => [HistoryItemType, HistorySummary]),
    ).toEqual([
      ['Action', `Failed to execute action ${TOPIC}. Received error: "NotFound: Topic does not exist"`],
      ['StateUpdate', 'Alarm updated from INSUFFICIENT_DATA to ALARM'],
      ['ConfigurationUpdate', 'Alarm "failures" created'],
    ]);
  });

  test('a scaling policy is invoked again at every evaluation while the state lasts', async () => {
    const world = await World.create();
    await world.alarm({ AlarmActions: [POLICY] });
    for (const count of [3, 4, 5]) {
      await world.fail(count);
      await world.pass(60);
    }
    await world.pass(2);
    expect(world.entries('alarm.action').map(({ detail }) => [detail.newState, detail.value])).toEqual([
      ['ALARM', 3],
      ['ALARM', 4],
      ['ALARM', 5],
    ]);
  });
});

describe('a state set by hand', () => {
  test('acts like a transition and lasts until the next evaluation', async () => {
    const world = await World.create();
    await world.alarm({ AlarmActions: [TOPIC] });
    await world.pass(61);
    await world.call('cloudwatch', 'SetAlarmState', {
      AlarmName: 'failures',
      StateValue: 'ALARM',
      StateReason: 'drill',
    });
    await world.pass(1);
    expect(world.published).toHaveLength(1);
    await world.pass(60);
    expect(world.changes()).toEqual(['failures OK', 'failures ALARM', 'failures OK']);
  });

  test('equal to the present one is updated without a transition', async () => {
    const world = await World.create();
    await world.alarm();
    const before = await world.shown();
    await world.pass(10);
    await world.call('cloudwatch', 'SetAlarmState', {
      AlarmName: 'failures',
      StateValue: 'INSUFFICIENT_DATA',
      StateReason: 'still',
    });
    const after = await world.shown();
    expect(after.StateReason).toBe('still');
    expect(after.StateTransitionedTimestamp).toEqual(before.StateTransitionedTimestamp);
    expect(after.StateUpdatedTimestamp).not.toEqual(before.StateUpdatedTimestamp);
    expect(world.changes()).toEqual([]);
  });
});

test('an action that the engine did not get to is carried out by the next one', async () => {
  const first = await World.create();
  await first.alarm({ AlarmActions: [TOPIC] });
  await first.call('cloudwatch', 'SetAlarmState', {
    AlarmName: 'failures',
    StateValue: 'OK',
    StateReason: 'known',
  });
  first.hold();
  await first.fail(1);
  await first.clock.advanceBy(61_000);
  expect(first.published).toEqual([]);
  const second = await World.create({ state: first.state, clock: first.clock });
  await second.pass(0);
  expect(second.published).toHaveLength(1);
  expect((await second.shown()).StateValue).toBe('ALARM');
});

describe('listing alarms', () => {
  test('filters by prefix, state and action, and pages', async () => {
    const world = await World.create();
    for (const name of ['a-1', 'a-2', 'a-3', 'b-1']) {
      await world.alarm({ AlarmName: name, AlarmActions: name === 'a-2' ? [TOPIC] : [] });
    }
    const list = async (input: Input<'cloudwatch', 'DescribeAlarms'>) => {
      const { MetricAlarms, NextToken } = await world.call('cloudwatch', 'DescribeAlarms', input);
      return { names: MetricAlarms!.map(({ AlarmName }) => AlarmName), NextToken };
    };
    expect((await list({ AlarmNamePrefix: 'a-' })).names).toEqual(['a-1', 'a-2', 'a-3']);
    expect((await list({ ActionPrefix: 'arn:aws:sns:' })).names).toEqual(['a-2']);
    expect((await list({ StateValue: 'ALARM' })).names).toEqual([]);
    const page = await list({ MaxRecords: 3 });
    expect(page.names).toEqual(['a-1', 'a-2', 'a-3']);
    expect((await list({ MaxRecords: 3, NextToken: page.NextToken })).names).toEqual(['b-1']);
    await expect(list({ NextToken: 'mine' })).rejects.toMatchObject({ code: 'InvalidNextToken' });
  });

  test('finds the alarms of a metric, also within metric math', async () => {
    const world = await World.create();
    await world.alarm();
    await world.alarm({ AlarmName: 'other', Dimensions: [] });
    const { MetricAlarms } = await world.call('cloudwatch', 'DescribeAlarmsForMetric', {
      Namespace: 'Shop',
      MetricName: 'Failed',
      Dimensions: [{ Name: 'Track', Value: 'canary' }],
    });
    expect(MetricAlarms!.map(({ AlarmName }) => AlarmName)).toEqual(['failures']);
  });

  test('deleting one that does not exist deletes none', async () => {
    const world = await World.create();
    await world.alarm();
    await expect(
      world.call('cloudwatch', 'DeleteAlarms', { AlarmNames: ['failures', 'nobody'] }),
    ).rejects.toMatchObject({ code: 'ResourceNotFound' });
    expect((await world.shown()).AlarmName).toBe('failures');
  });
});
