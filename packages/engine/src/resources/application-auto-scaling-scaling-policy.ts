import type { ScalableDimension, ServiceNamespace } from '@aws-sdk/client-application-auto-scaling';
import { AwsFault } from '../errors.ts';
import { defineResource, type ResourceContext, unlessMissing } from './resource-type.ts';
import { flag, list, number, object, oneOf, type Properties, required, text } from './schema.ts';

const dimensions = list(object({ Name: required(text), Value: required(text) }));
const properties = {
  PolicyName: required(text),
  PolicyType: required(oneOf('StepScaling', 'TargetTrackingScaling')),
  ScalingTargetId: text,
  ResourceId: text,
  ScalableDimension: text,
  ServiceNamespace: text,
  StepScalingPolicyConfiguration: object({
    AdjustmentType: oneOf('ChangeInCapacity', 'PercentChangeInCapacity', 'ExactCapacity'),
    Cooldown: number,
    MetricAggregationType: oneOf('Average', 'Minimum', 'Maximum'),
    MinAdjustmentMagnitude: number,
    StepAdjustments: list(
      object({
        MetricIntervalLowerBound: number,
        MetricIntervalUpperBound: number,
        ScalingAdjustment: required(number),
      }),
    ),
  }),
  TargetTrackingScalingPolicyConfiguration: object({
    TargetValue: required(number),
    DisableScaleIn: flag,
    ScaleInCooldown: number,
    ScaleOutCooldown: number,
    PredefinedMetricSpecification: object({
      PredefinedMetricType: required(
        oneOf('ECSServiceAverageCPUUtilization', 'ECSServiceAverageMemoryUtilization'),
      ),
      ResourceLabel: text,
    }),
    CustomizedMetricSpecification: object({
      MetricName: text,
      Namespace: text,
      Dimensions: dimensions,
      Statistic: oneOf('Average', 'Minimum', 'Maximum', 'SampleCount', 'Sum'),
      Unit: text,
      Metrics: list(
        object({
          Id: required(text),
          Expression: text,
          Label: text,
          ReturnData: flag,
          MetricStat: object({
            Metric: required(object({ Namespace: text, MetricName: text, Dimensions: dimensions })),
            Stat: required(text),
            Unit: text,
          }),
        }),
      ),
    }),
  }),
};
type Policy = Properties<typeof properties>;

function keyOf(policy: Policy) {
  const [resourceId, dimension, namespace] = policy.ScalingTargetId?.split('|') ?? [];
  const key = {
    ResourceId: resourceId ?? policy.ResourceId,
    ScalableDimension: (dimension ?? policy.ScalableDimension) as ScalableDimension | undefined,
    ServiceNamespace: (namespace ?? policy.ServiceNamespace) as ServiceNamespace | undefined,
  };
  if (!key.ResourceId || !key.ScalableDimension || !key.ServiceNamespace) {
    throw new AwsFault(
      'ValidationException',
      'Specify ScalingTargetId, or ResourceId, ScalableDimension and ServiceNamespace.',
    );
  }
  return key;
}

async function put(context: ResourceContext, policy: Policy): Promise<string> {
  const { PolicyARN } = await context.call('application-auto-scaling', 'PutScalingPolicy', {
    ...keyOf(policy),
    PolicyName: policy.PolicyName,
    PolicyType: policy.PolicyType,
    StepScalingPolicyConfiguration: policy.StepScalingPolicyConfiguration,
    TargetTrackingScalingPolicyConfiguration: policy.TargetTrackingScalingPolicyConfiguration,
  });
  return PolicyARN!;
}

export const scalingPolicy = defineResource('AWS::ApplicationAutoScaling::ScalingPolicy', {
  properties,
  attributes: ['Arn'],
  createOnly: ['PolicyName', 'ScalingTargetId', 'ResourceId', 'ScalableDimension', 'ServiceNamespace'],
  identify: (_context, policy) => policy.PolicyName,
  async create(context, policy) {
    const arn = await put(context, policy);
    return { id: arn, attributes: { Arn: arn } };
  },
  async update(context, policy) {
    return { Arn: await put(context, policy) };
  },
  async delete(context, { properties: policy }) {
    await unlessMissing(() =>
      context.call('application-auto-scaling', 'DeleteScalingPolicy', {
        ...keyOf(policy),
        PolicyName: policy.PolicyName,
      }),
    );
  },
});
