import type { ScalableDimension, ServiceNamespace } from '@aws-sdk/client-application-auto-scaling';
import { defineResource, type ResourceContext, unlessMissing } from './resource-type.ts';
import { flag, list, number, object, type Properties, required, text } from './schema.ts';

const properties = {
  MaxCapacity: required(number),
  MinCapacity: required(number),
  ResourceId: required(text),
  RoleARN: text,
  ScalableDimension: required(text),
  ServiceNamespace: required(text),
  ScheduledActions: list(
    object({
      ScheduledActionName: required(text),
      Schedule: required(text),
      ScalableTargetAction: object({ MinCapacity: number, MaxCapacity: number }),
      StartTime: text,
      EndTime: text,
      Timezone: text,
    }),
  ),
  SuspendedState: object({
    DynamicScalingInSuspended: flag,
    DynamicScalingOutSuspended: flag,
    ScheduledScalingSuspended: flag,
  }),
};
type Target = Properties<typeof properties>;

const idOf = (target: Target) =>
  `${target.ResourceId}|${target.ScalableDimension}|${target.ServiceNamespace}`;
const keyOf = (target: Target) => ({
  ResourceId: target.ResourceId,
  ScalableDimension: target.ScalableDimension as ScalableDimension,
  ServiceNamespace: target.ServiceNamespace as ServiceNamespace,
});

async function register(context: ResourceContext, target: Target): Promise<void> {
  await context.call('application-auto-scaling', 'RegisterScalableTarget', {
    ...keyOf(target),
    MinCapacity: target.MinCapacity,
    MaxCapacity: target.MaxCapacity,
    RoleARN: target.RoleARN,
    SuspendedState: target.SuspendedState,
    Tags: Object.keys(context.stackTags).length === 0 ? undefined : { ...context.stackTags },
  });
}

async function schedule(context: ResourceContext, target: Target, before?: Target): Promise<void> {
  for (const { StartTime, EndTime, ...action } of target.ScheduledActions ?? []) {
    await context.call('application-auto-scaling', 'PutScheduledAction', {
      ...keyOf(target),
      ...action,
      ...(StartTime === undefined ? {} : { StartTime: new Date(StartTime) }),
      ...(EndTime === undefined ? {} : { EndTime: new Date(EndTime) }),
    });
  }
  const kept = new Set(target.ScheduledActions?.map(({ ScheduledActionName }) => ScheduledActionName));
  for (const { ScheduledActionName } of before?.ScheduledActions ?? []) {
    if (kept.has(ScheduledActionName)) continue;
    await unlessMissing(() =>
      context.call('application-auto-scaling', 'DeleteScheduledAction', {
        ...keyOf(target),
        ScheduledActionName,
      }),
    );
  }
}

export const scalableTarget = defineResource('AWS::ApplicationAutoScaling::ScalableTarget', {
  properties,
  attributes: ['Id'],
  createOnly: ['ResourceId', 'ScalableDimension', 'ServiceNamespace'],
  identify: (_context, target) => idOf(target),
  async create(context, target) {
    await register(context, target);
    await schedule(context, target);
    return { id: idOf(target), attributes: { Id: idOf(target) } };
  },
  async update(context, target, { properties: before }) {
    await register(context, target);
    await schedule(context, target, before);
    return undefined;
  },
  async delete(context, { properties: target }) {
    await unlessMissing(() =>
      context.call('application-auto-scaling', 'DeregisterScalableTarget', keyOf(target)),
    );
  },
});
