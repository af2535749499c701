import type { StandardUnit } from '@aws-sdk/client-cloudwatch-logs';
import { defineResource, type ResourceContext, unlessMissing } from './resource-type.ts';
import { flag, list, number, object, type Properties, required, text } from './schema.ts';

const properties = {
  ApplyOnTransformedLogs: flag,
  FilterName: text,
  FilterPattern: required(text),
  LogGroupName: required(text),
  MetricTransformations: required(
    list(
      object({
        DefaultValue: number,
        Dimensions: list(object({ Key: required(text), Value: required(text) })),
        MetricName: required(text),
        MetricNamespace: required(text),
        MetricValue: required(text),
        Unit: text,
      }),
    ),
  ),
};
type MetricFilter = Properties<typeof properties>;

const nameOf = (context: ResourceContext, filter: MetricFilter) =>
  filter.FilterName ?? context.name({ longest: 512 });

async function put(context: ResourceContext, filterName: string, filter: MetricFilter): Promise<void> {
  await context.call('logs', 'PutMetricFilter', {
    filterName,
    logGroupName: filter.LogGroupName,
    filterPattern: filter.FilterPattern,
    applyOnTransformedLogs: filter.ApplyOnTransformedLogs,
    metricTransformations: filter.MetricTransformations.map((metric) => ({
      metricName: metric.MetricName,
      metricNamespace: metric.MetricNamespace,
      metricValue: metric.MetricValue,
      defaultValue: metric.DefaultValue,
      dimensions:
        metric.Dimensions && Object.fromEntries(metric.Dimensions.map(({ Key, Value }) => [Key, Value])),
      unit: metric.Unit as StandardUnit | undefined,
    })),
  });
}

export const logsMetricFilter = defineResource('AWS::Logs::MetricFilter', {
  properties,
  createOnly: ['FilterName', 'LogGroupName'],
  identify: nameOf,
  async create(context, filter) {
    const id = nameOf(context, filter);
    await put(context, id, filter);
    return { id };
  },
  async update(context, filter, { id }) {
    await put(context, id, filter);
    return undefined;
  },
  async delete(context, { id, properties: { LogGroupName } }) {
    await unlessMissing(() =>
      context.call('logs', 'DeleteMetricFilter', { filterName: id, logGroupName: LogGroupName }),
    );
  },
});
