import type { TargetTrackingScalingPolicyConfiguration } from '@aws-sdk/client-application-auto-scaling';
import type { Engine, OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import type { Input } from '../../sdk/services.ts';
import type { StoredPolicy } from './model.ts';
import { readPolicy } from './policy-rules.ts';
import { conditions, DIMENSION, NAMESPACE, page, requireNamespace, resourceOf } from './request.ts';
import type { ScalingStore } from './store.ts';
import { alarmNames, deleteTrackingAlarms, putTrackingAlarms } from './tracking-alarms.ts';
import { shownActivity, shownAlarms, shownPolicy } from './views.ts';

/** Scaling policies, and the activities that they cause. */
export function policyOperations(engine: Engine, store: ScalingStore) {
  return {
    PutScalingPolicy: { conditions, run: (input) => putPolicy(engine, store, input) },
    DeleteScalingPolicy: {
      conditions,
      run: async (input) => {
        const resourceId = resourceOf(input);
        const policy = store.policy(resourceId, input.PolicyName);
        if (!policy) {
          throw new AwsFault(
            'ObjectNotFoundException',
            `No scaling policy found for service namespace: ${NAMESPACE}, resource ID: ${resourceId}, scalable dimension: ${DIMENSION}: ${input.PolicyName}`,
          );
        }
        await deleteTrackingAlarms(engine, policy);
        store.policies.delete(policy.arn);
        return {};
      },
    },
    DescribeScalingPolicies: {
      run: (input) => {
        requireNamespace(input.ServiceNamespace);
        const found = [...store.policies.values()]
          .filter(
            ({ resourceId, name }) =>
              (input.ResourceId === undefined || input.ResourceId === resourceId) &&
              (!input.PolicyNames?.length || input.PolicyNames.includes(name)),
          )
          .map((policy) => shownPolicy(engine, policy));
        const { items, NextToken } = page(found, input);
        return { ScalingPolicies: items, NextToken };
      },
    },
    DescribeScalingActivities: {
      run: (input) => {
        requireNamespace(input.ServiceNamespace);
        const found = [...store.activities.values()]
          .filter(({ resourceId }) => input.ResourceId === undefined || input.ResourceId === resourceId)
          .reverse()
          .map(shownActivity);
        const { items, NextToken } = page(found, input);
        return { ScalingActivities: items, NextToken };
      },
    },
  } satisfies OperationTable<'application-auto-scaling'>;
}

async function putPolicy(
  engine: Engine,
  store: ScalingStore,
  input: Input<'application-auto-scaling', 'PutScalingPolicy'>,
) {
  const { resourceId } = store.target(input);
  const existing = store.policy(resourceId, input.PolicyName);
  const configuration = readPolicy(input);
  const name = input.PolicyName ?? '';
  const policy: StoredPolicy = {
    arn:
      existing?.arn ??
      `arn:aws:autoscaling:${engine.region}:${engine.accountId}:scalingPolicy:${engine.ids.uuid()}:resource/${NAMESPACE}/${resourceId}:policyName/${name}`,
    name,
    resourceId,
    createdAtMs: existing?.createdAtMs ?? engine.clock.nowMs(),
    ...configuration,
    ...(configuration.tracking
      ? { alarms: namesOfAlarms(engine, resourceId, configuration.tracking, existing) }
      : {}),
  };
  if (existing) await deleteTrackingAlarms(engine, withoutAlarmsOf(existing, policy));
  store.policies.put(policy.arn, policy);
  await putTrackingAlarms(engine, policy);
  return { PolicyARN: policy.arn, Alarms: shownAlarms(engine, policy) };
}

function namesOfAlarms(
  engine: Engine,
  resourceId: string,
  { DisableScaleIn }: TargetTrackingScalingPolicyConfiguration,
  existing: StoredPolicy | undefined,
): NonNullable<StoredPolicy['alarms']> {
  const name = (kind: 'High' | 'Low') => `TargetTracking-${resourceId}-Alarm${kind}-${engine.ids.uuid()}`;
  const high = existing?.alarms?.high ?? name('High');
  return DisableScaleIn ? { high } : { high, low: existing?.alarms?.low ?? name('Low') };
}

/** The old policy with only those alarms that the new one does not keep. */
function withoutAlarmsOf(old: StoredPolicy, next: StoredPolicy): StoredPolicy {
  const kept = alarmNames(next);
  const [high, low] = alarmNames(old).filter((name) => !kept.includes(name));
  const { alarms: _, ...rest } = old;
  return high === undefined ? rest : { ...rest, alarms: low === undefined ? { high } : { high, low } };
}
