import type { OperationTable } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { conditions, DIMENSION, NAMESPACE, page, requireNamespace, resourceOf } from './request.ts';
import { type ScheduledActions, shownAction } from './scheduled-actions.ts';
import type { ScalingStore } from './store.ts';

/** Scheduled actions. */
export function scheduledActionOperations(store: ScalingStore, scheduled: ScheduledActions) {
  return {
    PutScheduledAction: {
      conditions,
      run: (input) => {
        scheduled.put(store.target(input).resourceId, input);
        return {};
      },
    },
    DeleteScheduledAction: {
      conditions,
      run: (input) => {
        const resourceId = resourceOf(input);
        const action = scheduled.find(resourceId, input.ScheduledActionName);
        if (!action) {
          throw new AwsFault(
            'ObjectNotFoundException',
            `No scheduled action found for service namespace: ${NAMESPACE}, resource ID: ${resourceId}, scalable dimension: ${DIMENSION}: ${input.ScheduledActionName}`,
          );
        }
        scheduled.remove(action);
        return {};
      },
    },
    DescribeScheduledActions: {
      run: (input) => {
        requireNamespace(input.ServiceNamespace);
        const names = input.ScheduledActionNames ?? [];
        const found = scheduled
          .all()
          .filter(({ resourceId }) => input.ResourceId === undefined || resourceId === input.ResourceId)
          .filter(({ name }) => names.length === 0 || names.includes(name));
        const { items, NextToken } = page(found, input);
        return { ScheduledActions: items.map(shownAction), NextToken };
      },
    },
  } satisfies OperationTable<'application-auto-scaling'>;
}
