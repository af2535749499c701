import type { Engine, OperationTable } from '../../dispatch/service.ts';
import type { Input } from '../../sdk/services.ts';
import { conditions, invalid, page, requireNamespace, resourceOf } from './request.ts';
import type { Scaler } from './scaler.ts';
import type { ScheduledActions } from './scheduled-actions.ts';
import type { ScalingStore } from './store.ts';
import { deleteTrackingAlarms } from './tracking-alarms.ts';
import { shownTarget } from './views.ts';

/** Scalable targets and their tags. */
export function targetOperations(
  engine: Engine,
  store: ScalingStore,
  scaler: Scaler,
  scheduled: ScheduledActions,
) {
  return {
    RegisterScalableTarget: { conditions, run: (input) => registerTarget(engine, store, scaler, input) },
    DeregisterScalableTarget: {
      conditions,
      run: async (input) => {
        const { resourceId } = store.target(input);
        for (const policy of [...store.policies.values()]) {
          if (policy.resourceId !== resourceId) continue;
          await deleteTrackingAlarms(engine, policy);
          store.policies.delete(policy.arn);
        }
        scheduled.removeAllOf(resourceId);
        store.targets.delete(resourceId);
        return {};
      },
    },
    DescribeScalableTargets: {
      run: (input) => {
        requireNamespace(input.ServiceNamespace);
        const found = [...store.targets.values()]
          .filter(({ resourceId }) => !input.ResourceIds?.length || input.ResourceIds.includes(resourceId))
          .map((target) => shownTarget(engine, target));
        const { items, NextToken } = page(found, input);
        return { ScalableTargets: items, NextToken };
      },
    },
    ListTagsForResource: {
      resources: (input) => [input.ResourceARN ?? ''],
      run: (input) => ({ Tags: { ...store.targetByArn(input.ResourceARN).tags } }),
    },
    TagResource: {
      resources: (input) => [input.ResourceARN ?? ''],
      run: (input) => {
        const target = store.targetByArn(input.ResourceARN);
        store.targets.put(target.resourceId, { ...target, tags: { ...target.tags, ...input.Tags } });
        return {};
      },
    },
    UntagResource: {
      resources: (input) => [input.ResourceARN ?? ''],
      run: (input) => {
        const target = store.targetByArn(input.ResourceARN);
        const tags = Object.fromEntries(
          Object.entries(target.tags).filter(([key]) => !input.TagKeys?.includes(key)),
        );
        store.targets.put(target.resourceId, { ...target, tags });
        return {};
      },
    },
  } satisfies OperationTable<'application-auto-scaling'>;
}

async function registerTarget(
  engine: Engine,
  store: ScalingStore,
  scaler: Scaler,
  input: Input<'application-auto-scaling', 'RegisterScalableTarget'>,
) {
  const resourceId = resourceOf(input);
  const existing = store.targets.get(resourceId);
  const min = input.MinCapacity ?? existing?.minCapacity;
  const max = input.MaxCapacity ?? existing?.maxCapacity;
  if (min === undefined || max === undefined) {
    throw invalid('Both MinCapacity and MaxCapacity are required to register a new scalable target.');
  }
  if (min < 0 || max < min) {
    throw invalid(`Maximum capacity (${max}) cannot be less than minimum capacity (${min}), nor negative.`);
  }
  await scaler.requireService(resourceId);
  const target = store.targets.put(resourceId, {
    ...existing,
    resourceId,
    arn:
      existing?.arn ??
      `arn:aws:application-autoscaling:${engine.region}:${engine.accountId}:scalable-target/${engine.ids.hex(32)}`,
    minCapacity: min,
    maxCapacity: max,
    suspended: {
      DynamicScalingInSuspended: false,
      DynamicScalingOutSuspended: false,
      ScheduledScalingSuspended: false,
      ...existing?.suspended,
      ...defined(input.SuspendedState ?? {}),
    },
    createdAtMs: existing?.createdAtMs ?? engine.clock.nowMs(),
    tags: { ...existing?.tags, ...input.Tags },
  });
  scaler.enforceBounds(resourceId);
  return { ScalableTargetARN: target.arn };
}

function defined(values: object): Record<string, boolean> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
