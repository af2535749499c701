import type { Engine, Service } from '../../dispatch/service.ts';
import { policyOperations } from './policy-operations.ts';
import { Scaler } from './scaler.ts';
import { scheduledActionOperations } from './scheduled-action-operations.ts';
import { ScheduledActions } from './scheduled-actions.ts';
import { ScalingStore } from './store.ts';
import { targetOperations } from './target-operations.ts';
import { lacksAlarms, putTrackingAlarms } from './tracking-alarms.ts';

/**
 * Application Auto Scaling for the desired count of ECS services: target tracking and step scaling policies,
 * driven by CloudWatch alarms, and scheduled actions. No predictive scaling.
 *
 * CloudWatch reports an alarm that acts on a policy through the journal (`cloudwatch`, `alarm.action`).
 */
export function createApplicationAutoScaling(engine: Engine): Service<'application-auto-scaling'> {
  const store = new ScalingStore(engine);
  const scaler = new Scaler(engine, store);
  const scheduled = new ScheduledActions(engine, {
    targets: store.targets,
    onBounds: (resourceId) => scaler.enforceBounds(resourceId),
  });
  let unsubscribe: (() => void) | undefined;

  return {
    name: 'application-auto-scaling',
    operations: {
      ...targetOperations(engine, store, scaler, scheduled),
      ...scheduledActionOperations(store, scheduled),
      ...policyOperations(engine, store),
    },
    start: async () => {
      scaler.start();
      scheduled.start();
      unsubscribe = engine.journal.subscribe(({ source, type, detail }) => {
        if (source !== 'cloudwatch' || type !== 'alarm.action') return;
        const { actionArn, alarmName, newState, value, threshold } = detail;
        if (typeof actionArn !== 'string' || !store.policies.has(actionArn)) return;
        scaler.signal(actionArn, {
          alarmName: String(alarmName),
          newState: String(newState),
          value: typeof value === 'number' ? value : undefined,
          threshold: Number(threshold),
        });
      });
      for (const policy of [...store.policies.values()]) {
        if (await lacksAlarms(engine, policy)) await putTrackingAlarms(engine, policy);
      }
    },
    stop: async () => {
      scheduled.stop();
      unsubscribe?.();
      await scaler.idle();
    },
  };
}
