import {
  defineResource,
  listed,
  type ResourceContext,
  retag,
  tagList,
  unlessMissing,
} from './resource-type.ts';
import { flag, list, number, object, oneOf, type Properties, required, tags, text } from './schema.ts';

const dimensions = list(object({ Name: required(text), Value: required(text) }));
const unit = oneOf(
  'Seconds',
  'Microseconds',
  'Milliseconds',
  'Bytes',
  'Kilobytes',
  'Megabytes',
  'Gigabytes',
  'Terabytes',
  'Bits',
  'Percent',
  'Count',
  'Bytes/Second',
  'Count/Second',
  'None',
);
const properties = {
  AlarmName: text,
  AlarmDescription: text,
  ActionsEnabled: flag,
  AlarmActions: list(text),
  OKActions: list(text),
  InsufficientDataActions: list(text),
  ComparisonOperator: required(
    oneOf(
      'GreaterThanOrEqualToThreshold',
      'GreaterThanThreshold',
      'LessThanThreshold',
      'LessThanOrEqualToThreshold',
    ),
  ),
  EvaluationPeriods: required(number),
  DatapointsToAlarm: number,
  Threshold: number,
  TreatMissingData: text,
  EvaluateLowSampleCountPercentile: text,
  Namespace: text,
  MetricName: text,
  Dimensions: dimensions,
  Period: number,
  Statistic: oneOf('SampleCount', 'Average', 'Sum', 'Minimum', 'Maximum'),
  ExtendedStatistic: text,
  Unit: unit,
  Metrics: list(
    object({
      Id: required(text),
      Expression: text,
      Label: text,
      Period: number,
      ReturnData: flag,
      AccountId: text,
      MetricStat: object({
        Metric: required(object({ Namespace: text, MetricName: text, Dimensions: dimensions })),
        Period: required(number),
        Stat: required(text),
        Unit: unit,
      }),
    }),
  ),
  Tags: tags,
};
type Alarm = Properties<typeof properties>;

const nameOf = (context: ResourceContext, alarm: Alarm) => alarm.AlarmName ?? context.name({ longest: 255 });

async function put(
  context: ResourceContext,
  AlarmName: string,
  alarm: Alarm,
  creating: boolean,
): Promise<void> {
  await context.call('cloudwatch', 'PutMetricAlarm', {
    ...alarm,
    AlarmName,
    Tags: creating ? tagList(context, alarm.Tags) : undefined,
  });
}

export const cloudwatchAlarm = defineResource('AWS::CloudWatch::Alarm', {
  properties,
  attributes: ['Arn'],
  createOnly: ['AlarmName'],
  identify: nameOf,
  async exists(context, name) {
    const { MetricAlarms } = await context.call('cloudwatch', 'DescribeAlarms', { AlarmNames: [name] });
    return (MetricAlarms ?? []).length > 0;
  },
  async create(context, alarm) {
    const name = nameOf(context, alarm);
    await put(context, name, alarm, true);
    return {
      id: name,
      attributes: { Arn: `arn:aws:cloudwatch:${context.region}:${context.accountId}:alarm:${name}` },
    };
  },
  async update(context, alarm, existing) {
    const { id } = existing;
    await put(context, id, alarm, false);
    const ResourceARN = String(existing.attributes.Arn);
    await retag(context, alarm.Tags, existing, {
      set: (tags) => context.call('cloudwatch', 'TagResource', { ResourceARN, Tags: listed(tags) }),
      remove: (TagKeys) => context.call('cloudwatch', 'UntagResource', { ResourceARN, TagKeys }),
    });
    return undefined;
  },
  async delete(context, { id }) {
    await unlessMissing(() => context.call('cloudwatch', 'DeleteAlarms', { AlarmNames: [id] }));
  },
});
