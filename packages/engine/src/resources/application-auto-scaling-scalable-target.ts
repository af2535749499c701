import type { ScalableDimension, ServiceNamespace } from '@aws-sdk/client-application-auto-scaling';
import { defineResource, type ResourceContext, unlessMissing } from './resource-type.ts';
import { flag, number, object, type Properties, required, text } from './schema.ts';

const properties = {
  MaxCapacity: required(number),
  MinCapacity: required(number),
  ResourceId: required(text),
  RoleARN: text,
  ScalableDimension: required(text),
  ServiceNamespace: required(text),
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

/** `ScheduledActions` are not known here. */
export const scalableTarget = defineResource('AWS::ApplicationAutoScaling::ScalableTarget', {
  properties,
  attributes: ['Id'],
  createOnly: ['ResourceId', 'ScalableDimension', 'ServiceNamespace'],
  identify: (_context, target) => idOf(target),
  async create(context, target) {
    await register(context, target);
    return { id: idOf(target), attributes: { Id: idOf(target) } };
  },
  async update(context, target) {
    await register(context, target);
    return undefined;
  },
  async delete(context, { properties: target }) {
    await unlessMissing(() =>
      context.call('application-auto-scaling', 'DeregisterScalableTarget', keyOf(target)),
    );
  },
});
